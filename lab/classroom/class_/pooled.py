"""A class's result: what its devices have measured together, with intervals over devices."""

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks import stats
from benchmarks.runs import Trial
from benchmarks.summary import basis, delays, deliveries
from lab.classroom.class_.measurements import Measurement
from lab.classroom.class_.room import Room
from lab.classroom.class_.saved import REPETITIONS, trials_of

PERCENTILES = (50, 90)
Row = dict[str, Any]


def result(room: Room) -> Row | None:
    """Of everything that was measured with the same events as the last time; None where nothing was yet.

    Of a transport, what had the same in its way as the last time counts. Each device counts once for a transport: the
    geometric mean of its trials. Differences are of devices that have measured both.
    """
    trials = [trial for trial in trials_of(room) if trial.sent]
    if not trials:
        return None
    scenario = trials[-1].cell.scenario
    alike = [trial for trial in trials if trial.cell.scenario == scenario]
    links = {trial.cell.subject: trial.cell.link for trial in alike}
    among = [trial for trial in alike if trial.cell.link == links[trial.cell.subject]]
    by = _by_subject(among)
    of = deliveries if basis({trial.cell: [trial] for trial in among}) == "delivery" else delays
    pairs = stats.differences({name: _of_devices(mine, 50, of) for name, mine in by.items()})
    return {
        "scenario": scenario,
        "links": links,
        "basis": "delivery" if of is deliveries else "delay",
        "rows": sorted((_row(name, mine) for name, mine in by.items()), key=_place),
        "pairs": [{key: _number(value) for key, value in vars(pair).items()} for pair in pairs],
    }


def _by_subject(trials: Sequence[Trial]) -> dict[str, list[Trial]]:
    grouped: dict[str, list[Trial]] = {}
    for trial in trials:
        grouped.setdefault(trial.cell.subject, []).append(trial)
    return grouped


def device_of(trial: Trial) -> int:
    """Whose trial it is: see `saved.trials_of`."""
    return trial.round // REPETITIONS


def _of_devices(trials: Sequence[Trial], q: float, of: Any) -> dict[int, float]:
    """Percentile q of each device that has one."""
    held: dict[int, list[float]] = {}
    for trial in trials:
        if trial.state == "measured" and stats.supports((values := of(trial)).size, q):
            held.setdefault(device_of(trial), []).append(stats.percentile(values, q))
    return {device: stats.interval(values).value for device, values in held.items()}


def _row(name: str, trials: Sequence[Trial]) -> Row:
    measured = [trial for trial in trials if trial.state == "measured"]
    sent, arrived = sum(len(trial.sent) for trial in measured), sum(_delivered(trial) for trial in measured)
    return {
        "name": name,
        "devices": len({device_of(trial) for trial in measured}),
        "trials": len(measured),
        "failed": len(trials) - len(measured),
        "sent": sent,
        "lost": sent - arrived,
        "bound": max((trial.bound_ms for trial in measured), default=None),
        **{f"p{q}": _interval(_of_devices(measured, q, delays)) for q in PERCENTILES},
    }


def _delivered(trial: Trial) -> int:
    return sum(bool(sample.received) for sample in trial.samples)


def _interval(values: Mapping[int, float]) -> Row | None:
    if not values:
        return None
    found = stats.interval(list(values.values()))
    return {"value": _number(found.value), "low": _number(found.low), "high": _number(found.high)}


def _number(value: Any) -> Any:
    """Six digits of a number: far more than was measured."""
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _place(row: Row) -> float:
    return row["p50"]["value"] if row["p50"] else math.inf


def points(measurement: Measurement, room: Room) -> list[tuple[int, float, float, str]]:
    """What came, to show it again: seat, ms from the first event's due time until it came, latency (ms), transport."""
    found = []
    for trial in trials_of(room):
        if trial.sent and tuple(trial.sent[0]) == tuple(measurement.sent[0]):
            begin = min(due for _, _, due, _ in trial.sent)
            for sample in trial.samples:
                if sample.received:
                    at, late = sample.received[0] - begin, sample.received[0] - sample.due
                    found.append((device_of(trial), round(at / 1e6, 1), round(late / 1e6, 3), trial.cell.subject))
    return sorted(found, key=lambda point: point[1])


COLUMNS = (
    "device", "transport", "engine", "scenario", "link", "repetition", "state", "reason", "events_sent",
    "events_arrived", "p50_ms", "p90_ms", "clock_bound_ms", "connections_lost",
)  # fmt: skip


def as_csv(room: Room) -> str:
    """A line for each device's trial; devices are numbers, no names."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_lines(room))
    return text.getvalue()


def _lines(room: Room) -> Iterator[Row]:
    for trial in trials_of(room):
        values = delays(trial)
        known = {f"p{q}_ms": _percentile(values, q) for q in PERCENTILES}
        yield known | {
            "device": device_of(trial),
            "transport": trial.cell.subject,
            "engine": trial.cell.engine,
            "scenario": trial.cell.scenario,
            "link": trial.cell.link,
            "repetition": trial.round % REPETITIONS,
            "state": trial.state,
            "reason": trial.reason,
            "events_sent": len(trial.sent),
            "events_arrived": values.size,
            "clock_bound_ms": _number(trial.bound_ms) if trial.state == "measured" else None,
            "connections_lost": len(trial.lost),
        }


def _percentile(values: Any, q: float) -> float | None:
    return _number(stats.percentile(values, q)) if stats.supports(values.size, q) else None
