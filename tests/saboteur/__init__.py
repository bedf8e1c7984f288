"""Fetch streaming that misbehaves on purpose: each variant reads the log badly in a way of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from lab import About, Cursor, Event, Item, Log, Options, Variant, line, stream

Items = AsyncIterator[Item | None]
Instead = Callable[[Item | None, Items], Items]
"""What comes in place of the item that the fault befalls, of that and of those after it."""


async def nothing(_item: Item | None, _items: Items) -> Items:
    for none in ():
        yield none


async def twice(item: Item | None, _items: Items) -> Items:
    yield item
    yield item


async def after_the_next(item: Item | None, items: Items) -> Items:
    yield await anext(items)
    yield item


async def later(item: Item | None, _items: Items) -> Items:
    await asyncio.sleep(0.005)
    yield item


FAULTS: Mapping[str, tuple[int, Instead]] = {
    "drops": (1000, nothing),
    "repeats": (100, twice),
    "swaps": (100, after_the_next),
    "delays": (10, later),
}
"""Which one of how many events each befalls, and what then comes."""


async def badly(items: Items, every: int, instead: Instead) -> Items:
    async for item in items:
        if isinstance(item, Event) and item.id % every == every // 2:
            async for one in instead(item, items):
                yield one
        else:
            yield item


about = About(
    title="Saboteur",
    year=2026,
    wire="one HTTP response, a line per event",
    spec="tests/saboteur/README.md",
    variants={name: Variant(title=name, routes={"fault": name}) for name in FAULTS},
)


class Sabotaged(Log):
    """The same log, badly read."""

    def __init__(self, log: Log, every: int, instead: Instead) -> None:
        self.log, self.fault = log, (every, instead)

    def check(self, cursor: Cursor) -> None:
        self.log.check(cursor)

    def follow(self, cursor: Cursor, heartbeat: float = 0) -> Items:
        return badly(self.log.follow(cursor, heartbeat), *self.fault)


def routes(log: Log, options: Options) -> APIRouter:
    router = APIRouter()
    fault = options.get("fault")
    read = Sabotaged(log, *FAULTS[fault]) if fault else log

    @router.get("/events")
    async def events(cursor: Cursor = "") -> StreamingResponse:
        return stream(read, cursor, line, media_type="application/x-ndjson", prelude=b"\n", options=options)

    return router
