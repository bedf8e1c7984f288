"""Each rule by hand, and each promise by simulation: seeded, so that a failure repeats."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import stats
from benchmarks.stats import Difference

Floats = NDArray[np.float64]
T4 = 2.7764451051977987  # t(4) at 0.975, from a table


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return rng.standard_normal(shape)


def heavy(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return rng.standard_t(3, shape)


def contaminated(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """One in ten is slower by a Pareto factor (α = 1.5): its log is exponential. Of mean 0, as the others."""
    slower = (rng.random(shape) < 0.1) * rng.exponential(1 / 1.5, shape)
    return 0.3 * rng.standard_normal(shape) + slower - 0.1 / 1.5


Noise = Callable[[np.random.Generator, tuple[int, ...]], Floats]  # of logs, in this shape
Events = Callable[[np.random.Generator, int], Floats]  # so many trials of 60
NOISES = [normal, heavy, contaminated]


def at_most(share: float, n: int) -> float:
    """What a share of n independent cases does not exceed by chance, but once in 1,000 times."""
    return share + 3.09 * math.sqrt(share * (1 - share) / n)


def covered(noise: Noise, n: int, repeats: int) -> float:
    """How often the interval of n trials holds the true geometric mean, 1."""
    values = np.exp(noise(np.random.default_rng(n), (repeats, n)))
    limits = np.array([stats.interval(v)[1:3] for v in values], dtype=float)
    return float(((limits[:, 0] <= 1) & (limits[:, 1] >= 1)).mean())


def rounds_of(logs: Floats) -> dict[str, dict[int, float]]:
    """(rounds, cells) of logs as cells of rounds, named 0, 1, …"""
    return {str(c): dict(enumerate(np.exp(column).tolist())) for c, column in enumerate(logs.T)}


def twins(noise: Noise, cells: int, rounds: int, families: int, spread: float = 0.3) -> list[list[Difference]]:
    """Families of cells that are all the same, whose rounds have noise in common."""
    rng = np.random.default_rng(cells * 100 + rounds)
    common = noise(rng, (families, rounds, 1))
    own = noise(rng, (families, rounds, cells))
    return [stats.differences(rounds_of(1 + spread * x)) for x in common + own]


def false_alarms(families: list[list[Difference]]) -> float:
    """Families of twins in which any pair is called different.

    Not only by a verdict: also by a direction, which "faster" and "slower" always have, whatever matters.
    """
    return sum(any(row.direction for row in rows) for rows in families) / len(families)


# --- one trial ---


def test_percentile_by_hand() -> None:
    assert stats.percentile([4, 1, 3, 2], 50) == 2.5
    assert stats.percentile(range(1, 11), 90) == pytest.approx(0.9 * (10 + 1 / 3) + 1 / 3)
    assert stats.percentile([7], 99) == 7


def test_percentile_grows_with_q_and_scales() -> None:
    samples = np.random.default_rng(1).lognormal(size=200)
    by_q = [stats.percentile(samples, q) for q in range(1, 100)]
    assert by_q == sorted(by_q)
    assert stats.percentile(3 * samples, 90) == pytest.approx(3 * stats.percentile(samples, 90))


@pytest.mark.parametrize("samples", [[], [1, math.nan], [1, math.inf], [[1, 2], [3, 4]]])
def test_what_was_lost_is_no_number(samples: list[float]) -> None:
    with pytest.raises(ValueError, match="row of finite numbers"):
        stats.percentile(samples, 50)


@pytest.mark.parametrize(("q", "least"), [(50, 4), (90, 20), (99, 200), (99.9, 2000), (1, 200), (10, 20)])
def test_a_percentile_wants_two_events_beyond_it(q: float, least: int) -> None:
    assert stats.supports(least, q)
    assert not stats.supports(least - 1, q)


def test_no_number_of_events_supports_the_extremes() -> None:
    assert not stats.supports(10**9, 100)
    assert not stats.supports(10**9, 0)


# --- one cell ---


def test_interval_by_hand() -> None:
    half = T4 * math.sqrt(2.5 / 5)  # the logs −2, −1, 0, 1, 2 have a variance of 2.5
    got = stats.interval(np.exp([-2, -1, 0, 1, 2]))
    assert got[:3] == pytest.approx((1, math.exp(-half), math.exp(half)))
    assert got[3:] == ("geometric mean", 5)


def test_one_trial_has_a_value_and_no_limits() -> None:
    got = stats.interval([3.5])
    assert got.value == pytest.approx(3.5)
    assert got[1:] == (None, None, "geometric mean", 1)


@pytest.mark.parametrize("shift", [0, -3])
def test_values_without_a_log_get_the_mean_and_say_so(shift: float) -> None:
    half = T4 * math.sqrt(2.5 / 5)
    got = stats.interval(np.array([0, 1, 2, 3, 4]) + shift)
    middle = 2 + shift
    assert got[:3] == pytest.approx((middle, middle - half, middle + half))
    assert got[3:] == ("mean", 5)


def test_interval_scales_and_widens_with_confidence() -> None:
    values = np.random.default_rng(2).lognormal(size=8)
    wide, narrow = stats.interval(values, 0.99), stats.interval(values)
    scaled = stats.interval(1000 * values)
    assert scaled[:3] == pytest.approx([1000 * x for x in narrow[:3] if x is not None])
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high  # type: ignore[operator] # all known


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("n", [5, 8, 10, 20])
def test_a_95_percent_interval_covers_the_truth(noise: Noise, n: int) -> None:
    assert covered(noise, n, 3000) == pytest.approx(0.95, abs=0.02)


def test_estimate_is_over_trials_where_each_supports_it() -> None:
    trials = [np.arange(1, 21) * s for s in (1, 2, 4)]
    got = stats.estimate(trials, 90)
    assert got == stats.interval([stats.percentile(t, 90) for t in trials])


def test_estimate_pools_what_single_trials_cannot_support() -> None:
    trials = list(np.random.default_rng(3).lognormal(size=(10, 60)))
    assert stats.estimate(trials, 99) == stats.pooled(trials, 99)
    assert stats.estimate(trials[:9], 99) is None


def test_estimate_leaves_no_poor_trial_out() -> None:
    trials = [np.arange(1.0, 61)] * 7
    assert stats.estimate([*trials, np.array([900.0, 901, 902])], 50) is None
    assert stats.estimate([*trials, np.array([])], 50) == stats.estimate(trials, 50)
    assert stats.estimate([[], []], 50) is None


def test_pooled_is_the_percentile_of_all_events() -> None:
    trials = list(np.random.default_rng(4).lognormal(size=(12, 50)))
    got = stats.pooled(trials, 99)
    assert got is not None
    assert (got.value, got.estimand, got.trials) == (stats.percentile(np.ravel(trials), 99), "pooled", 12)
    assert got.low is not None
    assert got.low < got.value


def test_pooled_by_hand() -> None:
    """1,000 events dealt to 10 trials are worth 750.7, of which 10 % have the exact limits 7.95–12.37 %."""
    got = stats.pooled(list(np.arange(1000.0).reshape(100, 10).T), 90)
    assert got is not None
    assert got[1:3] == (875, 921)


def test_pooled_wants_ten_trials_and_enough_events() -> None:
    rng = np.random.default_rng(5)
    assert stats.pooled(list(rng.lognormal(size=(9, 600))), 99) is None
    assert stats.pooled(list(rng.lognormal(size=(10, 19))), 99) is None
    assert stats.pooled(list(rng.lognormal(size=(10, 20))), 99) is not None


def test_pooled_claims_no_limit_beyond_the_last_event() -> None:
    got = stats.pooled(list(np.random.default_rng(6).lognormal(size=(10, 20))), 99)
    assert got is not None
    assert got.high is None


def test_pooled_knows_that_the_events_of_a_trial_are_not_independent() -> None:
    events = np.sort(np.random.default_rng(7).lognormal(size=2000))
    spread = stats.pooled(list(events.reshape(-1, 20).T), 90)
    clustered = stats.pooled(list(events.reshape(20, -1)), 90)
    assert spread is not None
    assert clustered is not None
    assert spread.value == clustered.value
    assert spread.high is not None
    assert clustered.high is None or clustered.high > 1.5 * spread.high


def bursty(rng: np.random.Generator, trials: int) -> Floats:
    """60 events a trial, each trial with its own share of events that are slower by a Pareto factor."""
    share = np.minimum(rng.gamma(0.5, 0.1, (trials, 1)), 0.9)
    slower = np.where(rng.random((trials, 60)) < share, 2 * (1 - rng.random((trials, 60))) ** (-1 / 1.5), 1)
    return np.exp(0.3 * rng.standard_normal((trials, 60))) * slower


def covered_pooled(events: Events, trials: int, repeats: int) -> float:
    """How often the limits of p99 hold that of 1.2 million events."""
    rng = np.random.default_rng(trials)
    truth = stats.percentile(events(rng, 20_000).ravel(), 99)
    got = [stats.pooled(list(events(rng, trials)), 99) for _ in range(repeats)]
    holds = [p is not None and (p.low or 0) <= truth <= (p.high or math.inf) for p in got]
    return sum(holds) / repeats


def test_pooled_covers_the_truth_in_bursts() -> None:
    assert covered_pooled(bursty, 10, 400) >= 0.94


def test_maximum_is_a_fact_without_limits() -> None:
    assert stats.maximum([[1, 9.5], [], [3]]) == (9.5, None, None, "maximum", 2)
    assert stats.maximum([[]]) is None


# --- between cells ---


def nearly(value: float, rounds: int = 8) -> dict[int, float]:
    """A cell that hardly varies."""
    return {r: value * (1 + 1e-5 * (-1) ** r) for r in range(rounds)}


def apart(a: float, b: float, bound: float = 0.0, rounds: int = 8) -> Difference:
    (row,) = stats.differences(
        {"a": nearly(a, rounds), "b": dict.fromkeys(range(rounds), b)}, bound=lambda _a, _b: bound
    )
    return row


@pytest.mark.parametrize(
    ("a", "b", "verdict", "direction"),
    [
        (1.0, 1.3, "faster", "faster"),
        (1.3, 1.0, "slower", "slower"),
        (1.0, 1.09, "no difference", "faster"),  # neither 10 % nor 0.1 ms
        (10.0, 10.5, "no difference", "faster"),  # not 10 %
        (0.29, 0.2, "no difference", "slower"),  # not 0.1 ms
        (1.0, 1.0, "no difference", None),
        (10.0, 11.0, "not resolved", "faster"),  # just 10 %
        (0.2, 0.1, "not resolved", "slower"),  # just 0.1 ms
    ],
)
def test_verdict_wants_10_percent_and_a_tenth_of_a_ms(a: float, b: float, verdict: str, direction: str) -> None:
    row = apart(a, b)
    assert (row.verdict, row.direction) == (verdict, direction)
    assert (row.ratio, row.delta) == pytest.approx((a / b, a - b), rel=1e-4, abs=1e-4)


def test_no_verdict_under_five_rounds() -> None:
    row = apart(1, 3, rounds=4)
    assert (row.verdict, row.direction, row.reason) == ("not resolved", None, "too few rounds")
    assert row.high is not None
    assert apart(1, 3, rounds=5).verdict == "faster"


@pytest.mark.parametrize(
    ("a", "b", "bound", "verdict", "direction", "reason"),
    [
        (1.0, 1.3, 0.4, "not resolved", None, "clock bound"),
        (1.0, 1.3, 0.25, "not resolved", "faster", "noise"),  # surely different, not surely by 0.1 ms
        (1.0, 1.3, 0.01, "faster", "faster", None),
        (2.0, 4.0, 0.25, "faster", "faster", None),
        (100.0, 101.0, 0.25, "no difference", "faster", None),
        (100.0, 100.2, 0.25, "not resolved", None, "clock bound"),  # though the limits lie inside what matters
        (1.0, 1.01, 0.05, "not resolved", None, "clock bound"),
        (0.2, 0.6, 0.25, "faster", "faster", None),  # by an unknown ratio, but a large one
        (0.3, 0.1, 0.15, "not resolved", "slower", "noise"),
    ],
)
def test_the_clocks_bound_widens_both_intervals(  # noqa: PLR0917 (a table's columns)
    a: float, b: float, bound: float, verdict: str, direction: str, reason: str
) -> None:
    row = apart(a, b, bound)
    assert (row.verdict, row.direction, row.reason) == (verdict, direction, reason)
    assert row.delta_high == pytest.approx(a - b + bound, abs=1e-3)


def test_what_is_smaller_than_the_clocks_bound_never_wins() -> None:
    rng = np.random.default_rng(13)
    for a, apart_by, share in rng.uniform((0.05, 0.01, 0), (50, 40, 1), (300, 3)):
        row = apart(a, a + apart_by * share, bound=apart_by)
        assert (row.verdict, row.reason, row.direction) == ("not resolved", "clock bound", None)


@pytest.mark.parametrize(("a", "b", "low", "high"), [(2.0, 4.0, 1.75 / 4, 2.25 / 4), (4.0, 2.0, 4 / 2.25, 4 / 1.75)])
def test_the_ratio_is_as_wrong_as_the_bound_allows(a: float, b: float, low: float, high: float) -> None:
    row = apart(a, b, bound=0.25)
    assert (row.low, row.high) == pytest.approx((low, high), rel=1e-4)


def test_difference_by_hand() -> None:
    logs = np.array([-2, -1, 0, 1, 2]) / 100
    row = stats.differences({"a": dict(enumerate(2 * np.exp(logs))), "b": dict.fromkeys(range(5), 1.0)})[0]
    half = T4 * math.sqrt(2.5e-4 / 5)
    assert (row.ratio, row.low, row.high) == pytest.approx((2, 2 * math.exp(-half), 2 * math.exp(half)))
    limits = 2 * math.exp(-half) - 1, 2 * math.exp(half) - 1
    assert (row.delta, row.delta_low, row.delta_high) == pytest.approx((1, *limits))


def test_the_difference_is_as_sure_as_the_ratio() -> None:
    """A few rounds that scatter by a factor of 5: the delta method's limits would include 0."""
    slow = dict(enumerate([60.0, 300, 110, 240, 190]))
    (row,) = stats.differences({"fast": nearly(1.7, 5), "slow": slow})
    assert row.high is not None
    assert row.delta_high is not None
    assert row.high < 1 / 10
    assert -100 < row.delta_high < -15
    assert row.verdict == "faster"


def test_the_limits_of_ratio_and_difference_never_contradict_each_other() -> None:
    for seed in range(200):
        for row in stats.differences(random_cells(seed)):
            assert row.low is not None
            assert row.high is not None
            assert row.delta_low is not None
            assert row.delta_high is not None
            assert (row.low > 1, row.high < 1) == (row.delta_low > 0, row.delta_high < 0)


def covered_deltas(noise: Noise, rounds: int, repeats: int, confidence: float = 0.95) -> float:
    """How often the limits hold the true difference of two cells, 4 and 1, whose rounds have noise in common."""
    rng = np.random.default_rng(rounds)
    logs = noise(rng, (repeats, rounds, 1)) + noise(rng, (repeats, rounds, 2)) + np.log([4, 1])
    rows = [stats.differences(rounds_of(x), confidence=confidence)[0] for x in logs]
    return sum(row.delta_low <= 3 <= row.delta_high for row in rows) / repeats  # type: ignore[operator]  # all known


@pytest.mark.parametrize("noise", NOISES)
def test_the_limits_of_a_difference_cover_the_truth(noise: Noise) -> None:
    assert covered_deltas(noise, 5, 1000) == pytest.approx(0.95, abs=0.025)


def test_only_shared_rounds_are_paired() -> None:
    a, b = nearly(1, 9), nearly(2, 9)
    del a[3], b[7]
    (row,) = stats.differences({"a": a | {99: 1e6}, "b": b})
    assert row.rounds == 7
    assert row.ratio == pytest.approx(0.5, rel=1e-4)
    assert stats.differences({"a": {1: 1.0}, "b": {2: 1.0}}) == []


def test_what_rounds_have_in_common_cancels() -> None:
    rng = np.random.default_rng(8)
    weather, a, b = rng.lognormal(size=8), nearly(1), nearly(1.3)
    cells = {"a": {r: a[r] * weather[r] for r in a}, "b": {r: b[r] * weather[r] for r in b}}
    assert stats.differences(cells)[0].low == pytest.approx(stats.differences({"a": a, "b": b})[0].low)


def test_values_that_are_not_positive_have_no_ratio() -> None:
    a, b = {r: 0.01 * (r - 3) for r in range(8)}, dict.fromkeys(range(8), 0.02)
    (row,) = stats.differences({"a": a, "b": b})
    assert (row.ratio, row.low, row.high, row.verdict) == (None, None, None, "no difference")
    assert row.delta == pytest.approx(-0.015)
    (far,) = stats.differences({"a": a, "b": nearly(5)})
    assert (far.verdict, far.direction, far.reason) == ("not resolved", "faster", "not positive")


def test_two_rounds_of_many_cells_have_unknown_limits_and_no_warning() -> None:
    (row,) = stats.differences({"a": {0: 1e-4, 1: 1e3}, "b": {0: 1.0, 1: 2.0}}, looks=1000)
    assert (row.high, row.reason) == (None, "too few rounds")


def random_cells(seed: int, cells: int = 4) -> dict[str, dict[int, float]]:
    rng = np.random.default_rng(seed)
    logs = rng.normal(0, 0.3, cells) + rng.normal(0, rng.choice([0.01, 0.05, 0.2]), (8, cells))
    return rounds_of(logs + math.log(rng.choice([0.2, 1, 20])))


def follows(row: Difference) -> str:
    """The verdict that the printed limits imply, by the rule as measurement.md words it."""
    low, high, delta_low, delta_high = (
        math.nan if x is None else x for x in (row.low, row.high, row.delta_low, row.delta_high)
    )
    if high < 1 / 1.1 and delta_high < -0.1:
        return "faster"
    if low > 1.1 and delta_low > 0.1:
        return "slower"
    inside = (low > 1 / 1.1 and high < 1.1) or (delta_low > -0.1 and delta_high < 0.1)
    return "no difference" if inside else "not resolved"


def test_verdicts_follow_from_the_printed_limits_and_mirror() -> None:
    mirror = {"faster": "slower", "slower": "faster"}
    seen = set()
    for seed in range(60):
        cells = random_cells(seed)
        there = {(r.a, r.b): r for r in stats.differences(cells)}
        back = {(r.b, r.a): r for r in stats.differences(dict(reversed(cells.items())))}
        for pair, row in there.items():
            assert row.verdict == follows(row)
            assert back[pair].verdict == mirror.get(row.verdict, row.verdict)
            assert back[pair].low == pytest.approx(1 / row.high)  # type: ignore[operator] # known here
            assert back[pair].delta_low == pytest.approx(-row.delta_high)  # type: ignore[operator]
            seen.add(row.verdict)
    assert seen == {"faster", "slower", "no difference", "not resolved"}


def test_more_pairs_and_more_looks_widen() -> None:
    cells = random_cells(1, 6)
    width = {
        name: rows[0].high - rows[0].low  # type: ignore[operator] # known here
        for name, rows in {
            "two": stats.differences({k: cells[k] for k in "01"}),
            "six": stats.differences(cells),
            "looks": stats.differences(cells, looks=4),
        }.items()
    }
    assert width["two"] < width["six"] < width["looks"]


@pytest.mark.parametrize("noise", NOISES)
def test_twins_are_not_called_different(noise: Noise) -> None:
    """2,000 comparisons of two at 8 rounds."""
    assert 0.02 < false_alarms(twins(noise, cells=2, rounds=8, families=2000)) <= 0.06


@pytest.mark.parametrize("rounds", [5, 20])
def test_six_twins_are_not_called_different(rounds: int) -> None:
    """15 pairs at once: a false alarm anywhere in the family."""
    families = twins(contaminated, cells=6, rounds=rounds, families=300)
    assert false_alarms(families) <= at_most(0.05, 300)


def found(cells: int, repeats: int) -> float:
    """How often a cell that is 30 % and 0.5 ms slower than all others is found to be, at 8 rounds.

    Rounds have 10 % of noise in common, each cell has 5 % of its own.
    """
    rng = np.random.default_rng(cells)
    slower = np.log(np.where(np.arange(cells) == 0, 1.3 * 5 / 3, 5 / 3))
    logs = slower + 0.1 * normal(rng, (repeats, 8, 1)) + 0.05 * normal(rng, (repeats, 8, cells))
    rows = [row for x in logs for row in stats.differences(rounds_of(x)) if row.a == "0"]
    return sum(row.verdict == "slower" for row in rows) / len(rows)


@pytest.mark.parametrize("cells", [2, 6])
def test_a_difference_of_30_percent_is_found_at_8_rounds(cells: int) -> None:
    assert found(cells, 150) > 0.8


def sampled_on(cells: dict[str, dict[int, float]], least: int, looks: int = 1) -> list[Difference]:
    """Verdicts after `least` rounds or as many as it takes to resolve them, at most after all."""
    for n in range(least, len(cells["0"]) + 1):
        rows = stats.differences({k: {r: v[r] for r in range(n)} for k, v in cells.items()}, looks=looks)
        if stats.resolved(rows):
            break
    return rows


def test_sampling_on_ends_when_resolved_and_calls_no_twins_different() -> None:
    rng = np.random.default_rng(9)
    ends = [sampled_on(rounds_of(1 + 0.1 * normal(rng, (20, 2))), 5) for _ in range(200)]
    verdicts = [row.verdict for (row,) in ends]
    assert verdicts.count("no difference") > 100
    assert (verdicts.count("faster") + verdicts.count("slower")) / 200 <= at_most(0.02, 200)
    assert {row.rounds for (row,) in ends} >= {8, 12, 16, 20}


def test_resolved_waits_for_what_rounds_can_mend() -> None:
    assert stats.resolved([])
    assert stats.resolved([apart(1, 2), apart(1, 1), apart(1, 1.3, bound=0.4)])
    assert not stats.resolved([apart(1, 2), apart(1, 2, rounds=4)])
    assert not stats.resolved([apart(1, 2), apart(10, 11)])


# --- between runs ---


def two_runs(
    rng: np.random.Generator, rounds: int, own: float, walk: float, *, change: float = 1.0, gap: int = 0
) -> tuple[dict[str, dict[int, float]], dict[str, dict[int, float]]]:
    """Runs of six cells, so many rounds apart, on a machine that drifts by a random walk; cell 0 changes between."""
    last = 2 * rounds + gap
    machine = np.cumsum(rng.normal(0, walk, last))[:, None] + rng.normal(0, own, (last, 1))
    logs = np.log(np.linspace(1, 8, 6)) + machine + rng.normal(0, own, (last, 6))
    logs[rounds:, 0] += math.log(change)
    return rounds_of(logs[:rounds]), rounds_of(logs[-rounds:])


def called_different(rounds: int, walk: float, repeats: int, gap: int = 0) -> float:
    rng = np.random.default_rng(rounds)
    runs = [stats.compare(*two_runs(rng, rounds, 0.05, walk, gap=gap)) for _ in range(repeats)]
    verdicts = [row.verdict for rows in runs for row in rows.values()]
    return sum(v in {"faster", "slower"} for v in verdicts) / len(verdicts)


def test_two_runs_on_a_drifting_machine_agree() -> None:
    assert called_different(8, 0.05, 150) <= at_most(0.03, 150)


def test_compare_finds_a_slower_cell_and_only_that() -> None:
    rows = stats.compare(*two_runs(np.random.default_rng(10), 10, 0.03, 0.0, change=1.5))
    assert rows["0"].verdict == "slower"
    assert {row.verdict for name, row in rows.items() if name != "0"} <= {"no difference", "not resolved"}


def greatest(a: float, b: float, half: float) -> float:
    """At most, a − b where the logs of both may be off, independently, by a circle of this radius."""
    turns = np.linspace(0, 2 * math.pi, 100_000)
    return float((a * np.exp(half * np.cos(turns)) - b * np.exp(half * np.sin(turns))).max())


def test_compare_by_hand() -> None:
    """Welch with equal variances and sizes is Student's t at 8 degrees; symmetric halves show no drift."""
    logs = np.array([-1, 1, 0, 1, -1]) / 10
    before, after = ({"x": dict(enumerate(s * np.exp(logs)))} for s in (2, 4))
    row = stats.compare(before, after)["x"]
    half = 2.306004135 * math.sqrt(2 * 0.01 / 5)
    assert stats.drift(before, after) == 0
    assert (row.a, row.b) == ("after", "before")
    assert (row.ratio, row.delta) == pytest.approx((2, 2))
    assert (row.low, row.high) == pytest.approx((2 * math.exp(-half), 2 * math.exp(half)))
    assert row.delta_high == pytest.approx(greatest(4, 2, 2.306004135 * math.sqrt(0.01 / 5)), rel=1e-5)


@pytest.mark.parametrize(
    ("logs", "variance"),
    [
        ([0, 0, 1, 1], 2),  # twice the squared difference of the halves
        ([0, 0, 9, 1, 1], 2),  # the middle one belongs to neither
        ([0, 1, 4, 5], 2 * (16 - 0.5)),  # what scatters explains some of it
        ([0, 2, 1, 3], 0),  # or all
        ([0, 5, 9], 0),  # too few to tell
    ],
)
def test_drift_by_hand(logs: list[float], variance: float) -> None:
    assert stats.drift({"x": dict(enumerate(np.exp(logs)))}) == pytest.approx(variance)


def test_drift_is_the_median_over_cells_and_the_mean_over_runs() -> None:
    stepped, steady = dict(enumerate(np.exp([0, 0, 1, 1]))), dict.fromkeys(range(4), 3.0)
    assert stats.drift({"x": stepped, "y": steady}, {"x": steady, "y": steady, "z": {}}) == pytest.approx(2 / 2 / 2)
    few = {"x": stepped, **dict.fromkeys("yz", steady)}
    most = {"x": steady, **dict.fromkeys("yz", stepped)}
    assert stats.drift(few, few) == 0
    assert stats.drift(most, few) == pytest.approx(2 / 2)


def test_compare_by_hand_with_drift() -> None:
    """Variances: 0.05 of each mean with 5 degrees, 2 of the drift with 2; together 2.1 with 2.204 (Satterthwaite)."""
    before, after = ({"x": dict(enumerate(s * np.exp([-0.5, -0.5, -0.5, 0.5, 0.5, 0.5])))} for s in (2, 4))
    row = stats.compare(before, after)["x"]
    half = 3.942822 * math.sqrt(2.1)
    assert (row.low, row.high) == pytest.approx((2 * math.exp(-half), 2 * math.exp(half)))
    assert row.delta_high == pytest.approx(greatest(4, 2, 3.942822 * math.sqrt(1.05)), rel=1e-5)


def test_drift_widens_and_runs_of_one_round_get_no_verdict() -> None:
    steady = {"x": nearly(1)}, {"x": nearly(2)}
    stepped = ({"x": {r: v * (1.2 if r > 3 else 1) for r, v in run["x"].items()}} for run in steady)
    assert stats.compare(*steady)["x"].verdict == "slower"
    assert stats.compare(*stepped)["x"].verdict == "not resolved"
    once = stats.compare({"x": {0: 1.0}, "y": {0: 1.0}}, {"x": {0: 2.0}})
    assert list(once) == ["x"]
    assert (once["x"].low, once["x"].reason) == (None, "too few rounds")
    assert once["x"].ratio == pytest.approx(2)


def test_compare_of_values_without_logs_claims_nothing() -> None:
    row = stats.compare({"x": nearly(0)}, {"x": nearly(1)})["x"]
    assert (row.ratio, row.delta_low, row.verdict, row.reason) == (None, None, "not resolved", "not positive")


# --- staleness ---


def test_age_by_hand() -> None:
    age = stats.age_of_information(received=[2, 4], due=[1, 3], start=0, end=6)
    assert age.times.tolist() == [0, 2, 2, 4, 4, 6]
    assert age.ages.tolist() == [0, 2, 1, 3, 1, 3]
    assert age[:2] == pytest.approx(((2 + 4 + 4) / 6, 3))


def test_age_of_nothing_counts_from_the_start() -> None:
    assert stats.age_of_information([], [], 10, 16)[:2] == (3, 6)
    assert stats.age_of_information([99], [12], 10, 16)[:2] == (3, 6)  # after the end
    assert stats.age_of_information([12], [3], 10, 16)[:2] == (3, 6)  # older than the trial


def test_an_event_that_comes_after_a_newer_one_makes_nothing_younger() -> None:
    newer = stats.age_of_information([4], [3], 0, 6)
    both = stats.age_of_information([5, 4], [1, 3], 0, 6)
    assert both[:2] == newer[:2] == pytest.approx(((8 + 4) / 6, 4))


def test_age_is_the_area_of_its_definition() -> None:
    rng = np.random.default_rng(11)
    for _ in range(20):
        due = rng.uniform(0, 100, 30)
        received = due + rng.exponential(5, 30)
        age = stats.age_of_information(received, due, 0, 100)
        t = np.arange(0.005, 100, 0.01)
        newest = np.where(received[:, None] <= t, due[:, None], 0).max(axis=0)
        assert age.mean == pytest.approx((t - newest).mean(), abs=0.02)
        assert age.max == pytest.approx((t - newest).max(), abs=0.02)
        assert stats.age_of_information(received + 7, due + 7, 7, 107).mean == pytest.approx(age.mean)


def test_a_trial_ends_after_its_start() -> None:
    with pytest.raises(ValueError, match="end 5 must be above 5"):
        stats.age_of_information([], [], 5, 5)


# --- delivery ---


@pytest.mark.parametrize(
    ("received", "lost", "duplicated", "reordered", "unexpected"),
    [
        ([1, 2, 3, 4, 5], [], [], [], []),
        ([1, 2, 4, 5], [3], [], [], []),
        ([1, 2, 2, 3, 4, 2, 5], [], [2, 2], [], []),
        ([1, 3, 2, 4, 5], [], [], [2], []),
        ([5, 1, 2, 3, 4], [], [], [1, 2, 3, 4], []),
        ([1, 3, 2, 2, 5, 4], [], [2], [2, 4], []),
        ([1, 9, 2, 9, 3, 4, 5], [], [], [], [9, 9]),
        ([], [1, 2, 3, 4, 5], [], [], []),
    ],
)
def test_delivery_sets_by_hand(
    received: list[int], lost: list[int], duplicated: list[int], reordered: list[int], unexpected: list[int]
) -> None:
    assert stats.delivery_sets(range(1, 6), received) == (lost, duplicated, reordered, unexpected)


def test_delivery_sets_find_what_was_done_to_a_stream() -> None:
    rng = np.random.default_rng(12)
    for _ in range(50):
        ids = rng.permutation(60).tolist()
        dropped, repeated, swapped = sorted(ids[:5]), ids[5:9], ids[9]
        stream = [i for i in range(60) if i not in dropped]
        stream += repeated
        at = max(1, stream.index(swapped))
        stream[at - 1 : at + 1] = reversed(stream[at - 1 : at + 1])
        got = stats.delivery_sets(range(60), stream)
        assert got.lost == dropped
        assert got.duplicated == repeated
        assert len(got.reordered) == 1
        assert got.unexpected == []
