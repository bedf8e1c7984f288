"""Single trials as the bench makes them, against a server in a process of its own."""

import os
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from unittest.mock import patch

from conftest import Engines

from benchmarks import scenarios
from benchmarks.ground import Ground
from benchmarks.runs import Cell, Trial
from lab.transport import discover, subjects


@asynccontextmanager
async def ground_with(engines: Engines, folders: Iterable[Path] = ()) -> AsyncIterator[Ground]:
    """What trials stand on, with these folders among the transports and the session's own browsers."""
    paths = os.pathsep.join(map(str, folders))
    with patch.dict(os.environ, PUSHLAB_TRANSPORTS=paths):
        async with AsyncExitStack() as stack:
            ground = Ground(stack, subjects(discover()))
            for name in ("native", "chromium"):
                ground.engines[name] = await engines.get(name)
                await ground.engines[name].try_clock((await ground.server_with(())).origins[0])
            yield ground


async def trial_of(ground: Ground, name: str, engine: str, source: str, seconds: float) -> Trial:
    """One measured trial of that subject."""
    steady = replace(scenarios.SCENARIOS["steady"], source=source, seconds=seconds)
    subject = ground.subjects[name]
    with patch.dict(scenarios.SCENARIOS, steady=steady):
        trial = await ground.trial(Cell(subject.found.name, subject.variant, engine, "steady"), 1, Random(1))
    assert trial.state == "measured", trial.reason
    return trial
