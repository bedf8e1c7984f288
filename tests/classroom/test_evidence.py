"""What values come to be: shares of late events, and numbers that are the same in every round."""

import pytest
from conftest import SUBJECTS
from made_up_runs import made_of, trial

from lab.classroom.teaching.evidence import Evidence, late_share, over_rounds
from lab.classroom.teaching.lesson import LESSONS, read

SLOW = [80.0, 26.0, None, 26.0, 50.0] * 10
"""In two of five cases more than 50 ms, or never."""


def test_late_is_what_takes_longer_or_never_comes() -> None:
    way = read(LESSONS / "head_of_line", SUBJECTS).ways[0]
    assert late_share(trial(way.cell("sse lossy"), 1, SLOW), 50) == pytest.approx(40)
    assert late_share(trial(way.cell("sse lossy"), 1, []), 50) is None


def test_a_share_is_taken_off_another_round_by_round() -> None:
    one = read(LESSONS / "head_of_line", SUBJECTS)
    clean, lossy = (one.ways[0].cell(name) for name in ("sse clean", "sse lossy"))
    late_by = {1: 0, 2: 5, 3: 10}  # of fifty events, because the machine was busy
    held = [
        trial(of, number, [90.0] * (late + more) + [26.0] * (50 - late - more))
        for number, late in late_by.items()
        for of, more in ((clean, 0), (lossy, 4))
    ]
    run = made_of(held, ["native"])
    figures = Evidence(one.ways[0], run.run, run.trials, []).figures(one.values)
    assert figures["late_clean"].value == pytest.approx(10)
    assert figures["late"].ends[1] - figures["late"].ends[0] > 10
    assert figures["late_more"].value == pytest.approx(8)
    assert figures["late_more"].ends == pytest.approx((8, 8))


def test_what_is_always_the_same_is_exactly_that() -> None:
    assert over_rounds({1: 7.0}).value == 7
    same = over_rounds({1: 7.0, 2: 7.0, 3: 7.0})
    assert (same.value, same.low, same.high) == (7, 7, 7)
    assert over_rounds({1: 0.0, 2: 0.0}).ends == (0, 0)


def test_of_no_round_nothing_is_known() -> None:
    assert over_rounds({}).value is None
