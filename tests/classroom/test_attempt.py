"""An attempt at a lesson: no run without a prediction, and every step is kept."""

import json
from pathlib import Path
from typing import Any

import pytest
from made_up_lessons import GIVEN, NATIVE, from_run, written
from made_up_runs import made

from lab.classroom.teaching import attempt as attempts
from lab.classroom.teaching.attempt import Attempt, Steps
from lab.classroom.teaching.lecture import state
from lab.classroom.teaching.measured import Measured
from lab.errors import UserError


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
