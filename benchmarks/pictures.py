"""Pictures of the classroom's pages as they run, for the docs: `make pictures`.

Each is taken of the real command in a real Chromium, with events that come while it is taken.
"""

import asyncio
import re
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from benchmarks.browser import Chromium, Page, launched
from lab.classroom.class_ import network
from lab.errors import UserError

FOLDER = Path(__file__).parents[1] / "docs" / "pictures"
WIDE, PHONE, BOARD = (1360, 850), (390, 844), (1600, 900)
"""Sizes of windows, in CSS pixels."""

STUDENTS = ("Ada", "Grace", "Alan", "Radia", "Vint", "Barbara", "Tim", "")
GUESSES = ("500", "200", "240", "260", "300", "480")
"""In ms: that half of the events are as old as the whole pause, and most of them about as old as half of it."""

PATIENCE = 60.0
"""Seconds for a command to say where it is, or for a page to show what is waited for."""


@asynccontextmanager
async def running(*arguments: str) -> AsyncIterator[str]:
    """A command of pushlab's, and the address with the key that it prints; ended as by Ctrl-C.

    Raises:
        UserError: it ended without saying one.
    """
    command = Path(sys.executable).with_name("pushlab")
    process = await asyncio.create_subprocess_exec(command, *arguments, stderr=asyncio.subprocess.PIPE)
    try:
        yield await asyncio.wait_for(_address(process), PATIENCE)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stderr
    said = ""
    while line := (await process.stderr.readline()).decode():
        said += line
        if found := re.search(r"http://\S+#[\w-]+", line):
            return found[0]
    raise UserError(f"pushlab has ended without an address: {said.strip()}")


async def take(page: Page, name: str, *, dark: bool = False, whole: bool = False) -> None:
    """A picture of what is in view, or of the whole page."""
    await page.emulate_media(color_scheme="dark" if dark else "light")
    await page.wait_for_timeout(300)
    await page.screenshot(path=FOLDER / f"{name}.png", full_page=whole)


async def _size(page: Page, size: tuple[int, int]) -> None:
    await page.set_viewport_size({"width": size[0], "height": size[1]})


async def demo(browser: Chromium) -> None:
    async with running("demo", "--no-browser") as url, browser.page("about:blank") as page:
        await _size(page, WIDE)
        await page.goto(url)
        await page.locator(".lane").nth(5).wait_for()
        await page.wait_for_timeout(6000)
        await page.get_by_role("button", name="Cut", exact=False).nth(1).click()
        await page.wait_for_timeout(4000)
        await take(page, "demo")
        await take(page, "demo-dark", dark=True)
        lane = page.locator(".lane").nth(1)
        await lane.get_by_role("button", name="The wire").click()
        await page.wait_for_timeout(4000)
        await lane.scroll_into_view_if_needed()
        await take(page, "wire")
        await _size(page, PHONE)
        await take(page, "demo-phone")


async def lesson(browser: Chromium) -> None:
    """From the predictions to the confrontation, with answers as people give them."""
    async with running("lesson", "run", "polling", "--no-browser") as url, browser.page("about:blank") as page:
        await _size(page, WIDE)
        await page.goto(url)
        await page.locator("main").wait_for()
        await _answer(page, "#predict")
        await page.locator("#predict").scroll_into_view_if_needed()
        await take(page, "lesson-predict")
        await page.locator("#go").click()
        await page.locator("#see .questions button").first.wait_for(timeout=180_000)
        await _answer(page, "#see")
        await page.locator("#confront .body svg").first.wait_for(timeout=PATIENCE * 1000)
        await page.locator("#confront").evaluate("one => one.scrollIntoView({block: 'start'})")
        await take(page, "lesson-confront")


async def _answer(page: Page, step: str) -> None:
    """Say something to each question, as people do."""
    for nth, field in enumerate(await page.locator(f"{step} .questions input[type=number]").all()):
        await field.fill(GUESSES[nth % len(GUESSES)])
    for choice in await page.locator(f"{step} .questions fieldset").all():
        radio = choice.locator("input[type=radio]")
        if await radio.count():
            await radio.first.check()
    for button in await page.locator(f"{step} .questions button[type=submit], {step} .questions button.main").all():
        await button.click()


async def class_(browser: Chromium) -> None:
    """Eight students, a measurement and a vote."""
    with tempfile.TemporaryDirectory(prefix="pushlab-") as folder:
        arguments = ("class", "--no-browser", "--out", str(Path(folder) / "class"), *_in_a_network())
        async with running(*arguments) as url, AsyncExitStack() as stack:
            board = await stack.enter_async_context(browser.page("about:blank"))
            await _size(board, BOARD)
            await board.goto(url)
            await board.locator("#board").wait_for()
            code = await board.locator("#code").inner_text()
            phones = [await _joined(browser, stack, url, code, name) for name in STUDENTS]
            await board.locator("#seconds").fill("5")
            await board.locator("#start").click()
            await phones[0].locator("#measuring").wait_for()
            await phones[0].wait_for_timeout(1500)
            await take(phones[0], "student")
            await board.locator("#result svg, #result table").first.wait_for(timeout=PATIENCE * 1000)
            await _vote(board, phones)
            await take(board, "board", whole=True)
            await take(board, "board-dark", dark=True, whole=True)


def _in_a_network() -> tuple[str, ...]:
    """The option, if this machine is in one: a class that is in none has no QR code."""
    found = [one for addresses in network.interfaces().values() for one in addresses if ":" not in one]
    return ("--address", found[0]) if found else ()


async def _joined(browser: Chromium, stack: AsyncExitStack, url: str, code: str, name: str) -> Page:
    page = await stack.enter_async_context(browser.page("about:blank"))
    await _size(page, PHONE)
    await page.goto(re.sub(r"(http://[^/]+).*", r"\1/", url))
    await page.locator("#code").fill(code)
    await page.locator("#name").fill(name)
    await page.get_by_role("button", name="Join").click()
    await page.locator("#seat").wait_for()
    return page


async def _vote(board: Page, phones: list[Page]) -> None:
    await board.locator("#text").fill("Which of these is oldest when it arrives?")
    await board.locator("#options").fill("what was pushed\nwhat was asked for every half second\nthe same, on average")
    await board.get_by_role("button", name="Ask", exact=True).click()
    for nth, phone in enumerate(phones):
        await phone.locator("#ballot button, #ballot input").nth((0, 1, 1, 2, 1, 0, 1, 1)[nth]).click()
    await board.get_by_text("8 have voted").wait_for()
    await board.get_by_role("button", name="Show them now").click()
    await board.wait_for_timeout(1000)


async def matrix(browser: Chromium) -> None:
    """Of the behaviours' report that is kept in the docs."""
    async with browser.page("about:blank") as page:
        await _size(page, WIDE)
        await page.goto((FOLDER.parent / "behaviours" / "report.html").as_uri())
        await page.locator(".panel").first.evaluate("one => one.scrollIntoView({block: 'start'})")
        await take(page, "behaviours")


async def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    async with launched("chromium") as browser:
        assert isinstance(browser, Chromium)
        for pictures in (demo, lesson, class_, matrix):
            await pictures(browser)


if __name__ == "__main__":
    asyncio.run(main())
