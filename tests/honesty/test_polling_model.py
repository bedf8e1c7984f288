"""Polling through a relay behaves as its model says (RFC 6202, section 2.2), to 5 %.

Everything takes `WAY` seconds each way.

Long polling: an answer takes one way to the reader, and the next request one way back. Who comes g after the event
before waits for that request if it's not there yet, and then goes one way: 3 × WAY − g in all. Later ones find the
request waiting: 1 × WAY.

Short polling: a request and its answer take two ways, and then the reader rests. So the server is asked once in
rest + 2 × WAY, an event waits half of that on average, and then goes one way: rest / 2 + 2 × WAY in all.

These are ways on the wire. A browser takes some milliseconds of its own to hand over an answer, and to ask anew. Both
are measured with nothing held, and the model has them once for each answer that it takes.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import numpy as np
import pytest
from conftest import Engines
from quiet import Others, others
from relayed import Block, Line, delays, line

from benchmarks.browser import Reader

pytestmark = pytest.mark.alone

WAY = 0.05  # seconds
PAIRS = 6
GAPS = (0.02, 0.15)
WITHIN = 0.05
REST = 0.1  # seconds, of short_polling:100ms
FIRST, SECOND = slice(0, None, 2), slice(1, None, 2)


@dataclass(frozen=True)
class Own:
    """What a reader takes by itself, in seconds, measured with nothing held.

    Attributes:
        answer: from an event that finds a request waiting to the reader's script.
        turn: from an event that finds a request waiting until the next request is there.
    """

    answer: float
    turn: float


OwnTime = Callable[[str], Awaitable[Own]]


@pytest.fixture(scope="module")
async def there() -> AsyncIterator[Line]:
    async with line() as there:
        yield there


@pytest.fixture(scope="module")
def own_time(there: Line, engines: Engines) -> OwnTime:
    """By pairs of events, the second as soon after the first as can be: it waits for the next request."""
    known: dict[str, Own] = {}

    async def of(reads: str) -> Own:
        if reads not in known:
            async with there.reading("long_polling", reads, engines) as reader:
                due = await play_pairs(there, [0.0] * 15, 0)
                seen = await delays(reader, Block(due, [])) / 1000
                gaps = np.diff([0, *due.values()]) / 1e9
                answer = float(np.median(seen[FIRST]))
                known[reads] = Own(answer, float(np.median((seen + gaps)[SECOND])) - answer)
        return known[reads]

    return of


def long_poll(gap: np.ndarray, way: float, own: Own) -> np.ndarray:
    """Latency in ms of events that come `gap` seconds after the one before."""
    turn = 2 * way + own.turn
    return 1000 * (np.where(gap < turn, turn - gap, 0) + way + own.answer)


def short_poll(rest: float, way: float, own: Own) -> float:
    """Mean latency in ms."""
    return 1000 * ((rest + 2 * way + own.turn) / 2 + way + own.answer)


@dataclass
class Followed:
    """What a reader saw of some events, in ms, beside what the model says."""

    seen: np.ndarray
    model: np.ndarray

    def __str__(self) -> str:
        return f"{np.median(self.seen):.1f} ms instead of {np.median(self.model):.1f}"

    def agrees(self, within: float) -> bool:
        return abs(float(np.median(self.seen) / np.median(self.model)) - 1) <= within


def judge(machine: Others, within: float = WITHIN, **found: Followed) -> None:
    """Nothing is said about the model where others have taken the processors."""
    wrong = {what: str(one) for what, one in found.items() if not one.agrees(within)}
    if wrong and not machine.quiet:
        pytest.skip(f"others took {machine.share:.0%} of the CPUs: too much for {within:.0%}; seen were {wrong}")
    assert not wrong


async def play_pairs(there: Line, gaps: Iterable[float], way: float) -> dict[int, int]:
    """Pairs of events so far apart that all is quiet again before each: when each was due, by id."""
    due: dict[int, int] = {}
    for gap in gaps:
        for wait in (gap, max(3 * way - gap, way) + 2 * way + 0.05):
            due |= await there.append()
            await asyncio.sleep(wait)
    return due


async def followed(reader: Reader, due: dict[int, int], way: float, own: Own) -> tuple[Followed, Followed]:
    """The first ones of the pairs, and the second ones. Their gaps are as they truly were."""
    seen = await delays(reader, Block(due, []))
    gaps = np.diff([0, *due.values()]) / 1e9
    model = long_poll(gaps, way, own)
    return Followed(seen[FIRST], model[FIRST]), Followed(seen[SECOND], model[SECOND])


@pytest.mark.parametrize("reads", ["native", "chromium"])
async def test_long_polling_waits_for_the_next_request(
    reads: str, there: Line, engines: Engines, own_time: OwnTime
) -> None:
    """A gap on each side of a round trip, by turns."""
    with others() as machine:
        own = await own_time(reads)
        async with there.reading("long_polling", reads, engines) as reader:
            await there.set(delay=WAY)
            await asyncio.sleep(4 * WAY)
            gaps = [GAPS[n % 2] for n in range(PAIRS)]
            first, second = await followed(reader, await play_pairs(there, gaps, WAY), WAY, own)
    soon, late = (Followed(second.seen[n::2], second.model[n::2]) for n in (0, 1))
    judge(machine, first=first, soon=soon, late=late)


@pytest.mark.slow
@pytest.mark.parametrize("way", [0.02, 0.05, 0.1])
@pytest.mark.parametrize("reads", ["native", "chromium"])
async def test_long_polling_over_all_gaps(
    reads: str, way: float, there: Line, engines: Engines, own_time: OwnTime
) -> None:
    """From none to three round trips; where a gap is a round trip, either may come first."""
    shares = [share for share in np.arange(0, 3.01, 0.25) if share != 1]
    found = {}
    with others() as machine:
        own = await own_time(reads)
        async with there.reading("long_polling", reads, engines) as reader:
            await there.set(delay=way)
            await asyncio.sleep(4 * way)
            for share in shares:
                due = await play_pairs(there, [share * 2 * way] * PAIRS, way)
                _, found[f"{share:g} round trips"] = await followed(reader, due, way, own)
    judge(machine, **found)


@pytest.mark.parametrize("reads", ["native", "chromium"])
async def test_short_polling_waits_half_a_turn(reads: str, there: Line, engines: Engines, own_time: OwnTime) -> None:
    turn = REST + 2 * WAY
    with others() as machine:
        own = await own_time(reads)
        async with there.reading("short_polling:100ms", reads, engines) as reader:
            await there.set(delay=WAY)
            await asyncio.sleep(4 * WAY)
            seen = await delays(reader, await there.play(f"steady:rate=100,size=20,seconds={10 * turn}", turn + WAY))
    mean, model = np.array([np.mean(seen)]), np.array([short_poll(REST, WAY, own)])
    judge(machine, mean=Followed(mean, model))


# What that means for a busy source, and for a quiet one


async def in_ways(there: Line, engines: Engines, source: str) -> dict[str, float]:
    """The median latency of the same events by a stream and by long polling, in ways, by transport and engine."""
    subjects = [(name, reads) for name in ("sse", "long_polling") for reads in ("native", "chromium")]
    async with AsyncExitStack() as stack:
        readers = [await stack.enter_async_context(there.reading(*subject, engines)) for subject in subjects]
        await there.set(delay=WAY)
        await asyncio.sleep(4 * WAY)
        block = await there.play(source, 4 * WAY)
        medians = [float(np.median(await delays(reader, block))) / 1000 for reader in readers]
    return {f"{name} {reads}": ms / WAY for (name, reads), ms in zip(subjects, medians, strict=True)}


def judge_ways(machine: Others, seen: dict[str, float], poll: float) -> None:
    """Streams take one way and at most a tenth more, polls as many as that, within a fifth."""
    right = {
        what: 1 <= ways <= 1.1 if what.startswith("sse") else abs(ways / poll - 1) <= 0.2 for what, ways in seen.items()
    }
    if not (all(right.values()) or machine.quiet):
        pytest.skip(f"others took {machine.share:.0%} of the CPUs; seen were {seen}")
    assert all(right.values()), seen


async def test_twenty_events_per_second_take_two_ways_by_long_polling(there: Line, engines: Engines) -> None:
    with others() as machine:
        seen = await in_ways(there, engines, "steady:rate=20,size=100,seconds=2")
    judge_ways(machine, seen, poll=2.1)


@pytest.mark.slow
async def test_one_event_per_second_takes_one_way(there: Line, engines: Engines) -> None:
    with others() as machine:
        seen = await in_ways(there, engines, "metronome:rate=1,size=100,count=10")
    judge_ways(machine, seen, poll=1.05)
