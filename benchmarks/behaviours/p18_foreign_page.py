"""P18: what a page of somebody else's site may read, and who sees to it."""

from collections import Counter
from dataclasses import dataclass, field

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

from benchmarks.behaviours.experiment import Experiment, Observation, only_browsers
from benchmarks.behaviours.field import Field, until
from benchmarks.behaviours.hosted import Hosted, hosted, is_transports
from benchmarks.behaviours.tabs import Tab, console, tabs_of
from benchmarks.ground import OPENING, Failed
from lab.transport import Subject

PATIENCE = 3.0
"""Seconds in which a page that is let in hears of the event."""

COOKIE = "() => { document.cookie = 'session=secret; path=/'; }"

FOLLOW = """async ([name, origin]) => {
    const { follow } = await import("/lab/follow.js");
    window.trial = follow(name, { cursor: "", origin });
}"""

HEARD = """async (seconds) => {
    await trial.until(() => trial.arrivals.length > 0, seconds);
    await trial.hangUp();
    return trial.arrivals.length;
}"""


@dataclass
class Door:
    """Counts who comes from elsewhere. A blind one hides it from the lab, which then can't look at origins.

    Attributes:
        own: the lab's own origin, once it is known.
    """

    app: ASGIApp
    blind: bool
    own: str = ""
    asked: Counter[str] = field(default_factory=Counter)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if is_transports(scope):
            headers = Headers(scope=scope)
            if headers.get("origin", self.own) != self.own:
                self.asked.update(["requests"] + ["with a cookie"] * ("cookie" in headers))
            if self.blind:
                scope = {**scope, "headers": list(scope["headers"])}
                del MutableHeaders(scope=scope)["origin"]
        await self.app(scope, receive, send)


@dataclass(frozen=True)
class Read:
    """How many events each page read.

    Attributes:
        own: the site's own page. foreign: another site's. allowed: that one, after the server's permission;
            None where it needed none.
    """

    own: int
    foreign: int
    allowed: int | None


async def observe(field: Field, cured: bool) -> Observation:  # noqa: FBT001  (as every experiment)
    doors: list[Door] = []

    def before(app: ASGIApp) -> ASGIApp:
        doors.append(Door(app, blind=not cured))
        return doors[0]

    lab = await field.stack.enter_async_context(hosted(field.subject, before))
    foreign = await field.stack.enter_async_context(hosted(field.subject, lambda app: app))
    doors[0].own = lab.origin
    await lab.log.append("secret")
    visitor = await field.stack.enter_async_context(tabs_of(await field.browser()))
    tab = await visitor.new_page()
    said = console(tab)
    visit = Visit(field, tab, lab, doors[0])
    own, stolen = await visit.own(), await visit.foreign(foreign)
    return judged(Read(own, stolen, await visit.allowed(foreign) if cured else None), doors[0].asked, said)


@dataclass
class Visit:
    """A visitor's way: to the site's own page, where it gets a cookie, and then to a foreign one."""

    field: Field
    tab: Tab
    lab: Hosted
    door: Door

    async def own(self) -> int:
        """The number of events that the site's own page reads.

        Raises:
            Failed: none.
        """
        await self.tab.goto(f"{self.lab.origin}/lab/trial.html")
        await self.tab.evaluate(COOKIE)
        if not (own := await self._read(OPENING)):
            raise Failed("the site's own page read nothing")
        self.field.note("the site's own page", f"read {own} event")
        return own

    async def foreign(self, site: Hosted) -> int:
        """The number that a page of that site reads. What it reads after its first request counts.

        Raises:
            Failed: it did not even ask.
        """
        await self.tab.goto(f"{site.origin}/lab/trial.html")
        await self._follow()
        if not await until(lambda: self.door.asked["requests"], OPENING):
            raise Failed("no request of the foreign page came to the lab")
        stolen: int = await self.tab.evaluate(HEARD, PATIENCE)
        self.field.note("a foreign page", f"read {stolen} event" if stolen else "read nothing")
        return stolen

    async def allowed(self, site: Hosted) -> int:
        """The number that it reads with the server's permission."""
        self.lab.allowed.append(site.origin)
        allowed = await self._read(OPENING)
        self.field.note("the foreign page, with the server's permission", f"read {allowed} event")
        return allowed

    async def _follow(self) -> None:
        await self.tab.evaluate(FOLLOW, [self.field.subject.name, self.lab.origin])

    async def _read(self, seconds: float) -> int:
        await self._follow()
        heard: int = await self.tab.evaluate(HEARD, seconds)
        return heard


def judged(read: Read, asked: Counter[str], said: list[str]) -> Observation:
    """Bitten: a foreign page read what was meant for the site's own."""
    requests, cookies = asked["requests"], asked["with a cookie"]
    says = f"a foreign page {'read the events' if read.foreign else 'read nothing'}"
    says += f"; {cookies} of its {requests} requests brought the visitor's cookie"
    if read.allowed is not None:
        says += f"; with the server's permission it read {'them' if read.allowed else 'nothing either'}"
    numbers: dict[str, float | str | None] = {
        "events_own_page": read.own,
        "events_foreign_page": read.foreign,
        "events_foreign_page_allowed": read.allowed,
        "foreign_requests": requests,
        "foreign_requests_with_cookie": cookies,
    }
    return Observation(read.foreign > 0, says, numbers, log=tuple(said))


def bites(subject: Subject, cured: bool) -> bool:  # noqa: FBT001  (as every experiment)
    return not cured and "websocket" in subject.found.about.uses


experiment = Experiment(
    id="P18",
    name="foreign_page",
    title="Pages of other sites",
    question="Can a page of another site read the events, with the visitor's own cookie?",
    fixture="A visitor has a cookie of the lab, and opens a page of another origin: the same host, another port. "
    "That page follows the transport at the lab's origin. The lab does not look at origins: it sees no Origin header, "
    "and so it neither refuses anybody nor sends CORS headers.",
    expected="EventSource, fetch and XMLHttpRequest ask the server, but the browser keeps the answer from the page, "
    "for it has no CORS header that permits it. A WebSocket is not subject to CORS: it is opened, with the visitor's "
    "cookie, and the foreign page reads everything.",
    cure="Look at the Origin header of each handshake, and refuse those that are not known, as the lab does "
    "everywhere else (403). An origin that is to be let in is named to CORS and to that check; then its page reads "
    "with every transport.",
    sources=(
        "https://www.rfc-editor.org/rfc/rfc6455#section-10.2",
        "https://fetch.spec.whatwg.org/#http-cors-protocol",
        "https://stackoverflow.com/questions/23674199/why-is-there-no-same-origin-policy-for-websockets-why-can-i-connect-to-ws-loc",
    ),
    bites=bites,
    unfit=only_browsers,
    seconds=9,
    observe=observe,
)
