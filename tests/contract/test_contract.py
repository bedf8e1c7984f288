"""What every transport promises, in every engine that it claims. A folder dropped in is tested by this."""

import asyncio
import time
from collections.abc import Callable, Mapping
from random import Random

import pytest
from conftest import RETAINED, SUBJECTS, Engines, Labs, Stage, claims, ids, missing, running_lab, wanted_engines

from benchmarks.browser import Reader, Seen
from lab.link import Relay, relaying

AWKWARD = [
    "line\nbreaks\r\nof\rall\u0085kinds\u2028and\u2029more",
    "NUL \x00 and other controls \x01\x0b\x1f\x7f",
    "é ü 漢字 😀 \ufeff",
    "half a pair: \ud83d",
    "",
    " leading and trailing ",
    {"id": 1, "gap": None, "cursor": "now", "nested": [{"data": [1.5, True, None]}]},
    "data: x\n\nevent: alive\n\n: comment",
]

Pair = tuple[str, str]  # engine, subject
Outcome = tuple[bool, Seen]  # whether a reader has caught up, and all that it saw


async def until(reader: Reader, there: Callable[[Seen], bool], seconds: float = 5) -> Seen:
    deadline = time.monotonic() + seconds
    while not there(seen := await reader.seen()):
        assert time.monotonic() < deadline, seen
        await asyncio.sleep(0.02)
    return seen


async def test_in_order_and_nothing_lost(stage: Stage) -> None:
    reader = await stage.follow()
    for n in range(50):
        await stage.append(n)
        await asyncio.sleep(0.002)
    assert ids(await stage.seen(reader)) == list(range(1, 51))


async def test_from_another_origin(stage: Stage) -> None:
    await stage.append("before")
    reader = await stage.follow(origin=stage.lab.origins[1])
    await stage.append("after")
    assert (await stage.seen(reader)).data == ["before", "after"]


async def test_from_now_on(stage: Stage) -> None:
    await stage.append("past")
    reader = await stage.follow("now")
    await stage.append("future")
    assert (await stage.seen(reader)).data == ["future"]


async def test_from_a_cursor(stage: Stage) -> None:
    await stage.append(*range(5))
    reader = await stage.follow(f"{stage.log.epoch}-3")
    assert ids(await stage.seen(reader)) == [4, 5]


async def test_a_gap_where_the_log_has_forgotten(stage: Stage) -> None:
    await stage.append(*range(RETAINED + 10))
    reader = await stage.follow(f"{stage.log.epoch}-4")
    seen = await stage.seen(reader)
    assert [(gap["epoch"], gap["from"], gap["to"], gap["why"]) for gap in seen.gaps] == [
        (stage.log.epoch, 5, 10, "retention")
    ]
    assert ids(seen) == list(range(11, RETAINED + 11))


async def test_a_gap_where_the_log_began_anew(stage: Stage) -> None:
    await stage.append("old")
    reader = await stage.follow()
    epoch = stage.log.epoch
    assert await reader.reached(epoch, 1, 5)
    stage.log.restart()
    await stage.append("new")
    seen = await stage.seen(reader)
    assert [(gap["epoch"], gap["from"], gap["to"], gap["why"]) for gap in seen.gaps] == [(epoch, 2, None, "restart")]
    assert seen.data == ["old", "new"]


async def test_awkward_data(stage: Stage) -> None:
    reader = await stage.follow()
    await stage.append(*AWKWARD)
    assert (await stage.seen(reader)).data == AWKWARD


async def test_text_split_at_every_byte(stage: Stage) -> None:
    relay = await stage.relay()
    reader = await stage.follow(origin=relay.origin)
    relay.set(piece=1)
    await stage.append("é漢😀")
    assert (await stage.seen(reader)).data == ["é漢😀"]


async def test_a_large_event(stage: Stage) -> None:
    large = "é😀\u2028\n" * (stage.subject.found.about.largest // 12)
    reader = await stage.follow()
    await stage.append(large)
    assert (await stage.seen(reader)).data == [large]


async def test_signs_of_life(stage: Stage) -> None:
    """A reader that hears nothing can tell a quiet source from a dead connection."""
    stage.lab.settings["heartbeat"] = 0.05
    reader = await stage.follow("now", hold=0.05, every=0.05)
    before = await reader.seen()
    seen = await until(reader, lambda seen: seen.alive + len(seen.opened) >= before.alive + len(before.opened) + 3)
    assert not seen.lost


async def test_hanging_up_frees_the_server(stage: Stage) -> None:
    reader = await stage.follow()
    await stage.append("something")
    await stage.seen(reader)
    await reader.hang_up()
    deadline = time.monotonic() + 1
    while stage.log.readers:
        assert time.monotonic() < deadline, "a reader is still being served a second after it has left"
        await asyncio.sleep(0.01)


async def test_the_servers_end_is_noticed(stage: Stage) -> None:
    options = dict(stage.subject.options.server)
    async with running_lab(options, friends=stage.lab.origins) as doomed:
        reader = await stage.follow("now", origin=doomed.origin)
        doomed.server.stop()
        await until(reader, lambda seen: bool(seen.lost))
        began = time.monotonic()
    assert time.monotonic() - began < 3, "a reader has kept the server from ending"


@pytest.fixture(scope="module")
async def cut(labs: Labs, engines: Engines, request: pytest.FixtureRequest) -> Mapping[Pair, asyncio.Task[Outcome]]:
    """Readers of all pairs at once, each through a relay of its own that cuts at random moments; all have ended.

    Most of the time goes by until they come back, which browsers do after half a second: so none waits for another.
    """
    here = {name: await engines.get(name) for name in wanted_engines(request.config) if not missing(name)}
    chosen = request.config.getoption("--transport") or sorted(SUBJECTS)
    pairs = [(engine, name) for engine in here for name in chosen if claims(SUBJECTS[name], engine)]
    following = {name: await labs.for_(SUBJECTS[name]) for _, name in pairs}
    started, ready, finished, rng = asyncio.Event(), list[Pair](), list[Pair](), Random(20)

    async def through_cuts(pair: Pair) -> Outcome:
        engine, subject, lab = here[pair[0]], SUBJECTS[pair[1]], following[pair[1]]
        async with (
            relaying(lab.port) as relay,
            engine.reading(subject, lab.origin, {"origin": relay.origin, "longest": 0.3}, "now") as reader,
        ):
            assert await reader.opened(20)
            ready.append(pair)
            await started.wait()
            await cut_twenty_times(relay, rng)
            finished.append(pair)
            return await reader.reached(lab.log.epoch, lab.log.last, 20), await reader.seen()

    running = {pair: asyncio.create_task(through_cuts(pair)) for pair in pairs}

    def all_are(in_it: list[Pair]) -> bool:
        return all(pair in in_it or task.done() for pair, task in running.items())

    while not all_are(ready):
        await asyncio.sleep(0.01)
    started.set()
    logs = {id(lab): lab.log for lab in following.values()}.values()
    while not all_are(finished):
        for log in logs:
            if log.last < RETAINED - 100:
                await log.append("x" * rng.randrange(200))
        await asyncio.sleep(0.02)
    await asyncio.gather(*running.values(), return_exceptions=True)
    return running


async def cut_twenty_times(relay: Relay, rng: Random) -> None:
    """At random moments after the reader has come back, every other time only once it was answered.

    Cut again and again before an answer, browsers wait ever longer, and Firefox gives an EventSource up after twelve.
    """
    cuts = 0
    async with asyncio.timeout(90):
        while cuts < 20:
            answers = relay.bytes["down"]
            while not relay.connections or (cuts % 2 and relay.bytes["down"] == answers):
                await asyncio.sleep(0.005)
            await asyncio.sleep(rng.uniform(0, 0.2))
            cuts += relay.cut(rng.choice(["fin", "rst"])) > 0


async def test_every_event_once_through_twenty_cuts(
    stage: Stage, engine_name: str, cut: Mapping[Pair, asyncio.Task[Outcome]]
) -> None:
    caught_up, seen = cut[engine_name, stage.subject.name].result()
    first, last = (seen.events[0][1], seen.events[-1][1]) if seen.events else (1, 0)
    assert caught_up, (last, seen.lost[-3:])
    assert ids(seen) == list(range(first, last + 1))
    assert not seen.gaps
