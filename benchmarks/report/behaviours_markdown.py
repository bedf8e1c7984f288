"""The behaviour matrix in GitHub-flavoured Markdown: what the page says, without its pictures."""

from collections.abc import Iterator

from benchmarks.behaviours.experiment import Experiment
from benchmarks.report import behaviours_words as words
from benchmarks.report.behaviours import Cell, Panel, Report, Row, Sight
from benchmarks.report.figures import NONE, count, listed, sentence
from benchmarks.report.markdown import bullets, plain, table


def text(report: Report) -> str:
    """The whole report. Ends with a line break."""
    parts = [
        *_head(report),
        *(part for panel in report.panels for part in _panel(panel)),
        "## The pitfalls",
        *(part for one in report.experiments for part in _pitfall(report, one)),
        *_complaints(report),
    ]
    return "\n\n".join(parts) + "\n"


def _head(report: Report) -> Iterator[str]:
    if not report.panels or not report.experiments:
        yield "# Nothing was asked for"
        return
    lead = report.panels[0]
    yield f"# {sentence(words.headline(lead)).removesuffix('.')}"
    yield f"In {lead.engine}, by default: without any cure. pushlab, {words.span(report)}."
    yield from _answer(lead)


def _answer(panel: Panel) -> Iterator[str]:
    found = words.fates(panel)
    if found:
        yield bullets(
            f"`{one.subject}`: bitten by {listed(one.bitten) or 'none'}; unhurt by {listed(one.unhurt) or 'none'}"
            for one in found
        )
    yield from words.sentences(panel)


def _panel(panel: Panel) -> Iterator[str]:
    yield f"## The matrix in {panel.engine}"
    if len(panel.rows) and panel.subjects:
        yield table(
            ["pitfall", *(f"`{subject}`" for subject in panel.subjects), "last observed"],
            (_row(row, panel) for row in panel.rows),
        )
    yield "; ".join(f"{sign}: {what}" for sign, what in words.KEY) + ". After the arrow: with the cure."


def _row(row: Row, panel: Panel) -> list[str]:
    title = f"{row.experiment.id} {plain(row.experiment.title)}"
    cells = [_cell(row.cells[subject]) for subject in panel.subjects]
    return [title, *cells, words.instant(row.last) if row.last else NONE]


def _cell(cell: Cell) -> str:
    sights = cell.sights[:1] if cell.alike else cell.sights
    return " → ".join(words.short(sight) for sight in sights)


def _pitfall(report: Report, one: Experiment) -> Iterator[str]:
    yield f"### {one.id} {plain(one.title)}"
    yield f"{plain(one.question)}"
    facts = [f"**Fixture**: {plain(one.fixture)}", f"**Expected**: {plain(one.expected)}"]
    facts += [f"**Cure**: {plain(one.cure)}"] if one.cure else []
    facts += [f"**Sources**: {', '.join(f'<{source}>' for source in one.sources)}"] if one.sources else []
    facts += [f"**Not possible here**: {plain(one.impossible)}"] if one.impossible else []
    yield bullets(facts)
    told = [] if one.impossible else [line for cell in report.of(one) for line in _evidence(cell)]
    if told:
        summary = f"<details><summary>What was seen, {count(len(told), 'observation')}</summary>"
        yield f"{summary}\n\n{bullets(told)}\n\n</details>"


def _evidence(cell: Cell) -> Iterator[str]:
    for sight in cell.sights[:1] if cell.alike else cell.sights:
        cured = ", with the cure" if sight.spot.cured else ""
        says = f": {plain(sight.says)}" if sight.says else ""
        yield f"`{cell.subject}` in {cell.engine}{cured}: {words.short(sight)}{says}{_details(sight)}"


def _details(sight: Sight) -> str:
    if sight.seen is None:
        return ""
    measured = ", ".join(f"{plain(name)} {plain(value)}" for name, value in words.numbers(sight))
    when = f"{words.instant(sight.seen.when)}, {sight.seen.seconds:g} s"
    return f" ({measured}; {when})" if measured else f" ({when})"


def _complaints(report: Report) -> Iterator[str]:
    if report.complaints:
        yield "## Files that could not be read"
        yield bullets(map(plain, report.complaints))
