"""The whole matrix: what waits is observed side by side, what times something has the machine for itself."""

import asyncio
import platform
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path

from benchmarks.behaviours.experiment import FILE, Experiment
from benchmarks.behaviours.field import Browsers, Field, field_for
from benchmarks.behaviours.store import Seen, Spot, read, spots, text, write
from benchmarks.ground import BREAKDOWNS
from lab.transport import Subject

BESIDE = 6
"""Observations that may wait side by side."""

PATIENCE, SPARE = 3.0, 30.0
"""How many times longer than it says an observation may take, and seconds more: a browser may have to start first."""

LEAVING = 30.0
"""Seconds that servers, links and pages have to go away when an observation is over."""


@dataclass(frozen=True)
class Asked:
    """A spot to be observed."""

    spot: Spot
    experiment: Experiment
    subject: Subject


@dataclass
class Sweep:
    """Observes what is asked for, and keeps each observation as soon as it is made.

    Attributes:
        again: whether to observe anew what was observed before. left: what is to be observed, all in all.
        absent: engines that are not on this machine, and why.
        tell: is called for each, with how many are done and how many there are.
    """

    folder: Path
    asked: Sequence[Asked]
    again: bool = False
    absent: Mapping[str, str] = field(default_factory=dict)
    tell: Callable[[Seen, int, int], None] = lambda _seen, _done, _all: None
    done: int = 0
    left: list[Asked] = field(init=False)

    def __post_init__(self) -> None:
        known, _ = read(self.folder)
        self.left = [one for one in self.asked if self.again or _worth(known.get(one.spot))]

    async def run(self) -> None:
        """What waits comes first, side by side, then what times something, one after the other."""
        async with AsyncExitStack() as stack:
            browsers = Browsers(stack)
            await self._beside((one for one in self.left if not one.experiment.alone), browsers)
            for one in self.left:
                if one.experiment.alone:
                    await self._observe(one, browsers)

    async def _beside(self, waiting: Iterable[Asked], browsers: Browsers) -> None:
        """The longest first, so that the last ones don't wait for one that began late."""
        room = asyncio.Semaphore(BESIDE)

        async def observe(one: Asked) -> None:
            async with room:
                await self._observe(one, browsers)

        async with asyncio.TaskGroup() as group:
            for one in sorted(waiting, key=lambda one: -one.experiment.seconds):
                group.create_task(observe(one))

    async def _observe(self, one: Asked, browsers: Browsers) -> None:
        began = time.monotonic()
        seen = beyond(one, self.absent) or await observed(one, browsers)
        write(self.folder, replace(seen, seconds=round(time.monotonic() - began, 2)))
        self.done += 1
        self.tell(seen, self.done, len(self.left))


def beyond(one: Asked, absent: Mapping[str, str]) -> Seen | None:
    """What is known without a try: that it can't be, or not on this machine. None where it can be tried."""
    experiment, spot, subject = one.experiment, one.spot, one.subject
    if reason := subject.found.reason:
        return Seen(spot, "unavailable", reason, versions=versions())
    if reason := subject.unsupported(spot.engine) or experiment.unfit(subject, spot.engine):
        return Seen(spot, "unsupported", reason, versions=versions())
    if reason := absent.get(spot.engine, "") or experiment.missing():
        return Seen(spot, "unavailable", reason, versions=versions())
    return None


async def observed(one: Asked, browsers: Browsers) -> Seen:
    """One observation; what breaks down says why, and hurts no other."""
    expected = one.experiment.expects(one.subject, one.spot.engine, cured=one.spot.cured)
    limit = limit_of(one.experiment)
    seen = Seen(one.spot, "failed", "it was not begun", expected, versions=versions())
    try:
        async with asyncio.timeout(limit + LEAVING), field_for(one.subject, one.spot.engine, browsers) as ground:
            seen = await _watched(one, ground, seen, limit)
    except TimeoutError:
        seen = _left_behind(seen, f" within {LEAVING:g} s")
    except Exception as error:  # noqa: BLE001  (whatever it is: it must not cost the other experiments their turn)
        seen = _left_behind(seen, f": {_first_line(error)}")
    return seen


async def _watched(one: Asked, ground: Field, seen: Seen, limit: float) -> Seen:
    """It with what was observed on this ground, or with the reason why nothing was."""
    assert one.experiment.observe
    try:
        async with asyncio.timeout(limit) as bound:
            observation = await one.experiment.observe(ground, one.spot.cured)
        made = replace(seen, state="observed", reason="", observation=observation)
        text(made)  # or it could not be kept
        seen = made
    except BREAKDOWNS as error:
        seen = replace(seen, reason=_first_line(error))
    except Exception as error:  # noqa: BLE001  (as above: a fault in one experiment's file)
        late = isinstance(error, TimeoutError) and bound.expired()
        what = f"it did not end within {limit:g} s" if late else f"the experiment has a fault: {error!r}"
        seen = replace(seen, reason=what + _where(error))
    return replace(seen, moments=ground.moments, versions=versions() | ground.versions)


def _left_behind(seen: Seen, how: str) -> Seen:
    return replace(seen, state="failed", reason=f"what it used did not go away{how}", observation=None)


def limit_of(experiment: Experiment) -> float:
    """Seconds in which an observation has to end."""
    return PATIENCE * experiment.seconds + SPARE


def _where(error: Exception) -> str:
    """The line of an experiment's file in which it happened."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if FILE.fullmatch(Path(frame.filename).stem)]
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""


def _first_line(error: Exception) -> str:
    return (str(error).strip() or repr(error)).splitlines()[0]


def planned(
    chosen: Iterable[Experiment], subjects: Mapping[str, Subject], engines: Sequence[str], *, long: bool
) -> list[Asked]:
    """Every spot of these experiments that can be observed in reasonable time, or in more if that is asked for."""
    return [
        Asked(spot, experiment, subject)
        for experiment in chosen
        if not experiment.impossible and (long or not experiment.long)
        for engine in engines
        for subject in subjects.values()
        for spot in spots(experiment, subject.name, engine)
    ]


def versions() -> dict[str, str]:
    return {"pushlab": version("pushlab"), "python": platform.python_version(), "system": platform.platform(terse=True)}


def _worth(known: Seen | None) -> bool:
    """Whether to observe it: what has failed, or was not to be had, may be so no more."""
    return known is None or known.state != "observed"
