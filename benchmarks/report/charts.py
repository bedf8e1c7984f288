"""The charts, as Altair draws them: alone, for slides, and without their rows, for the page."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import altair as alt

from benchmarks.report.drawing import SOFT, Kind, Pens, Scene
from benchmarks.report.figures import several
from benchmarks.report.kinds import KINDS
from benchmarks.report.looks import looks
from benchmarks.report.views import views
from benchmarks.runs import Run, Trial

WIDTH = 760  # px
FONT = '-apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", "DejaVu Sans", Arial, sans-serif'
CONFIG: Mapping[str, Any] = {
    "font": FONT,
    "background": "white",
    "aria": False,  # the table behind each chart says it better
    "view": {"stroke": None},
    "axis": {
        "domain": False,
        "ticks": False,
        "gridColor": "#e3e3e0",
        "labelColor": SOFT,
        "labelFontSize": 12,
        "labelPadding": 6,
        "titleColor": SOFT,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 10,
    },
    "axisY": {"titleAngle": 0, "titleAlign": "left", "titleAnchor": "end", "titleY": -14},
    "legend": {
        "labelFontSize": 12,
        "labelColor": SOFT,
        "labelLimit": 240,
        "title": None,
        "orient": "bottom",
        "columns": 4,
    },
    "title": {
        "anchor": "start",
        "offset": 22,
        "color": "#1d2024",
        "fontSize": 17,
        "fontWeight": 600,
        "subtitleColor": SOFT,
        "subtitleFontSize": 12,
        "subtitlePadding": 6,
    },
}


def charts(run: Run, trials: Sequence[Trial], summary: Mapping[str, Any]) -> dict[str, alt.LayerChart]:
    """Every chart that the run has the figures for, by a name that is fit for a file."""
    known = looks(summary["cells"])
    found = {}
    for view in views(summary):
        scene = Scene.of(view, trials)
        pens = Pens({name: known[name] for name in view.measured}, legend=True, positive=scene.positive)
        for kind in KINDS:
            if rows := kind.rows(scene):
                chart = kind.draw(pens).properties(
                    data=alt.InlineData(values=rows),
                    width=WIDTH,
                    height=kind.height(rows),
                    padding=18,
                    title=_title(kind, scene, run),
                    config=CONFIG,
                )
                found[f"{kind.name}-{view.conditions.slug}"] = chart
    return found


def write(found: Mapping[str, alt.LayerChart], folder: Path) -> list[Path]:
    """Write each chart as SVG and as PNG (at twice its size); returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, chart in found.items():
        vector, pixels = (folder / f"{name}.{ending}" for ending in ("svg", "png"))
        chart.save(vector)
        chart.save(pixels, scale_factor=2)
        files += [vector, pixels]
    return files


@lru_cache(maxsize=64)
def specification(kind: Kind, pens: Pens) -> Mapping[str, Any]:
    """A kind of chart for the page, which adds rows and height, and makes it as wide as there is room.

    To build one takes Altair a hundred times as long as to write it; no two runs of the same cells differ in it.
    """
    chart = kind.draw(pens).properties(
        data=alt.NamedData(name="rows"),
        width="container",
        autosize={"type": "fit-x", "contains": "padding"},
        config=CONFIG,
    )
    told: Mapping[str, Any] = chart.to_dict()
    return told


def _title(kind: Kind, scene: Scene, run: Run) -> alt.TitleParams:
    """With all that a slide must not leave out."""
    view, note = scene.view, kind.note(scene)
    told = [
        f"{view.conditions.title}, {several(*view.rounds, 'round')}",
        f"{run.machine.get('processor', 'unknown processor')}, {run.machine.get('cores', '?')} cores",
        f"pushlab, plan {run.plan}, seed {run.seed}",
    ]
    return alt.TitleParams(kind.title, subtitle=[" · ".join(told), *([note] if note else [])])
