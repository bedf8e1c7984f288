"""A class: its seats, questions and measurements. Everything in it follows from the records of its journal."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from lab.classroom.class_.journal import Journal, Record
from lab.classroom.class_.measurements import Arrival, Final, Measurement, Part, Ready
from lab.classroom.class_.seating import Seat, cleaned, engine_of, hashed
from lab.classroom.class_.timing import check
from lab.classroom.class_.votes import Phase, Question, Round, Vote, asked
from lab.errors import UserError
from lab.transport import BROWSERS, Subject

MOST_SEATS = 150
MOST_QUESTIONS = 200
MOST_MEASUREMENTS = 99
PHASES: Sequence[Phase] = ("before", "discuss", "after", "shown")


class Room:
    """Attributes:
    transports: subjects over which devices are spread, by name. opened: the first record; empty until there is one.
    choosing: whether devices may choose their transport.
    """

    def __init__(self, transports: Mapping[str, Subject], journal: Journal | None = None) -> None:
        self.transports, self.journal = transports, journal
        self.opened: Record = {}
        self.choosing = False
        self.seats: dict[int, Seat] = {}
        self.questions: list[Question] = []
        self.measurements: list[Measurement] = []
        self.joining = asyncio.Lock()

    @property
    def seed(self) -> int:
        """Of the class: what is measured follows from it, and from the measurement's number."""
        return int(self.opened.get("seed", 0))

    # what happens

    async def note(self, kind: str, /, **what: Any) -> None:
        """Something happens: it is on the disk before it has any effect.

        Raises:
            UserError: it can't be written, and has not happened.
        """
        if self.journal is None:
            raise UserError("this class is over: it is only shown")
        record = {"is": kind, **what}
        await self.journal.add(record, lambda: self.apply(record))

    def apply(self, record: Record) -> None:
        """What a record says has happened."""
        what = {key: value for key, value in record.items() if key != "is"}
        getattr(self, f"_has_{record['is']}")(**what)

    def apply_all(self, records: Iterable[Record]) -> None:
        """A stored class. What was going on when it ended is over."""
        for record in records:
            self.apply(record)
        for measurement in self.measurements:
            if not measurement.over:
                measurement.over, measurement.failed = True, "the class was ended meanwhile"

    # seats

    async def join(self, key: str, name: str, agent: str) -> Seat:
        """A seat for a new device.

        Raises:
            UserError: there is none left.
        """
        async with self.joining:
            if sum(not seat.removed for seat in self.seats.values()) >= MOST_SEATS:
                raise UserError(f"the class is full: it has {MOST_SEATS} seats")
            engine, browser = engine_of(agent)
            number = len(self.seats) + 1
            transport = self.least(engine)
            seat = Seat(number, hashed(key), cleaned(name), engine, browser, transport)
            await self.note("seat", **asdict(seat))
        return self.seats[number]

    def seat_of(self, key: str) -> Seat | None:
        """The seat that belongs to a key."""
        known = hashed(key)
        return next((seat for seat in self.seats.values() if seat.hash == known and not seat.removed), None)

    def possible(self, engine: str) -> list[str]:
        """The transports that may work in an engine: all where nobody knows."""
        if engine not in BROWSERS:
            return list(self.transports)
        return [name for name, subject in self.transports.items() if not subject.unsupported(engine)]

    def least(self, engine: str) -> str:
        """The transport that has the fewest devices, of those that this engine may use."""
        taken = Counter(seat.transport for seat in self.seats.values() if not seat.removed)
        return min(self.possible(engine), key=lambda name: taken[name])

    async def move(self, seat: Seat, transport: str) -> None:
        """Raises:
        UserError: there is no such transport for that device.
        """
        possible = self.possible(seat.engine)
        if transport not in possible:
            raise UserError(f"unknown transport {transport[:40]!r}: there are {', '.join(possible)}")
        await self.note("moved", to={str(seat.number): transport})

    async def rotate(self) -> None:
        """Every device goes on to the next transport: after as many turns as there are, it has measured them all."""
        await self.note("moved", to={str(seat.number): self._next(seat) for seat in self.seats.values()})

    def _next(self, seat: Seat) -> str:
        possible = self.possible(seat.engine)
        return possible[(possible.index(seat.transport) + 1) % len(possible)]

    # questions

    async def ask(self, text: str, options: Sequence[str]) -> Question:
        return await self.put(asked(len(self.questions) + 1, text, options))

    async def put(self, question: Question) -> Question:
        """A question to everybody; the one before it takes no more votes.

        Raises:
            UserError: there have been too many.
        """
        if len(self.questions) >= MOST_QUESTIONS:
            raise UserError(f"a class has at most {MOST_QUESTIONS} questions")
        if self.question and self.question.phase != "shown":
            await self.go_on("shown")
        kept = asdict(replace(question, number=len(self.questions) + 1))
        await self.note(
            "question", **{key: value for key, value in kept.items() if key not in ("phase", "votes", "answer")}
        )
        return self.questions[-1]

    @property
    def question(self) -> Question | None:
        """The one that is on the board."""
        return self.questions[-1] if self.questions else None

    async def go_on(self, phase: Phase) -> None:
        """Raises:
        UserError: there is no question.
        """
        if not self.question:
            raise UserError("no question has been asked yet")
        await self.note("phase", question=self.question.number, phase=phase)

    async def vote(self, seat: Seat, number: int, round_: Round, vote: Vote) -> None:
        """Raises:
        UserError: that vote is not taken now, or is no answer to the question.
        """
        question = self.question
        if not question or question.number != number:
            raise UserError("that question is not asked any more")
        if question.round != round_:
            raise UserError("this vote is closed")
        question.check(vote)
        await self.note("vote", question=number, round=round_, seat=seat.number, vote=vote)

    # measurements

    def measurement(self, number: int) -> Measurement:
        """Raises:
        UserError: there is none of that number.
        """
        if not 1 <= number <= len(self.measurements):
            raise UserError(f"there is no measurement {number}")
        return self.measurements[number - 1]

    async def begin(self, source: str, seconds: float, links: Mapping[str, str], seats: Iterable[Seat]) -> Measurement:
        """A measurement with these devices; links: what lies in each transport's way.

        Raises:
            UserError: there have been too many.
        """
        if len(self.measurements) >= MOST_MEASUREMENTS:
            raise UserError(f"a class has at most {MOST_MEASUREMENTS} measurements: end it, and begin another")
        number = len(self.measurements) + 1
        parts = [[seat.number, seat.transport, seat.engine, links[seat.transport]] for seat in seats]
        await self.note("measurement", number=number, source=source, seconds=seconds, parts=parts)
        return self.measurements[-1]

    async def ready(self, seat: Seat, number: int, ready: Ready) -> None:
        check(ready.ping)
        self.measurement(number).part(seat.number)
        await self.note("ready", number=number, seat=seat.number, ready=ready.model_dump())

    async def arrived(self, seat: Seat, number: int, batch: int, arrivals: Sequence[Arrival]) -> None:
        """Raises:
        UserError: that device takes no part, or tells too much.
        """
        part = self.measurement(number).part(seat.number)
        if batch not in part.batches:
            part.check_batch(arrivals)
            await self.note("batch", number=number, seat=seat.number, batch=batch, arrivals=arrivals)

    async def finished(self, seat: Seat, number: int, final: Final) -> list[int]:
        """The batches that are still missing; with none, the device's part is over."""
        check(final.ping)
        part = self.measurement(number).part(seat.number)
        missing = part.missing(final)
        if not missing and not part.final:
            await self.note("final", number=number, seat=seat.number, final=final.model_dump(by_alias=True))
        return missing

    # what records do

    def _has_opened(self, **what: Any) -> None:
        self.opened = self.opened or what

    def _has_seat(self, **what: Any) -> None:
        self.seats[what["number"]] = Seat(**what)

    def _has_named(self, seat: int, name: str) -> None:
        self.seats[seat].name = name

    def _has_moved(self, to: Mapping[str, str]) -> None:
        for number, transport in to.items():
            self.seats[int(number)].transport = transport

    def _has_removed(self, seat: int) -> None:
        self.seats[seat].removed = True

    def _has_choosing(self, *, allowed: bool) -> None:
        self.choosing = allowed

    def _has_question(self, **what: Any) -> None:
        self.questions.append(Question(**what))

    def _has_phase(self, question: int, phase: Phase) -> None:
        self.questions[question - 1].phase = phase

    def _has_vote(self, question: int, round: Round, seat: int, vote: Vote) -> None:  # noqa: A002  (as records say it)
        self.questions[question - 1].votes[round][seat] = vote

    def _has_answer(self, question: int, answer: Mapping[str, Any]) -> None:
        self.questions[question - 1].answer = answer
        self.questions[question - 1].phase = "shown"

    def _has_measurement(self, number: int, source: str, seconds: float, parts: Sequence[Sequence[Any]]) -> None:
        self.measurements.append(Measurement(number, source, seconds, {row[0]: Part(*row) for row in parts}))

    def _has_ready(self, number: int, seat: int, ready: Mapping[str, Any]) -> None:
        self.measurement(number).part(seat).ready = Ready.model_validate(ready)

    def _has_batch(self, number: int, seat: int, batch: int, arrivals: Sequence[Sequence[Any]]) -> None:
        held = [Arrival(*row) for row in arrivals]
        self.measurement(number).part(seat).batches.setdefault(batch, held)

    def _has_final(self, number: int, seat: int, final: Mapping[str, Any]) -> None:
        part = self.measurement(number).part(seat)
        part.final, part.trial = Final.model_validate(final), None

    def _has_played(self, number: int, **what: Any) -> None:
        measurement = self.measurement(number)
        measurement.sent, measurement.faults, measurement.began = what["sent"], what["faults"], what["began"]

    def _has_over(self, number: int, failed: str = "") -> None:
        measurement = self.measurement(number)
        measurement.over, measurement.failed = True, failed
        for part in measurement.parts.values():
            part.trial = None


def started() -> str:
    """Now, for the first record."""
    return datetime.now(UTC).isoformat(timespec="seconds")
