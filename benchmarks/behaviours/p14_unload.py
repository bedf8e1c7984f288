"""P14: a page that listens to unload is not kept when it is left."""

import asyncio

from benchmarks.behaviours.experiment import Experiment, Observation, only_browsers
from benchmarks.behaviours.field import Field
from benchmarks.behaviours.returning import Return, followed, kept_by
from lab.transport import Subject

SETTLING = 0.5
"""Seconds after leaving in which the browser has put the page away."""

LISTEN = "(event) => addEventListener(event, () => { window.left = true; })"


async def observe(field: Field, cured: bool) -> Observation:  # noqa: FBT001  (as every experiment)
    event = "pagehide" if cured else "unload"
    page = await followed(field, await field.server())
    await page.page.evaluate(LISTEN, event)
    field.note(f"the page listens to {event}")
    await page.leave()
    field.note("another page in its place")
    await asyncio.sleep(SETTLING)
    await page.back()
    field.note("back")
    return judged(event, await page.seen())


def judged(event: str, back: Return) -> Observation:
    """Bitten: the page was not kept."""
    says = f"the page that listens to {event} was {'kept' if back.kept else 'loaded anew'}"
    says += f": {', '.join(back.reasons)}" if back.reasons and not back.kept else ""
    return Observation(not back.kept, says, back.numbers)


def bites_in_firefox(subject: Subject, cured: bool) -> bool:  # noqa: FBT001  (as every experiment)
    """A connection is one more reason, which this cure does not take away."""
    return not cured or not kept_by(subject, "firefox")


experiment = Experiment(
    id="P14",
    name="unload",
    title="A farewell that costs the page",
    question="Is a page kept for Back if a script in it listens to unload?",
    fixture="A page follows, and a script in it listens to the event unload, as old libraries do to say goodbye to "
    "their server. Another page is opened in its place, and then Back is pressed. With the cure it listens to pagehide "
    "instead. Chromium runs without the flag by which its driver has it forget every page that is left.",
    expected="On computers, Chromium and Firefox don't keep a page that listens to unload: Back loads it anew, and "
    "everything that its scripts knew is gone, the cursor too. With pagehide it is kept. (Chrome is taking unload away "
    "step by step; where it is gone, listening to it costs nothing more. Firefox keeps no page that has a request or a "
    "WebSocket open, whatever it listens to: there the cure helps only who polls.)",
    cure="Listen to pagehide: it comes whenever a page is left, also where unload does not come at all, as on phones.",
    sources=(
        "https://web.dev/articles/bfcache",
        "https://github.com/sockjs/sockjs-client/issues/584",
        "https://developer.mozilla.org/en-US/docs/Web/API/Window/unload_event",
    ),
    bites_in={"firefox": bites_in_firefox},
    unfit=only_browsers,
    seconds=6,
    observe=observe,
)
