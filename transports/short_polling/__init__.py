"""Short polling: the browser asks again and again, whether there is anything new or not."""

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

from lab import About, Cursor, Log, Options, Variant

about = About(
    title="Short polling",
    year=1999,
    wire="an HTTP request every half second",
    spec="https://www.rfc-editor.org/rfc/rfc9110",
    pattern="polling",
    uses=frozenset({"fetch"}),
    variants={"100ms": Variant(title="every 100 ms", client={"every": 0.1})},
)


def routes(log: Log, _options: Options) -> APIRouter:
    router = APIRouter()

    @router.get("/events")
    async def events(cursor: Cursor = "") -> PlainTextResponse:
        news = "".join(item.line + "\n" for item in log.since(cursor))
        return PlainTextResponse(news, headers={"Cache-Control": "no-store"})

    return router
