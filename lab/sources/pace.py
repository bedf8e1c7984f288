"""Events held back, so that no more than so many come in a second, however many there are."""

import asyncio
from contextlib import aclosing

from lab.clock import now
from lab.sources.source import Source

AT_ONCE = 100_000_000
"""ns of its pace by which a source may be ahead: lines that were written together come together."""


async def paced(lines: Source, most: float, size: float) -> Source:
    """At most `most` lines and `size` bytes in a second. What has to wait is not read, and due when its turn comes."""
    free, turn = now(), 0
    async with aclosing(lines):
        async for read, line in lines:
            if (wait := free - AT_ONCE - now()) > 0:
                await asyncio.sleep(wait / 1e9)
                turn = now()
            free = max(free, now()) + round(1e9 * max(1 / most, len(str(line).encode()) / size))
            turn = max(turn, read)
            yield turn, line
