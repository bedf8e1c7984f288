"""The event log: append-only, and read by cursors.

Everything else in the lab follows from it: polling is `wait(cursor)`, streaming is
`follow(cursor)`, resuming is starting again at the last cursor. A reader has no queue;
a slow one is merely a cursor that falls behind, and one that falls out of what the log
retains is told so by a `Gap`, an ordinary line among the others.
"""

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol

from lab.errors import UserError

Json = Any
"""What `json.dumps` takes."""

Cursor = str
"""Where a reader stands: "<epoch>-<id of the last event it has>"; "" = before the oldest retained
event, "now" = after the newest. Opaque to everyone but the log."""

BATCH = 64
"""Events taken at once for one follower: what a slow one may keep alive past retention."""

LARGEST = 4 << 20
"""Bytes of the largest event's line, in UTF-8."""


@dataclass(frozen=True)
class Event:
    epoch: int
    id: int
    line: str  # {"epoch", "id", "due", "at", "data"}: encoded once, for all readers

    @cached_property
    def cursor(self) -> Cursor:
        return f"{self.epoch}-{self.id}"

    @property
    def size(self) -> int:
        """Bytes of its line, in UTF-8."""
        return len(self.line) if self.line.isascii() else len(self.line.encode())


@dataclass(frozen=True)
class Gap:
    """Events that a reader will never see: from `from_` to `to`, None where nobody knows."""

    epoch: int
    from_: int
    to: int | None
    why: Literal["retention", "restart"]
    cursor: Cursor  # where reading goes on

    @cached_property
    def line(self) -> str:
        gap = {"epoch": self.epoch, "from": self.from_, "to": self.to, "why": self.why}
        return json.dumps({"gap": gap, "cursor": self.cursor}, separators=(",", ":"))


@dataclass(frozen=True)
class Here:
    """The answer to "now": where the reader stands, so that it loses nothing if it is cut before its first event."""

    cursor: Cursor

    @cached_property
    def line(self) -> str:
        return json.dumps({"cursor": self.cursor}, separators=(",", ":"))


Item = Event | Gap | Here


class Ledger(Protocol):
    """Where appends are noted so that they outlive the process."""

    def note(self, epoch: int, id_: int, due: int, at: int, size: int) -> None: ...


class Log:
    """An append-only log of events in memory, bounded by count and by bytes.

    Args:
        epoch: tells this log's ids from those of its predecessors; by default the wall
            clock in µs, so that a restarted server's is larger.
        count: events retained. size: bytes of their lines retained (the newest always is).
        ledger: notes every append before any reader can see it.
    """

    def __init__(
        self,
        epoch: int | None = None,
        count: int = 10_000,
        size: int = 64 << 20,
        ledger: Ledger | None = None,
    ) -> None:
        self.epoch = time.time_ns() // 1000 if epoch is None else epoch
        self.closed = False
        self.readers = 0  # followers and waiters there are now
        self.waiting = 0  # those of them that have read everything
        self._count, self._size, self._ledger = count, size, ledger
        self._events: list[Event] = []
        self._bytes = 0
        self._oldest = 1  # id of the oldest retained event, or of the next one
        self._news = asyncio.Event()

    @property
    def last(self) -> int:
        """The id of the newest event; 0 before the first."""
        return self._oldest + len(self._events) - 1

    @property
    def cursor(self) -> Cursor:
        """The tail: nothing has come after it yet."""
        return f"{self.epoch}-{self.last}"

    async def append(self, data: Json, due: int | None = None) -> Event:
        """Add an event that was due at `due` (CLOCK_MONOTONIC, ns; by default now) and wake the readers.

        A coroutine, so that a log which is shared between processes can answer from elsewhere.

        Raises:
            UserError: `data` is not JSON, or larger than an event may be.
        """
        if self.closed:
            raise RuntimeError("append to a closed log")
        at = time.monotonic_ns()
        due = at if due is None else due
        event = Event(self.epoch, self.last + 1, _encode(self.epoch, self.last + 1, due, at, data))
        if self._ledger:
            self._ledger.note(event.epoch, event.id, due, at, event.size)
        self._events.append(event)
        self._bytes += event.size
        self._forget()
        self._wake()
        return event

    def check(self, cursor: Cursor) -> None:
        """Refuse a malformed cursor before anything is sent.

        Raises:
            UserError: says what a cursor looks like.
        """
        _place(cursor)

    def since(self, cursor: Cursor, most: int | None = None) -> list[Item]:
        """What a reader at `cursor` has not seen yet and can see now, oldest first, at most `most` events.

        Raises:
            UserError: the cursor is malformed.
        """
        if cursor == "now":
            return [Here(self.cursor)]
        epoch, seen = _place(cursor) or (self.epoch, self._oldest - 1)
        gaps: list[Item] = []
        if epoch != self.epoch:
            gaps.append(Gap(epoch, seen + 1, None, "restart", f"{self.epoch}-0"))
            seen = 0
        if seen + 1 < self._oldest:
            oldest = self._oldest - 1
            gaps.append(Gap(self.epoch, seen + 1, oldest, "retention", f"{self.epoch}-{oldest}"))
            seen = oldest
        start = seen + 1 - self._oldest
        return [*gaps, *self._events[start : None if most is None else start + most]]

    async def wait(self, cursor: Cursor, seconds: float) -> list[Item]:
        """As `since`, but waits for the first; empty when time has run out or the log was closed."""
        with self._reading():
            return await self._wait(cursor, seconds)

    async def follow(self, cursor: Cursor, heartbeat: float = 0) -> AsyncIterator[Item | None]:
        """What comes after `cursor`, until the log is closed.

        None after each `heartbeat` seconds of silence; 0 = never.
        """
        with self._reading():
            while True:
                news = await self._wait(cursor, heartbeat or math.inf)
                if not news and self.closed:
                    return
                for item in news:
                    yield item
                    cursor = item.cursor
                if not news:
                    yield None
                if len(news) >= BATCH:
                    await asyncio.sleep(0)  # whoever catches up lets others have their turn

    def restart(self) -> None:
        """Forget everything and begin a new epoch, as a server does that was restarted."""
        self.epoch += 1
        self._events.clear()
        self._bytes, self._oldest = 0, 1
        self._wake()

    def close(self) -> None:
        """End every reader once it has read what is here. Appending is over."""
        self.closed = True
        self._wake()

    @contextmanager
    def _reading(self) -> Iterator[None]:
        self.readers += 1
        try:
            yield
        finally:
            self.readers -= 1

    async def _wait(self, cursor: Cursor, seconds: float) -> list[Item]:
        self.waiting += 1
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(None if seconds == math.inf else seconds):
                    return await self._next(cursor)
        finally:
            self.waiting -= 1
        return self.since(cursor, BATCH)  # something may have come in the very moment that time ran out

    async def _next(self, cursor: Cursor) -> list[Item]:
        while not (news := self.since(cursor, BATCH)) and not self.closed:
            await self._news.wait()
        return news

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _forget(self) -> None:
        forgotten = 0
        while len(self._events) - forgotten > 1 and (
            len(self._events) - forgotten > self._count or self._bytes > self._size
        ):
            self._bytes -= self._events[forgotten].size
            forgotten += 1
        del self._events[:forgotten]
        self._oldest += forgotten


def _place(cursor: Cursor) -> tuple[int, int] | None:
    """Epoch and id of the last event seen; None where the log decides."""
    if cursor in ("", "now"):
        return None
    epoch, dash, seen = cursor.partition("-")
    if dash and _is_count(epoch) and _is_count(seen):
        return int(epoch), int(seen)
    shown = cursor if len(cursor) <= 40 else cursor[:40] + "…"
    raise UserError(f'cursor {shown!r} is malformed: it is "<epoch>-<id>", "now", or empty')


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 16  # a JavaScript number holds it exactly


def _encode(epoch: int, id_: int, due: int, at: int, data: Json) -> str:
    try:
        text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise UserError(f"an event's data must be JSON: {error}") from error
    # Half of a surrogate pair has no UTF-8, but JSON has an escape for it: the one that Python writes, too.
    wire = text.encode(errors="backslashreplace")
    if len(wire) > LARGEST:
        raise UserError(f"an event of {len(wire)} bytes is too large: at most {LARGEST}")
    return f'{{"epoch":{epoch},"id":{id_},"due":{due},"at":{at},"data":{wire.decode()}}}'
