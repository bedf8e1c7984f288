"""How it was measured: what a reader needs to trust the numbers, or to doubt them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import stats
from benchmarks.report import figures, words
from benchmarks.report.figures import CPU, number, several
from benchmarks.report.views import DIRECT, View, trials_of
from benchmarks.runs import Run, Trial
from benchmarks.summary import NETWORK_LATE_MS, SOURCE_LATE_MS, lateness, network_lateness

TOO_FEW = (
    f"“{figures.TOO_FEW.capitalize()}”: a percentile is given where at least {stats.MIN_BEYOND} events are to be "
    f"expected beyond it in each trial (p99 takes {stats.MIN_BEYOND * 100}), or in all of the cell's trials together, "
    f"from {stats.MIN_POOLED} trials on."
)


SEEDED = "The order of the cells in each round and every event's instant follow from it."
"""Where the run's settings don't tell what follows from the seed."""

MEMORIES = {
    "anonymous": "what a process has written itself, in memory or swapped out",
    "USS": "what is a process's own and would be free without it",
    "RSS": "what a process holds, shared pages too, since its own could not be told apart here",
}


@dataclass(frozen=True)
class Punctuality:
    """How late the source appended events under some conditions, ms after they were due."""

    where: str
    p50: float
    p99: float
    least: float

    @property
    def word(self) -> str:
        if self.least < 0:
            return "EARLY: these trials are wrong"
        return "on time" if self.p50 <= SOURCE_LATE_MS[50] and self.p99 <= SOURCE_LATE_MS[99] else "late"


def facts(run: Run, found: Sequence[View], trials: Sequence[Trial]) -> Iterator[tuple[str, str]]:
    """Terms and what they were in this run."""
    about = run.settings.get("about", "")
    yield "Plan", f"{run.plan}{f': {about}' if about else ''}"
    yield "Seed", f"{run.seed}. {run.settings.get('seeded', SEEDED)}"
    yield "Rounds", "; ".join(f"{view.conditions.title}: {several(*view.rounds, 'round')}" for view in found)
    yield (
        "Ended",
        f"{words.ending(run.ended, run.settings.get('budget'))} Started {run.started}, took {run.seconds:g} s.",
    )
    yield "Machine", machine(run.machine)
    yield "Versions", ", ".join(f"{name} {version}" for name, version in run.versions.items())
    yield from _links(run, found)
    yield from _networks(found, trials)
    yield from _counted(run, found)
    if reasons := {trial.wire["reason"] for trial in trials if trial.wire.get("reason")}:
        yield "Wire bytes", f"not counted everywhere: {'; '.join(sorted(reasons))}."
    for name, title in words.scenario_titles(run.settings).items():
        yield f"Scenario {name}", title


def _links(run: Run, found: Sequence[View]) -> Iterator[tuple[str, str]]:
    """What lay between server and readers, where anything did."""
    names = dict.fromkeys(view.conditions.link for view in found)
    for name in names if set(names) != {DIRECT} else ():
        told = run.links.get(name, {})
        yield f"Link {name}", told.get("title", "nothing" if name == DIRECT else "not told")
        for kind, parts in told.items():
            if isinstance(parts, Mapping):
                yield from ((f"{name}: {kind}’s {part}", _said(value)) for part, value in parts.items())


def _networks(found: Sequence[View], trials: Sequence[Trial]) -> Iterator[tuple[str, str]]:
    """How punctual the emulated ones were while they were in use."""
    for name in dict.fromkeys(view.conditions.link for view in found):
        if late := network_lateness(trial for trial in trials if trial.cell.link == name):
            word = "on time" if late["p99"] <= NETWORK_LATE_MS else f"late, for p99 is over {NETWORK_LATE_MS:g} ms"
            left = f"{number(late['p50'])} ms after they were due at p50, {number(late['p99'])} ms at p99"
            yield f"{name}: in use", f"packets left {left}, in the typical trial: {word}."


def _said(value: Any) -> str:
    """A fact about a link: a text as it is, a configuration's lines too; anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _counted(run: Run, found: Sequence[View]) -> Iterator[tuple[str, str]]:
    """How the costs were counted, where there are any."""
    cells = [cell for view in found for cell in view.measured.values()]
    if any(CPU.of(cell) for cell in cells):
        yield "Server CPU", f"by {run.machine.get('cpu_clock', 'a clock that this run did not note')}, all processes."
    if kinds := {cell["memory"] for cell in cells if cell.get("memory")}:
        yield "Memory", "; ".join(f"{kind}: {MEMORIES.get(kind, kind)}" for kind in sorted(kinds)) + "."


def machine(machine: Mapping[str, Any]) -> str:
    load = machine.get("load")
    memory = [f"{machine['memory_gib']} GiB"] if "memory_gib" in machine else []
    parts = [machine.get("processor", "?"), f"{machine.get('cores', '?')} cores", *memory, machine.get("system", "?")]
    return ", ".join(parts) + (f"; load when it began {', '.join(f'{one:g}' for one in load)}" if load else "")


def punctuality(found: Sequence[View], trials: Sequence[Trial]) -> list[Punctuality]:
    """The source's own lateness, view by view."""
    rows = []
    for view in found:
        late = lateness([trial for mine in trials_of(view, trials).values() for trial in mine])
        if late.size:
            p50, p99 = (stats.percentile(late, q) for q in (50, 99))
            rows.append(Punctuality(view.conditions.title, p50, p99, float(late.min())))
    return rows


def bounds(view: View) -> str:
    """By how much all of a view's absolute times may be off together."""
    held = [cell["clock_bound_ms"] for cell in view.measured.values() if cell.get("clock_bound_ms") is not None]
    return f"±{number(max(held))} ms" if held else ""


def statistics() -> Mapping[str, str]:
    """What the figures and the verdicts mean."""
    ratio, delta = f"{100 * stats.MATTERS.ratio:g} %", f"{stats.MATTERS.delta:g} ms"
    return {
        "Latency": "from the instant an event was due until the page had it: a stalled server can't hide its delay.",
        "Trial": "one fresh page, one connection, one run of the scenario. Trials, not events, are what is counted.",
        "Interval": "95 % confidence limits of the geometric mean, over trials, of a trial's percentile.",
        "Verdict": f"from differences paired by round, with limits that hold for all pairs at once. Faster or slower: "
        f"wholly beyond {ratio} and {delta}. No difference: wholly within one of the two. Otherwise not resolved, and "
        f"always under {stats.MIN_ROUNDS} rounds; leaning where the limits exclude “equal”.",
    }
