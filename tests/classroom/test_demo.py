"""The demo, in real browsers: what it draws is what was sent and seen, and what breaks is told truly."""

import json
import re
import signal
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import unquote, urlsplit

import aiohttp
import pytest
import websockets
from commands import running
from conftest import Engines
from pages import opened
from playwright.async_api import expect
from waiting import until

from benchmarks import stats
from lab.classroom.demo import FAULTS, Asked, Demo, among, checked, demonstrating, plain
from lab.errors import UserError
from lab.process import Entry, read_ledger

QUIET = "steady:rate=0.001"
"""A source that sends nothing while a test lasts."""


@pytest.fixture(scope="module")
async def one() -> AsyncIterator[Demo]:
    async with demonstrating(Asked(QUIET)) as demo:
        yield demo


@pytest.fixture
async def demo(one: Demo) -> Demo:
    """The one that all these tests share, whole and quiet."""
    one.heal(one.studio.lanes, FAULTS)
    one.shown = PLAIN
    await one.play(QUIET)
    return one


async def show(demo: Demo, source: str, lanes: Sequence[str] = ()) -> None:
    """What pages that come are to see."""
    demo.shown = lanes or PLAIN
    await demo.play(source)


LANES = "[...document.querySelectorAll('#lanes > .lane')]"
PLAIN = plain(among())
USES_EVENTSOURCE = [name for name in PLAIN if "eventsource" in among()[name].found.about.uses]
BROWSERS = pytest.mark.parametrize("browser", ["chromium", "firefox"])

TIME = r"([\d.]+) (ms|s)"


async def all_open(page: Any) -> None:
    await page.wait_for_function(f"() => {LANES}.length && {LANES}.every(one => one.dataset.state === 'open')")


def ledger(demo: Demo) -> list[Entry]:
    return read_ledger(demo.studio.server.ledger)[0]


async def counts(page: Any, what: str) -> list[int]:
    found: list[str] = await page.evaluate(f"{LANES}.map(one => one.querySelector('.counts .{what}').textContent)")
    return [int(text.replace(",", "")) for text in found]


async def became(page: Any, lane: str, part: str, pattern: str) -> str:
    """The text of that part of a lane, once it is like that."""
    there = f"document.querySelector('[data-lane=\"{lane}\"] {part}').textContent"
    await page.wait_for_function(f"pattern => new RegExp(pattern, 's').test({there})", arg=pattern)
    text: str = await page.evaluate(there)
    return text


def in_ms(value: str, unit: str) -> float:
    return float(value) * (1000 if unit == "s" else 1)


# What is seen


@BROWSERS
async def test_every_event_of_the_ledger_is_a_dot_in_every_lane(browser: str, engines: Engines, demo: Demo) -> None:
    async with opened(engines, browser, demo.host.url) as page:
        await all_open(page)
        assert await page.evaluate(f"{LANES}.map(one => one.dataset.lane)") == PLAIN
        before, known = len(ledger(demo)), int(await page.inner_text("#sent"))
        await demo.play("steady:rate=100,count=60")
        await until(lambda: len(ledger(demo)) == before + 60)
        await page.wait_for_function(f"() => {LANES}.every(one => one.querySelector('.arrived').textContent === '60')")
        for what in ("waiting", "lost", "again", "gaps"):  # late is what a busy machine may make it
            assert await counts(page, what) == [0] * len(PLAIN), what
        assert int(await page.inner_text("#sent")) == known + 60
        drawn = "one => one.querySelector('.bars').getAttribute('d') !== ''"
        assert await page.evaluate(f"{LANES}.every({drawn})")
        assert re.search(r"± [\d.]+ ms$", await page.inner_text("#bound"))


@BROWSERS
async def test_what_is_typed_arrives_everywhere_as_text(browser: str, engines: Engines, demo: Demo) -> None:
    typed = '<img src=x onerror="document.title=1"> & «é»'
    async with opened(engines, browser, demo.host.url) as page:
        await all_open(page)
        await page.fill("[name=typed]", typed)
        await page.press("[name=typed]", "Enter")
        said = f"{LANES}.every(one => one.querySelector('.says').textContent === typed)"
        await page.wait_for_function(f"typed => {said}", arg=typed)
        assert await page.locator("#lanes img").count() == 0
        assert await page.title() == "pushlab demo"
        assert await page.inner_text("#published") == f"published as event {ledger(demo)[-1].id}"


@BROWSERS
async def test_a_file_is_followed(browser: str, engines: Engines, tmp_path: Path, demo: Demo) -> None:
    file = tmp_path / "real.log"
    file.write_text("before\n")
    async with opened(engines, browser, demo.host.url) as page:
        await all_open(page)
        await page.fill("[name=path]", str(file))
        await page.click("[name=follow]")
        await page.wait_for_function("() => document.querySelector('#playing').textContent.startsWith('follows ')")
        with file.open("a") as log:
            print("a line", file=log)
        await page.wait_for_function(f"() => {LANES}.every(one => one.querySelector('.says').textContent === 'a line')")
        await page.click("[name=pause]")
        await page.wait_for_function("() => document.querySelector('#playing').textContent === 'paused'")


async def test_the_source_is_played_as_its_controls_say(engines: Engines, demo: Demo) -> None:
    async with opened(engines, "chromium", demo.host.url) as page:
        await all_open(page)
        await page.select_option("[name=rhythm]", "bursts")
        await page.fill("[name=rate]", "50")
        await page.press("[name=rate]", "Tab")
        await until(lambda: demo.studio.source == "bursts:rate=5,count=10,size=100")
        await page.fill("[name=rate]", "200")
        await page.fill("[name=size]", "65536")
        await page.press("[name=size]", "Enter")
        await page.wait_for_function("() => document.querySelector('#trouble').textContent.includes('are the most')")


RECORDED = """async () => {
    const { record } = await import("/lab/classroom/record.js");
    const entry = (id, epoch = 1) => ({ key: `${epoch}-${id}`, epoch, id, due: 100 * id });
    const steps = [];
    const made = record((mark, before) => steps.push(`${mark.entry.key} ${before} ${mark.state} ${mark.times}`));
    made.start(entry(1));
    for (const id of [1, 2, 3, 4, 5, 6]) made.expect(entry(id));  // the first was before it began
    made.arrive(entry(2), 201);
    made.arrive(entry(4), 1500);
    made.arrive(entry(3), 1501);
    made.arrive(entry(4), 1502);
    made.skip({ epoch: 1, from: 6, to: null });
    made.arrive(entry(7), 701);
    made.expect(entry(1, 2));
    made.arrive(entry(2, 2), 201);
    return { steps, counts: made.counts, waiting: [...made.waiting.keys()] };
}"""


async def test_lost_late_and_repeated_events_are_told_apart(engines: Engines, demo: Demo) -> None:
    async with opened(engines, "chromium", demo.host.url) as page:
        found = await page.evaluate(RECORDED)
    assert found["counts"] == {"arrived": 5, "late": 2, "lost": 3, "again": 1, "gaps": 1}
    assert found["waiting"] == []
    assert found["steps"] == [
        *[f"1-{id_} null waiting 0" for id_ in (2, 3, 4, 5, 6)],
        "1-2 waiting here 1",
        "1-4 waiting late 1",
        "1-3 waiting lost 0",  # it was overtaken
        "1-3 lost late 1",  # and came after all
        "1-4 late late 2",
        "1-6 waiting lost 0",  # the server has said so
        "1-7 null here 1",  # nobody had told of it
        "1-5 waiting lost 0",
        "2-1 null waiting 0",
        "2-2 null here 1",
        "2-1 waiting lost 0",
    ]


PERCENTILES = """async (values) => {
    const { percentile } = await import("/lab/classroom/record.js");
    return [50, 90, 99].map((q) => percentile(values, q));
}"""


async def test_a_percentile_is_that_of_reports(engines: Engines, demo: Demo) -> None:
    rng = Random(7)
    async with opened(engines, "chromium", demo.host.url) as page:
        for n in (3, 4, 20, 21, 200, 500):
            values = [rng.lognormvariate(0, 1) for _ in range(n)]
            found = await page.evaluate(PERCENTILES, values)
            expected = [stats.percentile(values, q) if stats.supports(n, q) else None for q in (50, 90, 99)]
            assert [one is None for one in found] == [one is None for one in expected]
            assert [one for one in found if one] == pytest.approx([one for one in expected if one])


# What breaks


@BROWSERS
async def test_a_cut_is_told_as_it_was_seen(browser: str, engines: Engines, demo: Demo) -> None:
    (lane,) = USES_EVENTSOURCE
    await show(demo, "steady:rate=50", [lane])
    async with opened(engines, browser, demo.host.url, broken=True) as page:
        await all_open(page)
        await became(page, lane, ".counts .arrived", r"^[1-9]\d")
        await page.click(f"[data-lane={lane}] .breaks button:text('Cut')")
        told = await became(page, lane, ".story", "; open again after")
        found = re.match(
            rf"Cut at [\d:.]+ \(1 connection\); the page knew after {TIME} \(«.+»\); open again after {TIME};", told
        )
        assert found, told
        knew, back = in_ms(*found.group(1, 2)), in_ms(*found.group(3, 4))
        assert 0 <= knew <= back
        if browser == "chromium":
            assert 190 < back < 3000  # it is told to wait for 200 to 600 ms
        late = re.search(
            rf"(\d+) events? came only then, up to {TIME} after", await became(page, lane, ".story", "only then")
        )
        assert late
        assert int(late[1]) <= back / 1000 * 50 + 3  # what was sent meanwhile
        assert "none was lost" in told
        assert await counts(page, "lost") == [0]


@pytest.mark.parametrize("browser", ["chromium", pytest.param("firefox", marks=pytest.mark.slow)])
async def test_a_frozen_lane_is_noticed_by_its_watchdog_and_loses_nothing(
    browser: str, engines: Engines, demo: Demo
) -> None:
    (lane,) = USES_EVENTSOURCE
    await show(demo, "steady:rate=20", [lane])
    async with opened(engines, browser, demo.host.url, broken=True) as page:
        await all_open(page)
        freeze = page.locator(f"[data-lane={lane}] .breaks button:text('Freeze')")
        await freeze.click()
        await became(page, lane, ".story", "the page has noticed nothing, and the oldest event has been on its way")
        assert await freeze.get_attribute("aria-pressed") == "true"
        assert await page.locator(f"[data-lane={lane}] .link").inner_text() == "frozen: both"
        knew = re.search(
            rf"the page knew after {TIME} \(«silent for 5 s»\)", await became(page, lane, ".story", "knew")
        )
        assert knew
        assert 4900 < in_ms(*knew.group(1, 2)) < 8000
        await freeze.click()
        told = await became(page, lane, ".story", "; open again after .*only then.*none was lost")
        assert told.startswith("Frozen from")
        await became(page, lane, ".counts .waiting", "^0$")
        assert await counts(page, "lost") == [0]
        assert (await counts(page, "late"))[0] > 0
        assert not demo.studio.lanes[lane].relay.toxics.freeze


async def test_a_delay_is_told_by_medians(engines: Engines, demo: Demo) -> None:
    (lane,) = USES_EVENTSOURCE
    await show(demo, "steady:rate=50", [lane])
    async with opened(engines, "chromium", demo.host.url) as page:
        await all_open(page)
        await became(page, lane, ".counts .arrived", r"^[1-9]\d")
        await page.click(f"[data-lane={lane}] .breaks button:text('300')")
        told = await became(page, lane, ".story", "median .* before, .* since")
        medians = re.search(rf"median {TIME} before, {TIME} since", told)
        assert medians, told
        before, since = in_ms(*medians.group(1, 2)), in_ms(*medians.group(3, 4))
        assert before < 290 < since  # the clocks may be apart by some ms
        assert "none was lost" in told


async def test_a_proxy_that_buffers_lets_a_poll_through_and_no_stream(engines: Engines, demo: Demo) -> None:
    streaming, polling = (
        next(name for name in PLAIN if among()[name].found.about.pattern == pattern)
        for pattern in ("streaming", "polling")
    )
    await show(demo, "steady:rate=20", [streaming, polling])
    async with opened(engines, "chromium", demo.host.url, broken=True) as page:
        await all_open(page)
        await became(page, polling, ".counts .arrived", r"^\d\d")
        await page.click("#all button:text('Buffer')")
        assert "none was lost" in await became(
            page, polling, ".story", "A proxy that buffers .* median .* before, .* since"
        )
        told = await became(page, streaming, ".story", r"still not open after [2-9]\.\d+ s")
        assert re.search(r"\d\d events on the way", told), told
        await page.click("#all button:text('Heal')")
        await became(page, streaming, ".story", "; open again after .* none was lost")
        assert await counts(page, "lost") == [0, 0]


@pytest.mark.parametrize("browser", [pytest.param("chromium", marks=pytest.mark.slow), "firefox"])  # who is stricter
async def test_a_restarted_server_is_told_with_its_gap(browser: str, engines: Engines, demo: Demo) -> None:
    await show(demo, "steady:rate=50")
    async with opened(engines, browser, demo.host.url, broken=True) as page:
        await all_open(page)
        await page.wait_for_function(f"() => {LANES}.every(one => +one.querySelector('.arrived').textContent > 10)")
        await page.click("#restart")
        gaps = f"() => {LANES}.every(one => one.querySelector('.gaps').textContent === '1')"
        await page.wait_for_function(gaps)
        for lane in PLAIN:
            told = await became(page, lane, ".story", "another was there .*gap")
            down = re.search(rf"and another was there {TIME} later", told)
            assert down, told
            assert in_ms(*down.group(1, 2)) > 1000
            assert re.search(r"the server told of a gap \(restart\): nobody knows what came after event \d+", told), (
                told
            )
        await all_open(page)
        now = max(entry.epoch for entry in ledger(demo))
        last = [entry.id for entry in ledger(demo) if entry.epoch < now][-1]
        said = [re.search(r"after event (\d+)", await became(page, lane, ".story", "gap")) for lane in PLAIN]
        lost = [last - int(one[1]) for one in said if one]
        assert await counts(page, "lost") == lost  # by the ledger, what the lane had not got of the old log


@BROWSERS
async def test_a_hidden_interface_makes_a_lane_fall_back(browser: str, engines: Engines, demo: Demo) -> None:
    (lane,) = USES_EVENTSOURCE
    await show(demo, "steady:rate=50")
    async with opened(engines, browser, demo.host.url) as page:
        await all_open(page)
        await page.click("#hide")
        assert await page.evaluate("'EventSource' in window") is False
        told = await became(page, lane, ".story", "it fell back to")
        assert "EventSource" in told
        title = re.search(r"it fell back to ([\w ]+);", told)
        assert title
        fallback = next(one for one in among().values() if one.title == title[1])
        assert fallback.found.about.pattern == "streaming"  # the next best, as the registry has it
        state = await became(page, lane, ".state", "open, fallen back to")
        assert title[1] in state
        for other in set(PLAIN) - {lane}:
            assert await page.inner_text(f"[data-lane={other}] .story") == ""
        await page.click("#hide")
        await became(page, lane, ".state", "^open$")
        assert await counts(page, "lost") == [0] * len(PLAIN)
        assert await counts(page, "again") == [0] * len(PLAIN)


async def test_the_seventh_tab_waits_and_says_so(engines: Engines, demo: Demo) -> None:
    engine: Any = await engines.get("chromium")
    (lane,) = USES_EVENTSOURCE
    socket = next(name for name in PLAIN if among()[name].found.about.pattern == "socket")
    await show(demo, "steady:rate=20", [lane, socket])
    context = await engine.browser.new_context()
    try:
        page = await context.new_page()
        await page.goto(demo.host.url)
        await all_open(page)
        for one in (lane, socket):
            await page.click(f"[data-lane={one}] [data-panel=tabs]")
            for _ in range(6):
                async with context.expect_page():
                    await page.click(f"[data-lane={one}] .panel.tabs .one")
        await page.bring_to_front()
        told = await became(page, lane, ".others", "7 pages .* 6 are open; 1 has waited")
        assert "1 of them has got no event at all" in told
        await became(page, socket, ".others", "7 pages .* 7 are open")
        await page.click(f"[data-lane={lane}] .panel.tabs .close")
        await became(page, lane, ".others", "^$")
    finally:
        await context.close()


# How it is shown


async def test_the_code_is_the_files_that_run(engines: Engines, demo: Demo) -> None:
    async with opened(engines, "chromium", demo.host.url) as page:
        await all_open(page)
        for name in PLAIN:
            await page.click(f"[data-lane={name}] [data-panel=code]")
            await page.wait_for_selector(f"[data-lane={name}] .panel.code figure")
            shown = await page.evaluate(
                f"[...document.querySelectorAll('[data-lane={name}] figure pre')].map(one => one.textContent)"
            )
            folder = among()[name].found.folder
            assert shown == [(folder / half).read_text().rstrip() + "\n" for half in ("__init__.py", "client.js")]


async def test_the_wire_is_shown_while_it_is_open(engines: Engines, demo: Demo) -> None:
    (lane,) = USES_EVENTSOURCE
    await show(demo, QUIET, [lane])
    wire = demo.wires[lane]
    async with opened(engines, "chromium", demo.host.url, broken=True) as page:
        await all_open(page)
        assert not wire.listeners
        await page.click(f"[data-lane={lane}] [data-panel=wire]")
        await until(lambda: wire.listeners == 1)
        await page.fill("[name=typed]", "seen on the wire")
        await page.click("[name=publish]")
        await page.click(f"[data-lane={lane}] .breaks button:text('Cut')")
        await became(page, lane, ".panel.wire", r"GET /transports/.*event \d.*RST in between.*GET /transports/")
        await page.click(f"[data-lane={lane}] [data-panel=wire]")
        await until(lambda: not wire.listeners)


async def test_it_can_be_used_by_keyboard(engines: Engines, demo: Demo) -> None:
    (lane,) = USES_EVENTSOURCE
    await show(demo, "steady:rate=50", [lane])
    async with opened(engines, "chromium", demo.host.url, broken=True) as page:
        await all_open(page)
        await became(page, lane, ".counts .arrived", r"^[1-9]")
        await page.focus(f"[data-lane={lane}] canvas")
        await page.keyboard.press("ArrowLeft")
        assert re.match(rf"Event \d+, due at [\d:.]+: here after {TIME}", await became(page, lane, ".picked", "Event"))
        for _ in ("Buffer", "3G", "+ 300 ms", "Freeze", "Cut"):
            await page.keyboard.press("Shift+Tab")
        await page.keyboard.press("Enter")
        await became(page, lane, ".story", "Cut at")
        await page.wait_for_function("() => document.querySelector('#news').textContent.includes('Cut at')")


GROUND = "getComputedStyle(document.body).backgroundColor"


@pytest.mark.parametrize("path", ["index.html", "classroom/demo.html", "classroom/board.html", "classroom/lesson.html"])
async def test_every_page_has_the_same_switches_and_keeps_them(path: str, engines: Engines, demo: Demo) -> None:
    async with opened(engines, "chromium", f"{demo.host.origins[0]}/lab/{path}", broken=True) as page:
        light = await page.evaluate(GROUND)
        await expect(page.locator(".top .controls #theme")).to_have_text("Dark")
        await page.click("#theme")
        await page.click("#large")
        await page.reload()
        assert await page.evaluate(GROUND) != light
        assert await page.evaluate("getComputedStyle(document.documentElement).fontSize") == "24px"
        assert await page.get_attribute("#large", "aria-pressed") == "true"
        await page.emulate_media(color_scheme="dark")
        await page.click("#theme")
        assert await page.evaluate(GROUND) == light, "against what the system says"
        await page.evaluate("localStorage.clear()")


@pytest.mark.parametrize("type_", ["normal", "large"])
async def test_it_fits_a_phone(type_: str, engines: Engines, demo: Demo) -> None:
    await show(demo, "steady:rate=50")
    async with opened(engines, "chromium", demo.host.url) as page:
        await page.set_viewport_size({"width": 360, "height": 740})
        await all_open(page)
        if type_ == "large":
            await page.click("#large")
        for panel in ("tabs", "code"):
            await page.click(f".lane [data-panel={panel}]")
        await page.wait_for_selector("figure")
        assert await page.evaluate("document.documentElement.scrollWidth") == 360
        await page.evaluate("localStorage.clear()")


FRAME = 1 / 60
COUNT_FRAMES = "window.drawn = 0; (function count() { window.drawn += 1; requestAnimationFrame(count); })()"


async def test_eight_lanes_at_fifty_events_a_second_fit_into_sixty_frames(engines: Engines, demo: Demo) -> None:
    """By the processor's time that the page's own thread takes: how many frames come is the machine's doing, too."""
    eight = [*PLAIN, *(name for name in among() if name not in PLAIN)][:8]
    await show(demo, "steady:rate=50", eight)
    async with opened(engines, "chromium", demo.host.url) as page:
        await all_open(page)
        assert len(await counts(page, "arrived")) == 8
        line = await page.context.new_cdp_session(page)
        await line.send("Performance.enable", {"timeDomain": "threadTicks"})
        await page.wait_for_function(f"() => {LANES}.every(one => +one.querySelector('.arrived').textContent > 100)")
        before = await taken(line)
        await page.evaluate(COUNT_FRAMES)
        await page.wait_for_function(f"() => {LANES}.every(one => +one.querySelector('.arrived').textContent > 250)")
        after = await taken(line)
        await line.detach()
        assert re.search(r"[\d.]+ ms or less", await page.inner_text("#frames"))
        frames = await page.evaluate("drawn")
        assert frames > 0
        assert (after["TaskDuration"] - before["TaskDuration"]) / frames < FRAME


async def taken(line: Any) -> dict[str, float]:
    metrics = (await line.send("Performance.getMetrics"))["metrics"]
    return {one["name"]: one["value"] for one in metrics}


# Who gets in


async def test_who_has_not_the_key_is_told_so(engines: Engines, demo: Demo) -> None:
    url = demo.host.url.partition("#")[0]
    async with opened(engines, "chromium", f"{url}#guessed") as page:
        await page.wait_for_function("() => document.querySelector('#trouble').textContent.includes('may not control')")
        assert await page.locator(".lane").count() == 0
        assert "guessed" not in page.url
        await page.evaluate("sessionStorage.clear()")


async def enter(demo: Demo, key: Any, origin: str | None = None) -> Any:
    """What the line says to whoever comes with that key."""
    address = demo.host.origins[0].replace("http", "ws") + "/classroom/demo"
    async with websockets.connect(address, origin=origin) as line:  # type: ignore[arg-type]
        await line.send(json.dumps({"n": 1, "do": "enter", "key": key}))
        while True:
            said = json.loads(await line.recv())
            if "answers" in said:
                return said


@pytest.mark.parametrize("key", ["", "wrong", 1, None, ["x"]])
async def test_a_wrong_key_opens_nothing(key: Any, demo: Demo) -> None:
    assert "may not control" in (await enter(demo, key))["refused"]
    assert not demo.channels


async def test_a_foreign_page_is_refused_even_with_the_key(demo: Demo) -> None:
    assert (await enter(demo, demo.host.key)) == {"answers": 1, "ok": True}
    with pytest.raises(websockets.InvalidStatus, match="403"):
        await enter(demo, demo.host.key, "http://evil.example")


async def test_only_halves_of_what_is_shown_are_served(demo: Demo) -> None:
    async with aiohttp.ClientSession(demo.host.origins[0]) as session:
        for name in PLAIN:
            async with session.get(f"/classroom/halves/{name}") as answer:
                assert await answer.text() == (among()[name].found.folder / "__init__.py").read_text()
                assert answer.content_type == "text/plain"
        for name in ("lab", "nothing", "..", "%2e%2e%2flab%2fcli", f"{PLAIN[0]}:x"):
            async with session.get(f"/classroom/halves/{name}") as answer:
                assert answer.status == 404, name


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("steady:rate=201", "201 events/s: 200 are the most"),
        ("bursts:rate=21,count=10", "210 events/s"),
        ("poisson:rate=1,size=65537", "65537 bytes"),
        ("steady:rate=100,size=20000", "2000000 B/s"),
        ("http", "type an event"),
        ("lines:-", "type an event"),
        ("nothing", "is no kind of source"),
    ],
)
def test_what_is_too_much_is_refused(source: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        checked(source)


@pytest.mark.parametrize("source", ["steady:rate=200", "bursts:rate=20,count=10", "steady:rate=16,size=65536"])
def test_what_can_be_borne_is_not(source: str) -> None:
    assert checked(source).text == source


def test_a_recorded_trace_is_as_dense_as_lanes_can_bear_at_its_densest(tmp_path: Path) -> None:
    dues = [0, *(10**9 + n * 10**6 for n in range(199)), 3 * 10**9]
    (tmp_path / "trace").write_text("".join(json.dumps({"due": due, "data": "x"}) + "\n" for due in dues))
    replay = f"replay:{tmp_path}/trace"
    assert checked(replay).text == replay
    assert checked(f"{replay},factor=2").text.endswith("factor=2"), "the first and the 199 are 200 in a second then"
    with pytest.raises(UserError, match="201 events/s: 200 are the most"):
        checked(f"{replay},factor=4")


def test_a_file_that_is_followed_is_read_no_faster_than_lanes_can_bear(tmp_path: Path) -> None:
    (tmp_path / "real.log").touch()
    followed = f"lines:{tmp_path}/real.log"
    assert checked(followed).text == f"{followed},most=200,bytes=1048576"
    assert checked(f"{followed},most=5").text == f"{followed},most=5,bytes=1048576"
    with pytest.raises(UserError, match="201 events/s: 200 are the most"):
        checked(f"{followed},most=201")


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"do": "play", "source": "steady:rate=5000"}, "200 are the most"),
        ({"do": "play", "source": 5}, "source '5' is wrong"),
        ({"do": "publish", "text": "x" * 10_001}, "10000 are the most"),
        ({"do": "damage", "kind": "explode"}, f"unknown fault 'explode': there are {', '.join(FAULTS)}"),
        ({"do": "cut", "lane": "nowhere"}, "unknown lane 'nowhere'"),
        ({"do": "demo"}, "unknown request 'demo'"),
    ],
)
async def test_a_wrong_request_is_refused_in_a_sentence(asked: dict[str, Any], says: str, demo: Demo) -> None:
    address = demo.host.origins[0].replace("http", "ws") + "/classroom/demo"
    async with websockets.connect(address) as line:
        await line.send(json.dumps({"n": 1, "do": "enter", "key": demo.host.key}))
        await line.send(json.dumps({"n": 2, **asked}))
        while (said := json.loads(await line.recv())).get("answers") != 2:
            pass
        assert says in said["refused"]


# The command


def leads(address: str) -> tuple[int, str] | None:
    """Who may read that file, and where it leads; None if it isn't there."""
    file = Path(unquote(urlsplit(address).path))
    if not file.exists():
        return None
    return file.stat().st_mode & 0o777, file.read_text().partition("url=")[2].partition('"')[0]


async def test_the_command_prints_where_it_is_opens_a_browser_and_ends_by_a_signal(tmp_path: Path) -> None:
    browser, opened_by = tmp_path / "browser", tmp_path / "address"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened_by}\n')
    browser.chmod(0o700)
    async with running("demo", "--source", QUIET, env={"BROWSER": str(browser)}) as process:
        address = (await process.says(r"(http://127\.0\.0\.1:\d+/#[\w-]{22})"))[1]
        await until(lambda: opened_by.exists() and opened_by.read_text().endswith("\n"))
        told = opened_by.read_text().strip()
        assert address.partition("#")[2] not in told, "everybody on this machine sees a command line"
        assert leads(told) == (0o600, address)
        async with aiohttp.ClientSession() as session, session.get(address.partition("#")[0]) as answer:
            assert answer.url.path == "/lab/classroom/demo.html"
        assert (await process.ended(signal.SIGTERM, within=30)).code == 0
    assert leads(told) is None, "it is gone"
