"""The command: what bad input gets, and that what runs until Ctrl-C ends well."""

import asyncio
import errno
import io
import json
import os
import re
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, chdir, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from commands import PUSHLAB, Pushlab, Running, Said, running
from conftest import SUBJECTS
from rich.console import Console

from benchmarks import doctor, engines, ground, outcome, progress, runs, session
from benchmarks.behaviours.sweep import Sweep
from benchmarks.measure import Bench, Progress
from lab import live, terminal
from lab.cli import listed, main, seconds
from lab.errors import UserError
from lab.link.proxy import Program
from lab.server import listen
from lab.sources import read_trace


@asynccontextmanager
async def serving(*options: str, port: int = 0) -> AsyncIterator[tuple[Running, str]]:
    """`pushlab serve`, and its address."""
    async with running("serve", "--port", str(port), *options) as served:
        address = await served.says(r"open at (\S+)")
        yield served, address[1]


def free_port() -> int:
    """The first of as many free ports in a row as a server takes."""
    for port in range(20_000, 60_000, live.PORTS):
        with suppress(UserError):
            for one in listen(port=port, count=live.PORTS):
                one.close()
            return port
    raise AssertionError("no free ports")


# Bad input


PLAN = 'engines = ["native"]\nscenarios = ["steady"]\nrounds = 1\n'


@pytest.fixture
def files(tmp_path: Path) -> None:
    """What the mistakes below are about."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").touch()
    (tmp_path / "file").touch()
    (tmp_path / "typo.toml").write_text(f"[[block]]\n{PLAN}secnarios = []\n")
    (tmp_path / "bad.jsonl").write_text('{"due":0,"data":1}\n{"due":"soon"}\n')
    (tmp_path / "newer").mkdir()
    (tmp_path / "newer" / "run.json").write_text('{"format": 99}')


BAD: Iterable[tuple[str, str, str]] = [
    # command, the value that is named, what is right
    ("bench --transport sse,carrier_pigeon", "'carrier_pigeon'", "long_polling"),
    ("bench --transport sse --transport nope", "'nope'", "websocket"),
    ("bench --transport=", "''", "websocket"),
    ("bench --engine netscape", "'netscape'", "chromium"),
    ("bench --scenario sunny", "'sunny'", "steady"),
    ("bench --plan ninepins", "'ninepins'", "quick"),
    ("bench --plan typo.toml", "'secnarios'", "scenarios"),
    ("bench --plan file", "'file'", "block"),
    ("bench --budget soon", "'soon'", "90s"),
    ("bench --budget 0s", "'0s'", "above 0"),
    ("bench --rounds 0", "'0'", "from 1 to 1000"),
    ("bench --rounds many", "'many'", "whole number"),
    ("bench --seed x", "'x'", "whole number"),
    ("bench --out full", "'full'", "or is empty"),
    ("bench --out file", "'file'", "or is empty"),
    ("bench --resume nowhere", "nowhere", "run.json"),
    ("bench --resume full --seed 3", "'full'", "no other option"),
    ("behaviours P99", "'P99'", "P16"),
    ("behaviours P16 --transport pigeon", "'pigeon'", "websocket"),
    ("behaviours P16 --engine netscape", "'netscape'", "chromium"),
    ("behaviours P16 --out full", "'full'", "or is empty"),
    ("behaviours P16 --out file", "'file'", "folder"),
    ("behaviours --lnog", "--lnog", "pushlab behaviours --help"),
    ("bench --out file/in --plan smoke --engine native", "file/in", "Not a directory"),
    ("report nowhere", "nowhere", "run.json"),
    ("compare full full/../full", "'full'", "the same run"),
    ("report newer", "99", "format 1"),
    ("serve --source steadily", "'steadily'", "steady"),
    ("serve --source steady:rate=fast", "'fast'", "number"),
    ("serve --source replay:bad.jsonl", "line 2", '"data"'),
    ("serve --port 70000", "'70000'", "65528"),
    ("serve --host 203.0.113.1", "203.0.113.1", "--host"),
    ("record --source http new.jsonl", "'http'", "server"),
    ("record --source steady:count=1 bad.jsonl", "bad.jsonl", "another name"),
    ("record --source steady:count=1 no/where.jsonl", "no/where.jsonl", "written"),
    ("listen carrier_pigeon", "'carrier_pigeon'", "websocket"),
    ("listen sse:native", "'sse:native'", "does not claim native"),
    ("listen sse localhost:8000", "'localhost:8000'", "http://127.0.0.1:8000"),
    ("listen sse http://[::1", "'http://[::1'", "http://127.0.0.1:8000"),
    ("listen sse --cursor yesterday", "'yesterday'", "<epoch>-<id>"),
    ("listen", "'transport'", "pushlab listen --help"),
    ("sevre", "'sevre'", "pushlab --help"),
    ("serve --prot 1", "--prot", "--port"),
]


@pytest.mark.parametrize(("command", "value", "right"), BAD, ids=[command for command, _, _ in BAD])
@pytest.mark.usefixtures("files")
def test_a_mistake_is_answered_in_one_sentence(
    command: str, value: str, right: str, pushlab: Pushlab, tmp_path: Path
) -> None:
    before = sorted(tmp_path.rglob("*"))
    said = pushlab(*command.split(" "))
    assert said.code == 2
    assert said.out == ""
    assert said.err.startswith("pushlab: ")
    assert said.err.count("\n") == 1
    assert value in said.err
    assert right in said.err
    assert sorted(tmp_path.rglob("*")) == before


def test_no_browser_is_said_before_anything_begins(
    pushlab: Pushlab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "found", lambda: dict(engines.ADVICE))
    said = pushlab("bench", "--plan", "quick")
    assert said.code == 2
    assert said.err == f"pushlab: {engines.ADVICE['chromium']}; {engines.ADVICE['firefox']}\n"
    assert list(tmp_path.iterdir()) == []


def test_a_busy_port_leaves_nothing_half_started(pushlab: Pushlab) -> None:
    with listen()[0] as taken:
        said = pushlab("serve", "--port", str(taken.getsockname()[1] - live.PORTS + 1))
    assert said.code == 2
    assert re.fullmatch(r"pushlab: can't listen on 127\.0\.0\.1 port \d+: .* in use; .* --port\n", said.err)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
async def test_results_that_nobody_has_room_for_are_no_reason_for_a_traceback() -> None:
    with Path("/dev/full").open("w") as full:  # noqa: ASYNC230  (nothing else runs)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PUSHLAB, "transports", stdout=full, stderr=asyncio.subprocess.PIPE
        )
    assert (await process.communicate())[1] == b"pushlab: No space left on device\n"
    assert process.returncode == 2


def test_a_full_disk_is_named_even_by_one_of_several_tasks(
    pushlab: Pushlab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, text: str, **_: Any) -> None:
        path.touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # as writing does: it names no file

    async def observing(self: Sweep) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.to_thread(runs.write_whole, tmp_path / "out" / "seen.json", "{}"))

    (tmp_path / "out").mkdir()
    monkeypatch.setattr(Path, "write_text", refuse)
    monkeypatch.setattr(Sweep, "run", observing)
    said = pushlab("behaviours", "P16", "--transport", "sse", "--engine", "native", "--out", "out")
    assert said.code == 2
    assert said.err.splitlines()[-1] == f"pushlab: {tmp_path}/out/seen.json: No space left on device"
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("text", "value"), [("90", 90), ("90s", 90), ("2m", 120), ("1.5m", 90), ("1h", 3600), (" 5 s", None), ("", None)]
)
def test_durations(text: str, value: float | None) -> None:
    if value is not None:
        assert seconds(text, "--budget") == value
    else:
        with pytest.raises(UserError, match="--budget is"):
            seconds(text, "--budget")


def test_lists_may_be_repeated_and_have_commas() -> None:
    assert listed(["sse,websocket", " long_polling"]) == ["sse", "websocket", "long_polling"]
    assert listed(None) == []


# What says something about pushlab


def test_help_and_version(pushlab: Pushlab) -> None:
    assert re.fullmatch(r"pushlab \d+\.\d+\.\d+\S*\n", pushlab("--version").out)
    for arguments in ([], ["--help"], ["bench", "-h"], ["lesson", "--help"]):
        said = pushlab(*arguments)
        assert said.code == 0
        assert "Usage: pushlab" in said.out


def test_transports_are_shown_with_their_variants(pushlab: Pushlab) -> None:
    said = pushlab("transports")
    rows = said.out.splitlines()[1:]
    assert [row.split()[0] for row in rows if not row.startswith(" ")] == list(SUBJECTS)


def test_a_transport_that_lacks_a_package_is_shown_as_not_available(
    pushlab: Pushlab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "semaphore"
    folder.mkdir()
    (folder / "__init__.py").write_text("import flags_and_towers\n")
    monkeypatch.setenv("PUSHLAB_TRANSPORTS", str(folder))
    shown = {row["name"]: row for row in json.loads(pushlab("transports", "--json").out)}
    assert shown["semaphore"]["available"] is False
    assert shown["semaphore"]["reason"] == "the Python package 'flags_and_towers' is not installed"
    assert shown["sse"]["engines"] == ["chromium", "firefox", "native", "webkit"]
    assert re.search(r"semaphore +no +because the Python package", pushlab("transports").out)
    assert pushlab("listen", "semaphore").err == (
        "pushlab: transport 'semaphore' is unavailable: the Python package 'flags_and_towers' is not installed\n"
    )


@pytest.mark.parametrize(
    ("code", "mistake"),
    [
        ("from lab import About\nabout = About(title='X'\n", r"'\(' was never closed \(.*__init__\.py, line 2\)"),
        ("from lab import About\nabout = About(title='X')\n", r"TypeError: .* 'wire'.* \(.*__init__\.py, line 2\)"),
        ("import re\nre.compile('(')\n", r"(re\.)?\w*[eE]rror: .* \(.*__init__\.py, line 2\)"),
    ],
)
def test_a_mistake_in_a_transport_is_named_with_its_line(
    code: str, mistake: str, pushlab: Pushlab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "semaphore"
    folder.mkdir()
    (folder / "__init__.py").write_text(code)
    monkeypatch.setenv("PUSHLAB_TRANSPORTS", str(folder))
    said = pushlab("transports")
    assert (said.code, said.out) == (2, "")
    assert re.fullmatch(rf"pushlab: transport 'semaphore' can't be loaded: {mistake}\n", said.err), said.err


def test_doctor_says_what_is_there_and_why_the_rest_is_not(pushlab: Pushlab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "found", lambda: dict(engines.ADVICE))
    monkeypatch.setattr(doctor, "TRIED", "steady:rate=200,seconds=0.1")
    monkeypatch.setattr(Program, "path", None)
    said = pushlab("doctor")
    assert said.code == 1  # no browser at all
    for line in (
        r"pushlab +ok +\d.*Python",
        r"source +(ok|in doubt, because) +events are late by \d\.\d+ ms at p50, \d+\.\d+ ms at p99 of 20\b",
        r"chromium +not there, because +no Chromium here: install .*",
        r"native +ok .* clock to ±0\.001 ms.*",
        r"net +(ok +emulated by .*|in doubt, because +emulated by .*|not there, because +link .* is unavailable: .*)",
        r"sse +ok +Server-Sent Events",
        r"proxy:nginx +not there, because +nginx is not installed: apt-get install nginx, or make systems",
    ):
        assert re.search(f"^{line}", said.out, re.MULTILINE), said.out


async def test_a_reader_that_goes_away_is_no_reason_for_a_traceback() -> None:
    async with running("transports") as process:
        process.out._transport.close()  # type: ignore[attr-defined]  # as `| head -0` does
        assert await process.process.wait() == 1
        assert await process.err.read() == b""


# Serving, listening, recording


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_serve_ends_its_readers_and_itself(number: signal.Signals) -> None:
    async with (
        serving() as (served, url),
        aiohttp.ClientSession() as session,
        session.get(f"{url}/transports/sse/events?cursor=now") as stream,
    ):
        await stream.content.readuntil(b"\n\n")
        said = await served.ended(number)
        assert b"data" in await stream.content.read()  # ended, not cut
    assert said == Said(0, "", said.err)
    assert "Traceback" not in said.err


async def test_events_by_http_need_the_token_that_was_printed() -> None:
    async with serving("--source", "http") as (served, url), aiohttp.ClientSession() as session:
        said = await served.says(r"POST (\S+) .*«Authorization: (.+)»")
        async with session.post(said[1], json="hello") as refused:
            assert refused.status == 401
        async with session.post(said[1], json="hello", headers={"Authorization": said[2]}) as taken:
            assert taken.status == 201
        async with session.get(f"{url}/transports/short_polling/events") as answer:
            assert json.loads(await answer.text())["data"] == "hello"


async def test_an_open_door_answers_by_every_name_of_the_machine() -> None:
    async with serving("--host", "0.0.0.0") as (served, url), aiohttp.ClientSession() as session:
        assert url.startswith("http://127.0.0.1:")
        also = (await served.says(r"also reached as (http://localhost:\d+)"))[1]
        friends = {"Origin": also}
        async with session.get(f"{url}/transports/short_polling/events", headers=friends) as answer:
            assert answer.headers["access-control-allow-origin"] == also
        async with session.get(url, headers={"Host": "evil.example"}) as answer:
            assert answer.status == 400


async def test_names_of_an_ipv6_server() -> None:
    with listen("::1")[0] as one:
        assert live.names("::1", one) == ["[::1]", "localhost"]


async def test_listen_prints_what_comes_and_tells_what_befalls_it() -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    async with running("listen", "sse", url) as listener:
        await listener.says("lost: .*; trying again")
        async with serving("--source", "steady:rate=100,size=30", port=port) as (served, _):
            await listener.says(f"listening to Server-Sent Events at {url}")
            first = await listener.says(r"^(\d+)", listener.out)
            second = await listener.says(r"^(\d+)", listener.out)
            assert int(second[1]) == int(first[1]) + 1
            await served.ended(signal.SIGTERM)
        await listener.says("lost: .*; trying again")
        async with serving("--source", "steady:rate=100,size=30", port=port):
            await listener.says("listening to")
            await listener.says("gap: the log began anew")
            said = await listener.ended(signal.SIGINT)
    assert said.code == 130
    assert "Traceback" not in said.err


async def test_serve_goes_on_when_its_source_has_ended_and_listen_prints_whole_lines() -> None:
    async with serving("--source", "steady:count=3,rate=1000") as (served, url):
        await served.says("the source steady:count=3,rate=1000 has ended; the server goes on")
        async with running("listen", "websocket", url, "--json", "--cursor", "") as listener:
            lines = [json.loads(await listener.out.readline()) for _ in range(3)]
            assert [line["id"] for line in lines] == [1, 2, 3]


async def test_listen_to_something_else() -> None:
    async def other(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nHello\n")
        writer.close()

    async with await asyncio.start_server(other, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with running("listen", "short_polling", url) as listener:
            said = await listener.ended()
    assert said.code == 2
    assert f"pushlab: what answers at {url} is no pushlab server" in said.err


def test_what_is_recorded_can_be_replayed(pushlab: Pushlab) -> None:
    assert pushlab("record", "--source", "poisson:rate=500,count=20", "first.jsonl").err == (
        "first.jsonl holds 20 events\n"
    )
    assert pushlab("record", "--source", "replay:first.jsonl", "second.jsonl").code == 0
    first, second = (read_trace(Path(name)) for name in ("first.jsonl", "second.jsonl"))
    assert [data for _, data in first] == [data for _, data in second]


async def test_what_was_recorded_until_ctrl_c_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "trace.jsonl"
    async with running("record", "--source", "lines:-", str(file), stdin=asyncio.subprocess.PIPE) as process:
        assert process.process.stdin
        process.process.stdin.write(b"one\ntwo\n")
        async with asyncio.timeout(5):
            while not file.exists() or file.read_bytes().count(b"\n") < 2:
                await asyncio.sleep(0.01)
        said = await process.ended(signal.SIGINT)
    assert said == Said(130, "", f"{file} holds 2 events\n")
    assert [data for _, data in read_trace(file)] == ["one", "two"]


# Measuring and reporting


ONCE = ("bench", "--plan", "smoke", "--engine", "native", "--transport", "sse")
FILES = {"report.html", "report.md", "run.json", "summary.csv", "summary.json", "trials"}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a cell was measured, and another could not be."""
    folder = tmp_path_factory.mktemp("bench")
    with (
        chdir(folder),
        Path("out").open("w") as out,
        Path("err").open("w") as err,
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.raises(SystemExit) as ended,
    ):
        main([*ONCE, "--transport", "sse:native", "--seed", "7"])
    assert ended.value.code == 0
    return folder


def test_bench_ends_by_naming_the_report(results: Path) -> None:
    *_, last = (results / "out").read_text().splitlines()
    page = results / last
    assert page.name == "report.html"
    assert re.fullmatch(r"\d{8}-\d{6}-smoke", page.parent.name)
    assert {path.name for path in page.parent.iterdir()} == FILES
    assert (results / "results" / "latest").resolve() == page.parent.resolve()
    summary = json.loads((page.parent / "summary.json").read_text())
    assert summary["seed"] == 7
    assert {cell["state"] for cell in summary["cells"]} == {"measured", "unsupported"}


def test_bench_says_what_it_does_in_plain_lines(results: Path) -> None:
    first, second = (results / "err").read_text().splitlines()
    assert re.fullmatch(r"plan smoke, seed 7: 2 cells, .*; results in results/\S+", first)
    assert second == "trial 1 of 1: sse in native, steady, round 1"
    table = (results / "out").read_text()
    assert [line.rstrip() for line in table.splitlines()[:2]] == [
        "latency in ms, from when an event was due",
        "native, steady, direct",
    ]
    assert re.search(r"^sse +\d[\d.]* +– +\d[\d.]* +0 +1$", table, re.MULTILINE)
    assert "sse:native in native, steady, direct: unsupported, because" in table


def test_report_is_made_again_from_what_is_readable(results: Path, pushlab: Pushlab) -> None:
    run = (results / "results" / "latest").resolve()
    summary = (run / "summary.json").read_text()
    kept = {path: path.read_text() for path in (run / "trials").iterdir()}
    for path in run.iterdir():
        if path.name not in ("run.json", "trials"):
            path.unlink()
    assert pushlab("report", str(run), "--charts", "charts") == Said(0, f"{run}/report.html\n", "")
    assert {path.suffix for path in Path("charts").iterdir()} == {".svg", ".png"}
    assert (run / "summary.json").read_text() == summary
    assert {path.name for path in run.iterdir()} == FILES

    damaged = min(kept)
    damaged.write_text(kept[damaged][:-20])
    said = pushlab("report", str(run))
    damaged.write_text(kept[damaged])
    assert said.code == 0
    assert re.fullmatch(rf"trials/{damaged.name} is damaged and was left out: .*\n", said.err)
    assert json.loads((run / "summary.json").read_text())["cells"][0]["trials"] == 0


@pytest.fixture
def blank_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing charts takes two seconds; the tests above do it."""
    monkeypatch.setattr(outcome.web, "page", lambda *_: "<!doctype html>")


@pytest.mark.usefixtures("blank_page")
def test_a_cell_that_fails_is_reported_and_the_exit_code_says_so(
    pushlab: Pushlab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "dud"
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "from fastapi import APIRouter\n"
        "from lab import About\n"
        "about = About(title='Dud', year=2000, wire='nothing', spec='none')\n"
        "def routes(log, options): return APIRouter()\n"
    )
    (folder / "client.py").write_text(
        "from lab import Lost\nasync def events(base, cursor, options):\n    raise Lost('a dud')\n    yield ''\n"
    )
    monkeypatch.setenv("PUSHLAB_TRANSPORTS", str(folder))
    monkeypatch.setattr(ground, "OPENING", 0.2)
    said = pushlab("bench", "--plan", "smoke", "--engine", "native", "--transport", "dud", "--out", "out")
    assert said.code == 1
    assert "dud in native, steady, direct: failed, because did not open within 0.2 s: a dud" in said.out
    assert said.out.splitlines()[-1] == "out/report.html"
    assert not Path("latest").exists()


def test_a_mistake_in_a_transports_routes_is_what_the_bench_says(
    pushlab: Pushlab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything begins: its server would not start, and have no cells of others either."""
    folder = tmp_path / "semaphore"
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "from lab import About\n"
        "about = About(title='Semaphore', year=1792, wire='flags', spec='none')\n"
        "def routes(log, options): return APIRouter()\n"
    )
    (folder / "client.py").touch()
    monkeypatch.setenv("PUSHLAB_TRANSPORTS", str(folder))
    said = pushlab("bench", "--plan", "smoke", "--engine", "native", "--transport", "semaphore,sse", "--out", "out")
    mistake = f"NameError: name 'APIRouter' is not defined ({folder}/__init__.py, line 3)"
    assert said == Said(2, "", f"pushlab: transport 'semaphore' can't make its routes: {mistake}\n")
    assert not Path("out").exists()


@pytest.mark.usefixtures("blank_page")
def test_ctrl_c_keeps_and_reports_what_was_finished(pushlab: Pushlab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "described", lambda trial: signal.raise_signal(signal.SIGINT) or trial.cell.name)
    said = pushlab(*ONCE, "--rounds", "50", "--out", "out")
    assert said.code == 130
    assert said.err.splitlines()[-1] == "interrupted: what was finished is kept and reported, trials: 1"
    assert said.out.splitlines()[-1] == "out/report.html"
    assert json.loads(Path("out/run.json").read_text())["ended"] == "interrupted"
    assert [cell["trials"] for cell in json.loads(Path("out/summary.json").read_text())["cells"]] == [1]


@pytest.mark.usefixtures("blank_page")
def test_a_budget_that_was_too_small_is_named_in_the_end(pushlab: Pushlab) -> None:
    said = pushlab(*ONCE, "--rounds", "50", "--budget", "1.5s", "--out", "out")
    assert said.err.splitlines()[-1].startswith("The run ended when the budget of 1.5 s was spent")
    assert said.code == (1 if "its turn never came" in said.out else 0)


def test_ctrl_c_does_not_reach_the_browsers() -> None:
    async def session() -> int:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=asyncio.subprocess.PIPE)
        found = os.getsid(process.pid)
        await process.communicate(b"\n")
        return found

    assert terminal.run(session()) != os.getsid(0)


def test_resume_goes_on_with_what_there_is(results: Path, pushlab: Pushlab, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree((results / "results" / "latest").resolve(), "stopped")
    head = Path("stopped", "run.json")
    head.write_text(head.read_text().replace('"ended": "complete"', '"ended": "interrupted"'))
    resumed: list[Bench] = []
    monkeypatch.setattr(session, "perform", lambda bench: resumed.append(bench) or 0)
    assert pushlab("bench", "--resume", "stopped") == Said(0, "", "")
    assert [(bench.folder, bench.seed, len(bench.kept)) for bench in resumed] == [(Path("stopped"), 7, 1)]


def test_plain_lines_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    trial = runs.Trial(runs.Cell("sse", "native", "firefox", "steady"), 3, "failed", "because")
    monkeypatch.setenv("CI", "true")
    with progress.shown(Console(file=written, force_terminal=True, width=20)) as tell:
        for done in range(1, 401):
            tell(Progress(trial, done, 400))
    told = "sse:native in firefox, steady, round 3 failed: because"
    assert written.getvalue().splitlines() == [f"trial 1 of 400: {told}", f"trial 400 of 400: {told}"]


@pytest.mark.parametrize("width", [8, 30, 200])
def test_the_progress_bar_fits_any_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)  # there, lines are better than a bar
    drawn = io.StringIO()
    trial = runs.Trial(runs.Cell("sse", None, "chromium", "steady"), 1, "measured")
    with progress.shown(Console(file=drawn, force_terminal=True, width=width)) as tell:
        for done in (1, 2):
            tell(Progress(trial, done, 2))
    assert "\n\n" not in drawn.getvalue()
    assert "2/2" in drawn.getvalue() or width < 20
