"""Bursts of load between two runs: what is taken off by hand, and what comes of it by simulation."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from test_stats import at_most, rounds_of

from benchmarks import bursts, stats
from benchmarks.stats import Difference

Run = dict[str, dict[int, float]]
Floats = NDArray[np.float64]

QUIET = [0.0, 0.01, -0.01, 0.0, 0.01, -0.01, 0.0, 0.0]
CELLS = (1.0, 2.0, 4.0)  # usual values


def run(logs: list[float], cells: tuple[float, ...] = CELLS) -> Run:
    """Cells that have these rounds in common."""
    return rounds_of(np.log(cells) + np.array(logs)[:, None])


def loaded(rounds: list[int], ratio: float) -> list[float]:
    return [log + (math.log(ratio) if number in rounds else 0) for number, log in enumerate(QUIET)]


@pytest.mark.parametrize(("rounds", "ratio"), [([0], 1.5), ([3, 4, 5], 3.0), ([2, 6], 0.5)])
def test_a_burst_is_found_and_taken_off(rounds: list[int], ratio: float) -> None:
    before, after = bursts.taken_off(run(QUIET), run(loaded(rounds, ratio)))
    assert before == bursts.Calm(run(QUIET), [])
    assert [one.round for one in after.bursts] == rounds
    assert [one.ratio for one in after.bursts] == pytest.approx([ratio] * len(rounds), rel=0.03)
    for name, usual in zip(before.cells, CELLS, strict=True):
        assert list(after.cells[name].values()) == pytest.approx([usual] * 8, rel=0.03)


def test_what_is_usual_is_not_touched() -> None:
    """Rounds that scatter alike, a step to another level that stays, and a drift."""
    noisy = run((0.2 * np.random.default_rng(1).standard_normal(8)).tolist())
    stepped = run([0.0] * 4 + [0.7] * 4)
    drifting = run([0.1 * number for number in range(8)])
    for one in (noisy, stepped, drifting):
        assert bursts.taken_off(one, one) == [bursts.Calm(one, [])] * 2


def test_a_cell_alone_is_no_burst() -> None:
    lone = run(QUIET) | {"0": {number: math.exp(log) for number, log in enumerate(loaded([3], 3.0))}}
    assert bursts.taken_off(run(QUIET), lone)[1] == bursts.Calm(lone, [])


def test_two_cells_can_not_tell() -> None:
    two = run(loaded([3], 3.0), cells=(1.0, 2.0))
    assert bursts.taken_off(two, two)[0].bursts == []


def test_rounds_that_some_cells_lack_count_by_the_others() -> None:
    some = run(loaded([3], 2.0), cells=(1.0, 2.0, 4.0, 8.0))
    del some["0"][3], some["1"][0]
    calm = bursts.taken_off(run(QUIET), some)[1]
    assert [one.round for one in calm.bursts] == [3]
    assert calm.cells["1"][3] == pytest.approx(2, rel=0.03)
    assert calm.cells.keys() == some.keys()


def test_values_without_logs_and_empty_runs_are_left_alone() -> None:
    below = run(loaded([3], 2.0)) | {"9": {0: -1.0}}
    assert bursts.taken_off(below, {}, {"x": {}}) == [
        bursts.Calm(below, []),
        bursts.Calm({}, []),
        bursts.Calm({"x": {}}, []),
    ]


# --- by simulation ---


def compared(
    rng: np.random.Generator, *, lasts: int = 0, size: float = 1.5, own: float = 0.03, change: float = 1.0
) -> dict[str, Difference]:
    """Two runs of 8 rounds of six cells, one with a burst that lasts so many rounds; cell 0 changes between."""
    logs = np.log(np.linspace(1, 8, 6)) + rng.normal(0, own, (16, 1)) + rng.normal(0, own, (16, 6))
    first = rng.integers(8, 17 - lasts)
    logs[first : first + lasts] += math.log(size) * rng.uniform(0.6, 1.4, (lasts, 6))
    logs[8:, 0] += math.log(change)
    before, after = bursts.taken_off(rounds_of(logs[:8]), rounds_of(logs[8:]))
    return stats.compare(before.cells, after.cells)


def share(rows: list[Difference], *verdicts: str) -> float:
    return sum(row.verdict in verdicts for row in rows) / len(rows)


@pytest.mark.parametrize(("lasts", "size"), [(0, 1.0), (1, 1.5), (2, 1.5), (3, 1.3), (3, 2.5), (4, 1.5)])
def test_of_unchanged_cells_at_most_5_percent_are_called_different(lasts: int, size: float) -> None:
    rng = np.random.default_rng(lasts)
    rows = [row for _ in range(100) for row in compared(rng, lasts=lasts, size=size).values()]
    assert share(rows, "faster", "slower") <= 0.05


@pytest.mark.parametrize(("lasts", "least"), [(0, 0.75), (1, 0.6), (2, 0.5), (3, 0.35)])
def test_a_burst_leaves_most_of_what_can_be_told(lasts: int, least: float) -> None:
    """If it were not taken off, "no difference" would be known of 2, 0 and 0 % of the cells."""
    rng = np.random.default_rng(10 + lasts)
    assert share([row for _ in range(100) for row in compared(rng, lasts=lasts).values()], "no difference") > least


@pytest.mark.parametrize(("lasts", "least"), [(0, 0.9), (2, 0.8)])
def test_a_cell_that_became_30_percent_slower_is_found(lasts: int, least: float) -> None:
    rng = np.random.default_rng(20 + lasts)
    rows = [compared(rng, lasts=lasts, change=1.3)["0"] for _ in range(150)]
    assert share(rows, "slower") >= least
    assert share(rows, "faster") == 0


@pytest.mark.slow
@pytest.mark.parametrize("own", [0.03, 0.05])
@pytest.mark.parametrize("lasts", [0, 1, 2, 3, 4])
def test_at_length(lasts: int, own: float) -> None:
    rng = np.random.default_rng(lasts)
    rows = [row for _ in range(1000) for row in compared(rng, lasts=lasts, own=own).values()]
    assert share(rows, "faster", "slower") <= at_most(0.005, 6000)
    changed = [compared(rng, lasts=lasts, own=own, change=1.3)["0"] for _ in range(1000)]
    if lasts == 0:
        assert share(changed, "slower") >= 0.8
    assert share(changed, "faster") == 0
