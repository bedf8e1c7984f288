"""A lane: what goes one way over one relayed connection, held, slowed, sliced or stopped."""

import asyncio
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from lab import clock
from lab.clock import Alarm
from lab.link.relay.toxics import Way

if TYPE_CHECKING:
    from lab.link.relay.connection import End
    from lab.link.relay.relay import Relay

RESERVOIR = 1 << 20
"""Bytes that wait in a lane at most, about: then its sender is read no further."""

QUEUE = 64 << 10
"""The same where the rate is bounded, beside what is under way."""

SEGMENT = 1460
"""Bytes that pass at once at a bounded rate, if that takes a millisecond or more."""

APART = 1_000_000
"""ns between two pieces: else the system would join them again."""


class Held(NamedTuple):
    """Something that waits for its turn; no data is the end."""

    due: int
    arrived: int
    data: bytes
    reset: bool = False


class Lane:
    """One way of one connection.

    Attributes:
        size: bytes that wait. passed: bytes of the present response that were passed on.
    """

    def __init__(self, relay: "Relay", way: Way, source: "End", target: "End") -> None:
        self.relay, self.way, self.source, self.target = relay, way, source, target
        self.waiting: deque[Held] = deque()
        self.size = self.passed = 0
        self.written = 0  # when the last piece was
        self.closed = False
        self.passing: asyncio.Task[None] | None = None
        target.on_room = self._balance

    def feed(self, data: bytes) -> None:
        """Something to pass on, which has just come."""
        arrived = clock.now()
        if self.closed or not data:
            return
        if not self.waiting and self.relay.toxics.leaves_alone(self.way):
            self._note_held(clock.now() - arrived)
            self._write(data)
        else:
            self._hold(Held(self._due(arrived), arrived, data))

    def end(self, *, reset: bool = False) -> None:
        """Nothing more will come; that is passed on after what waits, and as late."""
        if self.closed:
            self.target.hang_up(reset=reset)
            return
        now = clock.now()
        self._hold(Held(self._due(now), now, b"", reset))

    def close(self) -> None:
        """Nothing passes any more, also of what waits."""
        self.closed = True
        if self.passing:
            self.passing.cancel()

    def _due(self, arrived: int) -> int:
        """When it may go: never before what came earlier."""
        earliest = self.waiting[-1].due if self.waiting else 0
        return max(earliest, arrived + self.relay.draw(self.way))

    def _hold(self, held: Held) -> None:
        self.waiting.append(held)
        self.size += len(held.data)
        self._balance()
        if self.passing is None or self.passing.done():
            self.passing = asyncio.create_task(self._pass_on())

    async def _pass_on(self) -> None:
        with Alarm(spin=True) as alarm:
            while self.waiting:
                held = self.waiting[0]
                await alarm.until(held.due)
                await self.relay.gates[self.way].wait()
                if held.data:
                    await self._pass(held, alarm)
                else:
                    self.source.connection.ended(self.way, "rst" if held.reset else "fin")
                    self.target.hang_up(reset=held.reset)
                self.waiting.popleft()
                self.size -= len(held.data)
                self._balance()

    async def _pass(self, held: Held, alarm: Alarm) -> None:
        toxics, at = self.relay.toxics, 0
        piece = toxics.piece if self.way == "down" else 0
        while at < len(held.data):
            part = held.data[at : at + min(filter(None, (piece, self._segment(), len(held.data))))]
            if toxics.bounded(self.way):
                await alarm.until(self.relay.slot(self.way, len(part)))
            if piece:
                await alarm.until(self.written + APART)
            await self.relay.gates[self.way].wait()
            self.written = clock.now()
            at += len(part)
            if at == len(held.data):
                self._note_held(self.written - held.arrived)
            self._write(part)

    def _segment(self) -> int:
        rate = self.relay.toxics.bounded(self.way)
        return max(SEGMENT, int(rate / 8 / 1000)) if rate else 0

    def _note_held(self, ns: int) -> None:
        self.relay.held[self.way].append(ns)

    def _write(self, data: bytes) -> None:
        """What is written next is stamped before: the system call itself may wake the reader."""
        if self.closed:
            return
        connection, most = self.source.connection, self.relay.toxics.cut_at
        if self.way == "up":
            connection.down.passed = 0  # whoever speaks awaits a new response
        elif most and self.passed + len(data) >= most:
            data = data[: most - self.passed]
        self.passed += len(data)
        self.relay.bytes[self.way] += len(data)
        taps = self.relay.taps
        at = clock.now() if taps else 0
        self.target.write(data)
        for tap in taps:
            tap.passed(connection, self.way, data, at)
        if self.way == "down" and most and self.passed >= most:
            self.relay.cuts += 1
            connection.cut(self.relay.toxics.by)

    def _balance(self) -> None:
        """Read no further while too much waits."""
        toxics = self.relay.toxics
        rate = toxics.bounded(self.way)
        room = QUEUE + int(rate / 8 * toxics.held(self.way)) if rate else RESERVOIR
        self.source.read(go_on=not self.target.full and self.size < room)
