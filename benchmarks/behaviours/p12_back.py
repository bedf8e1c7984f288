"""P12: the page that Back brings is the one that was left, and not all of its connections have lived on."""

import asyncio
from dataclasses import dataclass

from benchmarks.behaviours.experiment import Experiment, Observation, only_browsers
from benchmarks.behaviours.field import Field
from benchmarks.behaviours.returning import Return, followed, kept_by
from lab.transport import Subject

AWAY = 3
"""Events that are sent while the page is away."""

SETTLING = 0.5
"""Seconds after leaving in which the browser has put the page away, and closed what it closes."""

# A connection for as long as the page is there to be seen; the next goes on where the last one ended. The cursor is
# put into the page's address, which outlives the page: one that is loaded anew begins there.
HANG_UP = """async (name) => {
    const { follow } = await import("/lab/follow.js");
    const cursor = () => (trial.last ? `${trial.last.epoch}-${trial.last.id}` : "now");
    window.before = [];
    addEventListener("pagehide", () => {
        trial.hangUp();
        history.replaceState(null, "", `?transport=${name}&cursor=${cursor()}`);
    });
    addEventListener("pageshow", ({ persisted }) => {
        if (!persisted) return;
        before.push(...trial.arrivals);
        window.trial = follow(name, { cursor: cursor() });
    });
}"""


@dataclass(frozen=True)
class Journey:
    """Away and back.

    Attributes:
        missed: how many of the events sent meanwhile it does not know. hears: whether it heard of one sent afterwards.
        held: how many readers waited at the server half a second after it was left.
    """

    back: Return
    missed: int
    hears: bool
    held: int


async def observe(field: Field, cured: bool) -> Observation:  # noqa: FBT001  (as every experiment)
    server = await field.server()
    page = await followed(field, server)
    if cured:
        await page.page.evaluate(HANG_UP, field.subject.name)
    await page.reached(*await server.ask("append", data="before"))
    await page.leave()
    field.note("another page in its place")
    await asyncio.sleep(SETTLING)
    held = await server.ask("waiting")
    away = {(await server.ask("append", data="away"))[1] for _ in range(AWAY)}
    field.note(f"{AWAY} events are sent")
    await page.back()
    field.note("back")
    hears = await page.reached(*await server.ask("append", data="after"))
    return judged(Journey(await page.seen(), len(away - await page.heard()), hears, held))


def judged(it: Journey) -> Observation:
    """Bitten: it misses events, or was told only when it was back that its connection is dead."""
    says = "the page was kept" if it.back.kept else "the page was loaded anew"
    says += f", and its connection was dead when it was back ({it.back.lost[0]})" if it.back.lost else ""
    says += f"; it knows {AWAY - it.missed} of {AWAY} events sent meanwhile"
    says += ", and heard of the next" if it.hears else ", and did not hear of the next"
    numbers: dict[str, float | str | None] = {
        "events_missed": it.missed,
        "connections_lost_on_return": len(it.back.lost),
        "readers_held": it.held,
    }
    bitten = bool(it.missed or it.back.lost or not it.hears)
    return Observation(bitten, says, it.back.numbers | numbers, log=it.back.lost)


def bites(subject: Subject, cured: bool) -> bool:  # noqa: FBT001  (as every experiment)
    """Browsers that keep a page close its WebSockets, and leave its requests alone."""
    return not cured and subject.found.about.pattern == "socket"


def bites_in_firefox(subject: Subject, cured: bool) -> bool:  # noqa: FBT001  (as every experiment)
    return not cured and not kept_by(subject, "firefox")


experiment = Experiment(
    id="P12",
    name="back",
    title="Away, and back",
    question="Does a page know what happened while it was left, when Back brings it again?",
    fixture="A page follows from now. Another page is opened in its place, three events are sent, and then Back is "
    "pressed; an event more is sent afterwards. Chromium runs without the flag by which its driver has it forget every "
    "page that is left.",
    expected="Browsers keep a page that is left as it is, and Back brings it with everything that its scripts know. "
    "Chromium ends the WebSockets of a page that it keeps (before version 149 it did not keep such a page), and the "
    "page is told only when it is back; one that does not connect again by itself, from its cursor, stays silent. "
    "Requests live on for a while, and what came meanwhile is there. Firefox keeps no page that has a request or a "
    "WebSocket open. It loads it anew: a page that begins with what is new has then missed the events.",
    cure="Close the connection when the page is left (the event pagehide), and begin again at the last cursor when it "
    "is back (pageshow, with persisted true). Because no browser has to keep a page, give the cursor a place that "
    "outlives it as well: here the page's own address, by history.replaceState. (For Firefox, closing at pagehide was "
    "seen to be too late: it loads the page anew, and it is the address that helps.)",
    sources=(
        "https://web.dev/articles/bfcache#close-open-connections",
        "https://github.com/whatwg/html/issues/12085",
        "https://github.com/mdn/content/pull/45031",
        "https://developer.mozilla.org/en-US/docs/Web/API/Window/pageshow_event",
    ),
    bites=bites,
    bites_in={"firefox": bites_in_firefox},
    unfit=only_browsers,
    seconds=8,
    observe=observe,
)
