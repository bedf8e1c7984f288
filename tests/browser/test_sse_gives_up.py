"""What a browser does not forgive: after 204, 502 or a wrong type it gives an EventSource up for good.

`sse` makes a new one and goes on at its cursor. `sse:native` shows the browser's behaviour alone: it stays dead.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from conftest import SUBJECTS, Engines, ids
from fastapi.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from benchmarks.browser import Reader, Seen
from lab.app import create_app
from lab.log import Log
from lab.server import Server, listen, origin, serving

GONE = "the browser has given up"

REFUSALS: dict[str, Callable[[], Response]] = {
    "204": lambda: Response(status_code=204),
    "502": lambda: PlainTextResponse("bad gateway\n", 502),
    "a wrong type": lambda: HTMLResponse("<p>please log in first"),
}


@dataclass
class Moody:
    """A proxy, as it were: while `refusal` is set, it answers in the server's place."""

    app: ASGIApp
    refusal: Callable[[], Response] | None = None
    asked: Counter[str] = field(default_factory=Counter)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        events = scope["type"] == "http" and scope["path"].endswith("/events")
        if events:
            self.asked[scope["path"]] += 1
        await (self.refusal() if events and self.refusal else self.app)(scope, receive, send)


@dataclass
class Stage:
    log: Log
    proxy: Moody
    server: Server
    sse: Reader
    native: Reader


@asynccontextmanager
async def staged(engines: Engines, browser: str, refusal: Callable[[], Response] | None = None) -> AsyncIterator[Stage]:
    """A server of its own, and a page for each of the two."""
    engine, log, sockets = await engines.get(browser), Log(), listen()
    here = origin(sockets[0])
    proxy = Moody(create_app(log, [SUBJECTS["sse"], SUBJECTS["sse:native"]], origins=[here]), refusal)
    async with (
        serving(proxy, log, sockets) as server,
        engine.reading(SUBJECTS["sse"], here, {}, "") as sse,
        engine.reading(SUBJECTS["sse:native"], here, {}, "") as native,
    ):
        yield Stage(log, proxy, server, sse, native)


async def until(reader: Reader, there: Callable[[Seen], bool], seconds: float = 10) -> Seen:
    deadline = time.monotonic() + seconds
    while not there(seen := await reader.seen()):
        assert time.monotonic() < deadline, seen
        await asyncio.sleep(0.02)
    return seen


def given_up(seen: Seen) -> bool:
    return any(why == GONE for _, why in seen.lost)


async def append(log: Log, *data: int) -> None:
    for one in data:
        await log.append(one)


@pytest.mark.parametrize("browser", ["chromium", "firefox"])
async def test_a_reader_that_was_refused_goes_on_at_its_cursor(browser: str, engines: Engines) -> None:
    async def refused_later(refusal: Callable[[], Response]) -> None:
        async with staged(engines, browser) as stage:
            await append(stage.log, 1, 2)
            for reader in (stage.sse, stage.native):
                assert await reader.reached(stage.log.epoch, 2, 10)
            stage.proxy.refusal = refusal
            stage.server.cut()
            for reader in (stage.sse, stage.native):
                await until(reader, given_up)
            await append(stage.log, 3, 4)
            stage.proxy.refusal = None
            assert await stage.sse.reached(stage.log.epoch, 4, 10)
            seen = await stage.sse.seen()
            assert ids(seen) == [1, 2, 3, 4]
            assert (len(seen.opened), seen.gaps) == (2, [])
            await stays_dead(stage, [1, 2], 1)

    await asyncio.gather(*(refused_later(refusal) for refusal in REFUSALS.values()))


@pytest.mark.parametrize("browser", ["chromium", "firefox"])
async def test_a_reader_that_was_refused_at_first_gets_in_later(browser: str, engines: Engines) -> None:
    async def refused_first(refusal: Callable[[], Response]) -> None:
        async with staged(engines, browser, refusal) as stage:
            await append(stage.log, 1, 2)
            for reader in (stage.sse, stage.native):
                await until(reader, given_up)
            stage.proxy.refusal = None
            assert await stage.sse.reached(stage.log.epoch, 2, 10)
            assert ids(await stage.sse.seen()) == [1, 2]
            await stays_dead(stage, [], 0)

    await asyncio.gather(*(refused_first(refusal) for refusal in REFUSALS.values()))


async def stays_dead(stage: Stage, got: list[int], opened: int) -> None:
    """The browser asks no more, longer than it would have waited at most before it came back."""
    asked = stage.proxy.asked["/transports/sse:native/events"]
    await asyncio.sleep(0.7)
    seen = await stage.native.seen()
    assert stage.proxy.asked["/transports/sse:native/events"] == asked
    assert (ids(seen), len(seen.opened)) == (got, opened)
    assert seen.lost[-1][1] == GONE
    assert [why for _, why in seen.lost].count(GONE) == 1, "it is told once"
