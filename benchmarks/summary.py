"""From trials to what a report says: one row per cell, and the differences between cells."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks import stats
from benchmarks.runs import FORMAT, Cell, Run, Trial, by_cell

PERCENTILES = (50, 90, 99)
COMPARED = {"p50": 50, "p90": 90}
NUMBERS = ("ratio", "low", "high", "delta", "delta_low", "delta_high")
MS = 1e6  # ns

Row = dict[str, Any]


def summarize(run: Run, trials: Sequence[Trial]) -> dict[str, Any]:
    """What summary.json holds; the schema is described in docs/results.md."""
    grouped = by_cell(trials)
    planned = [(Cell(**entry["cell"]), entry) for entry in run.cells]
    return {
        "format": FORMAT,
        "plan": run.plan,
        "seed": run.seed,
        "started": run.started,
        "ended": run.ended,
        "cells": [_row(cell, entry, grouped.get(cell, [])) for cell, entry in planned],
        "differences": list(_differences(grouped)),
    }


def delays(trial: Trial) -> np.ndarray[Any, Any]:
    """From due to received, of each event that arrived (its first arrival), ms."""
    return np.array([(sample.received[0] - sample.due) / MS for sample in trial.samples if sample.received])


def lateness(trials: Iterable[Trial]) -> np.ndarray[Any, Any]:
    """From due to appended, of each event that was sent, ms: the source's own fault."""
    return np.array([(at - due) / MS for trial in trials for _, _, due, at in trial.sent])


def compared(trials: Mapping[Cell, Sequence[Trial]], q: float) -> dict[str, dict[int, float]]:
    """Percentile q of each trial that supports it, by cell and round: what differences are made of."""
    values: dict[str, dict[int, float]] = {}
    for cell, mine in trials.items():
        for trial in mine:
            delay = delays(trial)
            if trial.state == "measured" and stats.supports(delay.size, q):
                values.setdefault(cell.name, {})[trial.round] = stats.percentile(delay, q)
    return values


def families(trials: Mapping[Cell, Sequence[Trial]]) -> Iterator[dict[Cell, Sequence[Trial]]]:
    """Cells that are compared with each other: of one engine, scenario and link."""
    keys = dict.fromkeys((cell.engine, cell.scenario, cell.link) for cell in trials)
    for key in keys:
        yield {cell: mine for cell, mine in trials.items() if (cell.engine, cell.scenario, cell.link) == key}


def _row(cell: Cell, entry: Mapping[str, Any], trials: Sequence[Trial]) -> Row:
    measured = [trial for trial in trials if trial.state == "measured"]
    row: Row = {
        "transport": cell.transport,
        "variant": cell.variant,
        "title": entry["title"],
        "engine": cell.engine,
        "scenario": cell.scenario,
        "link": cell.link,
        "state": entry["state"],
        "reason": entry["reason"],
        "trials": len(measured),
    }
    if not measured:
        failed = next((trial.reason for trial in trials), "")
        return row | {"state": "failed" if failed else row["state"], "reason": failed or row["reason"]}
    held = [delays(trial) for trial in measured]
    late = lateness(measured)
    return row | {
        "events": _events(measured),
        "latency_ms": {f"p{q}": _interval(stats.estimate(held, q)) for q in PERCENTILES}
        | {"max": _interval(stats.maximum(held))},
        "lateness_ms": {"p50": _round(stats.percentile(late, 50)), "p99": _round(stats.percentile(late, 99)),
                        "min": _round(float(late.min()))} if late.size else None,
        "age_ms": _age(measured),
        "open_ms": _times((trial.opened[0] - trial.navigated) / MS for trial in measured if trial.opened),
        "first_event_ms": _times((trial.arrived[0][2] - trial.navigated) / MS for trial in measured if trial.arrived),
        "connections_lost": sum(len(trial.lost) for trial in measured),
        "gaps": [gap for trial in measured for gap in trial.gaps],
        "clock_bound_ms": _round(max(trial.bound_ms for trial in measured)),
        "doubts": _doubts(trials),
    }  # fmt: skip


def _events(trials: Iterable[Trial]) -> Row:
    """What was sent against what arrived, as cursors ("epoch-id"), over all trials."""
    row: Row = {"sent": 0, "delivered": 0, "lost": [], "duplicated": [], "reordered": [], "unexpected": []}
    for trial in trials:
        row["sent"] += len(trial.sent)
        for epoch in dict.fromkeys([event[0] for event in (*trial.sent, *trial.arrived)]):
            sent = [id_ for one, id_, _, _ in trial.sent if one == epoch]
            sets = stats.delivery_sets(sent, [id_ for one, id_, _ in trial.arrived if one == epoch])
            row["delivered"] += len(sent) - len(sets.lost)
            for name in ("lost", "duplicated", "reordered", "unexpected"):
                row[name] += [f"{epoch}-{id_}" for id_ in getattr(sets, name)]
    return row


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


def _doubts(trials: Iterable[Trial]) -> list[Row]:
    counted: dict[tuple[str, str], int] = {}
    for trial in trials:
        for doubt in trial.doubts:
            counted[doubt.what, doubt.advice] = counted.get((doubt.what, doubt.advice), 0) + 1
        if trial.state == "failed":
            key = f"a trial failed: {trial.reason}", "look into why; the cell's figures are of the other trials"
            counted[key] = counted.get(key, 0) + 1
    return [{"what": what, "advice": advice, "trials": n} for (what, advice), n in counted.items()]


def _differences(grouped: Mapping[Cell, Sequence[Trial]]) -> Iterator[Row]:
    for family in families(grouped):
        for measure, q in COMPARED.items():
            for pair in stats.differences(compared(family, q)):
                numbers = {
                    key: _round(getattr(pair, key))
                    for key in ("ratio", "low", "high", "delta", "delta_low", "delta_high")
                }
                yield {
                    "a": pair.a,
                    "b": pair.b,
                    "measure": f"latency_ms.{measure}",
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
