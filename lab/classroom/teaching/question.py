"""Questions of lessons: what may be answered, what the right answer is by what was measured, and who was right.

A prediction, as pages send it and files keep it, is
    number   the number
    choice   which option, counted from 0
    ranking  the items, each by its place in the lesson counted from 0, in the predicted order
    curve    a number for each point
It is right if it is so wherever in the measured interval the truth lies, wrong if nowhere, and else open.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from math import isfinite
from typing import Any, Literal

from lab.classroom.teaching.figure import Figure, Standing, less, number, written
from lab.classroom.teaching.told import Told
from lab.errors import UserError

Figures = Mapping[str, Figure]
"""By the names of values."""

Given = float | int | list[int] | list[float]
"""A prediction, or a right answer: see the head of this file."""

Mark = Literal["right", "wrong", "open"]
MARKS: Mapping[Standing, Mark] = {"yes": "right", "no": "wrong", "open": "open"}

MOST = 8
"""Items, options or points of a question."""

CONFIDENCE = 0.95
TOLERANCE = 0.25


@dataclass(frozen=True)
class Prediction:
    """What somebody said beforehand, or has seen; checked."""

    question: str
    given: Given


@dataclass(frozen=True)
class Answer:
    """What is right by what was measured.

    Attributes:
        given: as a prediction would be. None where the measurement does not tell, or tells nothing.
        figures: of the values it was made of, in the question's order. says: it in a sentence.
    """

    given: Given | None
    figures: Sequence[Figure]
    says: str


@dataclass(frozen=True)
class Verdict:
    """What became of a prediction.

    Attributes:
        mark: of all of it. says: in a sentence, with figures.
        parts: of each point of a curve, and of each pair of a ranking in the predicted order, its own mark.
    """

    mark: Mark
    says: str
    parts: Sequence[Mark] = ()


@dataclass(frozen=True, kw_only=True)
class Question(ABC):
    """Attributes:
    answers: the values of which the right answer is made. unit: theirs.
    """

    name: str
    ask: str
    answers: tuple[str, ...]
    unit: str = ""

    @property
    @abstractmethod
    def kind(self) -> str:
        """Number, ranking, curve or choice."""

    @property
    @abstractmethod
    def shown(self) -> dict[str, Any]:
        """What a page has to know to ask it. Nothing of the answer is in it."""

    @abstractmethod
    def checked(self, raw: Any) -> Given:
        """A prediction as it may be kept.

        Raises:
            UserError: it is none.
        """

    @abstractmethod
    def answer(self, figures: Figures) -> Answer:
        """What is right."""

    @abstractmethod
    def judged(self, given: Any, answer: Answer) -> Verdict:
        """What became of it. `given` has been checked."""

    @abstractmethod
    def told(self, given: Any) -> str:
        """A prediction in words."""

    def of(self, figures: Figures) -> list[Figure]:
        return [figures[name] for name in self.answers]


# --- a number ---


@dataclass(frozen=True, kw_only=True)
class Number(Question):
    """low, high: what may be entered. tolerance: as a share of the truth."""

    low: float
    high: float
    tolerance: float = TOLERANCE
    kind = "number"

    @property
    def shown(self) -> dict[str, Any]:
        return _asked(self) | {"low": self.low, "high": self.high}

    def checked(self, raw: Any) -> float:
        return _plausible(raw, self.low, self.high, self.unit)

    def answer(self, figures: Figures) -> Answer:
        (figure,) = self.of(figures)
        return Answer(figure.value, [figure], figure.with_interval)

    def judged(self, given: Any, answer: Answer) -> Verdict:
        (figure,) = answer.figures
        mark = MARKS[_near(given, figure, self.tolerance)]
        return Verdict(mark, f"You said {self.told(given)}; it was {answer.says}.{_off(given, figure, mark)}")

    def told(self, given: Any) -> str:
        return written(given, self.unit)


def _near(given: float, figure: Figure, tolerance: float) -> Standing:
    """Whether it is off by at most that share of the truth."""
    ends = sorted((given / (1 + tolerance), given / (1 - tolerance)))
    return figure.within(ends[0], ends[1])


def _off(given: float, figure: Figure, mark: Mark) -> str:
    if mark == "open":
        return " This run does not tell whether you were right." if figure.value is not None else ""
    if mark == "right":
        return " That is right."
    truth = figure.value or 0.0
    if given > 0 and truth > 0:
        ratio = max(given, truth) / min(given, truth)
        return (
            f" It was {number(ratio)} times as much." if truth > given else f" You said {number(ratio)} times too much."
        )
    return " That is another number."


# --- a choice ---


@dataclass(frozen=True, kw_only=True)
class Choice(Question):
    """Bins of a value.

    Attributes:
        labels: of all options. below: where each ends; of the last bin, infinity.
        absent: whether one more option, the last, is right where it never happened.
    """

    labels: tuple[str, ...]
    below: tuple[float, ...]
    absent: bool = False
    kind = "choice"

    @property
    def shown(self) -> dict[str, Any]:
        return _asked(self) | {"labels": list(self.labels)}

    def checked(self, raw: Any) -> int:
        return _index(raw, len(self.labels))

    def answer(self, figures: Figures) -> Answer:
        (figure,) = self.of(figures)
        right = self._right(figure)
        if len(right) == 1:
            return Answer(right[0], [figure], f"{figure.with_interval}: “{self.labels[right[0]]}”")
        if not right:
            return Answer(None, [figure], figure.with_interval)
        may_be = " or ".join(f"“{self.labels[one]}”" for one in right)
        return Answer(None, [figure], f"{figure.with_interval}: this run does not tell whether {may_be}")

    def judged(self, given: Any, answer: Answer) -> Verdict:
        right = self._right(answer.figures[0])
        mark: Mark = "open" if not right else "wrong" if given not in right else "right" if len(right) == 1 else "open"
        return Verdict(mark, f"You said “{self.labels[given]}”; it was {answer.says}.")

    def told(self, given: Any) -> str:
        return str(self.labels[given])

    def _right(self, figure: Figure) -> list[int]:
        """The options in which the truth may lie; none where nothing is known."""
        if figure.value is None:
            return [len(self.labels) - 1] if self.absent and figure.absent else []
        low, high = (next(nth for nth, end in enumerate(self.below) if at < end) for at in figure.ends)
        return list(range(low, high + 1))


# --- a ranking ---


@dataclass(frozen=True, kw_only=True)
class Ranking(Question):
    """The items by their values, the smallest first; `smallest` says what that is."""

    labels: tuple[str, ...]
    smallest: str
    kind = "ranking"

    @property
    def shown(self) -> dict[str, Any]:
        return _asked(self) | {"labels": list(self.labels), "smallest": self.smallest}

    def checked(self, raw: Any) -> list[int]:
        order = [_index(one, len(self.labels)) for one in _several(raw, len(self.labels))]
        if len(set(order)) != len(order):
            raise UserError(f"{self.name}: {raw!r} has an item twice; each must be in it once")
        return order

    def answer(self, figures: Figures) -> Answer:
        held = self.of(figures)
        if any(figure.value is None for figure in held):
            missing = next(nth for nth, figure in enumerate(held) if figure.value is None)
            return Answer(None, held, f"“{self.labels[missing]}” was not measured ({held[missing].why})")
        order = sorted(range(len(held)), key=lambda nth: held[nth].value or 0.0)
        told = [self._step(held, *pair) for pair in pairwise(order)]
        says = self._item(held, order[0]) + "".join(told)
        return Answer(order if not any("≈" in step for step in told) else None, held, says)

    def _step(self, held: Sequence[Figure], a: int, b: int) -> str:
        sign = "<" if self._less(held, a, b) == "yes" else "≈"
        return f" {sign} {self._item(held, b)}"

    def _item(self, held: Sequence[Figure], nth: int) -> str:
        return f"{self.labels[nth]} ({held[nth].text})"

    def judged(self, given: Any, answer: Answer) -> Verdict:
        standings = [self._less(answer.figures, a, b) for a, b in combinations(given, 2)]
        parts = [MARKS[one] for one in standings]
        told = sum(part != "open" for part in parts)
        right = parts.count("right")
        mark: Mark = "open" if not told else "wrong" if "wrong" in parts else "right"
        tied = f"; of {len(parts) - told} more this run does not tell" if told < len(parts) else ""
        pairs = f"{right} of {told} pairs are in the right order{tied}" if told else "this run tells of no pair"
        return Verdict(mark, f"You said {self.told(given)}. It was {answer.says}: {pairs}.", parts)

    def _less(self, held: Sequence[Figure], a: int, b: int) -> Standing:
        """All pairs are to hold at once: each is asked for more confidence (Bonferroni)."""
        pairs = len(held) * (len(held) - 1) // 2
        return less(held[a], held[b], 1 - (1 - CONFIDENCE) / pairs)

    def told(self, given: Any) -> str:
        return " < ".join(self.labels[one] for one in given)


# --- a curve ---


@dataclass(frozen=True, kw_only=True)
class Curve(Question):
    """x, y: what the axes are. xs: of each point. low, high: what may be entered."""

    x: str
    y: str
    xs: tuple[float, ...]
    low: float
    high: float
    tolerance: float = TOLERANCE
    kind = "curve"

    @property
    def shown(self) -> dict[str, Any]:
        axes = {"x": self.x, "y": self.y, "xs": list(self.xs), "low": self.low, "high": self.high}
        return _asked(self) | axes

    def checked(self, raw: Any) -> list[float]:
        points = _several(raw, len(self.xs))
        return [_plausible(one, self.low, self.high, self.unit) for one in points]

    def answer(self, figures: Figures) -> Answer:
        held = self.of(figures)
        known = [figure.value for figure in held if figure.value is not None]
        says = "; ".join(f"{figure.with_interval} at {number(x)}" for x, figure in zip(self.xs, held, strict=True))
        return Answer(known if len(known) == len(held) else None, held, says)

    def judged(self, given: Any, answer: Answer) -> Verdict:
        pairs = zip(given, answer.figures, strict=True)
        parts = [MARKS[_near(one, figure, self.tolerance)] for one, figure in pairs]
        told = sum(part != "open" for part in parts)
        mark: Mark = "open" if not told else "wrong" if "wrong" in parts else "right"
        share = f"by at most {self.tolerance * 100:g} %"
        tied = f"; of {len(parts) - told} this run does not tell" if told < len(parts) else ""
        return Verdict(mark, f"{parts.count('right')} of {len(parts)} points are right: off {share}{tied}.", parts)

    def told(self, given: Any) -> str:
        return ", ".join(written(one, self.unit) for one in given)


# --- checked ---


def _asked(question: Question) -> dict[str, Any]:
    return {"name": question.name, "kind": question.kind, "ask": question.ask, "unit": question.unit}


def _plausible(raw: Any, low: float, high: float, unit: str) -> float:
    right = f"it must be a number from {number(low)} to {written(high, unit)}"
    if raw is None:
        raise UserError(f"no number has been entered yet; {right}")
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not isfinite(raw) or not low <= raw <= high:
        raise UserError(f"{_short(raw)} is no plausible answer; {right}")
    return float(raw)


def _index(raw: Any, count: int) -> int:
    if raw is None:
        raise UserError(f"none of the {count} has been chosen yet")
    if isinstance(raw, bool) or not isinstance(raw, int) or not 0 <= raw < count:
        raise UserError(f"{_short(raw)} is none of the {count} there are; they are counted from 0")
    return raw


def _several(raw: Any, count: int) -> list[Any]:
    if not isinstance(raw, list) or len(raw) != count:
        raise UserError(f"{_short(raw)} is no answer; it must be a list of {count}")
    return raw


def _short(raw: Any) -> str:
    return f"{raw!r:.40}"


# --- read ---


def questions(told: Told, key: str, units: Mapping[str, str]) -> tuple[Question, ...]:
    """Those in the array of that name. `units`: of each value there is.

    Raises:
        UserError: something in them is unknown or wrong.
    """
    found = tuple(_question(one, units) for one in told.tables(key))
    names = [question.name for question in found]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UserError(f"{told.where}: there are two of the name {twice!r} in {key}")
    return found


def _question(told: Told, units: Mapping[str, str]) -> Question:
    kind = told.text("kind")
    if kind not in READERS:
        raise UserError(f"{told.where}: unknown kind {kind!r}: there are {', '.join(READERS)}")
    question = READERS[kind](told, {"name": told.name("name"), "ask": told.text("ask")}, units)
    told.end()
    return question


def _one_answer(told: Told, units: Mapping[str, str]) -> dict[str, Any]:
    name = known_value(told.name("answer"), units, told.where)
    return {"answers": (name,), "unit": units[name]}


def known_value(name: str, units: Mapping[str, str], where: str) -> str:
    """Raises:
    UserError: there is no value of that name.
    """
    if name not in units:
        raise UserError(f"{where}: unknown value {name!r}: there are {', '.join(units)}")
    return name


def _bounds(told: Told) -> dict[str, Any]:
    low, high, tolerance = told.number("low"), told.number("high"), told.number("tolerance", TOLERANCE)
    if not low < high:
        raise UserError(f"{told.where}: low is {low:g}, and high is {high:g}; it must be more")
    if not 0 <= tolerance < 1:
        raise UserError(
            f"{told.where}: tolerance is {tolerance:g}; it must be from 0 to less than 1, a share of the value"
        )
    return {"low": low, "high": high, "tolerance": tolerance}


def _number(told: Told, common: Mapping[str, Any], units: Mapping[str, str]) -> Number:
    return Number(**common, **_one_answer(told, units), **_bounds(told))


def _choice(told: Told, common: Mapping[str, Any], units: Mapping[str, str]) -> Choice:
    """The bins in order, and the absent one last wherever it was written."""
    bins: list[tuple[str, float]] = []
    absent: list[str] = []
    for option in _between(told, "options"):
        label = option.text("label")
        if option.flag("absent", default=False):
            absent.append(label)
        else:
            bins.append((label, option.number("below", float("inf"))))
        option.end()
    ends = [end for _, end in bins]
    if len(absent) > 1 or not ends or ends != sorted(set(ends)) or ends[-1] != float("inf"):
        raise UserError(
            f"{told.where}: options must have ascending «below», the last none, and at most one be «absent»"
        )
    labels = (*(label for label, _ in bins), *absent)
    return Choice(**common, **_one_answer(told, units), labels=labels, below=tuple(ends), absent=bool(absent))


def _ranking(told: Told, common: Mapping[str, Any], units: Mapping[str, str]) -> Ranking:
    items = [(one.text("label"), one, _one_answer(one, units)) for one in _between(told, "items")]
    answers = _of_one_unit([(one, answer) for _, one, answer in items], told)
    labels = tuple(label for label, _, _ in items)
    return Ranking(**common, **answers, labels=labels, smallest=told.text("smallest"))


def _curve(told: Told, common: Mapping[str, Any], units: Mapping[str, str]) -> Curve:
    points = [(one.number("x"), one, _one_answer(one, units)) for one in _between(told, "points")]
    xs = tuple(x for x, _, _ in points)
    if list(xs) != sorted(set(xs)):
        raise UserError(f"{told.where}: the points' x are {', '.join(f'{x:g}' for x in xs)}; they must ascend")
    answers = _of_one_unit([(one, answer) for _, one, answer in points], told)
    return Curve(**common, **answers, **_bounds(told), x=told.text("x"), y=told.text("y"), xs=xs)


def _between(told: Told, key: str) -> list[Told]:
    found = list(told.tables(key))
    if not 2 <= len(found) <= MOST:
        raise UserError(f"{told.where}: there are {len(found)} {key}; there must be 2 to {MOST}")
    return found


def _of_one_unit(parts: Sequence[tuple[Told, Mapping[str, Any]]], told: Told) -> dict[str, Any]:
    for one, _ in parts:
        one.end()
    units = {answer["unit"] for _, answer in parts}
    if len(units) > 1:
        raise UserError(
            f"{told.where}: its values have several units, {' and '.join(sorted(units))}; they must have one"
        )
    return {"answers": tuple(answer["answers"][0] for _, answer in parts), "unit": units.pop()}


Reader = Callable[[Told, Mapping[str, Any], Mapping[str, str]], Question]
READERS: Mapping[str, Reader] = {"number": _number, "choice": _choice, "ranking": _ranking, "curve": _curve}
