"""What all kinds of charts have in common: the scene that they show, the pens that they draw with."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import altair as alt

from benchmarks.report import tables
from benchmarks.report.figures import number
from benchmarks.report.looks import Look
from benchmarks.report.tables import Rows, Trials
from benchmarks.report.views import View, trials_of
from benchmarks.runs import Trial
from benchmarks.summary import delays

HEIGHT = 340.0  # px
DECADES = [digit * 10.0**power for power in range(-3, 7) for digit in (1, 3)]
SHORT = ",.3~r"  # three digits
SOFT = "#55585c"


@dataclass(frozen=True)
class Scene:
    """A view, its measured trials, and the round that stands for the others."""

    view: View
    trials: Trials
    round: int | None

    @classmethod
    def of(cls, view: View, trials: Sequence[Trial]) -> "Scene":
        mine = trials_of(view, trials)
        ordered = {subject: mine[subject] for subject in view.order if subject in mine}
        return cls(view, ordered, tables.typical_round(ordered))

    @property
    def positive(self) -> bool:
        """Whether all delays are above 0; across two clocks, within their bound, they need not be."""
        return all(delays(trial).min(initial=1) > 0 for mine in self.trials.values() for trial in mine)


@dataclass(frozen=True)
class Table:
    """The same as a chart, to be read: the first column names the row."""

    head: Sequence[str]
    body: Sequence[Sequence[str]]

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> "Table":
        """The rows' values under these keys, each with its heading."""
        return cls(list(columns.values()), [[_text(row.get(key)) for key in columns] for row in rows])


def _text(value: Any) -> str:
    return number(value) if value is None or isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Pens:
    """How transports are told apart, on which scale, and whether a chart explains that itself."""

    looks: Mapping[str, Look] = field(hash=False)  # compared all the same
    legend: bool
    positive: bool = True  # all delays, as logarithms need

    def colour(self, *, key: bool = True) -> alt.Color:
        return alt.Color("transport:N", **self._channel([look.colour for look in self.looks.values()], key=key))

    def dash(self) -> alt.StrokeDash:
        return alt.StrokeDash(
            "transport:N", **self._channel([list(look.dash) for look in self.looks.values()], key=False)
        )

    def shape(self, *, key: bool = True) -> alt.Shape:
        return alt.Shape("transport:N", **self._channel([look.shape for look in self.looks.values()], key=key))

    def ms(self, field: str = "delay", title: str = "latency, ms") -> dict[str, Any]:
        """A position on the scale of delays."""
        ticks = DECADES if self.positive else [-1, -0.3, 0, *(tick for tick in DECADES if tick > 0.1)]
        kind = {"type": "log"} if self.positive else {"type": "symlog", "constant": 0.1}
        axis = alt.Axis(values=ticks, format=",~r", title=title)
        return {"shorthand": f"{field}:Q", "scale": alt.Scale(nice=False, padding=8, **kind), "axis": axis}

    def _channel(self, values: Sequence[Any], *, key: bool = True) -> dict[str, Any]:
        legend = alt.Legend(title=None, symbolSize=90, symbolStrokeWidth=0) if self.legend and key else None
        return {"scale": alt.Scale(domain=list(self.looks), range=list(values)), "legend": legend}


@dataclass(frozen=True)
class Kind:
    """One kind of chart.

    Attributes:
        about: what it shows and how to read it, in a sentence or two.
        rows: what it draws of a scene; none: the scene has no such chart. height: in px, of such rows.
        note: of what it leaves out in this scene, if anything.
        draw: the chart without its rows. table: what it draws, to be read.
        keyed: needs a legend of transports; the others name them beside their rows.
        cost: shown beside the run as a whole, whatever view is chosen.
    """

    name: str
    title: str
    about: str
    rows: Callable[[Scene], Rows]
    draw: Callable[[Pens], alt.LayerChart]
    table: Callable[[Scene], Table]
    height: Callable[[Rows], float] = lambda _rows: HEIGHT
    note: Callable[[Scene], str] = lambda _scene: ""
    keyed: bool = False
    cost: bool = False


def layered(*layers: alt.Chart) -> alt.LayerChart:
    """Layers that fade all but one transport when the page sets `isolated`."""
    return cast("alt.LayerChart", alt.layer(*layers).add_params(alt.param(name="isolated", value="")))


def faded(full: float = 1) -> Any:
    """So opaque, unless another transport is shown alone."""
    return alt.condition("isolated == '' || datum.transport == isolated", alt.value(full), alt.value(0.07))


def tips(fields: Mapping[str, str]) -> list[alt.Tooltip]:
    """What pointing at a mark shows: its transport, and these fields, each with its heading."""
    named = {"transport:N": "transport", **fields}
    return [
        alt.Tooltip(field, title=title, format=SHORT if field.endswith(":Q") else alt.Undefined)
        for field, title in named.items()
    ]


def names() -> alt.Y:
    """One row per transport, in the order of the rows; a variant stands under its transport."""
    axis = alt.Axis(title=None, labelExpr="split(datum.label, ':')", labelLimit=170, grid=False)
    return alt.Y("transport:N", sort=None, axis=axis, scale=alt.Scale(padding=0.1))


def per_transport(px: float) -> Callable[[Rows], float]:
    return lambda rows: px * transports(rows)


def transports(rows: Rows) -> int:
    return len({row["transport"] for row in rows})
