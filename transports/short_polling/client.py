import asyncio
from collections.abc import AsyncIterator

from lab import Cursor, Options, get_lines


async def events(base: str, cursor: Cursor, options: Options) -> AsyncIterator[str]:
    async for line in get_lines(f"{base}/events?cursor={cursor}"):
        yield line
    await asyncio.sleep(options.get("every", 0.5))
