"""A bench from its first sentence to its last line, which is where the report is."""

from collections.abc import Iterable
from datetime import datetime
from itertools import count as numbers
from pathlib import Path

from rich.console import Console

from benchmarks import engines
from benchmarks.measure import Bench
from benchmarks.outcome import Outcome
from benchmarks.progress import shown
from benchmarks.report.figures import count
from benchmarks.report.words import ending
from benchmarks.runs import point_latest
from lab.errors import UserError
from lab.log import Log
from lab.terminal import INTERRUPTED, interrupted, run, show, show_table, tell
from lab.transport import BROWSERS, SETTINGS, Subject

RESULTS = Path("results")


def perform(bench: Bench) -> int:
    """Measure and report; returns the exit code: 0, 1 where a cell has failed, or that of Ctrl-C.

    Raises:
        UserError: what is to be measured can't be; nothing was begun.
    """
    plan = bench.plan
    cells = {cell for block in plan.blocks for cell in block.cells(bench.subjects)}
    need_a_browser({cell.engine for cell in cells})
    run(need_routes({cell.subject: bench.subjects[cell.subject] for cell in cells}.values()))
    budget = "no limit of time" if plan.budget is None else f"at most {plan.budget:g} s"
    bench.folder.mkdir(parents=True, exist_ok=True)
    tell(f"plan {plan.name}, seed {bench.seed}: {count(len(cells), 'cell')}, {budget}; results in {bench.folder}")
    with shown(Console(stderr=True)) as bench.tell:
        stopped = interrupted(bench.run())
    return finish(Outcome.of(bench.folder), stopped=stopped)


def need_a_browser(wanted: Iterable[str]) -> None:
    """Raises:
    UserError: browsers are asked for, and not one of them is here; says what to install.
    """
    found = engines.found()
    asked = [found[name] for name in sorted(BROWSERS.intersection(wanted))]
    missing = [reason for reason in asked if isinstance(reason, str)]
    if asked and len(missing) == len(asked):
        raise UserError("; ".join(missing))


async def need_routes(wanted: Iterable[Subject]) -> None:
    """Raises:
    UserError: one has a mistake in them: else a server that can't start would cost the others their cells, too.
    """
    for one in wanted:
        if one.found.module is not None:
            one.found.routes(Log(), {**SETTINGS, **one.options.routes})


def finish(outcome: Outcome, *, stopped: bool) -> int:
    """Report what was measured; returns the exit code."""
    if stopped and not outcome.trials:
        tell("interrupted before a trial was finished: there is nothing to report")
        return INTERRUPTED
    for table in filter(None, (outcome.latencies(), outcome.costs())):
        show_table(table)
    for sentence in outcome.unmeasured():
        show(sentence)
    page = outcome.write()
    lead_to(outcome.folder)
    if stopped:
        tell(f"interrupted: what was finished is kept and reported, trials: {len(outcome.trials)}")
    elif outcome.run.ended == "budget":
        tell(ending(outcome.run.ended, outcome.run.settings["budget"]))
    show(str(page))
    return INTERRUPTED if stopped else int(outcome.failed)


def lead_to(folder: Path) -> None:
    """Make results/latest lead to the folder, if it is one of those and links can be made."""
    if folder.resolve().parent == RESULTS.resolve():
        try:
            point_latest(folder)
        except OSError as error:
            tell(f"{RESULTS / 'latest'} could not be made to lead to the newest: {error.strerror}")


def fresh(folder: Path) -> Path:
    """Where results may go.

    Raises:
        UserError: there is something already.
    """
    if folder.is_dir() and not any(folder.iterdir()):
        return folder
    if folder.exists() or folder.is_symlink():
        raise UserError(f"--out {str(folder)!r} is there already: name a folder that isn't, or is empty")
    return folder


def dated(plan: str) -> Path:
    """A folder in results/ that isn't there yet."""
    name = f"{datetime.now().astimezone():%Y%m%d-%H%M%S}-{plan}"
    names = (name if n == 1 else f"{name}-{n}" for n in numbers(1))
    return next(folder for name in names if not (folder := RESULTS / name).exists())
