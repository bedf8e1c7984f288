"""The figures in the docstrings of benchmarks/stats.py, by long simulations: the weak ones too."""

import math

import numpy as np
import pytest
from test_stats import (
    NOISES,
    Events,
    Floats,
    Noise,
    at_most,
    bursty,
    called_different,
    contaminated,
    covered,
    covered_deltas,
    covered_pooled,
    false_alarms,
    found,
    normal,
    rounds_of,
    sampled_on,
    twins,
    two_runs,
)

from benchmarks import stats

pytestmark = pytest.mark.slow

EDGE = math.log(1.1)  # the log of a ratio that just matters


def some_slow_trials(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """One in five is slower, by e on average."""
    slower = (rng.random(shape) < 0.2) * rng.exponential(1, shape)
    return 0.2 * rng.standard_normal(shape) + slower - 0.2


def unequal(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Each cell twice as noisy as the one before."""
    return 2.0 ** np.arange(shape[-1]) / 32 * rng.standard_normal(shape)


def one_sided(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Half of the cells with exponential logs, half hardly noisy."""
    skewed = np.arange(shape[-1]) % 2
    return np.where(skewed, rng.exponential(1, shape) - 1, 0.3 * rng.standard_normal(shape))


def steady(rng: np.random.Generator, trials: int) -> Floats:
    return rng.lognormal(0, 1, (trials, 60))


def outliers(rng: np.random.Generator, trials: int) -> Floats:
    """5 % of the events slower by a Pareto factor, and trials that differ by 20 %."""
    slower = np.where(rng.random((trials, 60)) < 0.05, (1 - rng.random((trials, 60))) ** (-1 / 1.5), 1)
    return rng.lognormal(0, 0.3, (trials, 60)) * rng.lognormal(0, 0.2, (trials, 1)) * slower


def uneven(rng: np.random.Generator, trials: int) -> Floats:
    return rng.lognormal(0, 0.5, (trials, 60)) * rng.lognormal(0, 0.5, (trials, 1))


def rare(rng: np.random.Generator, trials: int) -> Floats:
    """One trial in five holds the whole tail: a tenth of its events take 10 times as long."""
    slow = (rng.random((trials, 1)) < 0.2) & (rng.random((trials, 60)) < 0.1)
    return rng.lognormal(0, 0.3, (trials, 60)) * np.where(slow, 10, 1)


# --- one cell ---


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("n", [5, 8, 10, 20])
def test_a_95_percent_interval_covers_the_truth(noise: Noise, n: int) -> None:
    assert covered(noise, n, 20_000) == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize("n", [5, 8, 10, 20])
def test_it_covers_less_where_whole_trials_are_rarely_slow(n: int) -> None:
    assert 0.78 < covered(some_slow_trials, n, 20_000) < 0.87


def covered_estimate(events: Events, q: float, n: int) -> float:
    """How often the limits of a cell of n trials of 60 events hold the geometric mean of 20,000 trials."""
    rng = np.random.default_rng(n)
    truth = np.exp(np.mean([math.log(stats.percentile(trial, q)) for trial in events(rng, 20_000)]))
    got = [stats.estimate(list(events(rng, n)), q) for _ in range(2000)]
    limits = np.array([p[1:3] for p in got if p], dtype=float)
    assert len(limits) == len(got)
    return float(np.mean((limits[:, 0] <= truth) & (limits[:, 1] >= truth)))


@pytest.mark.parametrize(("events", "q"), [(steady, 50), (steady, 90), (outliers, 50), (outliers, 90), (bursty, 50)])
@pytest.mark.parametrize("n", [5, 8, 10, 20])
def test_it_covers_the_truth_from_events_to_limits(events: Events, q: float, n: int) -> None:
    assert covered_estimate(events, q, n) == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize("n", [5, 8, 10, 20])
def test_it_covers_less_of_a_p90_that_bursts_reach_in_some_trials(n: int) -> None:
    assert 0.75 < covered_estimate(bursty, 90, n) < 0.9


@pytest.mark.parametrize("trials", [10, 20])
@pytest.mark.parametrize(
    ("events", "least", "most"),
    [
        (steady, 0.96, 1),
        (outliers, 0.96, 1),
        (bursty, 0.95, 1),
        (uneven, 0.86, 0.96),
        (rare, 0.86, 0.96),
    ],
)
def test_pooled_limits_cover_the_truth(events: Events, trials: int, least: float, most: float) -> None:
    assert least <= covered_pooled(events, trials, 2000) <= most


# --- between cells ---


@pytest.mark.parametrize("noise", [*NOISES, unequal])
@pytest.mark.parametrize("rounds", [5, 8, 20])
def test_six_twins_are_not_called_different(noise: Noise, rounds: int) -> None:
    """2,000 families of 15 pairs."""
    assert false_alarms(twins(noise, cells=6, rounds=rounds, families=2000)) <= 0.06


@pytest.mark.parametrize("noise", [*NOISES, unequal])
@pytest.mark.parametrize("rounds", [5, 8, 20])
def test_two_twins_are_not_called_different(noise: Noise, rounds: int) -> None:
    assert false_alarms(twins(noise, cells=2, rounds=rounds, families=5000)) <= at_most(0.05, 5000)


@pytest.mark.parametrize("rounds", [5, 8, 20])
def test_one_sided_noise_in_some_cells_only_raises_false_alarms(rounds: int) -> None:
    assert 0.04 < false_alarms(twins(one_sided, cells=6, rounds=rounds, families=2000)) < 0.13


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("rounds", [5, 8, 20])
@pytest.mark.parametrize("confidence", [0.95, 0.99])
def test_the_limits_of_a_difference_cover_the_truth(noise: Noise, rounds: int, confidence: float) -> None:
    assert covered_deltas(noise, rounds, 5000, confidence) == pytest.approx(confidence, abs=0.02)


@pytest.mark.parametrize("cells", [2, 6])
def test_a_difference_of_30_percent_is_found_at_8_rounds(cells: int) -> None:
    assert found(cells, 1000) > 0.9


def wrong_at_the_edge(looks: int, repeats: int = 2000) -> float:
    """A pair that differs by just what matters, looked at after each of 5–20 rounds: any verdict is wrong."""
    rng = np.random.default_rng(looks)
    logs = np.array([EDGE, 0]) + 3 + 0.05 * normal(rng, (repeats, 20, 2))
    ends = [sampled_on(rounds_of(x), 5, looks) for x in logs]
    return sum(row.verdict != "not resolved" for (row,) in ends) / repeats


def test_looking_often_is_paid_for_by_counting_the_looks() -> None:
    assert 0.13 < wrong_at_the_edge(looks=1) < 0.25
    assert wrong_at_the_edge(looks=16) <= 0.05


@pytest.mark.parametrize("noise", [0.03, 0.07, 0.15])
def test_twins_that_are_sampled_on_are_not_called_different(noise: float) -> None:
    logs = 3 + noise * normal(np.random.default_rng(1), (2000, 20, 2))
    ends = [sampled_on(rounds_of(x), 5) for x in logs]
    assert sum(row.verdict in {"faster", "slower"} for (row,) in ends) / 2000 <= 0.02


# --- between runs ---


@pytest.mark.parametrize("rounds", [5, 8, 20])
@pytest.mark.parametrize(("walk", "most"), [(0.0, 0.001), (0.02, 0.01), (0.05, 0.04)])
def test_two_runs_on_a_drifting_machine_agree(rounds: int, walk: float, most: float) -> None:
    assert called_different(rounds, walk, 1500) <= most


@pytest.mark.parametrize("rounds", [5, 8, 20])
@pytest.mark.parametrize(("walk", "least", "most"), [(0.02, 0, 0.05), (0.05, 0.05, 0.15)])
def test_runs_that_are_apart_agree_less(rounds: int, walk: float, least: float, most: float) -> None:
    assert least <= called_different(rounds, walk, 1000, gap=8) <= most


def test_compare_finds_a_cell_that_has_become_30_percent_slower() -> None:
    rng = np.random.default_rng(2)
    rows = [stats.compare(*two_runs(rng, 8, 0.05, 0.0, change=1.3))["0"] for _ in range(1000)]
    assert sum(row.verdict == "slower" for row in rows) / 1000 > 0.8


def test_drift_is_estimated_without_bias_but_roughly() -> None:
    """Means of neighbouring runs of n rounds differ by 2 n/3 times the variance of a step of the walk."""
    rng = np.random.default_rng(3)
    got = [stats.drift(*two_runs(rng, 20, 0.02, 0.05)) for _ in range(1000)]
    assert np.mean(got) == pytest.approx(2 * 20 / 3 * 0.05**2, rel=0.15)
    assert np.median(got) < 0.8 * np.mean(got)


def test_contaminated_noise_has_the_mean_that_the_simulations_assume() -> None:
    assert np.mean(contaminated(np.random.default_rng(4), (4_000_000,))) == pytest.approx(0, abs=0.001)
    assert np.mean(some_slow_trials(np.random.default_rng(4), (4_000_000,))) == pytest.approx(0, abs=0.001)
