"""What a browser does not forgive: after 204, 502 or a wrong type it gives an EventSource up for good.

`sse` makes a new one and goes on at its cursor. `sse:native` shows the browser's behaviour alone: it stays dead.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from conftest import SUBJECTS, Engines
from fastapi.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from lab.app import create_app
from lab.log import Log
from lab.server import Server, listen, origin, serving

GONE = "the browser has given up"

REFUSALS: Mapping[str, Callable[[], Response]] = {
    "204": lambda: Response(status_code=204),
    "502": lambda: PlainTextResponse("bad gateway\n", 502),
    "type": lambda: HTMLResponse("<p>please log in first"),
}
BOTH = ("sse", "sse:native")

FOLLOW = """async ([refusals, names]) => {
    const { follow } = await import("/lab/follow.js");
    window.readers = {};
    for (const refusal of refusals) for (const name of names)
        readers[`${refusal} ${name}`] = follow(name, { cursor: "", origin: `${location.origin}/${refusal}` });
}"""
SEEN = """() => Object.entries(readers).map(([name, { arrivals, opened, lost, gaps }]) =>
    [name, { ids: arrivals.map(([, id]) => id), opened: opened.length, lost: lost.map(([, why]) => why), gaps }])"""


@dataclass
class Moody:
    """Proxies, as it were: in a bad mood, what is asked for under /204, say, is answered so in the server's place."""

    app: ASGIApp
    bad_mood: bool
    asked: Counter[str] = field(default_factory=Counter)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal, _, path = scope.get("path", "").removeprefix("/").partition("/")
        if refusal not in REFUSALS:
            await self.app(scope, receive, send)
            return
        self.asked[f"{refusal} {path.split('/')[1]}"] += 1
        scope = {**scope, "path": f"/{path}", "raw_path": f"/{path}".encode()}
        await (REFUSALS[refusal]() if self.bad_mood else self.app)(scope, receive, send)


@dataclass
class Stage:
    """A page with a reader of each kind behind each proxy."""

    log: Log
    proxies: Moody
    server: Server
    page: Any

    async def until(self, there: Callable[[dict[str, Any]], bool], *names: str) -> dict[str, dict[str, Any]]:
        """What all readers have seen when each of these has seen that."""
        deadline = time.monotonic() + 10
        while True:
            seen = dict(await self.page.evaluate(SEEN))
            mine = [one for name, one in seen.items() if name.endswith(names)]
            if all(map(there, mine)):
                return seen
            assert time.monotonic() < deadline, seen
            await asyncio.sleep(0.02)

    async def the_native_ones_stay_dead(self, ids: list[int]) -> None:
        """The browser asks no more, though it would have come back long ago; and it was told once."""
        asked = Counter(self.proxies.asked)
        await asyncio.sleep(0.7)  # after any other loss it comes back within 0.6 s
        assert self.proxies.asked == asked
        for name, seen in (await self.until(lambda _: True)).items():
            if name.endswith("native"):
                assert (name, seen["ids"], seen["opened"]) == (name, ids, bool(ids))
                assert (seen["lost"][-1], seen["lost"].count(GONE)) == (GONE, 1)


@asynccontextmanager
async def staged(engines: Engines, browser: str, *, bad_mood: bool) -> AsyncIterator[Stage]:
    engine: Any = await engines.get(browser)
    log, sockets = Log(), listen()
    here = origin(sockets[0])
    proxies = Moody(create_app(log, [SUBJECTS[name] for name in BOTH], origins=[here]), bad_mood)
    async with serving(proxies, log, sockets) as server, engine.page(f"{here}/lab/trial.html") as page:
        await page.evaluate(FOLLOW, [list(REFUSALS), BOTH])
        yield Stage(log, proxies, server, page)


async def append(log: Log, *data: int) -> None:
    for one in data:
        await log.append(one)


@pytest.mark.parametrize("browser", ["chromium", "firefox"])
async def test_sse_goes_on_and_the_browser_alone_does_not(browser: str, engines: Engines) -> None:
    await asyncio.gather(refused_when_it_comes_back(engines, browser), refused_at_first(engines, browser))


async def refused_when_it_comes_back(engines: Engines, browser: str) -> None:
    async with staged(engines, browser, bad_mood=False) as stage:
        await append(stage.log, 1, 2)
        await stage.until(lambda seen: seen["ids"] == [1, 2], *BOTH)
        stage.proxies.bad_mood = True
        stage.server.cut()
        await stage.until(lambda seen: GONE in seen["lost"], *BOTH)
        await append(stage.log, 3, 4)
        stage.proxies.bad_mood = False
        seen = await stage.until(lambda seen: len(seen["ids"]) >= 4, "sse")
        for refusal in REFUSALS:
            mine = seen[f"{refusal} sse"]
            assert (mine["ids"], mine["opened"], mine["gaps"]) == ([1, 2, 3, 4], 2, [])
        await stage.the_native_ones_stay_dead([1, 2])


async def refused_at_first(engines: Engines, browser: str) -> None:
    async with staged(engines, browser, bad_mood=True) as stage:
        await append(stage.log, 1, 2)
        await stage.until(lambda seen: GONE in seen["lost"], *BOTH)
        stage.proxies.bad_mood = False
        seen = await stage.until(lambda seen: len(seen["ids"]) >= 2, "sse")
        for refusal in REFUSALS:
            mine = seen[f"{refusal} sse"]
            assert (mine["ids"], mine["opened"], mine["gaps"]) == ([1, 2], 1, [])
        await stage.the_native_ones_stay_dead([])
