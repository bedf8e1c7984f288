"""Every kind of chart: what it draws, how, and the table behind it."""

from collections.abc import Iterable, Sequence
from typing import Any

import altair as alt

from benchmarks.report import tables
from benchmarks.report.drawing import (
    SHORT,
    SOFT,
    Kind,
    Pens,
    Scene,
    Table,
    faded,
    layered,
    names,
    per_transport,
    tips,
    transports,
)
from benchmarks.report.figures import CPU, KEPT, MEMORY, RENDERER, Figure, Measure, listed, number, written
from benchmarks.report.looks import PARTS
from benchmarks.report.tables import Rows
from benchmarks.summary import STAGES

PERCENTILES = (1, 10, 25, 50, 75, 90, 99, 99.9)


# --- the distribution of latency ---


def _distribution_rows(scene: Scene) -> Rows:
    return tables.distribution(scene.trials) + [row | {"named": True} for row in tables.marks(scene.trials)]


def _distribution(pens: Pens) -> alt.LayerChart:
    labels = " : ".join(f"datum.value == {tables.z(q)} ? 'p{q:g}'" for q in PERCENTILES) + " : ''"
    axis = alt.Axis(values=[tables.z(q) for q in PERCENTILES], labelExpr=labels, title=None)
    x = alt.X("z:Q", axis=axis, scale=alt.Scale(nice=False, zero=False, padding=10))
    base = alt.Chart().encode(x=x, y=alt.Y(**pens.ms()), color=pens.colour())
    told = tips({"percentile:Q": "percentile", "delay:Q": "latency, ms"})
    line = base.transform_filter("!datum.named").mark_line(strokeWidth=2, strokeJoin="round", clip=True)
    dots = base.transform_filter("datum.named").mark_point(filled=True, size=70)
    hover = base.transform_filter("!datum.named").mark_point(size=120, opacity=0, filled=True)
    return layered(
        line.encode(strokeDash=pens.dash(), opacity=faded()),
        dots.encode(shape=pens.shape(), opacity=faded(), tooltip=told),
        hover.encode(tooltip=told),
    )


def _distribution_table(scene: Scene) -> Table:
    body = []
    for subject, mine in scene.trials.items():
        held = {row["percentile"]: row["delay"] for row in tables.marks({subject: mine})}
        if points := tables.distribution({subject: mine}):
            values = [points[0]["delay"], *(held.get(q) for q in tables.MARKED), points[-1]["delay"]]
            body.append([subject, *map(number, values)])
    return Table(["transport", "fastest event, ms", *(f"p{q}, ms" for q in tables.MARKED), "slowest event, ms"], body)


# --- the events of a round ---

EVENT = {"round": "round", "event": "event", "due": "due, s", "late": "appended late, ms", "delay": "latency, ms"}


def _timeline_rows(scene: Scene) -> Rows:
    return tables.thinned(tables.events(scene.trials, scene.round)) if scene.round is not None else []


def _timeline_note(scene: Scene) -> str:
    """What was thinned out: a page of tens of thousands of marks would show no more and hardly open."""
    if scene.round is None:
        return ""
    told = tables.events(scene.trials, scene.round)
    if (drawn := len(tables.thinned(told))) == len(told):
        return ""
    return f"{drawn:,} of {len(told):,} events drawn: the lost, the slowest and evenly chosen others of each transport"


def _timeline(pens: Pens) -> alt.LayerChart:
    axis = alt.Axis(title="due, s after the first event", format=",~r", grid=False, tickCount=8)
    told = tips({f"{key}:{'O' if key in {'round', 'event'} else 'Q'}": title for key, title in EVENT.items()})
    base = alt.Chart().encode(x=alt.X("due:Q", axis=axis), color=pens.colour(), shape=pens.shape(), tooltip=told)
    lost = alt.condition("datum.delay === null", alt.value(90), alt.value(0))  # a filter might leave nothing to scale
    return layered(
        base.mark_point(filled=True, size=34).encode(y=alt.Y(**pens.ms()), opacity=faded(0.85)),
        base.mark_point(filled=False, strokeWidth=2).encode(y=alt.value(0), size=lost, opacity=faded()),
    )


def _timeline_table(scene: Scene) -> Table:
    return Table.of(tables.slowest(scene.trials), {"transport": "slowest events of all rounds", **EVENT})


# --- trials ---

TRIAL = {"least": "fastest, ms", "p10": "p10, ms", "p50": "p50, ms", "p90": "p90, ms", "most": "slowest, ms"}


def _trials(pens: Pens) -> alt.LayerChart:
    told = tips({"round:O": "round", **{f"{key}:Q": title for key, title in TRIAL.items()}})
    offset = alt.YOffset("round:O", scale=alt.Scale(paddingOuter=0.5))
    base = alt.Chart().encode(y=names(), yOffset=offset, color=pens.colour(key=False), tooltip=told)

    def span(least: str, most: str, width: float, opacity: float) -> alt.Chart:
        rule: alt.Chart = base.mark_rule(strokeWidth=width, strokeCap="round")
        told: alt.Chart = rule.encode(x=alt.X(**pens.ms(least)), x2=f"{most}:Q", opacity=faded(opacity))
        return told

    middle = base.mark_point(filled=True, size=34, stroke="white", strokeWidth=0.8)
    return layered(
        span("least", "most", 1, 0.45),
        span("p10", "p90", 3, 0.55),
        middle.encode(x=alt.X(**pens.ms("p50")), opacity=faded()),
    )


def _trials_height(rows: Rows) -> float:
    strips = len({row["round"] for row in rows})
    return transports(rows) * (12 + strips * max(4.0, min(10.0, 80 / strips)))


def _trials_table(scene: Scene) -> Table:
    return Table.of(tables.rounds(scene.trials), {"transport": "transport", "round": "round", **TRIAL})


# --- Age of Information ---


def _age_rows(scene: Scene) -> Rows:
    return tables.ages(scene.trials, scene.round) if scene.round is not None else []


def _age(pens: Pens) -> alt.LayerChart:
    """A row of its own for each transport, as high as its oldest: only straight lines show growth as it is."""
    x = alt.X("at:Q", axis=alt.Axis(title="s after the first event was due", format=",~r", tickCount=8))
    height = alt.YOffset("share:Q", scale=alt.Scale(domain=[-0.08, 1.35], reverse=True))
    base = alt.Chart().encode(x=x, y=names(), yOffset=height)
    coloured = base.encode(color=pens.colour(key=False), opacity=faded())
    oldest = base.transform_filter("datum.oldest").mark_text(dy=-8, fontSize=11, color=SOFT)
    told = tips({"round:O": "round", "at:Q": "at, s", "age:Q": "age, ms"})
    return layered(
        coloured.mark_line(strokeWidth=1.3).encode(order=alt.Order("row:Q")),
        oldest.encode(text="oldest:N", opacity=faded()),
        coloured.mark_point(size=90, filled=True).encode(opacity=alt.value(0), tooltip=told),
    )


def _age_table(scene: Scene) -> Table:
    oldest = [row for row in _age_rows(scene) if "oldest" in row]
    return Table.of(oldest, {"transport": "transport", "arrivals": "arrivals", "age": "oldest, ms", "at": "at, s"})


# --- what a whole is made of ---


def _stack(size: str, parts: str, whole: Iterable[str], unit: str, x: alt.X) -> dict[str, Any]:
    return {
        "x": x,
        "color": alt.Color(
            f"{parts}:N", scale=alt.Scale(domain=list(whole), range=list(PARTS)), legend=alt.Legend(columns=2)
        ),
        "order": alt.Order("order:Q"),
        "tooltip": tips({f"{parts}:N": "part", f"{size}:Q": unit}),
        "opacity": faded(),
    }


def _wire(_pens: Pens) -> alt.LayerChart:
    base = alt.Chart().encode(y=names(), yOffset=alt.YOffset("direction:N", sort=["down", "up"]))
    x = alt.X("sum(bytes):Q", axis=alt.Axis(title="bytes per event", format=",~r", tickCount=6))
    totals = (
        base.transform_aggregate(total="sum(bytes)", groupby=["transport", "direction"])
        .transform_calculate(label=f"format(datum.total, '{SHORT}') + (datum.direction == 'down' ? ' ↓' : ' ↑')")
        .mark_text(align="left", dx=5, fontSize=11, color=SOFT)
    )
    return layered(
        base.mark_bar().encode(**_stack("bytes", "part", tables.PARTS.values(), "bytes", x)),
        totals.encode(x="total:Q", text="label:N", opacity=faded()),
    )


def _wire_note(scene: Scene) -> str:
    """Of what the bars don't tell apart."""
    names_ = listed(tables.compressed(scene.view))
    return f"Compressed, so that payload holds its framing, too: {names_}" if names_ else ""


def _wire_table(scene: Scene) -> Table:
    rows = {(row["transport"], row["direction"], row["part"]): row["bytes"] for row in tables.wire(scene.view)}
    parts = tables.PARTS.values()
    body = [
        [*line, *(number(rows.get((*line, part))) for part in parts)]
        for line in dict.fromkeys((transport, direction) for transport, direction, _ in rows)
    ]
    return Table(["transport", "direction", *(f"{part}, B/event" for part in parts)], body)


def _stages(_pens: Pens) -> alt.LayerChart:
    """Shares, for one slow transport would hide how the others spend theirs; the whole is named at the end."""
    base = alt.Chart().encode(y=names())
    known, unknown = base.transform_filter("!datum.why"), base.transform_filter("datum.why")
    x = alt.X("sum(ms):Q", stack="normalize", axis=alt.Axis(title="share of the median", format="%", tickCount=5))
    totals = (
        known.transform_aggregate(total="sum(ms)", groupby=["transport"])
        .transform_calculate(label=f"format(datum.total, '{SHORT}') + ' ms'")
        .mark_text(align="left", dx=5, fontSize=11, color=SOFT)
    )
    return layered(
        known.mark_bar(size=18).encode(**_stack("ms", "stage", STAGES, "ms", x)),
        totals.encode(x=alt.datum(1), text="label:N", opacity=faded()),
        unknown.transform_filter("datum.order == 0")
        .mark_text(align="left", dx=5, fontSize=11, color=SOFT, text="not known: the table says why")
        .encode(x=alt.datum(0), opacity=faded(), tooltip=tips({"why:N": "not known, because"})),
    )


def _stages_table(scene: Scene) -> Table:
    told = tables.stages(scene.view)
    rows = {(row["transport"], row["stage"]): row["ms"] for row in told}
    whys = {row["transport"]: row["why"] for row in told if "why" in row}
    body = [
        [transport, *(number(rows[transport, stage]) for stage in STAGES), whys.get(transport, "")]
        for transport in dict.fromkeys(transport for transport, _ in rows)
    ]
    return Table(["transport", *(f"{stage}, ms" for stage in STAGES), "not known, because"], body)


# --- cost ---


def _cost(name: str, measure: Measure) -> Kind:
    def rows(scene: Scene) -> Rows:
        return tables.cost(scene.view, measure)

    def draw(pens: Pens) -> alt.LayerChart:
        told = tips({"value:Q": measure.unit, "low:Q": "low", "high:Q": "high"})
        base = alt.Chart().encode(y=names(), color=pens.colour(key=False), opacity=faded(), tooltip=told)
        x = alt.X("value:Q", axis=alt.Axis(title=measure.unit, format=",~r", tickCount=6), scale=alt.Scale(zero=True))
        return layered(
            base.mark_rule(strokeWidth=2).encode(x="least:Q", x2="most:Q"),
            base.mark_point(filled=True, size=90).encode(x=x, shape=pens.shape(key=False)),
        )

    def table(scene: Scene) -> Table:
        told = [[row["transport"], written(Figure(row["value"], row["low"], row["high"]))] for row in rows(scene)]
        return Table(["transport", measure.unit], told)

    def note(scene: Scene) -> str:
        cut = [row["transport"] for row in rows(scene) if row["high"] is not None and row["most"] < row["high"]]
        return f"Limits beyond the edge, which the table tells: {listed(cut)}" if cut else ""

    return Kind(name, measure.title, measure.about, rows, draw, table, per_transport(34), note, cost=True)


KINDS: Sequence[Kind] = (
    Kind(
        "distribution",
        "Latency distribution",
        "All events of all rounds, sorted (60 of them make the line), on a percentile axis that gives both tails room. "
        "Low is fast; flat to the right is reliable. It describes this run; what can be inferred is in the matrix.",
        _distribution_rows,
        _distribution,
        _distribution_table,
        keyed=True,
    ),
    Kind(
        "timeline",
        "Every event of one round",
        "Each mark is an event: when it was due, and how long it took. An empty mark at the upper edge was lost.",
        _timeline_rows,
        _timeline,
        _timeline_table,
        note=_timeline_note,
        keyed=True,
    ),
    Kind(
        "trials",
        "One strip per trial",
        "Each strip is one trial, round by round from the top: its fastest to its slowest event (thin), p10 to p90 "
        "(thick) and p50 (dot). Trials, not events, are what the intervals come from.",
        lambda scene: tables.rounds(scene.trials),
        _trials,
        _trials_table,
        _trials_height,
    ),
    Kind(
        "age",
        "Age of Information",
        "How old the page's newest event was, at every instant of one round: it grows until something newer arrives. "
        "Each row has a scale of its own; its oldest is named.",
        _age_rows,
        _age,
        _age_table,
        per_transport(62),
    ),
    Kind(
        "wire",
        "Bytes on the wire",
        "What one event costs the network, towards the reader (↓) and towards the server (↑), headers included.",
        lambda scene: tables.wire(scene.view),
        _wire,
        _wire_table,
        per_transport(44),
        _wire_note,
    ),
    Kind(
        "stages",
        "Where the time goes",
        "The median of each stage: until the source had appended the event, the server had handed it to the kernel, it "
        "had arrived, the reader had it. A poll's waiting to be asked for is the server's. The wire's part is half the "
        "smallest round trip. Bars are shares; the sum stands beside them, and need not be the p50: medians don't add "
        "up.",
        lambda scene: tables.stages(scene.view),
        _stages,
        _stages_table,
        per_transport(34),
    ),
    _cost("server-cpu", CPU),
    _cost("server-memory", MEMORY),
    _cost("page-memory", RENDERER),
    _cost("page-memory-kept", KEPT),
)
