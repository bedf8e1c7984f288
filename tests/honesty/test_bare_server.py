"""What measuring costs: transports in the lab against a server and a page of a few lines, in the same rounds.

The lab's own share: a framework, the log, the ledger, twice as many bytes for each event, a page that parses them.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from benchmarks import stats, summary
from benchmarks.ground import Ground
from benchmarks.runs import Cell, Trial
from benchmarks.scenarios import scenario
from lab.process import Child
from lab.transport import discover, subjects

ROUNDS = 20
MOST_MS = 0.3
"""More than that by the lab's doing would make its latencies those of the lab."""

STEADY = scenario("steady")
LAB = [Cell(name, None, "chromium", "steady") for name in ("sse", "websocket")]
BARE = [Cell(name, "bare", "chromium", "steady") for name in ("sse", "websocket")]


@asynccontextmanager
async def bare_server() -> AsyncIterator[Child]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        Path(__file__).with_name("bare_server.py"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )
    server = Child(process)
    try:
        yield server
    finally:
        await server.stop()


async def bare_trial(cell: Cell, number: int, server: Child, engine: Any) -> Trial:
    """The same events as in the lab's trials of that round."""
    source = f"{STEADY.source},seconds={STEADY.seconds},seed={Random(number).getrandbits(31)}"
    async with engine.evaluating(f"{await server.ask('origin')}/{cell.transport}") as page:
        await until(page, "open")
        sent = await server.ask("play", source=source)
        await until(page, f"arrivals.length >= {len(sent)}")
        origin, bound = await engine.time_origin(page)
        arrived = await page.evaluate("arrivals")
        assert await page.evaluate("crossOriginIsolated")
    return Trial(
        cell,
        number,
        "measured",
        bound_ms=bound,
        sent=[(1, id_, due, at) for id_, (due, at) in enumerate(sent, 1)],
        arrived=[(1, int(json.loads(data).split()[0]), origin + round(at * 1e6)) for at, data in arrived],
    )


async def until(page: Any, there: str) -> None:
    deadline = time.monotonic() + 10
    while not await page.evaluate(there):
        assert time.monotonic() < deadline, there
        await asyncio.sleep(0.02)


async def measured(rounds: int) -> dict[Cell, list[Trial]]:
    """Each cell once a round, in an order by lot; round 0 is for warming up."""
    trials: dict[Cell, list[Trial]] = {cell: [] for cell in (*LAB, *BARE)}
    async with AsyncExitStack() as stack:
        ground, bare = Ground(stack, subjects(discover())), await stack.enter_async_context(bare_server())
        engine, order = await ground.engine("chromium"), Random(1)
        for number in range(rounds + 1):
            for cell in order.sample([*trials], len(trials)):
                if cell in LAB:
                    trials[cell].append(await ground.trial(cell, number, Random(number)))
                else:
                    trials[cell].append(await bare_trial(cell, number, bare, engine))
    return {cell: held[1:] for cell, held in trials.items()}


def schedule(trial: Trial) -> list[int]:
    return [due - trial.sent[0][2] for _, _, due, _ in trial.sent]


def said(row: stats.Difference, trials: dict[Cell, list[Trial]]) -> str:
    cells = summary.compared(trials, 50)
    lab, bare = (stats.interval(list(cells[name].values())).value for name in (row.a, row.b))
    written = [until_written(trial) for held in trials.values() for trial in held if trial.written]
    server = f"; {stats.interval(written).value:.3f} ms until the lab's server wrote it" if written else ""
    return (
        f"{row.a}, p50 of the {summary.basis(trials)}: {lab:.3f} ms in the lab, {bare:.3f} ms bare: × {row.ratio:.3f} "
        f"({row.low:.3f} – {row.high:.3f}), {row.delta:+.3f} ms ({row.delta_low:+.3f} – {row.delta_high:+.3f}), "
        f"{row.rounds} rounds: {row.verdict}{server}"
    )


def until_written(trial: Trial) -> float:
    """From due to the server's write, ms, the median of the trial's events."""
    due = {(epoch, id_): due for epoch, id_, due, _ in trial.sent}
    return stats.percentile([(at - due[epoch, id_]) / summary.MS for epoch, id_, at in trial.written], 50)


@pytest.mark.slow
async def test_what_the_lab_adds(capsys: pytest.CaptureFixture[str]) -> None:
    trials = await measured(ROUNDS)
    for alike in zip(*trials.values(), strict=True):
        assert [trial.reason for trial in alike if trial.state != "measured"] == []
        assert all(schedule(trial) == schedule(alike[0]) for trial in alike)
    for cell, held in trials.items():
        events = summary._events(held)
        assert events["delivered"] == events["sent"], (cell, events)
        assert not any(events[fault] for fault in ("lost", "duplicated", "reordered", "unexpected")), (cell, events)
        assert min(summary.deliveries(trial).min() for trial in held) > -max(trial.bound_ms for trial in held)
    for lab, bare in zip(LAB, BARE, strict=True):
        pair = {cell: trials[cell] for cell in (lab, bare)}
        (row,) = stats.differences(summary.compared(pair, 50))
        with capsys.disabled():
            print(f"\n{said(row, pair)}")  # noqa: T201  # what the test is for
        assert row.delta <= MOST_MS
