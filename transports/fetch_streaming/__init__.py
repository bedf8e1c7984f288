"""Fetch streaming: a response that never ends, read from its ReadableStream and then forgotten."""

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from lab import About, Cursor, Log, Options, framed, line, stream

about = About(
    title="Fetch streaming",
    year=2015,
    wire="one HTTP response, a line per event",
    spec="https://fetch.spec.whatwg.org/",
    pattern="streaming",
    uses=frozenset({"fetch", "readablestream"}),
)

frame = framed(line)


def routes(log: Log, options: Options) -> APIRouter:
    router = APIRouter()

    @router.get("/events")
    async def events(cursor: Cursor = "") -> StreamingResponse:
        return stream(log, cursor, frame, media_type="application/x-ndjson", prelude=b"\n", options=options)

    return router
