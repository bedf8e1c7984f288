"""What is left of a class: an ordinary run, nothing secret, no name where none belongs, and all of it after a crash."""

import asyncio
import json
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from classmates import Device, a_class, board, device, line, measured, refusal, told
from commands import running

from benchmarks.outcome import Outcome
from benchmarks.runs import Trial, read_trials
from lab.classroom.class_ import school
from lab.classroom.class_.saved import JOURNAL
from lab.classroom.class_.school import Held
from lab.classroom.host import Place

TRANSPORTS = ("sse", "long_polling")
DEVICES = 6
IPHONE = {"User-Agent": "Mozilla/5.0 (iPhone) AppleWebKit/605"}
NAME = "Ada Lovelace"


@dataclass
class Ended:
    """A class that is over, with its report, and what the teacher had seen."""

    folder: Path
    result: dict[str, Any]
    csv: str
    points: list[Any]
    secrets: list[str]
    trials: list[Trial]
    outcome: Outcome


@pytest.fixture(scope="module")
async def ended(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """Six devices and one of an engine that was never tested, each through both transports; then a vote."""
    folder = tmp_path_factory.mktemp("class")
    async with a_class(folder, *TRANSPORTS) as held, board(held) as teacher, AsyncExitStack() as stack:
        devices = [await stack.enter_async_context(device(held, NAME, measures=True)) for _ in range(DEVICES)]
        devices.append(await stack.enter_async_context(device(held, measures=True, **IPHONE)))
        assert [one.you["tested"] for one in devices] == [True] * DEVICES + [False]
        result = await measured(teacher, turns=2)
        csv, points = await teacher.ask("csv"), await teacher.ask("points", number=2)
        await teacher.ask("ask", text="Which?", options=["a", "b"])
        await told(devices, bool)
        await devices[0].vote(0)
        secrets = [held.host.key, held.session.door.code, *(one.key for one in devices)]
    trials, complaints = read_trials(folder)
    assert complaints == []
    outcome = Outcome.of(folder)
    outcome.write()
    return Ended(folder, result, csv, points, secrets, trials, outcome)


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_class_is_an_ordinary_run(ended: Ended) -> None:
    assert len(ended.trials) == 2 * (DEVICES + 1)
    assert {trial.state for trial in ended.trials} == {"measured"}
    assert {trial.cell.scenario for trial in ended.trials} == {"class"}
    assert {trial.cell.link for trial in ended.trials} == {"direct"}
    assert {trial.cell.engine for trial in ended.trials} == {"firefox", "webkit"}
    assert len({trial.round for trial in ended.trials}) == DEVICES + 1
    assert not ended.outcome.failed
    assert "firefox, class, direct" in (ended.folder / "report.html").read_text("utf-8")
    pairs = [row for row in ended.outcome.summary["differences"] if row["rounds"] == DEVICES]
    assert {frozenset({row["a"].split()[0], row["b"].split()[0]}) for row in pairs} == {frozenset(TRANSPORTS)}


def test_the_result_counts_each_device_once_for_each_transport(ended: Ended) -> None:
    assert {row["name"]: row["devices"] for row in ended.result["rows"]} == dict.fromkeys(TRANSPORTS, DEVICES + 1)
    assert all(row["lost"] == 0 and row["sent"] == (DEVICES + 1) * 20 for row in ended.result["rows"])
    (pair,) = ended.result["pairs"]
    assert pair["rounds"] == DEVICES + 1
    assert len(ended.csv.splitlines()) == 1 + 2 * (DEVICES + 1)
    assert len(ended.points) == (DEVICES + 1) * 20


def test_an_engine_that_was_never_tested_is_called_so(ended: Ended) -> None:
    engines = json.loads((ended.folder / "run.json").read_text("utf-8"))["engines"]
    assert "never tested" in engines["webkit"]["version"]
    assert "never tested" not in engines["firefox"]["version"]


def test_no_key_and_no_code_is_in_any_file(ended: Ended) -> None:
    kept = files(ended.folder)
    assert {path.name for path in kept} >= {JOURNAL, "run.json", "report.html"}
    for path, data in kept.items():
        assert not [secret for secret in ended.secrets if secret.encode() in data], path


def test_names_are_in_the_journal_only(ended: Ended) -> None:
    assert [path.name for path, data in files(ended.folder).items() if NAME.encode() in data] == [JOURNAL]
    assert NAME not in ended.csv


async def test_no_key_and_no_code_is_said(
    own: Held, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    async with board(own) as teacher, device(own) as student:
        await refusal(teacher.ask("nonsense", key=own.host.key))
        await refusal(student.line.ask("nonsense", key=student.key, code=own.session.door.code))
    out, err = capfd.readouterr()
    for secret in (own.host.key, own.session.door.code, student.key):
        assert secret not in out + err + caplog.text


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[Held]:
    """A class with a folder of its own, `tmp_path`."""
    async with a_class(tmp_path, *TRANSPORTS) as open_:
        yield open_


async def test_a_crash_loses_no_vote_and_no_seat(own: Held, tmp_path: Path) -> None:
    after = tmp_path / "after"
    after.mkdir()
    async with board(own) as teacher, device(own, "Ada") as student:
        await teacher.ask("ask", text="Which?", options=["a", "b"])
        await told([student], bool)
        await student.vote(1)
        shutil.copy(tmp_path / JOURNAL, after / JOURNAL)  # as it is on the disk when the vote was acknowledged
        with (after / JOURNAL).open("ab") as file:
            file.write(b'{"is":"vote","question":1,"rou')
        key, transport = student.key, student.you["transport"]["name"]
    async with a_class(after, *TRANSPORTS) as again, line(again.host.origins[0], "/class/seat") as one:
        returned = await Device.joined(one, key=key)
        assert returned.you["name"] == "Ada"
        assert returned.you["transport"]["name"] == transport
        assert returned.you["question"]["votes"] == {"before": 1, "after": None}
        assert again.session.door.code != own.session.door.code
        assert again.host.key != own.host.key


async def test_what_the_teacher_does_meanwhile_is_noted_and_kept_apart(own: Held, tmp_path: Path) -> None:
    async with board(own) as teacher, device(own, measures=True), device(own, measures=True):
        await teacher.ask("measure", source="steady:rate=20,size=100", seconds=2.0, turns=1)
        await teacher.until(lambda told: (told["state"]["measuring"] or {}).get("phase") == "play")
        await asyncio.sleep(0.3)
        assert await teacher.ask("cut", transport=TRANSPORTS[0]) == 1
        await teacher.until(lambda told: told["state"]["measuring"] is None, 30)
        await teacher.ask("lay", transport=TRANSPORTS[1], condition="300 ms")
        found = await measured(teacher)
        assert found["links"] == {TRANSPORTS[0]: "direct", TRANSPORTS[1]: "relay:delay=300ms"}
        slow = next(row for row in found["rows"] if row["name"] == TRANSPORTS[1])
        assert slow["p50"]["value"] > 300
    trials, _ = read_trials(tmp_path)
    struck = [trial for trial in trials if trial.fault]
    assert [trial.cell.transport for trial in struck] == [TRANSPORTS[0]]
    assert "cut" in struck[0].fault["what"]
    slowed = [trial for trial in trials if trial.cell.link == "relay:delay=300ms"]
    assert {trial.cell.scenario for trial in slowed} == {"class-2"}
    assert Outcome.of(tmp_path).write().exists()


@asynccontextmanager
async def stored(folder: Path) -> AsyncIterator[Any]:
    async with school.shown(Place(), folder) as (host, _), line(host.origins[0], "/class/board") as one:
        await one.ask("enter", key=host.key)
        yield one


async def test_a_stored_class_is_shown_and_changed_by_nobody(ended: Ended) -> None:
    before = files(ended.folder)
    async with stored(ended.folder) as one:
        await one.until(lambda told: "result" in told)
        assert one.told["state"]["stored"]
        assert one.told["state"]["question"]["before"]["counts"] == [1, 0]
        assert one.told["result"]["result"] == ended.result
        assert await one.ask("points", number=2) == ended.points
        assert await one.ask("csv") == ended.csv
        for name in ("measure", "ask", "cut", "end", "remove"):
            assert "unknown request" in await refusal(one.ask(name))
    assert files(ended.folder) == before


async def test_a_class_is_held_ended_gone_on_with_and_shown_by_the_command(tmp_path: Path) -> None:
    folder = tmp_path / "class"
    said = await command("--port", "0", "--out", str(folder))
    assert "/lab/classroom/board.html#" in said[0]
    assert "only this machine can join" in said[2]
    first = json.loads((folder / JOURNAL).read_text("utf-8").splitlines()[0])
    said = await command("--resume", str(folder))
    assert f":{first['port']}/" in said[0]
    assert "to look at" in (await command("--replay", str(folder)))[0]


async def command(*arguments: str) -> list[str]:
    """What `pushlab class` says until it is ended by Ctrl-C, and after it."""
    async with running("class", "--no-browser", *arguments) as process:
        said = [(await process.says(".*"))[0]]
        while "Ctrl-C ends it" not in said[-1]:
            said.append((await process.says(".*"))[0])
        ended = await process.ended(signal.SIGINT, within=30)
    assert ended.code == 0, (said, ended.err)
    return [*said, *ended.err.splitlines()]
