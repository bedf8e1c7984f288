"""The scenario `crowd`: many native readers at once, for what each of them costs the server.

The readers live in a process of their own, this module run as a program, so that they disturb neither the server
nor the bench. One such process does for all the subjects of a run, one after the other.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from benchmarks.backoff import BACKOFFS
from lab import clock, cost, native
from lab.errors import UserError
from lab.process import Child, ServerProcess, obey, read_ledger, run, start
from lab.transport import Subject, discover, subject, subjects

WARM_UP = 50
"""Readers that come before anything is measured: with them comes what a server does and allocates only once."""

READERS = 200

SECONDS = 1.0

SOURCE = f"metronome:rate=5,size=100,seconds={SECONDS:g}"
"""Slow and even, so that long polls can all be asked anew before the next event, and none gets two at once."""

PATIENCE = 10.0
"""Seconds within which all readers must have opened, and after the last event, must have got it."""

LOOK = 0.02
"""Seconds between two looks at whether something is so yet."""


@dataclass(frozen=True)
class Cost:
    """What a crowd cost the server, which is the whole family of its process.

    Attributes:
        deliveries: events × readers, as they arrived. expected: as many as there should have been.
        cpu_ns: CPU time by process, from the source's start until SECONDS were over and all readers waited again.
        reader_kib: memory for each of the last READERS, of the kind `memory` (lab/cost.py).
    """

    deliveries: int
    expected: int
    cpu_ns: dict[int, int]
    reader_kib: float
    memory: str

    @property
    def cpu_us_per_delivery(self) -> float:
        return sum(self.cpu_ns.values()) / 1000 / self.deliveries


class Return(NamedTuple):
    """A reader that was lost and is back.

    Attributes:
        at: when it was open again, CLOCK_MONOTONIC in ns. tries: how often it tried, the last time with success.
    """

    at: int
    tries: int


def returned(arrivals: native.Arrivals, since: int) -> Return | None:
    """Of a reader; None where it was not lost since that instant, or is not back."""
    lost = [at for at, _ in arrivals.lost if at >= since]
    back = next((at for at in arrivals.opened if lost and at > lost[0]), None)
    return None if back is None else Return(back, sum(at < back for at in lost))


class Crowd(Child):
    """The readers' process: the bench's end."""

    name = "the crowd"

    async def join(self, whom: Subject, origin: str, number: int, backoff: str = "") -> None:
        """So many more readers, open.

        Args:
            backoff: how they come back when they are lost, see `backoff`; by default as the lab's do.

        Raises:
            UserError: some could not open; says why.
        """
        base = f"{origin}/transports/{whom.name}"
        await self.ask("join", name=whom.name, base=base, number=number, patience=PATIENCE, backoff=backoff)

    async def arrived(self) -> int:
        """Deliveries until now."""
        count: int = await self.ask("count")
        return count

    async def returned(self, since: int) -> list[Return]:
        """What became of those who were lost since that instant, and are back."""
        return [Return(*one) for one in await self.ask("returned", since=since)]

    async def leave(self) -> None:
        """All of them."""
        await self.ask("leave")


@asynccontextmanager
async def crowding() -> AsyncIterator[Crowd]:
    """A crowd of nobody yet, gone at the end."""
    crowd = Crowd(await start("benchmarks.crowd"))
    try:
        yield crowd
    finally:
        await crowd.stop()


async def measure(server: ServerProcess, whom: Subject, crowd: Crowd) -> Cost:
    """What a crowd costs a server that is new: one that had readers before would reuse the memory they left.

    Raises:
        UserError: not all readers could open, or nothing was delivered.
    """
    try:
        await _warm_up(server, whom, crowd)
        before = cost.memory_kib(cost.family(server.pid))
        await crowd.join(whom, server.origins[0], READERS)
        waiting = await _at_rest(server)
        after = cost.memory_kib(cost.family(server.pid))
        cpu_ns, deliveries, expected = await _deliver(server, crowd, waiting)
    finally:
        await crowd.leave()
    if not deliveries:
        raise UserError(f"none of the {expected} deliveries to a crowd by {whom.name} was made")
    return Cost(deliveries, expected, cpu_ns, (after.kib - before.kib) / READERS, after.kind)


async def _warm_up(server: ServerProcess, whom: Subject, crowd: Crowd) -> None:
    """The first readers, and the first event."""
    await crowd.join(whom, server.origins[0], WARM_UP)
    await server.play(f"{SOURCE},count=1", spin=False)
    await _reach(WARM_UP, crowd.arrived)
    await _at_rest(server)


async def _deliver(server: ServerProcess, crowd: Crowd, waiting: int) -> tuple[dict[int, int], int, int]:
    """CPU time by process; deliveries that there were, and that there should have been."""
    _, ledger = read_ledger(server.ledger)
    before, began = await crowd.arrived(), cost.cpu_ns(server.pid)
    # All of SECONDS, though the last event was before: pollers go on polling.
    await asyncio.gather(server.play(SOURCE, spin=False), asyncio.sleep(SECONDS))
    await _reach(waiting, lambda: _waiting(server))
    cpu_ns = cost.spent(began, cost.cpu_ns(server.pid))
    expected = len(read_ledger(server.ledger, ledger)[0]) * (WARM_UP + READERS)
    return cpu_ns, await _reach(before + expected, crowd.arrived) - before, expected


async def _waiting(server: ServerProcess) -> int:
    """Readers that wait for news at the server; those that poll in intervals don't."""
    waiting: int = await server.ask("waiting")
    return waiting


async def _at_rest(server: ServerProcess) -> int:
    """How many wait, once that does not change any more."""
    last = -1
    while (now := await _waiting(server)) != last:
        last = now
        await asyncio.sleep(LOOK)
    return last


async def _reach(least: int, count: Callable[[], Awaitable[int]], patience: float | None = None) -> int:
    """The count when it has reached `least`, or these seconds, by default PATIENCE, are over."""
    end = clock.now() + (PATIENCE if patience is None else patience) * 1e9
    while (reached := await count()) < least and clock.now() < end:  # noqa: ASYNC110  (another process's business)
        await asyncio.sleep(LOOK)
    return reached


class Worker:
    """The readers' process: its own end."""

    def __init__(self, known: Mapping[str, Subject]) -> None:
        self.known = known
        self.following: dict[asyncio.Task[None], native.Arrivals] = {}

    async def join(self, name: str, base: str, number: int, patience: float, backoff: str) -> None:
        wait = BACKOFFS[backoff].seconds if backoff else None
        for _ in range(number):
            arrivals = native.Arrivals()
            task = asyncio.create_task(native.follow(subject(name, self.known), base, {}, arrivals, backoff=wait))
            self.following[task] = arrivals
        if await _reach(len(self.following), self._open, patience) < len(self.following):
            raise UserError(f"a crowd of {len(self.following)} could not open by {name}: {self._why()}")

    async def count(self) -> int:
        return sum(len(arrivals.events) for arrivals in self.following.values())

    async def returned(self, since: int) -> list[Return]:
        found = (returned(arrivals, since) for arrivals in self.following.values())
        return [one for one in found if one is not None]

    async def leave(self) -> None:
        for task in self.following:
            task.cancel()
        await asyncio.gather(*self.following, return_exceptions=True)
        self.following.clear()

    async def _open(self) -> int:
        return sum(bool(arrivals.opened) for arrivals in self.following.values())

    def _why(self) -> str:
        """One reason of those that there are."""
        failed = (str(task.exception()) for task in self.following if task.done())
        lost = (why for arrivals in self.following.values() for _, why in arrivals.lost)
        return next(chain(failed, lost), "they were too slow")


async def work() -> None:
    worker = Worker(subjects(discover()))
    await obey(worker)
    await worker.leave()


def main() -> None:
    """Do what standard input asks, until it ends."""
    run(work())


if __name__ == "__main__":
    main()
