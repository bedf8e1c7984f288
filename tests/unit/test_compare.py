"""Two runs compared: made-up runs whose truth is known, as folders where reading matters."""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from benchmarks import compare, stats
from benchmarks.compare import Comparison, Finding, Side
from benchmarks.runs import Cell, Run, Trial, write_trial
from benchmarks.stats import Effect
from lab.errors import UserError

EVENTS = 21  # p90 needs 20
SHAPE = np.exp(np.linspace(-0.5, 0.5, EVENTS))  # of the delays within a trial; its median is 1
STEADY = np.exp([0.01, -0.01, 0.0, 0.01, -0.01, 0.0, -0.01, 0.01])  # rounds that hardly differ and do not drift
NAMES = ("one", "two", "three")
GATE = {"p50": Effect(0.10, 0.0)}

Rounds = Sequence[float] | np.ndarray[Any, Any]


def cell(name: str, engine: str = "chromium") -> Cell:
    return Cell(name, None, engine, "steady")


def trial(of: Cell, number: int, p50: float, *, opening: float = 200, bound: float = 0.0) -> Trial:
    """One whose events are due every 10 ms and appended 5 µs later; p50 and opening in ms."""
    sent = [(1, n, 10**9 + n * 10**7, 10**9 + n * 10**7 + 5000) for n in range(EVENTS)]
    arrived = [(1, n, due + round(p50 * SHAPE[n] * 1e6)) for _, n, due, _ in sent]
    opened = [round(opening * 1e6)]
    return Trial(of, number, "measured", navigated=0, opened=opened, bound_ms=bound, sent=sent, arrived=arrived)


def run(cells: Sequence[Cell]) -> Run:
    block = {"engines": ["chromium"], "scenarios": ["steady"], "rounds": 8, "most": 20, "transports": []}
    return Run(
        plan="quick",
        seed=7,
        started="2026-01-01T00:00:00+00:00",
        settings={"name": "quick", "about": "", "blocks": [block], "budget": 90, "scenarios": {"steady": {"rate": 60}}},
        machine={"processor": "P", "cores": 2, "memory_gib": 8.0, "system": "Linux 6", "load": [0.1, 0.1, 0.1]},
        versions={"python": "3.11"},
        engines={"chromium": {"version": "156"}},
        cells=[{"cell": asdict(one), "title": one.name, "state": "planned", "reason": ""} for one in cells],
        ended="complete",
    )


def side(rounds: Mapping[str, Rounds], **told: Any) -> Side:
    """A run of cells in Chromium, each with the p50 of its rounds."""
    trials = [trial(cell(name), n, p50, **told) for name, values in rounds.items() for n, p50 in enumerate(values, 1)]
    return Side(Path("somewhere"), run([cell(name) for name in rounds]), trials)


def steady(**factors: float) -> Side:
    return side({name: STEADY * factors.get(name, 1.0) for name in NAMES})


def changed(whole: Side, of: Cell, change: Callable[[Trial], Trial]) -> Side:
    """The same run, but for the trials of one cell."""
    return replace(whole, trials=[change(one) if one.cell == of else one for one in whole.trials])


def without(*ids: int) -> Callable[[Trial], Trial]:
    """Those events get lost."""
    return lambda one: replace(one, arrived=[event for event in one.arrived if event[1] not in ids])


def failing(first: int = 1, why: str = "did not open") -> Callable[[Trial], Trial]:
    return lambda one: Trial(one.cell, one.round, "failed", why) if one.round >= first else one


def verdicts(comparison: Comparison, measure: str = "p50") -> dict[str, str]:
    return {one.cell.split()[0]: one.verdict for one in comparison.findings if one.measure == measure}


def the_change(comparison: Comparison) -> Finding:
    (only,) = comparison.changes
    return only


# --- what became slower or faster ---


def test_of_unchanged_cells_at_most_5_percent_are_called_different() -> None:
    """Noise of each round and cell 4 %, of the machine in each round 4 %, and the machine's walk 1 % a round."""
    rng, found = np.random.default_rng(5), list[Finding]()
    for _ in range(20):
        machine = np.cumsum(rng.normal(0, 0.01, 16)) + rng.normal(0, 0.04, 16)
        values = np.exp(np.log([1, 2, 8])[:, None] + machine + rng.normal(0, 0.04, (3, 16)))
        before, after = (side(dict(zip(NAMES, half, strict=True))) for half in np.split(values, 2, axis=1))
        found += [one for one in compare.compare(before, after).findings if one.measure != "open"]
    assert len(found) == 20 * 3 * 2
    assert sum(one.changed for one in found) <= 0.05 * len(found)
    assert sum(one.verdict == "no difference" for one in found) > 0.1 * len(found)  # something is found out


def test_a_cell_that_became_30_percent_slower_is_found_and_only_that() -> None:
    comparison = compare.compare(steady(), steady(two=1.3))
    assert verdicts(comparison) == verdicts(comparison, "p90") == {
        "one": "no difference", "two": "slower", "three": "no difference",
    }  # fmt: skip
    found = comparison.findings[0]
    assert (found.cell, found.measure) == ("two chromium steady direct", "p50")
    assert found.difference is not None
    assert found.difference.ratio == pytest.approx(1.3, rel=1e-3)
    assert (found.before, found.after) == ("1.00\xa0ms", "1.30\xa0ms")
    assert re.fullmatch(r"slower, 1\.30\s× \(1\.2\d–1\.3\d\)", found.says)


def test_exchanging_the_runs_mirrors_the_verdict() -> None:
    assert verdicts(compare.compare(steady(two=1.3), steady()))["two"] == "faster"


def test_drift_in_the_rounds_takes_the_verdict_back() -> None:
    drifting = STEADY * np.where(np.arange(8) < 4, 1.0, 1.4)
    before, after = (side(dict.fromkeys(NAMES, drifting * factor)) for factor in (1, 1.3))
    assert set(verdicts(compare.compare(before, after)).values()) == {"not resolved"}


def test_opening_is_compared_by_itself() -> None:
    before, after = (side({"one": STEADY}, opening=opening) for opening in (200, 300))
    assert the_change(compare.compare(before, after)).measure == "open"


def test_effect_decides_what_matters() -> None:
    before, after = steady(), steady(two=1.3)
    assert verdicts(compare.compare(before, after, effect=Effect(0.5, 0.0)))["two"] == "no difference"


def test_a_difference_within_the_bound_of_both_clocks_is_none_but_opening_needs_no_common_clock() -> None:
    """1 ms against 1.3: a bound of 0.1 ms in each run leaves a ratio of 1.1 possible; 0.02 ms does not."""
    for bound, verdict in ((0.1, "not resolved"), (0.02, "slower")):
        before = side({"one": STEADY}, bound=bound, opening=1.0)
        after = side({"one": STEADY * 1.3}, bound=bound, opening=1.3)
        comparison = compare.compare(before, after)
        assert verdicts(comparison)["one"] == verdict
        assert verdicts(comparison, "open")["one"] == "slower"


def test_what_is_less_than_the_clocks_can_tell_is_counted_by_itself() -> None:
    before, after = (side({"one": STEADY * p50}, bound=0.02) for p50 in (1.0, 1.03))
    comparison = compare.compare(before, after)
    assert comparison.findings[0].says == "not resolved: less than the clocks can tell"
    assert "1 differs by less than the clocks can tell" in compare.words(comparison)


def weighing(down: int) -> Callable[[Trial], Trial]:
    """Each event takes so many bytes, half of them headers, and half as many the other way."""
    ways = {
        way: {"payload": n * EVENTS // 2, "framing": 0, "http": 0, "tcp_ip": n * EVENTS // 2}
        for way, n in (("down", down), ("up", down // 2))
    }
    others = {"packets": {"down": EVENTS, "up": EVENTS}, "connections": 1, "requests": 1}
    return lambda one: replace(one, wire=ways | others)


def test_bytes_on_the_wire_count_by_their_ratio_alone(tmp_path: Path) -> None:
    """As they are the same in every round, nothing is uncertain."""
    runs = [
        compare.read(written(tmp_path / str(n), changed(steady(), cell("two"), weighing(n)))) for n in (100, 120, 108)
    ]
    down, up = compare.compare(*runs[:2]).changes
    assert down[:6] == (
        "two chromium steady direct", "down", "100\xa0B", "120\xa0B", "more", "more, 1.20\xa0× (1.20–1.20)",
    )  # fmt: skip
    assert (up.measure, up.verdict) == ("up", "more")
    assert compare.words(compare.compare(*runs[:2])).startswith("Of 3 cells, 1 costs more.")
    assert {one.verdict for one in compare.compare(runs[1], runs[0]).changes} == {"less"}
    assert not compare.compare(runs[0], runs[2]).changes
    assert not compare.compare(steady(), runs[0]).changes  # bytes were not counted in one of them
    assert len(compare.compare(*runs[:2]).failures({"down": Effect(0.1, 0.0)})) == 1


def test_costs_are_compared_where_they_were_measured() -> None:
    def costing(cpu: float) -> Callable[[Trial], Trial]:
        cost = {"server_cpu_us_per_delivery": cpu, "server_kib_per_reader": 35.0, "memory": "anonymous"}
        return lambda one: Trial(one.cell, one.round, "measured", cost=cost)

    before, after = (changed(side({"one": STEADY}), cell("one"), costing(cpu)) for cpu in (0.03, 0.04))
    comparison = compare.compare(before, after)
    assert the_change(comparison)[:5] == (
        "one chromium steady direct", "cpu", "0.0300\xa0µs", "0.0400\xa0µs", "more",
    )  # fmt: skip
    assert verdicts(comparison, "memory") == {"one": "no difference"}
    assert len(comparison.findings) == 2


def test_what_is_not_resolved_says_where_it_leans() -> None:
    noisy = np.exp(3 * np.log(STEADY))
    comparison = compare.compare(side({"one": noisy}), side({"one": noisy * 1.1}))
    assert comparison.findings[0].says.startswith("not resolved, leaning to slower, 1.10")


def appended(later_ms: float, only: int | None = None) -> Callable[[Trial], Trial]:
    """Events are appended so much later (only this one), and the page has them so much later, too."""

    def moved(one: Trial) -> Trial:
        late = {n: round(later_ms * 1e6) if only in {None, n} else 0 for n in range(EVENTS)}
        sent = [(epoch, n, due, at + late[n]) for epoch, n, due, at in one.sent]
        return replace(one, sent=sent, arrived=[(epoch, n, at + late[n]) for epoch, n, at in one.arrived])

    return moved


def test_where_the_source_was_late_in_one_run_both_are_compared_by_delivery() -> None:
    whole = side({"one": STEADY})
    late = changed(whole, cell("one"), appended(1.0))
    comparison = compare.compare(whole, late)
    assert verdicts(comparison)["one"] == "no difference"
    assert "since the source was late: p50 of chromium steady direct" in compare.markdown(comparison)


def test_a_server_that_stood_still_is_not_hidden_by_a_late_source() -> None:
    """Half of the events wait for 150 ms in a server; the other run's source was late: delays are compared."""
    whole = side({"one": STEADY})
    late = changed(whole, cell("one"), appended(0.1))
    stalled = whole
    for n in range(0, EVENTS, 2):
        stalled = changed(stalled, cell("one"), appended(150, only=n))
    assert verdicts(compare.compare(late, stalled), "p90")["one"] == "slower"


def burst(*rounds: int, factor: float, only: Sequence[str] = NAMES) -> Side:
    """A run whose machine had other things to do in these rounds, from 0 on."""
    loaded = np.where(np.isin(np.arange(8), rounds), factor, 1.0)
    return side({name: STEADY * (loaded if name in only else 1.0) for name in NAMES})


def test_a_burst_of_load_is_taken_off_and_said() -> None:
    """Three of eight rounds took twice as long in all cells: the others still tell that nothing changed."""
    comparison = compare.compare(steady(), burst(2, 3, 4, factor=2.0))
    assert set(verdicts(comparison).values()) == {"no difference"}
    assert "p50 in round 3 of the run after (1.98 ×), 4 of the run after (2.00" in compare.markdown(comparison)
    assert compare.markdown(compare.compare(steady(), steady())).count("taken off") == 0


def test_a_burst_hides_no_change() -> None:
    loaded = np.where(np.isin(np.arange(8), (2, 3)), 2.0, 1.0)
    worse = side({name: STEADY * loaded * (1.3 if name == "two" else 1.0) for name in NAMES})
    assert verdicts(compare.compare(steady(), worse)) == {
        "one": "no difference", "two": "slower", "three": "no difference",
    }  # fmt: skip


def test_what_one_cell_does_alone_is_no_burst() -> None:
    comparison = compare.compare(steady(), burst(2, 3, factor=2.0, only=["two"]))
    assert "taken off" not in compare.markdown(comparison)
    assert verdicts(comparison) == {"one": "no difference", "two": "not resolved", "three": "no difference"}


# --- what broke ---


def test_events_that_only_one_run_lost_are_counted() -> None:
    losing = changed(steady(), cell("two"), lambda one: without(3)(one) if one.round < 4 else one)
    found = the_change(compare.compare(steady(), losing))
    assert found[:6] == ("two chromium steady direct", "lost", "0 of 168", "3 of 168", "broken", "newly lost")
    found = the_change(compare.compare(losing, steady()))
    assert (found.verdict, found.says) == ("mended", "no longer lost")
    assert not compare.compare(losing, changed(losing, cell("two"), without(3))).changes


def test_repeated_and_swapped_events_are_reported_too() -> None:
    def twice_and_late(one: Trial) -> Trial:
        return replace(one, arrived=[one.arrived[0], one.arrived[2], one.arrived[1], *one.arrived[2:]])

    comparison = compare.compare(steady(), changed(steady(), cell("one"), twice_and_late))
    assert {(one.measure, one.before, one.after) for one in comparison.changes} == {
        ("duplicated", "0 of 168", "8 of 168"),
        ("reordered", "0 of 168", "8 of 168"),
    }


def test_a_percentile_that_a_trial_can_no_longer_support_is_a_change() -> None:
    losing = changed(steady(), cell("two"), without(0, 1))
    both = compare.compare(steady(), losing)
    assert verdicts(both, "p90")["two"] == "broken"
    assert verdicts(both)["two"] == "no difference"
    assert verdicts(compare.compare(losing, steady()), "p90")["two"] == "mended"
    assert "two" not in verdicts(compare.compare(losing, losing), "p90")


@pytest.mark.parametrize(
    ("first", "after", "verdict", "why"),
    [
        (1, "failed", "broken", "because did not open"),
        (7, "measured in part", "changed", "because 2 of 8 trials failed: did not open"),
    ],
)
def test_a_state_that_changed(first: int, after: str, verdict: str, why: str) -> None:
    broken = changed(steady(), cell("two"), failing(first))
    found = the_change(compare.compare(steady(), broken))
    assert found[:6] == ("two chromium steady direct", "state", "measured", after, verdict, why)
    assert the_change(compare.compare(broken, steady())).verdict == ("mended" if first == 1 else "changed")


def test_cells_of_one_run_only_are_listed() -> None:
    fewer = side(dict.fromkeys(NAMES[:2], STEADY))
    assert the_change(compare.compare(steady(), fewer))[:5] == (
        "three chromium steady direct", "cell", "measured", "–", "gone",
    )  # fmt: skip
    assert the_change(compare.compare(fewer, steady())).verdict == "new"


# --- runs that are no equals ---


def unlike(path: str, value: Any) -> Side:
    """A run in which one thing is different: "machine.cores"."""
    whole = json.loads(json.dumps(asdict(steady().run)))
    *parents, last = path.split(".")
    inner = whole
    for key in parents:
        inner = inner[int(key) if key.isdigit() else key]
    inner[last] = value
    return replace(steady(), run=Run(**whole))


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("machine.processor", "Q", "the machine's processor is 'P' before and 'Q' after"),
        ("machine.cores", 4, "the machine's cores is 2 before and 4 after"),
        ("machine.memory_gib", 16.0, "the machine's memory_gib is 8.0 before and 16.0 after"),
        ("machine.system", "Linux 7", "the machine's system is 'Linux 6' before and 'Linux 7' after"),
        ("settings.blocks.0.engines", ["firefox"], "blocks.1.engines is ['chromium'] before and ['firefox'] after"),
        ("settings.blocks.0.links", ["relay"], "blocks.1.links is not told before and ['relay'] after"),
        ("settings.scenarios.steady.rate", 30, "scenarios.steady.rate is 60 before and 30 after"),
    ],
)
def test_unlike_runs_are_refused_unless_told(path: str, value: Any, says: str) -> None:
    with pytest.raises(UserError, match=f"{re.escape(says)}; --anyway"):
        compare.compare(steady(), unlike(path, value))
    comparison = compare.compare(steady(), unlike(path, value), anyway=True)
    assert set(verdicts(comparison).values()) == {"no difference"}
    assert any(says in one for one in compare.cautions(comparison))
    assert "[!WARNING]\n> - Compared anyway" in compare.markdown(comparison)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("machine.load", [9, 9, 9]),
        ("settings.budget", 300),
        ("settings.about", "other words"),
        ("settings.blocks.0.rounds", 20),
        ("settings.blocks.0.most", 0),
        ("versions.python", "3.12"),
    ],
)
def test_what_may_differ(path: str, value: Any) -> None:
    comparison = compare.compare(steady(), unlike(path, value))
    assert not comparison.unlike
    assert not compare.cautions(comparison)


def test_of_many_differences_the_rest_is_counted() -> None:
    with pytest.raises(UserError, match=r"before and 'not told' after|and 2 more settings of the plan differ;"):
        compare.compare(steady(), unlike("settings.links", [{str(n): n} for n in range(5)]))


def test_other_versions_are_told() -> None:
    text = compare.markdown(compare.compare(steady(), unlike("versions.python", "3.12")))
    assert "Other versions: python 3.11 → 3.12." in text


def test_a_run_that_did_not_end_by_itself_is_told() -> None:
    assert compare.cautions(compare.compare(steady(), unlike("ended", "interrupted"))) == [
        "The run after did not end by itself (interrupted)."
    ]


# --- a gate ---


def test_thresholds() -> None:
    assert compare.parse_fail_on("p50=10%") == {"p50": Effect(0.1, 0.0)}
    told = compare.parse_fail_on(" p90 = 12.5 %, open=200%")
    assert told == {"p90": Effect(0.125, 0.0), "open": Effect(2.0, 0.0)}


@pytest.mark.parametrize(
    "text", ["", "p50", "p50=10", "p50=0.1", "p50=0%", "p50=-5%", "p99=10%", "p50=10%,", "p50=10%,p50=5%", "p50=nan%"]
)
def test_malformed_thresholds(text: str) -> None:
    with pytest.raises(UserError, match=rf"^--fail-on {re.escape(repr(text))}: .* such as p50=10%"):
        compare.parse_fail_on(text)


def test_the_gate_fails_on_what_is_slower_by_more_than_its_threshold() -> None:
    comparison = compare.compare(steady(), steady(two=1.3))
    (why,) = comparison.failures({"p50": Effect(0.10, 0.0)})
    assert why.startswith("two chromium steady direct: p50 grew by more than 10 %, 1.30")
    assert comparison.failures({"p50": Effect(0.40, 0.0)}) == []
    assert comparison.failures({"open": Effect(0.10, 0.0)}) == []
    assert len(comparison.failures({"p50": Effect(0.10, 0.0), "p90": Effect(0.10, 0.0)})) == 2


def test_the_gate_needs_no_least_delta() -> None:
    """30 % of 0.1 ms is less than what matters otherwise."""
    before, after = (side({"one": STEADY * p50}, bound=0.001) for p50 in (0.1, 0.13))
    comparison = compare.compare(before, after)
    assert not comparison.changes
    assert len(comparison.failures(GATE)) == 1


def test_a_gate_that_passes_says_what_it_can_not_see() -> None:
    comparison = compare.compare(steady(), steady(two=1.3))
    (said,) = comparison.missed({"p50": Effect(0.40, 0.0)})
    assert re.fullmatch(
        r"p50: no cell is known to have grown by more than 40 %; "
        r"the least certain, two chromium steady direct, may be up to 1\.3\d\xa0× what it was",
        said,
    )
    once = trial(cell("once"), 1, 1.0)
    few = [replace(one, run=run([*map(cell, ("one", "two", "three")), cell("once")])) for one in (steady(), steady())]
    few = [replace(one, trials=[*one.trials, once]) for one in few]
    (said,) = compare.compare(*few).missed(GATE)
    assert said.endswith("what it was; 1 cell has too few rounds")


def test_the_gate_passes_what_became_faster() -> None:
    assert compare.compare(steady(two=1.3), steady()).failures(GATE) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (without(19), "lost 0 of 168 → 8 of 168, newly lost"),
        (failing(), "state measured → failed, because did not open"),
    ],
)
def test_the_gate_fails_on_what_broke(change: Callable[[Trial], Trial], sentence: str) -> None:
    broken = changed(steady(), cell("two"), change)
    assert compare.compare(steady(), broken).failures(GATE) == [f"two chromium steady direct: {sentence}"]
    assert compare.compare(broken, broken).failures(GATE) == []
    assert compare.compare(broken, steady()).failures(GATE) == []


def test_the_gate_fails_on_a_percentile_that_cannot_be_told_any_more_if_it_has_a_threshold() -> None:
    """The later run loses two events of one trial, which leave its p90 unsupported."""
    two = changed(side({"one": STEADY}), cell("one"), lambda one: without(3, 4)(one) if one.round == 3 else one)
    comparison = compare.compare(side({"one": STEADY}), two)
    assert [why.split()[4] for why in comparison.failures(GATE)] == ["lost"]
    assert {why.split()[4] for why in comparison.failures({"p90": Effect(0.1, 0.0)})} == {"lost", "p90"}


def test_a_gate_that_can_not_fail_says_so() -> None:
    few = side(dict.fromkeys(NAMES, STEADY[:4]))
    with pytest.raises(UserError, match="can't judge p50: no cell has the 5 rounds"):
        compare.compare(few, few).failures(GATE)
    with pytest.raises(UserError, match="can't judge p50"):
        compare.compare(steady(), replace(steady(), trials=[], run=run([]))).failures(GATE)


# --- folders ---


def written(folder: Path, whole: Side) -> Path:
    folder.mkdir()
    whole.run.save(folder)
    for one in whole.trials:
        write_trial(folder, one)
    return folder


def test_a_damaged_trial_is_complained_about_and_the_rest_compared(tmp_path: Path) -> None:
    a, b = written(tmp_path / "a", steady()), written(tmp_path / "b", steady(two=1.3))
    torn = b / "trials" / "003-one-chromium-steady-direct.jsonl"
    torn.write_text(torn.read_text()[:-9])
    comparison = compare.compare(compare.read(a), compare.read(b))
    assert verdicts(comparison) == {"one": "no difference", "two": "slower", "three": "no difference"}
    (caution,) = compare.cautions(comparison)
    assert caution.startswith("In the run after, trials/003-one-chromium-steady-direct.jsonl is damaged")


def test_a_cell_whose_trials_are_all_damaged_has_failed(tmp_path: Path) -> None:
    a, b = (written(tmp_path / name, steady()) for name in "ab")
    for torn in b.glob("trials/*-one-*"):
        torn.write_text("{")
    comparison = compare.compare(compare.read(a), compare.read(b))
    assert the_change(comparison)[1:6] == (
        "state", "measured", "failed", "broken", "because none of its 8 trials can be read",
    )  # fmt: skip
    assert len(compare.cautions(comparison)) == 8
    assert len(comparison.failures(GATE)) == 1


def test_a_folder_that_holds_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no run"):
        compare.read(tmp_path)


# --- in writing ---


def test_words() -> None:
    assert compare.words(compare.compare(steady(), steady())) == (
        "None of 3 cells is known to have changed. Of 9 comparisons without a change, 9 show no difference."
    )
    broken = changed(steady(two=1.3, three=1 / 1.3), cell("two"), without(19))
    few = replace(broken, trials=[one for one in broken.trials if one.cell != cell("one") or one.round < 4])
    assert compare.words(compare.compare(steady(), few)) == (
        "Of 3 cells, 1 broke, 1 became slower and 1 became faster. "
        "Of 5 comparisons without a change, 2 show no difference and 3 have too few rounds."
    )
    assert compare.words(compare.compare(side({}), side({}))).startswith("Nothing could be compared")


def test_the_table_shows_what_changed_or_everything() -> None:
    comparison = compare.compare(steady(), changed(steady(two=1.3), cell("three"), failing(why="no [bold] answer")))
    short, whole = compare.table(comparison), compare.table(comparison, everything=True)
    assert (short.row_count, whole.row_count) == (3, 1 + 2 * 3)
    console = Console(width=160)
    with console.capture() as captured:
        console.print(short)
    assert "no [bold] answer" in captured.get()


def test_the_markdown_says_the_verdict_first_and_folds_the_details() -> None:
    broken = changed(steady(two=1.3), cell("three"), failing(why="a | b <script>\nnext"))
    comparison = compare.compare(steady(), broken)
    text = compare.markdown(comparison)
    first, _, rest = text.partition("\n\n")
    assert first == f"**{compare.words(comparison)}**"
    table, _, details = rest.partition("<details>")
    lines = table.strip().splitlines()
    assert lines[0] == "| cell | measure | before | after | change |"
    assert len(lines) == 2 + len(comparison.changes)
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 6 for line in lines)
    assert r"because a \| b &lt;script> next" in table
    assert "one chromium steady direct | p50" in details
    assert details.count("</details>") == 2


def test_the_markdown_says_what_its_measures_are_and_what_it_was_measured_on() -> None:
    text = compare.markdown(compare.compare(steady(), steady()))
    assert "- Machine: P, 2 cores, 8.0 GiB, Linux 6.\n" in text
    for measure in ("p50", "p90", "open"):
        assert f"\n- {measure}: {compare.MEANINGS[measure]}.\n" in text
    assert set(compare.MEANINGS) == set(compare.UNITS)


def test_the_markdown_says_whether_the_gate_fails() -> None:
    comparison = compare.compare(steady(), steady(two=1.3))
    failures = comparison.failures(GATE)
    assert compare.markdown(comparison, failures).startswith(
        f"**The gate fails. {compare.words(comparison)}**\n\n- two"
    )
    assert compare.markdown(comparison, []).startswith("**The gate passes. Of 3 cells")
    assert compare.markdown(comparison, [], ["up to 1.3 ×"]).partition("\n\n")[2].startswith("- up to 1.3 ×\n")


def test_the_markdown_of_a_large_run_fits_into_a_comment() -> None:
    cells = [cell(f"transport_of_a_long_name_{n}", f"engine{n % 9}") for n in range(90)]
    large = Side(Path("somewhere"), run(cells), [trial(one, 1, 1.0) for one in cells])
    text = compare.markdown(compare.compare(large, large))
    assert text.count("\n| transport_of") == compare.MOST_ROWS
    assert len(text) < 65_536
    assert f"… and {3 * 90 - compare.MOST_ROWS} more" in text


def test_steady_rounds_are_what_they_seem() -> None:
    """What these tests stand on: no drift, and a p50 of exactly what was asked for."""
    assert stats.drift({"x": dict(enumerate(STEADY))}) == 0
    delays = 2 * SHAPE
    assert stats.percentile(delays, 50) == pytest.approx(2, rel=1e-3)
    assert math.isclose(float(np.exp(np.log(STEADY).mean())), 1)
