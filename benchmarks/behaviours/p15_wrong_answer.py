"""P15: one wrong answer, and what comes of it."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from benchmarks.behaviours.experiment import Experiment, Observation, only_browsers
from benchmarks.behaviours.field import Field
from benchmarks.behaviours.hosted import Hosted, answer, hosted, is_transports
from lab.transport import Subject

PATIENCE = 8.0
"""Seconds in which a reader has to be back. Those that come back by themselves do so within one."""

PAGE = "<!doctype html>\n<title>Sign in</title>\n<p>Please sign in first.\n"

ANSWERS: Mapping[str, Callable[[], Response]] = {
    "204": lambda: Response(status_code=204),
    "500": lambda: PlainTextResponse("something went wrong\n", 500),
    "page": lambda: HTMLResponse(PAGE),
}
"""By the first part of the address under which they are given."""

TOLD = {"204": "204 No Content", "500": "500 Internal Server Error", "page": "200 with a page of HTML"}


@dataclass
class Moody:
    """Answers the first request for a transport under each prefix wrongly, and passes on all others.

    Attributes:
        asked: when each request came, by prefix: CLOCK_MONOTONIC in ns.
    """

    app: ASGIApp
    asked: dict[str, list[int]] = field(default_factory=lambda: {name: [] for name in ANSWERS})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        prefix, _, path = scope.get("path", "").removeprefix("/").partition("/")
        if prefix not in ANSWERS:
            await self.app(scope, receive, send)
            return
        scope = {**scope, "path": f"/{path}", "raw_path": f"/{path}".encode()}
        if is_transports(scope):
            self.asked[prefix].append(time.monotonic_ns())
            if len(self.asked[prefix]) == 1:
                await answer(ANSWERS[prefix](), scope, receive, send)
                return
        await self.app(scope, receive, send)


@dataclass(frozen=True)
class Return:
    """What became of a reader that was answered wrongly.

    Attributes:
        back_ms: from the wrong answer until it heard of an event; None where it did not. lost: what it was told.
    """

    back_ms: float | None
    requests: int
    lost: tuple[str, ...]


async def observe(field: Field, cured: bool) -> Observation:  # noqa: FBT001  (as every experiment)
    moods: list[Moody] = []

    def before(app: ASGIApp) -> ASGIApp:
        moods.append(Moody(app))
        return moods[0]

    lab = await field.stack.enter_async_context(hosted(field.subject, before))
    await lab.log.append("news")
    settings = {"native": False} if cured else {}
    readers = (
        answered(field, lab, {"origin": f"{lab.origin}/{name}", **settings}, asked)
        for name, asked in moods[0].asked.items()
    )
    returns = dict(zip(ANSWERS, await asyncio.gather(*readers), strict=True))
    for name, one in returns.items():
        field.note(f"after {TOLD[name]}", "not back" if one.back_ms is None else f"back in {one.back_ms:,.0f} ms")
    return judged(returns)


async def answered(field: Field, lab: Hosted, settings: Mapping[str, object], asked: Sequence[int]) -> Return:
    """What becomes of a reader with these settings; `asked` is when its requests came."""
    engine = await field.browser()
    async with engine.reading(field.subject, lab.origin, settings, "", clock=lab.origin) as reader:
        await reader.reached(lab.log.epoch, lab.log.last, PATIENCE)
        seen = await reader.seen()
    back_ms = (seen.events[0][2] - asked[0]) / 1e6 if asked and seen.events else None
    return Return(back_ms, len(asked), tuple(dict.fromkeys(why for _, why in seen.lost)))


def judged(returns: Mapping[str, Return]) -> Observation:
    """Bitten: a reader did not come back after a wrong answer."""
    gone = [TOLD[name] for name, one in returns.items() if one.back_ms is None]
    back = [one.back_ms for one in returns.values() if one.back_ms is not None]
    says = f"not back within {PATIENCE:g} s after {' and '.join(gone)}" if gone else "back after each wrong answer"
    if back:
        says += f", {'otherwise ' if gone else ''}after {max(back):,.0f} ms at most"
    numbers: dict[str, float | str | None] = {}
    for name, one in returns.items():
        numbers[f"back_after_{name}_ms"] = None if one.back_ms is None else round(one.back_ms, 1)
        numbers[f"requests_{name}"] = one.requests
    log = tuple(f"{TOLD[name]}: {why}" for name, one in returns.items() for why in one.lost[:3])
    return Observation(bool(gone), says, numbers, log=log)


def bites(subject: Subject, cured: bool) -> bool:  # noqa: FBT001  (as every experiment)
    """An EventSource that nobody makes anew: the lab's clients do, unless they are told to leave it to the browser."""
    left_alone = bool(subject.options.client.get("native"))
    return not cured and "eventsource" in subject.found.about.uses and left_alone


experiment = Experiment(
    id="P15",
    name="wrong_answer",
    title="One wrong answer",
    question="Does a reader come back by itself after one wrong answer?",
    fixture="The first request of a reader is answered wrongly, every later one as it should be. Three readers get "
    "three wrong answers: 204, 500, and 200 with a page of HTML, as a proxy gives it that wants people to sign in.",
    expected="By the standard an EventSource is closed for good after each of these, and only after a lost "
    "connection does it come back by itself. This lab's client makes a new one, as the others make a new request: "
    "they are back at once. Left to the browser alone (the variant native) it stays dead.",
    cure="Make a new EventSource when readyState is 2, after a pause that grows, and begin at the last cursor.",
    sources=(
        "https://html.spec.whatwg.org/multipage/server-sent-events.html#sse-processing-model",
        "https://developer.mozilla.org/en-US/docs/Web/API/EventSource/readyState",
    ),
    bites=bites,
    unfit=only_browsers,
    seconds=10,
    observe=observe,
)
