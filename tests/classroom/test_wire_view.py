"""The wire view in a page: what is shown of steps, how it is reached, and that it shows text as text."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from conftest import SUBJECTS, Engines, Lab
from pages import opened

from lab import native
from lab.classroom.wire import Wire
from lab.classroom.wire.dissector import Dissector
from lab.link import relaying
from lab.native import Arrivals

OPEN = """async () => {
    const { wireView } = await import("/lab/classroom/wire.js");
    const sheets = ["/lab/lab.css", "/lab/classroom/wire.css"].map((href) => {
        const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href });
        return new Promise((done) => { link.onload = done; document.head.append(link); });
    });
    const here = document.createElement("main");
    document.body.replaceChildren(here);
    window.view = wireView(here);
    await Promise.all(sheets);
}"""
ROWS = "[...document.querySelectorAll('.wire-step')]"
NEWER = ".wire-newer"

GET = b"GET /x?cursor=7-2 HTTP/1.1\r\nHost: there\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
MARKUP = "<img src=x onerror=alert(1)> \\u202e é"


def chunk(id_: int, data: str) -> bytes:
    line = f'{{"epoch":7,"id":{id_},"due":5,"at":6,"data":"{data}"}}\n'.encode()
    return b"%x\r\n%s\r\n" % (len(line), line)


def steps(count: int, data: str = "hello", at: int = 10**9, apart: int = 2_000_000) -> list[dict[str, Any]]:
    """Connect, request, response, and so many events."""
    told: list[dict[str, Any]] = []
    dissector = Dissector(1, at, lambda step: told.append(step.as_json()))
    dissector.feed("up", GET, at)
    dissector.feed("down", ANSWER, at + 3_000_000)
    for id_ in range(1, count + 1):
        dissector.feed("down", chunk(id_, data), at + 3_000_000 + id_ * apart)
    return told


@asynccontextmanager
async def viewed(engines: Engines, origin: str, browser: str = "chromium") -> AsyncIterator[Any]:
    """A page with nothing but the view, under the lab's own policy."""
    async with opened(engines, browser, f"{origin}/lab/trial.html") as page:  # it follows nothing unless it is told to
        await page.evaluate(OPEN)
        yield page


async def add(page: Any, told: Sequence[dict[str, Any]]) -> None:
    await page.evaluate("told => view.add(told)", list(told))


async def rows(page: Any, count: int) -> None:
    await page.wait_for_function(f"count => {ROWS}.length === count", arg=count)


async def figures(page: Any) -> dict[str, str]:
    read = (
        "[...document.querySelectorAll('.wire-sum > div')].map(one => [...one.children].map(part => part.textContent))"
    )
    return dict(await page.evaluate(read))


@pytest.mark.parametrize("browser", ["chromium", "firefox"])
async def test_what_passes_is_seen_as_it_happens(browser: str, engines: Engines, lab: Lab) -> None:
    async with viewed(engines, lab.origin, browser) as page, relaying(lab.port) as relay:
        wire, arrivals, subject = Wire(relay), Arrivals(), SUBJECTS["sse"]

        async def show() -> None:
            async for told in wire.batches(every=0.02):
                await add(page, told)

        async with wire.watching():
            showing = asyncio.create_task(show())
            base = f"{relay.origin}/transports/{subject.name}"
            following = asyncio.create_task(native.follow(subject, base, {"watchdog": 0}, arrivals))
            while not arrivals.opened:
                await asyncio.sleep(0.01)
            for n in range(5):
                await lab.log.append(n)
                await asyncio.sleep(0.01)
            titles = f"{ROWS}.map(one => one.querySelector('b').textContent)"
            await page.wait_for_function(f"() => {titles}.includes('event 5')")
            for task in (showing, following):
                task.cancel()
            await asyncio.gather(showing, following, return_exceptions=True)
        passed = relay.lap()["bytes"]
        shown = await page.evaluate(f"{ROWS}.map(one => one.querySelector('.wire-label').textContent)")
        assert shown[0] == "client to server: connection 1"
        assert shown[1].startswith("client to server: GET /transports/sse/events from now")
        assert shown[2].startswith("server to client: 200 OK text/event-stream, in chunks, after ")
        assert shown[-1] == "server to client: event 5"
        said = await figures(page)
        assert (said["events"], said["connections"]) == ("5", "1")
        assert int(said["bytes per event"]) == round(sum(passed.values()) / 5)


async def test_a_click_opens_the_bytes_and_another_closes_them(engines: Engines, lab: Lab) -> None:
    async with viewed(engines, lab.origin) as page:
        await add(page, steps(1))
        await rows(page, 4)
        await page.click(".wire-step >> nth=1")
        read = "[...document.querySelectorAll('pre .part')].map(one => [one.className, one.lastChild.textContent])"
        assert await page.evaluate(read) == [
            ["part headers", "GET /x?cursor="],
            ["part headers cursor", "7-2"],
            ["part headers", "\n"],
        ]
        text = "[headers] GET /x?cursor=[cursor] 7-2[headers]  HTTP/1.1\\r\\n\nHost: there\\r\\n\n\\r\\n\n"
        assert await page.text_content("pre") == text
        await page.click(".wire-step >> nth=1")
        assert await page.locator("pre").count() == 0
        await page.click(".wire-step >> nth=3")
        titles = await page.evaluate("[...document.querySelectorAll('pre .part')].map(one => one.title)")
        assert titles == ["framing", "payload", "framing"]
        assert (
            await page.evaluate("getComputedStyle(document.querySelector('pre .framing')).textDecorationStyle")
            == "dotted"
        )


async def test_it_is_used_by_keyboard(engines: Engines, lab: Lab) -> None:
    async with viewed(engines, lab.origin) as page:
        await add(page, steps(5))
        await rows(page, 8)
        focused = "document.activeElement.querySelector('b')?.textContent"
        await page.keyboard.press("Tab")  # Pause
        await page.keyboard.press("Tab")
        assert await page.evaluate(focused) == "event 5"
        await page.keyboard.press("ArrowUp")
        await page.keyboard.press("Enter")
        assert await page.get_attribute(".wire-step:focus", "aria-expanded") == "true"
        assert await page.evaluate(focused) == "event 4"
        await page.keyboard.press("Escape")
        assert await page.locator("pre").count() == 0
        await page.keyboard.press("Home")
        assert await page.evaluate(focused) == "connection 1"
        await page.keyboard.press("Shift+Tab")
        assert await page.evaluate("document.activeElement.textContent") == "Pause"


@pytest.mark.parametrize("browser", ["chromium", "firefox"])
async def test_a_payload_is_text_and_all_of_it_visible(browser: str, engines: Engines, lab: Lab) -> None:
    data = MARKUP.replace("\\u202e", "\u202e\x00")
    told = steps(1, data)
    told[-1]["title"] = told[-1]["note"] = MARKUP
    async with viewed(engines, lab.origin, browser) as page:
        await add(page, told)
        await rows(page, 4)
        await page.click(".wire-step >> nth=3")
        assert await page.locator("img").count() == 0
        shown = await page.evaluate("document.querySelector('pre .payload').textContent")
        assert "<img src=x onerror=alert(1)> \\u202e\\x00 é" in shown


async def test_bytes_that_are_no_text_are_shown_in_hex(engines: Engines, lab: Lab) -> None:
    told: list[dict[str, Any]] = []
    dissector = Dissector(1, 0, lambda step: told.append(step.as_json()))
    dissector.feed("up", b"\xff\x00\x80 \xf0\x9f\x98\x80", 1)
    async with viewed(engines, lab.origin) as page:
        await add(page, told)
        await rows(page, 2)
        await page.click(".wire-step >> nth=1")
        assert await page.text_content("pre") == r"[payload] \xff\x00\x80 😀"


async def test_the_newest_stays_in_view_unless_its_reader_looks_back(engines: Engines, lab: Lab) -> None:
    at_end = "(s => s.scrollHeight - s.scrollTop - s.clientHeight < 2)(document.querySelector('.wire-steps'))"
    many = steps(100)
    async with viewed(engines, lab.origin) as page:
        await add(page, many[:60])
        await rows(page, 60)
        assert await page.evaluate(at_end)
        await page.evaluate("document.querySelector('.wire-steps').scrollTop = 10")
        await add(page, many[60:])
        await page.wait_for_function(f"() => document.querySelector('{NEWER}').textContent === '↓ 43 newer'")
        assert await page.evaluate(f"{ROWS}.length") == 60
        assert await page.evaluate("document.querySelector('.wire-steps').scrollTop") == 10
        await page.click(NEWER)
        await rows(page, 103)
        assert await page.evaluate(at_end)
        assert await page.is_hidden(NEWER)


async def test_paused_it_waits_and_counts(engines: Engines, lab: Lab) -> None:
    many = steps(600)
    async with viewed(engines, lab.origin) as page:
        await add(page, many[:10])
        await rows(page, 10)
        await page.evaluate("view.pause(true)")
        assert await page.get_attribute("[aria-pressed]", "aria-pressed") == "true"
        await add(page, many[10:])
        await page.wait_for_function(f"() => document.querySelector('{NEWER}').textContent === '↓ 593 newer'")
        assert await page.evaluate(f"{ROWS}.length") == 10
        assert (await figures(page))["events"] == "600"
        await page.evaluate("view.pause(false)")
        await rows(page, 300)
        await add(page, [one | {"anew": True} for one in many[:1]])
        await rows(page, 1)
        await page.wait_for_function("() => document.querySelector('.wire-sum dd').textContent === '0'")
        await page.evaluate("view.clear()")
        await rows(page, 0)
        await page.wait_for_function("() => document.querySelector('.wire-sum dd').textContent === '0'")
        assert (await figures(page))["bytes per event"] == "–"


async def test_silence_is_said_until_it_is_over(engines: Engines, lab: Lab) -> None:
    said = "document.querySelector('.wire-silence').textContent"
    async with viewed(engines, lab.origin) as page:
        await add(page, steps(1))
        await page.wait_for_function(f"() => /^nothing for [2-9] s$/.test({said})")
        await add(page, steps(1))
        await page.wait_for_function(f"() => {said} === ''")


async def test_steps_that_were_left_out_are_told_and_counted(engines: Engines, lab: Lab) -> None:
    skipped = {
        "connection": 1, "at": 2 * 10**9, "way": None, "kind": "skipped", "title": "40 more steps",
        "spans": [], "unshown": 0, "steps": 40, "events": 9, "bytes": {"headers": 0, "framing": 90, "payload": 910},
    }  # fmt: skip
    told = steps(1)
    size = sum(sum(step["bytes"].values()) for step in told)
    async with viewed(engines, lab.origin) as page:
        await add(page, [*told, skipped])
        await rows(page, 5)
        assert await page.inner_text(".wire-step >> nth=4 >> b") == "40 more steps"
        said = await figures(page)
        assert (said["events"], said["bytes per event"]) == ("10", str(round((size + 1000) / 10)))


async def test_time_goes_down_and_long_times_are_said(engines: Engines, lab: Lab) -> None:
    first, *_ = told = steps(4, apart=20_000_000)
    told[-1]["at"] += 2_500_000_000
    async with viewed(engines, lab.origin) as page:
        await add(page, told)
        await rows(page, 7)
        padding = await page.evaluate(f"{ROWS}.map(one => one.querySelector('.wire-lane').style.paddingTop)")
        assert padding[:6] == ["0px", "0px", "2.4px", "16px", "16px", "16px"]
        assert await page.evaluate("[...document.querySelectorAll('.wire-gap')].map(one => one.textContent)") == [
            "⋮ 2.5\u00a0s"
        ]
        assert (
            await page.inner_text(".wire-step >> nth=6 >> .wire-time") == f"{(told[-1]['at'] - first['at']) / 1e9:.3f}"
        )


async def test_it_fits_a_phone(engines: Engines, lab: Lab) -> None:
    async with viewed(engines, lab.origin) as page:
        await page.set_viewport_size({"width": 360, "height": 740})
        await add(page, steps(20, "x" * 2000))
        await rows(page, 23)
        await page.click(".wire-step >> nth=22")
        assert await page.evaluate("document.documentElement.scrollWidth") == 360
        assert await page.evaluate("(s => s.scrollWidth - s.clientWidth)(document.querySelector('.wire-steps'))") == 0
