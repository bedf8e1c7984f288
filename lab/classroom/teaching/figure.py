"""A figure: what a value came to be in a measurement, with its interval, and how it is written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from benchmarks import stats

Standing = Literal["yes", "no", "open"]
"""Of something said of a figure: is it so wherever in its interval the truth lies, nowhere, or here and there?"""

MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Figure:
    """What a value came to be.

    Attributes:
        value: None where there is none. low, high: its 95 % limits; None where there are none.
        why: why there is no value, or no interval; empty where there are both.
        absent: whether there is no value because it never happened, though it was watched for.
        rounds: of each round, or observation, what it was there.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    why: str = ""
    absent: bool = False
    rounds: Mapping[int, float] = field(default_factory=dict)

    @property
    def has_interval(self) -> bool:
        return self.low is not None and self.high is not None

    @property
    def ends(self) -> tuple[float, float]:
        """The interval; where there is none, the value twice."""
        assert self.value is not None
        return self.value if self.low is None else self.low, self.value if self.high is None else self.high

    @property
    def text(self) -> str:
        """251 ms, or that it was not measured."""
        if self.value is None:
            return "never" if self.absent else "not measured"
        return written(self.value, self.unit)

    @property
    def with_interval(self) -> str:
        """251 ms (95 %: 240–262), or why there is no interval."""
        if self.value is None or not self.has_interval:
            return f"{self.text} ({self.why})" if self.why and not self.absent else self.text
        low, high = (number(end) for end in self.ends)
        if low == high:
            return f"{self.text} (the same each time)"
        return f"{self.text} (95 %: {low}–{high})"

    def within(self, least: float, most: float) -> Standing:
        """Whether the truth is at least the one and at most the other."""
        if self.value is None:
            return "open"
        low, high = self.ends
        if least <= low and high <= most:
            return "yes"
        return "no" if high < least or low > most else "open"


def less(a: Figure, b: Figure, confidence: float) -> Standing:
    """Whether the first is the smaller one: by their ratio, round by round, or else by their intervals."""
    if a.value is None or b.value is None:
        return "open"
    ratios = [a.rounds[one] / b.rounds[one] for one in a.rounds if b.rounds.get(one)]
    if len(ratios) > 1 and min(ratios) > 0:
        found = stats.interval(ratios, confidence)
        return Figure(found.value, found.low, found.high).within(-float("inf"), 1)
    (low, high), (least, most) = a.ends, b.ends
    return "yes" if high < least else "no" if low > most else "open"


def number(value: float) -> str:
    """Three digits, or all of a larger whole number: 0.607, 25.6, 1,230."""
    size = abs(value)
    digits = 0 if size >= 100 or abs(value - round(value)) <= 1e-9 * size else 1 if size >= 10 else 2
    return (f"{value:,.{digits}f}" if size >= 1 or not size else f"{value:.3g}").replace("-", MINUS)


def written(value: float, unit: str) -> str:
    text = number(value)
    return f"{text} {unit}" if unit else text
