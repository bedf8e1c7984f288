"""Runs that were never measured: small, made by code, with everything in them that a report must cope with."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from benchmarks import summary
from benchmarks.runs import Cell, Run, Trial

MS = 1_000_000  # ns
EPOCH = 1_795_442_706_037_041
FLAGS = ["--headless", "--disable-renderer-backgrounding"]
CLOCKS = {
    "chromium": {"method": "NavigationStart on CLOCK_MONOTONIC", "bound_ms": 0.015, "step_ms": 0.005},
    "firefox": {"method": "smallest round trip of 100 pings over a WebSocket", "bound_ms": 0.12, "step_ms": 0.02},
    "native": {"method": "the server's own", "bound_ms": 0.001, "step_ms": 0.000001},
}
USUAL = {"websocket": 0.60, "sse": 0.61, "long_polling": 3.2, "xhr_streaming": 26.0}  # ms


@dataclass(frozen=True)
class Made:
    """What a report is made of."""

    run: Run
    trials: list[Trial]
    summary: dict[str, Any]
    complaints: list[str]

    @property
    def arguments(self) -> tuple[Run, list[Trial], dict[str, Any], list[str]]:
        return self.run, self.trials, self.summary, self.complaints


def cell(subject: str, engine: str = "chromium", scenario: str = "steady", link: str = "direct") -> Cell:
    transport, _, variant = subject.partition(":")
    return Cell(transport, variant or None, engine, scenario, link)


def trial(of: Cell, number: int, delays_ms: Iterable[float | None], late_ms: float = 0.01) -> Trial:
    """One event every 16 ms; None was lost."""
    sent, arrived = [], []
    for nth, delay in enumerate(delays_ms):
        due = (number * 2000 + 16 * nth) * MS
        sent.append((EPOCH, 60 * number + nth, due, due + round(late_ms * MS)))
        if delay is not None:
            arrived.append((EPOCH, 60 * number + nth, due + round(delay * MS)))
    times = {"navigated": number * 2000 * MS - 300 * MS, "opened": [number * 2000 * MS - 90 * MS]}
    return Trial(of, number, "measured", sent=sent, arrived=arrived, bound_ms=CLOCKS[of.engine]["bound_ms"], **times)


def trials(of: Cell, median_ms: float, rounds: int, rng: np.random.Generator, events: int = 60) -> Iterator[Trial]:
    for number in range(1, rounds + 1):
        scale = median_ms * math.exp(0.02 * rng.standard_normal())
        yield trial(of, number, (scale * np.exp(0.25 * rng.standard_normal(events))).tolist())


def made(
    usual: Mapping[str, float] = USUAL,
    engines: Sequence[str] = ("chromium",),
    scenarios: Sequence[str] = ("steady",),
    rounds: int = 6,
    ended: str = "complete",
) -> Made:
    """Every subject, with its usual p50 in ms, in every engine and scenario."""
    rng = np.random.default_rng(7)
    cells = [cell(subject, engine, scenario) for subject, engine, scenario in product(usual, engines, scenarios)]
    held = [one for of in cells for one in trials(of, usual[of.subject], rounds, rng)]
    return made_of(held, engines, ended=ended)


def made_of(
    held: Sequence[Trial],
    engines: Sequence[str],
    absent: Mapping[Cell, tuple[str, str]] | None = None,
    ended: str = "complete",
) -> Made:
    """Of these trials, and of cells that have none: cell → (state, reason)."""
    states = dict.fromkeys((one.cell for one in held), ("measured", "")) | dict(absent or {})
    run = Run(
        plan="made up",
        seed=7,
        started="2026-11-23T14:04:38+00:00",
        settings={"about": "Nothing of it was measured.", "budget": 100},
        machine={
            "system": "Linux 6.1",
            "processor": "A Processor",
            "cores": 2,
            "memory_gib": 8.0,
            "load": [0.1, 0.2, 0.3],
        },
        versions={"python": "3.11.7", "pushlab": "0.1.0"},
        engines={name: {"version": "1.2", "flags": FLAGS, "clock": CLOCKS[name]} for name in engines},
        cells=[
            {"cell": asdict(of), "title": of.transport.replace("_", " "), "state": state, "reason": reason, "looks": 1}
            for of, (state, reason) in states.items()
        ],
        ended=ended,
        seconds=12.5,
    )
    return Made(run, list(held), summary.summarize(run, held), [])


LONG = "an_exceedingly_long_transport_name_that_somebody_really_chose:and_its_variant_with_deflate_and_everything"
EVIL = "needs </script><img src=x onerror=alert(1)> | and `this`"


def awkward() -> Made:
    """Everything at once: engines and scenarios, third states, losses, repeats, gaps, long names, costs, damage."""
    usual = USUAL | {"short_polling": 250.0, "sse:native": 0.62, LONG: 1.4}
    base = made(usual, ("chromium", "firefox"), ("steady", "burst"), rounds=5)
    held = [one for one in base.trials if one.cell.engine == "chromium" or one.round == 1]  # one smoke round
    held = [_troubled(one) for one in held]
    absent = {
        cell("bosh"): ("unavailable", EVIL),
        cell("grpc"): ("unsupported", "a browser can't speak it"),
        cell("webtransport"): ("failed", "did not open within 10 s"),
    }
    whole = made_of(held, ("chromium", "firefox"), absent, ended="budget")
    for row in whole.summary["cells"]:
        if row["state"] == "measured":
            row.update(_wire_and_stages(row))
    costs = [_cost(subject, nth, scenario) for scenario in ("crowd", "bulk") for nth, subject in enumerate(USUAL)]
    whole.summary["cells"] += costs
    return replace(whole, complaints=[f"trials/001-sse.jsonl is damaged and was left out: line 3 is no JSON: {EVIL!r}"])


LINK = "relay:delay=50"


def linked() -> Made:
    """The same transports over two links: the far one takes 50 ms more, and loses an event."""
    usual = {subject: USUAL[subject] for subject in ("sse", "websocket", "long_polling")}
    near = made(usual, rounds=6).trials
    rng = np.random.default_rng(8)
    far = [one for subject, ms in usual.items() for one in trials(cell(subject, link=LINK), ms + 50, 6, rng)]
    far[0] = replace(far[0], arrived=far[0].arrived[1:])
    return made_of([*near, *far], ["chromium"])


def full() -> Made:
    """As large as a full run: 10 subjects × 3 engines × 4 scenarios, 5–8 rounds of 60 events."""
    usual = {f"transport_{nth}" + (":variant" if nth % 3 == 0 else ""): 0.5 * 1.7**nth for nth in range(10)}
    engines = ("chromium", "firefox", "native")
    steady = made(usual, engines, ("steady",), rounds=8)
    rest = made(usual, engines, ("burst", "large", "reconnect"), rounds=5)
    return made_of([*steady.trials, *rest.trials], engines)


def _troubled(one: Trial) -> Trial:
    """A lost, a repeated, a late and a foreign event, and a gap, where they are due."""
    first, *others = one.arrived
    match one.cell.subject, one.cell.engine, one.round:
        case "long_polling", "chromium", 2:
            return replace(
                one, arrived=[*others, others[3]], gaps=[{"epoch": EPOCH, "from": 1, "to": 4, "why": "retention"}]
            )
        case "xhr_streaming", "chromium", 3:
            return replace(one, arrived=[others[0], first, *others[1:], (EPOCH, 9_999, first[2])])
        case "sse", "firefox", _:  # within what the clocks can tell, an event may seem to come before it was due
            return replace(one, arrived=[(epoch, id_, at - round(0.65 * MS)) for epoch, id_, at in one.arrived])
        case _:
            return one


def _wire_and_stages(row: Mapping[str, Any]) -> dict[str, Any]:
    down = {"payload": 100.0, "framing": 12.0, "http": 8.0, "tcp_ip": 53.0}
    up = {"payload": 0.0, "framing": 0.0, "http": 240.0 if "polling" in row["transport"] else 0.0, "tcp_ip": 52.0}
    wire: dict[str, Any] = {
        name: {"total": sum(parts.values()), **parts} for name, parts in (("down", down), ("up", up))
    }
    return {
        "wire_bytes_per_event": wire | {"packets": {"down": 1.1, "up": 1.0}, "connections": 0.02, "requests": 0.02},
        "stages_ms": _stages(row, row["latency_ms"]["p50"]["value"]),
    }


def _stages(row: Mapping[str, Any], median: float) -> dict[str, Any]:
    """Of one transport it is not known."""
    if row["transport"] == "websocket":
        return {"source": 0.01, "server": None, "wire": 0.05, "browser": None, "reason": "it is compressed"}
    return {"source": 0.01, "server": 0.1, "wire": 0.05, "browser": max(0.0, median - 0.16), "reason": ""}


def _cost(subject: str, nth: int, scenario: str) -> dict[str, Any]:
    """A cell that has no latency, only what it cost."""
    engine = "native" if scenario == "crowd" else "chromium"
    value = {"value": 6.0 + 3 * nth, "low": 5.5 + 3 * nth, "high": 6.6 + 3 * nth}
    of_server = {"server_cpu_us_per_delivery": value, "server_kib_per_reader": value}
    of_page = {"renderer_kib": value, "renderer_kept_kib": value}
    return {
        "transport": subject,
        "variant": None,
        "title": subject,
        "engine": engine,
        "scenario": scenario,
        "link": "direct",
        "state": "measured",
        "reason": "",
        "trials": 3,
        **(of_server if engine == "native" else of_page),
        "memory": "anonymous",
        "doubts": [],
    }
