"""What is kept in docs/ of what was measured: `make keep ARGS=DIR`.

Of a run its report, its main chart, and its table in the README; of behaviours their report.
"""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from benchmarks import stats
from benchmarks.behaviours import session
from benchmarks.outcome import Outcome
from benchmarks.report import behaviours_web, charts, markdown, method, web, words
from benchmarks.report.figures import (
    CPU,
    LATENCIES,
    MEDIAN,
    MEMORY,
    OTHERS,
    RENDERER,
    Figure,
    Measure,
    count,
    limits,
    number,
    sentence,
    several,
)
from benchmarks.report.views import Row, View, views
from benchmarks.runs import write_whole
from lab.errors import UserError
from lab.transport import discover, subjects

ROOT = Path(__file__).parents[1]
FOLDER = "docs/full"
MATRIX = "docs/behaviours"
BETWEEN = re.compile(r"(?<=<!-- results -->\n).*(?=<!-- /results -->)", re.DOTALL)
WIRE = [one for one in OTHERS if one.key.startswith("wire_bytes_per_event.") and one.key.endswith(".total")]
BESIDE: Sequence[Measure] = (CPU, MEMORY, RENDERER)
"""Measured in scenarios of their own."""


def keep(outcome: Outcome, root: Path = ROOT) -> None:
    """Raises:
    UserError: the run has nothing that could be ranked.
    """
    found = views(outcome.summary)
    if not found or found[0].rounds[0] < stats.MIN_ROUNDS:
        raise UserError(f"the run in {outcome.folder} ranks nothing: that takes {stats.MIN_ROUNDS} rounds")
    made = outcome.run, outcome.trials, outcome.summary
    write_whole(root / FOLDER / "report.html", web.page(*made, outcome.complaints))
    charts.charts(*made)[f"distribution-{found[0].conditions.slug}"].save(root / FOLDER / "latency.svg")
    section = "\n\n".join(_section(outcome, found)) + "\n"
    page = root / "README.md"
    write_whole(page, BETWEEN.sub(lambda _: section, page.read_text(encoding="utf-8")))


def _section(outcome: Outcome, found: Sequence[View]) -> Iterator[str]:
    main = found[0]
    seen = ", ".join(f"{one} {number(value)}" for one, value in main.by(MEDIAN).items())
    yield table(found)
    yield f"![Latency by percentile in {main.conditions.title}. Medians in ms: {seen}]({FOLDER}/latency.svg)"
    yield "\n".join(map(sentence, _told(outcome, found)))


def table(found: Sequence[View]) -> str:
    """The transports of the first view, without their variants, the quickest first; and what they cost elsewhere."""
    main = found[0]
    plain = [one for one in main.measured if ":" not in one]
    figures = {measure: _by_subject(found, measure) for measure in BESIDE}
    beside = [measure for measure in BESIDE if figures[measure]]
    head = ["transport", "p50, ms", "95 % interval", f"p50 against `{plain[0]}`", "p90, ms", "p99, ms", "lost"]
    head += [f"{one.title.lower()}, {one.unit}" for one in (*WIRE, *beside)]
    rows = []
    for one in plain:
        cell = main.measured[one]
        p50, p90, p99 = (measure.of(cell) for measure in LATENCIES[:3])
        against = " ".join(words.verdict(main, one, plain[0])[1:]).strip()
        row = [f"`{one}`", _value(p50), limits(p50) if p50 else "", against, _value(p90), _value(p99)]
        row += [str(len(cell["events"]["lost"])), *(_value(measure.of(cell)) for measure in WIRE)]
        rows.append([*row, *(_value(figures[measure].get(one)) for measure in beside)])
    return markdown.table(head, rows)


def _by_subject(found: Sequence[View], measure: Measure) -> Mapping[str, Figure]:
    """From the first view that has it."""
    cells: dict[str, Row] = next((view.measured for view in found if view.by(measure)), {})
    return {one: figure for one, cell in cells.items() if (figure := measure.of(cell))}


def _value(figure: Figure | None) -> str:
    return number(figure.value if figure else None)


def _told(outcome: Outcome, found: Sequence[View]) -> Iterator[str]:
    """What was measured, on what, when, and how well."""
    run, main = outcome.run, found[0]
    cells = [cell for view in found for cell in view.measured.values() if "events" in cell]
    sent, lost = (sum(cell["events"]["sent"] for cell in cells), sum(len(cell["events"]["lost"]) for cell in cells))
    title = words.scenario_titles(run.settings).get(main.conditions.scenario, main.conditions.scenario)
    yield f"latency from when an event was due until the page had it, in {main.conditions.title}: {title}"
    yield f"{several(*main.rounds, 'round')}, plan `{run.plan}`, seed {run.seed}"
    day = datetime.fromisoformat(run.started).strftime("%-d %B %Y")
    versions = ", ".join(f"{name} {engine['version']}" for name, engine in run.engines.items() if name != "native")
    yield f"{method.machine(run.machine)}; Python {run.versions['python']}, {versions}; {day}"
    late = method.punctuality(found[:1], outcome.trials)
    for one in late:
        yield f"the source was late by {number(one.p50)} ms at the median and by {number(one.p99)} ms at p99"
    yield (
        f"the whole report, of {count(len(cells), 'cell')} and {count(sent, 'event')} of which {lost or 'none'} "
        f"{'was' if lost == 1 else 'were'} lost, is a page to download: [{FOLDER}/report.html]({FOLDER}/report.html)"
    )


def keep_behaviours(folder: Path, root: Path = ROOT) -> None:
    """Raises:
    UserError: nothing was observed there.
    """
    seen, complaints = session.known(folder, subjects(discover()))
    if not seen or complaints:
        raise UserError("; ".join(complaints) or f"{folder} holds neither a run nor observations")
    report = session.report_of(session.Asked([], {}, []), seen, [])
    write_whole(root / MATRIX / "report.html", behaviours_web.page(report))


def main() -> None:
    """What is in the folder that is named."""
    folder = Path(*sys.argv[1:])
    try:
        if (folder / "run.json").exists():
            keep(Outcome.of(folder))
        else:
            keep_behaviours(folder)
    except UserError as error:
        sys.exit(f"pushlab: {error}")


if __name__ == "__main__":
    main()
