"""Readers that are pages of a real browser, and the launching of every engine. The only user of Playwright."""

import asyncio
import inspect
import json
import os
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode

import playwright
import psutil
from playwright.async_api import Browser, Error, Page, Playwright, async_playwright

from benchmarks import engines
from benchmarks.bare import BarePage, bare_page
from benchmarks.native import native
from benchmarks.reader import Broken, Clock, Engine, Reader, Seen
from lab.errors import UserError
from lab.link import HERE, Place
from lab.log import Cursor
from lab.transport import Options, Subject

__all__ = ["AS_LAUNCHED", "Broken", "BrowserError", "Chromium", "Clock", "Engine", "Page", "Reader", "Seen", "launched"]

BrowserError = Error
"""What Playwright raises when a browser or a page has gone."""

FIREFOX_PREFS = {
    # Else performance.now() steps by 20 µs, also in isolated pages.
    "privacy.reduceTimerPrecision": False,
    "privacy.reduceTimerPrecision.unconditional": False,
}

CHROMIUM_ARGS = [
    # Else Chromium makes a page for its own address bar with every new page: 0.5 s of CPU at the start of each trial.
    "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup,WebUIOmniboxFullPopup",
]

AS_LAUNCHED: Mapping[str, Any] = {
    # Firefox over WebDriver BiDi knows no emulation of media features.
    "color_scheme": "null",
    "reduced_motion": "null",
    "forced_colors": "null",
    "contrast": "null",
}

NODE = "PLAYWRIGHT_NODEJS_PATH"
"""Names the program that Playwright runs its driver by."""

PINGS = 100

NAVIGATION_START_MS = 0.01
"""How far NavigationStart was ever seen from the instant that pings and timeOrigin agree on."""

LOADED = "document.readyState === 'complete' || new Promise((done) => addEventListener('load', () => done(true)))"

READ_BACK = "(({arrivals, opened, lost, gaps, alive, data}) => ({arrivals, opened, lost, gaps, alive, data}))(trial)"

HANG_UP = "() => { if (!window.trial) return false; trial.hangUp(); return true; }"
"""Quicker than to leave the page: one that is isolated has a process, which a browser ends then."""


@asynccontextmanager
async def launched(
    name: str, *, fresh: bool = True, place: Place = HERE, without: Sequence[str] = ()
) -> AsyncIterator[Engine]:
    """The engine of that name, ready to read.

    Args:
        fresh: each reader gets a new page with a context of its own. Without it pages are used again: quicker,
            good enough to see how a transport behaves, but not to measure it.
        place: where it runs.
        without: flags of Playwright's that are left out, because they hide what is to be seen.

    Raises:
        UserError: there is no such browser here, or it does not start.
    """
    if name == "native":
        async with native(place) as engine:
            yield engine
        return
    found = engines.find(name)
    async with _driver(place) as driver:
        kind = getattr(driver, name)
        options: dict[str, Any] = {"args": CHROMIUM_ARGS} if name == "chromium" else {}
        options |= {"firefox_user_prefs": FIREFOX_PREFS} if name == "firefox" else {}
        options |= {"ignore_default_args": list(without)} if without else {}
        if found.executable:
            options |= {"executable_path": found.executable, "channel": found.channel}
        try:
            browser: Browser = await kind.launch(**options)
        except BrowserError as error:
            raise UserError(f"{name} ({found.origin}) does not start: {_first_line(error)}") from error
        try:
            yield _engine(name, browser, fresh=fresh)
        finally:
            with suppress(BrowserError):
                await browser.close()


@asynccontextmanager
async def _driver(place: Place) -> AsyncIterator[Playwright]:
    """Playwright's own process in that place, and so its browsers. It is spoken to over pipes, which lead anywhere."""
    manager = async_playwright()
    async with _starting:
        with _node_in(place):
            driver = await manager.start()
    try:
        yield driver
    finally:
        await driver.stop()


_starting = asyncio.Lock()  # one after the other: where they start is in the environment


@contextmanager
def _node_in(place: Place) -> Iterator[None]:
    """Playwright's Node is a script that enters the place first. It is a file of no folder, for none may be left."""
    if not place.enter:
        yield
        return
    before = os.environ.get(NODE)
    node = before or str(Path(inspect.getfile(playwright)).parent / "driver" / "node")
    script = os.memfd_create("node", 0)
    os.write(script, f'#!/bin/sh\nexec {shlex.join([*place.enter, node])} "$@"\n'.encode())
    os.environ[NODE] = f"/proc/{os.getpid()}/fd/{script}"
    try:
        yield
    finally:
        os.close(script)
        os.environ.pop(NODE)
        if before:
            os.environ[NODE] = before


def _engine(name: str, browser: Browser, *, fresh: bool) -> Engine:
    if name == "chromium":
        return Chromium(name, browser, _effective_flags(), fresh=fresh)
    return Pinged(
        name, browser, [f"{pref}={value}" for pref, value in FIREFOX_PREFS.items() if name == "firefox"], fresh=fresh
    )


def _effective_flags() -> list[str]:
    """What Playwright and the browser's own wrapper really passed: read off the process."""
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            line = process.cmdline()
            if "--remote-debugging-pipe" in line and not any(flag.startswith("--type=") for flag in line):
                return [flag for flag in line[1:] if flag.startswith("--") and "user-data-dir" not in flag]
    return []


class _Browser:
    """What all browsers have in common."""

    clock = Clock("not set yet", 0, 0)
    drifts = False  # whether a page's clock has to be set twice, to know

    def __init__(self, name: str, browser: Browser, flags: Sequence[str], *, fresh: bool) -> None:
        self.name, self.browser, self.flags, self.fresh = name, browser, flags, fresh
        self.version = browser.version
        self.used: list[Page] = []

    def works(self) -> bool:
        return self.browser.is_connected()

    @asynccontextmanager
    async def page(self, url: str) -> AsyncIterator[Page]:
        """A page with a context, and so a cache and connections, of its own."""
        page = self.used.pop() if self.used else await self._new_page()
        try:
            await page.goto(url)
            yield page
        finally:
            with suppress(BrowserError):
                await self._put_away(page)

    async def _new_page(self) -> Page:
        return await self.browser.new_page(**(AS_LAUNCHED if self.name == "firefox" else {}))

    async def _put_away(self, page: Page) -> None:
        if self.fresh:
            await page.close()
        else:
            if not await page.evaluate(HANG_UP):
                await page.goto("about:blank")
            self.used.append(page)

    @asynccontextmanager
    async def reading(  # noqa: PLR0913  (what differs between readers, named)
        self,
        subject: Subject,
        origin: str,
        settings: Options,
        cursor: Cursor = "now",
        *,
        keep_data: bool = False,
        clock: str = "",
    ) -> AsyncIterator[Reader]:
        asked = {"transport": subject.name, "cursor": cursor, "options": json.dumps(dict(settings))}
        asked |= {"data": "1"} if keep_data else {}
        asked |= {"clock": clock} if clock else {}
        async with self.evaluating(f"{origin}/lab/trial.html?{urlencode(asked)}") as page:
            yield PageReader(page, self.time_origin, drifts=self.drifts)

    def evaluating(self, url: str) -> AbstractAsyncContextManager["Evaluates"]:
        """A page that has loaded."""
        return self.page(url)

    async def time_origin(self, page: "Evaluates") -> tuple[int, float]:
        """The zero of the page's performance.now() on the server's clock (ns), and the bound of that (ms)."""
        raise NotImplementedError


class Chromium(_Browser):
    """Its NavigationStart, in seconds, is on CLOCK_MONOTONIC: every page brings its own exact offset."""

    async def try_clock(self, origin: str) -> None:
        """Checked by pings: the two ways must agree within what the pings can tell."""
        async with self.evaluating(f"{origin}/lab/trial.html") as page:
            pinged, bound, step = await ping(page)
            exact, _ = await self.time_origin(page)
        apart = abs(pinged - exact) / 1e6
        method = f"NavigationStart on CLOCK_MONOTONIC; pings agree to {apart:.3f} ms and can tell {bound:.3f} ms"
        self.clock = Clock(method, apart + bound if apart > bound else NAVIGATION_START_MS + step, step)

    def evaluating(self, url: str) -> AbstractAsyncContextManager["Evaluates"]:
        return self._bare(url) if self.fresh else self.page(url)

    @asynccontextmanager
    async def _bare(self, url: str) -> AsyncIterator[BarePage]:
        async with bare_page(self.browser) as page:
            await page.goto(url)
            await page.evaluate(LOADED)
            yield page

    async def time_origin(self, page: "Evaluates") -> tuple[int, float]:
        metrics = (await self._metrics(page))["metrics"]
        start: float = next(metric["value"] for metric in metrics if metric["name"] == "NavigationStart")
        return round(start * 1e9), self.clock.bound_ms

    async def _metrics(self, page: "Evaluates") -> Any:
        if isinstance(page, BarePage):
            await page.send("Performance.enable", timeDomain="timeTicks")
            return await page.send("Performance.getMetrics")
        assert isinstance(page, Page)
        session = await page.context.new_cdp_session(page)
        await session.send("Performance.enable", {"timeDomain": "timeTicks"})
        return await session.send("Performance.getMetrics")


class Pinged(_Browser):
    """Any other browser: each page's own offset, by pings over a WebSocket.

    One offset for all pages of a browser would do if performance.timeOrigin held what it promises; in Firefox
    it is off by up to ±0.4 ms, differently in each page, four times what the pings can tell.
    """

    async def try_clock(self, origin: str) -> None:
        async with self.page(f"{origin}/lab/trial.html") as page:
            _, bound, step = await ping(page)
        self.clock = Clock(f"smallest round trip of {PINGS} pings over a WebSocket, in each page", bound, step)

    async def time_origin(self, page: "Evaluates") -> tuple[int, float]:
        origin, bound, _ = await ping(page, PINGS if self.fresh else 10)
        return origin, bound


class Evaluates(Protocol):
    """A page, whoever speaks to it."""

    async def evaluate(self, expression: str) -> Any: ...


async def ping(page: Evaluates, count: int = PINGS) -> tuple[int, float, float]:
    """The page's time origin on the server's clock (ns), the strict bound of that and the clock's step (ms)."""
    pings = await page.evaluate(f"pings({count})")
    sent, server, received = min(pings["rounds"], key=lambda ping: ping[2] - ping[0])
    middle = (sent + received) / 2
    return int(server) - round(middle * 1e6), (received - sent) / 2 + pings["step"], pings["step"]


def around(estimates: Sequence[tuple[int, float]]) -> tuple[int, float]:
    """A time origin (ns) and a bound (ms) that cover all of these."""
    low = min(origin - bound * 1e6 for origin, bound in estimates)
    high = max(origin + bound * 1e6 for origin, bound in estimates)
    return round((low + high) / 2), (high - low) / 2e6


class PageReader:
    """A page that follows a transport; what arrived stays in its memory until it is read back."""

    def __init__(
        self, page: Evaluates, time_origin: Callable[[Evaluates], Awaitable[tuple[int, float]]], *, drifts: bool
    ) -> None:
        self.page, self.time_origin, self.drifts = page, time_origin, drifts
        self.before: list[tuple[int, float]] = []  # time origins (ns) and their bounds (ms), of the beginning

    async def opened(self, seconds: float) -> bool:
        there = bool(await self.page.evaluate(f"trial.until(() => trial.opened.length > 0, {seconds})"))
        if there and self.drifts and not self.before:
            self.before.append(await self.time_origin(self.page))
        return there

    async def reached(self, epoch: int, id_: int, seconds: float) -> bool:
        return bool(await self.page.evaluate(f"trial.until(() => trial.reached({epoch}, {id_}), {seconds})"))

    async def seen(self) -> Seen:
        kept = await self.page.evaluate(READ_BACK)
        origin, bound = around([*self.before, await self.time_origin(self.page)])

        def ns(now_ms: float) -> int:
            return origin + round(now_ms * 1e6)

        return Seen(
            origin,
            [ns(at) for at in kept["opened"]],
            [(epoch, id_, ns(at)) for epoch, id_, at in kept["arrivals"]],
            kept["gaps"],
            [(ns(at), why) for at, why in kept["lost"]],
            kept["alive"],
            bound,
            [json.loads(data) for data in kept["data"]],  # as JSON: half a surrogate pair survives only there
        )

    async def hang_up(self) -> None:
        await self.page.evaluate("trial.hangUp()")

    async def emulate(self, *, offline: bool) -> None:
        """What the browser's developer tools call offline; Chromium's only."""
        if isinstance(self.page, BarePage):
            await self.page.send("Network.enable")
            speed = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
            await self.page.send("Network.emulateNetworkConditions", offline=offline, **speed)
        else:
            assert isinstance(self.page, Page)
            await self.page.context.set_offline(offline)


def _first_line(error: BrowserError) -> str:
    return error.message.strip().splitlines()[0]
