"""P21: silence, at the pace of real life: P3 with the limits that real proxies and kernels have."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.behaviours.experiment import Experiment, Observation
from benchmarks.behaviours.field import Field
from benchmarks.behaviours.flow import missing
from benchmarks.browser import Reader
from benchmarks.ground import OPENING, Failed
from lab.transport import Subject

LIMITS = {"haproxy": 50, "nginx": 60, "apache": 300}
"""Seconds of silence after which these proxies cut, as they come."""

UPGRADES = {"haproxy"}
"""Which of them pass on a WebSocket as they come."""

HOLE = "hole"

NET = "net:rtt=1"
"""What can drop packets: where only a relay stands still, its kernel still answers to the probes of the other ends."""

PLAIN_SECONDS, CURED_SECONDS = 480.0, 320.0
"""How long there is silence. Chromium has noticed a dead connection after 452 s, when the kernel had probed nine times
in vain.
"""

SOON = 60.0
"""Seconds in which a dead connection has to be noticed."""

LOOK = 1.0


@dataclass(frozen=True)
class Silence:
    """What became of one reader's connection: after how many seconds of silence it was first told of a loss, None if it
    was not; how often.
    """

    lost_s: float | None
    times: int
    why: str = ""


async def observe(field: Field, cured: bool) -> Observation:  # noqa: FBT001  (as every experiment)
    settings: dict[str, Any] = {} if cured else {"heartbeat": 0, "watchdog": 0}
    seconds = CURED_SECONDS if cured else PLAIN_SECONDS
    readers = {name: await behind(field, name, settings) for name in proxies(field.subject)}
    readers[HOLE] = await before_a_hole(field, settings)
    field.note("silence begins")
    end = time.monotonic() + seconds
    known: dict[str, Silence] = {}
    told: set[str] = set()
    while time.monotonic() < end:
        await asyncio.sleep(LOOK)
        for name, (reader, since) in readers.items():
            known[name] = await silent(reader, since)
            if known[name].times and name not in told:
                told.add(name)
                field.note(f"lost: {known[name].why}", name)
    return judged(known, seconds)


def proxies(subject: Subject) -> list[str]:
    return [name for name in LIMITS if "websocket" not in subject.found.about.uses or name in UPGRADES]


Hushed = tuple[Reader, int]
"""A reader, and since when its connection is silent: CLOCK_MONOTONIC, ns."""


async def behind(field: Field, proxy: str, settings: Mapping[str, Any]) -> Hushed:
    """A reader that is open, through that proxy. Its page comes from the server itself."""
    server, link = await field.server(**settings), await field.link(f"proxy:{proxy}")
    origin = await link.through(server.origins[0])
    await server.ask("allow", origins=[origin])
    reader = await field.follow(server, origin=origin, **settings)
    if not await reader.opened(OPENING):
        raise Failed(f"did not open through {proxy} within {OPENING:g} s")
    await server.ask("append", data="news")  # some proxies count from the first that passed
    return reader, time.monotonic_ns()


async def before_a_hole(field: Field, settings: Mapping[str, Any]) -> Hushed:
    """A reader that is open, on a network that has just begun to drop every packet."""
    link = await field.link(NET)
    server = await field.server(link, **settings)
    reader = await field.follow(server, link, **settings)
    if not await reader.opened(OPENING):
        raise Failed(f"did not open through {NET} within {OPENING:g} s")
    await asyncio.sleep(LOOK)
    await link["net"].set(blackhole=True)
    return reader, time.monotonic_ns()


async def silent(reader: Reader, since: int) -> Silence:
    lost = [(at, why) for at, why in (await reader.seen()).lost if at >= since]
    return Silence((lost[0][0] - since) / 1e9 if lost else None, len(lost), lost[0][1] if lost else "")


def judged(known: Mapping[str, Silence], seconds: float) -> Observation:
    """Bitten: a proxy cut the silent connection, or it was not noticed soon that one was dead."""
    hole = known[HOLE].lost_s
    cut = [name for name in known if name != HOLE and known[name].times]
    told = {name: f"after {one.lost_s:.0f} s" if one.lost_s is not None else "not" for name, one in known.items()}
    says = "; ".join(f"{name} cut {told[name]}" for name in known if name != HOLE)
    says += f"; the dead connection was noticed {told[HOLE]}" + ("" if hole else f", in {seconds:.0f} s")
    numbers: dict[str, float | str | None] = {"silence_s": seconds}
    for name, one in known.items():
        what = "dead_noticed" if name == HOLE else f"{name}_cut"
        numbers |= {f"{what}_s": None if one.lost_s is None else round(one.lost_s, 1), f"{what}_times": one.times}
    log = tuple(f"{name}: {one.why}" for name, one in known.items() if one.why)
    return Observation(bool(cut) or hole is None or hole > SOON, says, numbers, log=log)


experiment = Experiment(
    id="P21",
    name="long_silence",
    title="Silence, in real time",
    question="When do real proxies cut a connection that says nothing, and when does a browser notice by itself that "
    "one is dead?",
    fixture="Readers follow through HAProxy, nginx and Apache as they come (through HAProxy alone what needs an "
    f"upgrade), and one on an emulated network that then drops every packet. There is one event, and {PLAIN_SECONDS:g} "
    "s of silence, without heartbeats and watchdog.",
    expected="HAProxy cuts after 50 s, nginx after 60, Apache after 300. Polls are not cut, for they are answered "
    "sooner, and a WebSocket is not, for the server pings it every 20 s by itself, of which no script hears. The dead "
    "connection is noticed late by whoever is held open (in Chromium after 452 s were seen: nine probes of the kernel, "
    "45 s apart, and 45 s before), and not at all by a poll that is on its way.",
    cure=f"The lab's heartbeats of 15 s and its watchdog of 37.5 s, through {CURED_SECONDS:g} s of silence: nobody is "
    "cut, and the dead connection is given up.",
    sources=(
        "https://docs.haproxy.org/2.6/configuration.html#4.2-timeout%20server",
        "https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_read_timeout",
        "https://httpd.apache.org/docs/2.4/mod/core.html#timeout",
    ),
    missing=lambda: missing([*(f"proxy:{name}" for name in LIMITS), NET]),
    seconds=500,
    observe=observe,
)
