"""Who is there at the moment, and what each device has just told of itself. Nothing of it is kept."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from lab.classroom.channel import Channel
from lab.classroom.class_.seating import Seat
from lab.errors import UserError

MOST_BOARDS = 8
MOST_WAITING = 5000
"""Latencies between two looks at them: beyond that they are not shown."""


@dataclass
class Line:
    """The line of a device. state: of its transport. bound, step: of its clock (ms), None until it is set.

    told: what the device was last told about itself.
    """

    channel: Channel
    state: str = "connecting"
    bound: float | None = None
    step: float | None = None
    told: Any = None


@dataclass
class Attendance:
    """Attributes:
    lines: of the devices that are there, by seat. boards: the teacher's pages.
    came: seat and latency (ms) of events that have just arrived somewhere.
    """

    lines: dict[int, Line] = field(default_factory=dict)
    boards: set[Channel] = field(default_factory=set)
    came: list[tuple[int, float]] = field(default_factory=list)

    @contextmanager
    def sitting(self, seat: Seat, channel: Channel) -> Iterator[Line]:
        """A device is there. One seat, one page: an older one of the same device is told to stop."""
        if older := self.lines.get(seat.number):
            older.channel.tell("elsewhere")
        line = self.lines[seat.number] = Line(channel)
        try:
            yield line
        finally:
            if self.lines.get(seat.number) is line:
                del self.lines[seat.number]

    @contextmanager
    def watching(self, channel: Channel) -> Iterator[None]:
        """A board is there.

        Raises:
            UserError: there are many already.
        """
        if len(self.boards) >= MOST_BOARDS:
            raise UserError(f"{MOST_BOARDS} boards are open already: close one")
        self.boards.add(channel)
        try:
            yield
        finally:
            self.boards.discard(channel)

    def note(self, seat: Seat, latencies: list[float]) -> None:
        room = MOST_WAITING - len(self.came)
        self.came.extend((seat.number, latency) for latency in latencies[:room])

    def tell_boards(self, kind: str, **what: Any) -> None:
        for board in self.boards:
            board.tell(kind, **what)

    def tell_everybody(self, kind: str, **what: Any) -> None:
        for channel in (*self.boards, *(line.channel for line in self.lines.values())):
            channel.tell(kind, **what)
