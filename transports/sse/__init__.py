"""Server-Sent Events: one response that never ends, in a format that the browser itself understands."""

import random

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from lab import BROWSERS, About, Cursor, Item, Log, Options, Variant, framed, resumed, stream

about = About(
    title="Server-Sent Events",
    year=2010,
    wire="one HTTP response, text/event-stream",
    spec="https://html.spec.whatwg.org/multipage/server-sent-events.html",
    pattern="streaming",
    uses=frozenset({"eventsource"}),
    variants={
        "native": Variant(title="the browser's own reconnecting alone", engines=BROWSERS, client={"native": True})
    },
)

RETRY = 200, 600
"""Milliseconds until a reader comes back, drawn between these, so that not all return at once."""


@framed
def frame(item: Item) -> bytes:
    return f"id:{item.cursor}\ndata:{item.line}\n\n".encode()


def routes(log: Log, options: Options) -> APIRouter:
    router = APIRouter()

    @router.get("/events")
    async def events(request: Request, cursor: Cursor = "") -> StreamingResponse:
        return stream(
            log,
            resumed(request, cursor),
            frame,
            media_type="text/event-stream",
            prelude=b"retry:%d\n\n" % random.randint(*options.get("retry", RETRY)),
            alive=b"event:alive\ndata\n\n",  # a comment would never reach the page's script
            options=options,
        )

    return router
