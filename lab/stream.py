"""The response that never ends: what all streaming transports over HTTP share."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from functools import lru_cache
from typing import Any

from fastapi import Request
from fastapi.responses import StreamingResponse

from lab.log import Cursor, Item, Log

Frame = Callable[[Item], bytes]

HEADERS = {
    "Cache-Control": "no-cache, no-transform",  # no proxy may store it, or compress it and wait for more
    "X-Accel-Buffering": "no",  # nginx: pass on at once
    "X-Content-Type-Options": "nosniff",  # else Chromium holds back the first KiB of text/plain
}


def framed(frame: Frame) -> Frame:
    """Makes a frame once per event instead of once per reader: those who have caught up want the same one."""
    return lru_cache(maxsize=8)(frame)


def stream(  # noqa: PLR0913  (what differs between the streaming transports, named)
    log: Log,
    cursor: Cursor,
    frame: Frame,
    *,
    media_type: str,
    prelude: bytes = b"",
    alive: bytes = b"\n",
    limit: int | None = None,
    options: Mapping[str, Any],
) -> StreamingResponse:
    """A response that follows the log from `cursor` on: one frame per event, `alive` after silence.

    Args:
        prelude: sent at once, so that the reader sees an open connection.
        limit: bytes after which the response ends; the reader is to come back at its cursor.
        options: `heartbeat`, seconds of silence before `alive` is sent; 0 = never.

    Raises:
        UserError: the cursor is malformed (before anything is sent).
    """
    log.check(cursor)

    async def frames() -> AsyncIterator[bytes]:
        sent = len(prelude)
        if prelude:
            yield prelude
        async for item in log.follow(cursor, options["heartbeat"]):
            piece = frame(item) if item else alive
            yield piece
            sent += len(piece)
            if limit is not None and sent >= limit:
                return

    return StreamingResponse(frames(), media_type=media_type, headers=HEADERS)


async def held(request: Request, waiting: Coroutine[Any, Any, list[Item]]) -> list[Item]:
    """What is waited for; nothing, and no more waiting, when the reader has hung up meanwhile."""
    answer, gone = asyncio.create_task(waiting), asyncio.create_task(_hung_up(request))
    try:
        await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
        return answer.result() if answer.done() else []
    finally:
        answer.cancel()
        gone.cancel()


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def line(item: Item) -> bytes:
    """The simplest frame: the event's line, ended by a newline."""
    return item.line.encode() + b"\n"


def resumed(request: Request, cursor: Cursor) -> Cursor:
    """The cursor of the request, or the one that the browser sends of itself when it comes back."""
    return request.headers.get("last-event-id", cursor)
