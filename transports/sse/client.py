from collections.abc import AsyncIterator

from lab import Cursor, Lost, Options, get_lines


async def events(base: str, cursor: Cursor, _options: Options) -> AsyncIterator[str]:
    async for line in get_lines(f"{base}/events?cursor={cursor}", Accept="text/event-stream"):
        if line.startswith("data:"):
            yield line[5:]
        elif not line:  # each event ends by an empty line, the heartbeat's too
            yield ""
    raise Lost("the server ended the stream")
