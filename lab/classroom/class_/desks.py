"""What pages of a class may ask for: a device's, and the teacher's. Neither has the other's methods."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, WebSocket
from pydantic import ConfigDict, Field, Strict, validate_call

from lab.classroom.channel import Channel, attend, request
from lab.classroom.class_ import pooled
from lab.classroom.class_.attendance import Line
from lab.classroom.class_.controls import Condition
from lab.classroom.class_.measurements import MOST_IN_BATCH, Arrival, Final, Ready
from lab.classroom.class_.room import Room
from lab.classroom.class_.seating import Seat, cleaned, hashed
from lab.classroom.class_.session import Session, kept, on_board, seat_shown, shown
from lab.classroom.class_.timing import Ping, check
from lab.classroom.class_.votes import Phase, Round, Vote
from lab.classroom.host import Host
from lab.errors import UserError

CHECKED = ConfigDict(strict=True, arbitrary_types_allowed=True)

Number = Annotated[int, Field(ge=0, lt=10_000)]
Text = Annotated[str, Field(max_length=400)]
Key = Annotated[str, Field(max_length=64, pattern=r"^[\w-]*$")]
Latency = Annotated[float, Field(ge=-1e6, le=1e7, allow_inf_nan=False)]
PingLike = Annotated[Ping, Strict(strict=False)]  # it comes as JSON's object
ReadyLike = Annotated[Ready, Strict(strict=False)]
FinalLike = Annotated[Final, Strict(strict=False)]
Arrivals = Annotated[list[Arrival], Field(max_length=MOST_IN_BATCH), Strict(strict=False)]


class DeviceDesk:
    """Where a student's page is."""

    def __init__(self, session: Session, seat: Seat, line: Line) -> None:
        self._session, self._seat, self._line = session, seat, line

    def _check(self) -> None:
        """Raises:
        UserError: the seat was taken away, or another page sits there.
        """
        if self._seat.removed:
            raise UserError("your teacher has taken this seat away")
        if self._session.attendance.lines.get(self._seat.number) is not self._line:
            raise UserError("this seat is open in another tab")

    @request
    async def live(
        self, latencies: Annotated[list[Latency], Field(max_length=300)], state: Annotated[str, Field(max_length=12)]
    ) -> None:
        """What has arrived since the last time (ms each), and how the transport does."""
        self._check()
        self._line.state = state if state in ("connecting", "open", "lost") else "lost"
        self._session.attendance.note(self._seat, latencies)

    @request
    async def clock(self, ping: PingLike) -> float:
        """The clock's bound, ms."""
        self._check()
        check(ping)
        self._line.bound, self._line.step = (ping.received - ping.sent) / 2 + ping.step, ping.step
        return self._line.bound

    @request
    async def name(self, name: Text) -> None:
        self._check()
        await self._session.room.note("named", seat=self._seat.number, name=cleaned(name))

    @request
    async def choose(self, transport: Text) -> None:
        self._check()
        if not self._session.room.choosing:
            raise UserError("your teacher spreads the devices over the transports")
        self._session.measuring.idle()
        await self._session.room.move(self._seat, transport)

    @request
    async def vote(self, question: Number, round: Round, vote: Vote) -> None:  # noqa: A002  (the word of the files)
        self._check()
        asked = self._session.room.question
        if asked and asked.number == question:
            self._session.course.check(asked, vote)
        await self._session.room.vote(self._seat, question, round, vote)

    @request
    async def ready(self, number: Number, ready: ReadyLike) -> None:
        self._check()
        check(ready.ping)
        await self._session.room.ready(self._seat, number, ready)

    @request
    async def batch(self, number: Number, batch: Number, arrivals: Arrivals) -> None:
        """Arrivals of a measurement; whoever gets no answer sends the batch again."""
        self._check()
        await self._session.room.arrived(self._seat, number, batch, arrivals)

    @request
    async def final(self, number: Number, final: FinalLike) -> list[int]:
        """That these were all; the batches that have not come."""
        self._check()
        check(final.ping)
        missing = await self._session.room.finished(self._seat, number, final)
        if not missing and self._session.room.measurement(number).over:  # it comes late, and counts
            self._session.measured(number)
        return missing


class ReadingDesk:
    """Where a board is that only shows."""

    def __init__(self, room: Room) -> None:
        self._room = room

    @request
    async def points(self, number: Number) -> list[tuple[int, float, float, str]]:
        """What came in a measurement, to be shown again."""
        return pooled.points(self._room.measurement(number), self._room)

    @request
    async def csv(self) -> str:
        return pooled.as_csv(self._room)

    @request
    async def question(self, number: Number) -> dict[str, Any]:
        """An earlier question, with its votes."""
        if not 1 <= number <= len(self._room.questions):
            raise UserError(f"there is no question {number}")
        one = self._room.questions[number - 1]
        return on_board(one)


class BoardDesk(ReadingDesk):
    """Where the teacher's page is."""

    def __init__(self, session: Session) -> None:
        super().__init__(session.room)
        self._session = session

    @request
    async def measure(self, source: Text, seconds: float, turns: Annotated[int, Field(ge=1, le=12)]) -> None:
        self._session.measuring.begin(source, seconds, turns)

    @request
    async def stop(self) -> None:
        """End the measurement that is going on."""
        await self._session.measuring.stop()

    @request
    async def play(self, source: Text) -> None:
        await self._session.measuring.play(source)

    @request
    async def cut(self, transport: Text) -> int:
        return self._session.controls.cut(transport)

    @request
    async def lay(self, transport: Text, condition: Condition) -> None:
        self._session.controls.lay(transport, condition)

    @request
    async def restart(self) -> None:
        self._session.measuring.idle()
        await self._session.controls.studio.restart()

    @request
    async def rotate(self) -> None:
        self._session.measuring.idle()
        await self._room.rotate()

    @request
    async def choosing(self, allowed: bool) -> None:  # noqa: FBT001  (a request's arguments have names)
        await self._room.note("choosing", allowed=allowed)

    @request
    async def ask(self, text: Text, options: Annotated[list[Text], Field(max_length=20)]) -> int:
        return (await self._room.ask(text, options)).number

    @request
    async def phase(self, phase: Phase) -> None:
        await self._room.go_on(phase)

    @request
    async def lessons(self) -> list[dict[str, Any]]:
        """Every lesson, with its questions."""
        return await asyncio.to_thread(self._session.course.listed)

    @request
    async def ask_of(self, lesson: Text, question: Text) -> int:
        """A lesson's question to everybody."""
        return (await self._session.course.ask(lesson, question)).number

    @request
    async def run(self, lesson: Text) -> None:
        """Measure what a lesson asks about, on the teacher's computer."""
        self._session.course.run(lesson)

    @request
    async def remove(self, seat: Number) -> None:
        """Take a seat away: who has it is not let in any more, neither to the class nor to its transports."""
        if seat not in self._room.seats:
            raise UserError(f"there is no seat {seat}")
        await self._room.note("removed", seat=seat)
        taken = self._room.seats[seat].hash
        await self._session.controls.studio.unseat(lambda key: hashed(key) == taken)
        if line := self._session.attendance.lines.get(seat):
            line.channel.tell("removed")

    @request
    async def door(self, open: bool) -> None:  # noqa: A002, FBT001  (a request's arguments have names)
        self._session.door.open = open

    @request
    async def new_code(self) -> None:
        self._session.door.renew()

    @request
    async def end(self) -> str:
        """The class is over; where it is saved."""
        self._session.over.set()
        return str(self._session.folder)


def doors(session: Session, host: Host) -> APIRouter:
    """Where pages of a class that is held come in: devices with the code or their key, boards with the teacher's."""
    router = APIRouter()

    @router.websocket("/class/seat")
    async def seat(websocket: WebSocket) -> None:
        agent = websocket.headers.get("user-agent", "")[:500]

        @asynccontextmanager
        async def enter(channel: Channel, code: Text = "", key: Key = "", name: Text = "") -> AsyncIterator[DeviceDesk]:
            known = await _seat(session, channel, agent, code, key, name)
            with session.attendance.sitting(known, channel) as line:
                yield DeviceDesk(session, known, line)

        await attend(websocket, validate_call(config=CHECKED)(enter))

    @router.websocket("/class/board")
    async def board(websocket: WebSocket) -> None:
        @asynccontextmanager
        async def enter(channel: Channel, key: Key = "") -> AsyncIterator[BoardDesk]:
            host.check(key)
            with session.attendance.watching(channel):
                channel.tell("state", **session.board())
                channel.tell("result", result=session.result)
                yield BoardDesk(session)

        await attend(websocket, validate_call(config=CHECKED)(enter))

    return router


async def _seat(session: Session, channel: Channel, agent: str, code: str, key: str, name: str) -> Seat:  # noqa: PLR0913, PLR0917
    """The seat that belongs to the key, or a new one for whoever has the code.

    Raises:
        UserError: the key is no seat's, and the code is not the class's.
    """
    seat = session.room.seat_of(key) if key else None
    if seat is None:
        if not code:
            raise UserError("type the code that is on the board")
        session.door.check(code, channel.device)
        key = secrets.token_urlsafe(16)
        seat = await session.room.join(key, name, agent)
        channel.tell("seated", key=key)
    await session.controls.studio.seat(key)
    return seat


def windows(room: Room, host: Host) -> APIRouter:
    """Where boards of a class that is stored come in."""
    router = APIRouter()
    state = {
        "stored": True,
        "lanes": shown(room.transports),
        "seats": [seat_shown(seat) | {"state": "stored"} for seat in room.seats.values() if not seat.removed],
        "measuring": None,
        **kept(room),
    }

    @router.websocket("/class/board")
    async def board(websocket: WebSocket) -> None:
        @asynccontextmanager
        async def enter(channel: Channel, key: Key = "") -> AsyncIterator[ReadingDesk]:
            host.check(key)
            channel.tell("state", **state)
            channel.tell("result", result=pooled.result(room))
            yield ReadingDesk(room)

        await attend(websocket, validate_call(config=CHECKED)(enter))

    return router
