"""One attempt at a lesson: predicted, run, observed, confronted, in that order and in no other."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, Literal

from benchmarks.ground import BREAKDOWNS
from lab.classroom.teaching.lesson import Lesson
from lab.classroom.teaching.measured import Measured, Progress, check_prediction, measured
from lab.classroom.teaching.question import Prediction, Question
from lab.errors import UserError

RESULTS = Path("results/lessons")
STEPS = "steps.jsonl"

Stage = Literal["predict", "run", "running", "see", "confront"]


class Steps:
    """A file that is only ever appended to; what is in it is on disk."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / STEPS

    def add(self, what: str, **more: Any) -> None:
        """One line, on disk when this returns."""
        line = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "what": what, **more}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())


@dataclass
class Attempt:
    """Where somebody is in a lesson.

    Attributes:
        folder: where it is kept. predictions, observations: what was said, by the question's name.
        progress: of the run, as it was told. measured: what it has yielded; None until then.
        failed: why the last run came to nothing; empty if it didn't.
    """

    lesson: Lesson
    folder: Path
    predictions: dict[str, Prediction] = field(default_factory=dict)
    observations: dict[str, Prediction] = field(default_factory=dict)
    progress: list[Progress] = field(default_factory=list)
    measured: Measured | None = None
    failed: str = ""
    _running: bool = False

    @property
    def stage(self) -> Stage:
        if self.measured is not None:
            return "confront" if len(self.observations) == len(self.lesson.observations) else "see"
        if self._running:
            return "running"
        return "run" if len(self.predictions) == len(self.lesson.questions) else "predict"

    def predict(self, name: str, raw: Any) -> None:
        """Keep a prediction, in place of the one before if there was one.

        Raises:
            UserError: there is no such question, that is no answer, or it is too late.
        """
        if self.stage not in ("predict", "run"):
            raise UserError("a prediction is made before the run: begin again to make another")
        self._keep("predicted", name, raw, self.lesson.questions, self.predictions)

    def observe(self, name: str, raw: Any) -> None:
        """Keep what was seen.

        Raises:
            UserError: there is no such question, that is no answer, or it is too soon or too late.
        """
        if self.stage != "see":
            done = self.stage == "confront"
            raise UserError("it has been shown by now" if done else "there is nothing to be seen before the run")
        self._keep("seen", name, raw, self.lesson.observations, self.observations)

    def _keep(self, what: str, name: str, raw: Any, among: Sequence[Question], kept: dict[str, Prediction]) -> None:
        question = next((one for one in among if one.name == name), None)
        if question is None:
            there = ", ".join(one.name for one in among)
            raise UserError(f"unknown question {name[:40]!r}: there are {there}")
        prediction = check_prediction(question, raw)
        Steps(self.folder).add(what, question=name, given=prediction.given)
        kept[name] = prediction

    def check_run(self) -> None:
        """Raises:
        UserError: it must not be run now: a prediction is missing, or it runs or has run.
        """
        if self.stage == "predict":
            missing = [one.name for one in self.lesson.questions if one.name not in self.predictions]
            raise UserError(f"predict first: there is no prediction yet for {', '.join(missing)}")
        if self.stage != "run":
            raise UserError("it runs already" if self.stage == "running" else "it has run: begin again to run it anew")

    async def run(self, told: Callable[[Progress], None] = lambda _progress: None) -> None:
        """Measure; what comes of it is `measured`, or `failed`.

        Raises:
            UserError: as `check_run`.
        """
        self.check_run()
        self._running, self.failed, self.progress = True, "", []

        def tell(progress: Progress) -> None:
            self.progress.append(progress)
            told(progress)

        try:
            Steps(self.folder).add("running")
            self.measured = await measured(self.lesson, _fresh(self.folder), tell)
            Steps(self.folder).add("ran", way=self.measured.way, figures=_figures(self.measured))
        except (*BREAKDOWNS, OSError) as error:
            self.failed = str(error) or repr(error)
            Steps(self.folder).add("failed", why=self.failed)
        finally:
            self._running = False


def _fresh(folder: Path) -> Path:
    """For the run: the folder itself, or beside a run that came to nothing, another."""
    names = (folder / ("measured" if n == 1 else f"measured-{n}") for n in count(1))
    return next(one for one in names if not one.exists())


def _figures(of: Measured) -> Mapping[str, Any]:
    return {name: [figure.value, figure.low, figure.high] for name, figure in of.figures.items()}


def dated(lesson: Lesson, results: Path = RESULTS) -> Path:
    """A folder for an attempt that isn't there yet."""
    name = f"{datetime.now().astimezone():%Y%m%d-%H%M%S}-{lesson.name}"
    names = (name if n == 1 else f"{name}-{n}" for n in count(1))
    return next(folder for one in names if not (folder := results / one).exists())
