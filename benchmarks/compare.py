"""Two runs of one plan: what became slower or faster, what broke, and what can't be told.

Everything is said of the later run, b, against the earlier one, a. How a verdict is reached, and how often it
errs on a machine that drifts: `stats.compare`.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple

from rich.markup import escape
from rich.table import Table

from benchmarks import stats, summary
from benchmarks.families import MEANINGS, UNITS, Family, families
from benchmarks.report.figures import NONE, Figure, count, listed, number, several, written
from benchmarks.runs import Cell, Run, Trial, by_cell, read_trials
from benchmarks.stats import Difference, Effect, Rounds
from lab.errors import UserError

SAME = ("processor", "cores", "memory_gib", "system")
"""What makes a machine another one."""

FREE = frozenset({"name", "about", "rounds", "most", "budget"})
"""What may differ between two plans: how one is called, and how often it measures."""

ASTRAY = ("lost", "duplicated", "reordered", "unexpected")
"""What may become of events, as summary.json counts them."""

HEADINGS = ("cell", "measure", "before", "after", "change")
MOST_NAMED = 3  # differences of two plans; the rest are counted
MOST_ROWS = 250  # of a table in Markdown: GitHub takes 65,536 characters

Verdict = Literal[
    "broken", "slower", "more", "faster", "less", "mended", "changed", "gone", "new", "not resolved", "no difference"
]

CHANGES: Mapping[Verdict, tuple[str, str]] = {
    "broken": ("broke", "broke"),
    "slower": ("became slower", "became slower"),
    "more": ("costs more", "cost more"),
    "faster": ("became faster", "became faster"),
    "less": ("costs less", "cost less"),
    "mended": ("was mended", "were mended"),
    "changed": ("changed", "changed"),
    "gone": ("is gone", "are gone"),
    "new": ("is new", "are new"),
}
"""The verdicts that something has changed, the gravest first, in words for one cell and for several."""

VERDICTS: Sequence[Verdict] = (*CHANGES, "not resolved", "no difference")

COSTLY: Mapping[str, Verdict] = {"slower": "more", "faster": "less"}
"""What `stats` calls slower and faster, where values are no times."""

REASONS = {"too few rounds": "too few rounds", "clock bound": "less than the clocks can tell"}


@dataclass(frozen=True)
class Side:
    """A run as it was read; `complaints` are sentences about files that could not be."""

    folder: Path
    run: Run
    trials: Sequence[Trial]
    complaints: Sequence[str] = ()

    @cached_property
    def by_cell(self) -> dict[Cell, list[Trial]]:
        return by_cell(self.trials)

    @cached_property
    def rows(self) -> dict[Cell, summary.Row]:
        """What summary.json says of each cell that was planned."""
        cells = [Cell(**entry["cell"]) for entry in self.run.cells]
        return dict(zip(cells, summary.summarize(self.run, self.trials, self.complaints)["cells"], strict=True))

    @cached_property
    def measured(self) -> dict[Cell, list[Trial]]:
        held = {cell: [one for one in self.by_cell.get(cell, []) if one.state == "measured"] for cell in self.rows}
        return {cell: trials for cell, trials in held.items() if trials}

    def state(self, cell: Cell) -> tuple[str, str]:
        """A word on what became of the cell, and why unless all is well."""
        row, trials = self.rows[cell], self.by_cell.get(cell, [])
        failed = [one.reason for one in trials if one.state == "failed"]
        if failed and cell in self.measured:
            return "measured in part", f"{len(failed)} of {count(len(trials), 'trial')} failed: {failed[0]}"
        return row["state"], row["reason"]


def read(folder: Path) -> Side:
    """Raises:
    UserError: the folder holds no run that this pushlab can read.
    """
    return Side(folder, Run.load(folder), *read_trials(folder))


class Finding(NamedTuple):
    """What is said of a cell by one measure: p50, open, lost, state, …. All but `difference` in words."""

    cell: str
    measure: str
    before: str
    after: str
    verdict: Verdict
    says: str
    difference: Difference | None = None

    @property
    def changed(self) -> bool:
        return self.verdict in CHANGES


@dataclass(frozen=True)
class Comparison:
    """Two runs, and what lies between them.

    Attributes:
        unlike: what makes the runs unlike, where they were compared anyway.
        effect: the least difference that matters.
    """

    a: Side
    b: Side
    unlike: Sequence[str]
    effect: Effect
    families: Sequence[Family]

    @cached_property
    def findings(self) -> list[Finding]:
        """Everything that can be said, what changed before what did not, the gravest first."""
        found = [*_presence(self.a, self.b), *_states(self.a, self.b), *_events(self.a, self.b)]
        found += [one for family in self.families for one in _times(family, self.effect)]
        return sorted(found, key=lambda one: VERDICTS.index(one.verdict))

    @property
    def changes(self) -> list[Finding]:
        return [one for one in self.findings if one.changed]

    def failures(self, thresholds: Mapping[str, Effect]) -> list[str]:
        """A sentence for each reason to fail: a cell is surely slower by more than its threshold, or it broke.

        That is: it lost events and had lost none, it isn't measured any more, or not every trial of it can tell
        a measure that has a threshold any more: there were too few events for that percentile, say.

        Raises:
            UserError: nothing could have failed, for no cell has the rounds for a verdict.
        """
        told = [(family, thresholds[family.measure]) for family in self.families if family.measure in thresholds]
        found = [sentence for family, effect in told for sentence in _too_slow(family, effect)]
        grave = {"lost", "state", *thresholds}
        broken = [one for one in self.findings if one.verdict == "broken" and one.measure in grave]
        found += [f"{one.cell}: {one.measure} {one.before} → {one.after}, {one.says}" for one in broken]
        if not found:
            _need_verdicts(told, thresholds)
        return found

    def missed(self, thresholds: Mapping[str, Effect]) -> list[str]:
        """Of each threshold that held, by how much a cell may have grown nevertheless: what these rounds can't see."""
        return [_may_have_grown(measure, effect, self.families) for measure, effect in thresholds.items()]


# --- comparing ---


def compare(a: Side, b: Side, *, effect: Effect = stats.MATTERS, anyway: bool = False) -> Comparison:
    """What became of a's cells in b.

    Raises:
        UserError: machines or plans are unlike, and it isn't to be done `anyway`; says what differs.
    """
    unlike = [*_machines(a.run.machine, b.run.machine), *_plans(a.run.settings, b.run.settings)]
    if unlike and not anyway:
        which = f"{a.folder} and {b.folder} are no runs of the same plan on the same machine"
        raise UserError(f"{which}: {listed(unlike)}; --anyway compares them nevertheless")
    return Comparison(a, b, unlike, effect, list(families(a.measured, b.measured)))


def _machines(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[str]:
    for key in SAME:
        if a.get(key) != b.get(key):
            yield f"the machine's {key} is {a.get(key)!r} before and {b.get(key)!r} after"


def _plans(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[str]:
    """The settings that make them measure other things, the first few of them."""
    before, after = dict(_flat(a)), dict(_flat(b))
    keys = [key for key in dict.fromkeys((*before, *after)) if before.get(key) != after.get(key)]
    for key in islice(keys, MOST_NAMED):
        values = (repr(one[key]) if key in one else "not told" for one in (before, after))
        yield "the plan's {} is {} before and {} after".format(key, *values)
    if len(keys) > MOST_NAMED:
        yield f"{len(keys) - MOST_NAMED} more settings of the plan differ"


def _flat(settings: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every setting that counts with its path: "blocks.1.engines"."""
    if isinstance(settings, Mapping):
        items: Iterable[tuple[Any, Any]] = settings.items()
    elif isinstance(settings, list) and any(isinstance(one, Mapping) for one in settings):
        items = enumerate(settings, 1)
    else:
        yield path, settings
        return
    for key, value in items:
        if key not in FREE:
            yield from _flat(value, f"{path}.{key}" if path else str(key))


# --- findings ---


def _presence(a: Side, b: Side) -> Iterator[Finding]:
    for cell in (one for one in a.rows if one not in b.rows):
        yield Finding(cell.name, "cell", a.state(cell)[0], NONE, "gone", "only in the run before")
    for cell in (one for one in b.rows if one not in a.rows):
        yield Finding(cell.name, "cell", NONE, b.state(cell)[0], "new", "only in the run after")


def _states(a: Side, b: Side) -> Iterator[Finding]:
    for cell in _shared(a, b):
        (before, _), (after, why) = a.state(cell), b.state(cell)
        if before != after:
            was, is_ = cell in a.measured, cell in b.measured
            verdict: Verdict = "changed" if was == is_ else "broken" if was else "mended"
            yield Finding(
                cell.name, "state", before, after, verdict, f"because {why}" if why else "every trial was measured"
            )


def _events(a: Side, b: Side) -> Iterator[Finding]:
    """Cells in which events went astray in only one of the runs: counted, so that no statistics are needed."""
    for cell in _shared(a, b):
        before, after = (side.rows[cell].get("events", {}) for side in (a, b))
        for key in (one for one in ASTRAY if one in before and one in after):
            if bool(before[key]) != bool(after[key]):
                was, is_ = (f"{len(one[key])} of {one['sent']:,}" for one in (before, after))
                verdict: Verdict = "broken" if after[key] else "mended"
                yield Finding(cell.name, key, was, is_, verdict, f"{'newly' if after[key] else 'no longer'} {key}")


def _shared(a: Side, b: Side) -> list[Cell]:
    return [cell for cell in a.rows if cell in b.rows]


def _times(family: Family, effect: Effect) -> Iterator[Finding]:
    differences = family.differences(effect)
    for cell in dict.fromkeys((*family.before, *family.after)):
        was, is_ = (_mean(run.get(cell), family.unit) for run in (family.before, family.after))
        if row := differences.get(cell):
            yield Finding(cell, family.measure, was, is_, *_judged(row, family.unit), row)
        elif cell in family.before:
            yield Finding(cell, family.measure, was, is_, "broken", "not every trial can tell it")
        else:
            yield Finding(cell, family.measure, was, is_, "mended", "every trial can tell it")


def _mean(rounds: Rounds | None, unit: str) -> str:
    return written(Figure(stats.interval(list(rounds.values())).value), unit) if rounds else NONE


def _judged(row: Difference, unit: str) -> tuple[Verdict, str]:
    """The verdict, and the same in writing: "slower, 1.36 × (1.22–1.51)"."""
    in_words = {} if unit == "ms" else COSTLY
    verdict = in_words.get(row.verdict, row.verdict)
    if row.reason in REASONS:
        return verdict, f"{verdict}: {REASONS[row.reason]}"
    leaning = row.verdict == "not resolved" and row.direction
    lean = f", leaning to {in_words.get(leaning, leaning)}" if leaning else ""
    return verdict, f"{verdict}{lean}, {_size(row, unit)}"


def _size(row: Difference, unit: str) -> str:
    if row.ratio is None:
        return written(Figure(row.delta, row.delta_low, row.delta_high), unit)
    return written(Figure(row.ratio, row.low, row.high), "×")


# --- a gate ---


def parse_fail_on(text: str) -> dict[str, Effect]:
    """The thresholds in "p50=10%,open=25%": measure → the least difference that fails.

    Raises:
        UserError: it isn't such a text.
    """
    thresholds: dict[str, Effect] = {}
    for part in text.split(","):
        match = re.fullmatch(r"(\w+)=([0-9]{1,4}(?:\.[0-9]+)?)%", part.replace(" ", ""))
        if not match or match[1] not in UNITS or match[1] in thresholds or not float(match[2]):
            right = f"{', '.join(UNITS)}, each at most once, with a percentage above 0, such as p50=10%,open=25%"
            raise UserError(f"--fail-on {text!r}: {part.strip()!r} is no threshold; it takes {right}")
        thresholds[match[1]] = Effect(float(match[2]) / 100, 0.0)
    return thresholds


def _too_slow(family: Family, effect: Effect) -> Iterator[str]:
    for cell, row in family.differences(effect).items():
        if row.verdict == "slower":
            yield f"{cell}: {family.measure} grew by more than {100 * effect.ratio:g} %, {_size(row, family.unit)}"


def _may_have_grown(measure: str, effect: Effect, told: Iterable[Family]) -> str:
    rows = [row for family in told if family.measure == measure for row in family.differences(effect).items()]
    able = [(cell, row) for cell, row in rows if row.reason != "too few rounds"]
    cell, worst = max(able, key=lambda one: one[1].high or math.inf)
    most = f"up to {number(worst.high)}\N{NO-BREAK SPACE}×" if worst.high else "nobody knows how many times"
    few = f"; {count(len(rows) - len(able), 'cell has', 'cells have')} too few rounds" if len(able) < len(rows) else ""
    least = f"{measure}: no cell is known to have grown by more than {100 * effect.ratio:g} %"
    return f"{least}; the least certain, {cell}, may be {most} what it was{few}"


def _need_verdicts(told: Iterable[tuple[Family, Effect]], thresholds: Iterable[str]) -> None:
    able = {
        family.measure
        for family, effect in told
        if any(row.reason != "too few rounds" for row in family.differences(effect).values())
    }
    if blind := [measure for measure in thresholds if measure not in able]:
        why = f"no cell has the {stats.MIN_ROUNDS} rounds in both runs that a verdict takes"
        raise UserError(f"--fail-on can't judge {listed(blind)}: {why}")


# --- in writing ---


def words(comparison: Comparison) -> str:
    """The whole in two sentences: how many cells changed and how, and what the other comparisons tell."""
    cells = {one.cell for one in comparison.findings}
    if not cells:
        return "Nothing could be compared: there is no cell that both runs measured."
    counts = Counter(verdict for _, verdict in {(one.cell, one.verdict) for one in comparison.changes})
    changed = [count(counts[verdict], *inflected) for verdict, inflected in CHANGES.items() if counts[verdict]]
    rest = _unchanged([one.difference for one in comparison.findings if one.difference and not one.changed])
    of = count(len(cells), "cell")
    return f"Of {of}, {listed(changed)}.{rest}" if changed else f"None of {of} is known to have changed.{rest}"


def _unchanged(rows: Sequence[Difference]) -> str:
    same = sum(row.verdict == "no difference" for row in rows)
    few, within = (sum(row.reason == reason for row in rows) for reason in ("too few rounds", "clock bound"))
    told = [
        (same, "shows no difference", "show no difference"),
        (within, "differs by less than the clocks can tell", "differ by less than the clocks can tell"),
        (len(rows) - same - few - within, "is not resolved", "are not resolved"),
        (few, "has too few rounds", "have too few rounds"),
    ]
    parts = [count(n, one, many) for n, one, many in told if n]
    return f" Of {count(len(rows), 'comparison')} without a change, {listed(parts)}." if parts else ""


def cautions(comparison: Comparison) -> list[str]:
    """What a reader must know before believing any of it."""
    told = [f"Compared anyway, though {listed(comparison.unlike)}."] if comparison.unlike else []
    for name, side in (("before", comparison.a), ("after", comparison.b)):
        told += [f"In the run {name}, {complaint}." for complaint in side.complaints]
        if side.run.ended not in {"complete", "budget"}:
            told.append(f"The run {name} did not end by itself ({side.run.ended}).")
    return told


def table(comparison: Comparison, *, everything: bool = False) -> Table:
    """What changed, or everything, for the terminal."""
    made = Table(*HEADINGS, box=None, pad_edge=False)
    for one in comparison.findings if everything else comparison.changes:
        made.add_row(*map(escape, _line(one)))
    return made


def _line(one: Finding) -> Sequence[str]:
    return one.cell, one.measure, one.before, one.after, one.says


def markdown(comparison: Comparison, failures: Sequence[str] | None = None, missed: Sequence[str] = ()) -> str:
    """A summary for a pull request, in GitHub's Markdown; `failures` if there is a gate, or what that may `missed`."""
    told = words(comparison)
    gate = "" if failures is None else "The gate fails. " if failures else "The gate passes. "
    parts = [f"**{gate}{told}**"]
    if failures or missed:
        parts.append(_items(failures or missed))
    if doubtful := cautions(comparison):
        parts.append("\n".join(["> [!WARNING]", *(f"> {line}" for line in _items(doubtful).splitlines())]))
    if comparison.changes:
        parts.append(_rows(comparison.changes))
    if others := [one for one in comparison.findings if not one.changed]:
        parts.append(_folded(f"What did not change, or can't be told: {len(others)} comparisons", _rows(others)))
    parts.append(_folded("How it was compared", _items(_method(comparison))))
    return "\n\n".join(parts) + "\n"


def _items(sentences: Iterable[str]) -> str:
    return "\n".join(f"- {_escaped(one)}" for one in sentences)


def _rows(findings: Sequence[Finding]) -> str:
    lines = [HEADINGS, ("---", "---", "--:", "--:", "---"), *map(_line, findings[:MOST_ROWS])]
    text = "\n".join(f"| {' | '.join(map(_escaped, line))} |" for line in lines)
    rest = len(findings) - MOST_ROWS
    return text if rest <= 0 else f"{text}\n\n… and {rest:,} more"


def _folded(title: str, text: str) -> str:
    return f"<details>\n<summary>{title}</summary>\n\n{text}\n\n</details>"


def _escaped(text: str) -> str:
    """On one line, and nothing in it is markup: reasons are what programs said."""
    return re.sub(r"([\\|`*\[\]])", r"\\\1", " ".join(text.split())).replace("&", "&amp;").replace("<", "&lt;")


def _method(comparison: Comparison) -> Iterator[str]:
    for name, side in (("Before", comparison.a), ("After", comparison.b)):
        run, rounds = side.run, [len(trials) for trials in side.measured.values()] or [0]
        made = f"{several(min(rounds), max(rounds), 'round')} of {count(len(rounds), 'cell')}"
        yield f"{name}: run {side.folder.resolve().name} of plan {run.plan}, seed {run.seed}, {run.started}, {made}."
    yield f"Machine: {_machine(comparison.b.run.machine)}."
    shown = dict.fromkeys(family.measure for family in comparison.families)
    yield from (f"{measure}: {MEANINGS[measure]}." for measure in shown)
    if changed := list(_versions(comparison.a.run, comparison.b.run)):
        yield f"Other versions: {listed(changed)}."
    if by := [f"{one.measure} of {one.conditions}" for one in comparison.families if one.by_delivery]:
        yield f"Counted from when an event was appended, since the source was late: {listed(by)}."
    least = comparison.effect
    yield f"A difference matters if it is at least {100 * least.ratio:g} %, and of times {least.delta:g} ms."
    yield "Intervals are of 95 %, by Welch on the trials' logs, and include the drift that the rounds let expect."
    yield from bursts(comparison)


def _machine(told: Mapping[str, Any]) -> str:
    processor, cores, memory, system = (told.get(key, "?") for key in SAME)
    return f"{processor}, {cores} cores, {memory} GiB, {system}"


def bursts(comparison: Comparison) -> list[str]:
    """Rounds that were unlike the others, which is why means differ from those of the reports."""
    return [_burst(one) for one in comparison.families if one.bursts]


def _burst(family: Family) -> str:
    seen = [f"{one.round} of the run {name} ({number(one.ratio)}\N{NO-BREAK SPACE}×)" for name, one in family.bursts]
    return (
        f"Most cells of {family.conditions} were unlike their usual {family.measure} in round {listed(seen)}: "
        f"what they had in common there was taken off, also from the means that are shown."
    )


def _versions(a: Run, b: Run) -> Iterator[str]:
    before, after = (run.versions | {name: one["version"] for name, one in run.engines.items()} for run in (a, b))
    for name in dict.fromkeys((*before, *after)):
        if before.get(name) != after.get(name):
            yield f"{name} {before.get(name, 'not used')} → {after.get(name, 'not used')}"
