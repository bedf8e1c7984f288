"""A lesson in real browsers, from the prediction to the confrontation."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from conftest import Engines
from made_up_lessons import GIVEN, NATIVE, written
from pages import opened

from lab.classroom.teaching.figure import Figure
from lab.classroom.teaching.lecture import lecturing
from lab.classroom.teaching.measured import Measured, Progress, claimed


async def kept(page: Any, count: int, where: str) -> None:
    await page.wait_for_function(
        "([where, count]) => document.querySelectorAll(`${where} .is-kept`).length === count", arg=[where, count]
    )


async def test_what_experiments_observe_can_be_read_when_they_are_over(engines: Engines, tmp_path: Path) -> None:
    async with lecturing(written(tmp_path, NATIVE), results=tmp_path / "results") as (host, lecture):
        for name, given in GIVEN.items():
            lecture.attempt.predict(name, given)
        figures = dict.fromkeys(lecture.lesson.values, Figure(3.0, 2.0, 4.0, unit="ms"))
        lecture.attempt.measured = Measured("made_up", 0, "", figures)
        said = [Progress(1, 3, "a trial"), *(Progress(n, 3, f"{n} <b>saw</b>", observed=True) for n in (2, 3))]
        lecture.attempt.progress = said
        async with opened(engines, "chromium", host.url) as page:
            await page.wait_for_selector("#see .body:not([hidden])")
            assert await page.locator("#run .sentences li").all_inner_texts() == ["2 <b>saw</b>", "3 <b>saw</b>"]


@pytest.mark.parametrize("browser", ["chromium", "firefox"])
async def test_a_lesson_from_prediction_to_confrontation(browser: str, engines: Engines, tmp_path: Path) -> None:
    one = written(tmp_path, NATIVE)
    async with (
        lecturing(one, results=tmp_path / "results") as (host, lecture),
        opened(engines, browser, host.url) as page,
    ):
        await page.wait_for_selector("main:not([hidden])")
        assert host.key not in page.url
        assert await page.inner_text("#story") == "Once <b>upon</b> a time."
        assert await page.locator("#run .body").is_hidden()
        assert "3 questions have no prediction yet" in await page.inner_text("#run .locked")

        await page.fill("#predict input[type=number]", "1000")
        await page.click("#predict form:nth-child(1) button.main")
        await page.wait_for_selector("#predict .status.wrong")
        assert "no plausible answer" in await page.inner_text("#predict .status.wrong")
        await page.evaluate("document.querySelector('#predict input').value = ''")  # Firefox is driven to add to it
        await page.fill("#predict input[type=number]", "3")
        await page.press("#predict input[type=number]", "Enter")
        await kept(page, 1, "#predict")

        await page.check("#predict input[type=radio] >> nth=1")
        await page.click("#predict form:nth-child(2) button.main")
        await kept(page, 2, "#predict")
        await in_order(page, ["socket", "stream", "held"])
        await page.click("#predict form:nth-child(3) button.main")
        await kept(page, 3, "#predict")
        assert lecture.attempt.predictions["order"].given == [0, 1, 2]

        await page.click("#go")
        await page.wait_for_selector("#see:not(.closed)", timeout=60_000)
        assert await page.locator("#confront .body").is_hidden()
        assert await page.locator("#run .dot").count() == 2
        for nth, value in enumerate(("3", "5")):
            await page.fill(f"#see input >> nth={nth}", value)
        await page.click("#see button.main")
        await page.wait_for_selector("#confront:not(.closed)")
        assert await page.locator("#confront .verdict").count() == 4
        assert await page.locator("#confront .verdict svg").count() == 4
        marks = [stand.mark for stand in claimed(one, lecture.attempt.measured)]  # type: ignore[arg-type]
        assert await page.locator("#explain .claims .badge").count() == len(marks)
        text = await page.inner_text("#explain .prose")
        assert lecture.attempt.measured.figures["held"].text in text  # type: ignore[union-attr]

        assert await page.locator("#noted").is_hidden()
        await page.click("#notes")
        await page.wait_for_selector("#noted:not([hidden])")
        assert "Where people go wrong" in await page.inner_text("#noted")

        await page.reload()  # it is where it was
        await page.wait_for_selector("#confront:not(.closed)")
        await page.click("#again")
        await page.wait_for_selector("#run.closed")
        assert lecture.attempt.stage == "predict"


async def in_order(page: Any, labels: list[str]) -> None:
    """Move items up by their buttons, with the keyboard, until they stand so."""
    await page.bring_to_front()  # keys are for the page that is looked at
    for at, label in enumerate(labels):
        while (now := await order(page)).index(label) > at:
            await page.get_by_role("button", name=f"{label}: further up").press("Enter")
            async with asyncio.timeout(10):
                while await order(page) == now:  # a browser that is driven may take a while
                    await asyncio.sleep(0.02)
    assert await order(page) == labels


async def order(page: Any) -> list[str]:
    shown: list[str] = await page.locator("#predict .ranks li span").all_inner_texts()
    return shown


async def test_a_curve_is_sketched_with_the_pointer_or_with_numbers(engines: Engines, tmp_path: Path) -> None:
    toml = NATIVE.replace("[[observation]]", "[[question]]", 1)
    toml += '\n[[observation]]\nname = "last"\nkind = "number"\nask = "?"\nanswer = "held"\nlow = 0\nhigh = 9\n'
    async with (
        lecturing(written(tmp_path, toml), results=tmp_path / "results") as (host, lecture),
        opened(engines, "chromium", host.url) as page,
    ):
        sheet = page.locator("#predict .sheet")
        await sheet.scroll_into_view_if_needed()
        box = await sheet.bounding_box()
        await page.mouse.click(box["x"] + box["width"] * 0.9, box["y"] + box["height"] * 0.45)
        await page.fill("#predict .points input >> nth=0", "7")
        await page.click("#predict form:nth-child(4) button.main")
        await kept(page, 1, "#predict")
        first, second = lecture.attempt.predictions["shape"].given  # type: ignore[misc]
        assert first == 7
        assert 30 < second < 70
