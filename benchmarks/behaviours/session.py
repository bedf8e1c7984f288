"""Observing behaviours, from the first sentence to the last line, which is where the report is."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import engines
from benchmarks.behaviours import store, sweep
from benchmarks.behaviours.experiment import Experiment, experiments
from benchmarks.behaviours.progress import shown
from benchmarks.behaviours.store import Seen, Spot
from benchmarks.report import behaviours, behaviours_markdown, behaviours_web
from benchmarks.report import behaviours_words as words
from benchmarks.runs import write_whole
from lab.errors import UserError
from lab.terminal import INTERRUPTED, interrupted, show, show_table, tell
from lab.transport import ENGINES, Subject

FOLDER = Path("results/behaviours")
DEFAULT_ENGINE = "chromium"

WIDE = 110
"""Columns of a terminal from which on words fit into the table."""


@dataclass(frozen=True)
class Asked:
    """What is to be observed, and how."""

    experiments: Sequence[Experiment]
    subjects: Mapping[str, Subject]
    engines: Sequence[str]
    folder: Path = FOLDER
    long: bool = False
    again: bool = False


def among(subjects: Mapping[str, Subject], names: Sequence[str], *, variants: bool) -> dict[str, Subject]:
    """The transports of these names; without any, all of them, with their variants or without.

    Raises:
        UserError: there is none of that name; says which there are.
    """
    for name in names:
        if name not in subjects:
            raise UserError(f"unknown transport {name!r}: there are {', '.join(subjects)}")
    picked = names or [name for name, one in subjects.items() if not one.variant]
    return {name: one for name, one in subjects.items() if name in picked or (variants and one.found.name in picked)}


def known_engines(names: Sequence[str]) -> list[str]:
    """Raises:
    UserError: there is none of that name; says which there are.
    """
    for name in names:
        if name not in ENGINES:
            raise UserError(f"unknown engine {name!r}: there are {', '.join(sorted(ENGINES))}")
    return list(dict.fromkeys(names)) or [DEFAULT_ENGINE]


def perform(asked: Asked) -> int:
    """Observe and report; returns the exit code: 0, 1 where something failed to be observed, or that of Ctrl-C.

    Raises:
        UserError: nothing of it can be observed here; nothing was begun.
    """
    store.checked(asked.folder)
    absent = {name: reason for name, reason in engines.found().items() if isinstance(reason, str)}
    if all(name in absent for name in asked.engines):
        raise UserError("; ".join(absent[name] for name in asked.engines))
    spots = sweep.planned(asked.experiments, asked.subjects, asked.engines, long=asked.long)
    observing = sweep.Sweep(asked.folder, spots, asked.again, absent)
    left = len(observing.left)
    told = f"{left} of {len(spots)} observations to be made" if left else "everything was observed before"
    tell(f"{told}; results in {asked.folder}")
    with shown(Console(stderr=True), experiments()) as observing.tell:
        stopped = interrupted(observing.run())
    return finish(asked, stopped=stopped)


def finish(asked: Asked, *, stopped: bool) -> int:
    """Report everything that was ever observed in the folder; returns the exit code."""
    seen, complaints = known(asked.folder, asked.subjects)
    for complaint in complaints:
        tell(complaint)
    if stopped and not seen:
        tell("interrupted before anything was observed: there is nothing to report")
        return INTERRUPTED
    everything = report_of(asked, seen, complaints)
    page = write(asked.folder, everything)
    chosen = {one.name for one in asked.experiments}
    for panel in everything.panels:
        if panel.engine in asked.engines:
            show_table(table(replace(panel, subjects=sorted(asked.subjects)), chosen, wide=_wide()))
    show(_key(everything, chosen, wide=_wide()))
    if stopped:
        tell(f"interrupted: what was finished is kept and reported, observations: {len(seen)}")
    show(str(page))
    return INTERRUPTED if stopped else int(any(seen[one].state == "failed" for one in _asked_spots(asked, seen)))


def known(folder: Path, subjects: Mapping[str, Subject]) -> tuple[dict[Spot, Seen], list[str]]:
    """What was observed in that folder, by the expectations of today, and sentences about what can't be reported."""
    kept, complaints = store.read(folder)
    there = experiments()
    found = {}
    for spot, seen in kept.items():
        if spot.experiment not in there:
            complaints.append(f"{spot.file} was left out: there is no experiment {spot.experiment!r} any more")
        else:
            found[spot] = _by_today(seen, there[spot.experiment], subjects.get(spot.subject))
    return found, complaints


def _by_today(seen: Seen, experiment: Experiment, subject: Subject | None) -> Seen:
    if seen.observation is None or subject is None or subject.found.module is None:
        return seen
    return replace(seen, expected=experiment.expects(subject, seen.spot.engine, cured=seen.spot.cured))


def report_of(asked: Asked, seen: Mapping[Spot, Seen], complaints: Iterable[str]) -> behaviours.Report:
    """Of every experiment there is; transports and engines are those that were asked for, now or before."""
    subjects = sorted({*asked.subjects, *(spot.subject for spot in seen)})
    names = list(dict.fromkeys([*asked.engines, *sorted(spot.engine for spot in seen)]))
    return behaviours.report(list(experiments().values()), subjects, names, seen, complaints)


def write(folder: Path, report: behaviours.Report) -> Path:
    """Write the reports, each whole or not at all; returns the web page, which comes last."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "report.md", behaviours_markdown.text(report))
    write_whole(folder / "report.html", behaviours_web.page(report))
    return folder / "report.html"


def table(panel: behaviours.Panel, chosen: Iterable[str], *, wide: bool) -> Table:
    """Experiments × transports, for a terminal."""
    made = Table(title=f"in {panel.engine}", title_justify="left", box=None, pad_edge=False)
    made.add_column("pitfall", overflow="fold", min_width=3, max_width=30)
    for subject in panel.subjects:
        made.add_column(subject if wide else subject.replace("_", "_\n").replace(":", ":\n"), overflow="fold")
    for row in (row for row in panel.rows if row.experiment.name in chosen):
        cells = [_cell(row.cells[subject], wide=wide) for subject in panel.subjects]
        one = row.experiment
        made.add_row(f"{one.id} {one.name}" if wide else one.id, *cells)
    return made


def _cell(cell: behaviours.Cell, *, wide: bool) -> str:
    """Without the cure, and with it: "✓ bitten → ✓ unhurt", or "✓● → ✓○"."""
    sights = cell.sights[:1] if cell.alike else cell.sights
    if wide:
        return " → ".join(f"{sight.mark} {sight.word}" for sight in sights)
    return " → ".join(f"{sight.mark}{words.sign(sight).strip()}" for sight in sights)


def _key(report: behaviours.Report, chosen: Iterable[str], *, wide: bool) -> str:
    """What the signs mean; and in a narrow terminal, what the numbers stand for."""
    signs = "✓ as expected, ✕ not as expected, ? not observed; after the arrow: with the cure"
    if wide:
        return signs
    named = [f"{one.id:4}{one.title}" for one in report.experiments if one.name in chosen]
    return "\n".join([*named, signs.replace("; after", ", ● bitten, ○ unhurt; after")])


def _wide() -> bool:
    console = Console()
    return not console.is_terminal or console.width >= WIDE


def _asked_spots(asked: Asked, seen: Mapping[Spot, Seen]) -> Iterator[Spot]:
    names = {one.name for one in asked.experiments}
    for spot in seen:
        if spot.experiment in names and spot.subject in asked.subjects and spot.engine in asked.engines:
            yield spot


def listing(chosen: Sequence[Experiment]) -> Table:
    """Every experiment: what it is about, and how long it takes or why it can't be made."""
    made = Table("id", "name", "title", "seconds", "note", box=None, pad_edge=False)
    for column in made.columns[:2]:
        column.no_wrap = True
    for one in chosen:
        impossible = f"not possible here: {one.impossible}" if one.impossible else ""
        missing = "" if one.impossible else one.missing()
        note = impossible or (f"unavailable: {missing}" if missing else "only with --long" if one.long else "")
        made.add_row(one.id, one.name, one.title, "" if one.impossible else f"{one.seconds:g}", note)
    return made
