"""Fetch streaming that misbehaves on purpose: each variant reads the log badly in a way of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from lab import About, Cursor, Event, Item, Log, Options, Variant, line, stream

Items = AsyncIterator[Item | None]


def hit(item: Item | None, every: int) -> bool:
    """Whether it is the one among so many events that the fault befalls."""
    return isinstance(item, Event) and item.id % every == every // 2


async def drops(items: Items) -> Items:
    async for item in items:
        if not hit(item, 1000):
            yield item


async def repeats(items: Items) -> Items:
    async for item in items:
        yield item
        if hit(item, 100):
            yield item


async def swaps(items: Items) -> Items:
    kept: Item | None = None
    async for item in items:
        if hit(item, 100):
            kept = item
            continue
        yield item
        if kept:
            yield kept
            kept = None


async def delays(items: Items) -> Items:
    async for item in items:
        if hit(item, 10):
            await asyncio.sleep(0.005)
        yield item


def honest(items: Items) -> Items:
    """None of them: what holds the faults has none of its own."""
    return items


FAULTS: Mapping[str, Callable[[Items], Items]] = {"drops": drops, "repeats": repeats, "swaps": swaps, "delays": delays}

about = About(
    title="Saboteur",
    year=2026,
    wire="one HTTP response, a line per event",
    spec="tests/saboteur/README.md",
    variants={name: Variant(title=name, routes={"fault": name}) for name in FAULTS},
)


class Sabotaged(Log):
    """The same log, badly read."""

    def __init__(self, log: Log, fault: Callable[[Items], Items]) -> None:
        self.log, self.fault = log, fault

    def check(self, cursor: Cursor) -> None:
        self.log.check(cursor)

    def follow(self, cursor: Cursor, heartbeat: float = 0) -> Items:
        return self.fault(self.log.follow(cursor, heartbeat))


def routes(log: Log, options: Options) -> APIRouter:
    router = APIRouter()
    badly = Sabotaged(log, FAULTS.get(options.get("fault", ""), honest))

    @router.get("/events")
    async def events(cursor: Cursor = "") -> StreamingResponse:
        return stream(badly, cursor, line, media_type="application/x-ndjson", prelude=b"\n", options=options)

    return router
