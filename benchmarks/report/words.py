"""The answer in words: what the verdicts say, and nothing that they don't. Names stand in `backticks`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Any, NamedTuple

from benchmarks import stats
from benchmarks.report.figures import (
    COSTS,
    LATENCIES,
    MEDIAN,
    NONE,
    Figure,
    Measure,
    count,
    limits,
    listed,
    number,
    several,
    written,
)
from benchmarks.report.views import Pair, Row, View, cell_of, conditions

MOST_NAMED = 8  # pairs, events or cells; the rest are counted
FEW = 3  # pairs that are not resolved; of more, what matters is how far apart they can be
LOOSE = 10  # times: a limit beyond which it says nothing
SIGNS = {"faster": "▼", "slower": "▲", "no difference": "=", "not resolved": "?"}
WRONGS = {"lost": "lost", "duplicated": "delivered again", "reordered": "out of order", "unexpected": "never sent"}


@dataclass(frozen=True)
class Ranking:
    """What is known about the order at one measure; subjects by their value, the smallest first.

    Attributes:
        front: nothing is known to be faster than these, and they are faster than something (or there is no order).
        slower: something is known to be faster.
        unplaced: neither; too noisy to tell.
        few: had too few rounds for any verdict.
    """

    front: Sequence[str]
    slower: Sequence[str]
    unplaced: Sequence[str]
    few: Sequence[str]

    @property
    def ranked(self) -> Sequence[str]:
        return [*self.front, *self.slower, *self.unplaced]


@dataclass(frozen=True)
class Answer:
    """One view in words."""

    view: View
    headline: str
    sentences: Sequence[str]


def ranking(view: View, measure: Measure = MEDIAN) -> Ranking:
    order = list(view.by(measure))
    pairs = {(a, b): pair for a in order for b in order if a != b and (pair := view.against(a, b, measure)) is not None}
    judged = {a for (a, _), pair in pairs.items() if pair.reason != "too few rounds"}
    few = [a for a in order if a not in judged]
    able = [a for a in order if a not in few]
    beaten = {b for (_, b), pair in pairs.items() if pair.verdict == "faster"}
    unbeaten = [a for a in able if a not in beaten]
    winners = {a for (a, _), pair in pairs.items() if pair.verdict == "faster" and a in unbeaten}
    equals = {a for a in unbeaten for w in winners if (a, w) in pairs and pairs[a, w].verdict == "no difference"}
    front = [a for a in unbeaten if not winners or a in winners | equals]
    return Ranking(front, [a for a in able if a in beaten], [a for a in unbeaten if a not in front], few)


def baseline(view: View) -> str:
    """What the others are compared with at first: the first of the fastest, empty where nothing was measured."""
    return next(iter([*ranking(view).front, *view.measured]), "")


def answers(found: Iterable[View]) -> list[Answer]:
    return [Answer(view, headline(view), list(_sentences(view))) for view in found]


def headline(view: View) -> str:
    """What is fastest under these conditions, in a line."""
    if not view.measured:
        return "Nothing was measured"
    if len(view.measured) == 1:
        return f"Only {named(view.measured)} was measured"
    if not view.judged:
        return "What it costs, without a ranking" if list(_costs(view)) else "Not ranked"
    order = ranking(view)
    if not order.ranked:
        return "Too few rounds to rank"
    unplaced = f"; {named(order.unplaced)} can't be placed" if order.unplaced else ""
    if len(order.front) == 1:
        return f"{named(order.front)} is fastest{unplaced}"
    fastest = " are fastest" if order.slower else ""
    return f"{named(order.front)}{fastest}: {_between(view, order.front)}{unplaced}"


def _between(view: View, group: Sequence[str], measure: Measure = MEDIAN) -> str:
    """What is known within a group none of which is known to be faster than another."""
    pairs = [pair for a, b in combinations(group, 2) if (pair := view.against(a, b, measure))]
    unresolved = sum(pair.verdict == "not resolved" for pair in pairs)
    if not unresolved:
        return "no difference that matters"
    word = f"not {'' if unresolved == len(pairs) else 'all '}resolved between them"
    if len(group) > 2:
        return f"{word}{_within(pairs)}"
    leaning = _leanings(view, group, measure)
    return f"{word}, leaning to `{leaning[0].to}`{leaning[0].by}" if leaning else word


def _within(pairs: Sequence[Pair]) -> str:
    most = _most(pairs)
    return f", within {number(most[0])}\N{NO-BREAK SPACE}× of each other" if most else ""


def _most(pairs: Sequence[Pair]) -> tuple[float, float] | None:
    """By how many times and ms any of these differs at most: of use where none is known to be faster.

    None where that is too loose, or not known.
    """
    known = [pair.most for pair in pairs if pair.most and pair.most[0] < LOOSE]
    if not known or len(known) < len(pairs):
        return None
    return max(ratio for ratio, _ in known), max(delta for _, delta in known)


class _Leaning(NamedTuple):
    """A pair of which one is known to be faster, but not to be so by what matters."""

    to: str
    over: str
    by: str  # how many times, as limits: " (1.10–1.34 ×)"; empty where no ratio is known


def _leanings(view: View, group: Iterable[str], measure: Measure = MEDIAN) -> list[_Leaning]:
    found = []
    for a, b in permutations(group, 2):
        pair = view.against(b, a, measure)
        if pair and pair.verdict == "not resolved" and pair.direction == "slower":
            span = limits(Figure(pair.ratio, pair.low, pair.high)) if pair.ratio else ""
            found.append(_Leaning(a, b, f" ({span}\N{NO-BREAK SPACE}×)" if span else ""))
    return found


def _sentences(view: View) -> Iterator[str]:
    if view.judged:
        order = ranking(view)
        yield from _too_few(view, order)
        yield from _basis(view)
        yield from _fastest(view, order)
        yield from _behind(view, order)
        yield from _open_questions(view, order)
        yield from _ninety(view, order)
    yield from _costs(view)
    yield from _absent(view)


def _too_few(view: View, order: Ranking) -> Iterator[str]:
    if order.few:
        rounds = several(*view.rounds, "round")
        values = listed([f"`{one}` {number(view.by(MEDIAN)[one])}" for one in order.few])
        yield (
            f"Too few rounds to rank ({rounds}; a verdict takes {stats.MIN_ROUNDS}). "
            f"What was seen, without a verdict: p50 {values} ms."
        )


def _basis(view: View) -> Iterator[str]:
    if view.basis == "delivery":
        yield "The source was late: verdicts compare delivery, from when an event was appended, not since it was due."


def _fastest(view: View, order: Ranking) -> Iterator[str]:
    if order.front:
        values = listed([f"`{one}` {written(MEDIAN.of(view.cells[one]), 'ms')}" for one in order.front])
        yield f"p50 latency: {values}."


def _behind(view: View, order: Ranking) -> Iterator[str]:
    """How far the others are behind: each against the first of the front that it is known to be slower than."""
    behind: dict[str, list[str]] = {}
    for one in order.slower:
        reference = next((a for a in order.front if _verdict(view, one, a) == "slower"), "")
        pair = view.against(one, reference)
        value = f"{number(view.by(MEDIAN)[one])}\N{NO-BREAK SPACE}ms"
        ratio = f", {times(pair)}" if pair and pair.ratio else ""
        behind.setdefault(reference, []).append(f"`{one}` {value}{ratio}")
    for reference, parts in behind.items():
        yield f"Slower than {f'`{reference}`' if reference else 'some of these'}: {'; '.join(parts)}."


def _open_questions(view: View, order: Ranking) -> Iterator[str]:
    pairs = [(a, b, pair) for a, b in combinations(order.ranked, 2) if (pair := view.against(a, b))]
    same = [f"`{a}` – `{b}`" for a, b, pair in pairs if pair.verdict == "no difference"]
    leaning = [f"`{one.to}` over `{one.over}`{one.by}" for one in _leanings(view, order.ranked)]
    open_ = [(a, b, pair) for a, b, pair in pairs if pair.verdict == "not resolved" and not pair.direction]
    if same:
        yield f"No difference that matters ({matters()}): {_some(same)}."
    if leaning:
        yield f"Not resolved, leaning to the faster, perhaps by too little to matter: {_some(leaning)}."
    most = _most([pair for _, _, pair in open_])
    if most and len(open_) > FEW:
        many = count(len(open_), "pair")
        yield f"Not resolved by these rounds: {many}, none of which differs by more than {_times_or_ms(*most)}."
    elif open_:
        yield f"Not resolved by these rounds: {_some([f'`{a}` – `{b}` {times(pair)}' for a, b, pair in open_])}."
    if order.unplaced:
        yield f"{named(order.unplaced)} can't be placed: no verdict puts {_it(order.unplaced)} before or behind others."


def _times_or_ms(ratio: float, delta: float) -> str:
    return f"{number(ratio)}\N{NO-BREAK SPACE}× or {number(delta)}\N{NO-BREAK SPACE}ms"


def _ninety(view: View, order: Ranking) -> Iterator[str]:
    """The same question at p90."""
    measure = LATENCIES[1]
    other = ranking(view, measure)
    if not other.front or not order.front:
        return
    if set(other.front) == set(order.front) and set(other.slower) == set(order.slower):
        yield "At p90 it is the same."
        return
    values = listed([f"`{one}` {number(view.by(measure)[one])}" for one in other.front])
    alone = len(other.front) == 1
    told = "is fastest" if alone else f"are {'fastest: ' if other.slower else ''}{_between(view, other.front, measure)}"
    slower = f"; slower: {named(other.slower)}" if other.slower else ""
    yield f"At p90 {values}\N{NO-BREAK SPACE}ms {told}{slower}."


def _costs(view: View) -> Iterator[str]:
    for measure in COSTS:
        if len(values := list(view.by(measure))) > 1:
            least, most = (
                f"{written(measure.of(view.cells[one]), measure.unit)} with `{one}`" for one in (values[0], values[-1])
            )
            yield f"{measure.title}, without a verdict: from {least} to {most}."


def _absent(view: View) -> Iterator[str]:
    absent = [f"`{subject}` ({cell['state']})" for subject, cell in view.cells.items() if cell["state"] != "measured"]
    if absent:
        yield f"Not measured: {listed(absent)}."


# --- the whole run ---


def delivery(summary: Row) -> list[str]:
    """What became of the events: one sentence if all is well, else one per cell where something is wrong."""
    measured = [cell for cell in summary["cells"] if cell["state"] == "measured" and "events" in cell]
    if not measured:
        return ["No events were counted."]
    sent, delivered = (sum(cell["events"][key] for cell in measured) for key in ("sent", "delivered"))
    wrong = [sentence for cell in measured if (sentence := _wrong(cell))]
    gaps = sum(len(cell.get("gaps", ())) for cell in measured)
    announced = [f"{count(gaps, 'gap was', 'gaps were')} announced to the readers."] if gaps else []
    if wrong:
        more = len(wrong) - MOST_NAMED
        rest = [f"And events went astray in {count(more, 'more cell')}; the matrix tells."] if more > 0 else []
        return [
            *wrong[:MOST_NAMED],
            *rest,
            f"In all, {delivered:,} of {count(sent, 'event')} were delivered.",
            *announced,
        ]
    cells = "the cell that was measured" if len(measured) == 1 else f"any of {len(measured)} cells"
    well = f"No event was lost, delivered twice or out of order in {cells}: {delivered:,} of {sent:,} arrived."
    return [well, *announced]


def _wrong(cell: Row) -> str:
    found = {f"{word}{_announced(cell, key)}": cell["events"].get(key) for key, word in WRONGS.items()}
    kinds = [f"{count(len(ids), 'event')} {word} ({_ids(ids)})" for word, ids in found.items() if ids]
    subject, where = cell_of(cell).subject, conditions(cell).title
    return f"`{subject}` ({where}): {listed(kinds)}, of {cell['events']['sent']:,} sent." if kinds else ""


def _ids(cursors: Sequence[str]) -> str:
    """The events' ids, without the epoch where they share it."""
    parted = [cursor.rpartition("-") for cursor in cursors]
    shared = len({epoch for epoch, _, _ in parted}) == 1
    return _some([id_ for _, _, id_ in parted] if shared else cursors)


def troubles(cell: Row) -> str:
    """What went wrong with a cell's events, short: "3 lost, 1 out of order"; empty if nothing did."""
    events = cell.get("events", {})
    return ", ".join(
        f"{len(events[key])} {word}{_announced(cell, key)}" for key, word in WRONGS.items() if events.get(key)
    )


def _announced(cell: Row, key: str) -> str:
    """Of events that were lost, how many the readers were told of by a gap; empty of others."""
    events = cell["events"]
    if key != "lost" or not (told := len(events.get("announced", ()))):
        return ""
    return " but announced" if told == len(events["lost"]) else f" ({told} of them announced)"


def delivered(cell: Row) -> str:
    """E.g. "480 of 480"; a dash where a cell counts none."""
    events = cell.get("events")
    return f"{events['delivered']:,} of {events['sent']:,}" if events else NONE


def doubts(seen: Iterable[View]) -> list[dict[str, Any]]:
    """Doubts by what to do about them: the advice, and each doubt with its cell; the most frequent first."""
    found: dict[str, list[tuple[str, str]]] = {}
    for cell in (cell for view in seen for cell in view.cells.values()):
        for doubt in cell.get("doubts", ()):
            found.setdefault(doubt["advice"], []).append((cell_of(cell).name, doubt["what"]))
    return [
        {"advice": advice, "cells": cells} for advice, cells in sorted(found.items(), key=lambda item: -len(item[1]))
    ]


def reservation(seen: Iterable[View]) -> str:
    """What makes the answer questionable, in a sentence; empty if nothing does."""
    parts = []
    for doubt in doubts(seen):
        (name, what), *others = doubt["cells"]
        likewise = f", and likewise {count(len(others), 'other cell')}" if others else ""
        parts.append(f"{what} ({name}{likewise})")
    return f"Take this with care: {'; '.join(parts)}." if parts else ""


def ending(run_ended: str, budget: float | None) -> str:
    """How the run ended, in a sentence."""
    spent = f"the budget of {budget:g} s" if budget else "the budget"
    return {
        "complete": "The run is complete.",
        "budget": f"The run ended when {spent} was spent: rounds that were still to come are missing.",
        "interrupted": "The run was interrupted: what was finished by then is reported.",
    }.get(run_ended, "The run has not ended: it was killed, or goes on. What was finished is reported.")


# --- verdicts ---


def verdict(view: View, one: str, baseline: str, measure: Measure = MEDIAN) -> tuple[str, str, str]:
    """Of one against the baseline: a word for the colour, the verdict and the ratio in writing."""
    if one == baseline:
        return "baseline", "◆ baseline", ""
    pair = view.against(one, baseline, measure)
    if pair is None:
        return "none", "not compared", ""
    ratio = times(pair) if pair.ratio else ""
    if pair.reason == "too few rounds":
        return "few", "? too few rounds", ratio
    return pair.verdict.replace(" ", "-"), f"{SIGNS[pair.verdict]} {pair.verdict}{_leaning(pair)}", ratio


def times(pair: Pair) -> str:
    """A ratio in writing: "4.49 × (3.41–5.91)"."""
    span = limits(Figure(pair.ratio or 0, pair.low, pair.high))
    return f"{number(pair.ratio)}\N{NO-BREAK SPACE}×{f' ({span})' if span else ''}"


def matters() -> str:
    """The least difference that counts, in words."""
    return f"less than {100 * stats.MATTERS.ratio:g} % or {stats.MATTERS.delta:g} ms"


def named(names: Iterable[str]) -> str:
    return listed([f"`{name}`" for name in names])


def _leaning(pair: Pair) -> str:
    return f", leaning {pair.direction}" if pair.verdict == "not resolved" and pair.direction else ""


def _verdict(view: View, a: str, b: str) -> str:
    pair = view.against(a, b)
    return pair.verdict if pair else ""


def _some(items: Sequence[str]) -> str:
    rest = len(items) - MOST_NAMED
    return ", ".join(items[:MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _it(names: Sequence[str]) -> str:
    return "it" if len(names) == 1 else "them"


def scenario_titles(settings: Mapping[str, Any]) -> Mapping[str, str]:
    """What the scenarios are, by name, where the run's settings tell."""
    told = settings.get("scenarios", {})
    return told if isinstance(told, Mapping) else {}
