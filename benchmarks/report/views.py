"""What can be compared: the cells of a run under the same conditions, and the verdicts between them."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

from benchmarks import stats
from benchmarks.report.figures import COSTS, LATENCIES, MEDIAN, OTHERS, Measure
from benchmarks.runs import Cell, Trial

Row = Mapping[str, Any]
DIRECT = "direct"  # the link that is none
OPPOSITE = {"faster": "slower", "slower": "faster"}


class Conditions(NamedTuple):
    engine: str
    scenario: str
    link: str

    @property
    def title(self) -> str:
        """E.g. "chromium, steady, direct"."""
        return ", ".join(self)

    @property
    def slug(self) -> str:
        """Fit for a file's name: "chromium-steady-net-4g"."""
        return re.sub(r"\W+", "-", "-".join(self)).strip("-")


@dataclass(frozen=True)
class Pair:
    """a against b, as a row of `differences` says."""

    rounds: int
    ratio: float | None
    low: float | None
    high: float | None
    delta_low: float | None
    delta_high: float | None
    verdict: str
    direction: str | None
    reason: str | None

    @property
    def most(self) -> tuple[float, float] | None:
        """By how many times and by how many ms they differ at most; None where that is not known."""
        if not self.low or self.high is None or self.delta_low is None or self.delta_high is None:
            return None
        return max(self.high, 1 / self.low), max(self.delta_high, -self.delta_low)

    @property
    def mirrored(self) -> "Pair":
        """The same of b against a."""
        return replace(
            self,
            ratio=_inverse(self.ratio),
            low=_inverse(self.high),
            high=_inverse(self.low),
            delta_low=_negative(self.delta_high),
            delta_high=_negative(self.delta_low),
            verdict=OPPOSITE.get(self.verdict, self.verdict),
            direction=OPPOSITE.get(self.direction or "", self.direction),
        )


def _inverse(value: float | None) -> float | None:
    return 1 / value if value else None


def _negative(value: float | None) -> float | None:
    return None if value is None else -value


@dataclass(frozen=True)
class View:
    """The cells under the same conditions, by subject (transport[:variant]), and every pair of them that was judged."""

    conditions: Conditions
    cells: Mapping[str, Row]
    pairs: Mapping[tuple[str, str, str], Pair]  # (measure's key, a, b), both ways round
    basis: str = "delay"  # what the pairs compare: the delay, or "delivery" where the source was late

    @property
    def measured(self) -> dict[str, Row]:
        """The smallest p50 first, then what has none."""
        found = {subject: cell for subject, cell in self.cells.items() if cell["state"] == "measured"}
        medians = {subject: figure.value for subject, cell in found.items() if (figure := MEDIAN.of(cell))}
        return dict(sorted(found.items(), key=lambda item: medians.get(item[0], math.inf)))

    @property
    def rounds(self) -> tuple[int, int]:
        """The fewest and the most trials that a measured cell has."""
        counts = [cell["trials"] for cell in self.measured.values()] or [0]
        return min(counts), max(counts)

    @property
    def judged(self) -> bool:
        return bool(self.pairs)

    def by(self, measure: Measure) -> dict[str, float]:
        """Subject → value of those that have one, the smallest first."""
        found = {subject: figure.value for subject, cell in self.measured.items() if (figure := measure.of(cell))}
        return dict(sorted(found.items(), key=lambda item: item[1]))

    @property
    def order(self) -> list[str]:
        """Every subject: those that were measured, then the others."""
        return [*self.measured, *(one for one in self.cells if one not in self.measured)]

    @property
    def measures(self) -> list[Measure]:
        """What there is to show: latencies all or none, of the others those that any cell has."""
        latencies = LATENCIES if any(map(self.by, LATENCIES)) else ()
        return [*latencies, *(measure for measure in (*OTHERS, *COSTS) if self.by(measure))]

    def against(self, a: str, b: str, measure: Measure = MEDIAN) -> Pair | None:
        return self.pairs.get((measure.key, a, b))


def views(summary: Row) -> list[View]:
    """Every view of a run: what can be ranked, on the direct link, in browsers first; then by rounds, cells, engine."""
    grouped: dict[Conditions, dict[str, Row]] = {}
    by_name = {}
    for cell in summary["cells"]:
        grouped.setdefault(conditions(cell), {})[cell_of(cell).subject] = cell
        by_name[cell_of(cell).name] = cell
    differences: dict[Conditions, list[Row]] = {}
    for row in summary["differences"]:
        differences.setdefault(conditions(by_name[row["a"]]), []).append(row)
    found = [_view(key, cells, differences.get(key, []), by_name) for key, cells in grouped.items()]
    return sorted(found, key=_importance)


def _importance(view: View) -> tuple[bool, bool, bool, bool, int, int, str]:
    few, between, engine = view.rounds[1] < stats.MIN_ROUNDS, view.conditions.link != DIRECT, view.conditions.engine
    return not view.judged, few, between, engine == "native", -view.rounds[1], -len(view.measured), engine


def _view(key: Conditions, cells: Mapping[str, Row], rows: Sequence[Row], by_name: Mapping[str, Row]) -> View:
    pairs = {}
    for row in rows:
        a, b = (cell_of(by_name[row[which]]).subject for which in ("a", "b"))
        told: dict[str, Any] = {field.name: row.get(field.name) for field in fields(Pair)}
        pair = Pair(**told)
        pairs[row["measure"], a, b], pairs[row["measure"], b, a] = pair, pair.mirrored
    return View(key, cells, pairs, next((row.get("basis", "delay") for row in rows), "delay"))


def conditions(cell: Row) -> Conditions:
    return Conditions(cell["engine"], cell["scenario"], cell["link"])


def cell_of(row: Row) -> Cell:
    """The cell that a row of the summary is about."""
    return Cell(row["transport"], row["variant"], row["engine"], row["scenario"], row["link"])


def trials_of(view: View, trials: Sequence[Trial]) -> dict[str, list[Trial]]:
    """Subject → its measured trials under these conditions, in the order of rounds."""
    found: dict[str, list[Trial]] = {subject: [] for subject in view.measured}
    for trial in trials:
        cell = trial.cell
        if trial.state == "measured" and view.conditions == (cell.engine, cell.scenario, cell.link):
            found.setdefault(cell.subject, []).append(trial)
    return {subject: sorted(mine, key=lambda trial: trial.round) for subject, mine in found.items() if mine}
