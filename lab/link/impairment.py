"""What impairs packets: the kernel's netem where there is one, or else the emulator, a process of its own."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol

from lab.ending import end
from lab.errors import UserError
from lab.link import emulator
from lab.link.conditions import DIRECTIONS, Conditions
from lab.link.namespaces import IMPAIRED, Pair, address, inside

ETHERNET = 14
"""Bytes of a frame's header, which the kernel counts and the emulator doesn't."""

UNLIMITED = 100_000_000_000
"""bit/s where there is no limit: only with a rate netem keeps packets in order in spite of jitter."""


class Impairment(Protocol):
    """The impaired way between two places.

    Attributes:
        may_lag: it may be asked for a rate that it can't keep up with.
    """

    may_lag: bool

    @property
    def facts(self) -> Mapping[str, Any]:
        """What it is done by."""

    async def set(self, conditions: Conditions) -> None:
        """From now on."""

    async def lap(self) -> dict[str, Any]:
        """By direction, since the last time: packets and bytes that passed, and those that did not."""


class Emulator:
    """The parent's end of `lab.link.emulator`."""

    may_lag = True

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.facts: dict[str, Any] = {}
        self._turn = asyncio.Lock()

    async def set(self, conditions: Conditions) -> None:
        await self._ask("set", **conditions.ways())

    async def lap(self) -> dict[str, Any]:
        lap: dict[str, Any] = await self._ask("lap")
        return lap

    async def started(self) -> None:
        """Raises:
        UserError: it could not; says why.
        """
        self.facts = {"impaired_by": "an emulator in user space", "scheduling": await self._answer()}

    async def _ask(self, do: str, **what: Any) -> Any:
        """Raises:
        ConnectionError: it is gone.
        """
        assert self.process.stdin
        async with self._turn:
            self.process.stdin.write(json.dumps({"do": do, **what}).encode() + b"\n")
            return await self._answer()

    async def _answer(self) -> Any:
        assert self.process.stdout
        line = await self.process.stdout.readline()
        if not line:
            raise ConnectionError(f"the emulated network has gone with exit code {await self.process.wait()}")
        said = json.loads(line)
        if "error" in said:
            raise UserError(said["error"])
        return said["ok"]

    async def stop(self) -> None:
        await end(self.process)


@asynccontextmanager
async def emulated(between: Pair, conditions: Conditions) -> AsyncIterator[Emulator]:
    """The way between two places, by the emulator; gone at the end.

    Raises:
        UserError: it does not start; says why.
    """
    orders: emulator.Orders = {
        "pids": between.pids,
        "device": IMPAIRED,
        "seed": int(conditions.seed),
        "conditions": conditions.ways(),
    }
    running = Emulator(
        await asyncio.create_subprocess_exec(
            *(*between.near.enter, sys.executable, "-IS", emulator.__file__, json.dumps(orders)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the bench, which ends its processes when it has finished
        )
    )
    try:
        await running.started()
        await address(between, IMPAIRED, conditions.cc)
        yield running
    finally:
        await running.stop()


class Netem:
    """The kernel's, at both ends of a wire."""

    may_lag = False

    def __init__(self, between: Pair) -> None:
        self.places = dict(zip(DIRECTIONS, (between.near, between.far), strict=True))
        self.facts = {"impaired_by": "the kernel's netem"}
        self.counted = {direction: dict.fromkeys(("packets", "bytes", "drops"), 0) for direction in DIRECTIONS}

    async def set(self, conditions: Conditions) -> None:
        for direction, place in self.places.items():
            words = " ".join(netem(conditions.way(direction)))
            await inside(place, f"tc qdisc replace dev {IMPAIRED} root netem {words}")

    async def lap(self) -> dict[str, Any]:
        """What did not pass is one count: netem does not say why."""
        return {direction: await self._counts(direction) for direction in DIRECTIONS}

    async def _counts(self, direction: str) -> dict[str, int]:
        said = json.loads(await inside(self.places[direction], f"tc -s -j qdisc show dev {IMPAIRED}"))
        now = next(one for one in said if one["kind"] == "netem")
        before = self.counted[direction]
        self.counted[direction] = {name: now[name] for name in before}
        passed = {name: now[name] - before[name] for name in before}
        passed["bytes"] -= ETHERNET * passed["packets"]
        return {"packets": passed["packets"], "bytes": passed["bytes"], "lost": passed["drops"]}


def netem(way: emulator.Conditions) -> list[str]:
    """What to tell it of one direction."""
    rate = way["rate"] or UNLIMITED
    flying = (way["delay"] + way["jitter"]) * min(rate, 1e9) / 8 / 100  # it counts what is under way as waiting
    return [
        *("limit", str(way["queue"] + round(flying)), "delay", f"{way['delay'] * 1e6:.0f}us"),
        *([f"{way['jitter'] * 1e6:.0f}us"] if way["jitter"] else []),
        *_loss(way),
        *("rate", f"{rate:.0f}bit"),
    ]


def _loss(way: emulator.Conditions) -> list[str]:
    if way["blackhole"]:
        return ["loss", "100%"]
    if not way["loss"]:
        return []
    if not way["burst"]:
        return ["loss", f"{way['loss'] * 100:.6f}%"]
    begins, ends = emulator.turns(way)
    return ["loss", "gemodel", *(f"{share * 100:.6f}%" for share in (begins, ends, way["density"], 0.0))]


@asynccontextmanager
async def by_kernel(between: Pair, conditions: Conditions) -> AsyncIterator[Netem]:
    """The way between two places, by netem; gone with them.

    Raises:
        UserError: the kernel refuses; says why.
    """
    wire = f"link add {IMPAIRED} type veth peer name {IMPAIRED} netns {between.pids[1]}"
    await inside(between.near, "ip -batch -", wire)
    for place in (between.near, between.far):  # else what is lost at once may be 64 KB
        await inside(place, f"ip link set {IMPAIRED} gso_max_size 1500 gso_max_segs 1")
    await address(between, IMPAIRED, conditions.cc)
    running = Netem(between)
    await running.set(conditions)
    await running.lap()
    yield running
