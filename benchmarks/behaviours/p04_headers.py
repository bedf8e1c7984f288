"""P4: some of the browsers' interfaces have no place for a header of one's own."""

from collections import Counter
from dataclasses import dataclass, field

from fastapi import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from benchmarks.behaviours.experiment import Experiment, Observation, only_browsers
from benchmarks.behaviours.field import Field
from benchmarks.behaviours.hosted import answer, hosted, is_transports
from benchmarks.behaviours.tabs import console, tabs_of
from lab.transport import Subject

PATIENCE = 3.0
"""Seconds that a page may take until it hears of the event."""

TOKEN = "open-sesame"  # noqa: S105  (of a lab that lives for five seconds)

NO_HEADERS = frozenset({"eventsource", "websocket"})
"""Interfaces of browsers that take no headers."""

# The page gives the header wherever an interface has a place for it. EventSource ignores what it does not know.
GIVE_HEADER = """(token) => {
    const headers = { Authorization: `Bearer ${token}` };
    const { fetch: plain, EventSource: Plain } = window;
    const { open } = XMLHttpRequest.prototype;
    window.fetch = (where, init = {}) => plain(where, { ...init, headers });
    XMLHttpRequest.prototype.open = function (...how) {
        open.apply(this, how);
        this.setRequestHeader("Authorization", headers.Authorization);
    };
    window.EventSource = class extends Plain {
        constructor(where, init = {}) { super(where, { ...init, headers }); sources.push(this); }
    };
    window.sources = [];
}"""

LOG_IN = """async () => (await fetch("/login", { method: "POST" })).status"""

FOLLOW = """async ([name, seconds]) => {
    window.sources ??= [];
    const { follow } = await import("/lab/follow.js");
    window.trial = follow(name, { cursor: "" });
    await trial.until(() => trial.arrivals.length > 0, seconds);
    const why = [...new Set(trial.lost.map(([, why]) => why))];
    const closed = sources.filter((one) => one.readyState === EventSource.CLOSED).length;
    return { heard: trial.arrivals.length, why, sources: sources.length, closed };
}"""


@dataclass
class Guard:
    """Asks whoever wants a transport for a token, in a header or in a cookie, and gives the cookie at /login."""

    app: ASGIApp
    asked: Counter[str] = field(default_factory=Counter)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") == "/login":
            await answer(logged_in(), scope, receive, send)
        elif not is_transports(scope) or self._may(scope):
            await self.app(scope, receive, send)
        else:
            await answer(PlainTextResponse("a token is needed\n", 401), scope, receive, send)

    def _may(self, scope: Scope) -> bool:
        request = Request({**scope, "type": "http"})
        header = request.headers.get("authorization") == f"Bearer {TOKEN}"
        cookie = request.cookies.get("token") == TOKEN
        self.asked.update(["requests"] + ["header"] * header + ["cookie"] * cookie)
        return header or cookie


def logged_in() -> Response:
    response = Response(status_code=204)
    response.set_cookie("token", TOKEN, httponly=True, samesite="strict")
    return response


async def observe(field: Field, cured: bool) -> Observation:  # noqa: FBT001  (as every experiment)
    guards: list[Guard] = []

    def guarded(app: ASGIApp) -> ASGIApp:
        guards.append(Guard(app))
        return guards[0]

    lab = await field.stack.enter_async_context(hosted(field.subject, guarded))
    await lab.log.append("news")
    visitor = await field.stack.enter_async_context(tabs_of(await field.browser()))
    tab = await visitor.new_page()
    said = console(tab)
    await tab.goto(f"{lab.origin}/lab/trial.html")
    if cured:
        field.note("logs in", f"HTTP {await tab.evaluate(LOG_IN)}, with a cookie")
    else:
        await tab.evaluate(GIVE_HEADER, TOKEN)
    field.note("sets out", "with a cookie" if cured else "with a header, where the interface takes one")
    seen = await tab.evaluate(FOLLOW, [field.subject.name, PATIENCE])
    field.note("heard" if seen["heard"] else "heard nothing", "; ".join(seen["why"][:3]))
    return judged(seen, guards[0].asked, said, cured=cured)


def judged(seen: dict[str, int], asked: Counter[str], said: list[str], *, cured: bool) -> Observation:
    """Bitten: the page did not get in."""
    bitten = not seen["heard"]
    requests, proven = asked["requests"], asked["cookie" if cured else "header"]
    how = "cookie" if cured else "header"
    says = f"{proven} of {requests} requests had the {how}, and the page " + (
        "got in" if seen["heard"] else "did not get in"
    )
    if seen["closed"]:
        says += f"; {seen['closed']} of {seen['sources']} EventSources were closed for good at the first answer"
    numbers: dict[str, float | str | None] = {
        "requests": requests,
        "with_header": asked["header"],
        "with_cookie": asked["cookie"],
        "events_heard": seen["heard"],
        "event_sources_made": seen["sources"],
        "event_sources_closed_for_good": seen["closed"],
    }
    return Observation(bitten, says, numbers, log=tuple(said))


def bites(subject: Subject, cured: bool) -> bool:  # noqa: FBT001  (as every experiment)
    return not cured and bool(subject.found.about.uses & NO_HEADERS)


experiment = Experiment(
    id="P4",
    name="headers",
    title="No place for a header",
    question="Can a page show a token in a header?",
    fixture="The server lets nobody have the transport without a token, in the header Authorization or in a cookie: "
    "it answers 401. The page gives the header wherever an interface of the browser has a place for it.",
    expected="Fetch and XMLHttpRequest take headers. EventSource and WebSocket do not. An EventSource that is "
    "answered 401 is closed for good (readyState 2) after that one request; this lab's client then makes a new one, "
    "in vain.",
    cure="A cookie, which browsers send with every request and every handshake: the page logs in first. A WebSocket "
    "may also send the token as its first message; and what EventSource does can be done with fetch.",
    sources=(
        "https://github.com/whatwg/html/issues/2177",
        "https://html.spec.whatwg.org/multipage/server-sent-events.html",
        "https://websockets.spec.whatwg.org/#dom-websocket-websocket",
    ),
    bites=bites,
    unfit=only_browsers,
    seconds=5,
    observe=observe,
)
