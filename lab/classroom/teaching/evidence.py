"""What was measured, and what values come to be by it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from benchmarks import stats, summary
from benchmarks.behaviours.experiment import Observation
from benchmarks.behaviours.store import Seen
from benchmarks.runs import Cell, Run, Trial
from lab.classroom.teaching.figure import Figure
from lab.classroom.teaching.lesson import Way
from lab.classroom.teaching.value import OfCell, OfExperiment, Value
from lab.errors import UserError

PERCENTILE = re.compile(r"latency_ms\.p(\d+(?:\.\d+)?)")
"""Of these there may be any, also where a summary does not have it."""

OVER = re.compile(r"latency_ms\.over_(\d+(?:\.\d+)?)")
"""The share of events that took longer than so many ms; no summary has that."""

NEVER = ("fault.", "open_ms", "first_event_ms")
"""Paths of what never happened where there is nothing, and is not merely unknown."""

ONCE = "seen once: no interval"

Rounds = dict[int, float]


@dataclass
class Evidence:
    """Of one way of running a lesson.

    Attributes:
        run, trials: of its plan; None and none where it has none.
        seen: what each repetition of its experiments has observed.
    """

    way: Way
    run: Run | None
    trials: Sequence[Trial]
    seen: Sequence[Sequence[Seen]]

    def figures(self, values: Mapping[str, Value]) -> dict[str, Figure]:
        """What each came to be.

        Args:
            values: each after those that it needs.

        Raises:
            UserError: a value's path, number or curve isn't there.
        """
        found: dict[str, Figure] = {}
        for name, value in values.items():
            try:
                found[name] = self._figure(value, found)
            except UserError as error:
                raise UserError(f"value {name!r}: {error}") from error
        return found

    def _figure(self, value: Value, found: Mapping[str, Figure]) -> Figure:
        if isinstance(value.of, OfCell):
            figure = self._of_cell(value.of)
        elif isinstance(value.of, OfExperiment):
            figure = self._of_experiment(value.of)
        else:
            figure = found[value.of]
        if value.joining:
            figure = joined(figure, value.joining, found[value.other])
        return replace(_scaled(figure, value.scale), unit=value.unit)

    # Of a plan

    def _of_cell(self, of: OfCell) -> Figure:
        cell = self.way.cell(of.cell)
        trials = [trial for trial in self.trials if trial.cell == cell and trial.state == "measured"]
        row = self._row(cell, [trial for trial in self.trials if trial.cell == cell])
        if row["state"] != "measured":
            return Figure(None, why=f"{row['state']}: {row['reason']}")
        if match := PERCENTILE.fullmatch(of.measure):
            return _percentile(trials, float(match[1]))
        if OVER.fullmatch(of.measure):
            return over_rounds(self._rounds(of, trials))
        leaf = at_path(row, of.measure)
        if leaf is None:
            never = of.measure.startswith(NEVER)
            return Figure(None, why="it never happened" if never else "it is not known", absent=never)
        rounds = self._rounds(of, trials)
        if isinstance(leaf, Mapping):
            return _limited(leaf["value"], leaf["low"], leaf["high"], rounds)
        return over_rounds(rounds)

    def _rounds(self, of: OfCell, trials: Iterable[Trial]) -> Rounds:
        return {trial.round: of_trial for trial in trials if (of_trial := self.of_trial(of, trial)) is not None}

    def of_trial(self, of: OfCell, trial: Trial) -> float | None:
        """What the value is in one trial of its cell; None where that can't be told."""
        if match := PERCENTILE.fullmatch(of.measure):
            return percentile(trial, float(match[1]))
        if match := OVER.fullmatch(of.measure):
            return late_share(trial, float(match[1]))
        leaf = at_path(self._row(trial.cell, [trial]), of.measure)
        if isinstance(leaf, Mapping):
            leaf = leaf["value"]
        return float(len(leaf)) if isinstance(leaf, list) else None if leaf is None else float(leaf)

    def _row(self, cell: Cell, trials: Sequence[Trial]) -> dict[str, Any]:
        """The cell's row in a summary of these trials."""
        assert self.run
        entries = [entry for entry in self.run.cells if Cell(**entry["cell"]) == cell]
        row: dict[str, Any] = summary.summarize(replace(self.run, cells=entries), trials)["cells"][0]
        return row

    # Of experiments

    def _of_experiment(self, of: OfExperiment) -> Figure:
        seen = [one for sweep in self.seen if (one := self._spotted(of, sweep))]
        missed = [one for one in seen if one.observation is None]
        if missed or not seen:
            return Figure(None, why=f"{missed[0].state}: {missed[0].reason}" if missed else "it was not observed")
        held = [observed(of, one.observation) for one in seen if one.observation]
        known = {nth: one for nth, one in enumerate(held, 1) if one is not None}
        if len(known) == len(held):
            return over_rounds(known)
        if known:
            return Figure(None, why=f"it happened in {len(known)} of {len(held)} observations")
        return Figure(None, why="it never happened", absent=True)

    def _spotted(self, of: OfExperiment, sweep: Iterable[Seen]) -> Seen | None:
        one, (subject, engine, cured) = self.way.spot(of)
        wanted = (one.experiment.name, subject, engine, cured)
        spots = ((seen.spot.experiment, seen.spot.subject, seen.spot.engine, seen.spot.cured) for seen in sweep)
        return next((seen for seen, spot in zip(sweep, spots, strict=True) if spot == wanted), None)


def observed(of: OfExperiment, observation: Observation) -> float | None:
    """What the value is in one observation; None where it did not happen.

    Raises:
        UserError: there is no such number or curve, or it is no number.
    """
    if of.curve:
        return _on_curve(of, observation)
    if of.number == "bitten":
        return float(observation.bitten)
    number = _there(observation.numbers, of.number, "number")
    if of.is_:
        return float(number == of.is_)
    if isinstance(number, str):
        raise UserError(f"{of.number!r} is the text {number!r}; say is = {number!r}, which makes it 1 or 0")
    return None if number is None else float(number)


def _on_curve(of: OfExperiment, observation: Observation) -> float | None:
    points = sorted(_there(observation.curves, of.curve, "curve"))
    for (x, y), (further, higher) in pairwise(points):
        if x <= of.at <= further:
            return float(y if further == x else y + (higher - y) * (of.at - x) / (further - x))
    return None


def _there(held: Mapping[str, Any], name: str, what: str) -> Any:
    if name not in held:
        raise UserError(f"there is no {what} {name!r}: there are {', '.join(held) or 'none'}")
    return held[name]


def at_path(row: Mapping[str, Any], path: str) -> Any:
    """What stands there: a number, an interval, a list, or None where it or what it is part of is not known.

    Raises:
        UserError: there is no such path.
    """
    held: Any = row
    for step in path.split("."):
        if held is None:
            return None
        if not isinstance(held, Mapping) or step not in held:
            there = ", ".join(held) if isinstance(held, Mapping) else "nothing"
            raise UserError(f"a row of this cell has no {path!r}: at {step!r} there are {there}")
        held = held[step]
    if isinstance(held, str) or (isinstance(held, Mapping) and "value" not in held):
        raise UserError(f"{path!r} is no number: it is {held if isinstance(held, str) else ', '.join(held)}")
    return held


def percentile(trial: Trial, q: float) -> float | None:
    """Of the trial's delays, ms; None where they can't support it."""
    held = summary.delays(trial)
    return stats.percentile(held, q) if held.size and stats.supports(held.size, q) else None


def late_share(trial: Trial, ms: float) -> float | None:
    """Of the trial's events, how many percent took longer than that, or never came; None where none was sent."""
    sent, there = len(trial.sent), summary.delays(trial)
    return 100 * (sent - int((there <= ms).sum())) / sent if sent else None


def _percentile(trials: Sequence[Trial], q: float) -> Figure:
    found = stats.estimate([summary.delays(trial) for trial in trials], q)
    if found is None:
        return Figure(None, why="too few events")
    each = {trial.round: percentile(trial, q) for trial in trials}
    rounds = {number: one for number, one in each.items() if one is not None}
    return _limited(found.value, found.low, found.high, rounds if len(rounds) == len(each) else {})


def over_rounds(rounds: Mapping[int, float]) -> Figure:
    """Of one number of each round: its mean and limits, as everywhere (see `stats.interval`)."""
    if not rounds:
        return Figure(None, why="too few events")
    values = list(rounds.values())
    found = stats.interval(values)
    if len(set(values)) == 1:  # exactly that, which a mean of logarithms isn't: 7.000000000000001 pages
        found = found._replace(value=values[0], low=found.low and values[0], high=found.high and values[0])
    return _limited(found.value, found.low, found.high, rounds)


def _limited(value: float, low: float | None, high: float | None, rounds: Mapping[int, float]) -> Figure:
    why = "" if low is not None and high is not None else ONCE if len(rounds) <= 1 else "no interval"
    return Figure(value, low, high, why=why, rounds=rounds)


def joined(a: Figure, how: str, b: Figure) -> Figure:
    """Two figures made one, round by round where both have rounds."""
    if a.value is None or b.value is None:
        return Figure(None, why=a.why if a.value is None else b.why)
    try:
        rounds = {one: _join(a.rounds[one], how, b.rounds[one]) for one in a.rounds if one in b.rounds}
        return over_rounds(rounds) if rounds else Figure(_join(a.value, how, b.value), why=a.why or b.why or ONCE)
    except ZeroDivisionError:
        return Figure(None, why="it would be divided by 0")


def _join(a: float, how: str, b: float) -> float:
    return a / b if how == "over" else a - b if how == "minus" else a + b


def _scaled(figure: Figure, by: float) -> Figure:
    if figure.value is None or by == 1:
        return figure
    low, high = (None if end is None else end * by for end in (figure.low, figure.high))
    if by < 0:
        low, high = high, low
    rounds = {one: value * by for one, value in figure.rounds.items()}
    return replace(figure, value=figure.value * by, low=low, high=high, rounds=rounds)
