"""What values come to be: figures of the report, ratios, shares, what an experiment has seen, and what is not known."""

from pathlib import Path

import pytest
from conftest import SUBJECTS
from made_up_lessons import OBSERVED, TOML, evidence, from_run, observations, written
from made_up_runs import cell, made, made_of, trial

from lab.classroom.teaching.evidence import Evidence, late_share, over_rounds
from lab.classroom.teaching.figure import Figure, number
from lab.classroom.teaching.lesson import LESSONS, read
from lab.errors import UserError

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


def test_figures_are_those_of_the_report(tmp_path: Path) -> None:
    run = made()
    figures = evidence(one := written(tmp_path), run).figures(one.values)
    rows = {row["transport"]: row for row in run.summary["cells"]}
    p50 = rows["long_polling"]["latency_ms"]["p50"]
    assert figures["held"].value == pytest.approx(p50["value"], rel=1e-5)
    assert (figures["held"].low, figures["held"].high) == pytest.approx((p50["low"], p50["high"]), rel=1e-5)
    assert len(figures["held"].rounds) == 6
    assert figures["lost"].value == 0


def test_a_ratio_is_taken_round_by_round(tmp_path: Path) -> None:
    """Rounds that differ by far, and cells that have the same ratio in each of them."""
    rounds = [
        trial(cell(name), number, [ms * 4**number] * 60)
        for number in range(1, 7)
        for name, ms in (("websocket", 1.0), ("sse", 2.0), ("long_polling", 3.0))
    ]
    figures = evidence(one := written(tmp_path), made_of(rounds, ["chromium"])).figures(one.values)
    assert figures["held"].high / figures["held"].low > 10  # type: ignore[operator]
    assert figures["times"].value == pytest.approx(3)
    assert figures["times"].ends == pytest.approx((3, 3))


def test_one_round_has_no_interval_and_says_so(tmp_path: Path) -> None:
    one = written(tmp_path)
    figure = from_run(one, made(rounds=1)).figures["held"]
    assert figure.value is not None
    assert not figure.has_interval
    assert figure.with_interval.endswith("(seen once: no interval)")


def test_a_path_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    one = written(tmp_path, TOML.replace('"events.lost"', '"events.found"'))
    with pytest.raises(UserError, match=r"value 'lost': a row of this cell has no 'events\.found': .* lost"):
        from_run(one, made())


def test_values_of_experiments(tmp_path: Path) -> None:
    one, run = written(tmp_path, OBSERVED), made()
    evidence_ = Evidence(one.ways[0], run.run, run.trials, observations((1.0, 2.0, 3.0)))
    figures = evidence_.figures(one.values)
    assert figures["p99"].value == pytest.approx(1.001, rel=1e-4)
    assert figures["p99"].has_interval
    assert (figures["bitten"].value, figures["came"].value) == (1, 1)
    assert figures["middle"].value == pytest.approx(15)


def test_what_never_happens_is_told_from_what_is_not_known(tmp_path: Path) -> None:
    one, run = written(tmp_path, OBSERVED), made()

    def third(*seen: float | None) -> Figure:
        return Evidence(one.ways[0], run.run, run.trials, observations(seen)).figures(one.values)["third"]

    assert third(None, None).absent
    assert third(None, None).text == "never"
    assert third(1.0, None).why == "it happened in 1 of 2 observations"
    assert not third(1.0, None).absent


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.607, "0.607"), (25.56, "25.6"), (1234.5, "1,234"), (250, "250"), (-1.5, "\N{MINUS SIGN}1.50"), (0, "0")],
)
def test_numbers_have_about_three_digits(value: float, text: str) -> None:
    assert number(value) == text
