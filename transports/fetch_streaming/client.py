from collections.abc import AsyncIterator

from lab import Cursor, Lost, Options, get_lines


async def events(base: str, cursor: Cursor, _options: Options) -> AsyncIterator[str]:
    async for line in get_lines(f"{base}/events?cursor={cursor}"):
        yield line
    raise Lost("the server ended the stream")
