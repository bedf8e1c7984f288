"""`pushlab lesson check`: every lesson run without a page. Does what it explains still fit what is measured?"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from rich.table import Table

from lab.classroom.teaching.attempt import RESULTS, dated
from lab.classroom.teaching.lesson import Lesson, Shelf
from lab.classroom.teaching.measured import Measured, Progress, Stand, absent, answer, claimed, measured, unavailable
from lab.classroom.teaching.question import Mark

SIGNS: Mapping[Mark, str] = {"right": "holds", "wrong": "fails", "open": "is not resolved"}

Tell = Callable[[str], None]


def table(shelf: Shelf) -> Table:
    """What there is, what can't be had here, and what is broken."""
    made = Table("name", "minutes", "title", "about", "available", box=None, pad_edge=False)
    made.columns[0].no_wrap = True
    missing = absent()
    for one in shelf.lessons.values():
        reason = unavailable(one, missing)
        made.add_row(one.name, str(one.minutes), one.title, one.about, f"no, because {reason}" if reason else "yes")
    for name, why in shelf.broken.items():
        made.add_row(name, "", "", "", f"broken: {why.removeprefix(f'lesson {name!r}: ')}")
    return made


async def check(shelf: Shelf, show: Tell, tell: Tell, results: Path = RESULTS) -> int:
    """Run each, and say what became of it; how many no longer fit, or are broken. One that can't be had here says so.

    Args:
        show: gets what was found. tell: what goes on.
    """
    missing = absent()
    wrong = len(shelf.broken)
    for why in shelf.broken.values():
        show(f"broken: {why}")
    for one in shelf.lessons.values():
        if reason := unavailable(one, missing):
            show(f"{one.name}: unavailable, because {reason}")
            continue
        found = await measured(one, dated(one, results), lambda progress: tell(_going(progress)))
        wrong += bool(failures(one, found))
        for sentence in report(one, found):
            show(sentence)
    return wrong


def _going(progress: Progress) -> str:
    return f"{progress.done} of {progress.planned}: {progress.says}"


def report(lesson: Lesson, found: Measured) -> Iterator[str]:
    """What was measured, what is right, and what became of the claims."""
    bad = failures(lesson, found)
    yield f"{lesson.name}: {'fails' if bad else 'fits'}" + (f"; not the usual way: {found.note}" if found.note else "")
    for name, figure in found.figures.items():
        yield f"  {name} = {figure.with_interval}"
    for question in (*lesson.questions, *lesson.observations):
        yield f"  {question.name}: {answer(question, found).says}"
    for stand in claimed(lesson, found):
        yield f"  {SIGNS[stand.mark]}: {stand.says}"
    for sentence in bad:
        yield f"  {sentence}"


def failures(lesson: Lesson, found: Measured) -> list[str]:
    """A sentence for each claim that does not fit, or of which nothing was measured."""
    return [sentence for stand in claimed(lesson, found) if (sentence := _failure(lesson, stand))]


def _failure(lesson: Lesson, stand: Stand) -> str:
    claim, figure = stand.claim, stand.figure
    if figure.value is None and not figure.absent:
        return f"lesson {lesson.name!r}: {claim.value!r} was not measured ({figure.why}), so nothing can be said of it"
    if stand.mark != "wrong":
        return ""
    if claim.absent:
        return f"lesson {lesson.name!r}: {claim.value!r} is {figure.with_interval}; it is said never to happen"
    bounds = f"above {claim.above:g} and below {claim.below:g}"
    return f"lesson {lesson.name!r}: {claim.value!r} is {figure.with_interval}; it is said to be {bounds}"
