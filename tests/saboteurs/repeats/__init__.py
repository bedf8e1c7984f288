"""Fetch streaming that sends one event in a hundred twice."""

from collections.abc import AsyncIterator

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from lab import About, Cursor, Event, Item, Log, Options, line, stream

about = About(title="Saboteur: repeats", year=2026, wire="one HTTP response", spec="tests/saboteurs/README.md")


class Sabotaged(Log):
    """The same log, badly read."""

    def __init__(self, log: Log) -> None:
        self.log = log

    def check(self, cursor: Cursor) -> None:
        self.log.check(cursor)

    async def follow(self, cursor: Cursor, heartbeat: float = 0) -> AsyncIterator[Item | None]:
        async for item in self.log.follow(cursor, heartbeat):
            yield item
            if isinstance(item, Event) and item.id % 100 == 50:
                yield item


def routes(log: Log, options: Options) -> APIRouter:
    router = APIRouter()

    @router.get("/events")
    async def events(cursor: Cursor = "") -> StreamingResponse:
        return stream(Sabotaged(log), cursor, line, media_type="application/x-ndjson", prelude=b"\n", options=options)

    return router
