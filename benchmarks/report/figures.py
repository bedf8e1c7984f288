"""Numbers in writing, and the measures that a cell may have."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

NONE = "–"
TOO_FEW = "too few events"


class Figure(NamedTuple):
    """A value with its limits, None where they are not known."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Measure:
    """Something that a row of summary.json may hold at `key`, whose parts are joined by dots."""

    key: str
    title: str
    unit: str
    about: str

    def of(self, cell: Mapping[str, Any]) -> Figure | None:
        """The cell's figure; None where it has none."""
        found: Any = cell
        for part in self.key.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        if isinstance(found, Mapping):
            return Figure(found["value"], found.get("low"), found.get("high"))
        return None if found is None else Figure(found)


def _latency(q: str, about: str) -> Measure:
    return Measure(f"latency_ms.{q}", q, "ms", about)


LATENCIES: Sequence[Measure] = (
    _latency("p50", "Half of the events took no longer, from the instant they were due until the page had them."),
    _latency("p90", "Nine of ten events took no longer."),
    _latency("p99", "Ninety-nine of a hundred events took no longer."),
    _latency("max", "The slowest event of this run: a fact, not an estimate. A longer run has a slower one."),
)
MEDIAN = LATENCIES[0]

OTHERS: Sequence[Measure] = (
    Measure("age_ms.mean", "Age, mean", "ms", "Age of Information: how old the newest event is that the page has."),
    Measure("age_ms.max", "Age, worst", "ms", "The oldest that the page's newest event ever was."),
    Measure("fault.noticed", "Noticed", "trials", "In how many trials the reader knew that its connection was lost."),
    Measure("fault.noticed_ms", "Noticed after", "ms", "From the fault until the reader knew, where it did."),
    Measure("fault.resumed", "Resumed", "trials", "In how many trials events came again."),
    Measure(
        "fault.resumed_ms", "Resumed after", "ms", "From when all was well again until the first event sent since then."
    ),
    Measure("fault.stale_max_ms", "Stale", "ms", "How old the reader's newest event was at most, from the fault on."),
    Measure("fault.unsent", "Unsent", "events", "Fell due while no server lived; they are not among the lost."),
    Measure("open_ms", "Open", "ms", "From setting out until the transport was open."),
    Measure("first_event_ms", "First event", "ms", "From setting out until the first event."),
    Measure("wire_bytes_per_event.down.total", "Wire down", "B/event", "Bytes towards the reader, headers included."),
    Measure("wire_bytes_per_event.up.total", "Wire up", "B/event", "Bytes towards the server, headers included."),
    Measure("wire_bytes_per_event.packets.down", "Packets down", "per event", "TCP segments towards the reader."),
    Measure("wire_bytes_per_event.packets.up", "Packets up", "per event", "TCP segments towards the server."),
    Measure("wire_bytes_per_event.connections", "Connections", "per event", "TCP connections opened."),
    Measure("wire_bytes_per_event.requests", "Requests", "per event", "HTTP requests made."),
)
CPU = Measure(
    "server_cpu_us_per_delivery",
    "Server CPU",
    "µs/delivery",
    "Processor time of the server's process tree per delivered event. On loopback it includes the receiver's TCP.",
)
MEMORY = Measure(
    "server_kib_per_reader", "Server memory", "KiB/reader", "What the server grows by for each connected reader."
)
RENDERER = Measure("renderer_kib", "Page memory", "KiB", "What the page's process grows by at most while it receives.")
KEPT = Measure("renderer_kept_kib", "Page memory kept", "KiB", "What the page's process has grown by in the end.")
STORM: Sequence[Measure] = (
    Measure(
        "peak_connects_per_s", "Peak connects", "per s", "How many readers came back in the busiest 0.1 s, times ten."
    ),
    Measure("back_ms", "95 % back", "ms", "From the old server's end until 95 of 100 readers were back."),
    Measure("down_ms", "Server back", "ms", "From the old server's end until the new one answered."),
    Measure("tries_per_reader", "Tries", "per reader", "Connections that a reader tried to make until one stood."),
)
COSTS: Sequence[Measure] = (CPU, MEMORY, RENDERER, KEPT, *STORM)


def number(value: float | None) -> str:
    """Three digits, whole from 100 on: 0.0421, 2.49, 45.2, 1,234."""
    if value is None:
        return NONE
    rounded = float(f"{value:.3g}")
    decimals = 2 - math.floor(math.log10(abs(rounded))) if rounded else 0
    return f"{value:,.{min(max(decimals, 0), 6)}f}".replace("-", "−")


def limits(figure: Figure) -> str:
    """Its interval, "0.66–0.83"; empty where there is none."""
    if figure.low is None and figure.high is None:
        return ""
    low, high = (number(x) if x is not None else "?" for x in (figure.low, figure.high))
    return f"{low}–{high}" if "−" not in low + high else f"{low} to {high}"


def written(figure: Figure | None, unit: str = "") -> str:
    """A figure in running text: "0.741 ms (0.66–0.83)"."""
    if figure is None:
        return NONE
    span = limits(figure)
    return number(figure.value) + (f"\N{NO-BREAK SPACE}{unit}" if unit else "") + (f" ({span})" if span else "")


def count(n: int, one: str, many: str | None = None) -> str:
    """E.g. "1 event", "1,200 events"."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def several(least: int, most: int, one: str) -> str:
    """E.g. "8 rounds", "7–8 rounds"."""
    return count(most, one) if least == most else f"{least}–{count(most, one)}"


def listed(names: Sequence[str]) -> str:
    """E.g. "a, b and c"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"
