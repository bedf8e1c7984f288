"""The bench as a whole, with the native engine: rounds, interruption, resuming, and what breaks down meanwhile."""

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from conftest import SUBJECTS, Engines
from trials import ground_with

from benchmarks import plan, scenarios, summary
from benchmarks.measure import Bench, Progress
from benchmarks.plan import Block, Plan
from benchmarks.runs import Cell, Run, read_trials
from lab.errors import UserError


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(scenarios.SCENARIOS, "steady", replace(scenarios.SCENARIOS["steady"], seconds=0.3))


@pytest.fixture
def small() -> Plan:
    block = Block(engines=("native",), scenarios=("steady",), rounds=2, transports=("sse", "websocket", "long_polling"))
    return Plan(name="small", about="", blocks=(block,))


async def test_a_killed_run_goes_on_with_the_same_order(small: Plan, tmp_path: Path) -> None:
    order: list[tuple[str, int]] = []

    def stop_after_two(progress: Progress) -> None:
        order.append((progress.trial.cell.name, progress.trial.round))
        if len(order) == 2:
            running.cancel()

    folder = tmp_path / "run"
    running = asyncio.create_task(Bench(small, SUBJECTS, folder, 7, stop_after_two).run())
    with pytest.raises(asyncio.CancelledError):
        await running
    halfway = summary.summarize(Run.load(folder), read_trials(folder)[0])
    assert halfway["ended"] == "interrupted"
    assert sorted(cell["state"] for cell in halfway["cells"]) == ["failed", "measured", "measured"]
    kept = {path: path.stat().st_mtime_ns for path in (folder / "trials").iterdir()}

    again: list[tuple[str, int]] = []
    bench = Bench.resumed(folder, SUBJECTS, lambda done: again.append((done.trial.cell.name, done.trial.round)))
    assert (await bench.run()).ended == "complete"
    assert again[:2] == order
    assert len(again) == len(set(again)) == 6
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    whole = summary.summarize(Run.load(folder), read_trials(folder)[0])
    assert [cell["trials"] for cell in whole["cells"]] == [2, 2, 2]
    assert all(cell["events"]["sent"] == cell["events"]["delivered"] == 36 for cell in whole["cells"])
    with pytest.raises(UserError, match="complete"):
        Bench.resumed(folder, SUBJECTS)


async def test_a_plan_survives_its_run(small: Plan) -> None:
    assert plan.from_settings(small.as_settings()) == small


async def test_a_server_that_dies_costs_one_trial(engines: Engines) -> None:
    async with ground_with(engines) as ground:
        cell = Cell("sse", None, "native", "steady")
        server = await ground.server(cell)
        dying = asyncio.create_task(ground.trial(cell, 1, Random(1)))
        while not server.ledger.stat().st_size:
            await asyncio.sleep(0.005)
        os.kill(server.pid, signal.SIGKILL)
        broken = await dying
        assert (broken.state, broken.round) == ("failed", 1)
        assert "exit code -9" in broken.reason
        assert (await ground.trial(cell, 2, Random(2))).state == "measured"
