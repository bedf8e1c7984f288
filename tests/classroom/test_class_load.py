"""As much as sixty pages ask of a class, beside a few real ones: boards keep up, and no vote is lost."""

import asyncio
import statistics
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from classmates import Device, a_class, board, device
from test_class_pages import Pages, pages

from lab import clock

__all__ = ["pages"]  # a fixture

DEVICES = 60
ROUNDS = 10
WITHIN = 1.0
"""Seconds in which a board shows what has happened."""

VOTED = "n => document.querySelector('#question')?.innerText.includes(`${n} have voted`)"


@pytest.mark.slow
@pytest.mark.alone
async def test_sixty_devices_beside_a_few_pages(pages: Pages, tmp_path: Path) -> None:
    async with a_class(tmp_path) as held, AsyncExitStack() as stack:
        screen = await pages.board(held)
        students = [await pages.student(held, "chromium") for _ in range(2)]
        began = clock.now()
        joining = (stack.enter_async_context(device(held, lives=True, measures=True)) for _ in range(DEVICES))
        devices = [await one for one in joining]
        joined = (clock.now() - began) / 1e9
        teacher = await stack.enter_async_context(board(held))
        await screen.wait_for_function(
            "n => document.querySelectorAll('.seat[data-state=open]').length === n", arg=DEVICES + len(students)
        )
        shown = [await until_shown(screen, teacher, devices, students) for _ in range(ROUNDS)]
        stale = await how_stale(teacher)
        await teacher.ask("measure", source="steady:rate=20,size=100", seconds=10.0, turns=1)
        await teacher.until(lambda told: told["state"]["measuring"] is None and told["result"]["result"], 90)
        rows = teacher.told["result"]["result"]["rows"]
        lost, sent = sum(row["lost"] for row in rows), sum(row["sent"] for row in rows)
        failed, measured = sum(row["failed"] for row in rows), sum(row["devices"] for row in rows)
        print(  # noqa: T201  (the figures are what it is for)
            f"\n{DEVICES} devices and {len(students)} pages joined in {joined:.1f} s; "
            f"{DEVICES + len(students)} votes at once were on the board after {statistics.median(shown):.2f} s "
            f"(median of {ROUNDS}), at most {max(shown):.2f} s; arrivals were told every "
            f"{statistics.median(stale):.2f} s, at most {max(stale):.2f} s apart; in a measurement {measured} devices "
            f"told everything, {failed} failed, {lost} of {sent} events were lost"
        )
        assert max(shown) < WITHIN
        assert max(stale) < WITHIN
        assert (measured, lost) == (DEVICES + len(students), 0)


async def until_shown(screen: Any, teacher: Any, devices: list[Device], students: list[Any]) -> float:
    """Everybody votes at once: seconds from the last acknowledgement until the teacher's page shows all of them."""
    number = await teacher.ask("ask", text="Which?", options=["a", "b", "c"])
    for one in devices:
        await one.line.until(lambda told: (told["you"]["question"] or {}).get("number") == number)
    for student in students:
        await student.wait_for_selector(".options button:enabled[aria-pressed=false] >> nth=2")
    showing = asyncio.create_task(screen.wait_for_function(VOTED, arg=len(devices) + len(students)))
    clicking = [student.click(".options button >> nth=0") for student in students]
    await asyncio.gather(*(one.vote(nth % 3) for nth, one in enumerate(devices)), *clicking)
    voted = clock.now()
    await showing
    passed = (clock.now() - voted) / 1e9
    await teacher.until(lambda told: told["state"]["question"]["before"]["voted"] == len(devices) + len(students))
    assert teacher.told["state"]["question"]["before"]["counts"] == [20 + len(students), 20, 20]
    return passed


async def how_stale(teacher: Any) -> list[float]:
    """Seconds between two tellings of arrivals, for ten seconds."""
    teacher.came.clear()
    await asyncio.sleep(10)
    times = [at for at, _ in teacher.came]
    return [(after - before) / 1e9 for before, after in pairwise(times)]
