"""What a run leaves behind: read back as it was written, and what is damaged is told and left out."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.runs import (
    FORMAT,
    Cell,
    Run,
    Trial,
    by_cell,
    point_latest,
    read_trials,
    write_trial,
    write_whole,
)
from lab.errors import UserError

CELL = Cell("sse", None, "chromium", "steady")
TRIAL = Trial(
    CELL,
    3,
    "measured",
    began=10,
    ended=90,
    navigated=1,
    opened=[5, 40],
    lost=[(30, "silent for 37.5 s")],
    gaps=[{"epoch": 7, "from": 1, "to": None, "why": "restart"}],
    bound_ms=0.015,
    sent=[(7, 1, 11, 12), (7, 2, 21, 22), (8, 1, 31, 33)],
    written=[(7, 1, 13), (7, 2, 23)],
    arrived=[(7, 2, 25), (7, 1, 26), (7, 1, 27), (9, 9, 28)],
    stamps={"rtt_ms": 0.007, "reason": ""},
    wire={"down": {"payload": 100}},
    cost={"memory": "anonymous"},
)
RUN = Run(
    plan="quick",
    seed=7,
    started="2026-11-23T14:00:00+00:00",
    settings={"budget": None},
    machine={"cores": 2, "processor": "é"},
    versions={"python": "3.11"},
)


def kept(folder: Path, trial: Trial = TRIAL) -> Path:
    """The file of a trial that was written there."""
    before = set((folder / "trials").glob("*"))
    write_trial(folder, trial)
    (path,) = set((folder / "trials").glob("*")) - before
    return path


# Trials


def test_a_trial_is_read_back_as_it_was(tmp_path: Path) -> None:
    kept(tmp_path)
    assert read_trials(tmp_path) == ([TRIAL], [])


@pytest.mark.parametrize(
    "why", ["two\nlines", "\u2028 \u2029 \u0085 \x0b \x0c \x1c", "é 漢 😀", '"quoted" \\ \r\n', ""]
)
def test_whatever_a_reason_says_it_stays_one_line(why: str, tmp_path: Path) -> None:
    trial = replace(TRIAL, state="failed", reason=why, lost=[(1, why)])
    kept(tmp_path, trial)
    assert read_trials(tmp_path) == ([trial], [])


def test_a_trial_without_events_is_a_trial(tmp_path: Path) -> None:
    trial = Trial(CELL, 1, "failed", "did not open")
    kept(tmp_path, trial)
    assert read_trials(tmp_path) == ([trial], [])


def test_what_became_of_each_event_that_was_sent() -> None:
    assert [(sample.epoch, sample.id, sample.received) for sample in TRIAL.samples] == [
        (7, 1, [26, 27]),
        (7, 2, [25]),
        (8, 1, []),
    ]


def test_each_trial_has_a_file_of_its_own_and_they_come_in_the_order_of_rounds(tmp_path: Path) -> None:
    cells = [CELL, replace(CELL, variant="native"), replace(CELL, engine="firefox"), replace(CELL, link="relay")]
    trials = [replace(TRIAL, cell=cell, round=number) for number in (10, 2, 1) for cell in cells]
    for trial in trials:
        kept(tmp_path, trial)
    read, complaints = read_trials(tmp_path)
    assert complaints == []
    assert [trial.round for trial in read] == sorted(trial.round for trial in trials)
    assert {(trial.cell, trial.round) for trial in read} == {(trial.cell, trial.round) for trial in trials}
    grouped = by_cell(read)
    assert set(grouped) == set(cells)
    assert [trial.round for trial in grouped[CELL]] == [1, 2, 10]


def test_the_name_of_a_cell_is_that_of_its_transport_and_variant() -> None:
    assert CELL.name == "sse chromium steady direct"
    assert replace(CELL, variant="native").name == "sse:native chromium steady direct"


def test_a_folder_without_trials_has_none(tmp_path: Path) -> None:
    assert read_trials(tmp_path) == ([], [])


def test_a_trial_of_before_writes_were_stamped_is_read(tmp_path: Path) -> None:
    path = kept(tmp_path)
    head, *rows = [json.loads(text) for text in path.read_text().splitlines()]
    rows = [row for row in rows if "written" not in row]
    del head["stamps"]
    head["lines"] = len(rows)
    path.write_text("".join(json.dumps(row) + "\n" for row in (head, *rows)))
    assert read_trials(tmp_path) == ([replace(TRIAL, written=[], stamps={})], [])


# Damage


def cut_in_the_last_line(text: str) -> str:
    return text[:-5]


def cut_between_two_lines(text: str) -> str:
    return text[: text.rindex("\n", 0, -1) + 1]


def cut_after_the_head(text: str) -> str:
    return text[: text.index("\n") + 1]


def cut_to_nothing(_text: str) -> str:
    return ""


def overwritten(text: str) -> str:
    return text.replace('{"sent":[7,1', '{"sent":[7,,1', 1)


def of_another_kind(_text: str) -> str:
    return "[1]\n"


def without_a_head(text: str) -> str:
    return text[text.index("\n") + 1 :]


def with_more_in_its_head(text: str) -> str:
    return '{"novelty":1,' + text[1:]


@pytest.mark.parametrize(
    "damage",
    [
        cut_in_the_last_line,
        cut_between_two_lines,
        cut_after_the_head,
        cut_to_nothing,
        overwritten,
        of_another_kind,
        without_a_head,
        with_more_in_its_head,
    ],
)
def test_a_damaged_file_is_named_and_left_out_and_the_others_are_read(
    damage: Callable[[str], str], tmp_path: Path
) -> None:
    """Cut off between two lines, the rest would look as if events had been lost."""
    path, other = kept(tmp_path), replace(TRIAL, round=4)
    kept(tmp_path, other)
    path.write_text(damage(path.read_text()))
    trials, (complaint,) = read_trials(tmp_path)
    assert trials == [other]
    assert complaint.startswith(f"trials/{path.name} is damaged and was left out: ")
    assert "\n" not in complaint


def test_bytes_that_are_no_text_are_damage_too(tmp_path: Path) -> None:
    path = kept(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"silent", b"\xff\xfe"))
    trials, complaints = read_trials(tmp_path)
    assert (trials, len(complaints)) == ([], 1)


def test_what_a_crash_left_half_written_is_no_trial(tmp_path: Path) -> None:
    path = kept(tmp_path)
    path.rename(path.with_name(path.name + ".partial"))
    assert read_trials(tmp_path) == ([], [])


# The head of the run


def test_a_run_is_read_back_as_it_was(tmp_path: Path) -> None:
    run = replace(RUN, cells=[{"cell": {"transport": "sse"}, "state": "measured"}], ended="complete", seconds=1.5)
    run.save(tmp_path)
    assert Run.load(tmp_path) == run


def test_a_folder_that_holds_no_run_is_told_so(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UserError, match=rf"^{folder} holds no run: run.json can't be read \(No such file"):
            Run.load(folder)


@pytest.mark.parametrize("version", [FORMAT + 1, 0, "1", None])
def test_another_format_is_refused_by_its_version(version: Any, tmp_path: Path) -> None:
    replace(RUN, format=version).save(tmp_path)
    with pytest.raises(UserError) as refused:
        Run.load(tmp_path)
    assert str(refused.value) == (
        f"{tmp_path / 'run.json'} is of format {version!r}; this pushlab reads format {FORMAT}"
    )


@pytest.mark.parametrize("text", ["", "{", '{"format": 1', "\ufeff{}", f'{{"format": {FORMAT}}}', "\xff"])
def test_a_damaged_head_is_told_so(text: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(text, encoding="latin-1" if text == "\xff" else "utf-8")
    with pytest.raises(UserError, match=rf"^{tmp_path / 'run.json'} is damaged: "):
        Run.load(tmp_path)


@pytest.mark.parametrize("text", ["[]", "null", "{}", '"run"'])
def test_what_is_no_run_has_no_format(text: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(UserError, match="is of format None"):
        Run.load(tmp_path)


# Files


def test_a_file_is_there_as_a_whole_or_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_whole(path, "old")

    def crash(self: Path, _text: str, **_: Any) -> int:
        with self.open("w") as file:
            file.write("ne")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", crash)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, "new")
    assert path.read_text() == "old"
    monkeypatch.undo()
    write_whole(path, "new é")
    assert path.read_text(encoding="utf-8") == "new é"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_latest_leads_to_the_newest(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        point_latest(tmp_path / name)
        assert (tmp_path / "latest").resolve() == tmp_path / name
    assert (tmp_path / "latest").readlink() == Path("two"), "the folder may be moved with all that is in it"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["latest", "one", "two"]


def test_a_trial_is_readable_by_anyone(tmp_path: Path) -> None:
    """As docs/results.md says: the head, then a line for each event, each write and each arrival."""
    head, *rows = map(json.loads, kept(tmp_path).read_text().splitlines())
    assert head["cell"]["transport"] == "sse"
    assert head["lines"] == len(rows) == 9
    assert rows[0] == {"sent": [7, 1, 11, 12]}
    assert rows[-1] == {"arrived": [9, 9, 28]}
