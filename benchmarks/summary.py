"""From trials to what a report says: one row per cell, and the differences between cells."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from benchmarks import stats
from benchmarks.runs import FORMAT, Cell, Run, Trial, by_cell, unreadable

PERCENTILES = (50, 90, 99)
COMPARED = {"p50": 50, "p90": 90}
SOURCE_LATE_MS = {50: 0.05, 99: 0.5}
"""A source is on time when so many percent of its events are appended within so many ms of their due time."""

NETWORK_LATE_MS = 0.3
"""An emulated network is punctual when 99 % of a trial's packets leave it within so many ms of when they are due."""

STAGES = ("source", "server", "wire", "browser")
"""Of an event: until it was appended, until it was written, until it had arrived, until the reader had it."""

DISTURBED = frozenset({"reconnect"})
"""Scenarios in which connections are lost on purpose, though trials of an older pushlab don't say so as a `fault`."""

STALLED_MS = 100.0
"""An event that is appended later than this was not kept by a sluggish source, but by a server that stood still."""

NUMBERS = ("ratio", "low", "high", "delta", "delta_low", "delta_high")
MS = 1e6  # ns

Row = dict[str, Any]
Floats = np.ndarray[Any, np.dtype[np.float64]]
Basis = Literal["delay", "delivery"]


def summarize(run: Run, trials: Sequence[Trial], complaints: Sequence[str] = ()) -> dict[str, Any]:
    """What summary.json holds; the schema is described in docs/results.md. `complaints` are those of `read_trials`."""
    grouped = by_cell(trials)
    planned = [(Cell(**entry["cell"]), entry) for entry in run.cells]
    return {
        "format": FORMAT,
        "plan": run.plan,
        "seed": run.seed,
        "started": run.started,
        "ended": run.ended,
        "cells": [
            _row(cell, entry, grouped.get(cell, []), unreadable(cell, complaints), run.links.get(cell.link, {}))
            for cell, entry in planned
        ],
        "differences": list(_differences(grouped, {cell: entry.get("looks", 1) for cell, entry in planned})),
    }


def delays(trial: Trial) -> Floats:
    """From due to received, of each event that arrived (its first arrival), ms."""
    return np.array([(sample.received[0] - sample.due) / MS for sample in trial.samples if sample.received])


def lateness(trials: Iterable[Trial]) -> Floats:
    """From due to appended, of each event that was sent, ms: the source's own fault."""
    return np.array([(at - due) / MS for trial in trials for _, _, due, at in trial.sent])


def network_lateness(trials: Iterable[Trial]) -> Row | None:
    """From due to leaving an emulated network, ms: percentiles of its later direction, in the typical trial."""
    told = [way["late_us"] for trial in trials for way in (_later(trial),) if way]
    if not told:
        return None
    return {f"p{q}": _round(float(np.median([late[f"p{q}"] for late in told])) / 1000) for q in (50, 99)}


def _later(trial: Trial) -> Mapping[str, Any] | None:
    """The direction whose packets left later; None where it isn't known."""
    told = [way for way in trial.network.values() if way.get("late_us")]
    return max(told, key=lambda way: float(way["late_us"]["p99"]), default=None)


def deliveries(trial: Trial) -> Floats:
    """From appended to received, of each event that arrived, ms: the delay without the source's own fault."""
    return np.array([(sample.received[0] - sample.at) / MS for sample in trial.samples if sample.received])


def stages(trial: Trial) -> dict[str, Floats]:
    """Where each event's delay went, ms, of each event that arrived; a stage that the stamps don't tell is left out.

    The stages of one event add up to its delay. Until an event is written its time is the server's, of what is left
    the wire's part is estimated: half the smallest round trip. The rest is the browser's.
    """
    arrived = [sample for sample in trial.samples if sample.received]
    written = {(epoch, id_): at for epoch, id_, at in trial.written}
    round_trip = trial.stamps.get("rtt_ms")
    found = {"source": np.array([(sample.at - sample.due) / MS for sample in arrived])}
    if round_trip is not None:
        found["wire"] = np.full(len(arrived), round_trip / 2)
    if not _unstamped(trial):
        at = [written[sample.epoch, sample.id] for sample in arrived]
        found["server"] = np.array([(one - sample.at) / MS for one, sample in zip(at, arrived, strict=True)])
        if round_trip is not None:
            after = np.array([(sample.received[0] - one) / MS for one, sample in zip(at, arrived, strict=True)])
            found["browser"] = after - round_trip / 2
    return found


def _unstamped(trial: Trial) -> int:
    """How many events arrived that nobody saw being written."""
    written = {(epoch, id_) for epoch, id_, _ in trial.written}
    return sum((sample.epoch, sample.id) not in written for sample in trial.samples if sample.received)


def compared(trials: Mapping[Cell, Sequence[Trial]], q: float) -> dict[str, dict[int, float]]:
    """Percentile q of each trial, by cell and round: what differences are made of.

    A cell is left out when one of its trials can't support that percentile: the others would not be its equal.
    """
    of = deliveries if basis(trials) == "delivery" else delays
    values: dict[str, dict[int, float]] = {}
    for cell, mine in trials.items():
        held = {trial.round: of(trial) for trial in mine if trial.state == "measured"}
        if held and all(stats.supports(one.size, q) for one in held.values()):
            values[cell.name] = {number: stats.percentile(one, q) for number, one in held.items()}
    return values


def basis(trials: Mapping[Cell, Sequence[Trial]]) -> Basis:
    """What a family is compared by: the delay, or delivery where the source was late though no server stood still."""
    late = lateness(trial for mine in trials.values() for trial in mine)
    if late.size and stats.percentile(late, 50) > SOURCE_LATE_MS[50] and late.max() < STALLED_MS:
        return "delivery"
    return "delay"


def families(trials: Mapping[Cell, Sequence[Trial]]) -> Iterator[dict[Cell, Sequence[Trial]]]:
    """Cells that are compared with each other: of one engine, scenario and link."""
    keys = dict.fromkeys((cell.engine, cell.scenario, cell.link) for cell in trials)
    for key in keys:
        yield {cell: mine for cell, mine in trials.items() if (cell.engine, cell.scenario, cell.link) == key}


def _row(cell: Cell, entry: Mapping[str, Any], trials: Sequence[Trial], damaged: int, link: Mapping[str, Any]) -> Row:
    measured = [trial for trial in trials if trial.state == "measured"]
    row: Row = {
        "transport": cell.transport,
        "variant": cell.variant,
        "title": entry["title"],
        "engine": cell.engine,
        "scenario": cell.scenario,
        "link": cell.link,
        **_state(entry, trials, damaged),
        "trials": len(measured),
    }
    if not measured:
        return row
    if any(trial.cost for trial in measured):
        return row | _costs(measured) | {"doubts": list(_doubts(trials, np.array([]), link))}
    held = [delays(trial) for trial in measured]
    late = lateness(measured)
    return row | {
        "events": _events(measured),
        "latency_ms": {f"p{q}": _interval(stats.estimate(held, q)) for q in PERCENTILES}
        | {"max": _interval(stats.maximum(held))},
        "lateness_ms": {"p50": _round(stats.percentile(late, 50)), "p99": _round(stats.percentile(late, 99)),
                        "min": _round(float(late.min()))} if late.size else None,
        "network_late_ms": network_lateness(measured),
        "stages_ms": _stages(measured),
        "age_ms": _age(measured),
        "wire_bytes_per_event": _wire(measured),
        "open_ms": _times((trial.opened[0] - trial.navigated) / MS for trial in measured if trial.opened),
        "first_event_ms": _times((trial.arrived[0][2] - trial.navigated) / MS for trial in measured if trial.arrived),
        "fault": _faults(measured),
        "connections_lost": sum(len(trial.lost) for trial in measured),
        "gaps": [gap for trial in measured for gap in trial.gaps],
        "clock_bound_ms": _round(max(trial.bound_ms for trial in measured)),
        "doubts": list(_doubts(trials, late, link)),
    }  # fmt: skip


def _state(entry: Mapping[str, Any], trials: Sequence[Trial], damaged: int) -> Row:
    """What became of a cell: a planned one was measured, or failed to be; so many of its files can't be read."""
    if entry["state"] != "planned":
        return {"state": entry["state"], "reason": entry["reason"]}
    if any(trial.state == "measured" for trial in trials):
        return {"state": "measured", "reason": ""}
    return {"state": "failed", "reason": trials[-1].reason if trials else _why_none(damaged)}


def _why_none(damaged: int) -> str:
    if not damaged:
        return "its turn never came"
    return "its only trial can't be read" if damaged == 1 else f"none of its {damaged} trials can be read"


def _events(trials: Iterable[Trial]) -> Row:
    """What was sent against what arrived, as cursors ("epoch-id"), over all trials."""
    row: Row = {"sent": 0, "delivered": 0, "lost": [], "duplicated": [], "reordered": [], "unexpected": []}
    row["announced"] = []
    for trial in trials:
        row["sent"] += len(trial.sent)
        for epoch in dict.fromkeys([event[0] for event in (*trial.sent, *trial.arrived)]):
            sent = [id_ for one, id_, _, _ in trial.sent if one == epoch]
            sets = stats.delivery_sets(sent, [id_ for one, id_, _ in trial.arrived if one == epoch])
            row["delivered"] += len(sent) - len(sets.lost)
            for name in ("lost", "duplicated", "reordered", "unexpected"):
                row[name] += [f"{epoch}-{id_}" for id_ in getattr(sets, name)]
            row["announced"] += [f"{epoch}-{id_}" for id_ in sets.lost if _announced(trial, epoch, id_)]
    return row


def _announced(trial: Trial, epoch: int, id_: int) -> bool:
    """Whether the reader was told that it would never see this event."""
    return any(
        gap["epoch"] == epoch and gap["from"] <= id_ and (gap["to"] is None or id_ <= gap["to"]) for gap in trial.gaps
    )


def _faults(trials: Sequence[Trial]) -> Row | None:
    """What was done to the connections, and what the readers made of it; None where nothing was."""
    struck = [trial for trial in trials if trial.fault]
    if not struck:
        return None
    noticed = [ms for trial in struck if (ms := noticed_ms(trial)) is not None]
    resumed = [ms for trial in struck if (ms := resumed_ms(trial)) is not None]
    return {
        "what": struck[0].fault["what"],
        "noticed": len(noticed),
        "noticed_ms": _times(noticed),
        "resumed": len(resumed),
        "resumed_ms": _times(resumed),
        "stale_max_ms": _times(ms for trial in struck if (ms := stale_max_ms(trial)) is not None),
        "unsent": sum(trial.fault["unsent"] for trial in struck),
    }


def noticed_ms(trial: Trial) -> float | None:
    """From the fault until the reader knew that its connection was lost; None where it never did."""
    struck = trial.fault["at"]
    return next(((at - struck) / MS for at, _ in trial.lost if at >= struck), None)


def resumed_ms(trial: Trial) -> float | None:
    """From the healing, or from the fault where nothing was healed, to the first event that was sent after the fault.

    None where none came. What was on its way when the fault struck does not count, and nor does what came during it.
    """
    since = trial.fault["healed"] or trial.fault["at"]
    at = _resumed(trial)
    return None if at is None else (at - since) / MS


def _resumed(trial: Trial) -> int | None:
    struck = trial.fault["at"]
    since = trial.fault["healed"] or struck
    after = (sample.received for sample in trial.samples if sample.at >= struck)
    return min((at for received in after for at in received if at >= since), default=None)


def stale_max_ms(trial: Trial) -> float | None:
    """How old the reader's newest event was at most, from the fault until the last arrival.

    Until the trial's end where nothing came any more. None where nothing was sent.
    """
    if not trial.sent:
        return None
    held = [(sample.received[0], sample.due) for sample in trial.samples if sample.received]
    start = min(due for _, _, due, _ in trial.sent)
    end = trial.ended if _resumed(trial) is None else max(received for received, _ in held)
    received, due = (np.array([(one[n] - start) / MS for one in held]) for n in (0, 1))
    age = stats.age_of_information(received, due, 0.0, (end - start) / MS + 1e-6)
    return float(age.ages[age.times >= (trial.fault["at"] - start) / MS].max())


def _costs(trials: Sequence[Trial]) -> Row:
    """The means of what the scenarios crowd and bulk measured."""
    names = dict.fromkeys(name for trial in trials for name in trial.cost)
    costs = {name: [trial.cost[name] for trial in trials if trial.cost.get(name) is not None] for name in names}
    return {name: _times(values) if name != "memory" else values[0] for name, values in costs.items() if values}


def _wire(trials: Sequence[Trial]) -> Row | None:
    """Bytes, segments, connections and requests for each event that arrived."""
    counted = [trial for trial in trials if "down" in trial.wire]
    events = sum(len(trial.arrived) for trial in counted)
    if not events:
        return None

    def per_event(*path: str) -> float:
        return float(f"{sum(_at(trial.wire, path) for trial in counted) / events:.6g}")

    parts = ("payload", "framing", "http", "tcp_ip")
    ways = {
        way: {part: per_event(way, part) for part in parts}
        | {"total": float(f"{sum(_at(trial.wire, (way, part)) for trial in counted for part in parts) / events:.6g}")}
        for way in ("down", "up")
    }
    return {
        **ways,
        "packets": {way: per_event("packets", way) for way in ("down", "up")},
        "connections": per_event("connections"),
        "requests": per_event("requests"),
    }


def _stages(trials: Sequence[Trial]) -> Row | None:
    """The median of each stage; None, and why, for one that is not known of every trial in which events arrived.

    Nothing at all of trials that an older pushlab has left, which took no stamps.
    """
    arrived = [trial for trial in trials if trial.arrived]
    if not any(trial.stamps for trial in arrived):
        return None
    held = [stages(trial) for trial in arrived]
    known = [stage for stage in STAGES if all(stage in one for one in held)]
    found = {stage: _interval(stats.estimate([one[stage] for one in held], 50)) for stage in known}
    medians = {stage: found.get(stage) for stage in STAGES}
    reasons = (why for trial in arrived if (why := _why_not(trial)))
    return medians | {"reason": "" if all(medians.values()) else next(reasons, "too few events")}


def _why_not(trial: Trial) -> str:
    """Why a stage of this trial is not known; empty where all are."""
    if not trial.stamps:
        return "when the server wrote its events was not noted"
    unstamped = _unstamped(trial)
    several = f"{unstamped} of {len(trial.arrived)} events were not seen when the server wrote them"
    return trial.stamps["reason"] or (several if unstamped else "")


def _at(tree: Mapping[str, Any], path: Sequence[str]) -> float:
    for step in path:
        tree = tree[step]
    return float(tree)  # type: ignore[arg-type]  # a leaf


def _age(trials: Iterable[Trial]) -> Row | None:
    """Age of Information from the first event's due time to the last arrival: its mean and its maximum."""
    ages = [age for trial in trials if (age := age_of(trial))]
    if not ages:
        return None
    return {"mean": _times(age.mean for age in ages), "max": _times(age.max for age in ages)}


def age_of(trial: Trial) -> stats.Age | None:
    """How old the page's newest event was at each instant, ms since the first event was due."""
    got = [(sample.received[0], sample.due) for sample in trial.samples if sample.received]
    if not got:
        return None
    start = min(due for _, _, due, _ in trial.sent)
    received, due = (np.array([(one[n] - start) / MS for one in got]) for n in (0, 1))
    return stats.age_of_information(received, due, 0.0, float(received.max()) + 1e-6)


def _doubts(trials: Sequence[Trial], late: Floats, link: Mapping[str, Any]) -> Iterator[Row]:
    """What makes the cell's figures questionable, and what to do about it."""
    if late.size and stats.percentile(late, 99) > SOURCE_LATE_MS[99]:
        yield _late(late)
    yield from _network_doubts(trials, link.get("net", {}))
    failed = [trial for trial in trials if trial.state == "failed"]
    if failed:
        what = f"{len(failed)} of {len(trials)} trials failed: {failed[0].reason}"
        yield {"what": what, "advice": "look into why; the figures are of the other trials"}
    mixed = sum(trial.wire.get("others", 0) for trial in trials)
    if mixed:
        what = f"{mixed} requests for other things shared the transport's connections, and count among its bytes"
        yield {"what": what, "advice": "take the wire bytes as an upper bound"}
    broken = [trial for trial in trials if trial.lost and not _disturbed(trial)]
    if broken:
        what = f"{len(broken)} of {len(trials)} trials lost a connection that nobody cut: {broken[0].lost[0][1]}"
        yield {"what": what, "advice": "see what the server or something in between has against it"}


def _late(late: Floats) -> Row:
    """Medians bear a source that is late now and then; they don't bear one that mostly is."""
    p50, p99 = (stats.percentile(late, q) for q in (50, 99))
    again = "close what else runs on it, and measure again"
    if p50 <= SOURCE_LATE_MS[50]:
        what = f"the source was late: 1 of 100 events by {p99:.1f} ms or more"
        return {"what": what, "advice": f"medians bear that, but tails may be the machine's: {again}"}
    what = f"the source was late: half of the events by {p50:.2f} ms or more, 1 of 100 by {p99:.1f} ms"
    return {"what": what, "advice": f"many events fell due at once, or the machine was busy: {again}"}


def _network_doubts(trials: Sequence[Trial], net: Mapping[str, Any]) -> Iterator[Row]:
    """Where an emulated network was not what was asked for; `net` is what the run tells of it."""
    if why := net.get("doubt"):
        what = f"the emulated network can't do what it was asked for: {why}"
        yield {"what": what, "advice": "ask for a lower rate"}
    late = network_lateness(trials)
    if late and late["p99"] > NETWORK_LATE_MS:
        what = f"packets left the emulated network late: by {late['p99']:.1f} ms at p99"
        yield {"what": what, "advice": "the machine or the network was busy: close what else runs, or send less"}


def _disturbed(trial: Trial) -> bool:
    return bool(trial.fault) or trial.cell.scenario in DISTURBED


def _differences(grouped: Mapping[Cell, Sequence[Trial]], looks: Mapping[Cell, int]) -> Iterator[Row]:
    for family in families(grouped):
        by = basis(family)
        for measure, q in COMPARED.items():
            for pair in stats.differences(compared(family, q), looks=max(looks.get(cell, 1) for cell in family)):
                numbers = {
                    key: _round(getattr(pair, key))
                    for key in ("ratio", "low", "high", "delta", "delta_low", "delta_high")
                }
                yield {
                    "a": pair.a,
                    "b": pair.b,
                    "measure": f"latency_ms.{measure}",
                    "basis": by,
                    "rounds": pair.rounds,
                    **numbers,
                    "verdict": pair.verdict,
                    "direction": pair.direction,
                    "reason": pair.reason,
                }


def _times(values: Iterable[float]) -> Row | None:
    held = list(values)
    return _interval(stats.interval(held)) if held else None


def _interval(found: stats.Interval | None) -> Row | None:
    if found is None:
        return None
    return {"value": _round(found.value), "low": _round(found.low), "high": _round(found.high)}


def _round(value: float | None) -> float | None:
    """Six digits: far more than was measured, and short."""
    return None if value is None else float(f"{value:.6g}")


def as_csv(summary: Mapping[str, Any]) -> str:
    """A line per cell, its nested values flattened: "latency_ms.p50.low"."""
    rows = [dict(_flat(row)) for row in summary["cells"]]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _flat(row: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in row.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list):
            yield f"{prefix}{key}", len(value)
        else:
            yield f"{prefix}{key}", value
