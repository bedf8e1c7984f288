"""What the charts draw: rows of plain values, made from a view and its trials. Times in ms unless a name says s."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import special

from benchmarks import stats
from benchmarks.report.figures import Figure, Measure, number
from benchmarks.report.views import View
from benchmarks.runs import Trial
from benchmarks.summary import MS, STAGES, age_of, delays

Rows = list[dict[str, Any]]
Trials = Mapping[str, Sequence[Trial]]  # subject → its trials

MARKED = (50, 90, 99)  # percentiles
POINTS = 60
"""Of a distribution: as many as a line of a few hundred pixels can show."""
DRAWN = 300
"""Events of one trial in the timeline; where there are more, the slowest and every n-th of the others."""
EDGE = 2
"""Of a chart of costs, times the largest value; limits beyond it are in its table."""
PARTS = {"payload": "payload", "framing": "framing", "http": "HTTP headers", "tcp_ip": "TCP/IP headers"}


def distribution(trials: Trials) -> Rows:
    """All events of a subject, sorted: each point is one of them, at its place on a normal percentile axis."""
    rows = []
    for subject, mine in trials.items():
        held = np.sort(np.concatenate([delays(trial) for trial in mine]))
        for rank in _ranks(held.size):
            share = (rank + 0.5) / held.size
            rows.append(
                {
                    "transport": subject,
                    "percentile": _round(100 * share),
                    "z": z(100 * share),
                    "delay": _round(held[rank]),
                }
            )
    return rows


def marks(trials: Trials) -> Rows:
    """The percentiles that have a name, where a subject has the events for them."""
    held = {subject: np.concatenate([delays(trial) for trial in mine]) for subject, mine in trials.items()}
    return [
        {"transport": subject, "percentile": q, "z": z(q), "delay": _round(stats.percentile(mine, q))}
        for subject, mine in held.items()
        for q in MARKED
        if stats.supports(mine.size, q)
    ]


def z(percentile: float) -> float:
    """Where a percentile stands on an axis that makes a normal distribution a straight line."""
    return round(float(special.ndtri(percentile / 100)), 4)


def _ranks(n: int) -> list[int]:
    """Ranks at even distances on that axis, the first and the last among them."""
    if not n:
        return []
    end = float(special.ndtri(1 - 0.5 / n))
    return sorted({round(float(x)) for x in special.ndtr(np.linspace(-end, end, POINTS)) * n - 0.5})


def events(trials: Trials, round_: int) -> Rows:
    """Every event of one round; one without a delay was lost."""
    return [
        row
        for subject, mine in trials.items()
        for trial in mine
        if trial.round == round_
        for row in _events(subject, trial)
    ]


def _events(subject: str, trial: Trial) -> Rows:
    began = min((due for _, _, due, _ in trial.sent), default=0)
    return [
        {
            "transport": subject,
            "round": trial.round,
            "event": sample.id,
            "due": _round((sample.due - began) / 1e9, 6),
            "late": _round((sample.at - sample.due) / MS),
            "delay": _round((sample.received[0] - sample.due) / MS) if sample.received else None,
        }
        for sample in trial.samples
    ]


def thinned(rows: Rows) -> Rows:
    """At most DRAWN of each transport: what was lost, the slowest, and evenly chosen others."""
    kept: Rows = []
    for subject in dict.fromkeys(row["transport"] for row in rows):
        mine = [row for row in rows if row["transport"] == subject]
        slowest_first = sorted(mine, key=lambda row: -(row["delay"] if row["delay"] is not None else np.inf))
        slow, others = slowest_first[: DRAWN // 3], slowest_first[DRAWN // 3 :]
        kept += slow + others[:: max(1, -(-len(others) // (DRAWN - len(slow) or 1)))]
    return kept


def slowest(trials: Trials, most: int = 12) -> Rows:
    """The slowest events of all rounds."""
    rows = [row for subject, mine in trials.items() for trial in mine for row in _events(subject, trial)]
    return sorted((row for row in rows if row["delay"] is not None), key=lambda row: -row["delay"])[:most]


def rounds(trials: Trials) -> Rows:
    """One row per trial: what its events took."""
    rows = []
    for subject, mine in trials.items():
        for trial in mine:
            held = delays(trial)
            if held.size:
                p10, p50, p90 = (_round(stats.percentile(held, q)) for q in (10, 50, 90))
                ends = {"least": _round(held.min()), "most": _round(held.max())}
                rows.append({"transport": subject, "round": trial.round, "p10": p10, "p50": p50, "p90": p90, **ends})
    return rows


def typical_round(trials: Trials) -> int | None:
    """The round that shows best what is usual: of those with most transports, where each is nearest to its median."""
    rows = rounds(trials)
    seen: dict[str, list[float]] = {}
    for row in rows:
        seen.setdefault(row["transport"], []).append(row["p50"])
    medians = {subject: float(np.median(values)) for subject, values in seen.items()}
    off: dict[int, list[float]] = {}
    for row in rows:
        usual = medians[row["transport"]]
        off.setdefault(row["round"], []).append(abs(row["p50"] - usual) / (abs(usual) or 1))
    return min(off, key=lambda n: (-len(off[n]), float(np.mean(off[n])), n), default=None)


def ages(trials: Trials, round_: int) -> Rows:
    """The saw-tooth of each transport in one round: how old the page's newest event was, at its vertices.

    `share` is of its oldest, which is named where it stands.
    """
    return [
        row
        for subject, mine in trials.items()
        for trial in mine
        if trial.round == round_ and (age := age_of(trial))
        for row in _vertices(subject, trial, age)
    ]


def _vertices(subject: str, trial: Trial, age: stats.Age) -> Rows:
    oldest = int(age.ages.argmax())
    return [
        {
            "transport": subject,
            "round": trial.round,
            "row": nth,
            "at": _round(at / 1000),
            "age": _round(ms),
            "share": _round(ms / age.max, 4),
            **({"oldest": f"{number(ms)} ms", "arrivals": age.times.size // 2 - 1} if nth == oldest else {}),
        }
        for nth, (at, ms) in enumerate(zip(age.times, age.ages, strict=True))
    ]


def wire(view: View) -> Rows:
    """Bytes per event of each subject, direction and part."""
    return [
        {"transport": subject, "direction": direction, "part": PARTS[part], "bytes": _round(size), "order": order}
        for subject, cell in view.measured.items()
        for direction in ("down", "up")
        for order, (part, size) in enumerate(_travelled(cell, direction).items())
    ]


def compressed(view: View) -> list[str]:
    """Subjects of whose payload less travelled than there is."""
    return [subject for subject, cell in view.measured.items() if _bytes(cell, "down").get("framing", 0) < 0]


def _travelled(cell: Mapping[str, Any], direction: str) -> dict[str, float]:
    """The parts in their order. What was compressed is payload: nobody can tell its framing, and no bar is below 0."""
    parts = _bytes(cell, direction)
    if parts.get("framing", 0) < 0:
        parts["payload"] += parts.pop("framing")
    return parts


def _bytes(cell: Mapping[str, Any], direction: str) -> dict[str, float]:
    found = {part: _of(f"wire_bytes_per_event.{direction}.{part}", cell) for part in PARTS}
    return {part: figure.value for part, figure in found.items() if figure}


def stages(view: View) -> Rows:
    """Where the median time went, for each subject and stage.

    A stage that is not known is None, and says why; its subject has no bar, for the others would not be the whole.
    """
    return [row for subject, cell in view.measured.items() if cell.get("stages_ms") for row in _stages(subject, cell)]


def _stages(subject: str, cell: Mapping[str, Any]) -> Rows:
    figures = {stage: _of(f"stages_ms.{stage}", cell) for stage in STAGES}
    why = {} if all(figures.values()) else {"why": cell["stages_ms"]["reason"]}
    return [
        {"transport": subject, "stage": stage, "ms": figure and _round(figure.value), "order": order, **why}
        for order, (stage, figure) in enumerate(figures.items())
    ]


def cost(view: View, measure: Measure) -> Rows:
    """A measure of cost for each subject that has it, the cheapest first.

    A rule is drawn from `least` to `most`: to the limits, or as far as the edge, for those of two trials may be
    hundreds of times the value. A lone trial has none: its rule has no length, which leaves the axis an extent.
    """
    found = {subject: figure for subject, cell in view.measured.items() if (figure := measure.of(cell))}
    edge = EDGE * max((abs(figure.value) for figure in found.values()), default=0)
    return [
        {
            "transport": subject,
            **figure._asdict(),
            "least": figure.value if figure.low is None else max(figure.low, -edge),
            "most": figure.value if figure.high is None else min(figure.high, edge),
        }
        for subject, figure in sorted(found.items(), key=lambda item: item[1].value)
    ]


def _of(key: str, cell: Mapping[str, Any]) -> Figure | None:
    return Measure(key, "", "", "").of(cell)


def _round(value: float, digits: int = 6) -> float:
    return float(f"{value:.{digits}g}")
