"""The behaviour matrix in real browsers, opened as a reader would: a file, no server, no network."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import made_up_behaviours as made_up
import pytest
from conftest import SUBJECTS, Engines
from pages import Watched, fresh
from playwright.async_api import Locator, expect

from benchmarks.behaviours import p16_coordinated_omission as p16
from benchmarks.behaviours.field import Browsers
from benchmarks.behaviours.store import Seen, Spot
from benchmarks.behaviours.sweep import Asked, observed
from benchmarks.report import behaviours_web

both = pytest.mark.parametrize("browser", ["chromium", "firefox"])


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("behaviours") / "report.html"
    path.write_text(behaviours_web.page(made_up.made_up(("chromium", "firefox"))), encoding="utf-8")
    return path


class Opened(Watched):
    """The report, open."""

    def cell(self, name: str) -> Locator:
        return self.page.locator(f"a.cell[data-evidence={name}]")

    @property
    def dialog(self) -> Locator:
        return self.page.locator("dialog#shown")


@asynccontextmanager
async def opened(engines: Engines, browser: str, file: Path, anchor: str = "", **options: Any) -> AsyncIterator[Opened]:
    async with fresh(engines, browser, **options) as page:
        found = Opened(page)
        await page.goto(file.as_uri() + anchor)
        yield found


@both
async def test_it_opens_without_an_error_or_a_request(engines: Engines, browser: str, file: Path) -> None:
    async with opened(engines, browser, file) as report:
        await expect(report.page.locator("h1")).to_contain_text("are bitten most, by 2 of 2 and 3 of 3 pitfalls")
        await expect(report.page.locator("table.pits")).to_have_count(2)
        await expect(report.page.locator("#matrix-chromium tbody tr")).to_have_count(len(made_up.ALL))
        painted = "getComputedStyle(document.querySelector('.pits td[data-word=bitten]')).backgroundColor"
        assert await report.page.evaluate(painted) == "rgb(251, 227, 207)"  # the style is let in
        assert report.said == []
        assert [url for url in report.asked if url != file.as_uri()] == []


async def test_a_cell_says_more_than_by_its_colour(engines: Engines, file: Path) -> None:
    async with opened(engines, "chromium", file) as report:
        for name, said in {
            "p1-sse-chromium": ["✓", "● bitten", "the first event came after 6.84 s", "with the cure", "○ unhurt"],
            "p2-websocket-chromium": ["?", "unsupported", "counts for another limit"],
            "p2-short_polling-chromium": ["✕", "○ unhurt"],
            "p3-long_polling-chromium": ["?", "unavailable", "apt-get install haproxy"],
            "p3-sse-chromium": ["?", "failed", "</script><b onclick='x'>"],
            "p3-websocket-chromium": ["?", "not yet observed"],
            "p6-sse-chromium": ["not yet observed", "it takes 7 minutes"],
        }.items():
            for part in said:
                await expect(report.cell(name)).to_contain_text(part)
        row = report.page.locator("#matrix-chromium tr[data-experiment=P13]")
        await expect(row).to_contain_text("not possible here this lab has no server that speaks HTTP/2")
        await expect(row.locator("a.cell")).to_have_count(0)


@both
async def test_no_evidence_is_lost_when_the_next_is_opened_at_once(engines: Engines, browser: str, file: Path) -> None:
    """That a dialog was closed is told later than the next is opened."""
    async with opened(engines, browser, file) as report:
        await report.page.evaluate(
            """() => {
                document.querySelector("a.cell[data-evidence='p1-sse-chromium']").click();
                document.querySelector("#shown").close();
                document.querySelector("a.cell[data-evidence='p2-sse-firefox']").click();
            }"""
        )
        await expect(report.dialog).to_contain_text("Six connections for each origin")
        await report.dialog.get_by_role("button", name="Close").click()
        await expect(report.page.locator("#P1 details .sights")).to_have_count(12)


@both
async def test_a_cell_opens_its_evidence_by_click_and_by_keyboard(engines: Engines, browser: str, file: Path) -> None:
    async with opened(engines, browser, file) as report:
        await report.cell("p1-sse-chromium").click()
        await expect(report.dialog).to_be_visible()
        for part in (
            "P1 A proxy that collects",
            "sse in chromium",
            "Do events reach the page",
            "holds a response back until it has 4,096 bytes",
            "Streams arrive in bursts",
            "Expected: bitten",
            "first event6,840 ms",
            "not known",
            "GET /transports/sse/events HTTP/1.1",
            "Observed 2026-11-24 18:05 UTC, in 6.2 s, by pushlab 0.1.0",
            "X-Accel-Buffering",
            "buffering_proxy-sse-chromium-cured.json",
        ):
            await expect(report.dialog).to_contain_text(part)
        await expect(report.dialog.locator(".sight")).to_have_count(2)
        await expect(report.dialog.locator(".curves svg[role=img]")).to_have_count(4)
        await expect(report.dialog.locator(".moments li")).to_have_count(34)
        assert await report.page.evaluate("location.hash") == "#p1-sse-chromium"

        await report.page.keyboard.press("Escape")
        await expect(report.dialog).to_be_hidden()
        await expect(report.cell("p1-sse-chromium")).to_be_focused()  # where the reader was
        await report.cell("p2-sse-firefox").focus()
        await report.page.keyboard.press("Enter")
        await expect(report.dialog).to_contain_text("Six connections for each origin")
        await expect(report.dialog).not_to_contain_text("A proxy that collects")
        await report.dialog.get_by_role("button", name="Close").click()
        await expect(report.page.locator("#P1 details .sights")).to_have_count(12)  # all are back in their places
        assert report.said == []


async def test_an_address_leads_to_the_evidence(engines: Engines, file: Path) -> None:
    async with opened(engines, "chromium", file, "#p3-sse-chromium") as report:
        await expect(report.dialog).to_contain_text("the page did not answer", ignore_case=True)


async def test_without_a_script_the_evidence_is_still_there(engines: Engines, file: Path) -> None:
    async with opened(engines, "chromium", file, java_script_enabled=False) as report:
        await report.page.locator("#P1 details").first.locator("summary").click()
        await expect(report.page.locator("#P1 .sights").first).to_contain_text("6.84 s")
        await expect(report.dialog).to_be_hidden()


@both
async def test_it_fits_a_phone(engines: Engines, browser: str, file: Path) -> None:
    fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    async with opened(engines, browser, file, viewport={"width": 390, "height": 844}) as report:
        await report.page.get_by_role("button", name="Open all the evidence").click()
        assert await report.page.evaluate(fits)
        assert await report.page.evaluate("document.querySelector('.panel .scroll').scrollWidth > innerWidth")
        await report.page.get_by_role("button", name="Close all the evidence").click()
        await report.cell("p1-sse-chromium").click()
        assert await report.page.evaluate("document.querySelector('dialog .body').scrollWidth <= innerWidth")


async def test_it_is_dark_where_that_is_preferred(engines: Engines, file: Path) -> None:
    """Only Chromium can be told here; Firefox knows no emulation of it over WebDriver BiDi."""
    looks = """[getComputedStyle(document.body).backgroundColor,
                getComputedStyle(document.querySelector('.pits td[data-word=bitten]')).backgroundColor,
                getComputedStyle(document.querySelector('.drawing text')).fill]"""
    async with opened(engines, "chromium", file, color_scheme="light") as light:
        bright = await light.page.evaluate(looks)
    async with opened(engines, "chromium", file, color_scheme="dark") as dark:
        assert all(a != b for a, b in zip(bright, await dark.page.evaluate(looks), strict=True))


async def test_nothing_is_cut_on_paper(engines: Engines, file: Path) -> None:
    beyond = """[...document.querySelectorAll('main *')].filter(one => one.checkVisibility()
        && one.getBoundingClientRect().right > innerWidth + 1).map(one => one.outerHTML.slice(0, 80))"""
    hidden = """[...document.querySelectorAll('.log, .moments ol, .scroll, .cell > small')].filter(one =>
        one.checkVisibility() && one.scrollHeight > one.clientHeight + 2).map(one => one.className)"""
    async with opened(engines, "chromium", file, viewport={"width": 688, "height": 970}) as report:
        await report.page.get_by_role("button", name="Open all the evidence").click()
        await report.cell("p1-sse-chromium").click()
        await report.page.emulate_media(media="print")
        await report.page.evaluate("dispatchEvent(new Event('beforeprint'))")
        await expect(report.dialog).to_be_hidden()
        assert await report.page.evaluate(beyond) == []
        assert await report.page.evaluate(hidden) == []


# An experiment of this page, really made


async def p16_of(engines: Engines, subject: str, browser: str, *, cured: bool) -> Seen:
    async with AsyncExitStack() as stack:
        browsers = Browsers(stack)
        browsers._launched[browser, ()] = await engines.get(browser)
        spot = Spot(p16.experiment.name, subject, browser, cured)
        return await observed(Asked(spot, p16.experiment, SUBJECTS[subject]), browsers)


async def test_service_time_hides_a_stall_that_response_time_shows(engines: Engines) -> None:
    seen = await p16_of(engines, "sse", "chromium", cured=False)
    assert seen.state == "observed", seen.reason
    assert seen.observation
    assert seen.mark == "✓", seen.observation
    numbers = {name: value for name, value in seen.observation.numbers.items() if isinstance(value, float | int)}
    assert numbers["service_p99_ms"] < 1000
    assert 1800 <= numbers["response_p99_ms"] <= 3000
    assert numbers["events_lost"] == 0
    assert [moment.what for moment in seen.moments] == [
        *("set out", "open", "server stopped", "server goes on", "all there")
    ]


@pytest.mark.slow
@pytest.mark.parametrize("cured", [False, True])
@pytest.mark.parametrize("transport", sorted(name for name in SUBJECTS if ":" not in name))
async def test_so_it_is_with_every_transport(engines: Engines, transport: str, cured: bool) -> None:  # noqa: FBT001
    seen = await p16_of(engines, transport, "chromium", cured=cured)
    assert seen.mark == "✓", seen
