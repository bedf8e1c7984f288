"""Reads along on a relay, and tells those who want to know in batches."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from lab import clock
from lab.classroom.wire.dissector import Dissector
from lab.classroom.wire.step import Size, Step
from lab.link import Relay
from lab.link.relay.connection import Connection
from lab.link.relay.toxics import Way

MOST = 50
"""Steps that a batch tells one by one."""

LARGEST = 128 << 10
"""Bytes that it shows, about."""

BEGINNING = 3
"""Steps of a connection that are kept while it is open: how it came to be."""


class Skipped:
    """Steps that are only counted."""

    def __init__(self) -> None:
        self.steps = 0
        self.size = Size()
        self.events = 0
        self.last: Step | None = None

    def add(self, step: Step) -> None:
        self.steps += 1
        self.size.add(step.size)
        self.events += len(step.events)
        self.last = step

    def join(self, others: "Skipped") -> None:
        self.steps += others.steps
        self.size.add(others.size)
        self.events += others.events
        self.last = others.last or self.last

    def as_json(self) -> list[dict[str, Any]]:
        """A step that stands for all of them; nothing, if there are none."""
        if self.last is None:
            return []
        title = f"{self.steps} more step{'s' * (self.steps > 1)}"
        told = Step(self.last.connection, self.last.at, None, "skipped", title, size=self.size).as_json()
        return [told | {"steps": self.steps, "events": self.events}]


class Batch:
    """What is to be told at once: some steps, and how many more there were."""

    def __init__(self) -> None:
        self._told: list[dict[str, Any]] = []
        self._skipped = Skipped()
        self._room = LARGEST
        self.some = asyncio.Event()

    def add(self, step: Step) -> None:
        if self._skipped.steps or len(self._told) >= MOST or self._room < 0:
            self._skipped.add(step)
        else:
            self._told.append(step.as_json())
            self._room -= sum(len(span.text) for span in step.spans)
        self.some.set()

    def recall(self, so_far: "SoFar") -> None:
        """How a connection came to be that is open already."""
        for step in so_far.beginning:
            self.add(step)
        if self._skipped.steps:
            self._skipped.join(so_far.since)
        else:
            self._told += so_far.since.as_json()

    def taken(self) -> list[dict[str, Any]]:
        """What there is; begins anew."""
        told = self._told + self._skipped.as_json()
        self._told, self._skipped, self._room = [], Skipped(), LARGEST
        self.some.clear()
        return told


class SoFar:
    """What is kept of an open connection: its first steps, and how many came since."""

    def __init__(self) -> None:
        self.beginning: list[Step] = []
        self.since = Skipped()

    def add(self, step: Step) -> None:
        if len(self.beginning) < BEGINNING:
            self.beginning.append(step)
        else:
            self.since.add(step)


class Wire:
    """A tap on a relay that understands what passes. See the package for how it is used.

    It reads along from its making until `close`, so that who looks later is told how the connections came to be.
    """

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self._watchers = self._count = 0
        self._closed = False
        self._dissectors: dict[Connection, Dissector] = {}
        self._so_far: dict[int, SoFar] = {}
        self._asked: dict[str, Dissector] = {}
        self._batches: set[Batch] = set()
        self._watch()

    def close(self) -> None:
        """Read along no more, unless somebody is watching. What passes costs the relay nothing then."""
        if not self._closed:
            self._closed = True
            self._unwatch()

    @property
    def listeners(self) -> int:
        """How many are told in batches now."""
        return len(self._batches)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Read along meanwhile, in any case."""
        self._watch()
        try:
            yield
        finally:
            self._unwatch()

    async def batches(self, every: float = 0.1) -> AsyncGenerator[list[dict[str, Any]], None]:
        """Steps as JSON, see `Step`, as soon as there are some, but at most once in so many seconds; for ever.

        Where more come than a batch may hold, the last of it says how many: a step of the kind "skipped", with
        `steps`, and the sum of their `events` and `bytes`. So all that passed is accounted for. The very first step
        is marked `anew`: what was told of this wire before does not count any more.
        """
        batch = Batch()
        for so_far in self._so_far.values():
            batch.recall(so_far)
        self._batches.add(batch)
        try:
            await batch.some.wait()
            first, *rest = batch.taken()
            yield [first | {"anew": True}, *rest]
            while True:
                await asyncio.sleep(every)
                await batch.some.wait()
                yield batch.taken()
        finally:
            self._batches.discard(batch)

    def _watch(self) -> None:
        self._watchers += 1
        if self._watchers == 1:
            self._attach()

    def _unwatch(self) -> None:
        self._watchers -= 1
        if not self._watchers:
            self._detach()

    def _attach(self) -> None:
        for connection in self.relay.connections:
            self._dissect(connection, None)
        self.relay.taps.append(self)

    def _detach(self) -> None:
        self.relay.taps.remove(self)
        self._dissectors.clear()
        self._so_far.clear()
        self._asked.clear()

    def _dissect(self, connection: Connection, at: int | None) -> None:
        self._count += 1
        self._so_far[self._count] = SoFar()
        self._dissectors[connection] = Dissector(self._count, at, self._tell, self._asked)

    def _tell(self, step: Step) -> None:
        self._so_far[step.connection].add(step)
        for batch in self._batches:
            batch.add(step)

    # What the relay tells

    def opened(self, connection: Connection) -> None:
        self._dissect(connection, clock.now())

    def passed(self, connection: Connection, way: Way, data: bytes, at: int) -> None:
        if dissector := self._dissectors.get(connection):
            dissector.feed(way, data, at)

    def ended(self, connection: Connection, way: Way | None, how: str) -> None:
        if dissector := self._dissectors.get(connection):
            dissector.end(way, how, clock.now())

    def gone(self, connection: Connection) -> None:
        if dissector := self._dissectors.pop(connection, None):
            dissector.end(None, "", clock.now())
            del self._so_far[dissector.number]
