"""Alarms: never early, no descriptor left behind, and nobody shut out of the loop."""

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import uvloop

from lab import clock
from lab.clock import Alarm, Timer, TimerFd, TimerThread, now

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]
TIMERS: list[type[Timer]] = [TimerThread, *([TimerFd] if sys.platform == "linux" else [])]
MS = 1_000_000

Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture(params=LOOPS, ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Any:
    with asyncio.Runner(loop_factory=request.param) as runner:
        yield runner.run


@pytest.fixture(params=TIMERS, ids=lambda timer: timer.__name__)
def timer(request: pytest.FixtureRequest) -> Any:
    return request.param


def held() -> int:
    """What timers of this process hold, descriptors and threads; others come and go with what others do."""
    threads = [one for one in threading.enumerate() if one.name == "alarm"]
    return len(threads) + sum(map(is_timer, Path("/proc/self/fd").glob("*")))


def is_timer(descriptor: Path) -> bool:
    with suppress(FileNotFoundError):  # the one by which the folder is read
        return "timerfd" in str(descriptor.readlink())
    return False


async def turn() -> None:
    await asyncio.sleep(0)


@pytest.mark.parametrize("spin", [True, False])
def test_it_is_never_early(run: Run, timer: type[Timer], *, spin: bool) -> None:
    async def earliest() -> int:
        with Alarm(spin=spin, timer=timer) as alarm:
            late = []
            for n in range(20):
                due = now() + n * MS // 10  # from nothing to 2 ms: within the lead and beyond it
                await alarm.until(due)
                late.append(now() - due)
            return min(late)

    assert run(earliest()) >= 0


@pytest.mark.parametrize("spin", [True, False])
async def test_it_arms_early_only_to_spin_and_never_beyond_what_a_timer_can_be_set_to(*, spin: bool) -> None:
    armed: list[int] = []

    class Noted(TimerThread):
        def arm(self, at: int) -> None:
            armed.append(at)
            super().arm(at)

    with Alarm(spin=spin, timer=Noted) as alarm:
        due = now() + 10 * MS
        await alarm.until(due)
        assert armed == [due - Noted.lead_ns if spin else due]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await alarm.until(10**30)
        assert armed[-1] == clock.FAR_NS


def test_a_cancelled_wait_does_not_end_the_next_one(run: Run, timer: type[Timer]) -> None:
    async def second() -> int:
        with Alarm(spin=False, timer=timer) as alarm:
            first = asyncio.create_task(alarm.until(now() + 2 * MS))
            await turn()
            first.cancel()
            await asyncio.wait([first])
            due = now() + 10 * MS
            await alarm.until(due)
            return now() - due

    assert run(second()) >= 0


def test_one_descriptor_or_thread_serves_all_waits_and_is_given_back(run: Run, timer: type[Timer]) -> None:
    async def counts() -> tuple[int, set[int], int]:
        before = held()
        during = set()
        with Alarm(spin=False, timer=timer) as alarm:
            for _ in range(5):
                await alarm.until(now() + MS)
                during.add(held())
        return before, during, held()

    before, during, after = run(counts())
    assert during == {before + 1}
    assert after == before


def test_a_cancelled_wait_gives_back_what_it_held(run: Run, timer: type[Timer]) -> None:
    async def wait_forever() -> None:
        with Alarm(spin=True, timer=timer) as alarm:
            await alarm.until(now() + 10**20)  # beyond what a timer can be set to

    async def counts() -> tuple[int, int, int]:
        before = held()
        waiting = asyncio.create_task(wait_forever())
        await turn()
        during = held()
        waiting.cancel()
        await asyncio.wait([waiting])
        return before, during, held()

    before, during, after = run(counts())
    assert (during, after) == (before + 1, before)


async def test_the_others_run_while_it_spins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TimerThread, "lead_ns", 10**10)  # all of the wait
    turns = 0

    def count() -> None:
        nonlocal turns
        turns += 1
        asyncio.get_running_loop().call_soon(count)

    with Alarm(spin=True, timer=TimerThread) as alarm:
        count()
        await alarm.until(now() + 5 * MS)
    assert turns > 5


@pytest.mark.parametrize(("turn_ns", "had_a_turn"), [(-1, True), (10**12, False)])
async def test_what_is_overdue_comes_at_once_but_for_a_turn_of_the_others_now_and_then(
    monkeypatch: pytest.MonkeyPatch, turn_ns: int, *, had_a_turn: bool
) -> None:
    monkeypatch.setattr(clock, "TURN_NS", turn_ns)
    others = asyncio.Event()
    with Alarm(spin=True) as alarm:
        asyncio.get_running_loop().call_soon(others.set)
        await alarm.until(now() - 1)
    assert others.is_set() is had_a_turn


async def test_a_source_that_is_always_late_shuts_nobody_out() -> None:
    cancelled_by = asyncio.get_running_loop().time() + 0.01

    async def always_late() -> None:
        with Alarm(spin=True) as alarm:
            while True:
                await alarm.until(now() - 1)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout_at(cancelled_by):
            await always_late()


@pytest.mark.skipif(sys.platform != "linux", reason="timerfd is Linux's")
async def test_a_timer_armed_anew_does_not_ring_for_the_old_instant() -> None:
    rings: list[int] = []
    timer = TimerFd(asyncio.get_running_loop(), lambda: rings.append(now()))
    try:
        timer.arm(now() + 10**12)
        timer._expired()  # as the loop does when the descriptor was readable before it was armed anew
    finally:
        timer.close()
    assert rings == []


@pytest.mark.skipif(sys.platform != "linux", reason="timerfd is Linux's")
def test_a_failed_system_call_is_an_oserror() -> None:
    closed = os.open(os.devnull, os.O_RDONLY)
    os.close(closed)
    with pytest.raises(OSError, match="Bad file descriptor"):
        clock._timerfd_settime(closed, now())


def test_the_clock_is_monotonic_time_in_ns() -> None:
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    assert before <= now() <= time.clock_gettime_ns(time.CLOCK_MONOTONIC)
