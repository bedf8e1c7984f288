"""A connection that is silent for too long is given up; and a reader that hangs up hears nothing more."""

from typing import Any

import pytest
from conftest import SUBJECTS, Engines, Lab, Labs, claims

BROWSERS = pytest.mark.parametrize("browser", ["chromium", "firefox"])
STREAMING = ["sse", "fetch_streaming", "xhr_streaming", "xhr_streaming:polled", "websocket"]
WATCHDOG = 1
"""Seconds: so long nothing keeps signs of life away from a page, on a machine that is busy, too."""

FOLLOW = """async ([group, names, origin, watchdog]) => {
    const { follow } = await import("/lab/follow.js");
    window[group] = names.map((name) => follow(name, { cursor: "", origin, watchdog }));
}"""
SEEN = """(group) => window[group].map(({ arrivals, opened, lost, gaps, alive }) =>
    ({ ids: arrivals.map(([, id]) => id), opened, lost, gaps: gaps.length, alive }))"""


@BROWSERS
async def test_silence_is_noticed_and_signs_of_life_are_heard(browser: str, engines: Engines, lab: Lab) -> None:
    """In one page at the same time: those that hear nothing come back and lose nothing, the others stay."""
    engine: Any = await engines.get(browser)
    async with engine.page(f"{lab.origin}/lab/trial.html") as page:
        for group, heartbeat, origin in (("fed", 0.1, lab.origins[1]), ("silent", 0, lab.origin)):
            lab.settings["heartbeat"] = heartbeat  # it holds for whoever comes from now on
            await page.evaluate(FOLLOW, [group, STREAMING, origin, WATCHDOG])
            await page.wait_for_function("(group) => window[group].every((one) => one.opened.length)", arg=group)
        await page.wait_for_function("() => silent.every((one) => one.opened.length >= 2)")
        await page.wait_for_function("() => fed.every((one) => one.alive >= 8)")
        for n in range(3):
            await lab.log.append(n)
        await page.wait_for_function("() => [...fed, ...silent].every((one) => one.arrivals.length >= 3)")
        for name, silent, fed in zip(
            STREAMING, await page.evaluate(SEEN, "silent"), await page.evaluate(SEEN, "fed"), strict=True
        ):
            assert (name, silent["ids"], silent["gaps"]) == (name, [1, 2, 3], 0)
            assert (name, {why for _, why in silent["lost"]}) == (name, {f"silent for {WATCHDOG} s"})
            assert silent["lost"][0][0] - silent["opened"][0] >= WATCHDOG * 1000 - 5, "it was given up too soon"
            assert (name, fed["ids"], fed["gaps"]) == (name, [1, 2, 3], 0)
            assert (name, fed["lost"], len(fed["opened"])) == (name, [], 1)


HANG_UP_AT_THE_FIRST = """(names) => Promise.all(names.map(async ([name, origin]) => {
    const { connect } = await import("/lab/transports.js");
    const heard = [];
    await new Promise((done) => {
        let hangUp = null;
        const say = (what) => () => { heard.push(what); };
        const event = () => { heard.push("event"); hangUp(); done(); return "now"; };
        const sink = { cursor: "", event, open() {}, alive() {}, lost: say("lost") };
        connect(name, sink, { origin }).then((end) => { hangUp = end; });
    });
    await new Promise((done) => setTimeout(done, 150));
    return [name, heard];
}))"""


@BROWSERS
async def test_a_reader_that_hangs_up_hears_nothing_more(browser: str, engines: Engines, labs: Labs) -> None:
    """Not even of what came at once with the last event that it wanted."""
    engine: Any = await engines.get(browser)
    lab = await labs.for_()
    names = [name for name, one in SUBJECTS.items() if claims(one, browser) and not one.options.server]
    for n in range(5):
        await lab.log.append(n)
    async with engine.page(f"{lab.origin}/lab/trial.html") as page:
        asked = [(name, lab.origins[n % 2]) for n, name in enumerate(names)]
        heard = dict(await page.evaluate(HANG_UP_AT_THE_FIRST, asked))
    assert heard == {name: ["event"] for name in names}
