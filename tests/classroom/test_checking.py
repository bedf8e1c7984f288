"""`pushlab lesson check`: whether what a lesson explains still fits what is measured."""

from pathlib import Path
from typing import Any

import pytest
from made_up_lessons import from_run, only, written
from made_up_runs import made

from lab.classroom.teaching import checking
from lab.classroom.teaching.lesson import LESSONS, shelf
from lab.classroom.teaching.measured import Measured


def test_what_does_not_fit_any_more_is_said_with_what_was_measured(tmp_path: Path) -> None:
    one = written(tmp_path)
    found = from_run(one, made({"websocket": 0.6, "sse": 0.6, "long_polling": 0.7}))
    (bad,) = checking.failures(one, found)
    assert bad.startswith("lesson 'made_up': 'times' is 1.")
    assert bad.endswith("it is said to be above 2 and below inf")
    assert any(line.startswith("  fails: It takes 1.") for line in checking.report(one, found))


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


@pytest.mark.slow
@pytest.mark.parametrize("name", [path.parent.name for path in sorted(LESSONS.glob("*/lesson.toml"))])
async def test_each_lesson_still_fits_what_is_measured(name: str, tmp_path: Path) -> None:
    said: list[str] = []
    wrong = await checking.check(shelf().only([name]), said.append, lambda _sentence: None, tmp_path)
    assert not wrong, "\n".join(said)
