"""The report in GitHub-flavoured Markdown: what the page says, without its charts; fit for a pull request."""

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from textwrap import indent

from benchmarks.report import figures, method, words
from benchmarks.report.figures import LATENCIES, NONE, Figure, Measure
from benchmarks.report.views import Row, View, views
from benchmarks.runs import Run, Trial


def text(run: Run, trials: Sequence[Trial], summary: Row, complaints: Sequence[str]) -> str:
    """The whole report; the first view is open, the others are folded. Ends with a line break."""
    found = views(summary)
    answers = words.answers(found)
    parts = [
        *_head(run, answers),
        *_whole(run, summary, found, complaints),
        *(_matrix(answer.view) for answer in answers[:1]),
        *(part for answer in answers[1:] for part in _folded(answer)),
        *_method(run, trials, found),
        *_doubts(found),
        *_complaints(complaints),
    ]
    return "\n\n".join(parts) + "\n"


def _head(run: Run, answers: Sequence[words.Answer]) -> Iterator[str]:
    if not answers:
        yield "# Nothing was planned"
        return
    first = answers[0]
    yield f"# {first.headline}"
    rounds = figures.several(*first.view.rounds, "round")
    machine = f"{run.machine.get('processor', 'an unknown processor')}, {run.machine.get('cores', '?')} cores"
    yield plain(
        f"In {first.view.conditions.title}; {rounds} per transport; {machine}, {run.machine.get('system', '?')}. "
        f"pushlab, plan {run.plan}, seed {run.seed}, {run.started}."
    )
    yield from first.sentences


def _whole(run: Run, summary: Row, found: Sequence[View], complaints: Sequence[str]) -> Iterator[str]:
    yield from words.delivery(summary)
    if run.ended != "complete":
        yield words.ending(run.ended, run.settings.get("budget"))
    if reservation := words.reservation(found):
        yield f"> {plain(reservation)}"
    if complaints:
        yield f"> {figures.count(len(complaints), 'file')} could not be read; see below."


def _folded(answer: words.Answer) -> Iterator[str]:
    title = escape(f"{answer.view.conditions.title}: {answer.headline.replace('`', '')}")
    yield f"<details><summary>{title}</summary>"
    yield from answer.sentences
    yield _matrix(answer.view)
    yield "</details>"


def _matrix(view: View) -> str:
    """Transports × measures; verdicts against the first of the fastest."""
    baseline = words.baseline(view)
    head = ["transport", *(f"{m.title}{f', {m.unit}' if m.unit else ''}" for m in view.measures), "delivered", "trials"]
    head[2:2] = [f"against `{baseline}`"] if view.judged else []
    bounds = method.bounds(view)
    note = (
        f"Each with its 95 % interval{f'; absolute times within {bounds} (clock)' if bounds else ''}. {method.TOO_FEW}"
    )
    return f"{table(head, (_row(view, subject, baseline) for subject in view.order))}\n\n{note}"


def _row(view: View, subject: str, baseline: str) -> list[str]:
    cell = view.cells[subject]
    if cell["state"] != "measured":
        return [f"`{subject}`", f"{cell['state']}: {cell['reason']}"]
    row = [f"`{subject}`", *(_figure(measure, measure.of(cell)) for measure in view.measures)]
    row[2:2] = [" ".join(words.verdict(view, subject, baseline)[1:])] if view.judged else []
    return [*row, words.troubles(cell) or words.delivered(cell), str(cell["trials"])]


def _figure(measure: Measure, figure: Figure | None) -> str:
    if figure is None:
        return figures.TOO_FEW if measure in LATENCIES else NONE
    return figures.written(figure)


def _method(run: Run, trials: Sequence[Trial], found: Sequence[View]) -> Iterator[str]:
    yield "## How it was measured"
    yield bullets(f"**{term}**: {_fact(fact)}" for term, fact in method.facts(run, found, trials))
    yield bullets(f"**{term}**: {fact}" for term, fact in method.statistics().items())
    if run.engines:
        clocks = [
            [name, engine["version"], engine["clock"]["method"], f"±{figures.number(engine['clock']['bound_ms'])}"]
            for name, engine in run.engines.items()
        ]
        yield table(["engine", "version", "how its clock was set", "bound, ms"], clocks)
        for name, engine in run.engines.items():
            if engine["flags"]:
                flags = "\n".join(engine["flags"])
                yield f"<details><summary>Effective flags of {name}</summary>\n\n```\n{flags}\n```\n\n</details>"
    if rows := method.punctuality(found, trials):
        body = [[row.where, *map(figures.number, (row.p50, row.p99, row.least)), row.word] for row in rows]
        yield table(["source: appended after due, ms", "p50", "p99", "earliest", "so it was"], body)


def _doubts(found: Sequence[View]) -> Iterator[str]:
    yield "## Doubts"
    doubts = words.doubts(found)
    yield (
        bullets(
            f"{figures.sentence(plain(what))} {figures.sentence(plain(doubt['advice']))} ({name})"
            for doubt in doubts
            for name, what in doubt["cells"]
        )
        if doubts
        else "None: no trial gave reason to doubt it."
    )


def _complaints(complaints: Sequence[str]) -> Iterator[str]:
    if complaints:
        yield "## Files that could not be read"
        yield bullets(map(plain, complaints))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; short rows are filled up, and nothing in a cell can end it."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *([*row, *[""] * (len(head) - len(row))] for row in rows)]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(cell: str) -> str:
    return " ".join(cell.replace("|", "\\|").replace("<", "&lt;").split())


def _fact(fact: str) -> str:
    """One line as words; several, such as a configuration's, as they are."""
    return plain(fact) if "\n" not in fact.strip() else f"\n\n{indent(fact.strip(), ' ' * 6)}\n"


def plain(words_: str) -> str:
    """Words of others, such as a reason: nothing in them is markup."""
    return "".join(f"\\{letter}" if letter in "\\`*_<>[]|#" else letter for letter in " ".join(words_.split()))


def bullets(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)
