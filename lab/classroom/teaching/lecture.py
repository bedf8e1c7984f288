"""`pushlab lesson run`: the page of one lesson, and the process that measures behind it."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fastapi import APIRouter, WebSocket
from fastapi.responses import HTMLResponse

from benchmarks.report.looks import looks
from lab.classroom.channel import Channel, attend, request
from lab.classroom.host import Host, Opening, Place, Tell, browsing, hosting, stopped
from lab.classroom.teaching.attempt import RESULTS, Attempt, dated
from lab.classroom.teaching.figure import Figure
from lab.classroom.teaching.handout import POLICY, handout
from lab.classroom.teaching.lesson import EXPLAIN, PLACEHOLDER, RUN, SEEN, STORY, TEACHER, TRY, Lesson
from lab.classroom.teaching.measured import Measured, Progress, absent, answer, claimed, judged, unavailable, way_of
from lab.classroom.teaching.prose import html, inline
from lab.classroom.teaching.question import Prediction, Question
from lab.classroom.teaching.value import OfCell, OfExperiment, Value


class Lecture:
    """One lesson, and the pages that show it: all of them the same.

    Attributes:
        results: where attempts are kept. missing: why it can't be run here; empty where it can.
        note: what is to be known of the way in which it is run here, where that isn't the usual one.
    """

    def __init__(self, lesson: Lesson, results: Path, engines: Mapping[str, str]) -> None:
        """Args:
        engines: those that are not here, and why.
        """
        self.lesson, self.results = lesson, results
        self.missing, way = unavailable(lesson, engines), way_of(lesson, engines)
        self.note = lesson.ways[way].says if way else ""
        self.attempt = Attempt(lesson, dated(lesson, results))
        self.pages: set[Channel] = set()
        self._run: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Run in the background; every page is told how far it is.

        Raises:
            UserError: it must not be run now.
        """
        self.attempt.check_run()
        self._run = asyncio.create_task(self._go())

    async def _go(self) -> None:
        running = asyncio.create_task(self.attempt.run(self._told))
        await asyncio.sleep(0)  # it has begun, or was refused
        self.tell_all()
        try:
            await running
        finally:
            self.tell_all()

    def _told(self, progress: Progress) -> None:
        for page in self.pages:
            page.tell("progress", **asdict(progress))

    def again(self) -> None:
        """Another attempt, without any prediction."""
        self.attempt = Attempt(self.lesson, dated(self.lesson, self.results))
        self.tell_all()

    def tell_all(self) -> None:
        for page in self.pages:
            self.tell(page)

    def tell(self, page: Channel) -> None:
        page.tell("state", **state(self.attempt))

    async def ended(self) -> None:
        """Give up what runs."""
        if self._run is not None:
            self._run.cancel()
            await asyncio.gather(self._run, return_exceptions=True)

    def router(self, host: Host) -> APIRouter:
        """What pages need."""
        router = APIRouter()

        @asynccontextmanager
        async def enter(channel: Channel, *, key: str) -> AsyncIterator[Desk]:
            host.check(key)
            self.pages.add(channel)
            channel.tell("lesson", **described(self))
            self.tell(channel)
            try:
                yield Desk(self)
            finally:
                self.pages.discard(channel)

        @router.websocket("/lesson/line")
        async def line(websocket: WebSocket) -> None:
            await attend(websocket, enter)

        @router.get("/lesson/handout")
        def printed() -> HTMLResponse:
            return HTMLResponse(handout(self.lesson), headers={"Content-Security-Policy": POLICY})

        return router


class Desk:
    """What the page of a lesson may do."""

    def __init__(self, lecture: Lecture) -> None:
        self.lecture = lecture

    @request
    async def predict(self, question: str, given: Any) -> None:
        self.lecture.attempt.predict(question, given)
        self.lecture.tell_all()

    @request
    async def run(self) -> None:
        self.lecture.begin()

    @request
    async def observe(self, question: str, given: Any) -> None:
        self.lecture.attempt.observe(question, given)
        self.lecture.tell_all()

    @request
    async def again(self) -> None:
        if self.lecture.attempt.stage != "running":
            self.lecture.again()

    @request
    async def notes(self) -> str:
        """The teacher's notes, as HTML: only for who asks."""
        return _filled(self.lecture.lesson.text[TEACHER], self.lecture.attempt.measured)


@asynccontextmanager
async def lecturing(lesson: Lesson, port: int = 0, results: Path = RESULTS) -> AsyncIterator[tuple[Host, Lecture]]:
    """The page of the lesson, open until the context ends.

    Raises:
        UserError: the port is taken.
    """
    opening = Opening(Place(port=port))
    lecture = Lecture(lesson, results, await asyncio.to_thread(absent))
    async with hosting("lesson", opening, [lecture.router(opening.host)]) as host:
        try:
            yield host, lecture
        finally:
            await lecture.ended()


# --- what pages are told ---


def described(lecture: Lecture) -> dict[str, Any]:
    """What does not change, and gives nothing away."""
    lesson = lecture.lesson
    return {
        "name": lesson.name,
        "title": lesson.title,
        "about": lesson.about,
        "minutes": lesson.minutes,
        "missing": lecture.missing,
        "note": lecture.note,
        "story": html(lesson.text[STORY]),
        "run": html(lesson.text[RUN]),
        "look": html(lesson.text.get(SEEN, "")),
        "questions": [question.shown for question in lesson.questions],
        "observations": [question.shown for question in lesson.observations],
        "shown": _rows(lesson),
    }


def _rows(lesson: Lesson) -> dict[str, Any] | None:
    """The rows of dots, each in its transport's colour and shape."""
    shown = lesson.shown
    if shown is None:
        return None
    names = [subject_of(lesson.values, name) for name in shown.values]
    cells = [{"transport": one.partition(":")[0], "variant": one.partition(":")[2] or None} for one in names]
    known = looks(cells)
    rows = [
        {"value": value, "label": label, "colour": known[name].colour, "path": known[name].path}
        for value, label, name in zip(shown.values, shown.labels, names, strict=True)
    ]
    return {"title": shown.title, "log": shown.log, "unit": lesson.values[shown.values[0]].unit, "rows": rows}


def subject_of(values: Mapping[str, Value], name: str) -> str:
    """Whose number it is, at first hand."""
    of = values[name].of
    if isinstance(of, OfCell):
        return of.cell.split()[0]
    return of.subject if isinstance(of, OfExperiment) else subject_of(values, of)


def state(attempt: Attempt) -> dict[str, Any]:
    """Where the attempt is: of what was measured, only as much as may be known by then."""
    told: dict[str, Any] = {
        "stage": attempt.stage,
        "predictions": _said(attempt.predictions),
        "observations": _said(attempt.observations),
        "progress": [asdict(progress) for progress in attempt.progress],
        "failed": attempt.failed,
        "folder": str(attempt.folder),
    }
    of = attempt.measured
    if of is not None:
        told |= {"note": of.note, "figures": _shown_figures(attempt.lesson, of)}
    if of is not None and attempt.stage == "confront":
        told |= _confronted(attempt, of)
    return told


def _said(among: Mapping[str, Prediction]) -> dict[str, Any]:
    return {name: prediction.given for name, prediction in among.items()}


def _shown_figures(lesson: Lesson, of: Measured) -> dict[str, Any]:
    names: Sequence[str] = lesson.shown.values if lesson.shown else ()
    return {name: figure(of.figures[name]) for name in names}


def figure(of: Figure) -> dict[str, Any]:
    """For a page."""
    return {
        "value": of.value,
        "low": of.low,
        "high": of.high,
        "text": of.text,
        "long": of.with_interval,
        "rounds": list(of.rounds.values()),
    }


def _confronted(attempt: Attempt, of: Measured) -> dict[str, Any]:
    lesson = attempt.lesson
    return {
        "confronted": list(_verdicts(lesson.questions, attempt.predictions, of)),
        "seen": list(_verdicts(lesson.observations, attempt.observations, of)),
        "explain": _filled(lesson.text[EXPLAIN], of),
        "try": html(lesson.text[TRY]),
        "claims": [{"mark": one.mark, "says": inline(one.says), "long": one.figure.with_interval}
                   for one in claimed(lesson, of)],
    }  # fmt: skip


def _verdicts(questions: Sequence[Question], said: Mapping[str, Prediction], of: Measured) -> Iterator[dict[str, Any]]:
    """Each question with what was said, what was right, and what became of it."""
    for question in questions:
        right = answer(question, of)
        verdict = judged(question, said[question.name], right)
        yield question.shown | {
            "given": said[question.name].given,
            "right": right.given,
            "figures": [figure(one) for one in right.figures],
            "below": [end for end in getattr(question, "below", ()) if end != float("inf")],
            "mark": verdict.mark,
            "says": verdict.says,
            "parts": list(verdict.parts),
        }


def _filled(text: str, of: Measured | None) -> str:
    return html(PLACEHOLDER.sub("…", text) if of is None else of.filled(text))


async def run(lesson: Lesson, port: int, tell: Tell, *, browser: bool) -> None:
    """Show the lesson until Ctrl-C."""
    async with lecturing(lesson, port) as (host, lecture):
        ending = asyncio.create_task(stopped())
        await asyncio.sleep(0)  # signals are waited for before anybody is told that Ctrl-C ends it
        tell(f"lesson {lesson.name} is open at {host.url}; Ctrl-C ends it")
        if lecture.missing:
            tell(f"it can't be run here, because {lecture.missing}")
        async with browsing(host.url, tell, wanted=browser):
            await ending
