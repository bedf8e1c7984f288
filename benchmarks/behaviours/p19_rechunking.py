"""P19: pieces that are no events: what lies between cuts the stream anew."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from benchmarks.behaviours.experiment import Experiment, Observation
from benchmarks.behaviours.field import Field
from benchmarks.behaviours.hosted import Hosted, answer, hosted
from benchmarks.behaviours.tabs import tabs_of
from benchmarks.ground import Failed
from lab.transport import BROWSERS, Subject

EVENTS = 12
DATA = [f"{number}: Grüße, 你好, 👋, “{{}}” \n\r\u2028 {'x' * 40}" for number in range(EVENTS)]
"""With characters of two, three and four bytes, to be cut in two."""

FILLER = "-" * 6000
"""Sent after all others, and not looked at: it pushes what a stream says out of the relays that wait for more."""

COMING = 15.0
"""Seconds in which everything has to come: byte by byte, a millisecond apart, it takes about three."""

APART = 0.2
"""Seconds between two pieces of the control: enough for each to be read by itself where nobody joins them."""

CONTROL = "/control"

# A byte of the body in each chunk is six bytes on the wire; a WebSocket has no chunks, and is cut every six bytes.
ROADS = {
    "one_byte": "relay:chunk=1,piece=6",
    "one_kib": "relay:buffer=1024,chunk=1024",
    "all_in_one": "relay:buffer=4096",
}

NAIVE = """async ([where, seconds]) => {
    const told = { events: 0, errors: 0 };
    const reader = (await fetch(where, { signal: AbortSignal.timeout(seconds * 1000) })).body.getReader();
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
        try { JSON.parse(new TextDecoder().decode(chunk.value)); told.events += 1; } catch { told.errors += 1; }
    }
    return told;
}"""


@dataclass
class Control:
    """The lab, and a stream of its own in which each piece is a JSON text: the habit that is to be shown wrong."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") == CONTROL:
            headers = {"X-Content-Type-Options": "nosniff"}  # else Chromium joins the first KiB
            headers |= {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
            response = StreamingResponse(pieces(), media_type="text/plain", headers=headers)
            await answer(response, scope, receive, send)
        else:
            await self.app(scope, receive, send)


async def pieces() -> AsyncIterator[bytes]:
    for text in DATA:
        yield json.dumps({"data": text}, ensure_ascii=False).encode()
        await asyncio.sleep(APART)


@dataclass(frozen=True)
class Read:
    """What came on a road. `naive`: JSON texts that the control understood and pieces that it did not; None = not "
    "run.
    """

    data: tuple[Any, ...]
    naive: Mapping[str, int] | None

    @property
    def exact(self) -> bool:
        return [one for one in self.data if one != FILLER] == DATA


async def observe(field: Field, _cured: bool) -> Observation:  # noqa: FBT001  (as every experiment)
    lab = await field.stack.enter_async_context(hosted(field.subject, Control))
    direct = await control(field, lab.origin, lab.origin)  # before all else: a busy page joins pieces, too
    async with asyncio.TaskGroup() as group:
        reads = {name: group.create_task(read(field, lab, name)) for name in ROADS}
        await asyncio.sleep(1)  # readers that have set out meanwhile get them as they come
        for text in [*DATA, FILLER]:
            await lab.log.append(text)
    return judged({name: one.result() for name, one in reads.items()}, direct)


async def read(field: Field, lab: Hosted, name: str) -> Read:
    """The subject and the control, both on that road."""
    link = await field.link(ROADS[name])
    origin = await link.through(lab.origin)
    lab.allowed.append(origin)
    engine = await field.browser()
    naive = asyncio.create_task(control(field, lab.origin, origin))
    asked = {"origin": origin}
    try:
        async with engine.reading(field.subject, lab.origin, asked, "", keep_data=True, clock=lab.origin) as reader:
            await reader.reached(lab.log.epoch, EVENTS, COMING)
            await asyncio.sleep(APART)  # nothing may come twice
            data = tuple((await reader.seen()).data)
    finally:
        told = await naive
    field.note(f"{name}: {min(len(data), EVENTS)} of {EVENTS} events came", f"the control: {told}")
    return Read(data, told)


async def control(field: Field, page: str, origin: str) -> Mapping[str, int] | None:
    """The naive reader in a page of its own; None where there are no pages."""
    if field.engine_name not in BROWSERS:
        return None
    async with tabs_of(await field.browser()) as visitor:
        tab = await visitor.new_page()
        await tab.goto(f"{page}/lab/trial.html")
        told: Mapping[str, int] = await tab.evaluate(NAIVE, [origin + CONTROL, COMING])
        return told


def worse(one: Read, direct: Mapping[str, int]) -> bool:
    """Whether the control met errors on that road, and understood less than with nothing in between."""
    return one.naive is not None and one.naive["errors"] > 0 and one.naive["events"] < direct["events"]


def judged(reads: Mapping[str, Read], direct: Mapping[str, int] | None) -> Observation:
    """Bitten: what came is not to the letter what was sent.

    Raises:
        Failed: the control read no worse on some road than directly: nothing shows that pieces were cut anew.
    """
    wrong = [name for name, one in reads.items() if not one.exact]
    broken = {name: one.naive["errors"] for name, one in reads.items() if one.naive is not None}
    if direct is not None and (whole := [name for name, one in reads.items() if not worse(one, direct)]):
        raise Failed(f"the control read as much on {', '.join(whole)} as with nothing in between")
    numbers: dict[str, float | str | None] = {"events_sent": EVENTS}
    if direct is not None:
        numbers |= {"direct_control_read": direct["events"], "direct_control_errors": direct["errors"]}
    for name, one in reads.items():
        numbers[f"{name}_events"] = sum(text != FILLER for text in one.data)
        numbers |= {f"{name}_control_{key}": count for key, count in (one.naive or {}).items()}
    says = f"not to the letter with {', '.join(wrong)}" if wrong else f"all {EVENTS} events to the letter on each road"
    if broken:
        says += f"; a reader that takes each piece for an event met {sum(broken.values())} pieces that are none"
    return Observation(bool(wrong), says, numbers)


def bites(_subject: Subject, _cured: bool) -> bool:  # noqa: FBT001  (as every experiment)
    """Each of them has marks of its own between events, and asks nothing of the pieces."""
    return False


experiment = Experiment(
    id="P19",
    name="rechunking",
    title="Pieces that are no events",
    question="Are events still whole when a proxy cuts the stream into other pieces than the server wrote?",
    fixture=f"{EVENTS} events with characters of two to four bytes are sent to three readers: behind a relay that "
    "sends each byte in a "
    "chunk of its own (to a WebSocket: pieces of six bytes), behind one that sends chunks of 1 KiB, and behind one "
    "that joins all into one. A last, "
    "large event pushes out what these hold. Beside each, as a control, a page reads a stream and takes each piece "
    "that it reads for a JSON text.",
    expected="The pieces of a response mean nothing: only marks within the text say where an event ends, and every "
    "transport here has them. All events come to the letter. The control breaks on each road, and reads most or all "
    "when nothing is in between and the page has time: "
    "so it passes on its author's machine.",
    sources=(
        "https://html.spec.whatwg.org/multipage/server-sent-events.html#authoring-notes",
        "https://www.rfc-editor.org/rfc/rfc9112#name-chunked-transfer-coding",
    ),
    bites=bites,
    seconds=10,
    observe=observe,
)
