"""Lessons in a class: a question to everybody, a run on the teacher's computer, the answer by what was measured."""

import asyncio
from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.classroom.class_.measuring import Measuring
from lab.classroom.class_.room import Room
from lab.classroom.class_.votes import Question, Vote
from lab.errors import UserError

if TYPE_CHECKING:
    from lab.classroom.teaching.lesson import Lesson, Shelf
    from lab.classroom.teaching.measured import Measured, Progress


class Course:
    """Attributes:
    folder: in which each lesson's runs are kept. running: which lesson's run goes on, and how far it is.
    failed: why the last run came to nothing.
    """

    def __init__(self, room: Room, measuring: Measuring, folder: Path) -> None:
        self.room, self.measuring, self.folder = room, measuring, folder
        self.running: dict[str, Any] | None = None
        self.failed = ""
        self._task: asyncio.Task[None] | None = None

    @cached_property
    def shelf(self) -> "Shelf":
        from lab.classroom.teaching.lesson import shelf  # noqa: PLC0415  (it knows every plan, which takes a while)

        return shelf()

    def listed(self) -> list[dict[str, Any]]:
        """Every lesson that can be had, with its questions."""
        return [
            {
                "name": one.name,
                "title": one.title,
                "about": one.about,
                "questions": [[q.name, q.ask] for q in one.questions],
            }
            for one in self.shelf.lessons.values()
        ]

    def lesson(self, name: str) -> "Lesson":
        """Raises:
        UserError: there is none of that name, or it is broken.
        """
        return self.shelf.lesson(name)

    async def ask(self, name: str, question: str) -> Question:
        """A lesson's question to everybody.

        Raises:
            UserError: there is no such lesson or question.
        """
        one = self.lesson(name).question(question)
        shape = dict(one.shown)
        text, kind, unit = shape.pop("ask"), shape.pop("kind"), shape.pop("unit")
        options = shape.pop("labels", [])
        return await self.room.put(Question(0, text, kind, options, unit, f"{name}/{one.name}", shape))

    def check(self, question: Question, vote: Vote) -> None:
        """Raises:
        UserError: that is no answer to a lesson's question.
        """
        if question.step:
            from lab.classroom.teaching.measured import check_prediction  # noqa: PLC0415  (see above)

            name, _, of = question.step.partition("/")
            check_prediction(self.lesson(name).question(of), vote)

    def run(self, name: str) -> None:
        """Measure what a lesson asks about; its questions are answered when it is done.

        Raises:
            UserError: nobody has predicted anything, or something else is being measured.
        """
        lesson = self.lesson(name)
        self.measuring.idle()
        if not any(question.votes["before"] or question.votes["after"] for question in self._asked(lesson)):
            raise UserError("predict first: ask one of the lesson's questions, and let the class vote")
        self.failed = ""
        self.measuring.occupied = f"the lesson {lesson.name}"
        self.running = {"lesson": lesson.name, "done": 0, "planned": 0, "says": "starting the browsers"}
        self._task = asyncio.create_task(self._run(lesson))

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self, lesson: "Lesson") -> None:
        from benchmarks.ground import BREAKDOWNS  # noqa: PLC0415  (see above)
        from lab.classroom.teaching.measured import measured  # noqa: PLC0415

        try:
            await self.measuring.controls.studio.pause()  # nothing else is to keep the computer busy
            of = await measured(lesson, self._fresh(lesson.name), self._told)
            for question in self._asked(lesson):
                await self._answer(question, lesson, of)
        except BREAKDOWNS as error:
            self.failed = str(error) or repr(error)
        finally:
            self.running, self.measuring.occupied = None, ""
            await self.measuring.controls.studio.play(self.measuring.live)

    def _told(self, progress: "Progress") -> None:
        assert self.running
        self.running |= {"done": progress.done, "planned": progress.planned, "says": progress.says}

    def _asked(self, lesson: "Lesson") -> list[Question]:
        """The lesson's questions that the class was asked, and that have no answer yet."""
        return [one for one in self.room.questions if one.step.partition("/")[0] == lesson.name and not one.answer]

    async def _answer(self, question: Question, lesson: "Lesson", of: "Measured") -> None:
        """What is right by what was measured, and how many had said so, before and after the discussion."""
        from lab.classroom.teaching.measured import answer, check_prediction, judged  # noqa: PLC0415  (see above)

        one = lesson.question(question.step.partition("/")[2])
        right = answer(one, of)
        marks = {
            round_: Counter(judged(one, check_prediction(one, vote), right).mark for vote in votes.values())
            for round_, votes in question.votes.items()
        }
        figures = [[figure.value, figure.low, figure.high] for figure in right.figures]
        told = {"given": right.given, "says": right.says, "note": of.note, "figures": figures, "marks": marks}
        await self.room.note("answer", question=question.number, answer=told)

    def _fresh(self, name: str) -> Path:
        """A folder for another run of that lesson."""
        nth = 1 + len(list(self.folder.glob(f"{name}-*")))
        return self.folder / f"{name}-{nth}"
