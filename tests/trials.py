"""Single trials and short runs as the bench makes them, against a server in a process of its own."""

import os
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from unittest.mock import patch

from conftest import Engines

from benchmarks import scenarios
from benchmarks.ground import Ground
from benchmarks.runs import Cell, Trial
from lab.link import HERE
from lab.transport import Subject, discover, subjects


@contextmanager
def found_in(folders: Iterable[Path]) -> Iterator[dict[str, Subject]]:
    """All subjects, these folders among the transports: for whatever process is started meanwhile, too."""
    with patch.dict(os.environ, PUSHLAB_TRANSPORTS=os.pathsep.join(map(str, folders))):
        yield subjects(discover())


@asynccontextmanager
async def ground_with(engines: Engines, folders: Iterable[Path] = ()) -> AsyncIterator[Ground]:
    """What trials stand on, with these folders among the transports and the session's own browsers."""
    with found_in(folders) as found:
        async with AsyncExitStack() as stack:
            ground = Ground(stack, found)
            for name in ("native", "chromium"):
                engine = ground.engines[name, HERE] = await engines.get(name)
                await engine.try_clock((await ground.server_with(())).origins[0])
            yield ground


@contextmanager
def steady(seconds: float, source: str = scenarios.SCENARIOS["steady"].source) -> Iterator[None]:
    """Trials of the scenario `steady` last so long, and have these events."""
    with patch.dict(scenarios.SCENARIOS, steady=replace(scenarios.SCENARIOS["steady"], source=source, seconds=seconds)):
        yield


async def trial_of(ground: Ground, name: str, engine: str, source: str, seconds: float) -> Trial:
    """One measured trial of that subject."""
    subject = ground.subjects[name]
    with steady(seconds, source):
        trial = await ground.trial(Cell(subject.found.name, subject.variant, engine, "steady"), 1, Random(1))
    assert trial.state == "measured", trial.reason
    return trial
