"""A class while it is held: its room, who is there, what is measured, and where pages find it."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from benchmarks.report.looks import looks
from lab.classroom.class_ import pooled, saved
from lab.classroom.class_.attendance import Attendance, Line
from lab.classroom.class_.controls import CONDITIONS, Controls
from lab.classroom.class_.course import Course
from lab.classroom.class_.door import Door
from lab.classroom.class_.measuring import Measuring
from lab.classroom.class_.room import Room
from lab.classroom.class_.seating import Seat
from lab.classroom.class_.votes import Question
from lab.transport import Subject

TICK = 0.2
"""Seconds between two looks at what has changed: a board is never older than that."""


@dataclass
class Session:
    """Attributes:
    origin: where students find it. folder: where it is saved. over: it has been ended.
    networks: interfaces of this machine, for a class that could be in one and is not.
    """

    room: Room
    controls: Controls
    door: Door
    origin: str
    folder: Path
    networks: Sequence[str] = ()
    attendance: Attendance = field(default_factory=Attendance)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.measuring = Measuring(self.room, self.attendance, self.controls, self.measured)
        self.looks = shown(self.room.transports)
        self.result = pooled.result(self.room)
        self.course = Course(self.room, self.measuring, self.folder / "lessons")
        self._told = ""

    def measured(self, number: int) -> None:
        """A measurement is over: it is saved, and everybody sees what came of it."""
        saved.save(self.room, self.folder, only=number)
        self.result = pooled.result(self.room)
        self.attendance.tell_boards("result", result=self.result)

    async def tell(self) -> None:
        """Tell boards and devices what has changed, until cancelled."""
        while True:
            self.tell_boards()
            for number, line in list(self.attendance.lines.items()):
                self.tell_device(self.room.seats[number], line)
            await asyncio.sleep(TICK)

    def tell_boards(self) -> None:
        attendance = self.attendance
        if attendance.came:
            came, attendance.came = attendance.came, []
            attendance.tell_boards("came", points=came)
        if (now := json.dumps(state := self.board())) != self._told:
            self._told = now
            attendance.tell_boards("state", **state)

    def tell_device(self, seat: Seat, line: Line) -> None:
        if (now := self.device(seat)) != line.told:
            line.told = now
            line.channel.tell("you", **now)

    def board(self) -> dict[str, Any]:
        """What boards show."""
        return {
            "stored": False,
            "door": self._door(),
            "lanes": [look | {"way": self.controls.way[look["name"]]} for look in self.looks],
            "conditions": list(CONDITIONS),
            "ports": self._ports(),
            "source": self.measuring.live,
            "seats": [self._seat(seat) for seat in self.room.seats.values() if not seat.removed],
            "measuring": self._progress(),
            "failed": self.measuring.failed or self.course.failed,
            "running": self.course.running,
            "folder": str(self.folder),
            **kept(self.room),
        }

    def _door(self) -> dict[str, Any]:
        code, qr_ = self.door.code, qr(self.address)
        return {"code": code, "origin": self.origin, "open": self.door.open, "qr": qr_, "networks": self.networks}

    @property
    def address(self) -> str:
        """What the QR code holds; browsers send what is behind the # to nobody."""
        return f"{self.origin}/#{self.door.code}"

    def _ports(self) -> list[int]:
        """The first and the last of the lanes' ports."""
        ports = [int(lane.origin.rpartition(":")[2]) for lane in self.controls.studio.lanes.values()]
        return [min(ports), max(ports)]

    def _seat(self, seat: Seat) -> dict[str, Any]:
        line = self.attendance.lines.get(seat.number)
        now = {"state": line.state, "bound": line.bound, "step": line.step} if line else {"state": "away"}
        return seat_shown(seat) | now

    def _progress(self) -> dict[str, Any] | None:
        progress = self.measuring.progress
        if not progress:
            return None
        parts = progress.measurement.parts.values()
        return {
            "number": progress.measurement.number,
            "seconds": progress.measurement.seconds,
            "phase": progress.phase,
            "turn": progress.turn,
            "turns": progress.turns,
            "devices": len(parts),
            "ready": sum(part.ready is not None for part in parts),
            "told": sum(part.final is not None for part in parts),
        }

    def device(self, seat: Seat) -> dict[str, Any]:
        """What a device's page needs to know."""
        lane = self.controls.studio.lanes[seat.transport]
        possible = self.room.possible(seat.engine) if self.room.choosing else []
        return {
            "number": seat.number,
            "name": seat.name,
            "browser": seat.browser,
            "tested": seat.tested,
            "transport": next(look for look in self.looks if look["name"] == seat.transport),
            "origin": lane.origin,
            "choices": [[name, self.room.transports[name].title] for name in possible],
            "measuring": self._part(seat),
            "question": self._question(seat),
        }

    def _part(self, seat: Seat) -> dict[str, Any] | None:
        """The measurement in which the device takes part, or for which it still owes what had arrived."""
        progress = self.measuring.progress
        if progress and seat.number in progress.measurement.parts:
            last = progress.measurement.last
            number, seconds = progress.measurement.number, progress.measurement.seconds
            return {"number": number, "phase": progress.phase, "seconds": seconds, "last": list(last)}
        last_one = self.room.measurements[-1] if self.room.measurements else None
        if last_one and last_one.sent and (part := last_one.parts.get(seat.number)) and part.ready and not part.final:
            owed = {"number": last_one.number, "seconds": last_one.seconds, "last": list(last_one.last)}
            return owed | {"phase": "finish"}
        return None

    def _question(self, seat: Seat) -> dict[str, Any] | None:
        question = self.room.question
        if not question:
            return None
        votes = {round_: votes.get(seat.number) for round_, votes in question.votes.items()}
        answer = {key: question.answer[key] for key in ("given", "figures", "says")} if question.answer else None
        return asked(question) | {"votes": votes, "answer": answer}


def kept(room: Room) -> dict[str, Any]:
    """What a board shows of a class that goes on, and of one that is stored."""
    question = room.question
    return {
        "started": room.opened.get("started", ""),
        "choosing": room.choosing,
        "question": question and on_board(question),
        "questions": len(room.questions),
        "measurements": [
            {"number": one.number, "source": one.source, "seconds": one.seconds, "devices": len(one.parts),
             "failed": one.failed, "disturbed": bool(one.faults)}
            for one in room.measurements if one.over
        ],
    }  # fmt: skip


def asked(question: Question) -> dict[str, Any]:
    return {
        "number": question.number,
        "text": question.text,
        "kind": question.kind,
        "options": list(question.options),
        "unit": question.unit,
        "step": question.step,
        **question.shape,
        "phase": question.phase,
    }


def on_board(question: Question) -> dict[str, Any]:
    """With everybody's votes, and what is right where that was measured."""
    votes = {"before": question.tally("before"), "after": question.tally("after")}
    return asked(question) | votes | {"answer": question.answer or None}


def seat_shown(seat: Seat) -> dict[str, Any]:
    """A seat, without anything that lets somebody in."""
    return {
        "number": seat.number,
        "name": seat.shown,
        "browser": seat.browser,
        "tested": seat.tested,
        "transport": seat.transport,
    }


def shown(transports: Mapping[str, Subject]) -> list[dict[str, str]]:
    """Each transport with its title, colour and shape, the same as in reports."""
    found = looks([{"transport": one.found.name, "variant": one.variant} for one in transports.values()])
    return [
        {"name": name, "title": subject.title, "colour": found[name].colour, "shape": found[name].path}
        for name, subject in transports.items()
    ]


@lru_cache(1)
def qr(text: str) -> Sequence[str]:
    """A QR code: a row of 0 and 1 for each of its lines; nothing where the library for it is not installed."""
    try:
        import segno  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415  (it may be missing)
    except ImportError:
        return []
    return ["".join(map(str, row)) for row in segno.make(text, error="m").matrix]
