"""The scenarios `storm_…`: a server is killed, and all its readers come back to the next one."""

import asyncio
import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.crowd import LOOK, Crowd, Return
from lab import clock
from lab.errors import UserError
from lab.process import ServerProcess
from lab.transport import Subject

READERS = 200

DOWN = 1.0
"""Seconds from a server's end until the next is started."""

WINDOW = 0.1
"""Seconds in which returns are counted to find the peak."""

BACK = 0.95
"""The part of the readers that must be back."""

PATIENCE = 30.0
"""Seconds after which those who are not back have failed."""


@dataclass(frozen=True)
class Storm:
    """Times in ms from the old server's end.

    Attributes:
        peak_connects_per_s: how many came back in the busiest WINDOW, for a second.
        back_ms: until BACK of them were. down_ms: until the new server answered.
        tries_per_reader: connections that each tried to make, until one stood.
    """

    peak_connects_per_s: float
    back_ms: float
    down_ms: float
    tries_per_reader: float


async def measure(server: ServerProcess, whom: Subject, crowd: Crowd, backoff: str) -> Storm:
    """What comes upon a server that starts in the place of one that was killed.

    Args:
        server: one that nobody else uses.

    Raises:
        UserError: not all readers could open, or they did not come back.
    """
    try:
        await crowd.join(whom, server.origins[0], READERS, backoff)
        ended = clock.now()  # before: readers know of it sooner than who waits for the process
        await server.kill()
        await asyncio.sleep(DOWN)
        await server.again()
        answered = clock.now()
        returns = await _all_back(crowd, ended)
    finally:
        await crowd.leave()
    if len(returns) < READERS * BACK:
        raise UserError(f"only {len(returns)} of {READERS} readers were back by {whom.name} within {PATIENCE:g} s")
    return storm(returns, READERS, ended, answered)


async def _all_back(crowd: Crowd, since: int) -> list[Return]:
    """All of them, or those that are back in time."""
    end = clock.now() + PATIENCE * 1e9
    while True:
        returns = await crowd.returned(since)
        if len(returns) == READERS or clock.now() > end:
            return returns
        await asyncio.sleep(LOOK)


def storm(returns: Sequence[Return], readers: int, ended: int, answered: int) -> Storm:
    """Of those of so many readers that are back, BACK of them at least. Times are CLOCK_MONOTONIC in ns."""
    back = sorted(one.at for one in returns)
    last = back[math.ceil(BACK * readers) - 1]
    tries = sum(one.tries for one in returns) / len(returns)
    return Storm(busiest(back, WINDOW) / WINDOW, (last - ended) / 1e6, (answered - ended) / 1e6, tries)


def busiest(instants: Sequence[int], seconds: float) -> int:
    """The most of these instants (ns, sorted) that lie within so many seconds."""
    return max(bisect.bisect_left(instants, at + seconds * 1e9) - nth for nth, at in enumerate(instants))
