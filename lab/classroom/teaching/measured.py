"""Running a lesson: what it takes is measured, and every value computed. What a class and a page have in common.

    shelf() -> Shelf                                          every lesson, by name   (lab.classroom.teaching.lesson)
    unavailable(lesson) -> str                                why it can't be run here; empty where it can
    await measured(lesson, folder, tell) -> Measured          run it; keep everything in the folder
    recalled(lesson, folder) -> Measured                      the same from what is kept there
    check_prediction(question, raw) -> Prediction             what somebody said; UserError where it is no answer
    answer(question, measured) -> Answer                      what is right, by what was measured
    judged(question, prediction, answer) -> Verdict           what became of a prediction
    claimed(lesson, measured) -> list[Stand]                 what became of the explanation's claims

These are kept stable: the pages of lessons and of classes are made of them.
"""

import asyncio
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import engines, measure
from benchmarks.behaviours import store, sweep
from benchmarks.behaviours.store import Seen, Spot
from benchmarks.progress import described
from benchmarks.runs import Run, read_trials, write_whole
from lab.classroom.teaching.evidence import Evidence, observed
from lab.classroom.teaching.figure import Figure
from lab.classroom.teaching.lesson import PLACEHOLDER, Claim, Lesson, Observing, Way
from lab.classroom.teaching.question import MARKS, Answer, Mark, Prediction, Question, Verdict
from lab.classroom.teaching.value import OfCell, OfExperiment, Value
from lab.errors import UserError

KEPT, RUN, OBSERVED = "lesson.json", "run", "observations"
"""In a lesson's folder: which way it was run; the run; what experiments have observed, a folder for each repetition."""


@dataclass(frozen=True)
class Dot:
    """One round's number of a value, as soon as it was measured."""

    value: str
    round: int
    number: float


@dataclass(frozen=True)
class Progress:
    """How far a run is, after each trial and each observation.

    says: what was just done; of an observation, `observed`, what was seen.
    """

    done: int
    planned: int
    says: str
    dots: Sequence[Dot] = ()
    observed: bool = False


Tell = Callable[[Progress], None]


@dataclass(frozen=True)
class Measured:
    """What a run of a lesson has yielded.

    Attributes:
        way: which one it was, counted from 0. note: what is to be known of it where that isn't the first; else empty.
        figures: by the names of values.
    """

    lesson: str
    way: int
    note: str
    figures: Mapping[str, Figure]

    def filled(self, text: str) -> str:
        """The text with its placeholders filled in."""
        return PLACEHOLDER.sub(lambda match: self._filling(match[1], self.figures[match[2]]), text)

    @staticmethod
    def _filling(kind: str, figure: Figure) -> str:
        return figure.text if kind == "value" else figure.with_interval


def absent() -> dict[str, str]:
    """Engines that are not on this machine, and why."""
    return {name: reason for name, reason in engines.found().items() if isinstance(reason, str)}


def unavailable(lesson: Lesson, missing: Mapping[str, str] | None = None) -> str:
    """Why it can't be run on this machine; empty where it can. missing: as `absent()`, which takes a while."""
    known = absent() if missing is None else missing
    reasons = [way.missing(known) for way in lesson.ways]
    return "" if not all(reasons) else "; ".join(dict.fromkeys(reasons))


def way_of(lesson: Lesson, missing: Mapping[str, str]) -> int | None:
    """Which way it is run here, counted from 0; None where it can't be."""
    return next((nth for nth, way in enumerate(lesson.ways) if not way.missing(missing)), None)


async def measured(lesson: Lesson, folder: Path, tell: Tell = lambda _progress: None) -> Measured:
    """Run it the best way that this machine has. Everything that was measured is kept in the folder.

    Raises:
        UserError: it can't be run here, or a value isn't to be found in what was measured.
    """
    missing = await asyncio.to_thread(absent)
    number = way_of(lesson, missing)
    if number is None:
        raise UserError(f"lesson {lesson.name!r} is unavailable, because {unavailable(lesson, missing)}")
    _begin(lesson, folder, number)
    await _Running(lesson, lesson.ways[number], folder, tell).all()
    return recalled(lesson, folder)


def _begin(lesson: Lesson, folder: Path, way: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / KEPT, json.dumps({"lesson": lesson.name, "way": way}) + "\n")


def recalled(lesson: Lesson, folder: Path) -> Measured:
    """What a run in that folder has yielded.

    Raises:
        UserError: there is none of this lesson, or it doesn't fit the lesson any more.
    """
    try:
        kept = json.loads((folder / KEPT).read_text(encoding="utf-8"))
        way = lesson.ways[kept["way"]] if kept["lesson"] == lesson.name else None
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise UserError(f"{folder} holds no run of lesson {lesson.name!r}: {error}") from error
    if way is None:
        raise UserError(f"{folder} holds a run of another lesson: {kept['lesson']!r}")
    evidence = _evidence(way, folder)
    note = way.says if kept["way"] else ""
    return Measured(lesson.name, kept["way"], note, evidence.figures(lesson.values))


def _evidence(way: Way, folder: Path) -> Evidence:
    run, trials = (Run.load(folder / RUN), read_trials(folder / RUN)[0]) if way.plan else (None, [])
    folders = sorted(folder.glob(f"{OBSERVED}-*"))
    return Evidence(way, run, trials, [list(store.read(one)[0].values()) for one in folders])


@dataclass
class _Running:
    """A run that goes on: its plan first, then its experiments."""

    lesson: Lesson
    way: Way
    folder: Path
    tell: Tell
    done: int = 0
    planned: int = field(init=False)

    def __post_init__(self) -> None:
        blocks = self.way.plan.blocks if self.way.plan else ()
        trials = sum(block.rounds * len(block.cells(self.way.subjects)) for block in blocks)
        self.planned = trials + sum(one.times * len(list(one.spots)) for one in self.way.experiments)

    async def all(self) -> None:
        if self.way.plan:
            seed = random.randrange(10**6)
            bench = measure.Bench(self.way.plan, self.way.subjects, self.folder / RUN, seed, self.trial)
            await bench.run()
        for nth in range(1, max((one.times for one in self.way.experiments), default=0) + 1):
            again = [one for one in self.way.experiments if nth <= one.times]
            await self.observe(self.folder / f"{OBSERVED}-{nth:02}", again, nth)

    def trial(self, progress: measure.Progress) -> None:
        trial = progress.trial
        evidence = Evidence(self.way, Run.load(self.folder / RUN), [trial], [])
        dots = []
        for name, value in self._shown():
            if (
                isinstance(value.of, OfCell)
                and trial.state == "measured"
                and self.way.cell(value.of.cell) == trial.cell
            ):
                number = evidence.of_trial(value.of, trial)
                dots += [Dot(name, trial.round, number * value.scale)] if number is not None else []
        self._tell(described(trial), dots)

    async def observe(self, folder: Path, what: Sequence[Observing], nth: int) -> None:
        asked = [
            sweep.Asked(Spot(one.experiment.name, name, engine, cured), one.experiment, self.way.subjects[name])
            for one in what
            for name, engine, cured in one.spots
        ]
        await sweep.Sweep(folder, asked, tell=lambda seen, _done, _all: self.seen(seen, nth)).run()

    def seen(self, seen: Seen, nth: int) -> None:
        dots = []
        for name, value in self._shown():
            of = value.of
            if isinstance(of, OfExperiment) and seen.observation and self._is_of(of, seen.spot):
                number = observed(of, seen.observation)
                dots += [Dot(name, nth, number * value.scale)] if number is not None else []
        says = seen.observation.says if seen.observation else f"{seen.state}: {seen.reason}"
        self._tell(f"{self._who(seen.spot)}: {says}", dots, observed=True)

    def _who(self, spot: Spot) -> str:
        """In the words of the page."""
        several = len({engine for one in self.way.experiments for engine in one.engines}) > 1
        where = f" in {spot.engine}" if several else ""
        return f"{self.way.subjects[spot.subject].title}{where}{', with the cure' * spot.cured}"

    def _is_of(self, of: OfExperiment, spot: Spot) -> bool:
        one, (subject, engine, cured) = self.way.spot(of)
        return spot == Spot(one.experiment.name, subject, engine, cured)

    def _shown(self) -> list[tuple[str, Value]]:
        """Values of which there are dots: those that are computed of one round, and of nothing else."""
        names = self.lesson.shown.values if self.lesson.shown else ()
        found = [(name, self.lesson.values[name]) for name in names]
        return [(name, value) for name, value in found if not value.joining]

    def _tell(self, says: str, dots: Sequence[Dot], *, observed: bool = False) -> None:
        self.done += 1
        self.tell(Progress(self.done, self.planned, says, dots, observed))


# --- predictions ---


def check_prediction(question: Question, raw: Any) -> Prediction:
    """What somebody said, checked. The form of `raw`: see the head of `lab.classroom.teaching.question`.

    Raises:
        UserError: it is no answer to the question; says what would be.
    """
    return Prediction(question.name, question.checked(raw))


def answer(question: Question, of: Measured) -> Answer:
    """What is right by what was measured."""
    return question.answer(of.figures)


def judged(question: Question, prediction: Prediction, right: Answer) -> Verdict:
    """What became of a prediction."""
    return question.judged(prediction.given, right)


@dataclass(frozen=True)
class Stand:
    """What became of a claim: "right" it holds, "wrong" it fails, "open" it is not resolved. says: it, filled in."""

    claim: Claim
    mark: Mark
    says: str
    figure: Figure


def claimed(lesson: Lesson, of: Measured) -> list[Stand]:
    """What became of every claim of the explanation."""
    stands = []
    for claim in lesson.claims:
        figure = of.figures[claim.value]
        stands.append(Stand(claim, MARKS[claim.stands(figure)], of.filled(claim.says), figure))
    return stands
