"""Lessons: they are checked, right answers come from what was measured, and there is no run without a prediction."""

import asyncio
import json
import re
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import websockets
from conftest import SUBJECTS, Engines
from made_up_runs import Made, cell, made, made_of

from benchmarks.behaviours.experiment import Observation
from benchmarks.behaviours.store import Seen, Spot
from lab.classroom.teaching import attempt as attempts
from lab.classroom.teaching import checking
from lab.classroom.teaching.attempt import Attempt, Steps
from lab.classroom.teaching.evidence import Evidence
from lab.classroom.teaching.figure import Figure, number
from lab.classroom.teaching.handout import handout
from lab.classroom.teaching.lecture import Lecture, lecturing, state
from lab.classroom.teaching.lesson import EXPLAIN, LESSONS, TEACHER, Lesson, Shelf, read, shelf
from lab.classroom.teaching.measured import (
    Measured,
    Progress,
    answer,
    check_prediction,
    claimed,
    judged,
    measured,
    unavailable,
)
from lab.cli import main
from lab.errors import UserError

BLOCK, EXPERIMENT = "[[run.block]]", "[[run.experiment]]\nid = '{}'\nsubjects = ['sse']\n{}[[run.block]]"

TOML = """
title = "A lesson"
about = "For tests"
minutes = 5

[[run]]

[[run.block]]
engines = ["chromium"]
scenarios = ["steady"]
transports = ["websocket", "sse", "long_polling"]
rounds = 6

[values]
socket = { cell = "websocket", measure = "latency_ms.p50", unit = "ms" }
stream = { cell = "sse", measure = "latency_ms.p50", unit = "ms" }
held = { cell = "long_polling", measure = "latency_ms.p50", unit = "ms" }
held_90 = { cell = "long_polling", measure = "latency_ms.p90", unit = "ms" }
lost = { cell = "long_polling", measure = "events.lost", unit = "events" }
times = { value = "held", over = "socket", unit = "×" }

[[question]]
name = "held"
kind = "number"
ask = "How long?"
answer = "held"
low = 0
high = 100

[[question]]
name = "times"
kind = "choice"
ask = "How many times as long?"
answer = "times"
options = [
    { label = "up to twice", below = 2 },
    { label = "up to ten times", below = 10 },
    { label = "more" },
]

[[question]]
name = "order"
kind = "ranking"
ask = "In which order?"
smallest = "the quickest"
items = [
    { label = "socket", answer = "socket" },
    { label = "stream", answer = "stream" },
    { label = "held", answer = "held" },
]

[[observation]]
name = "shape"
kind = "curve"
ask = "Which shape?"
x = "percent"
y = "age"
low = 0
high = 100
points = [
    { x = 50, answer = "held" },
    { x = 90, answer = "held_90" },
]

[shown]
title = "Dots"
values = ["socket", "held"]
labels = ["one", "another"]

[[claim]]
value = "times"
above = 2
says = "It takes {value:times}."

[[claim]]
value = "lost"
below = 1
says = "Lost: {value:lost}."
"""

MARKDOWN = """
## The story

Once <b>upon</b> a time.

## The run

Look at the dots.

## Explain

It is {interval:held}, or {value:times}.

## Try it yourself

```sh
pushlab serve
```

## For the teacher

Where people go wrong: {value:lost}.
"""


def write(folder: Path, toml: str = TOML, markdown: str = MARKDOWN, name: str = "made_up") -> Path:
    where = folder / name
    where.mkdir(parents=True, exist_ok=True)
    (where / "lesson.toml").write_text(toml, encoding="utf-8")
    (where / "lesson.md").write_text(markdown, encoding="utf-8")
    return where


def written(folder: Path, toml: str = TOML, markdown: str = MARKDOWN) -> Lesson:
    return read(write(folder, toml, markdown), SUBJECTS)


def only(one: Lesson) -> Shelf:
    return Shelf({one.name: one}, {})


def evidence(one: Lesson, run: Made) -> Evidence:
    return Evidence(one.ways[0], run.run, run.trials, [])


def from_run(one: Lesson, run: Made) -> Measured:
    return Measured(one.name, 0, "", evidence(one, run).figures(one.values))


def verdict(one: Lesson, name: str, raw: Any, run: Made) -> Any:
    question = one.question(name)
    right = answer(question, from_run(one, run))
    return judged(question, check_prediction(question, raw), right)


# --- how a lesson is written ---


def test_every_lesson_can_be_read_and_none_gives_anything_away() -> None:
    found, broken = shelf().lessons, shelf().broken
    assert not broken
    assert {"polling", "event_bytes", "buffering_proxy", "coordinated_omission"} <= set(found)
    for one in found.values():
        assert one.minutes <= 10
        assert len(one.about) <= 90
        assert one.claims, one.name
        for question in (*one.questions, *one.observations):
            assert not {"below", "answers", "tolerance"} & question.shown.keys()


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("minutes = 5", "minutes = 11", "minutes is 11; it must be a whole number from 1 to 10"),
        ("minutes = 5", "minutes = true", "minutes is True; it must be a whole number from 1 to 10"),
        ('about = "For tests"', "", "lesson 'made_up' lacks 'about'"),
        ('about = "For tests"', 'about = " "', "about is empty"),
        ('about = "For tests"', "about = 7", "about is 7; it must be a text"),
        ("minutes = 5", "minutes = 5\nhours = 1", "unknown key 'hours'"),
        ('title = "A lesson"', "title = A lesson", "lesson.toml is no TOML"),
        ('"steady"', '"steadily"', "unknown scenario 'steadily'"),
        ('["websocket", "sse", "long_polling"]', '["pigeons"]', "unknown transport 'pigeons'"),
        (BLOCK, EXPERIMENT.format("P99", ""), "unknown experiment 'P99'"),
        ("[[run.block]]", "[[run.bloc]]", "unknown key 'bloc'"),
        ('cell = "sse"', 'cell = "xhr_streaming"', "0 cells are called 'xhr_streaming', and one must be"),
        ('engines = ["chromium"]', 'engines = ["chromium", "firefox"]', "2 cells are called 'websocket'"),
        ('cell = "sse", measure', 'experiment = "P1", cell = "sse", measure', "one of cell, experiment and value"),
        ('over = "socket"', 'over = "sock"', "needs 'sock', which isn't there"),
        ('value = "held", over', 'value = "times", over', "needs itself"),
        ('over = "socket"', 'over = "socket", minus = "held"', "has over and minus; it may have one"),
        ('answer = "times"', 'answer = "time"', "unknown value 'time'"),
        ('kind = "number"', 'kind = "essay"', "unknown kind 'essay': there are number, choice, ranking, curve"),
        ("high = 100\n\n[[q", "high = -1\n\n[[q", "high is -1; it must be more"),
        ("high = 100\npoints", "high = 100\ntolerance = 1\npoints", "tolerance is 1; it must be from 0"),
        ('{ label = "more" }', '{ label = "more", below = 5 }', "options must have ascending"),
        ("{ x = 90", "{ x = 40", "x are 50, 40; they must ascend"),
        ('answer = "held_90"', 'answer = "times"', "its values have several units"),
        ('name = "shape"', 'name = "held"', "a question and an observation are both called 'held'"),
        ('name = "times"', 'name = "held"', "two of the name 'held'"),
        ('labels = ["one", "another"]', 'labels = ["one"]', "there are 1 labels for 2 values"),
        ("above = 2", "", "must have above, below or both"),
        ("above = 2", "above = 2\nbelow = 2", "below is 2; it must be more"),
        ('{value:times}."', '{value:time}."', "unknown value 'time'"),
        (BLOCK, EXPERIMENT.format("P16", "times = 11\n"), "times is 11"),
        (BLOCK, EXPERIMENT.format("P19", "cured = [true]\n"), "P19 has no cure"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_lesson_is_one_sentence(old: str, new: str, complaint: str, tmp_path: Path) -> None:
    assert old in TOML
    with pytest.raises(UserError) as caught:
        written(tmp_path, TOML.replace(old, new, 1))
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value) or "TOML" in str(caught.value)
    assert "made_up" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("## Explain", "## Explanation", "has the sections"),
        ("Look at the dots.", "Look: {value:held}.", "{value:held} stands in “The run”, where nothing is measured yet"),
        ("{interval:held}", "{interval:help}", "unknown value 'help'"),
        ("\n## The story", "Hello\n\n## The story", "has the sections"),
    ],
)
def test_a_mistake_in_its_text_is_one_sentence(old: str, new: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        written(tmp_path, markdown=MARKDOWN.replace(old, new, 1))
    assert complaint in str(caught.value)


def test_a_broken_lesson_is_listed_with_its_reason_and_keeps_nobody_from_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path)
    for name, spoilt in [("no_toml", b""), ("no_text", b"\xff"), ("a-name", b"title = 1")]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "lesson.md").write_bytes(spoilt)
    shutil.copy(tmp_path / "made_up" / "lesson.toml", tmp_path / "no_text")
    (tmp_path / "__pycache__").mkdir()
    found = shelf(tmp_path)
    assert list(found.lessons) == ["made_up"]
    assert found.broken == {
        "a-name": "lesson 'a-name' has no good name; it must be lower-case letters, digits and underscores",
        "no_text": "lesson 'no_text': its files must be UTF-8, and byte 0 of one is not",
        "no_toml": "lesson 'no_toml': lesson.toml can't be read: No such file or directory",
    }
    with pytest.raises(UserError, match="its files must be UTF-8"):
        found.lesson("no_text")
    monkeypatch.setattr("lab.classroom.teaching.lesson.shelf", lambda: found)
    with pytest.raises(SystemExit):
        main(["lesson", "list"])
    assert "broken: lesson.toml can't be read" in " ".join(capsys.readouterr().out.split())
    with pytest.raises(SystemExit) as caught:
        main(["lesson", "check", "no_toml"])
    assert caught.value.code == 1
    assert "broken: lesson 'no_toml': lesson.toml can't be read" in capsys.readouterr().out


def test_a_cell_may_be_named_by_the_name_of_its_link(tmp_path: Path) -> None:
    block = 'links = { far = "relay:delay=50ms" }\n\n[[run.block]]\nlinks = ["direct", "far"]'
    toml = TOML.replace("[[run.block]]", block).replace('"sse", measure', '"sse far", measure')
    for name in ("websocket", "long_polling"):
        toml = toml.replace(f'"{name}", measure', f'"{name} direct", measure')
    way = written(tmp_path, toml).ways[0]
    assert way.cell("sse far") == cell("sse", link=links_text("relay:delay=50ms"))
    assert way.cell("sse direct chromium") == cell("sse")


def links_text(text: str) -> str:
    from lab import link as links  # noqa: PLC0415

    return links.parse(text).text


def test_an_unknown_lesson_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="unknown lesson 'alchemy': there are"):
        shelf().lesson("alchemy")
    for command in ("run", "check", "handout"):
        with pytest.raises(SystemExit) as caught:
            main(["lesson", command, "alchemy"])
        assert caught.value.code == 2
        assert "unknown lesson 'alchemy'" in capsys.readouterr().err


# --- what values come to be ---


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
        replace(trial, round=number)
        for number in range(1, 7)
        for name, ms in (("websocket", 1.0), ("sse", 2.0), ("long_polling", 3.0))
        for trial in [next(fixed(name, ms * 4**number))]
    ]
    figures = evidence(one := written(tmp_path), made_of(rounds, ["chromium"])).figures(one.values)
    assert figures["held"].high / figures["held"].low > 10  # type: ignore[operator]
    assert figures["times"].value == pytest.approx(3)
    assert figures["times"].ends == pytest.approx((3, 3))


def fixed(name: str, ms: float) -> Any:
    from made_up_runs import trial  # noqa: PLC0415

    yield trial(cell(name), 1, [ms] * 60)


def test_one_round_has_no_interval_and_says_so(tmp_path: Path) -> None:
    one = written(tmp_path)
    figure = from_run(one, made(rounds=1)).figures["held"]
    assert figure.value is not None
    assert not figure.has_interval
    assert figure.with_interval.endswith("(seen once: no interval)")


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


def test_a_path_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    one = written(tmp_path, TOML.replace('"events.lost"', '"events.found"'))
    with pytest.raises(UserError, match=r"value 'lost': a row of this cell has no 'events\.found': .* lost"):
        from_run(one, made())


OBSERVED = TOML.replace(
    "[[run.block]]", '[[run.experiment]]\nid = "P16"\nsubjects = ["sse"]\ntimes = 3\n\n[[run.block]]'
)
OBSERVED = OBSERVED.replace(
    "[values]",
    """[values]
p99 = { experiment = "P16", subject = "sse", number = "p99_ms", scale = 0.001, unit = "s" }
bitten = { experiment = "P16", subject = "sse", number = "bitten" }
came = { experiment = "P16", subject = "sse", number = "event", is = "came" }
third = { experiment = "P16", subject = "sse", number = "third_ms", unit = "ms" }
middle = { experiment = "P16", subject = "sse", curve = "latency_ms by percentile", at = 75, unit = "ms" }""",
)


def observations(third: tuple[float | None, ...]) -> list[list[Seen]]:
    curve = [(50.0, 10.0), (100.0, 20.0)]
    return [
        [
            Seen(
                Spot("coordinated_omission", "sse", "chromium", cured=False),
                "observed",
                observation=Observation(
                    True,  # noqa: FBT003
                    "it was seen",
                    {"p99_ms": 1000.0 + nth, "event": "came", "third_ms": ms},
                    {"latency_ms by percentile": curve},
                ),
            )
        ]
        for nth, ms in enumerate(third)
    ]


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


# --- what is right, and who was ---


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


def test_what_does_not_fit_any_more_is_said_with_what_was_measured(tmp_path: Path) -> None:
    one = written(tmp_path)
    found = from_run(one, made({"websocket": 0.6, "sse": 0.6, "long_polling": 0.7}))
    (bad,) = checking.failures(one, found)
    assert bad.startswith("lesson 'made_up': 'times' is 1.")
    assert bad.endswith("it is said to be above 2 and below inf")
    assert any(line.startswith("  fails: It takes 1.") for line in checking.report(one, found))


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


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.607, "0.607"), (25.56, "25.6"), (1234.5, "1,234"), (250, "250"), (-1.5, "\N{MINUS SIGN}1.50"), (0, "0")],
)
def test_numbers_have_about_three_digits(value: float, text: str) -> None:
    assert number(value) == text


# --- unavailable ---


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


async def test_check_says_what_is_unavailable_and_does_not_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "absent", lambda: {"chromium": "Chromium is not here"})
    said: list[str] = []
    assert await checking.check(only(written(tmp_path)), said.append, said.append, tmp_path) == 0
    assert said == ["made_up: unavailable, because Chromium is not here"]


@pytest.mark.parametrize(("ms", "wrong"), [(3.2, 0), (0.7, 1)])
async def test_check_fails_where_a_claim_does_not_fit(
    ms: float, wrong: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = written(tmp_path)

    async def made_up(*_: Any) -> Measured:
        return from_run(one, made({"websocket": 0.6, "sse": 0.6, "long_polling": ms}))

    monkeypatch.setattr(checking, "measured", made_up)
    monkeypatch.setattr(checking, "absent", dict)
    said: list[str] = []
    assert await checking.check(only(one), said.append, said.append, tmp_path) == wrong
    assert said[0] == f"made_up: {'fails' if wrong else 'fits'}"


# --- the command ---


async def test_a_lesson_is_open_until_ctrl_c() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from lab.cli import main; main()", "lesson", "run", "polling", "--no-browser"),
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr
    said = (await asyncio.wait_for(process.stderr.readline(), 20)).decode()
    assert re.match(r"lesson polling is open at http://127\.0\.0\.1:\d+/#[\w-]{20,}; Ctrl-C ends it", said)
    process.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(process.wait(), 10) == 0


@pytest.mark.parametrize("command", [[], ["list"]])
def test_the_list_has_every_lesson(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["lesson", *command])
    assert caught.value.code == 0
    table = capsys.readouterr().out
    assert all(name in table for name in shelf().lessons)


def test_a_handout_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["lesson", "handout", "polling"])
    assert Path(capsys.readouterr().out.strip()) == Path("results/lessons/polling.html")
    assert "How old is what you see?" in Path("results/lessons/polling.html").read_text()


# --- no run without a prediction ---

NATIVE = TOML.replace('["chromium"]', '["native"]').replace(
    '["websocket", "sse", "long_polling"]', '["websocket", "sse", "long_polling"]'
)
NATIVE = NATIVE.replace("rounds = 6", "rounds = 1")
GIVEN: Mapping[str, Any] = {"held": 3, "times": 1, "order": [0, 1, 2]}


def lines(attempt: Attempt) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Steps(attempt.folder).path.read_text().splitlines()]


async def test_a_run_is_refused_until_every_prediction_is_kept(tmp_path: Path) -> None:
    attempt = Attempt(written(tmp_path, NATIVE), tmp_path / "kept")
    with pytest.raises(UserError, match="predict first: there is no prediction yet for held, times, order"):
        await attempt.run()
    attempt.predict("held", 3)
    with pytest.raises(UserError, match="no prediction yet for times, order"):
        await attempt.run()
    with pytest.raises(UserError, match="1000 is no plausible answer"):
        attempt.predict("held", 1000)
    with pytest.raises(UserError, match="unknown question 'shape'"):
        attempt.predict("shape", [1, 2])
    assert not (attempt.folder / "measured").exists()
    assert [line["given"] for line in lines(attempt)] == [3]


async def test_steps_come_in_their_order_and_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = written(tmp_path)

    async def made_up(*_: Any) -> Measured:
        return from_run(one, made())

    monkeypatch.setattr(attempts, "measured", made_up)
    attempt = Attempt(one, tmp_path / "kept")
    for name, raw in GIVEN.items():
        attempt.predict(name, raw)
    with pytest.raises(UserError, match="nothing to be seen before the run"):
        attempt.observe("shape", [3, 4])
    assert "figures" not in state(attempt)
    await attempt.run()
    assert attempt.stage == "see"
    assert not {"confronted", "explain", "claims", "says"} & state(attempt).keys()
    with pytest.raises(UserError, match="made before the run"):
        attempt.predict("held", 4)
    with pytest.raises(UserError, match="it has run"):
        await attempt.run()
    attempt.observe("shape", [3, 4])
    assert {"confronted", "explain", "claims"} <= state(attempt).keys()
    with pytest.raises(UserError, match="shown by now"):
        attempt.observe("shape", [3, 5])
    assert [line["what"] for line in lines(attempt)] == [*["predicted"] * 3, "running", "ran", "seen"]


async def test_what_breaks_down_can_be_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = written(tmp_path)

    async def broken(*_: Any) -> Measured:
        raise UserError("the browser has gone")

    monkeypatch.setattr(attempts, "measured", broken)
    attempt = Attempt(one, tmp_path / "kept")
    for name, raw in GIVEN.items():
        attempt.predict(name, raw)
    await attempt.run()
    assert (attempt.stage, attempt.failed) == ("run", "the browser has gone")


class Page:
    """A page's line, without the page."""

    def __init__(self, socket: Any) -> None:
        self.socket, self.asked = socket, 0

    async def ask(self, do: str, **what: Any) -> dict[str, Any]:
        self.asked += 1
        await self.socket.send(json.dumps({"n": self.asked, "do": do, **what}))
        while True:
            said: dict[str, Any] = json.loads(await asyncio.wait_for(self.socket.recv(), 10))
            if said.get("answers") == self.asked:
                return said


@asynccontextmanager
async def page_of(one: Lesson, tmp_path: Path) -> AsyncIterator[tuple[Page, str, Lecture]]:
    async with lecturing(one, results=tmp_path / "results") as (host, lecture):
        origin = host.origins[0]
        address = f"{origin.replace('http', 'ws')}/lesson/line"
        async with websockets.connect(address, origin=origin) as socket:  # type: ignore[arg-type]
            yield Page(socket), host.key, lecture


async def test_the_server_keeps_the_run_locked_whatever_a_page_asks(tmp_path: Path) -> None:
    async with page_of(written(tmp_path, NATIVE), tmp_path) as (page, key, lecture):
        assert (await page.ask("enter", key=key))["ok"] is True
        assert "predict first" in (await page.ask("run"))["refused"]
        assert "no plausible answer" in (await page.ask("predict", question="held", given=1e9))["refused"]
        assert "unknown question" in (await page.ask("predict", question="<b>", given=1))["refused"]
        assert "before the run" in (await page.ask("observe", question="shape", given=[1, 2]))["refused"]
        assert "unknown request" in (await page.ask("begin"))["refused"]
        assert lecture.attempt.stage == "predict"
        assert not lecture.attempt.folder.exists()


async def test_a_page_without_the_key_is_told_nothing(tmp_path: Path) -> None:
    async with page_of(written(tmp_path), tmp_path) as (page, _, lecture):
        assert "may not control" in (await page.ask("enter", key="guessed"))["refused"]
        assert not lecture.pages


# --- measured ---


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


# --- in a browser ---


@asynccontextmanager
async def opened(engines: Engines, browser: str, url: str) -> AsyncIterator[Any]:
    """The page, which must not have complained when the test is over."""
    complaints: list[str] = []
    engine: Any = await engines.get(browser)
    async with engine.page("about:blank") as page:
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(url)
        yield page
        assert not complaints


async def kept(page: Any, count: int, where: str) -> None:
    await page.wait_for_function(
        "([where, count]) => document.querySelectorAll(`${where} .is-kept`).length === count", arg=[where, count]
    )


async def test_what_experiments_observe_can_be_read_when_they_are_over(engines: Engines, tmp_path: Path) -> None:
    async with lecturing(written(tmp_path, NATIVE), results=tmp_path / "results") as (host, lecture):
        for name, given in GIVEN.items():
            lecture.attempt.predict(name, given)
        figures = dict.fromkeys(lecture.lesson.values, Figure(3.0, 2.0, 4.0, unit="ms"))
        lecture.attempt.measured = Measured("made_up", 0, "", figures)
        said = [Progress(1, 3, "a trial"), *(Progress(n, 3, f"{n} <b>saw</b>", observed=True) for n in (2, 3))]
        lecture.attempt.progress = said
        async with opened(engines, "chromium", host.url) as page:
            await page.wait_for_selector("#see .body:not([hidden])")
            assert await page.locator("#run .sentences li").all_inner_texts() == ["2 <b>saw</b>", "3 <b>saw</b>"]


@pytest.mark.parametrize("browser", ["chromium", "firefox"])
async def test_a_lesson_from_prediction_to_confrontation(browser: str, engines: Engines, tmp_path: Path) -> None:
    one = written(tmp_path, NATIVE)
    async with (
        lecturing(one, results=tmp_path / "results") as (host, lecture),
        opened(engines, browser, host.url) as page,
    ):
        await page.wait_for_selector("main:not([hidden])")
        assert host.key not in page.url
        assert await page.inner_text("#story") == "Once <b>upon</b> a time."
        assert await page.locator("#run .body").is_hidden()
        assert "3 questions have no prediction yet" in await page.inner_text("#run .locked")

        await page.fill("#predict input[type=number]", "1000")
        await page.click("#predict form:nth-child(1) button.main")
        await page.wait_for_selector("#predict .status.wrong")
        assert "no plausible answer" in await page.inner_text("#predict .status.wrong")
        await page.evaluate("document.querySelector('#predict input').value = ''")  # Firefox is driven to add to it
        await page.fill("#predict input[type=number]", "3")
        await page.press("#predict input[type=number]", "Enter")
        await kept(page, 1, "#predict")

        await page.check("#predict input[type=radio] >> nth=1")
        await page.click("#predict form:nth-child(2) button.main")
        await kept(page, 2, "#predict")
        await in_order(page, ["socket", "stream", "held"])
        await page.click("#predict form:nth-child(3) button.main")
        await kept(page, 3, "#predict")
        assert lecture.attempt.predictions["order"].given == [0, 1, 2]

        await page.click("#go")
        await page.wait_for_selector("#see:not(.closed)", timeout=60_000)
        assert await page.locator("#confront .body").is_hidden()
        assert await page.locator("#run .dot").count() == 2
        for nth, value in enumerate(("3", "5")):
            await page.fill(f"#see input >> nth={nth}", value)
        await page.click("#see button.main")
        await page.wait_for_selector("#confront:not(.closed)")
        assert await page.locator("#confront .verdict").count() == 4
        assert await page.locator("#confront .verdict svg").count() == 4
        marks = [stand.mark for stand in claimed(one, lecture.attempt.measured)]  # type: ignore[arg-type]
        assert await page.locator("#explain .claims .badge").count() == len(marks)
        text = await page.inner_text("#explain .prose")
        assert lecture.attempt.measured.figures["held"].text in text  # type: ignore[union-attr]

        assert await page.locator("#noted").is_hidden()
        await page.click("#notes")
        await page.wait_for_selector("#noted:not([hidden])")
        assert "Where people go wrong" in await page.inner_text("#noted")

        await page.reload()  # it is where it was
        await page.wait_for_selector("#confront:not(.closed)")
        await page.click("#again")
        await page.wait_for_selector("#run.closed")
        assert lecture.attempt.stage == "predict"


async def in_order(page: Any, labels: list[str]) -> None:
    """Move items up by their buttons, with the keyboard, until they stand so."""
    await page.bring_to_front()  # keys are for the page that is looked at
    for at, label in enumerate(labels):
        while (now := await order(page)).index(label) > at:
            await page.get_by_role("button", name=f"{label}: further up").press("Enter")
            async with asyncio.timeout(10):
                while await order(page) == now:  # a browser that is driven may take a while
                    await asyncio.sleep(0.02)
    assert await order(page) == labels


async def order(page: Any) -> list[str]:
    shown: list[str] = await page.locator("#predict .ranks li span").all_inner_texts()
    return shown


async def test_a_curve_is_sketched_with_the_pointer_or_with_numbers(engines: Engines, tmp_path: Path) -> None:
    toml = NATIVE.replace("[[observation]]", "[[question]]", 1)
    toml += '\n[[observation]]\nname = "last"\nkind = "number"\nask = "?"\nanswer = "held"\nlow = 0\nhigh = 9\n'
    async with (
        lecturing(written(tmp_path, toml), results=tmp_path / "results") as (host, lecture),
        opened(engines, "chromium", host.url) as page,
    ):
        sheet = page.locator("#predict .sheet")
        await sheet.scroll_into_view_if_needed()
        box = await sheet.bounding_box()
        await page.mouse.click(box["x"] + box["width"] * 0.9, box["y"] + box["height"] * 0.45)
        await page.fill("#predict .points input >> nth=0", "7")
        await page.click("#predict form:nth-child(4) button.main")
        await kept(page, 1, "#predict")
        first, second = lecture.attempt.predictions["shape"].given  # type: ignore[misc]
        assert first == 7
        assert 30 < second < 70


def test_a_handout_has_questions_blanks_and_no_notes(tmp_path: Path) -> None:
    one = written(tmp_path)
    page = handout(one)
    for question in (*one.questions, *one.observations):
        assert question.ask in page
    assert "{" not in page.partition("</style>")[2]
    assert "____" in page
    assert "Where people go wrong" not in page
    assert "<script" not in page
    assert "http" not in page.partition("</style>")[0]
    assert "&lt;b&gt;upon" in page


@pytest.mark.slow
@pytest.mark.parametrize("name", [path.parent.name for path in sorted(LESSONS.glob("*/lesson.toml"))])
async def test_each_lesson_still_fits_what_is_measured(name: str, tmp_path: Path) -> None:
    said: list[str] = []
    wrong = await checking.check(shelf().only([name]), said.append, lambda _sentence: None, tmp_path)
    assert not wrong, "\n".join(said)


def test_the_notes_are_not_among_what_every_page_gets(tmp_path: Path) -> None:
    from lab.classroom.teaching.lecture import described  # noqa: PLC0415

    one = written(tmp_path)
    told = json.dumps(described(Lecture(one, tmp_path, {})))
    assert one.text[TEACHER] not in told
    assert "Where people go wrong" not in told
