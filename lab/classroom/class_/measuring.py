"""How a class measures: all devices open their transports anew, then the same events go to all of them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lab import clock, sources
from lab.classroom.class_.attendance import Attendance
from lab.classroom.class_.controls import Controls
from lab.classroom.class_.measurements import Measurement
from lab.classroom.class_.room import Room
from lab.errors import UserError
from lab.process import ServerProcess, read_ledger
from lab.sources import SourceSpec

OPENING = 10.0
"""Seconds in which every device should have set its clock and opened its transport."""

REPORTING = 20.0
"""Seconds in which every device should have told what arrived."""

STOPPED = "the measurement was stopped"
LOOK = 0.05
LONGEST, SHORTEST = 60.0, 1.0
MOST_EVENTS = 6000
KINDS = ("steady", "metronome", "poisson", "bursts")


@dataclass
class Progress:
    """phase: prepare (devices open), play (events go out), finish (devices tell what came)."""

    measurement: Measurement
    turn: int
    turns: int
    phase: str = "prepare"


class Measuring:
    """Attributes:
    live: the source that plays while nothing is measured. progress: of the measurement that is going on.
    finished: is called after each, with its number. occupied: what else keeps the computer busy; empty = nothing.
    """

    def __init__(self, room: Room, attendance: Attendance, controls: Controls, finished: Callable[[int], None]) -> None:
        self.room, self.attendance, self.controls, self.finished = room, attendance, controls, finished
        self.live = "steady:rate=4,size=100"
        self.progress: Progress | None = None
        self.failed = ""
        self.occupied = ""
        self._task: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()

    async def play(self, source: str) -> None:
        """What plays from now on, while nothing is measured.

        Raises:
            UserError: it is no source for a class.
        """
        spec = made(source)
        self.idle()
        await self.controls.studio.play(spec.text)
        self.live = spec.text

    def idle(self) -> None:
        """Raises:
        UserError: a measurement is going on, or a lesson is being run.
        """
        if self.progress or self.occupied:
            raise UserError(f"{self.occupied or 'a measurement'} is going on: wait until it is over")

    def begin(self, source: str, seconds: float, turns: int) -> None:
        """So many measurements, with every device going on to the next transport in between.

        Raises:
            UserError: it is no source for that; nobody is there; or one is going on.
        """
        self.idle()
        limited(source, seconds)
        if not self.attendance.lines:
            raise UserError("no device is there to measure")
        self.failed = ""
        self._stop.clear()
        self._task = asyncio.create_task(self._perform(source, seconds, turns))

    async def stop(self) -> None:
        """End what is going on, if anything is."""
        self._stop.set()
        if self._task:
            await asyncio.wait([self._task])

    async def _perform(self, source: str, seconds: float, turns: int) -> None:
        try:
            for turn in range(1, turns + 1):
                if turn > 1:
                    await self.room.rotate()
                await self._once(source, seconds, turn, turns)
        except (UserError, ConnectionError) as error:
            self.failed = str(error)
        finally:
            self.progress = None
            await self._go_on_living()

    async def _go_on_living(self) -> None:
        try:
            await self.controls.studio.play(self.live)
        except ConnectionError as error:
            self.failed = f"{error}: restart the server"

    async def _once(self, source: str, seconds: float, turn: int, turns: int) -> None:
        await self.controls.studio.pause()
        links = {name: self.controls.link(name) for name in self.controls.studio.lanes}
        there = [self.room.seats[number] for number in self.attendance.lines]
        measurement = await self.room.begin(source, seconds, links, there)
        self.progress = Progress(measurement, turn, turns)
        self.controls.watch()
        try:
            await self._until(lambda: all(part.ready for part in measurement.parts.values()), OPENING)
            self.controls.watch()  # what was done before the first event lay in the way of none
            await self._play(measurement)
            self.progress.phase = "finish"
            await self._until(lambda: measurement.reported, REPORTING)
        except (UserError, ConnectionError) as error:
            await self.room.note("over", number=measurement.number, failed=str(error))
            raise
        await self.room.note("over", number=measurement.number)
        self.finished(measurement.number)

    async def _play(self, measurement: Measurement) -> None:
        assert self.progress
        self.progress.phase = "play"
        server = self.controls.studio.server
        _, before = read_ledger(server.ledger)
        began = clock.now()
        await server.ask("play", source=seeded(measurement, self.room.seed), spin=True)
        await self._ended(server)
        entries, _ = read_ledger(server.ledger, before)
        sent: list[Any] = [[one.epoch, one.id, one.due, one.at] for one in entries]
        if not sent:
            raise UserError(f"{measurement.source} gave no event in {measurement.seconds:g} s")
        await self.room.note(
            "played", number=measurement.number, began=began, sent=sent, faults=dict(self.controls.faults)
        )

    async def _ended(self, server: ServerProcess) -> None:
        """Wait until the source has ended.

        Raises:
            UserError: it was stopped before.
        """
        ended, stopped = asyncio.create_task(server.ended()), asyncio.create_task(self._stop.wait())
        await asyncio.wait([ended, stopped], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not ended.done():
            ended.cancel()
            raise UserError(STOPPED)
        await ended

    async def _until(self, there: Callable[[], bool], seconds: float) -> None:
        """Wait for it, but not longer.

        Raises:
            UserError: it was stopped.
        """
        for _ in range(round(seconds / LOOK)):
            if self._stop.is_set():
                raise UserError(STOPPED)
            if there():
                return
            await asyncio.sleep(LOOK)


def made(source: str) -> SourceSpec:
    """A source of a class: its events are made, and it goes on for ever.

    Raises:
        UserError: it is none.
    """
    spec = sources.parse(source)
    if spec.kind not in KINDS:
        raise UserError(f"source {source[:80]!r}: in a class events are made, by {', '.join(KINDS)}")
    if "seconds=" in source or ("count=" in source and spec.kind != "bursts"):
        raise UserError(f"source {source[:80]!r}: leave out when it ends")
    return spec


def limited(source: str, seconds: float) -> None:
    """Raises:
    UserError: it is no source to measure with for so long.
    """
    spec = made(source)
    if not SHORTEST <= seconds <= LONGEST:
        raise UserError(f"a measurement takes {SHORTEST:g} to {LONGEST:g} seconds, not {seconds:g}")
    count = spec.options["count"] if spec.kind == "bursts" else 1
    if (events := spec.options["rate"] * count * seconds) > MOST_EVENTS:
        raise UserError(f"{source[:80]!r} gives {events:,.0f} events in {seconds:g} s: {MOST_EVENTS:,} are the most")
    if spec.options["size"] > 1 << 16:
        raise UserError(f"{source[:80]!r} is too large for a class: 65536 bytes are the most")


def seeded(measurement: Measurement, seed: int) -> str:
    """Its source, as it is told to the server: other instants in each measurement."""
    source = measurement.source
    joint = "," if ":" in source else ":"
    own = "" if "seed=" in source else f",seed={seed * 100 + measurement.number}"
    return f"{source}{joint}seconds={measurement.seconds:g}{own}"
