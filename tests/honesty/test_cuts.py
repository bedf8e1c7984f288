"""Connections that are cut at random moments, while the log soon forgets: each event comes once, or a gap names it."""

import asyncio
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from random import Random

import pytest
from conftest import SUBJECTS, Engines, Lab, claims, missing, running_lab

from benchmarks.browser import Engine, Seen
from benchmarks.reckoning import reckoned
from lab.link import Relay, relaying
from lab.transport import Subject

ENGINES = ("native", "chromium")
FORGETFUL, FAITHFUL = 15, 1_000_000
"""Events that a log keeps: what a reader can easily miss while it is away, and more than there will be."""

PAIRS = [
    (engine, name)
    for engine in ENGINES
    for name, one in SUBJECTS.items()
    if claims(one, engine) and not one.variant and not missing(engine)
]


@dataclass
class Outcome:
    """What a reader saw of a log between its first event and its last, and how often it was cut."""

    name: str
    caught_up: bool
    seen: Seen
    cuts: int


async def through_cuts(lab: Lab, engine: Engine, subject: Subject, times: int, rng: Random) -> Outcome:
    """A reader through a relay of its own that cuts it so often; until it has everything."""
    async with (
        relaying(lab.port) as relay,
        engine.reading(subject, lab.origin, {"origin": relay.origin, "every": 0.05}, "now") as reader,
    ):
        assert await reader.opened(20), (await reader.seen()).lost
        start = lab.log.last + 1
        while not await reader.reached(lab.log.epoch, start, 0.1):
            pass
        cuts = 0
        while cuts < times:
            cuts += await cut(relay, rng)
        caught_up = await reader.reached(lab.log.epoch, lab.log.last, 20)
        return Outcome(f"{subject.name} in {engine.name}", caught_up, await reader.seen(), cuts)


async def cut(relay: Relay, rng: Random) -> int:
    """At a random moment, once there is a connection; how many were cut."""
    await asyncio.sleep(rng.uniform(0, 0.15))
    async with asyncio.timeout(20):
        while not relay.connections:
            await asyncio.sleep(0.005)
    return min(relay.cut(rng.choice(["fin", "rst"])), 1)


async def all_through(engines: Engines, pairs: Iterable[tuple[str, str]], retained: int, times: int) -> list[Outcome]:
    """All of them at once: most of the time goes by until they come back."""
    async with AsyncExitStack() as stack:
        lab = await stack.enter_async_context(running_lab(retained=retained))
        rng, here = Random(4), {name: await engines.get(name) for name, _ in pairs}
        running = [
            asyncio.create_task(through_cuts(lab, here[engine], SUBJECTS[name], times, rng)) for engine, name in pairs
        ]
        while not all(task.done() for task in running):
            if any(task.done() and task.exception() for task in running):
                break
            await lab.log.append("x" * rng.randrange(200))
            await asyncio.sleep(0.01)
            if retained == FORGETFUL and lab.log.last % 40 == 0:
                await asyncio.sleep(0.2)  # or the slowest would never be at the end of the log
        return list(await asyncio.gather(*running))


def judge(outcomes: list[Outcome], at_least: int) -> int:
    """Every reader's account must be complete; returns how many events gaps named."""
    for one in outcomes:
        assert one.seen.events, one.name
        assert one.caught_up, (one.name, one.seen.events[-1], one.seen.lost[-3:])
        assert list(reckoned(one.seen).wrong()) == [], one.name
    assert sum(one.cuts for one in outcomes) >= at_least
    return sum(gap["to"] - gap["from"] + 1 for one in outcomes for gap in one.seen.gaps)


async def test_a_hundred_cuts_of_readers_of_a_log_that_soon_forgets(engines: Engines) -> None:
    outcomes = await all_through(engines, PAIRS, FORGETFUL, -(-100 // len(PAIRS)))
    assert judge(outcomes, 100) > 0, "nothing was missed: the log kept too much for this to prove anything"


@pytest.mark.slow
@pytest.mark.parametrize("retained", [FORGETFUL, FAITHFUL])
async def test_five_hundred_cuts(engines: Engines, retained: int) -> None:
    """A thousand, with both logs."""
    missed = judge(await all_through(engines, PAIRS, retained, -(-500 // len(PAIRS))), 500)
    assert (missed > 0) == (retained == FORGETFUL)


@pytest.mark.parametrize(
    ("got", "gaps", "wrong"),
    [
        ([3, 4, 5], [], []),
        ([3, 6], [(4, 5)], []),
        ([3, 6], [(4, 4)], ["5 is missing, and no gap names it"]),
        ([3, 4, 6], [(4, 5)], ["4 arrived although a gap names it"]),
        ([3, 4, 4], [], ["4 after 4"]),
        ([3, 5, 4], [], ["4 after 5"]),
    ],
)
def test_what_is_wrong_is_seen(got: list[int], gaps: list[tuple[int, int]], wrong: list[str]) -> None:
    told = [{"epoch": 1, "from": first, "to": last, "why": "retention"} for first, last in gaps]
    assert list(reckoned(Seen(0, [], [(1, id_, 0) for id_ in got], told, [], 0, 0.0, [])).wrong()) == wrong
