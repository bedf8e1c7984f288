"""A page of Chromium that nobody looks at: what arrives is inspected and kept by no tool.

Playwright asks each page that it knows for all about its network. Chromium then keeps the bodies of finished
responses in the page's own process, and tells of every piece of unfinished ones, so that what is measured there is
the tool's: 20 MB by long polling grew a page's process by 30 MiB, and a bare page's by 12. A bare page lives in a
browser context that Playwright has not made, and therefore leaves alone.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

PATIENCE = 20.0
"""Seconds in which a page must have answered."""


class Session(Protocol):
    """One with the browser as a whole, in its DevTools protocol."""

    async def send(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]: ...
    def on(self, event: Any, f: Callable[..., None]) -> None: ...
    async def detach(self) -> None: ...


class Browser(Protocol):
    """Chromium, as Playwright has launched it."""

    async def new_browser_cdp_session(self) -> Session: ...


class BarePage:
    """Spoken to by way of the browser: Target.sendMessageToTarget, and the answers to that."""

    def __init__(self, browser: Session, session_id: str) -> None:
        self._browser, self._session_id = browser, session_id
        self._asked: list[asyncio.Future[dict[str, Any]]] = []

    def heard(self, event: dict[str, Any]) -> None:
        answer = json.loads(event["message"])
        if event["sessionId"] == self._session_id and "id" in answer and not self._asked[answer["id"]].done():
            self._asked[answer["id"]].set_result(answer)

    async def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Raises:
        ConnectionError: the page refused, or did not answer; says why.
        """
        asked: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        message = json.dumps({"id": len(self._asked), "method": method, "params": params})
        self._asked.append(asked)
        await self._browser.send("Target.sendMessageToTarget", {"sessionId": self._session_id, "message": message})
        try:
            async with asyncio.timeout(PATIENCE):
                answer = await asked
        except TimeoutError as error:
            raise ConnectionError(f"the page did not answer {method} within {PATIENCE:g} s") from error
        if "error" in answer:
            raise ConnectionError(f"the page refused {method}: {answer['error']['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, once it is there.

        Raises:
            ConnectionError: there was none; says why.
        """
        answer = await self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            thrown = answer["exceptionDetails"].get("exception", {})
            raise ConnectionError(f"the page threw {thrown.get('description', 'something')!r}")
        return answer["result"].get("value")

    async def goto(self, url: str) -> None:
        answer = await self.send("Page.navigate", url=url)
        if "errorText" in answer:
            raise ConnectionError(f"the page could not go to {url}: {answer['errorText']}")


class BareContext:
    """A visitor of whom Playwright knows nothing. Its pages share a window: the one that is shown hides the others."""

    def __init__(self, session: Session, id_: str) -> None:
        self._session, self._id = session, id_
        self._targets: dict[BarePage, str] = {}

    async def page(self) -> BarePage:
        """An empty one, in front of those that are there."""
        where = {"url": "about:blank", "browserContextId": self._id}
        target = (await self._session.send("Target.createTarget", where))["targetId"]
        attached = await self._session.send("Target.attachToTarget", {"targetId": target, "flatten": False})
        page = BarePage(self._session, attached["sessionId"])
        self._session.on("Target.receivedMessageFromTarget", page.heard)
        self._targets[page] = target
        return page

    async def show(self, page: BarePage) -> None:
        await self._session.send("Target.activateTarget", {"targetId": self._targets[page]})


@asynccontextmanager
async def bare_context(browser: Browser) -> AsyncIterator[BareContext]:
    """Gone at the end, with its pages."""
    session = await browser.new_browser_cdp_session()
    context = (await session.send("Target.createBrowserContext"))["browserContextId"]
    try:
        yield BareContext(session, context)
    finally:
        await session.send("Target.disposeBrowserContext", {"browserContextId": context})
        await session.detach()


@asynccontextmanager
async def bare_page(browser: Browser) -> AsyncIterator[BarePage]:
    """An empty one in a context of its own; gone at the end."""
    async with bare_context(browser) as context:
        yield await context.page()
