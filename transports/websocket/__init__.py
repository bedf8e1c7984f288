"""WebSocket: after an HTTP handshake, a two-way channel of messages."""

import asyncio
from contextlib import suppress

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from lab import About, Cursor, Log, Options, Variant

about = About(
    title="WebSocket",
    year=2011,
    wire="RFC 6455 text messages",
    spec="https://www.rfc-editor.org/rfc/rfc6455",
    pattern="socket",
    uses=frozenset({"websocket"}),
    variants={"deflate": Variant(title="with per-message deflate", server={"ws_per_message_deflate": True})},
)

GOING_AWAY = 1001


def routes(log: Log, options: Options) -> APIRouter:
    router = APIRouter()

    @router.websocket("/events")
    async def events(websocket: WebSocket, cursor: Cursor = "") -> None:
        log.check(cursor)
        await websocket.accept()
        sending = asyncio.create_task(send(websocket, log, cursor, options))
        try:
            while (await websocket.receive())["type"] != "websocket.disconnect":
                pass  # nothing is expected
        finally:
            sending.cancel()

    return router


async def send(websocket: WebSocket, log: Log, cursor: Cursor, options: Options) -> None:
    with suppress(WebSocketDisconnect):
        async for item in log.follow(cursor, options["heartbeat"]):
            await websocket.send_text(item.line if item else "")  # a ping would never reach the page's script
        await websocket.close(GOING_AWAY, "the log has ended")
