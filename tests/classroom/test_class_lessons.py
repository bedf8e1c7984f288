"""A lesson's step for a whole class: predicted, discussed, predicted again, measured, answered by what was measured."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from classmates import Device, Refused, a_class, board, device, told

from lab.classroom.teaching import measured as measuring
from lab.classroom.teaching.figure import Figure
from lab.classroom.teaching.lesson import shelf
from lab.classroom.teaching.measured import Measured
from lab.classroom.teaching.question import Question

LESSON = "polling"
TRANSPORTS = ("sse", "long_polling")


async def a_lesson(students: list[Device], teacher: Any, question: str, before: list[Any], after: list[Any]) -> None:
    """Asked, voted on, discussed, voted on again, and measured."""
    number = await teacher.ask("ask_of", lesson=LESSON, question=question)
    await told(students, lambda asked: asked["number"] == number)
    for one, vote in zip(students, before, strict=True):
        await one.vote(vote)
    await teacher.ask("phase", phase="discuss")
    await teacher.ask("phase", phase="after")
    await told(students, lambda asked: asked["phase"] == "after")
    for one, vote in zip(students, after, strict=True):
        await one.vote(vote)


def of_kind(kind: str) -> Question:
    return next(one for one in shelf().lessons[LESSON].questions if one.kind == kind)


async def test_predictions_are_judged_by_what_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = of_kind("number")

    async def measured(lesson: Any, folder: Path, tell: Any) -> Measured:
        figure = Figure(250.0, 245.0, 256.0, unit="ms")
        return Measured(lesson.name, 0, "", dict.fromkeys(lesson.values, figure))

    monkeypatch.setattr(measuring, "measured", measured)
    async with (
        a_class(tmp_path, *TRANSPORTS) as held,
        board(held) as teacher,
        device(held) as ada,
        device(held) as grace,
    ):
        assert any(one["name"] == LESSON for one in await teacher.ask("lessons"))
        with pytest.raises(Refused, match="predict first"):
            await teacher.ask("run", lesson=LESSON)
        with pytest.raises(Refused, match="unknown lesson"):
            await teacher.ask("ask_of", lesson="nonsense", question=asked.name)
        await a_lesson([ada, grace], teacher, asked.name, [1.0, 240.0], [500.0, 250.0])
        with pytest.raises(Refused, match="plausible"):
            await ada.vote(-5.0)
        with pytest.raises(Refused, match="answer"):
            await ada.vote([0, 1])
        await teacher.ask("run", lesson=LESSON)
        await teacher.until(lambda known: bool(known["state"]["question"]["answer"]))
        answer = teacher.told["state"]["question"]["answer"]
        assert answer["given"] == 250.0
        assert answer["figures"] == [[250.0, 245.0, 256.0]]
        assert answer["marks"] == {"before": {"wrong": 1, "right": 1}, "after": {"wrong": 1, "right": 1}}
        await told([ada], lambda question: "250 ms" in (question["answer"] or {}).get("says", ""))
        assert teacher.told["state"]["question"]["phase"] == "shown"


async def test_a_lesson_that_comes_to_nothing_says_why_and_the_class_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def measured(*_: Any) -> Measured:
        await asyncio.sleep(0.5)
        raise ConnectionError("the browser has gone")

    monkeypatch.setattr(measuring, "measured", measured)
    async with a_class(tmp_path, *TRANSPORTS) as held, board(held) as teacher, device(held) as ada:
        await a_lesson([ada], teacher, of_kind("choice").name, [0], [1])
        await teacher.ask("run", lesson=LESSON)
        with pytest.raises(Refused, match="lesson polling is going on"):
            await teacher.ask("measure", source="steady", seconds=1.0, turns=1)
        await teacher.until(lambda known: "the browser has gone" in known["state"]["failed"])
        assert teacher.told["state"]["running"] is None
        assert held.session.controls.studio.source == held.session.measuring.live


@pytest.mark.slow
async def test_a_lesson_is_really_measured_and_answered(tmp_path: Path) -> None:
    asked = of_kind("choice")
    async with a_class(tmp_path, *TRANSPORTS) as held, board(held) as teacher, device(held) as ada:
        options = len(asked.shown["labels"])
        await a_lesson([ada], teacher, asked.name, [0], [options - 1])
        await teacher.ask("run", lesson=LESSON)
        await teacher.until(lambda known: known["state"]["question"]["answer"] or known["state"]["failed"], 240)
        answer = teacher.told["state"]["question"]["answer"]
        assert teacher.told["state"]["failed"] == ""
        assert answer["figures"][0][0] > 0
        assert sum(answer["marks"]["after"].values()) == 1
