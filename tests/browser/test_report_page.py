"""The report in real browsers, opened as a reader would: a file, no server, no network."""

import csv
import io
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import made_up_runs as made_up
import pytest
from conftest import Engines
from made_up_runs import Made
from pages import Watched, fresh
from playwright.async_api import expect

from benchmarks import browser
from benchmarks.report import web
from benchmarks.runs import Sample

DRAWN = "figure:not([hidden]) .chart svg.marks"
COSTS = ["server-cpu", "server-memory", "page-memory", "page-memory-kept"]
KINDS = ["distribution", "timeline", "trials", "age", "wire", "stages", *COSTS]
both = pytest.mark.parametrize("browser", ["chromium", "firefox"])
mostly = pytest.mark.parametrize("browser", ["chromium", pytest.param("firefox", marks=pytest.mark.slow)])
"""What a script does alike in either: it is enough if it is seen in both now and then."""


@pytest.fixture(scope="module")
def run() -> Made:
    return made_up.awkward()


@pytest.fixture(scope="module")
def file(run: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(web.page(*run.arguments), encoding="utf-8")
    return path


class Opened(Watched):
    """The report, open."""

    async def verdict(self, subject: str) -> tuple[str | None, str]:
        row = self.page.locator(f".shown tr[data-subject='{subject}']")
        return await row.get_attribute("data-verdict"), await row.locator("td.verdict").inner_text()

    async def order(self) -> list[str | None]:
        rows = await self.page.locator(".shown tbody tr").all()
        return [await row.get_attribute("data-subject") for row in rows]

    async def value(self, expression: str) -> Any:
        return await self.page.evaluate(expression)


@asynccontextmanager
async def opened(
    engines: Engines, browser: str, file: Path, charts: int = len(KINDS), **options: Any
) -> AsyncIterator[Opened]:
    """The report, with all its charts drawn."""
    async with fresh(engines, browser, **options) as page:
        found = Opened(page)
        await page.goto(file.as_uri())
        await expect(page.locator(DRAWN)).to_have_count(charts)
        yield found


@both
async def test_it_opens_without_an_error_or_a_request(engines: Engines, browser: str, file: Path) -> None:
    async with opened(engines, browser, file) as report:
        assert (
            await report.value("[...document.querySelectorAll('figure:not([hidden])')].map(f => f.dataset.kind)")
            == KINDS
        )
        sizes = f"[...document.querySelectorAll('{DRAWN}')].map(svg => svg.querySelectorAll('.mark-line path, .mark-symbol path, .mark-rect path').length)"  # noqa: E501
        assert min(await report.value(sizes)) > 0
        assert report.said == []
        assert [url for url in report.asked if url != file.as_uri()] == []


@both
async def test_it_can_be_sorted_by_mouse_and_keyboard(engines: Engines, browser: str, file: Path) -> None:
    async with opened(engines, browser, file) as report:
        fastest_first = await report.order()
        assert fastest_first[-3:] == ["bosh", "grpc", "webtransport"]
        head = report.page.locator(".shown th.latency.p50")
        assert await head.get_attribute("aria-sort") == "ascending"
        await head.get_by_role("button").click()
        assert await head.get_attribute("aria-sort") == "descending"
        assert await report.order() == [*reversed(fastest_first[:-3]), *fastest_first[-3:]]

        names = report.page.locator(".shown th.who[aria-sort]")
        await names.get_by_role("button").focus()
        await report.page.keyboard.press("Enter")
        assert await names.get_attribute("aria-sort") == "ascending"
        assert await head.get_attribute("aria-sort") == "none"
        assert await report.order() == sorted(fastest_first, key=str)


@mostly
async def test_verdicts_follow_the_baseline_and_the_percentile(engines: Engines, browser: str, file: Path) -> None:
    async with opened(engines, browser, file) as report:
        assert (await report.verdict("xhr_streaming"))[0] == "slower"
        await report.page.get_by_role("combobox", name="Compared with").select_option("short_polling")
        word, text = await report.verdict("xhr_streaming")
        assert word == "faster"
        assert "▼ faster" in text
        assert (await report.verdict("short_polling"))[1].strip() == "◆ baseline"

        await report.page.get_by_role("radio", name="p99").check()
        await expect(report.page.locator(".shown td.p99").first).to_be_visible()
        await expect(report.page.locator(".shown td.p50").first).to_be_hidden()
        await expect(report.page.locator(".shown td.p99").first).to_have_text("too few events")
        assert await report.verdict("xhr_streaming") == ("none", "not compared")


@mostly
async def test_other_conditions_can_be_chosen(engines: Engines, browser: str, file: Path) -> None:
    async with opened(engines, browser, file) as report:
        await report.page.get_by_role("combobox", name="Engine").select_option("firefox")
        await expect(report.page.locator("figure[data-kind=trials] .of")).to_have_text("firefox, steady, direct")
        assert (await report.verdict("xhr_streaming"))[0] == "few"
        await report.page.get_by_role("combobox", name="Scenario").select_option("crowd")  # which firefox has not
        await expect(report.page.get_by_role("combobox", name="Engine")).to_have_value("native")
        await expect(report.page.locator("figure[data-kind=timeline]")).to_be_hidden()
        await expect(report.page.locator(".shown tbody tr").first).to_contain_text("6.00")
        assert report.said == []


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("linked") / "report.html"
    path.write_text(web.page(*made_up.linked().arguments), encoding="utf-8")
    return path


@mostly
async def test_another_link_can_be_chosen(engines: Engines, browser: str, linked: Path) -> None:
    async with opened(engines, browser, linked, charts=4) as report:
        await expect(report.page.locator(".shown caption")).to_have_text("chromium, steady, direct")
        await report.page.get_by_role("combobox", name="Link").select_option(made_up.LINK)
        await expect(report.page.locator(".shown caption")).to_have_text(f"chromium, steady, {made_up.LINK}")
        await expect(report.page.locator("figure[data-kind=trials] .of")).to_have_text(
            f"chromium, steady, {made_up.LINK}"
        )
        await expect(report.page.locator(".shown tr[data-subject=sse] td.p50 b")).to_contain_text("50.")
        assert report.said == []


@both
async def test_a_legend_shows_one_transport_alone(engines: Engines, browser: str, file: Path) -> None:
    bright = """() => new Set([...document.querySelectorAll('figure[data-kind=distribution] .mark-line path')]
        .filter(path => +(path.getAttribute('opacity') ?? 1) > 0.5).map(path => path.getAttribute('stroke'))).size"""
    async with opened(engines, browser, file) as report:
        everything = await report.value(bright)
        legend = report.page.locator("figure[data-kind=distribution] .legend")
        button = legend.get_by_role("button", name="long_polling", exact=True)
        await button.press("Enter")
        assert await button.get_attribute("aria-pressed") == "true"
        await report.page.wait_for_function(f"({bright})() === 1")
        await button.click()
        await report.page.wait_for_function(f"({bright})() === {everything}")


@mostly
async def test_every_event_of_every_round_can_be_seen_and_is_named(
    engines: Engines, browser: str, file: Path, run: Made
) -> None:
    marks = "document.querySelectorAll('figure[data-kind=timeline] .mark-symbol path').length"
    async with opened(engines, browser, file) as report:
        events = sum(
            len(one.sent) for one in run.trials if one.cell.engine == "chromium" and one.cell.scenario == "steady"
        )
        await report.page.get_by_role("combobox", name="Round").select_option("all")
        await report.page.wait_for_function(f"{marks} >= {events}")  # each event, and a place for what was lost
        await report.page.get_by_role("combobox", name="Round").select_option("2")
        await report.page.wait_for_function(f"{marks} < {events}")
        await report.page.locator("figure[data-kind=timeline] .mark-symbol path").first.hover(force=True)
        for said in ("transport", "round", "event", "latency, ms"):
            await expect(report.page.locator("#vg-tooltip-element.visible")).to_contain_text(said)


@both
async def test_the_raw_data_can_be_downloaded(engines: Engines, browser: str, file: Path, run: Made) -> None:
    """What would be saved is caught on its way: over WebDriver BiDi, Firefox tells of no download."""
    async with opened(engines, browser, file) as report:
        await report.value("void (URL.createObjectURL = blob => { window.saved = blob.text(); return 'blob:' })")
        await report.value("void (HTMLAnchorElement.prototype.click = function () { window.name = this.download })")
        await report.page.get_by_role("button", name="Events as CSV").click()
        rows = list(csv.DictReader(io.StringIO(await report.value("window.saved"))))
        assert await report.value("window.name") == "events.csv"
    samples = [(one.round, one.cell, sample.id, sample) for one in run.trials for sample in one.samples]
    assert len(rows) == len(samples)
    told = {(row["transport"], row["variant"], row["engine"], row["scenario"], int(row["id"])): row for row in rows}
    for number, of, id_, sample in samples:
        row = told[of.transport, of.variant or "", of.engine, of.scenario, id_]
        assert (int(row["round"]), int(row["epoch"]), int(row["arrivals"])) == (
            number,
            sample.epoch,
            len(sample.received),
        )
        assert float(row["delay_ms"] or "nan") == pytest.approx(_delay_ms(sample), abs=0.0006, nan_ok=True)


def _delay_ms(sample: Sample) -> float:
    return (sample.received[0] - sample.due) / 1e6 if sample.received else float("nan")


async def test_a_download_is_a_file(engines: Engines, file: Path, tmp_path: Path) -> None:
    async with opened(engines, "chromium", file) as report:
        async with report.page.expect_download() as downloading:
            await report.page.get_by_role("button", name="Cells as CSV").click()
        download = await downloading.value
        assert download.suggested_filename == "cells.csv"
        await download.save_as(tmp_path / "cells.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "cells.csv").read_text("utf-8"))))
    assert {"sse", "bosh", "grpc"} <= {row["transport"] for row in rows}
    assert all(row["latency_ms.p50.value"] for row in rows if row["transport"] == "sse" and row["scenario"] == "steady")


@mostly
async def test_a_chart_has_a_table_behind_it(engines: Engines, browser: str, file: Path) -> None:
    figures = """[...document.querySelectorAll('figure:not([hidden])')].map(figure => [
        figure.querySelectorAll('.behind tbody tr').length,
        figure.querySelectorAll('.behind thead th[scope=col]').length,
        figure.querySelectorAll('.behind tbody th[scope=row]').length, figure.querySelector('svg.marks').ariaLabel])"""
    async with opened(engines, browser, file) as report:
        for rows, columns, names, label in await report.value(figures):
            assert rows == names > 0
            assert columns >= 2
            assert label
        await report.page.locator("figure[data-kind=age] .behind summary").press("Enter")
        await expect(report.page.locator("figure[data-kind=age] .behind td").first).to_be_visible()


@both
async def test_it_fits_a_phone(engines: Engines, browser: str, file: Path) -> None:
    async with opened(engines, browser, file, viewport={"width": 390, "height": 844}) as report:
        assert await report.value("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        assert await report.value("document.querySelector('.shown .scroll').scrollWidth > innerWidth")


PREFERRED = "layout.css.prefers-color-scheme.content-override"
DARK = 0
LOOKS = """[getComputedStyle(document.body).backgroundColor,
            getComputedStyle(document.querySelector('.role-axis-label text')).fill]"""


async def test_it_is_dark_where_that_is_preferred(engines: Engines, file: Path) -> None:
    async with opened(engines, "chromium", file, color_scheme="light") as light:
        bright = await light.value(LOOKS)
    async with opened(engines, "chromium", file, color_scheme="dark") as dark:
        assert all(a != b for a, b in zip(bright, await dark.value(LOOKS), strict=True))


async def test_firefox_is_as_dark(engines: Engines, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a preference of a browser of its own: over WebDriver BiDi, Firefox knows no emulation of it."""
    monkeypatch.setattr(browser, "FIREFOX_PREFS", browser.FIREFOX_PREFS | {PREFERRED: DARK})
    async with AsyncExitStack() as stack, opened(Engines(stack), "firefox", file) as report:
        assert await report.value("matchMedia('(prefers-color-scheme: dark)').matches")
        in_firefox = await report.value(LOOKS)
        assert report.said == []
    async with opened(engines, "chromium", file, color_scheme="dark") as report:
        assert in_firefox == await report.value(LOOKS)


@pytest.mark.parametrize("paper", ["A4", "Letter"])
async def test_no_page_break_cuts_a_chart(engines: Engines, file: Path, paper: str) -> None:
    """In the PDF, where each chart begins and ends is the target of a link, which tells its page."""
    marked = """() => { for (const figure of document.querySelectorAll('figure:not([hidden])')) {
        const [chart, kind] = [figure.querySelector('.chart'), figure.dataset.kind]
        for (const [place, where] of [['begin', 'beforebegin'], ['end', 'afterend']]) {
            chart.insertAdjacentHTML(where, `<div id="${place}-${kind}"></div>`)
            document.body.insertAdjacentHTML('beforeend', `<a href="#${place}-${kind}">.</a>`)
        }
        figure.querySelector('figcaption').id = `caption-${kind}`
        document.body.insertAdjacentHTML('beforeend', `<a href="#caption-${kind}">.</a>`)
    } }"""
    async with opened(engines, "chromium", file) as report:
        await report.value(marked)
        pdf = await report.page.pdf(format=paper, prefer_css_page_size=True)
    found = re.findall(rb"/(begin|end|caption)-([\w-]+) \[(\d+) 0 R /XYZ [\d.-]+ ([\d.-]+)", pdf)
    places = {(place.decode(), kind.decode()): (int(page), float(y)) for place, kind, page, y in found}
    assert len(places) == 3 * len(KINDS)
    for kind in KINDS:
        (page, top), (last, bottom) = places["begin", kind], places["end", kind]
        assert places["caption", kind][0] == page == last, kind
        assert top - bottom > 60  # points: it is drawn, upwards from the foot of the page
    assert len({page for page, _ in places.values()}) > 1


async def test_nothing_is_cut_on_paper(engines: Engines, file: Path) -> None:
    async with opened(engines, "chromium", file, viewport={"width": 688, "height": 970}) as report:
        await report.page.emulate_media(media="print")
        charts = (
            "[...document.querySelectorAll('svg.marks')].every(svg => svg.getBoundingClientRect().right <= innerWidth)"
        )
        assert await report.value(charts)
        assert await report.value("getComputedStyle(document.querySelector('figure')).breakInside") == "avoid"
        assert await report.value(
            "document.querySelector('.shown .matrix').getBoundingClientRect().right <= innerWidth"
        )
        assert await report.value("document.querySelector('.shown tbody .who').getBoundingClientRect().width >= 60")
        await report.value("dispatchEvent(new Event('beforeprint'))")
        assert await report.value("[...document.querySelectorAll('.other')].every(details => details.open)")
        await report.value("dispatchEvent(new Event('afterprint'))")
        assert not await report.value("[...document.querySelectorAll('.other')].some(details => details.open)")
