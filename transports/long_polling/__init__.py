"""Long polling: the server holds each request until there is something to say."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import PlainTextResponse

from lab import About, Cursor, Log, Options, held

about = About(
    title="Long polling",
    year=1999,
    wire="an HTTP request per batch of events, held open",
    spec="https://www.rfc-editor.org/rfc/rfc6202",
    pattern="long polling",
    uses=frozenset({"fetch"}),
)

LONGEST = 28.0  # seconds: proxies begin to give up at 30


def routes(log: Log, _options: Options) -> APIRouter:
    router = APIRouter()

    @router.get("/events")
    async def events(
        request: Request, cursor: Cursor = "", hold: Annotated[float, Query(ge=0, le=LONGEST)] = 25
    ) -> PlainTextResponse:
        log.check(cursor)
        news = "".join(item.line + "\n" for item in await held(request, log.wait(cursor, hold)))
        return PlainTextResponse(news, headers={"Cache-Control": "no-store"})

    return router
