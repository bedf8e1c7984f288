"""P20: two servers behind a balancer, and a reader that meets now the one, now the other."""

import asyncio
from collections.abc import Sequence
from urllib.parse import urlsplit

from benchmarks.behaviours.experiment import Experiment, Observation, only_browsers
from benchmarks.behaviours.field import Field
from benchmarks.browser import Seen
from benchmarks.ground import OPENING, Failed
from lab.link.place import HERE
from lab.link.proxy import PROGRAMS, keeper
from lab.link.proxy.running import STARTING, Kept
from lab.process import ServerProcess
from lab.transport import Subject

HAPROXY = PROGRAMS["haproxy"]

BALANCER = """\
defaults
    mode http
    option http-no-delay
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout tunnel 1h
listen lab
    bind @host:@port
    balance roundrobin
    server a @a
    server b @b
"""

AFFINE = BALANCER.replace("server a @a", "cookie node insert indirect nocache\n    server a @a cookie a").replace(
    "server b @b", "server b @b cookie b"
)

EVENTS, PERIOD = 10, 0.3
"""Events in all, half of them before the cut; seconds between two of them."""

SETTLING = 1.5
"""Seconds after the last event, and after the cut: readers that come back by themselves are back within one."""


async def observe(field: Field, cured: bool) -> Observation:  # noqa: FBT001  (as every experiment)
    servers = [await field.server(), await field.server()]
    front = await balanced(field, servers, AFFINE if cured else BALANCER)
    for server in servers:
        await server.ask("allow", origins=[front, *(one.origins[0] for one in servers)])
    engine, beside = await field.browser(), servers[0].origins[0]
    reading = engine.reading(field.subject, front, {}, "now", keep_data=True, clock=beside)
    reader = await field.stack.enter_async_context(reading)
    if not await reader.opened(OPENING):
        raise Failed(f"did not open within {OPENING:g} s: {(await reader.seen()).lost[:1]}")
    field.note("open")
    await send(servers, range(1, EVENTS // 2 + 1))
    field.note("half of the events are sent", "to both servers")
    await asyncio.sleep(SETTLING)
    await asyncio.gather(*(server.ask("cut") for server in servers))
    field.note("every connection of the servers was cut")
    await asyncio.sleep(SETTLING)
    await send(servers, range(EVENTS // 2 + 1, EVENTS + 1))
    field.note("all events are sent", "to both servers")
    await asyncio.sleep(SETTLING)
    return judged(await reader.seen())


async def balanced(field: Field, servers: Sequence[ServerProcess], configuration: str) -> str:
    """The origin of a balancer before these two; it is gone when the observation is over."""
    assert HAPROXY.path
    values = dict(zip("ab", (urlsplit(server.origins[0]).netloc for server in servers), strict=True))
    orders: keeper.Orders = {
        "command": [HAPROXY.path, *HAPROXY.command[1:]],
        "files": {HAPROXY.file: configuration},
        "values": values,
        "host": HERE.host,
        "port": 0,
        "seconds": STARTING,
    }
    kept = Kept("the balancer", HERE, orders)
    await kept.start()
    field.stack.push_async_callback(kept.stop)
    return kept.origin


async def send(servers: Sequence[ServerProcess], numbers: Sequence[int]) -> None:
    """Each event to both servers, as a broker behind them would do it."""
    for number in numbers:
        await asyncio.gather(*(server.ask("append", data=number) for server in servers))
        await asyncio.sleep(PERIOD)


def judged(seen: Seen) -> Observation:
    """Bitten: an event came twice or not at all, or the reader was told that it might have missed some."""
    missing = EVENTS - len(set(seen.data))
    repeated = len(seen.data) - len(set(seen.data))
    met = len({epoch for epoch, _, _ in seen.events})
    numbers: dict[str, float | str | None] = {
        "events_sent": EVENTS,
        "events_missing": missing,
        "events_repeated": repeated,
        "gaps_announced": len(seen.gaps),
        "connections_lost": len(seen.lost),
        "servers_met": met,
    }
    bitten = missing > 0 or repeated > 0 or bool(seen.gaps)
    says = f"met {met} of 2 servers: of {EVENTS} events {missing} were missing, {repeated} came again"
    says += f", and {len(seen.gaps)} gaps were announced"
    return Observation(bitten, says, numbers, log=tuple(f"lost: {why}" for _, why in seen.lost[:5]))


def unfit(subject: Subject, engine: str) -> str:
    return "the native client keeps no cookies" if engine == "native" else only_browsers(subject, engine)


experiment = Experiment(
    id="P20",
    name="no_affinity",
    title="Two servers, and no affinity",
    question="Does a reader get every event once when its next request may go to another server?",
    fixture="Two servers stand behind HAProxy, which gives each request to the other one in turn. Every event is "
    "sent to both, and each server numbers its events by itself. In the middle all connections of the servers are "
    "cut.",
    expected="A polling reader meets the other server with each request, and a stream or a WebSocket after the cut. "
    "That server does not know the cursor. It can only announce a gap and begin from its own oldest event, so events "
    "come again; a long poll is answered so at once, over and over. With servers that keep sessions instead of a log, "
    "such requests fail: an unknown session.",
    cure="Affinity: the balancer's cookie brings each reader back to its own server. (Or a cursor that every server "
    "understands, of a log that they share; this lab's servers have none in common.)",
    sources=(
        "https://socket.io/docs/v4/using-multiple-nodes",
        "https://docs.haproxy.org/2.6/configuration.html#4.2-cookie",
    ),
    unfit=unfit,
    missing=HAPROXY.missing,
    seconds=9,
    observe=observe,
)
