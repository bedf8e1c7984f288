"""Bursts of load: rounds of a run in which most cells at once were slower, or faster, than in its other rounds.

One such round must not decide what became of a cell between two runs, nor leave so much scatter that nothing can
be told. What the cells had in common in it is the machine's, and is taken off; what a cell has alone stays.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from benchmarks.stats import Rounds

MIN_CELLS = 3  # of two, none can tell which is unlike the others
BEYOND = 3.0  # standard deviations of what rounds have in common; of normal noise, 1 round of 370 is
LEAST = math.log(1.05)  # what is smaller is not worth a word
NORMAL = 1.4826  # median absolute deviations in a standard deviation

Cells = Mapping[str, Rounds]
Course = dict[int, float]  # round → what its cells have in common, as the log of a ratio to the run's usual


class Burst(NamedTuple):
    """A round, and by what ratio most of its cells were unlike those of the other rounds."""

    round: int
    ratio: float


class Calm(NamedTuple):
    """A run without its bursts, and which these were."""

    cells: Cells
    bursts: Sequence[Burst]


def taken_off(*runs: Cells) -> list[Calm]:
    """The runs, each without its bursts; what is usual is judged of all of them together.

    Cells are left as they are where fewer than three share a round, or one has a value that is not positive. A
    burst is shorter than half of its run; what lasts longer is drift.
    """
    courses = [course(cells) for cells in runs]
    usual = max(BEYOND * _spread(courses), LEAST)
    return [_without(cells, _bursts(of, usual)) for cells, of in zip(runs, courses, strict=True)]


def course(cells: Cells) -> Course:
    """By rounds, the median over cells of how far each is from its own median; empty where that can't be told."""
    if any(value <= 0 for rounds in cells.values() for value in rounds.values()):
        return {}
    logs = {name: {number: math.log(value) for number, value in rounds.items()} for name, rounds in cells.items()}
    middles = {name: float(np.median(list(rounds.values()))) for name, rounds in logs.items() if rounds}
    found = {}
    for number in sorted({number for rounds in cells.values() for number in rounds}):
        apart = [rounds[number] - middles[name] for name, rounds in logs.items() if number in rounds]
        if len(apart) >= MIN_CELLS:
            found[number] = float(np.median(apart))
    return _centred(found)


def _centred(found: Course) -> Course:
    middle = float(np.median(list(found.values()))) if found else 0.0
    return {number: value - middle for number, value in found.items()}


def _spread(courses: Sequence[Course]) -> float:
    """The standard deviation of rounds, or of the steps between them, as the larger half of them tells it.

    On a machine that drifts, rounds far from the middle are usual, and steps tell more than they do.
    """
    rounds = [abs(value) for course in courses for value in course.values()]
    steps = [abs(after - before) for course in courses for before, after in pairwise(course.values())]
    return NORMAL * max(float(np.median(held)) if held else 0.0 for held in (rounds, steps))


def _bursts(course: Course, usual: float) -> list[Burst]:
    return [Burst(number, math.exp(value)) for number, value in course.items() if abs(value) > usual]


def _without(cells: Cells, bursts: Sequence[Burst]) -> Calm:
    ratios = {burst.round: burst.ratio for burst in bursts}
    calm = {
        name: {number: value / ratios.get(number, 1.0) for number, value in rounds.items()}
        for name, rounds in cells.items()
    }
    return Calm(calm, bursts)
