"""Several pages of one visitor: they share cookies and connections, as tabs of a browser do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol, cast

from benchmarks.browser import AS_LAUNCHED, BrowserError, Engine

OPENED = "(seconds) => trial.until(() => trial.opened.length > 0, seconds)"
"""Whether what the page follows is open within so many seconds; `window.trial` is what follow() gave."""


class Tab(Protocol):
    """A page."""

    async def goto(self, url: str) -> Any: ...
    async def evaluate(self, expression: str, arg: Any = None) -> Any: ...
    async def close(self) -> None: ...
    def on(self, event: Any, f: Any) -> None: ...


class Tabs(Protocol):
    """A visitor."""

    async def new_page(self) -> Tab: ...


@asynccontextmanager
async def tabs_of(engine: Engine, **options: Any) -> AsyncIterator[Tabs]:
    """A visitor whom the browser has never seen; forgotten at the end.

    Args:
        options: of Playwright's contexts: ignore_https_errors=True.
    """
    browser = cast("Any", engine).browser
    context = await browser.new_context(**(AS_LAUNCHED if engine.name == "firefox" else {}), **options)
    try:
        yield context
    finally:
        with suppress(BrowserError):
            await context.close()


def console(tab: Tab, most: int = 10) -> list[str]:
    """What the page's console will have said: its first lines, as they come."""
    lines: list[str] = []

    def hear(message: Any) -> None:
        if len(lines) < most:
            lines.append(f"{message.type}: {message.text}")

    tab.on("console", hear)
    return lines
