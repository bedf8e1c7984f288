"""What two runs have to compare: the cells of one engine, scenario and link, by one measure, in both."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks import bursts, stats, summary
from benchmarks.bursts import Burst
from benchmarks.runs import Cell, Trial
from benchmarks.stats import Difference, Effect, Rounds

WIRE = ("down", "up")
COSTS = {"cpu": "server_cpu_us_per_delivery", "memory": "server_kib_per_reader", "page": "renderer_kib"}

UNITS = {
    **dict.fromkeys((*summary.COMPARED, "open"), "ms"),
    **dict.fromkeys(WIRE, "B"),
    "cpu": "µs",
    "memory": "KiB",
    "page": "KiB",
}
"""The measures, and their units."""

MEANINGS = {
    "p50": "latency, from when an event was due: half of the events took no longer",
    "p90": "the same: nine of ten events",
    "open": "from setting out until the transport was open",
    "down": "bytes on the wire for each event, towards the reader",
    "up": "the same, towards the server",
    "cpu": "processor time of the server for each delivery",
    "memory": "what the server grows by for each reader",
    "page": "what the page's process grows by while it receives",
}

TIMES = frozenset({"ms", "µs"})
"""Units of what a busy machine makes longer."""

Trials = Mapping[Cell, Sequence[Trial]]
Values = Mapping[str, Rounds]  # cell → round → value
Value = Callable[[Trial], float | None]


@dataclass(frozen=True)
class Family:
    """Cells of one engine, scenario and link by one measure: cell → round → value, in both runs.

    Attributes:
        bursts: rounds of a run in which most cells were unlike the others, which is taken off the values.
    """

    measure: str
    basis: summary.Basis
    before: Values
    after: Values
    bound: float  # of the clocks, ms, both runs together
    bursts: Sequence[tuple[str, Burst]] = ()  # ("before" or "after", which)

    @property
    def unit(self) -> str:
        return UNITS[self.measure]

    @property
    def conditions(self) -> str:
        """Of its cells: "chromium steady direct"."""
        return next(iter((*self.before, *self.after)), "").partition(" ")[2]

    @property
    def by_delivery(self) -> bool:
        """Whether it is counted from when events were appended."""
        return self.measure in summary.COMPARED and self.basis == "delivery" and bool(self.before)

    def differences(self, effect: Effect) -> dict[str, Difference]:
        """By what matters of times (ms); of all else the ratio alone decides."""
        if self.unit != "ms":
            effect = Effect(effect.ratio, 0.0)
        return stats.compare(self.before, self.after, bound=self.bound, effect=effect)


def families(a: Trials, b: Trials) -> Iterator[Family]:
    """Of the measured trials of the cells of both runs; a measure that only one of them has is left out."""
    for before in summary.families({cell: trials for cell, trials in a.items() if cell in b}):
        after = {cell: b[cell] for cell in before}
        basis = _basis(before, after)
        bound = sum(max(one.bound_ms for trials in run.values() for one in trials) for run in (before, after))
        for measure, of in _measures(basis).items():
            # Only a latency is between two clocks: within a page, and within the server, the bound cancels.
            clocks = bound if measure in summary.COMPARED else 0.0
            family = _calm(Family(measure, basis, _values(before, of), _values(after, of), clocks))
            if measure in summary.COMPARED or (family.before and family.after):
                yield family


def _calm(family: Family) -> Family:
    if family.unit not in TIMES:
        return family
    before, after = bursts.taken_off(family.before, family.after)
    found = [(name, burst) for name, calm in (("before", before), ("after", after)) for burst in calm.bursts]
    return Family(family.measure, family.basis, before.cells, after.cells, family.bound, found)


def _measures(basis: summary.Basis) -> dict[str, Value]:
    return {
        **{name: partial(_latency, q=q, basis=basis) for name, q in summary.COMPARED.items()},
        "open": _opening,
        **{way: partial(_wire, way=way) for way in WIRE},
        **{name: partial(_cost, key=key) for name, key in COSTS.items()},
    }


def _basis(before: Trials, after: Trials) -> summary.Basis:
    """The one by which both can be compared: where they need unlike ones, no stall of a server may get lost."""
    first, second = summary.basis(before), summary.basis(after)
    if first == second:
        return first
    late = summary.lateness(one for run in (before, after) for trials in run.values() for one in trials)
    return "delay" if late.max() >= summary.STALLED_MS else "delivery"


def _values(trials: Trials, of: Value) -> dict[str, dict[int, float]]:
    """A cell is left out when one of its trials has no value: the others would not be its equal."""
    values = {}
    for cell, mine in trials.items():
        held = {one.round: value for one in mine if (value := of(one)) is not None}
        if len(held) == len(mine):
            values[cell.name] = held
    return values


def _latency(trial: Trial, q: float, basis: summary.Basis) -> float | None:
    held = (summary.deliveries if basis == "delivery" else summary.delays)(trial)
    return stats.percentile(held, q) if stats.supports(held.size, q) else None


def _opening(trial: Trial) -> float | None:
    return (trial.opened[0] - trial.navigated) / summary.MS if trial.opened else None


def _wire(trial: Trial, way: str) -> float | None:
    return sum(trial.wire[way].values()) / len(trial.arrived) if way in trial.wire and trial.arrived else None


def _cost(trial: Trial, key: str) -> float | None:
    value = trial.cost.get(key)
    return None if value is None else float(value)
