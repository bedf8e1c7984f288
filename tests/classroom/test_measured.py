"""What is right, and who was: answers come from what was measured, and from nowhere else."""

from pathlib import Path
from typing import Any

import pytest
from made_up_lessons import NATIVE, OBSERVED, TOML, from_run, observations, written
from made_up_runs import Made, cell, made, made_of

from lab.classroom.teaching import checking
from lab.classroom.teaching.evidence import Evidence
from lab.classroom.teaching.lecture import Lecture
from lab.classroom.teaching.lesson import EXPLAIN, Lesson
from lab.classroom.teaching.measured import Measured, answer, check_prediction, claimed, judged, measured, unavailable
from lab.errors import UserError


def verdict(one: Lesson, name: str, raw: Any, run: Made) -> Any:
    question = one.question(name)
    right = answer(question, from_run(one, run))
    return judged(question, check_prediction(question, raw), right)


def test_a_number_is_right_wrong_or_open(tmp_path: Path) -> None:
    one, run = written(tmp_path), made()
    assert verdict(one, "held", 3.2, run).mark == "right"
    wrong = verdict(one, "held", 0.5, run)
    assert wrong.mark == "wrong"
    assert "You said 0.5 ms" in wrong.says.replace("0.500", "0.5")
    edge = from_run(one, run).figures["held"].value * 1.25  # type: ignore[operator]
    assert verdict(one, "held", edge, run).mark == "open"


def test_the_right_answer_changes_with_what_was_measured(tmp_path: Path) -> None:
    one = written(tmp_path)
    slow, quick = made(), made({"websocket": 0.6, "sse": 0.61, "long_polling": 0.9})
    times = one.question("times")
    assert answer(times, from_run(one, slow)).given == 1
    assert answer(times, from_run(one, quick)).given == 0
    assert verdict(one, "times", 1, slow).mark == "right"
    assert verdict(one, "times", 1, quick).mark == "wrong"


def test_a_choice_at_the_border_is_open_and_what_is_far_from_it_wrong(tmp_path: Path) -> None:
    one, run = written(tmp_path), made({"websocket": 0.6, "sse": 0.61, "long_polling": 1.2}, rounds=6)
    right = answer(one.question("times"), from_run(one, run))
    assert right.given is None
    assert "does not tell whether “up to twice” or “up to ten times”" in right.says
    assert [verdict(one, "times", given, run).mark for given in (0, 1, 2)] == ["open", "open", "wrong"]


def test_a_ranking_is_judged_by_the_pairs_that_are_resolved(tmp_path: Path) -> None:
    """Socket and stream are alike: their order is neither right nor wrong."""
    one, run = written(tmp_path), made({"websocket": 0.6, "sse": 0.6, "long_polling": 3.2})
    assert answer(one.question("order"), from_run(one, run)).given is None
    for given in ([0, 1, 2], [1, 0, 2]):
        said = verdict(one, "order", given, run)
        assert said.mark == "right"
        assert said.parts.count("open") == 1
        assert "2 of 2 pairs are in the right order; of 1 more this run does not tell" in said.says
    assert verdict(one, "order", [2, 0, 1], run).mark == "wrong"
    apart = made({"websocket": 0.6, "sse": 1.2, "long_polling": 3.2})
    assert answer(one.question("order"), from_run(one, apart)).given == [0, 1, 2]


def test_a_curve_is_judged_point_by_point(tmp_path: Path) -> None:
    one, run = written(tmp_path), made()
    figures = from_run(one, run).figures
    held, higher = figures["held"].value, figures["held_90"].value
    assert verdict(one, "shape", [held, higher], run).mark == "right"
    said = verdict(one, "shape", [held, 90], run)
    assert (said.mark, list(said.parts)) == ("wrong", ["right", "wrong"])


@pytest.mark.parametrize(
    ("name", "raw", "complaint"),
    [
        ("held", 101, "101 is no plausible answer; it must be a number from 0 to 100 ms"),
        ("held", -1, "-1 is no plausible answer"),
        ("held", None, "no number has been entered yet; it must be a number from 0"),
        ("held", True, "True is no plausible answer"),
        ("held", float("nan"), "nan is no plausible answer"),
        ("held", "3", "'3' is no plausible answer"),
        ("times", 3, "3 is none of the 3 there are"),
        ("times", -1, "-1 is none of the 3"),
        ("times", None, "none of the 3 has been chosen yet"),
        ("order", [0, 1], "it must be a list of 3"),
        ("order", [0, 1, 1], "has an item twice"),
        ("order", [0, 1, 3], "3 is none of the 3"),
        ("order", "abc", "'abc' is no answer"),
        ("shape", [1], "it must be a list of 2"),
        ("shape", [1, 1000], "1000 is no plausible answer"),
        ("held", ["x" * 10_000], "no plausible answer"),
    ],
)
def test_what_is_no_answer_is_refused(name: str, raw: Any, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        check_prediction(written(tmp_path).question(name), raw)
    assert complaint in str(caught.value)
    assert len(str(caught.value)) < 200


def test_claims_hold_fail_or_are_not_resolved(tmp_path: Path) -> None:
    one = written(tmp_path)

    def marks(ms: float) -> list[str]:
        found = from_run(one, made({"websocket": 0.6, "sse": 0.6, "long_polling": ms}))
        return [stand.mark for stand in claimed(one, found)]

    assert marks(3.2) == ["right", "right"]
    assert marks(1.2) == ["open", "right"]
    assert marks(0.7) == ["wrong", "right"]


def test_what_was_not_measured_is_said_and_nothing_is_right(tmp_path: Path) -> None:
    one = written(tmp_path)
    base = made({"websocket": 0.6, "sse": 0.7})
    run = made_of(base.trials, ["chromium"], {cell("long_polling"): ("failed", "it did not open")})
    found = from_run(one, run)
    assert found.figures["held"].with_interval == "not measured (failed: it did not open)"
    assert verdict(one, "held", 3, run).mark == "open"
    assert verdict(one, "times", 1, run).mark == "open"
    assert "“held” was not measured" in (said := verdict(one, "order", [0, 1, 2], run)).says
    assert said.parts == ["right", "open", "open"]
    assert [stand.mark for stand in claimed(one, found)] == ["open", "open"]
    assert any("was not measured (failed: it did not open)" in bad for bad in checking.failures(one, found))


def test_a_claim_may_be_that_something_never_happens(tmp_path: Path) -> None:
    toml = OBSERVED.replace('[[claim]]\nvalue = "lost"\nbelow = 1', '[[claim]]\nvalue = "third"\nabsent = true')
    one, run = written(tmp_path, toml), made()

    def mark(*seen: float | None) -> str:
        evidence_ = Evidence(one.ways[0], run.run, run.trials, observations(seen))
        return claimed(one, Measured(one.name, 0, "", evidence_.figures(one.values)))[1].mark

    assert mark(None, None, None) == "right"
    assert mark(1.0, 1.0, 1.0) == "wrong"
    assert mark(1.0, None, 1.0) == "open"


def test_placeholders_are_filled_from_the_measurement(tmp_path: Path) -> None:
    one = written(tmp_path)
    text = from_run(one, made()).filled(one.text[EXPLAIN])
    assert "{" not in text
    assert "ms (95 %: " in text


def test_a_lesson_without_its_engine_is_unavailable_and_says_why(tmp_path: Path) -> None:
    one = written(tmp_path)
    assert unavailable(one, {"chromium": "Chromium is not here"}) == "Chromium is not here"
    assert unavailable(one, {"firefox": "Firefox is not here"}) == ""


def test_another_way_is_taken_where_the_first_can_not_be_had(tmp_path: Path) -> None:
    another = '[[run]]\nsays = "natively"\n\n[[run.block]]\nengines = ["native"]\nscenarios = ["steady"]\n'
    another += 'transports = ["websocket", "sse", "long_polling"]\nrounds = 6\n\n[values]'
    one = written(tmp_path, TOML.replace("[values]", another))
    missing = {"chromium": "Chromium is not here"}
    assert unavailable(one, missing) == ""
    assert [bool(way.missing(missing)) for way in one.ways] == [True, False]
    assert Lecture(one, tmp_path, missing).note == "natively"
    assert Lecture(one, tmp_path, {}).note == ""


async def test_a_run_is_an_ordinary_run_and_dots_come_with_its_trials(tmp_path: Path) -> None:
    one = written(tmp_path, NATIVE)
    told: list[Any] = []
    found = await measured(one, tmp_path / "run_of_it", told.append)
    assert [progress.done for progress in told] == [1, 2, 3]
    assert {dot.value for progress in told for dot in progress.dots} == {"socket", "held"}
    assert (tmp_path / "run_of_it" / "run" / "run.json").exists()
    assert found.figures["held"].value is not None
    dots = {dot.value: dot.number for progress in told for dot in progress.dots}
    assert dots["held"] == pytest.approx(found.figures["held"].value, rel=1e-5)
