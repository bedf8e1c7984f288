"""The `pushlab` command: joins the instrument and the measurement.

What measures is imported where it is needed: its libraries take a second, which `serve` and `--help` don't want.
"""

import errno
import io
import json
import os
import random
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from lab import link as links
from lab import live, sources
from lab.errors import UserError
from lab.listen import data, listen
from lab.terminal import INTERRUPTED, interrupted, run, show, show_table, tell
from lab.transport import BROWSERS, ENGINES, Subject, discover, subject, subjects

if TYPE_CHECKING:
    from benchmarks.doctor import Finding

UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}
"""Seconds."""

app = typer.Typer(
    name="pushlab",
    help="One event source, every transport, real browsers, numbers that hold.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command. A user's mistake becomes one sentence on standard error and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # events may hold what no encoding has
    try:
        code = app(arguments, prog_name="pushlab", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        _abandon_output()
        code = 1
    except Exception as error:
        if (sentence := _sentence(error)) is None:
            raise
        if isinstance(error, OSError) and error.filename is None:
            _abandon_output()
        tell(f"pushlab: {sentence}")
        code = 2
    sys.exit(code if isinstance(code, int) else 0)


def _abandon_output() -> None:
    """Nobody takes it: or the interpreter would try once more, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


def _sentence(error: Exception) -> str | None:
    """What the user was mistaken about, or what a file or a disk refuses; None for what is pushlab's own fault."""
    while isinstance(error, ExceptionGroup):  # of tasks side by side
        error = error.exceptions[0]
    if isinstance(error, typer.TyperException):
        return _usage(error)
    if isinstance(error, OSError) and (error.filename is not None or error.errno in NO_ROOM):
        return ": ".join(str(part) for part in (error.filename, error.strerror) if part)
    return str(error) if isinstance(error, UserError) else None


def _usage(error: typer.TyperException) -> str:
    """What is wrong with the options, and where the right ones are shown."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "pushlab"
    return f"{error.format_message().rstrip('.')}; see `{command} --help`"


@app.callback(invoke_without_command=True)
def pushlab(
    context: typer.Context,
    *,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if show_version:
        show(f"pushlab {version('pushlab')}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        show(context.get_help())


def whole(least: int, most: int) -> Callable[[str], int]:
    """Reads an option's whole number."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise typer.BadParameter(f"{text!r} is not a whole number from {least} to {most}")
        return value

    return read


SOURCE = f"Where events come from: one of {', '.join(sources.KINDS)}, with options: steady:rate=20,size=100."


@app.command()
def serve(
    source: Annotated[str, typer.Option(help=SOURCE)] = "steady:rate=20,size=100",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            parser=whole(0, 65536 - live.PORTS), metavar="<int>", help=f"First of {live.PORTS} ports; 0 = free ones."
        ),
    ] = 8000,
) -> None:
    """Serve every transport, and a page that shows them side by side, until Ctrl-C."""
    run(live.serve(sources.parse(source), host, port, tell))


@app.command()
def bench(  # noqa: PLR0913  (the command's options)
    *,
    plan: Annotated[
        str | None, typer.Option(help="A plan's name, such as smoke or full, or a TOML file; quick if not given.")
    ] = None,
    transport: Annotated[list[str] | None, typer.Option(help="Only these; several with commas, or repeated.")] = None,
    engine: Annotated[list[str] | None, typer.Option(help=f"Only these, of {', '.join(sorted(ENGINES))}.")] = None,
    scenario: Annotated[list[str] | None, typer.Option(help="Only these, such as steady or burst.")] = None,
    link: Annotated[
        list[str] | None,
        typer.Option(help="What lies in between: direct, relay:delay=50ms, net:4g, proxy:nginx; repeated for several."),
    ] = None,
    rounds: Annotated[
        int | None,
        typer.Option(parser=whole(1, 1000), metavar="<int>", help="So many rounds, instead of the plan's."),
    ] = None,
    budget: Annotated[str | None, typer.Option(help="Time to spend, instead of the plan's: 90, 90s or 2m.")] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            parser=whole(0, 2**53), metavar="<int>", help="Decides the order and the events; at random if not given."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the results, by default one in results/.")] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="<path>", help="Go on with the run in that folder, which had stopped.")
    ] = None,
) -> int:
    """Measure every transport in real browsers, and write a report."""
    from benchmarks import measure, session  # noqa: PLC0415  (see the head of this file)
    from benchmarks import plan as plans  # noqa: PLC0415

    among = subjects(discover())
    if resume:
        if any(
            given not in (None, []) for given in (plan, transport, engine, scenario, link, rounds, budget, seed, out)
        ):
            raise UserError(f"--resume {str(resume)!r} goes on as it was planned: give no other option")
        return session.perform(measure.Bench.resumed(resume, among))
    chosen = plans.load(plan or "quick").narrowed(
        rounds=rounds,
        budget=None if budget is None else seconds(budget, "--budget"),
        transports=listed(transport),
        engines=listed(engine),
        scenarios=listed(scenario),
        links=[links.parse(text).text for text in link or ()],
    )
    folder = session.fresh(out) if out else session.dated(chosen.name)
    return session.perform(measure.Bench(chosen, among, folder, random.randrange(10**6) if seed is None else seed))


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that `pushlab bench` made.")],
    charts: Annotated[Path | None, typer.Option(help="Folder for each chart as SVG and PNG.")] = None,
) -> None:
    """Make the reports of a run again, from what was measured."""
    from benchmarks.outcome import Outcome  # noqa: PLC0415  (see the head of this file)

    outcome = Outcome.of(folder)
    for complaint in outcome.complaints:
        tell(complaint)
    page = outcome.write()
    if charts is not None:
        outcome.write_charts(charts)
    show(str(page))


@app.command()
def compare(  # noqa: PLR0913  (the command's options)
    before: Annotated[Path, typer.Argument(metavar="A", help="A folder that `pushlab bench` made.")],
    after: Annotated[Path, typer.Argument(metavar="B", help="The same plan, measured later.")],
    *,
    fail_on: Annotated[
        str | None, typer.Option(help="Exit with 1 if a cell grew by more, lost events or broke: p50=10%,open=25%.")
    ] = None,
    anyway: Annotated[bool, typer.Option("--anyway", help="Even if machines or plans are unlike.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Show what did not change, too.")] = False,
    markdown: Annotated[Path | None, typer.Option(help="File for a summary in Markdown, for a pull request.")] = None,
) -> int:
    """Show what changed from one run of a plan to another."""
    from benchmarks import compare as runs  # noqa: PLC0415  (see the head of this file)
    from benchmarks.runs import write_whole  # noqa: PLC0415

    thresholds = runs.parse_fail_on(fail_on) if fail_on is not None else None
    if before.resolve() == after.resolve():
        raise UserError(f"{str(before)!r} and {str(after)!r} are the same run: name the one before and the one after")
    comparison = runs.compare(runs.read(before), runs.read(after), anyway=anyway)
    failures = None if thresholds is None else comparison.failures(thresholds)
    missed = comparison.missed(thresholds) if thresholds and not failures else []
    for sentence in (*runs.cautions(comparison), *runs.bursts(comparison)):
        tell(sentence)
    if everything or comparison.changes:
        show_table(runs.table(comparison, everything=everything))
    show(runs.words(comparison))
    if markdown is not None:
        write_whole(markdown, runs.markdown(comparison, failures, missed))
    for sentence in failures or ():
        tell(f"fails: {sentence}")
    for sentence in missed:
        tell(f"passes: {sentence}")
    return 1 if failures else 0


@app.command()
def behaviours(  # noqa: PLR0913  (the command's options)
    experiment: Annotated[
        list[str] | None, typer.Argument(help="Only these, by number or name: P1 P16, or coordinated_omission.")
    ] = None,
    *,
    transport: Annotated[list[str] | None, typer.Option(help="Only these; several with commas, or repeated.")] = None,
    engine: Annotated[list[str] | None, typer.Option(help=f"{', '.join(sorted(ENGINES))}; chromium if none.")] = None,
    variants: Annotated[bool, typer.Option("--variants", help="Variants of the transports, too.")] = False,
    long: Annotated[bool, typer.Option("--long", help="Those that take more than a minute and a half, too.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Observe anew what was observed before.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for observations, by default results/behaviours.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="Show which experiments there are, and make none.")] = False,
) -> int:
    """Show who falls into which pitfall: proxies that buffer, connections that die, pages that sleep."""
    from benchmarks.behaviours import session  # noqa: PLC0415  (see the head of this file)
    from benchmarks.behaviours.experiment import chosen  # noqa: PLC0415

    wanted = chosen(listed(experiment))
    if list_:
        show_table(session.listing(wanted))
        return 0
    asked = session.Asked(
        wanted,
        session.among(subjects(discover()), listed(transport), variants=variants),
        session.known_engines(listed(engine)),
        out or session.FOLDER,
        long=long,
        again=again,
    )
    return session.perform(asked)


@app.command(name="listen")
def listen_(
    transport: Annotated[str, typer.Argument(help="A transport's name, as `pushlab transports` shows it.")],
    url: Annotated[str, typer.Argument(help="Where a lab is open.")] = "http://127.0.0.1:8000",
    cursor: Annotated[str, typer.Option(help='Where to begin: "now", "" = the oldest kept, or an event\'s.')] = "now",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Whole lines, as they came.")] = False,
) -> None:
    """Follow a transport without a browser, and print what comes, until Ctrl-C."""
    chosen = subject(transport, subjects(discover()))
    run(listen(chosen, url, cursor, _shown if as_json else _data_shown, tell))


@app.command()
def record(
    file: Annotated[Path, typer.Argument(help="The trace to make, for --source replay:FILE.")],
    source: Annotated[str, typer.Option(help=SOURCE)],
) -> int:
    """Write a source's events to a file, until it ends or Ctrl-C."""
    spec = sources.parse(source)
    if spec.kind == "http":
        raise UserError(f"source {source!r} can't be recorded: its events come to a server")
    stopped = interrupted(sources.record(spec.events(spin=False), file))
    with file.open("rb") as trace:
        tell(f"{file} holds {sum(1 for _ in trace)} events")
    return INTERRUPTED if stopped else 0


@app.command()
def transports(*, as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False) -> None:
    """Show every transport with its variants: available, or not and why."""
    rows = [_described(one) for one in subjects(discover()).values()]
    if as_json:
        show(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    table = Table("name", "available", "title", "year", "wire", "engines", box=None, pad_edge=False)
    table.columns[0].no_wrap = True
    for row in rows:
        if row["available"]:
            table.add_row(row["name"], "yes", row["title"], str(row["year"]), row["wire"], " ".join(row["engines"]))
        else:
            table.add_row(row["name"], "no", f"because {row['reason']}")
    show_table(table)


@app.command()
def doctor(*, as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False) -> int:
    """Show what this machine offers: engines, clocks and their error bounds, optional parts."""
    findings = run(_examined(None if as_json else _finding_shown))
    if as_json:
        show(json.dumps([asdict(finding) for finding in findings], indent=1, ensure_ascii=False))
    return int(not any(finding.state == "ok" for finding in findings if finding.what in BROWSERS))


lesson_app = typer.Typer(name="lesson", help="Lessons: predict, run, see, confront, explain.")
app.add_typer(lesson_app)


@lesson_app.callback(invoke_without_command=True)
def lesson(context: typer.Context) -> None:
    """Show which lessons there are, if nothing else is asked for."""
    if context.invoked_subcommand is None:
        list_lessons()
        tell("pushlab lesson run NAME opens one")


@lesson_app.command(name="list")
def list_lessons() -> None:
    """Show which lessons there are, how long they take, and what can't be had on this machine."""
    from lab.classroom.teaching import checking  # noqa: PLC0415  (see the head of this file)
    from lab.classroom.teaching import lesson as written  # noqa: PLC0415

    show_table(checking.table(written.shelf()))


@lesson_app.command(name="run")
def run_lesson(
    name: Annotated[str, typer.Argument(help="A lesson's name, as `pushlab lesson list` shows it.")] = "",
    port: Annotated[
        int, typer.Option(parser=whole(0, 65535), metavar="<int>", help="Where the page is found; 0 = a free one.")
    ] = 0,
    *,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the address, and open nothing.")] = False,
) -> None:
    """Open a lesson's page, and measure what it asks for, until Ctrl-C."""
    from lab.classroom.teaching import lecture  # noqa: PLC0415  (see the head of this file)
    from lab.classroom.teaching import lesson as written  # noqa: PLC0415

    known = written.shelf()
    if not name:
        raise UserError(f"name a lesson: there are {', '.join(known.lessons)}")
    chosen = known.lesson(name)
    run(lecture.run(chosen, port, tell, browser=not no_browser))


@lesson_app.command(name="check")
def check_lessons(
    name: Annotated[list[str] | None, typer.Argument(help="Only these; all if none is given.")] = None,
) -> int:
    """Run lessons without a page; exit with 1 where an explanation no longer fits what is measured."""
    from lab.classroom.teaching import checking  # noqa: PLC0415  (see the head of this file)
    from lab.classroom.teaching import lesson as written  # noqa: PLC0415

    known = written.shelf()
    chosen = known.only(name) if name else known
    return int(run(checking.check(chosen, show, tell)) > 0)


@lesson_app.command(name="handout")
def write_handout(
    name: Annotated[str, typer.Argument(help="A lesson's name, as `pushlab lesson list` shows it.")],
    out: Annotated[Path | None, typer.Option(help="File to write, by default NAME.html in results/lessons/.")] = None,
) -> None:
    """Write a lesson as a page to print: the questions, and behind them the explanation with blanks."""
    from lab.classroom.teaching import attempt, handout  # noqa: PLC0415  (see the head of this file)
    from lab.classroom.teaching import lesson as written  # noqa: PLC0415

    chosen = written.shelf().lesson(name)
    file = out or attempt.RESULTS / f"{name}.html"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(handout.handout(chosen), encoding="utf-8")
    show(str(file))


@app.command()
def demo(
    *,
    source: Annotated[str, typer.Option(help=SOURCE)] = "steady:rate=20,size=100",
    transport: Annotated[
        list[str] | None, typer.Option(help="Shown at first; several with commas, or repeated; all plain ones if none.")
    ] = None,
    port: Annotated[
        int, typer.Option(parser=whole(0, 65535), metavar="<int>", help="Where the page is; 0 = a free one.")
    ] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the address, and open nothing.")] = False,
) -> None:
    """Show the same events in every transport, live, and break them: in a browser on this machine, until Ctrl-C."""
    from lab.classroom import demo as classroom  # noqa: PLC0415  (see the head of this file)

    run(classroom.demo(classroom.Asked(source, listed(transport), port, browser=not no_browser), tell))


@app.command(name="class")
def class_(  # noqa: PLR0913  (the command's options)
    *,
    address: Annotated[
        str | None,
        typer.Option(help="Interface or address at which students join: wlan0, 192.168.1.5; loopback if none."),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            parser=whole(0, 65535), metavar="<int>", help="8000 if not given, or the next that is free; 0 = any."
        ),
    ] = None,
    transport: Annotated[list[str] | None, typer.Option(help="Only these; several with commas, or repeated.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the class, by default one in results/.")] = None,
    replay: Annotated[Path | None, typer.Option(metavar="<path>", help="Show the class that is kept there.")] = None,
    resume: Annotated[Path | None, typer.Option(metavar="<path>", help="Go on with the class in that folder.")] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Open no browser.")] = False,
) -> None:
    """Hold a class: every student's own browser is an instrument, and joins with a code."""
    from benchmarks import session  # noqa: PLC0415  (see the head of this file)
    from lab.classroom.class_ import network, school  # noqa: PLC0415
    from lab.classroom.host import Place  # noqa: PLC0415

    if sum(folder is not None for folder in (out, replay, resume)) > 1:
        raise UserError("--out begins a class, --resume goes on with one, --replay shows one: give one of them")
    at = network.chosen(address, network.interfaces())
    if replay:
        run(school.show(Place(at, port or 0), replay, tell, browser=not no_browser))
        return
    names = listed(transport)
    if resume:  # devices keep their seats at the same place only
        its_address, its_port, names = school.before(resume)
        at, port = at if address else its_address, its_port if port is None else port
    folder = resume or (session.fresh(out) if out else session.dated("class"))
    among = school.chosen(names)
    place = Place(at, school.usual_port(at, len(among)) if port is None else port)
    run(school.hold(place, folder, among, tell, browser=not no_browser))


# What the commands are made of


def listed(given: Iterable[str] | None) -> list[str]:
    """The names in options that may be repeated, and may hold several with commas."""
    return [name.strip() for one in given or () for name in one.split(",")]


def seconds(text: str, option: str) -> float:
    """A duration: 90, 90s, 2m or 1h.

    Raises:
        UserError: it isn't one, or nothing could happen in it.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip())
    if not match or not float(match[1]):
        raise UserError(f"{option} is {text!r}; it must be seconds or minutes above 0, such as 90, 90s or 2m")
    return float(match[1]) * UNITS[match[2]]


def _shown(line: str) -> None:
    try:
        show(line)
    except BrokenPipeError as error:  # the listener would take it for a lost connection
        raise typer.Exit(1) from error


def _data_shown(line: str) -> None:
    if (said := data(line)) is not None:
        _shown(said)


def _described(one: Subject) -> dict[str, Any]:
    """A transport or variant, for programs; what can't be known of an unavailable one is null."""
    found, known = one.found, one.found.module is not None
    return {
        "name": one.name,
        "available": known,
        "reason": found.reason or None,
        "title": one.title if known else None,
        "year": found.about.year if known else None,
        "wire": found.about.wire if known else None,
        "spec": found.about.spec if known else None,
        "engines": [name for name in sorted(ENGINES) if not one.unsupported(name)] if known else [],
    }


async def _examined(tell_finding: "Callable[[Finding], None] | None") -> "list[Finding]":
    from benchmarks.doctor import findings  # noqa: PLC0415  (see the head of this file)

    found = []
    async for finding in findings():
        found.append(finding)
        if tell_finding:
            tell_finding(finding)
    return found


def _finding_shown(finding: "Finding") -> None:
    state = "ok " if finding.state == "ok" else f"{finding.state}, because"
    show(f"{finding.what:16} {state} {finding.says}")
