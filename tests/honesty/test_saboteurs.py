"""Transports that misbehave on purpose are caught: the exact events, and the size of the effect."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Engines
from trials import ground_with, trial_of

from benchmarks import summary
from benchmarks.ground import Ground
from benchmarks.runs import Trial

SABOTEUR = Path(__file__).parents[1] / "saboteur"
FAULTS = ("lost", "duplicated", "reordered", "unexpected")
Rule = Callable[[int], bool]


@pytest.fixture(scope="module")
async def ground(engines: Engines) -> AsyncIterator[Ground]:
    async with ground_with(engines, [SABOTEUR]) as ground:
        yield ground


def events(trial: Trial) -> dict[str, Any]:
    return summary._events([trial])


def those(trial: Trial, rule: Rule) -> list[str]:
    return [f"{epoch}-{id_}" for epoch, id_, _, _ in trial.sent if rule(id_)]


@pytest.mark.parametrize("engine", ["native", "chromium"])
@pytest.mark.parametrize(
    ("variant", "fault", "rule"),
    [
        ("drops", "lost", lambda id_: id_ % 1000 == 500),
        ("repeats", "duplicated", lambda id_: id_ % 100 == 50),
        ("swaps", "reordered", lambda id_: id_ % 100 == 50),
    ],
)
async def test_the_exact_events(ground: Ground, variant: str, fault: str, rule: Rule, engine: str) -> None:
    trial = await trial_of(ground, f"saboteur:{variant}", engine, "steady:rate=1000,size=20", 0.8)
    found = events(trial)
    assert found[fault] == those(trial, rule) != []
    assert [other for other in FAULTS if found[other]] == [fault]


@pytest.mark.calm
@pytest.mark.parametrize("engine", ["native", "chromium"])
async def test_the_size_of_a_delay(ground: Ground, engine: str) -> None:
    """Delayed ones come 5 ms later than the others; events are far enough apart that none waits for another."""
    trial = await trial_of(ground, "saboteur:delays", engine, "metronome:rate=100,size=20", 1.2)
    late = np.array([id_ % 10 == 5 for _, id_, _, _ in trial.sent])
    delays = summary.deliveries(trial)
    assert late.sum() >= 10
    assert np.median(delays[late]) - np.median(delays[~late]) == pytest.approx(5, abs=1)
    assert not any(events(trial)[fault] for fault in FAULTS)


@pytest.mark.parametrize("engine", ["native", "chromium"])
async def test_without_a_fault_nothing_is_caught(ground: Ground, engine: str) -> None:
    found = events(await trial_of(ground, "saboteur", engine, "steady:rate=1000,size=20", 0.3))
    assert found["delivered"] == found["sent"] > 250
    assert not any(found[fault] for fault in FAULTS)
