"""Times, shares, rates and counts as people write them: 100ms, 1%, 12mbit, 50."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lab.errors import UserError

_WRITTEN = re.compile(r"(?P<number>[-+]?(\d+\.?\d*|\.\d+))(?P<unit>[a-z%]*)")


@dataclass(frozen=True)
class Quantity:
    """A kind of value.

    Attributes:
        what: "time", for messages. right: what would be right, likewise.
        units: by what each is multiplied; "" is for a number without any.
        fits: whether a value is possible.
        write: the one way to write it.
    """

    what: str
    right: str
    units: Mapping[str, float]
    fits: Callable[[float], bool]
    write: Callable[[float], str]

    def read(self, name: str, value: object) -> float:
        """A text with its unit, or a number: seconds, bit/s, packets, a share of 1.

        Raises:
            UserError: it is none, or not possible.
        """
        number = float(value) if isinstance(value, int | float) else self._parsed(str(value))
        if not (math.isfinite(number) and self.fits(number)):
            raise UserError(f"{name} can't be {value!r}: it is a {self.what}, {self.right}")
        return number

    def _parsed(self, text: str) -> float:
        """NaN where it can't be read."""
        match = _WRITTEN.fullmatch(text.strip().lower())
        if not match or match["unit"] not in self.units:
            return math.nan
        # Divided where that is exact: 0.1 s and 100 ms are the same text.
        factor = self.units[match["unit"]]
        return float(match["number"]) * factor if factor >= 1 else float(match["number"]) / round(1 / factor)


def _rate(bits: float) -> str:
    unit, size = next(
        ((unit, size) for unit, size in (("gbit", 1e9), ("mbit", 1e6), ("kbit", 1e3)) if bits >= size), ("bit", 1)
    )
    return f"{bits / size:.10g}{unit}"


LONGEST = 60.0

TIME = Quantity(
    "time",
    f"from 0 to {LONGEST:g} s, as in 100ms",
    {"": 1e-3, "us": 1e-6, "ms": 1e-3, "s": 1},
    lambda seconds: 0 <= seconds <= LONGEST,
    lambda seconds: f"{seconds * 1000:.10g}ms",
)
SHARE = Quantity(
    "share",
    "from 0 to 100 %, as in 1% or 0.01",
    {"": 1, "%": 1e-2},
    lambda share: 0 <= share <= 1,
    lambda share: f"{share * 100:.10g}%",
)
RATE = Quantity(
    "rate",
    "more than 0 and at most 1gbit, as in 12mbit or 384kbit",
    {"bit": 1, "kbit": 1e3, "mbit": 1e6, "gbit": 1e9},
    lambda bits: 0 < bits <= 1e9,  # an emulator that carries less says so
    _rate,
)
COUNT = Quantity(
    "number of packets",
    "whole and at least 1, as in 50",
    {"": 1},
    lambda number: number >= 1 and number.is_integer(),
    lambda number: f"{number:.0f}",
)
LENGTH = Quantity(
    "mean number of packets",
    "at least 1, as in 8",
    {"": 1},
    lambda number: number >= 1,
    lambda number: f"{number:.10g}",
)
