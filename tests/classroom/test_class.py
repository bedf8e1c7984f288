"""A class with devices that are programs: seats, votes, measurements, and what is left of them."""

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from classmates import Refused, a_class, board, device, line

from benchmarks.outcome import Outcome
from benchmarks.runs import read_trials
from benchmarks.summary import delays
from lab.classroom.school import shown
from lab.classroom.host import Place


async def test_a_class_measures_together_and_is_an_ordinary_run(tmp_path: Path) -> None:
    async with a_class(tmp_path, "sse", "long_polling") as held, board(held) as teacher, AsyncExitStack() as stack:
        devices = [await stack.enter_async_context(device(held, measures=True)) for _ in range(6)]
        transports = [one.you["transport"]["name"] for one in devices]
        assert transports == ["sse", "long_polling"] * 3
        await teacher.ask("measure", source="steady:rate=20,size=100", seconds=1.0, turns=2)
        await teacher.until(
            lambda told: (told.get("result", {}).get("result") or {}).get("rows", [{}])[0].get("trials") == 6, 30
        )
        found = teacher.told["result"]["result"]
        assert {row["name"]: row["devices"] for row in found["rows"]} == {"sse": 6, "long_polling": 6}
        assert all(row["lost"] == 0 and row["sent"] == 120 for row in found["rows"])
        (pair,) = found["pairs"]
        assert pair["rounds"] == 6
        await teacher.ask("end")
    trials, complaints = read_trials(tmp_path)
    assert complaints == []
    assert len(trials) == 12
    assert {trial.state for trial in trials} == {"measured"}
    outcome = Outcome.of(tmp_path)
    assert outcome.write().exists()
    assert not outcome.failed
    print(json.dumps(found, indent=1)[:1500])
