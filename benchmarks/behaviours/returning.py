"""A page that is left, and come back to by the browser's Back."""

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from benchmarks.behaviours.field import Field
from benchmarks.behaviours.tabs import OPENED, tabs_of
from benchmarks.browser import BrowserError
from benchmarks.ground import OPENING, Failed
from lab.process import ServerProcess
from lab.transport import Subject

NOT_KEPT = ("--disable-back-forward-cache",)
"""The flag by which the driver of Chromium has every page loaded anew."""

HEARING = 5.0
"""Seconds in which a page that is back hears of an event."""

FOLLOWING = """() => new Promise((done) => {
    const look = () => (window.trial ? done() : setTimeout(look, 5));
    look();
})"""

# Noted in the page: what is not there when it is back has gone with the page.
WATCH = """() => {
    window.shown = null;
    addEventListener("pageshow", (event) => { shown = [event.persisted, performance.now()]; });
}"""

RETURNED = """() => {
    const { notRestoredReasons } = performance.getEntriesByType("navigation")[0];
    return {
        kept: Boolean(window.shown?.[0]),
        lost: window.shown ? trial.lost.filter(([at]) => at >= shown[1]).map(([, why]) => why) : [],
        reasons: notRestoredReasons?.reasons?.map(({ reason }) => reason) ?? [],
    };
}"""

# A page that has followed twice keeps in `before` what came at first.
HEARD = "() => [...(window.before ?? []), ...trial.arrivals].map(([, id]) => id)"


@dataclass(frozen=True)
class Return:
    """How a page came back.

    Attributes:
        kept: whether it is the same page as before; else it was loaded anew. reasons: why, in the browser's own words.
        lost: what it was told of its connections since it is back.
    """

    kept: bool
    lost: tuple[str, ...]
    reasons: tuple[str, ...]

    @property
    def numbers(self) -> dict[str, float | str | None]:
        return {"page_kept": "yes" if self.kept else "no", "why_not_kept": ", ".join(self.reasons) or None}


@dataclass
class Returning:
    """A page that follows a subject.

    Attributes:
        page: Playwright's. origin: of the lab. told: why the browser has not kept it, as it tells its developer tools.
    """

    page: Any
    origin: str
    told: list[str] = field(default_factory=list)

    async def follows(self) -> None:
        """Raises:
        Failed: it did not open.
        """
        await self.page.evaluate(FOLLOWING)
        if not await self.page.evaluate(OPENED, OPENING):
            raise Failed(f"the page did not open within {OPENING:g} s")

    async def leave(self) -> None:
        await self.page.goto(f"{self.origin}/lab/trial.html")

    async def back(self) -> None:
        with suppress(BrowserError):  # Firefox's driver does not see that a kept page is there
            await self.page.go_back(wait_until="commit", timeout=5000)
        await self.follows()

    async def heard(self) -> set[int]:
        """Ids of the events that the page knows."""
        return set(await self.page.evaluate(HEARD))

    async def reached(self, epoch: int, id_: int) -> bool:
        there = "([epoch, id, seconds]) => trial.until(() => trial.reached(epoch, id), seconds)"
        return bool(await self.page.evaluate(there, [epoch, id_, HEARING]))

    async def seen(self) -> Return:
        it = await self.page.evaluate(RETURNED)
        return Return(it["kept"], tuple(it["lost"]), tuple(dict.fromkeys(self.told or it["reasons"])))


async def followed(field: Field, server: ServerProcess) -> Returning:
    """A page that follows from now, in a browser that may keep pages.

    Raises:
        Failed: it did not open.
    """
    engine = await field.engine(server, without=NOT_KEPT if field.engine_name == "chromium" else ())
    visitor = await field.stack.enter_async_context(tabs_of(engine))
    it = Returning(await visitor.new_page(), server.origins[0])
    if engine.name == "chromium":
        await listen(it)
    await it.page.goto(f"{it.origin}/lab/trial.html?{urlencode({'transport': field.subject.name, 'cursor': 'now'})}")
    await it.follows()
    await it.page.evaluate(WATCH)
    field.note("open")
    return it


async def listen(it: Returning) -> None:
    """To what Chromium tells of pages that it has not kept: a page itself is not told everything."""
    session = await it.page.context.new_cdp_session(it.page)

    def hear(event: dict[str, Any]) -> None:
        explanations = event["notRestoredExplanations"]
        it.told.extend(one["reason"] for one in explanations if one["type"] == "PageSupportNeeded")  # the page's doing

    session.on("Page.backForwardCacheNotUsed", hear)
    await session.send("Page.enable")


def kept_by(subject: Subject, engine: str) -> bool:
    """Whether a page that follows is to be kept: Firefox keeps none that has a request or a WebSocket open."""
    return engine != "firefox" or subject.found.about.pattern == "polling"
