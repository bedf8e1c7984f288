"""Small pictures of an observation, as SVG: its time line, and its curves. Pure functions, no script is needed."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from benchmarks.behaviours.experiment import Moment
from benchmarks.report.figures import number
from benchmarks.report.looks import COLOURS, DASHES

Points = Sequence[tuple[float, float]]

MOST_POINTS = 160
"""Of a curve, as drawn: of each stretch of more, the least and the most."""

WIDTH, HEIGHT = 460, 170
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 10, 34
LINE_HEIGHT, BASE = 44, 24

LOGARITHMIC = 300
"""How many times the greatest is the least where decades are drawn instead."""

SPACE = "\N{NO-BREAK SPACE}"

UNITS = {"ms": "ms", "s": "s", "us": "µs", "kib": "KiB", "mib": "MiB", "kb": "kB", "bytes": "bytes", "percent": "%"}


@dataclass(frozen=True)
class Axis:
    """From values to places: `start` is where `low` lies, `end` where `high` does."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        low, high, here = (math.log10(x) if self.log else x for x in (self.low, self.high, value))
        return round(self.start + (self.end - self.start) * (here - low) / (high - low), 1)

    @property
    def ticks(self) -> list[float]:
        if self.log:
            low, high = round(math.log10(self.low)), round(math.log10(self.high))
            return [10.0**n for n in range(low, high + 1, max(1, (high - low) // 4))]
        step = _step((self.high - self.low) / 4)
        return [step * n for n in range(math.ceil(self.low / step), math.floor(self.high / step + 1e-9) + 1)]


@dataclass(frozen=True)
class Chart:
    """Curves of one unit over the same x."""

    x: str
    unit: str
    curves: Mapping[str, Points]

    @property
    def says(self) -> str:
        """What there is to see, in words."""
        parts = (f"{name} from {number(min(ys))} to {number(max(ys))}" for name, ys in _heights(self.curves))
        return f"{self.unit or 'values'} over {self.x}: {'; '.join(parts)}"

    @property
    def legend(self) -> list[tuple[str, Markup]]:
        """Each curve's name with a piece of it."""
        piece = Markup('<svg class="piece" viewBox="0 0 26 8" width="26" height="8" aria-hidden="true">{}</svg>')
        return [(name, piece.format(_path("M0 4H26", nth))) for nth, name in enumerate(self.curves)]

    @property
    def svg(self) -> Markup:
        x, y = self._axes()
        parts = [*_grid(x, y), *(self._curve(points, x, y, nth) for nth, points in enumerate(self.curves.values()))]
        label = Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(WIDTH - RIGHT, HEIGHT - 4, self.x)
        return _svg(HEIGHT, self.says, [*parts, label])

    def _axes(self) -> tuple[Axis, Axis]:
        xs = [x for points in self.curves.values() for x, _ in points]
        ys = [y for _, values in _heights(self.curves) for y in values]
        log = min(ys) > 0 and max(ys) / min(ys) > LOGARITHMIC
        low, high = (10 ** math.floor(math.log10(min(ys))), 10 ** math.ceil(math.log10(max(ys)))) if log else _room(ys)
        least, most = min(xs), max(xs)
        across = Axis(least, most if most > least else least + 1, LEFT, WIDTH - RIGHT)
        return across, Axis(low, high, HEIGHT - BOTTOM, TOP, log)

    @staticmethod
    def _curve(points: Points, x: Axis, y: Axis, nth: int) -> Markup:
        places = [(x.at(a), y.at(b)) for a, b in thinned(points)]
        if len(places) == 1:
            return Markup('<circle cx="{}" cy="{}" r="3" fill="{}"/>').format(*places[0], COLOURS[nth % len(COLOURS)])
        return _path("M" + "L".join(f"{a:g} {b:g}" for a, b in places), nth)


def charts(curves: Mapping[str, Points]) -> list[Chart]:
    """One for each unit and x; those of nothing are left out."""
    known = [(*_named(name), sorted(_finite(points))) for name, points in curves.items()]
    drawable = sorted((one for one in known if one[3]), key=lambda one: one[:2])
    return [
        Chart(x, unit, {name: points for _, _, name, points in mine})
        for (x, unit), mine in ((key, list(group)) for key, group in groupby(drawable, key=lambda one: one[:2]))
    ]


def quantity(name: str) -> tuple[str, str]:
    """What a number is, and its unit: "first_event_ms" is "first event", in "ms"."""
    rest, _, last = name.rpartition("_")
    words, unit = (rest, UNITS[last]) if rest and last in UNITS else (name, "")
    return words.replace("_", " "), unit


def timeline(moments: Sequence[Moment], seconds: float) -> Markup:
    """When things happened, until the end; numbers are those of the list that goes with it.

    Where most of the time went by before the first of them, as it does when a browser is launched, it begins there.
    """
    most = max([moment.at for moment in moments] + [seconds, 0.001])
    first = min((moment.at for moment in moments), default=0.0)
    axis = Axis(first if most / 2 < first < most else 0, most, 8, WIDTH - 8)
    ticks = [
        Markup(
            '<path class="grid" d="M{0} {1}v4"/><text class="tick" x="{0}" y="{2}" text-anchor="middle">{3}</text>'
        ).format(axis.at(tick), BASE, BASE + 15, f"{_short(tick)}" + (f"{SPACE}s" if tick else ""))
        for tick in axis.ticks
        if axis.at(tick) < WIDTH - 14
    ]
    base = Markup('<path class="base" d="M8 {0}H{1}"/>').format(BASE, WIDTH - 8)
    return _svg(LINE_HEIGHT, "", [base, *ticks, *_dots(moments, axis)])


def _dots(moments: Sequence[Moment], axis: Axis) -> Iterator[Markup]:
    """A dot each; a number where there is room for it."""
    free = 0.0
    for nth, moment in enumerate(moments, 1):
        place = axis.at(moment.at)
        yield Markup('<circle class="moment" cx="{}" cy="{}" r="3.5"/>').format(place, BASE)
        if place >= free:
            yield Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(place, BASE - 8, nth)
            free = place + 8 * (1 + len(str(nth)))


def thinned(points: Points) -> Points:
    """A curve that looks the same, of at most so many points."""
    if len(points) <= MOST_POINTS:
        return points
    size = math.ceil(len(points) / (MOST_POINTS / 2))
    kept: list[tuple[float, float]] = []
    for start in range(0, len(points), size):
        stretch = points[start : start + size]
        ends = {min(stretch, key=lambda point: point[1]), max(stretch, key=lambda point: point[1])}
        kept += sorted(ends)
    return kept


def _grid(x: Axis, y: Axis) -> Iterator[Markup]:
    for tick in y.ticks:
        yield Markup('<path class="grid" d="M{} {}H{}"/>').format(LEFT, y.at(tick), WIDTH - RIGHT)
        yield Markup('<text class="tick" x="{}" y="{}" text-anchor="end">{}</text>').format(
            LEFT - 6, y.at(tick) + 4, _short(tick)
        )
    for tick in x.ticks:
        yield Markup('<text class="tick" x="{}" y="{}" text-anchor="middle">{}</text>').format(
            x.at(tick), HEIGHT - BOTTOM + 15, _short(tick)
        )


def _path(d: str, nth: int) -> Markup:
    dash = DASHES[nth % len(DASHES)]
    return Markup('<path class="curve" d="{}" stroke="{}"{}/>').format(
        d,
        COLOURS[nth % len(COLOURS)],
        Markup(' stroke-dasharray="{}"').format(" ".join(map(str, dash))) if dash[1] else "",
    )


def _svg(height: int, label: str, parts: Sequence[Markup]) -> Markup:
    spoken = Markup('role="img" aria-label="{}"').format(label) if label else Markup('aria-hidden="true"')
    return Markup('<svg class="drawing" viewBox="0 0 {} {}" {}>{}</svg>').format(
        WIDTH, height, spoken, Markup("").join(parts)
    )


def _named(name: str) -> tuple[str, str, str]:
    """x, unit and words of a curve's name: "latency_ms by percentile"."""
    what, _, x = name.partition(" by ")
    words, unit = quantity(what)
    return x or "seconds", unit, words


def _finite(points: Points) -> Points:
    return [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]


def _heights(curves: Mapping[str, Points]) -> list[tuple[str, list[float]]]:
    return [(name, [y for _, y in points]) for name, points in curves.items()]


def _room(ys: Sequence[float]) -> tuple[float, float]:
    """From 0, or below where something is, to a round number above them all."""
    low, high = min(0.0, *ys), max(0.0, *ys)
    step = _step((high - low) / 4) if high > low else 1.0
    return math.floor(low / step) * step, max(math.ceil(high / step - 1e-9), 1) * step


def _step(about: float) -> float:
    """1, 2 or 5 times a power of ten, not less than that."""
    power = 10.0 ** math.floor(math.log10(about))
    return next(n * power for n in (1, 2, 5, 10) if n * power >= about * 0.999)


def _short(value: float) -> str:
    return f"{value:,.10g}".replace("-", "−")
