"""The report as one HTML file that stands alone: no network, no other file."""

import base64
import gzip
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any

import altair as alt
import vl_convert

from benchmarks.report import charts, figures, method, words
from benchmarks.report.document import HERE, environment, fingerprint
from benchmarks.report.drawing import Pens, Scene
from benchmarks.report.figures import LATENCIES, Figure, Measure
from benchmarks.report.kinds import KINDS
from benchmarks.report.looks import looks
from benchmarks.report.views import Row, View, cell_of, views
from benchmarks.runs import Run, Trial
from benchmarks.summary import SOURCE_LATE_MS, as_csv

MOST_EVENTS = 200_000
"""In the file, as data to download: at 5 bytes each, 1 MB. Where there are more, the first rounds are in it."""


@dataclass(frozen=True)
class Entry:
    """What a cell of the matrix holds: `rank` sorts it, `span` is its interval's place (%) on the column's scale."""

    text: str
    more: str = ""
    rank: float | None = None
    span: tuple[float, float, float] | None = None
    bad: bool = False


@dataclass(frozen=True)
class Column:
    measure: Measure
    entries: Mapping[str, Entry]  # subject → entry

    @property
    def latency(self) -> bool:
        return self.measure in LATENCIES


def page(run: Run, trials: Sequence[Trial], summary: Row, complaints: Sequence[str]) -> str:
    """The whole report, of what `runs.read_trials` gives and what summary.json holds."""
    found = views(summary)
    known = looks(summary["cells"])
    answers = words.answers(found)
    style, script, bundle = (HERE / "report.css").read_text("utf-8"), (HERE / "report.js").read_text("utf-8"), _bundle()
    kept, told = _kept(trials)
    scenes = [Scene.of(view, trials) for view in found]
    data = {
        "views": [_view_data(scene) for scene in scenes],
        "specs": {
            str(positive): _specs(Pens(known, legend=False, positive=positive))
            for positive in {scene.positive for scene in scenes}
        },
        "cells": [
            [cell.transport, cell.variant or "", cell.engine, cell.scenario, cell.link] for cell in _cells(summary)
        ],
        "trials": _packed(kept, _cells(summary)),
        "csv": as_csv(summary),
    }
    return environment().get_template("report.jinja").render(
        run=run,
        answers=answers,
        delivery=words.delivery(summary),
        well=not any(words.troubles(cell) for cell in summary["cells"]),
        reservation=words.reservation(found),
        complaints=complaints,
        views=found,
        matrices=[list(_columns(view)) for view in found],
        baselines=[words.baseline(view) for view in found],
        kinds=KINDS,
        looks=known,
        latencies=LATENCIES,
        facts=list(method.facts(run, found, trials)),
        scenarios=words.scenario_titles(run.settings),
        statistics=method.statistics(),
        too_few=method.TOO_FEW,
        punctuality=method.punctuality(found, trials),
        on_time=SOURCE_LATE_MS,
        doubts=words.doubts(found),
        bounds=[method.bounds(view) for view in found],
        kept=told,
        style=style,
        data=_packed_json(data),
        scripts=[bundle, script],
        hashes=[fingerprint(bundle), fingerprint(script)],
        f=figures,
        words=words,
    )  # fmt: skip


# --- the matrix ---


def _columns(view: View) -> Iterator[Column]:
    for measure in view.measures:
        held = {subject: measure.of(cell) for subject, cell in view.measured.items()}
        entries = {
            one: _latency(figure, held) if measure in LATENCIES else _entry(figure) for one, figure in held.items()
        }
        yield Column(measure, entries)


def _entry(figure: Figure | None) -> Entry:
    return Entry(figures.number(figure.value), figures.limits(figure), figure.value) if figure else Entry(figures.NONE)


def _latency(figure: Figure | None, column: Mapping[str, Figure | None]) -> Entry:
    if not figure:
        return Entry(figures.TOO_FEW)
    entry = _entry(figure)
    ends = [x for one in column.values() if one for x in (one.value, one.low, one.high) if x is not None]
    if min(ends) <= 0 or max(ends) == min(ends):
        return entry
    low, at, high = (
        _place(x, min(ends), max(ends)) for x in (figure.low or figure.value, figure.value, figure.high or figure.value)
    )
    return Entry(entry.text, entry.more, entry.rank, (low, at, high))


def _place(x: float, least: float, most: float) -> float:
    return round(100 * math.log(x / least) / math.log(most / least), 1)


# --- the data ---


def _specs(pens: Pens) -> dict[str, Any]:
    return {kind.name: charts.specification(kind, pens) for kind in KINDS}


def _view_data(scene: Scene) -> dict[str, Any]:
    view, found = scene.view, {}
    for kind in KINDS:
        if rows := kind.rows(scene):
            table = kind.table(scene)
            found[kind.name] = {
                "rows": rows,
                "height": kind.height(rows),
                "note": kind.note(scene),
                "head": table.head,
                "body": table.body,
            }
    return {
        **view.conditions._asdict(),
        "title": view.conditions.title,
        "subjects": list(view.measured),
        "baseline": words.baseline(view),
        "positive": str(scene.positive),
        "round": scene.round,
        "rounds": sorted({trial.round for mine in scene.trials.values() for trial in mine}),
        "verdicts": {
            measure.title: {b: {a: words.verdict(view, a, b, measure) for a in view.measured} for b in view.measured}
            for measure in LATENCIES
        },
        "charts": found,
    }


def _cells(summary: Row) -> list[Any]:
    return [cell_of(row) for row in summary["cells"]]


def _kept(trials: Sequence[Trial]) -> tuple[list[Trial], str]:
    """The trials of as many rounds as there is room for, and in a sentence, which these are."""
    counted = sorted((trial for trial in trials if trial.sent), key=lambda trial: trial.round)
    kept: list[Trial] = []
    events = 0
    for _, mine in groupby(counted, key=lambda trial: trial.round):
        of_round = list(mine)
        events += sum(len(trial.sent) for trial in of_round)
        if events > MOST_EVENTS:
            some = f"{len(kept):,} of {len(counted):,} trials, the first rounds of each cell"
            return kept, f"This file holds the events of {some}; the folder trials/ beside it holds all."
        kept += of_round
    return kept, f"This file holds all {figures.count(events, 'event')} of {figures.count(len(counted), 'trial')}."


def _packed(trials: Sequence[Trial], cells: Sequence[Any]) -> list[dict[str, Any]]:
    """A record per trial and epoch. Ids and due times (µs) as steps from one event to the next; µs elsewhere."""
    numbers = {cell: nth for nth, cell in enumerate(cells)}
    records = []
    for trial in trials:
        began = min((due for _, _, due, _ in trial.sent), default=0)
        for epoch, grouped in groupby(trial.samples, key=lambda sample: sample.epoch):
            mine = list(grouped)
            due = [(sample.due - began) // 1000 for sample in mine]
            records.append({
                "cell": numbers[trial.cell],
                "round": trial.round,
                "epoch": epoch,
                "id": _steps([sample.id for sample in mine]),
                "due": _steps(due),
                "late": [round((sample.at - sample.due) / 1000) for sample in mine],
                "delay": [round((one.received[0] - one.due) / 1000) if one.received else None for one in mine],
                "copies": {nth: len(sample.received) for nth, sample in enumerate(mine) if len(sample.received) > 1},
            })  # fmt: skip
    return records


def _steps(values: Sequence[int]) -> list[int]:
    return [value - before for before, value in zip([0, *values], values, strict=False)]


def _packed_json(data: Any) -> str:
    """JSON, compressed and in base64: whatever it holds, it can't end the script element that it stands in."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


# --- the page ---


@cache
def _bundle() -> str:
    """Vega, Vega-Lite and vega-embed, of the version that Altair draws for."""
    version = ".".join(alt.SCHEMA_VERSION.split(".")[:2])
    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=version)
    return bundle.replace("</script", r"<\/script").replace("<!--", r"<\!--")
