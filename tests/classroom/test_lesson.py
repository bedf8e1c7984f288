"""How a lesson is written: every one can be read, gives nothing away, and a mistake in it is one sentence."""

import shutil
from pathlib import Path

import pytest
from commands import Pushlab
from made_up_lessons import MARKDOWN, TOML, written
from made_up_runs import cell

from lab import link as links
from lab.classroom.teaching.lesson import shelf
from lab.errors import UserError

BLOCK, EXPERIMENT = "[[run.block]]", "[[run.experiment]]\nid = '{}'\nsubjects = ['sse']\n{}[[run.block]]"


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


def test_a_broken_lesson_has_its_reason_and_keeps_nobody_from_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pushlab: Pushlab
) -> None:
    shelves = tmp_path / "shelf"
    shelves.mkdir()
    written(shelves)
    for name, spoilt in [("no_toml", b""), ("no_text", b"\xff"), ("a-name", b"title = 1")]:
        (shelves / name).mkdir()
        (shelves / name / "lesson.md").write_bytes(spoilt)
    shutil.copy(shelves / "made_up" / "lesson.toml", shelves / "no_text")
    (shelves / "__pycache__").mkdir()
    found = shelf(shelves)
    assert list(found.lessons) == ["made_up"]
    assert found.broken == {
        "a-name": "lesson 'a-name' has no good name; it must be lower-case letters, digits and underscores",
        "no_text": "lesson 'no_text': its files must be UTF-8, and byte 0 of one is not",
        "no_toml": "lesson 'no_toml': lesson.toml can't be read: No such file or directory",
    }
    with pytest.raises(UserError, match="its files must be UTF-8"):
        found.lesson("no_text")
    monkeypatch.setattr("lab.classroom.teaching.lesson.shelf", lambda: found)
    assert "broken: lesson.toml can't be read" in " ".join(pushlab("lesson", "list").out.split())
    checked = pushlab("lesson", "check", "no_toml")
    assert checked.code == 1
    assert "broken: lesson 'no_toml': lesson.toml can't be read" in checked.out


def test_a_cell_may_be_named_by_the_name_of_its_link(tmp_path: Path) -> None:
    block = 'links = { far = "relay:delay=50ms" }\n\n[[run.block]]\nlinks = ["direct", "far"]'
    toml = TOML.replace("[[run.block]]", block).replace('"sse", measure', '"sse far", measure')
    for name in ("websocket", "long_polling"):
        toml = toml.replace(f'"{name}", measure', f'"{name} direct", measure')
    way = written(tmp_path, toml).ways[0]
    assert way.cell("sse far") == cell("sse", link=links.parse("relay:delay=50ms").text)
    assert way.cell("sse direct chromium") == cell("sse")


def test_an_unknown_lesson_is_told_with_those_that_there_are() -> None:
    with pytest.raises(UserError, match="unknown lesson 'alchemy': there are"):
        shelf().lesson("alchemy")
