"""What stands in between, in a real browser: the cells of the matrix of which the literature is sure."""

from contextlib import AsyncExitStack
from typing import Any

import pytest
from conftest import SUBJECTS, Engines

from benchmarks.behaviours import p01_buffering_proxy as p01
from benchmarks.behaviours import p03_idle as p03
from benchmarks.behaviours import p05_compression as p05
from benchmarks.behaviours import p11_refused_websocket as p11
from benchmarks.behaviours import p19_rechunking as p19
from benchmarks.behaviours.experiment import Experiment, Observation
from benchmarks.behaviours.field import Browsers
from benchmarks.behaviours.flow import Flow
from benchmarks.behaviours.store import Seen, Spot
from benchmarks.behaviours.sweep import Asked, observed

PLAIN = sorted(name for name in SUBJECTS if ":" not in name)


async def seen_of(engines: Engines, experiment: Experiment, subject: str, *, cured: bool = False) -> Seen:
    if reason := experiment.missing():
        pytest.skip(f"unavailable: {reason}")
    async with AsyncExitStack() as stack:
        browsers = Browsers(stack)
        browsers._launched["chromium", ()] = await engines.get("chromium")
        spot = Spot(experiment.name, subject, "chromium", cured)
        return await observed(Asked(spot, experiment, SUBJECTS[subject]), browsers)


def made(seen: Seen) -> Observation:
    assert seen.observation, seen.reason
    return seen.observation


def numbers(**values: Any) -> Flow:
    return Flow([0.0, 0.1, 0.2], **values)


def test_a_flow_is_late_where_events_are_missing_or_held() -> None:
    whole = numbers(delays_ms={0: 2.0, 1: 4.0, 2: 6.0})
    assert (whole.missing, whole.p50_ms, whole.max_ms, whole.first_ms) == (0, 4.0, 6.0, 2.0)
    held = numbers(delays_ms={0: 2200.0, 1: 2100.0, 2: 2000.0})
    assert held.first_ms == 2200.0
    none = numbers(delays_ms={})
    assert (none.missing, none.p50_ms, none.first_ms) == (3, None, None)
    assert [p01.late(one) for one in (whole, held, none)] == [False, True, True]
    assert [p05.late(one) for one in (whole, held, none)] == [False, True, True]
    assert p01.late(numbers(delays_ms={0: 2.0, 1: 4.0}))  # the last one has not come


def test_one_letter_that_differs_is_seen() -> None:
    right = p19.Read((*p19.DATA, p19.FILLER), None)
    wrong = p19.Read((p19.DATA[0] + "?", *p19.DATA[1:]), None)
    twice = p19.Read((*p19.DATA, p19.DATA[-1]), None)
    assert [one.exact for one in (right, wrong, twice)] == [True, False, False]
    assert p19.judged({"one_byte": right, "one_kib": wrong}, None).bitten


@pytest.mark.slow  # 22 s on a burdened machine
async def test_events_are_whole_however_they_are_cut(engines: Engines) -> None:
    seen = await seen_of(engines, p19.experiment, "sse")
    found = made(seen).numbers
    assert seen.mark == "✓", seen
    assert found["direct_control_errors"] == 0
    assert all(found[f"{road}_control_errors"] for road in p19.ROADS)


@pytest.mark.slow
@pytest.mark.parametrize("cured", [False, True])
@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("experiment", [one.experiment for one in (p01, p03, p05, p11)], ids=lambda one: one.id)
async def test_so_it_is_with_every_transport(
    engines: Engines,
    experiment: Experiment,
    name: str,
    cured: bool,  # noqa: FBT001
) -> None:
    seen = await seen_of(engines, experiment, name, cured=cured)
    assert seen.mark == "✓", seen


@pytest.mark.slow
@pytest.mark.parametrize("name", PLAIN)
async def test_every_transport_has_marks_of_its_own(engines: Engines, name: str) -> None:
    seen = await seen_of(engines, p19.experiment, name)
    assert seen.mark == "✓", seen
