"""P16: a server that stands still is left out of a measurement that stands still with it."""

import asyncio
import signal
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.behaviours.experiment import Experiment, Observation
from benchmarks.behaviours.field import Field, until
from benchmarks.ground import Failed
from benchmarks.stats import percentile
from lab.process import ServerProcess
from lab.transport import Subject

STALL = 2.0
"""Seconds that the server stands still."""

SOURCE = "steady:rate=60,size=100,seconds=5"
BEGINS, PATIENCE = 1.0, 10.0
"""Seconds before the stall, and in which the last event has to arrive."""

BETWEEN_POLLS = 0.28
"""Seconds from an arrival until the stall. A poller that asks every half or tenth of a second has left some events
with the server by then, whatever the phase."""

PERCENTILES = (0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99, 100)

SEEN_MS = STALL * 1000 / 2
"""A p99 below it does not show the stall. Without a stall no transport here takes as long, polling included."""


@dataclass(frozen=True)
class Timed:
    """An event that arrived; instants in ns on the server's clock."""

    due: int
    at: int
    received: int

    @property
    def service_ms(self) -> float:
        """From when it was really sent."""
        return (self.received - self.at) / 1e6

    @property
    def response_ms(self) -> float:
        """From when it should have been sent."""
        return (self.received - self.due) / 1e6


async def observe(field: Field, cured: bool) -> Observation:  # noqa: FBT001  (as every experiment)
    server = await field.server()
    reader = await field.follow(server)
    await server.ask("play", source=SOURCE, spin=False)
    if not await until(lambda: field.sent(server), PATIENCE):
        raise Failed(f"the source sent nothing within {PATIENCE:g} s")
    await asyncio.sleep(BEGINS)
    newest = field.sent(server)[-1]
    await reader.reached(newest.epoch, newest.id, PATIENCE)
    await asyncio.sleep(BETWEEN_POLLS)
    await stand_still(field, server)
    await server.ended()
    sent = field.sent(server)
    await reader.reached(sent[-1].epoch, sent[-1].id, PATIENCE)
    first: dict[tuple[int, int], int] = {}
    for epoch, id_, received in (await reader.seen()).events:
        first.setdefault((epoch, id_), received)
    field.note("all there", f"{len(first)} of {len(sent)} events")
    timed = [Timed(one.due, one.at, first[one.epoch, one.id]) for one in sent if (one.epoch, one.id) in first]
    if not timed:
        raise Failed(f"none of {len(sent)} events arrived")
    return judged(timed, lost=len(sent) - len(timed), cured=cured)


async def stand_still(field: Field, server: ServerProcess) -> None:
    """Stop the server's process for a while, and let it go on whatever happens."""
    field.note("server stopped", "SIGSTOP")
    server.process.send_signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(STALL)
    finally:
        server.process.send_signal(signal.SIGCONT)
    field.note("server goes on", "SIGCONT")


def judged(timed: Sequence[Timed], *, lost: int, cured: bool) -> Observation:
    """Bitten: the 99th percentile, counted this way, does not show that the server stood still."""
    service, response = [one.service_ms for one in timed], [one.response_ms for one in timed]
    counted, since = (response, "when it was due") if cured else (service, "when it was really sent")
    p99 = percentile(counted, 99)
    bitten = p99 < SEEN_MS
    shows = "which does not show" if bitten else "which shows"
    began = timed[0].due
    return Observation(
        bitten,
        f"counted from {since}, p99 is {p99:,.0f} ms, {shows} that the server stood still for {STALL * 1000:,.0f} ms",
        {
            "service_p50_ms": round(percentile(service, 50), 2),
            "service_p99_ms": round(percentile(service, 99), 2),
            "response_p50_ms": round(percentile(response, 50), 2),
            "response_p99_ms": round(percentile(response, 99), 2),
            "response_max_ms": round(max(response), 2),
            "events_counted": len(timed),
            "events_lost": lost,
            "stall_ms": STALL * 1000,
        },
        {
            "service_ms": [((one.due - began) / 1e9, one.service_ms) for one in timed],
            "response_ms": [((one.due - began) / 1e9, one.response_ms) for one in timed],
            "service_ms by percentile": [(q, percentile(service, q)) for q in PERCENTILES],
            "response_ms by percentile": [(q, percentile(response, q)) for q in PERCENTILES],
        },
    )


def bites(subject: Subject, cured: bool) -> bool:  # noqa: FBT001  (as every experiment)
    """What waits for the next poll when the server stops was sent before, and is late however it is counted."""
    return not cured and subject.found.about.pattern != "polling"


experiment = Experiment(
    id="P16",
    name="coordinated_omission",
    title="Service time taken for response time",
    question="Does the measured latency show that the server stood still?",
    fixture=f"60 events are due per second, for five seconds. In between the server's process is stopped for {STALL:g} "
    "seconds (SIGSTOP); then it goes on and catches up. Latency is counted from the instant at which an event was "
    "really sent, as a client does that sends, waits for the answer, and only then sends the next.",
    expected="The 99th percentile stays as if nothing had happened. While the server stands still nothing is sent, so "
    "nothing is late: two fifths of the events come up to two seconds late, and none of them counts. Short polling "
    "shows it all the same, because events that were sent before lie there until the poll after the stall.",
    cure="Count from the instant at which the event was due by the schedule, as this lab does everywhere. The same "
    "run, counted so, has a 99th percentile of about two seconds.",
    sources=(
        "https://github.com/gatling/gatling/issues/2077",
        "https://github.com/giltene/wrk2",
        "https://github.com/artilleryio/artillery/issues/721",
    ),
    bites=bites,
    seconds=8,
    observe=observe,
)
