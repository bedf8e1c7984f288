"""A connection that is silent for too long is given up, and a reader that hangs up hears nothing more."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from conftest import SUBJECTS, Engines, Lab, Labs, claims, ids

from benchmarks.browser import Reader, Seen

STREAMING = ["sse", "fetch_streaming", "xhr_streaming", "xhr_streaming:polled", "websocket"]
WATCHDOG = 0.5


async def until(reader: Reader, there: Callable[[Seen], bool], seconds: float = 10) -> Seen:
    deadline = time.monotonic() + seconds
    while not there(seen := await reader.seen()):
        assert time.monotonic() < deadline, seen
        await asyncio.sleep(0.02)
    return seen


def bitten(seen: Seen) -> bool:
    return any(why == f"silent for {WATCHDOG} s" for _, why in seen.lost)


async def test_silence_is_noticed_and_nothing_is_lost_by_it(engine_name: str, engines: Engines, lab: Lab) -> None:
    lab.settings["heartbeat"] = 0
    engine = await engines.get(engine_name)
    before = asyncio.Event()

    async def through_silence(name: str) -> None:
        reading = engine.reading(SUBJECTS[name], lab.origin, {"watchdog": WATCHDOG}, "")
        async with reading as reader:
            assert await reader.reached(lab.log.epoch, 1, 10)
            await until(reader, lambda seen: bitten(seen) and len(seen.opened) >= 2)
            arrived.append(name)
            await before.wait()
            assert await reader.reached(lab.log.epoch, 3, 10)
            seen = await reader.seen()
            assert (name, ids(seen), seen.gaps) == (name, [1, 2, 3], [])
            quiet = seen.lost[0][0] - seen.opened[0]
            assert quiet > 0.9 * WATCHDOG * 1e9, "it was given up too soon"

    names = [name for name in STREAMING if claims(SUBJECTS[name], engine_name)]
    arrived: list[str] = []
    await lab.log.append("first")
    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(through_silence(name))
        async with asyncio.timeout(10):
            while len(arrived) < len(names):
                await asyncio.sleep(0.01)
        await lab.log.append("second")
        await lab.log.append("third")
        before.set()


async def test_a_sign_of_life_keeps_the_watchdog_quiet(engine_name: str, engines: Engines, lab: Lab) -> None:
    lab.settings["heartbeat"] = 0.1
    engine = await engines.get(engine_name)

    async def through_quiet(name: str) -> None:
        async with engine.reading(SUBJECTS[name], lab.origin, {"watchdog": WATCHDOG}, "now") as reader:
            assert await reader.opened(10)
            begun = (await reader.seen()).alive
            seen = await until(reader, lambda seen: seen.alive >= begun + 10)
            assert (name, seen.lost, len(seen.opened)) == (name, [], 1)

    names = [name for name in STREAMING if claims(SUBJECTS[name], engine_name)]
    await asyncio.gather(*map(through_quiet, names))


HANG_UP_AT_THE_FIRST = """async ([name, cursor]) => {
    const { connect } = await import("/lab/transports.js");
    const heard = [];
    const hungUp = new Promise((done) => {
        const say = (what) => () => { heard.push(what); };
        let hangUp = null;
        const sink = { cursor, open: say("open"), alive: say("alive"), lost: say("lost"), event(line) {
            heard.push("event");
            hangUp();
            done();
            return "now";
        } };
        connect(name, sink).then((end) => { hangUp = end; });
    });
    await hungUp;
    await new Promise((done) => setTimeout(done, 250));
    return heard.filter((what) => what !== "open" && what !== "alive");
}"""


@pytest.mark.parametrize("browser", ["chromium", "firefox"])
async def test_a_reader_that_hangs_up_hears_nothing_more(browser: str, engines: Engines, labs: Labs) -> None:
    """Not even of what came at once with the last event that it wanted."""
    engine: Any = await engines.get(browser)

    async def heard(name: str, lab: Lab) -> list[str]:
        async with engine.page(f"{lab.origin}/lab/trial.html") as page:
            said: list[str] = await page.evaluate(HANG_UP_AT_THE_FIRST, [name, ""])
            return said

    by_name = {name: await labs.for_(one) for name, one in SUBJECTS.items() if claims(one, browser)}
    for log in {id(lab.log): lab.log for lab in by_name.values()}.values():
        for n in range(5):
            await log.append(n)
    for name, said in zip(by_name, await asyncio.gather(*map(heard, by_name, by_name.values())), strict=True):
        assert (name, said) == (name, ["event"])
