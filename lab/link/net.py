"""An emulated network: packets between two network namespaces, impaired; and another way beside it, for clocks."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import UserError
from lab.link import conditions, namespaces, pulse
from lab.link.conditions import DIRECTIONS, PACKET, Conditions
from lab.link.impairment import Impairment, by_kernel, emulated
from lab.link.namespaces import FAR, NEAR, Pair, inside
from lab.link.place import Place
from lab.link.profiles import PROFILES
from lab.link.segment import Cut, Network

CONTROLS = Path("/proc/sys/net/ipv4/tcp_available_congestion_control")
CONTROL = "/proc/sys/net/ipv4/tcp_congestion_control"

PULSES, PACE, PULSE = 150, 0.002, 5
"""Packets, seconds between two, and their bytes, by which its punctuality is measured before it is used."""

FAST, FULL = 40e6, 0.3
"""bit/s from which a rate is tried before it is used, and for how many seconds. Below, full packets come so far apart
that the emulator rests between two."""

HEADERS = 28
"""Bytes, of IP and UDP."""

LATE_US = 300
"""A network is punctual when 99 % of its packets leave within so many µs of when they are due."""

HELD = 0.95
"""The share of its rate that a network has to carry."""

OPEN = "state established state syn-sent state syn-recv state close-wait"
"""Connections that can be cut, in the words of ss."""


@dataclass(frozen=True)
class NetSpec:
    """A network that was asked for."""

    words: str
    conditions: Conditions

    @property
    def text(self) -> str:
        return f"net:{self.words}"

    @property
    def title(self) -> str:
        profile = PROFILES.get(self.words.partition(",")[0])
        return f"{profile.title if profile else 'a network'} with {self.conditions.title}"

    @property
    def source(self) -> str:
        """Where its figures are from."""
        profile = PROFILES.get(self.words.partition(",")[0])
        return profile.source if profile else ""

    def missing(self) -> str:
        """Why it can't be had here, and what would help; empty when it can."""
        known = CONTROLS.read_text("ascii").split() if CONTROLS.exists() else []
        if known and self.conditions.cc and self.conditions.cc not in known:
            return f"the kernel has no congestion control {self.conditions.cc!r}: it has {', '.join(sorted(known))}"
        return namespaces.means().missing

    def running(self, place: Place) -> AbstractAsyncContextManager[Network]:  # noqa: ARG002
        """It makes its own places, wherever that is asked for."""
        return self.between()

    @asynccontextmanager
    async def between(self) -> AsyncIterator[Network]:
        """The network and its two places, gone at the end, also after a crash.

        Raises:
            UserError: it can't be made here; says why.
        """
        means = namespaces.means()
        if missing := self.missing():
            raise UserError(f"{self.text} is unavailable: {missing}")
        impaired = by_kernel if means.netem else emulated
        async with namespaces.pair(means.rights) as places, impaired(places, self.conditions) as impairment:
            net = Net(self, places, impairment)
            await net.look(rootless=bool(means.rights))
            yield net


class Net:
    """It runs. `near` is the server's place, `far` the readers'."""

    def __init__(self, spec: NetSpec, places: Pair, impairment: Impairment) -> None:
        self.spec, self.impairment = spec, impairment
        self.conditions = spec.conditions
        self.near, self.far = places.near, places.far
        self.facts: Mapping[str, Any] = {}

    async def look(self, *, rootless: bool) -> None:
        """Find out what a report has to tell."""
        default = (await inside(self.near, f"cat {CONTROL}")).strip()
        late, full = await self._lateness(), await self._full_rate()
        self.facts = {
            **self.impairment.facts,
            "source": self.spec.source,
            "queue": {direction: way["queue"] for direction, way in self.conditions.ways().items() if way["rate"]},
            "seed": int(self.conditions.seed),
            "congestion_control": self.conditions.cc or default,
            "congestion_control_is": "chosen" if self.conditions.cc else "the system's default",
            "namespaces": "of an ordinary user" if rootless else "of root",
            "late_us": late,
            **({"full_rate": full} if full else {}),
            **({"doubt": doubt} if (doubt := _doubt(full)) else {}),
        }

    async def _lateness(self) -> dict[str, Any]:
        """How late packets left it, in µs by direction; None where that is not known."""
        await asyncio.gather(*(self._pulses(direction, PULSES, PACE, PULSE) for direction in DIRECTIONS))
        await asyncio.sleep(self.conditions.rtt + 2 * self.conditions.jitter)
        return {direction: way.get("late_us") for direction, way in (await self.lap()).items()}

    async def _full_rate(self) -> dict[str, dict[str, Any]]:
        """By direction, where the emulator may not keep up with the rate: that, what it carried of it, and how late.

        A tenth more is sent than it lets through, in full packets, and nothing else befalls them.
        """
        rates = {way: getattr(self.conditions, way) for way in DIRECTIONS if self.impairment.may_lag}
        carried: dict[str, dict[str, Any]] = {}
        for direction, rate in rates.items():
            if rate < FAST:
                continue
            await self.impairment.set(Conditions(**{direction: rate}))
            pace = PACKET * 8 / rate / 1.1
            await self._pulses(direction, round(FULL / pace), pace, PACKET - HEADERS)
            lap = (await self.lap())[direction]
            carried[direction] = {"asked": round(rate), "carried": lap["rate"] or 0, "late_us": lap["late_us"]}
        if carried:
            await self.impairment.set(self.conditions)
        return carried

    async def _pulses(self, direction: str, number: int, pace: float, size: int) -> None:
        place, host = (self.near, FAR[0]) if direction == "down" else (self.far, NEAR[0])
        await inside(place, f"{sys.executable} -IS {pulse.__file__} {host} {number} {pace} {size}")

    async def through(self, origin: str) -> str:
        """It carries packets to whatever address the near place has."""
        return origin

    async def set(self, **settings: Any) -> None:
        """Change what befalls packets: every setting but cc and seed, and blackhole: True, False, "down" or "up".

        What is on its way already keeps its time, but out of a black hole nothing comes.

        Raises:
            UserError: one is unknown or impossible, or can't be changed any more.
        """
        if fixed := {"cc", "seed"} & settings.keys():
            raise UserError(f"{self.spec.text} can't change its {' and '.join(sorted(fixed))} as it goes")
        changed = self.conditions.changed(settings)
        await self.impairment.set(changed)
        self.conditions = changed

    async def cut(self, how: Cut = "rst") -> int:
        """Break every connection between the places: the server's end is reset, and says so to the reader's.

        A reader's end that has not heard of it when it should have, for packets get lost, is broken as well.
        """
        if how != "rst":
            raise UserError(f"{self.spec.text} can't cut connections by {how}: it can by rst")
        cut = await _connections(self.near, f"dst {FAR[0]}", kill=True)
        if cut & await _connections(self.near, f"dst {FAR[0]}"):
            raise UserError(f"{self.spec.text} can't cut connections: the kernel was built without INET_DIAG_DESTROY")
        await asyncio.sleep(self.conditions.rtt / 2 + self.conditions.jitter)
        for port, peer in cut & {(far, near) for near, far in await _connections(self.far, f"src {FAR[0]}")}:
            await _connections(self.far, f"src {FAR[0]} and sport = :{peer} and dport = :{port}", kill=True)
        return len(cut)

    async def lap(self) -> dict[str, Any]:
        """By direction, since the last time: packets and bytes (of IP) that passed, and packets that did not."""
        return await self.impairment.lap()


def _doubt(full: Mapping[str, Mapping[str, Any]]) -> str:
    """What it can't do that it was asked for; empty when it can."""
    slow = [
        f"{one['carried'] / 1e6:.0f} of {one['asked'] / 1e6:g} Mbit/s {direction}"
        for direction, one in full.items()
        if one["carried"] < HELD * one["asked"]
    ]
    late = max((one["late_us"]["p99"] for one in full.values() if one["late_us"]), default=0)
    said = [f"it carried {' and '.join(slow)}"] if slow else []
    said += [f"packets left late by {late / 1000:.2f} ms at p99"] if late > LATE_US else []
    return f"when its rate was tried, {', and '.join(said)}" if said else ""


async def _connections(place: Place, which: str, *, kill: bool = False) -> set[tuple[int, int]]:
    """The ports of connections there, own and other; those that are killed, if asked."""
    said = await inside(place, f"ss -Htn{'K' if kill else ''} {OPEN} '{which}'")
    return {(int(own), int(other)) for own, other in re.findall(r":(\d+)\s+\S+:(\d+)", said)}


def parse(rest: str) -> NetSpec:
    """Read what stands after "net:".

    Raises:
        UserError: something in it is unknown, impossible, or said twice.
    """
    return NetSpec(*conditions.parse(rest))
