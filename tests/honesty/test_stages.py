"""The split of a delay into source, server, wire and browser, in real trials of every transport."""

from collections.abc import AsyncIterator

import numpy as np
import pytest
from conftest import Engines
from quiet import others
from trials import ground_with, trial_of

from benchmarks.ground import Ground
from benchmarks.runs import Trial
from benchmarks.summary import STAGES, Floats, delays, stages
from lab import wire
from lab.stamps import COMPRESSED

NAMES = ["fetch_streaming", "long_polling", "short_polling:100ms", "sse", "websocket", "xhr_streaming"]
SOURCE = "steady:rate=30,size=100"  # so slow that a poller has usually come back before the next event
ATTEMPTS = 4

pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(bool(wire.unavailable()), reason=f"unavailable: {wire.unavailable()}"),
]


@pytest.fixture(scope="module")
async def ground(engines: Engines) -> AsyncIterator[Ground]:
    async with ground_with(engines) as one:
        yield one


@pytest.mark.parametrize("engine", ["native", "chromium"])
@pytest.mark.parametrize("name", NAMES)
async def test_every_delay_is_split(name: str, engine: str, ground: Ground) -> None:
    """Medians need not add up, and on a busy machine don't: of a few trials, in one they have to, nearly."""
    with others() as machine:
        for _ in range(ATTEMPTS):
            trial = await trial_of(ground, name, engine, SOURCE, 0.4)
            assert_plausible(trial)
            parts, whole = sum(map(median, stages(trial).values())), median(delays(trial))
            if parts == pytest.approx(whole, rel=0.2, abs=0.2):
                return
    if not machine.quiet:
        pytest.skip(
            f"unavailable: others took {machine.share:.0%} of the processors: the stages vary too much to add up"
        )
    pytest.fail(f"in none of {ATTEMPTS} trials; in the last {parts:.3f} ms instead of {whole:.3f} ms")


def assert_plausible(trial: Trial) -> None:
    """Every event of the trial has all stages, and none of them ends before it began."""
    found = stages(trial)
    assert set(found) == set(STAGES), trial.stamps
    assert trial.stamps["reason"] == ""
    assert all(values.size == len(trial.sent) == 12 for values in found.values())
    assert all(found[stage].min() >= 0 for stage in ("source", "server", "wire"))
    assert found["browser"].min() > -trial.bound_ms
    assert 0 < median(found["wire"]) < 1


def median(values: Floats) -> float:
    return float(np.median(values))


async def test_who_keeps_events_is_told_apart(ground: Ground) -> None:
    """A poller's events wait at the server for the next poll, those of an XHR wait in the browser for its progress."""
    polled = stages(await trial_of(ground, "short_polling:100ms", "chromium", SOURCE, 0.4))
    progress = stages(await trial_of(ground, "xhr_streaming", "chromium", SOURCE, 0.4))
    assert median(polled["server"]) > 5 * median(polled["browser"])
    assert median(progress["browser"]) > 5 * median(progress["server"])


async def test_what_is_compressed_has_no_split(ground: Ground) -> None:
    trial = await trial_of(ground, "websocket:deflate", "chromium", SOURCE, 0.3)
    assert len(trial.arrived) == len(trial.sent)
    assert set(stages(trial)) == {"source", "wire"}
    assert trial.stamps["reason"] == COMPRESSED
