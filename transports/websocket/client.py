from collections.abc import AsyncIterator

from websockets import WebSocketException
from websockets.asyncio.client import connect

from lab import Cursor, Lost, Options

GOODBYE = 0.2
"""Seconds in which a server may answer that the connection is to end. One that is silent would hold up its reader."""


async def events(base: str, cursor: Cursor, _options: Options) -> AsyncIterator[str]:
    try:
        url = f"{base.replace('http', 'ws', 1)}/events?cursor={cursor}"
        async with connect(url, max_size=None, proxy=None, close_timeout=GOODBYE) as socket:
            yield ""
            async for message in socket:
                assert isinstance(message, str)
                yield message
            raise Lost(f"closed with {socket.close_code} {socket.close_reason}".strip())
    except WebSocketException as error:
        raise Lost(str(error)) from error
