"""Pages as tests look at them: each of the same size, whoever had it before, and none complains."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from conftest import Engines
from playwright.async_api import Page, expect

from benchmarks.browser import AS_LAUNCHED

expect.set_options(timeout=20_000)  # ms: a failure may take long, on a machine that is busy nothing else may fail

SIZE = {"width": 1280, "height": 900}

BROKE = re.compile("CORS request did not succeed|can’t establish a connection|was interrupted while")
"""So Firefox says, and calls it an error of the page, that a connection broke."""


@asynccontextmanager
async def opened(engines: Engines, browser: str, url: str, *, broken: bool = False) -> AsyncIterator[Any]:
    """The page, which must not have complained when the test is over; of connections, unless they are `broken`."""
    complaints: list[str] = []
    engine: Any = await engines.get(browser)

    def said(message: Any) -> None:
        if message.type == "error" and not broken:
            complaints.append(message.text)

    def failed(error: Any) -> None:
        if not (broken and BROKE.search(str(error))):
            complaints.append(str(error))

    async with engine.page("about:blank") as page:
        page.on("console", said)
        page.on("pageerror", failed)
        try:
            await page.set_viewport_size(SIZE)
            await page.emulate_media(color_scheme="light")
            await page.goto(url)
            yield page
            assert complaints == []
        finally:
            page.remove_listener("console", said)
            page.remove_listener("pageerror", failed)


@asynccontextmanager
async def fresh(engines: Engines, browser: str, **options: Any) -> AsyncIterator[Page]:
    """A page that nobody had before, with these options of Playwright's."""
    engine: Any = await engines.get(browser)
    page: Page = await engine.browser.new_page(**(AS_LAUNCHED if browser == "firefox" else {}) | options)
    try:
        yield page
    finally:
        await page.close()


@dataclass
class Watched:
    """A page, what its console has said, and what it has asked the network for."""

    page: Page
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
