"""The start page: what comes is seen in a lane for each transport, in real browsers."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from commands import running
from conftest import SUBJECTS, Engines, Lab, running_lab
from pages import opened
from waiting import until

WRITE = """
import sys, time
with open(sys.argv[1], "a") as log:
    for n in range(20):
        print(f"line {n} <b>with markup</b>", file=log, flush=True)
        time.sleep(0.01)
"""
LAST = "line 19 <b>with markup</b>"
LANES = "[...document.querySelectorAll('.lane')]"


async def all_lanes(page: Any, state: str) -> None:
    await page.wait_for_function(f"s => {LANES}.length && {LANES}.every(one => one.dataset.state === s)", arg=state)


@asynccontextmanager
async def serving(*options: str) -> AsyncIterator[str]:
    """`pushlab serve`: its address."""
    async with running("serve", "--port", "0", *options) as served:
        yield (await served.says(r"open at (\S+)"))[1]


@pytest.mark.parametrize("browser", ["chromium", "firefox"])
async def test_lines_that_another_program_writes_arrive_in_every_lane(
    browser: str, engines: Engines, tmp_path: Path
) -> None:
    file = tmp_path / "real.log"
    file.write_text("before anyone looked\n")
    async with serving("--source", f"lines:{file}") as url, opened(engines, browser, url) as page:
        await page.check("#variants")
        await all_lanes(page, "open")
        writer = await asyncio.create_subprocess_exec(sys.executable, "-c", WRITE, str(file))
        assert await writer.wait() == 0
        arrived = f"last => {LANES}.every(one => one.querySelector('.newest').textContent === last)"
        await page.wait_for_function(arrived, arg=LAST)
        counts = await page.evaluate(f"{LANES}.map(one => one.querySelector('.events').textContent)")
        names = await page.evaluate(f"{LANES}.map(one => one.querySelector('code').textContent.split(' ')[0])")
        expected = {name for name, one in SUBJECTS.items() if not one.unsupported(browser) and not one.options.server}
        assert set(names) == expected
        assert counts == ["20"] * len(expected)


async def test_a_lane_can_be_stopped_and_started_by_keyboard(engines: Engines, lab: Lab) -> None:
    async with opened(engines, "chromium", lab.origin) as page:
        await all_lanes(page, "open")
        button = page.locator(".lane button").first
        await button.press("Enter")
        await page.wait_for_selector(".lane[data-state=stopped]")
        assert await button.get_attribute("aria-label") == "Start Fetch streaming"
        await button.press("Enter")
        await all_lanes(page, "open")
        await page.click("#all")
        await all_lanes(page, "stopped")
        await until(lambda: not lab.log.readers)


async def test_gaps_are_counted(engines: Engines, lab: Lab) -> None:
    async with opened(engines, "chromium", lab.origin) as page:
        await all_lanes(page, "open")
        await lab.log.append("old")
        seen = f"() => {LANES}.every(one => one.querySelector('.newest').textContent === 'old')"
        await page.wait_for_function(seen)
        lab.log.restart()
        await lab.log.append("new")
        await page.wait_for_function(f"() => {LANES}.every(one => one.querySelector('.gaps').textContent === '1')")


async def test_a_lost_server_is_seen_and_said(engines: Engines) -> None:
    async with opened(engines, "chromium", "about:blank", broken=True) as page:
        async with running_lab() as lab:
            await page.goto(lab.origin)
            await all_lanes(page, "open")
        await all_lanes(page, "lost")
        states = await page.evaluate(f"{LANES}.map(one => one.querySelector('.state').textContent)")
        assert all(state.startswith("lost: ") for state in states)
        assert await page.inner_text("#summary") == f"0 of {len(states)} open"


async def test_it_fits_a_phone(engines: Engines, lab: Lab) -> None:
    async with opened(engines, "chromium", lab.origin) as page:
        await page.set_viewport_size({"width": 390, "height": 844})
        await page.check("#variants")
        await all_lanes(page, "open")
        await lab.log.append("x" * 5000)
        await page.wait_for_function(
            f"() => {LANES}.every(one => one.querySelector('.newest').textContent.length === 601)"
        )
        assert await page.evaluate("document.documentElement.scrollWidth") == 390


async def test_a_page_that_stays_open_keeps_nothing(engines: Engines, lab: Lab) -> None:
    async with opened(engines, "chromium", lab.origin) as page:
        await page.evaluate(
            """async () => {
                const { follow } = await import("/lab/follow.js");
                window.seen = 0;
                const on = (what) => { if (what === "event") window.seen += 1; };
                window.kept = follow("sse", { cursor: "", keep: false, on });
            }"""
        )
        for n in range(10):
            await lab.log.append(n)
        await page.wait_for_function("() => seen === 10")
        lists = await page.evaluate("[kept.arrivals, kept.opened, kept.lost, kept.gaps].map(list => list.length)")
        assert lists == [0, 0, 0, 0]
