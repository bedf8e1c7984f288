"""Sources: their schedules, traces and lines, on time, and what wrong input is told."""

import asyncio
import json
import math
import os
import re
import subprocess
import sys
import time
import zlib
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from itertools import islice, pairwise
from pathlib import Path
from random import Random
from statistics import mean
from typing import Any

import numpy as np
import psutil
import pytest
import uvloop
from quiet import others, undisturbed
from scipy.stats import expon, kstest
from waiting import until

from lab.clock import Alarm, now
from lab.errors import UserError
from lab.log import Log
from lab.sources import Source, files, parse, pump, record, schedules
from lab.sources.files import Tail
from lab.sources.lines import LONGEST_LINE, LineSplitter, split
from lab.sources.schedules import bursts, metronome, poisson, steady, texts

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]
loops = pytest.mark.parametrize("loop", LOOPS, ids=["asyncio", "uvloop"])
MS = 1_000_000
S = 1_000 * MS


async def collect(source: Source) -> list[tuple[int, Any]]:
    async with aclosing(source):
        return [event async for event in source]


def since_first(events: list[tuple[int, Any]]) -> list[int]:
    return [due - events[0][0] for due, _ in events]


# On time


def lateness(loop: Callable[[], asyncio.AbstractEventLoop]) -> np.ndarray[Any, Any]:
    """`at − due` in ms of 100 events, through the log."""

    async def run() -> list[float]:
        log = Log()
        await pump(parse("steady:rate=250,size=1000,count=100").events(spin=True), log)
        events = [json.loads(item.line) for item in log.since("")]
        assert len(events) == 100
        return [(event["at"] - event["due"]) / MS for event in events]

    with asyncio.Runner(loop_factory=loop) as runner:
        return np.array(runner.run(run()))


@pytest.mark.alone
@loops
def test_the_source_is_on_time(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """p50 within 0.05 ms, p99 within 0.5 ms: of the typical attempt among those in which the machine was quiet.

    Whatever the machine does: no event is early, and the median of the best attempt is within its bar, for a source
    that is late by its own fault is so each time.
    """
    attempts, quiet = list[tuple[float, float]](), list[tuple[float, float]]()
    while len(attempts) < 8 and len(quiet) < 3:
        calm = undisturbed()
        with others() as machine:
            late = lateness(loop)
        assert late.min() >= 0
        attempts.append((np.quantile(late, 0.5), np.quantile(late, 0.99)))
        quiet += attempts[-1:] if calm and machine.quiet and undisturbed() else []
    assert min(attempts)[0] <= 0.05
    if not quiet:
        pytest.skip(f"not judged but by the best median, {min(attempts)[0]:.3f} ms: others were at work all the time")
    p50, p99 = np.median(quiet, axis=0)
    assert p50 <= 0.05
    assert p99 <= 0.5


@pytest.mark.parametrize("spin", [True, False])
async def test_no_event_is_early(*, spin: bool) -> None:
    async with aclosing(parse("steady:rate=2000,count=40").events(spin=spin)) as source:
        assert all([now() >= due async for due, _ in source])


async def test_the_next_event_is_made_before_its_instant_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = 0
    made_when_waiting = []

    def counted(size: int, seed: int) -> Iterator[str]:
        nonlocal made
        for text in texts(size, seed):
            made += 1
            yield text

    class Noted(Alarm):
        async def until(self, due: int) -> None:
            made_when_waiting.append(made)
            await super().until(due)

    monkeypatch.setattr(schedules, "texts", counted)
    monkeypatch.setattr(schedules, "Alarm", Noted)
    await collect(parse("metronome:rate=1000,count=5").events())
    assert made_when_waiting == [1, 2, 3, 4, 5]


async def test_making_the_first_event_does_not_make_it_late(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def slow(size: int, seed: int) -> Iterator[str]:
        time.sleep(0.01)
        made.append(now())
        yield from texts(size, seed)

    monkeypatch.setattr(schedules, "texts", slow)
    ((due, _),) = await collect(parse("metronome:count=1").events())
    assert due >= made[0] + schedules.HEAD_START_NS


async def test_a_stall_moves_no_due_time_and_skips_nothing() -> None:
    arrived: list[tuple[int, int]] = []
    async with aclosing(parse("metronome:rate=100,count=40").events()) as source:
        async for due, _ in source:
            arrived.append((due, now()))
            if len(arrived) == 5:
                time.sleep(0.2)  # noqa: ASYNC251  # the stall
    assert since_first(arrived) == [n * 10 * MS for n in range(40)]
    stall_ended = arrived[5][1]
    missed = [at for due, at in arrived[5:] if due < stall_ended]
    assert len(missed) >= 19
    assert missed[-1] - missed[0] < 100 * MS  # at once, not 10 ms apart


async def test_slow_readers_are_not_waited_for() -> None:
    arrived: list[tuple[int, int]] = []
    async with aclosing(parse("metronome:rate=1000,count=30").events()) as source:
        async for due, _ in source:
            arrived.append((due, now()))
            await asyncio.sleep(0.002)
    assert since_first(arrived) == [n * MS for n in range(30)]


# Schedules


def offsets(kind: Callable[..., Iterator[int]], count: int, seed: int, *shape: float) -> list[int]:
    return list(islice(kind(Random(seed), *shape), count))


def test_steady_has_one_event_at_a_uniformly_random_instant_in_each_period() -> None:
    instants = np.array(offsets(steady, 5000, 7, 20))
    period = S / 20
    assert list(instants // period) == list(range(5000))
    assert kstest(instants % period / period, "uniform").pvalue > 0.01


def test_metronome_is_strictly_periodic() -> None:
    assert offsets(metronome, 1000, 7, 250) == [n * 4 * MS for n in range(1000)]
    thirds = offsets(metronome, 3001, 7, 3)
    assert thirds[3000] == 1000 * S  # no error adds up
    assert {later - earlier for earlier, later in pairwise(thirds)} == {S // 3, S // 3 + 1}


def test_poisson_has_exponential_gaps_at_its_rate() -> None:
    gaps = np.diff([0, *offsets(poisson, 5000, 7, 50)]) / S
    assert kstest(gaps, expon(scale=1 / 50).cdf).pvalue > 0.01
    assert 1 / mean(gaps) == pytest.approx(50, rel=4 / 5000**0.5)
    assert abs(np.corrcoef(gaps[1:], gaps[:-1])[0, 1]) < 4 / 5000**0.5


def test_bursts_are_due_all_at_one_instant_and_one_burst_per_period() -> None:
    instants = offsets(bursts, 500, 7, 2, 10)
    by_burst = [instants[n : n + 10] for n in range(0, 500, 10)]
    assert all(len(set(burst)) == 1 for burst in by_burst)
    assert [burst[0] // (S // 2) for burst in by_burst] == list(range(50))


@pytest.mark.parametrize("kind", [steady, poisson, lambda rng, rate: bursts(rng, rate, 3)])
def test_the_seed_decides_the_schedule(kind: Callable[..., Iterator[int]]) -> None:
    assert offsets(kind, 50, 7, 20) == offsets(kind, 50, 7, 20)
    assert offsets(kind, 50, 7, 20) != offsets(kind, 50, 8, 20)


@pytest.mark.parametrize("kind", ["steady", "metronome", "poisson", "bursts"])
async def test_a_source_plays_the_schedule_of_its_kind(kind: str) -> None:
    shape = (50_000.0, 3) if kind == "bursts" else (50_000.0,)
    spec = f"{kind}:rate=50000,seed=7," + ("count=3,seconds=0.002" if kind == "bursts" else "count=60")
    instants = offsets(getattr(schedules, kind), 60, 7, *shape)
    first, second = [await collect(parse(spec).events(spin=False)) for _ in range(2)]
    assert since_first(first)[:60] == [at - instants[0] for at in instants]
    assert since_first(first) == since_first(second)
    assert [data for _, data in first] == [data for _, data in second]


async def test_the_size_does_not_change_the_schedule() -> None:
    small, large = [
        since_first(await collect(parse(f"steady:rate=50000,count=20,size={size}").events())) for size in (50, 500)
    ]
    assert small == large


async def test_one_spec_starts_any_number_of_times() -> None:
    spec = parse("poisson:rate=50000,count=5")
    once, again = await collect(spec.events()), await collect(spec.events())
    assert since_first(once) == since_first(again)
    assert again[0][0] > once[0][0]


async def test_a_source_stops_after_its_seconds() -> None:
    assert len(await collect(parse("metronome:rate=1000,seconds=0.02").events())) == 20
    assert len(await collect(parse("bursts:rate=1000,count=7,seconds=0.005").events())) == 35


async def test_http_has_no_events_of_its_own() -> None:
    assert await collect(parse("http").events()) == []


# Data


@pytest.mark.parametrize("size", [2, 3, 10, 100, 16 << 10, 1 << 20])
def test_data_is_exactly_of_its_size(size: int) -> None:
    for text in islice(texts(size, 7), 20):
        assert len(json.dumps(text)) == len(json.dumps(text, ensure_ascii=False).encode()) == size


def test_events_differ_and_the_seed_decides_them() -> None:
    some = list(islice(texts(16, 7), 1000))
    assert len(set(some)) == 1000
    assert some == list(islice(texts(16, 7), 1000))
    assert some != list(islice(texts(16, 8), 1000))


def test_data_compresses_as_text_does() -> None:
    data = [text.encode() for text in islice(texts(16 << 10, 7), 20)]
    assert 0.3 < mean(len(zlib.compress(text)) / len(text) for text in data) < 0.5
    # Together they share words but no passages: none repeats what deflate still remembers of those before.
    assert len(zlib.compress(b"".join(data))) > 0.7 * sum(len(zlib.compress(text)) for text in data)


# Traces


def trace(path: Path, *lines: str | bytes) -> Path:
    path.write_bytes(b"".join((line if isinstance(line, bytes) else line.encode()) + b"\n" for line in lines))
    return path


@pytest.mark.parametrize(("options", "pace"), [("", 1), (",factor=2", 2), (",factor=0.5", 0.5)])
async def test_a_trace_is_replayed_at_its_own_pace_times_a_factor(tmp_path: Path, options: str, pace: float) -> None:
    lines = [
        '{"due":4000000,"data":{"a":1}}',
        '{"due":4000000,"data":null}',
        '{"data":"ä\\u2028","due":9000000}',
    ]
    began = now()
    events = await collect(parse(f"replay:{trace(tmp_path / 't.jsonl', *lines)}{options}").events())
    assert since_first(events) == [0, 0, 5 * MS / pace]
    assert [data for _, data in events] == [{"a": 1}, None, "ä\u2028"]
    assert events[0][0] - began >= 4 * MS / pace  # the silence before the first event is part of it


async def test_what_is_recorded_is_replayed(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    spec = parse("poisson:rate=2000,size=60,count=20,seed=3")
    assert await record(spec.events(), path) == 20
    original = await collect(spec.events())
    again = await collect(parse(f"replay:{path}").events())
    assert since_first(again) == since_first(original)
    assert [data for _, data in again] == [data for _, data in original]


async def test_a_recording_keeps_any_text_and_what_came_before_it_was_stopped(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    nasty = ["\u2028\0\r\n", "\ud800", "€", {"k": [1.5, True, None]}]

    async def source() -> AsyncGenerator[tuple[int, Any], None]:
        for data in nasty:
            yield now(), data
        await asyncio.Event().wait()

    recording = asyncio.create_task(record(source(), path))
    await until(lambda: path.exists() and path.read_bytes().count(b"\n") == 4)
    recording.cancel()
    await asyncio.wait([recording])
    assert [data for _, data in await collect(parse(f"replay:{path}").events())] == nasty


@pytest.mark.parametrize(("name", "wrong"), [("t.jsonl", "exists already"), ("no/t.jsonl", "No such file")])
async def test_nothing_is_recorded_where_it_would_be_lost(tmp_path: Path, name: str, wrong: str) -> None:
    kept = trace(tmp_path / "t.jsonl", "precious")
    with pytest.raises(UserError, match=f"{name} .*{wrong}"):
        await record(parse("steady:count=1").events(), tmp_path / name)
    assert kept.read_text() == "precious\n"


GOOD = '{"due":1,"data":1}'


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("{nonsense", "Expecting property name"),
        ("", "Expecting value"),
        ("[1,2]", '"due" and "data"'),
        ('{"due":7}', '"due" and "data"'),
        ('{"data":7}', '"due" and "data"'),
        ('{"due":-1,"data":1}', "whole ns"),
        ('{"due":5.5,"data":1}', "whole ns"),
        ('{"due":true,"data":1}', "whole ns"),
        ('{"due":"7","data":1}', "whole ns"),
        ('{"due":0,"data":1}', r"at least those of the line before \(1\)"),
        ('{"due":1000000000000000000,"data":1}', "whole ns"),
        ('{"due":7,"data":NaN}', "NaN is not JSON"),
        (b'{"due":7,"data":"\xff"}', "can't decode byte 0xff"),
        ('{"due":7,"data":' + "[" * 200_000, "recursion"),
        ('{"due":7,"data":"' + "x" * (2 << 20) + '"}', "a line may have 2097152 bytes"),
    ],
)
def test_a_malformed_trace_line_is_named_and_shown(tmp_path: Path, line: str | bytes, wrong: str) -> None:
    path = trace(tmp_path / "t.jsonl", GOOD, line, GOOD)
    with pytest.raises(UserError, match=f"line 2: .*{wrong}") as told:
        parse(f"replay:{path}")
    shown = line.decode(errors="replace") if isinstance(line, bytes) else line
    assert repr(shown[:80])[:-1] in str(told.value)
    assert len(str(told.value)) < 500


@pytest.mark.parametrize(("name", "wrong"), [("empty", "is empty"), ("none", "No such file"), (".", "not an ordinary")])
def test_a_file_that_is_no_trace_is_refused(tmp_path: Path, name: str, wrong: str) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(UserError, match=f"{name}.*{wrong}"):
        parse(f"replay:{tmp_path / name}")


# Lines


def split_lines(*chunks: bytes) -> list[str]:
    lines = LineSplitter()
    return [line for chunk in chunks for line in lines.feed(chunk)]


def test_lines_are_the_same_however_the_bytes_are_cut() -> None:
    data = "ä€😀\u2028one\r\n\n  two\rthree \0\n".encode()
    expected = ["ä€😀\u2028one", "", "  two\rthree \0"]
    for cut in range(len(data) + 1):
        assert split_lines(*filter(None, (data[:cut], data[cut:]))) == expected
    assert split_lines(*(bytes([byte]) for byte in data)) == expected


def test_an_unfinished_line_is_held_until_it_is_complete_or_its_text_ends() -> None:
    assert split_lines(b"whole\npart") == ["whole"]
    assert split_lines(b"whole\npart", b"ial", b"\n") == ["whole", "partial"]
    assert split_lines(b"whole\npart", b"", b"", b"next\n") == ["whole", "part", "next"]


def test_invalid_utf8_is_replaced() -> None:
    assert split_lines(b"a\xffb\xe2\x82\n") == ["a\ufffdb\ufffd"]


@pytest.mark.parametrize("end", [b"\n", b""])
@pytest.mark.parametrize("step", [1 << 16, 10 << 20])
@pytest.mark.parametrize("unit", ["x", "ä", "a€", "😀"])
def test_an_endless_line_comes_in_pieces_and_nothing_of_it_is_lost(unit: str, step: int, end: bytes) -> None:
    line = "-" + unit * (1_500_000 // len(unit.encode()))
    data = line.encode() + b"\n" * len(end)
    pieces = split_lines(*(data[at : at + step] for at in range(0, len(data), step)), *[end] * (not end))
    assert "".join(pieces) == line
    sizes = [len(piece.encode()) for piece in pieces]
    assert len(sizes) == 3
    assert max(sizes) <= LONGEST_LINE


async def test_the_log_takes_the_longest_line_of_the_worst_bytes() -> None:
    log = Log()
    for line in split_lines(b"\0" * LONGEST_LINE + b"\n" + b"\xff" * LONGEST_LINE + b"\n"):
        await log.append(line)
    assert log.last == 2


def drain(tail: Tail) -> list[bytes]:
    return list(iter(tail.read, None))


@pytest.fixture
def followed(tmp_path: Path) -> Any:
    """A file with one line, and its tail."""
    path = tmp_path / "app.log"
    path.write_bytes(b"old\n")
    tail = Tail(path, skip=True)
    yield path, tail
    tail.close()


Followed = tuple[Path, Tail]


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_a_tail_begins_at_the_end_and_reads_what_is_appended(followed: Followed) -> None:
    path, tail = followed
    assert drain(tail) == []
    append(path, b"one\ntw")
    assert drain(tail) == [b"one\ntw"]
    append(path, b"o\n")
    assert drain(tail) == [b"o\n"]


@pytest.mark.parametrize(
    ("content", "read"), [(b"", []), (b"a\nb\n", []), (b"a\nunfin", [b"unfin"]), (b"unfin", [b"unfin"])]
)
def test_a_tail_begins_with_an_unfinished_last_line(tmp_path: Path, content: bytes, read: list[bytes]) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(content)
    tail = Tail(path, skip=True)
    assert drain(tail) == read
    tail.close()


def test_a_tail_can_begin_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(b"x" * (files.CHUNK + 5))
    tail = Tail(path, skip=False)
    assert [len(chunk) for chunk in drain(tail)] == [files.CHUNK, 5]
    tail.close()


def test_a_tail_goes_on_after_truncation(followed: Followed) -> None:
    path, tail = followed
    append(path, b"cut o")
    assert drain(tail) == [b"cut o"]
    path.write_bytes(b"new\n")
    assert drain(tail) == [b"", b"new\n"]
    os.truncate(path, 0)
    assert drain(tail) == [b""]
    append(path, b"newer\n")
    assert drain(tail) == [b"newer\n"]


def test_a_tail_follows_the_name_through_rotation_and_loses_nothing(followed: Followed, tmp_path: Path) -> None:
    path, tail = followed
    with path.open("ab", buffering=0) as program:
        program.write(b"before\n")
        path.rename(tmp_path / "app.log.1")
        program.write(b"the name is gone\n")
        assert drain(tail) == [b"before\nthe name is gone\n"]
        path.touch()
        program.write(b"the new one is empty\n")
        assert drain(tail) == [b"the new one is empty\n"]
        program.write(b"last words")
    append(path, b"new\n")
    assert drain(tail) == [b"last words", b"", b"new\n"]


def test_a_tail_follows_a_file_that_is_removed_and_made_anew(followed: Followed) -> None:
    path, tail = followed
    for n in range(5):  # inode numbers are used again
        path.unlink()
        assert drain(tail) == []
        path.write_bytes(b"%d\n" % n)
        assert drain(tail) == [b"", b"%d\n" % n]


def test_a_tail_waits_for_a_file_and_reads_it_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "later" / "app.log"
    tail = Tail(path, skip=True)
    assert drain(tail) == []
    path.mkdir(parents=True)
    assert drain(tail) == []
    path.rmdir()
    path.write_bytes(b"first\n")
    assert drain(tail) == [b"first\n"]
    tail.close()


def test_a_tail_follows_a_link_that_is_set_to_another_file(tmp_path: Path) -> None:
    link = tmp_path / "current"
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(name.encode() + b"\n")
    link.symlink_to("a")
    tail = Tail(link, skip=False)
    assert drain(tail) == [b"a\n"]
    link.unlink()
    link.symlink_to("b")
    assert drain(tail) == [b"", b"b\n"]
    tail.close()


async def test_lines_of_a_real_file_arrive_through_everything_that_happens_to_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "POLL_S", 0.001)
    path = tmp_path / "app.log"
    log = Log()
    source = parse(f"lines:{path}").events()
    assert f"{path} does not exist yet" in caplog.text
    pumping = asyncio.create_task(pump(source, log))

    async def arrived(count: int) -> Any:
        await until(lambda: log.last >= count)
        event = json.loads(log.since("")[-1].line)
        assert event["due"] <= event["at"]
        return event["data"]

    began = now()
    append(path, "ä\npart".encode())
    assert await arrived(1) == "ä"
    append(path, b"ial\n")
    assert await arrived(2) == "partial"
    path.write_bytes(b"cut off\n")  # shorter than before
    assert await arrived(3) == "cut off"
    path.rename(tmp_path / "app.log.1")
    append(path, b"rotated\nunfinished")
    assert await arrived(4) == "rotated"
    path.unlink()
    append(path, b"recreated\n")
    assert await arrived(6) == "recreated"
    events = [json.loads(item.line) for item in log.since("")]
    assert [event["data"] for event in events][-2:] == ["unfinished", "recreated"]
    assert [event["due"] for event in events] == sorted(event["due"] for event in events)
    assert events[0]["due"] >= began
    pumping.cancel()
    await asyncio.wait([pumping])


@pytest.mark.parametrize(
    ("line", "limit"), [("short", "most=1000"), ("x" * 1000, "bytes=1000000"), ("é" * 500, "bytes=1e6")]
)
async def test_lines_that_are_written_at_once_come_no_faster_than_is_said(
    tmp_path: Path, line: str, limit: str
) -> None:
    path = trace(tmp_path / "app.log", *[line] * 300)
    events = await collect(parse(f"lines:{path},from=start,count=300,{limit}").events())
    dues = [due for due, _ in events]
    assert [data for _, data in events] == [line] * 300, "nothing is lost"
    assert dues == sorted(dues)
    assert dues[-1] - dues[0] >= 190_000_000, "a tenth of a second may come at once"
    assert all(later - one >= 95_000_000 for one, later in zip(dues, dues[200:], strict=False))


@pytest.mark.parametrize(("lines", "least"), [([f"line {n}" for n in range(1000)], 900), (["x" * 6 * files.CHUNK], 5)])
async def test_a_whole_file_is_read_from_its_start_without_shutting_out_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str], least: int
) -> None:
    monkeypatch.setattr("lab.clock.TURN_NS", -1)
    path = trace(tmp_path / "app.log", *lines)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.create_task(others())
    events = await collect(parse(f"lines:{path},from=start,count={len(lines)}").events())
    counting.cancel()
    assert [data for _, data in events] == lines
    assert turns >= least


@loops
@pytest.mark.parametrize("kind", ["pipe", "file"])
def test_standard_input_is_read_to_its_end(
    loop: Callable[[], asyncio.AbstractEventLoop], kind: str, tmp_path: Path
) -> None:
    data = b"".join(b"line %d\n" % n for n in range(20_000)) + b"no newline"

    async def lines(fd: int) -> list[str]:
        writing = asyncio.create_task(asyncio.to_thread(write)) if kind == "pipe" else None
        events = await collect(split(files.piped(fd)))
        if writing:
            await writing
        return [line for _, line in events]

    if kind == "pipe":
        reading, written = os.pipe()

        def write() -> None:
            with open(written, "wb") as pipe:  # noqa: PTH123  # a descriptor
                pipe.write(data)

    else:
        (tmp_path / "in").write_bytes(data)
        reading = os.open(tmp_path / "in", os.O_RDONLY)
    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(lines(reading)) == data.decode().split("\n")
    os.close(reading)


STDIN = """
import asyncio, sys
from pathlib import Path
from lab.errors import UserError
from lab.sources import parse, record
try:
    print(asyncio.run(record(parse("lines:-").events(), Path(sys.argv[1]))))
except UserError as error:
    print(error)
"""


@pytest.mark.parametrize(("redirect", "said"), [("", "2"), ("</dev/null", "0"), ("<&-", "source 'lines:-': .* closed")])
def test_lines_of_a_program_s_standard_input(tmp_path: Path, redirect: str, said: str) -> None:
    result = subprocess.run(
        ["sh", "-c", f'"$@" {redirect}', "sh", sys.executable, "-c", STDIN, tmp_path / "t.jsonl"],
        input=b"one\ntwo",
        capture_output=True,
        check=True,
    )
    assert re.fullmatch(said, result.stdout.decode().strip())


@pytest.mark.parametrize("spec", ["steady:rate=0.001", "replay:{trace}", "lines:{file}", "lines:{file},count=9"])
async def test_a_cancelled_source_leaves_nothing_open(tmp_path: Path, spec: str) -> None:
    (tmp_path / "file").touch()
    later = trace(tmp_path / "trace", '{"due":100000000000000000,"data":0}')
    source = parse(spec.format(trace=later, file=tmp_path / "file"))
    before = psutil.Process().num_fds()
    pumping = asyncio.create_task(pump(source.events(), Log()))
    await until(lambda: psutil.Process().num_fds() == before + 1)
    pumping.cancel()
    await asyncio.wait([pumping])
    assert psutil.Process().num_fds() == before


# What wrong specifications are told


KINDS = "steady, metronome, poisson, bursts, replay, lines, http"


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("", f"'' is no kind of source; known: {KINDS}"),
        ("stedy:rate=1", f"'stedy' is no kind of source; known: {KINDS}"),
        ("Steady", f"'Steady' is no kind of source; known: {KINDS}"),
        ("steady:rat=1", "'rat' is no key of steady; known: rate, size, seed, count, seconds"),
        ("metronome:factor=1", "'factor' is no key of metronome; known: rate, size, seed, count, seconds"),
        ("lines:-,rate=1", "'rate' is no key of lines; known: from, most, bytes, count"),
        ("http:rate=1", "'rate' is no key of http; known: none"),
        ("steady:of=1", "'of' is no key of steady"),
        ("steady:rate=1,", "'' is no key of steady"),
        ("steady:rate", "'rate' is wrong: each key is given once, as rate=VALUE"),
        ("steady:rate=1,rate=2", "'rate=2' is wrong: each key is given once, as rate=VALUE"),
        ("steady:rate=", "rate must be a number from 0.001 to 100000, not ''"),
        ("steady:rate=0", "rate must be a number from 0.001 to 100000, not '0'"),
        ("steady:rate=-5", "rate must be a number from 0.001 to 100000, not '-5'"),
        ("steady:rate=nan", "rate must be a number from 0.001 to 100000, not 'nan'"),
        ("steady:rate=inf", "rate must be a number from 0.001 to 100000, not 'inf'"),
        ("steady:rate=1e-300", "rate must be a number from 0.001 to 100000, not '1e-300'"),
        ("steady:rate=100001", "rate must be a number from 0.001 to 100000, not '100001'"),
        ("steady:rate=fast", "rate must be a number from 0.001 to 100000, not 'fast'"),
        ("poisson:size=1", "size must be a whole number from 2 to 1048576, not '1'"),
        ("poisson:size=1048577", "size must be a whole number from 2 to 1048576, not '1048577'"),
        ("poisson:size=10.5", "size must be a whole number from 2 to 1048576, not '10.5'"),
        ("steady:seed=x", "seed must be a whole number from 0 to 9007199254740992, not 'x'"),
        ("steady:count=0", "count must be a whole number from 1 to 1000000000, not '0'"),
        ("steady:seconds=0", "seconds must be a number from 0.001 to 1000000000, not '0'"),
        ("bursts:count=10001", "count must be a whole number from 1 to 10000, not '10001'"),
        ("replay", "replay needs a file: replay:FILE"),
        ("replay:factor=2", "replay needs a file: replay:FILE"),
        ("replay:x,factor=0", "factor must be a number from 0.001 to 1000, not '0'"),
        ("lines", "lines needs a file: lines:FILE"),
        ("lines:,from=end", "lines needs a file: lines:FILE"),
        ("lines:a\0b", "lines needs a file: lines:FILE"),
        ("lines:-,from=middle", "from must be end or start, not 'middle'"),
        ("lines:/dev/null", "/dev/null is not an ordinary file; a pipe or device is read with lines:-"),
        ("lines:/dev/null/x", "/dev/null/x can't be read: Not a directory"),
    ],
)
def test_a_wrong_specification_is_named_with_what_would_be_right(spec: str, told: str) -> None:
    with pytest.raises(UserError, match=re.escape(told)) as error:
        parse(spec)
    assert str(error.value).startswith(f"source {spec!r}: ")


def test_a_long_wrong_value_is_not_repeated_in_full() -> None:
    with pytest.raises(UserError) as error:
        parse("steady:rate=" + "9" * 10_000)
    assert len(str(error.value)) < 300


def test_options_have_defaults() -> None:
    spec = parse("steady")
    assert (spec.text, spec.kind) == ("steady", "steady")
    assert spec.options == {"rate": 20, "size": 100, "seed": 0, "count": None, "seconds": float("inf")}
    assert parse("lines:-").options == {"from": "end", "most": math.inf, "bytes": math.inf, "count": None, "of": None}
