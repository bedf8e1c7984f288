"""A class in real browsers: students' pages, and the teacher's."""

import asyncio
import json
import statistics
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from classmates import a_class, device, told
from conftest import Engines

from benchmarks.browser import AS_LAUNCHED
from benchmarks.runs import read_trials
from benchmarks.summary import delays
from lab.classroom.class_ import network, school
from lab.classroom.class_.school import Held
from lab.classroom.host import Place

DONE = "n => window.trials?.get(n)?.done === true"
SEEN = "n => { const {events, delays, bound} = trials.get(n); return {ids: events.map(({id}) => id), delays, bound}; }"
SEATED = "#seat:not([hidden])"


class Pages:
    """Each with a context, and so a storage, of its own; none may complain."""

    def __init__(self, engines: Engines, stack: AsyncExitStack) -> None:
        self.engines, self.stack = engines, stack
        self.complaints: list[str] = []

    async def context(self, browser: str, **options: Any) -> Any:
        engine: Any = await self.engines.get(browser)
        made = await engine.browser.new_context(**{**(AS_LAUNCHED if browser == "firefox" else {}), **options})
        self.stack.push_async_callback(made.close)
        return made

    async def page(self, context: Any, url: str) -> Any:
        page = await context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        await page.goto(url)
        return page

    async def board(self, of: Held) -> Any:
        page = await self.page(await self.context("chromium", viewport={"width": 1280, "height": 900}), of.board)
        await page.wait_for_selector("#board:not([hidden])")
        return page

    async def student(self, of: Held, browser: str, name: str = "") -> Any:
        page = await self.page(await self.context(browser), of.session.address)
        await page.fill("#name", name)
        await page.click("#joining button")
        await page.wait_for_selector(SEATED)
        return page


@pytest.fixture
async def pages(engines: Engines) -> AsyncIterator[Pages]:
    async with AsyncExitStack() as stack:
        found = Pages(engines, stack)
        yield found
        assert found.complaints == []


@asynccontextmanager
async def open_class(folder: Path) -> AsyncIterator[Held]:
    async with a_class(folder) as held:
        yield held


async def counted(board: Any, shown: list[str]) -> None:
    """Wait until the board's bars say so, option by option: before, after."""
    says = "s => JSON.stringify([...document.querySelectorAll('#question .count')].map(one => one.textContent)) === s"
    await board.wait_for_function(says, arg=json.dumps(shown, separators=(",", ":")))


async def a_lesson(pages: Pages, folder: Path, chromium: int, firefox: int, seconds: float) -> None:
    """A class from joining to the saved run."""
    async with open_class(folder) as held:
        board = await pages.board(held)
        assert "No device has got through yet" in await board.inner_text("#nobody")
        students = [await pages.student(held, "chromium", f"C{n} <b>") for n in range(chromium)]
        students += [await pages.student(held, "firefox") for _ in range(firefox)]
        await board.wait_for_function(
            "n => document.querySelectorAll('.seat[data-state=open]').length === n", arg=len(students)
        )
        assert await board.is_hidden("#nobody")
        assert "C0 <b>" in await board.inner_text("#seats")
        spread = Counter(seat.transport for seat in held.session.room.seats.values())
        assert max(spread.values()) - min(spread.values()) <= 1
        await the_votes(board, students)
        students[0] = await one_that_returns(pages, held, students[0])
        await the_measurement(board, students, seconds)
        await the_figures(board, students, held, folder)
        await the_end(board, held)


async def the_end(board: Any, held: Held) -> None:
    """It is asked for twice in a few seconds, which a busy browser may miss."""
    async with asyncio.timeout(60):
        while not held.session.over.is_set():
            await board.click("#end")
            await asyncio.sleep(0.2)


async def the_votes(board: Any, students: list[Any]) -> None:
    await board.fill("#text", "Which one <i>first</i>?")
    await board.fill("#options", "one\ntwo\nthree")
    await board.click("#asking button")
    for n, student in enumerate(students):
        await student.click(f".options button[data-nth='{n % 3}']:enabled")
        await student.wait_for_selector(f".options button[data-nth='{n % 3}'][aria-pressed=true]")
    await board.wait_for_function(
        "n => document.querySelector('#question').innerText.includes(`${n} have voted`)", arg=len(students)
    )
    assert await board.locator("#question .count").count() == 0, "nobody is to follow the others"
    await board.click("#next-phase")
    await students[0].wait_for_selector(".options button:disabled")
    await board.click("#next-phase")
    for student in students[1:]:
        await student.click(".options button[data-nth='2']:enabled")
        await student.wait_for_selector(".options button[data-nth='2'][aria-pressed=true]")
    await board.click("#next-phase")
    before = Counter(n % 3 for n in range(len(students)))
    after = {0: 0, 1: 0, 2: len(students) - 1}
    await counted(board, [str(votes[option]) for option in range(3) for votes in (before, after)])
    assert await board.inner_text(".asked") == "Which one <i>first</i>?"


async def one_that_returns(pages: Pages, held: Held, student: Any) -> Any:
    """A page that is closed, and opened again in the same browser."""
    was = await student.inner_text("#who")
    await student.close()
    async with asyncio.timeout(10):
        while 1 in held.session.attendance.lines:
            await asyncio.sleep(0.02)
    again = await pages.page(student.context, held.host.origins[0])
    await again.wait_for_selector(SEATED)
    await again.wait_for_function("was => document.querySelector('#who').textContent === was", arg=was)
    assert len(held.session.room.seats) == len([one for one in held.session.room.seats.values() if not one.removed])
    return again


async def the_measurement(board: Any, students: list[Any], seconds: float) -> None:
    await board.fill("#seconds", f"{seconds:g}")
    await board.click("#start")
    await board.wait_for_selector("#progress:not([hidden])")
    for student in students:
        await student.wait_for_function(DONE, arg=1, timeout=60_000)
    await board.wait_for_selector("#result table", timeout=60_000)


async def the_figures(board: Any, students: list[Any], held: Held, folder: Path) -> None:
    """What is kept, and what the board shows, is what the pages have seen."""
    seen = [await student.evaluate(SEEN, 1) for student in students]
    kept = {trial.round // 100: trial for trial in read_trials(folder)[0]}
    sent = len(held.session.room.measurements[0].sent)
    by: dict[str, list[float]] = {}
    for student, mine in zip(students, seen, strict=True):
        trial = kept[int(await student.get_attribute("#who", "data-number"))]
        assert (trial.state, trial.reason) == ("measured", "")
        assert [id_ for _, id_, _ in trial.arrived] == mine["ids"]
        assert sorted(mine["ids"]) == [row[1] for row in trial.sent]
        assert len(mine["ids"]) == sent
        assert delays(trial).tolist() == pytest.approx(mine["delays"], abs=0.01)
        assert trial.bound_ms == pytest.approx(mine["bound"], abs=0.01)
        by.setdefault(trial.cell.subject, []).append(statistics.median(mine["delays"]))
    rows = {row["name"]: row for row in held.session.result["rows"]}
    for name, medians in by.items():
        assert rows[name]["devices"] == len(medians)
        assert rows[name]["lost"] == 0
        assert rows[name]["p50"]["value"] == pytest.approx(statistics.geometric_mean(medians), rel=0.01, abs=0.01)
    shown = await board.inner_text("#result table")
    assert all(held.session.room.transports[name].title in shown for name in by)


SKETCHED = """() => [...document.querySelectorAll("#question figure")].map((figure) => ({
    says: figure.querySelector("figcaption").textContent,
    sketches: figure.querySelectorAll(".sketches path").length,
    middle: [...figure.querySelectorAll(".given.line circle")].map((dot) => Number(dot.getAttribute("cy"))),
    measured: [...figure.querySelectorAll(".measured.line circle")].map((dot) => Number(dot.getAttribute("cy"))),
}))"""


async def test_the_board_shows_every_sketch_their_middle_and_what_was_measured(pages: Pages, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        held = await stack.enter_async_context(a_class(tmp_path, "sse"))
        devices = [await stack.enter_async_context(device(held)) for _ in range(3)]
        board = await pages.board(held)
        question = await held.session.course.ask("polling", "shape")
        await told(devices, lambda asked: asked["kind"] == "curve")
        for one, tilt in zip(devices, (1, 2, 9), strict=True):
            await one.vote([tilt * age for age in (10.0, 20.0, 30.0, 40.0, 50.0)])
        await board.click("#show-votes")
        await board.wait_for_selector("#question figure .sketches path >> nth=2", state="attached")
        (before,) = await board.evaluate(SKETCHED)
        assert (before["says"], before["sketches"]) == ("Before the discussion: 3 sketches", 3)
        assert before["middle"] == sorted(before["middle"], reverse=True), "they are higher from point to point"
        assert before["measured"] == []
        figures = [[2.0 * age, age, 3.0 * age] for age in (10.0, 20.0, 30.0, 40.0, 50.0)]
        answer = {"given": None, "says": "", "note": "", "figures": figures, "marks": {}}
        await held.session.room.note("answer", question=question.number, answer=answer)
        await board.wait_for_selector("#question figure >> nth=1")
        before, after = await board.evaluate(SKETCHED)
        assert before["measured"] == before["middle"], "the second of three, and twice each age"
        assert before["measured"] == after["measured"], "both to the same scale"
        assert (after["says"], after["middle"]) == ("After it: 0 sketches", [])


async def test_a_student_begins_anew_with_the_first_vote_and_sees_what_was_measured_beside_it(
    pages: Pages, tmp_path: Path
) -> None:
    async with a_class(tmp_path, "sse") as held:
        room, student = held.session.room, await pages.student(held, "chromium")
        question = await held.session.course.ask("polling", "median")
        await student.fill("#ballot input", "500")
        await student.click("#ballot button.main")
        await student.wait_for_selector("#ballot .is-kept")
        await room.go_on("after")
        await student.wait_for_selector("#ballot :text('Vote again, also')")
        await student.wait_for_function("document.querySelector('#ballot input').value === '500'")
        assert not await student.is_visible("#ballot .is-kept"), "it is not given yet"
        await student.click("#ballot button.main")
        await student.wait_for_selector("#ballot .is-kept")
        answer = {"given": 250.0, "says": "250 ms", "note": "", "figures": [[250.0, 245.0, 256.0]], "marks": {}}
        await room.note("answer", question=question.number, answer=answer)
        await student.wait_for_selector("#ballot .drawing svg")
        assert await student.text_content("#ballot .drawing text.given") == "what you said: 500 ms"
        assert await student.text_content("#ballot .drawing text.measured") == "measured: 250 ms"


async def test_of_a_stored_class_no_vote_is_hidden(pages: Pages, tmp_path: Path) -> None:
    async with a_class(tmp_path, "sse") as held, device(held) as one:
        await held.session.room.ask("Which?", ["a", "b"])
        await told([one], lambda asked: asked["phase"] == "before")
        await one.vote(1)
    async with school.shown(Place(), tmp_path) as (_, url):
        board = await pages.page(await pages.context("chromium"), url)
        await counted(board, ["0", "1"])
        await board.close()


async def test_one_card_is_shown_alone_and_a_seat_is_taken_away_by_the_second_press(
    pages: Pages, tmp_path: Path
) -> None:
    shown = "[...document.querySelectorAll('#board > .card')].filter(one => one.checkVisibility()).map(one => one.id)"
    async with a_class(tmp_path, "sse") as held, device(held, "Ada"):
        board = await pages.board(held)
        cards = await board.evaluate(shown)
        await board.click("#votes .only")
        assert await board.evaluate(shown) == ["votes"]
        await board.keyboard.press("Escape")
        assert await board.evaluate(shown) == cards == ["door", "live", "measure", "votes", "devices"]
        take = board.locator(".seat button")
        await take.click()
        assert await take.inner_text() == "Take the seat away?"
        assert not held.session.room.seats[1].removed
        await take.click()
        await board.wait_for_selector(".seat", state="detached")
        assert held.session.room.seats[1].removed


async def test_eight_pages_and_a_teacher(pages: Pages, tmp_path: Path) -> None:
    await a_lesson(pages, tmp_path, chromium=6, firefox=2, seconds=1)


@pytest.mark.parametrize("browser", ["chromium", pytest.param("firefox", marks=pytest.mark.slow)])
async def test_a_page_that_is_no_secure_context_measures_too(pages: Pages, tmp_path: Path, browser: str) -> None:
    """As on every network: at an address of this machine that is not the loopback. The packets stay in it."""
    address = next((one for found in network.interfaces().values() for one in found if ":" not in one), "")
    if not address:
        pytest.skip("unavailable: this machine is in no network")
    async with school.held(Place(address), tmp_path, school.chosen(["sse"])) as held:
        student = await pages.student(held, browser)
        assert not await student.evaluate("isSecureContext")
        board = await pages.board(held)
        await the_measurement(board, [student], 1)
        step = await student.evaluate("import('/lab/clock.js').then(({ step }) => step())")
    (trial,) = read_trials(tmp_path)[0]
    assert (trial.state, trial.cell.link) == ("measured", "network")
    assert trial.bound_ms >= step
    pages.complaints[:] = [said for said in pages.complaints if "Cross-Origin-Opener-Policy" not in said]


@pytest.mark.slow
async def test_twenty_pages_and_a_teacher(pages: Pages, tmp_path: Path) -> None:
    await a_lesson(pages, tmp_path, chromium=15, firefox=5, seconds=5)
