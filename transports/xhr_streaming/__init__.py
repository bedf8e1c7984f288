"""XHR streaming: an ordinary download that keeps growing, read while it does. Comet's way, before 2010."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from lab import BROWSERS, About, Cursor, Log, Options, Variant, framed, line, stream

about = About(
    title="XHR streaming",
    year=2004,
    wire="one HTTP response, a line per event",
    spec="https://xhr.spec.whatwg.org/",
    pattern="streaming",
    uses=frozenset({"xmlhttprequest"}),
    variants={"polled": Variant(title="responseText looked at every 4 ms", engines=BROWSERS, client={"look": 0.004})},
)

frame = framed(line)


def routes(log: Log, options: Options) -> APIRouter:
    router = APIRouter()

    @router.get("/events")
    async def events(
        cursor: Cursor = "", limit: Annotated[int, Query(ge=1 << 10, le=1 << 26)] = 1 << 20
    ) -> StreamingResponse:
        return stream(
            log,
            cursor,
            frame,
            media_type="text/plain; charset=utf-8",
            prelude=b"\n",
            limit=limit,
            options=options,
        )

    return router
