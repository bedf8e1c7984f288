"""A relay that holds everything back by a known time: the latency of streams moves by just that.

The relay says how long it truly held each piece. What is left of an event's latency is the rest of its way, which
must be the same whatever the relay holds. Blocks of events alternate on one connection to one reader: in the first of
each round the relay holds for a millisecond, in the others for 5 and 50. The first waits for a timer, too, as long as
it takes the processors to fall asleep: else it would be the server's own work that keeps them awake for the reader.
"""

import math
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from conftest import Engines
from quiet import Others, others
from relayed import Block, Line, delays, line

from benchmarks.browser import Reader

pytestmark = pytest.mark.alone

STREAMS = [
    ("sse", "chromium"),
    ("fetch_streaming", "chromium"),
    ("websocket", "chromium"),
    ("sse", "native"),
    ("fetch_streaming", "native"),
    ("xhr_streaming", "native"),
    ("websocket", "native"),
]
SOME = [("sse", "chromium"), ("websocket", "chromium"), ("fetch_streaming", "native"), ("xhr_streaming", "native")]
"""In `make test`: each transport that streams, and both ways of reading."""

REFERENCE, *HOLDS = 0.001, 0.005, 0.05  # seconds
COUNT, RATE = 32, 250
"""Events of a block, 4 ms apart: when one leaves the relay, the last one came in 1 or 2 ms ago."""

LEAST = 5
"""Rounds."""

MOST = 0.05  # ms, by which what is left may differ
ERROR = 0.015  # ms, the standard error of that to be reached
SECONDS = {"native": 3.0, "chromium": 5.0}
"""How long to measure at most."""

PATIENT = 8
"""So many times as long, where there is time."""


@pytest.fixture(scope="module")
async def there() -> AsyncIterator[Line]:
    async with line() as there:
        yield there


@dataclass
class Rest:
    """What is left of the events' latency (ms) besides being held, by what the relay was to hold; an array a round."""

    of: dict[float, list[np.ndarray]] = field(default_factory=lambda: {hold: [] for hold in (REFERENCE, *HOLDS)})

    @property
    def rounds(self) -> int:
        return len(self.of[REFERENCE])

    def moved(self, hold: float) -> float:
        """By how much more than by what was held: the median over pairs of events of the same round."""
        return float(np.median(np.concatenate(self._pairs(hold))))

    def error(self, hold: float) -> float:
        """The standard error of that, from how far apart the rounds are; a few wild ones don't count."""
        if self.rounds < LEAST:
            return math.inf
        medians = [np.median(pairs) for pairs in self._pairs(hold)]
        apart = np.median(np.abs(medians - np.median(medians)))
        return float(1.4826 * apart * 1.2533 / np.sqrt(len(medians)))

    def _pairs(self, hold: float) -> list[np.ndarray]:
        """Each event with each one of the reference."""
        return [
            np.subtract.outer(held, usual).ravel()
            for held, usual in zip(self.of[hold], self.of[REFERENCE], strict=True)
        ]

    def exact(self) -> bool:
        return self.rounds >= LEAST and all(self.error(hold) <= ERROR for hold in HOLDS)

    def __str__(self) -> str:
        if not self.rounds:
            return "no round in which each event was one piece"
        return ", ".join(f"{self.moved(hold):+.3f} ± {self.error(hold):.3f} ms at {hold * 1000:g} ms" for hold in HOLDS)


@pytest.mark.parametrize(("name", "reads"), SOME)
async def test_streams_move_by_what_the_relay_held(name: str, reads: str, there: Line, engines: Engines) -> None:
    """To 50 µs on a quiet machine; to a millisecond on any."""
    with others() as machine:
        rest = await what_is_left(there, name, reads, engines, SECONDS[reads])
    judge(rest, machine)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "reads"), STREAMS)
async def test_streams_move_by_what_the_relay_held_as_seen_for_long(
    name: str, reads: str, there: Line, engines: Engines, capsys: pytest.CaptureFixture[str]
) -> None:
    with others() as machine:
        rest = await what_is_left(there, name, reads, engines, PATIENT * SECONDS[reads])
    with capsys.disabled():
        print(f"\n{name} in {reads}: {rest}; others took {machine.share:.0%} of the CPUs")  # noqa: T201
    judge(rest, machine)


def judge(rest: Rest, machine: Others) -> None:
    for hold in HOLDS:
        assert rest.rounds < LEAST or abs(rest.moved(hold)) <= 1 + 4 * rest.error(hold), rest
    if why := too_noisy(rest, machine):
        pytest.skip(f"{why}: too much for ±50 µs; seen were {rest}")
    for hold in HOLDS:
        assert abs(rest.moved(hold)) <= MOST, rest


def too_noisy(rest: Rest, machine: Others) -> str:
    if not machine.quiet:
        return f"others took {machine.share:.0%} of the CPUs"
    return "" if rest.exact() else "events were scattered too widely"


async def what_is_left(there: Line, name: str, reads: str, engines: Engines, seconds: float) -> Rest:
    """Measure until it is exact enough, or time is up."""
    rounds: list[list[Block]] = []
    async with there.reading(name, reads, engines) as reader:
        began, rest = time.monotonic(), Rest()
        while not rest.exact() and time.monotonic() - began < seconds:
            rounds.append([await _block(there, reader, hold) for hold in (REFERENCE, *HOLDS)])
            if len(rounds) >= LEAST:
                rest = await _rest(reader, rounds)
        return await _rest(reader, rounds)


async def _block(there: Line, reader: Reader, hold: float) -> Block:
    await there.set(down=hold)
    block = await there.play(f"metronome:rate={RATE},size=100,count={COUNT}", hold, reader)
    assert len(block.held) != COUNT or min(block.held) >= hold * 1e9
    return block


async def _rest(reader: Reader, rounds: list[list[Block]]) -> Rest:
    """Of the rounds in which each event was one piece; on a busy machine, two may be one."""
    rest = Rest()
    for blocks in rounds:
        if all(len(block.held) == len(block.due) for block in blocks):
            for hold, block in zip((REFERENCE, *HOLDS), blocks, strict=True):
                rest.of[hold].append(await delays(reader, block) - np.array(block.held) / 1e6)
    return rest
