"""The server: its ports, how it ends, what a slow reader costs it; and the process of its own, told what to do."""

import asyncio
import json
import os
import re
import signal
import socket
import time
import weakref
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import SUBJECTS, Engines, claims, running_lab
from fastapi import APIRouter, FastAPI
from waiting import until

from lab.errors import UserError
from lab.log import BATCH, Event, Log
from lab.process import ServerProcess, read_ledger, server_process
from lab.server import SEND_BUFFER, listen, origin, serving

NATIVE = sorted(name for name, one in SUBJECTS.items() if claims(one, "native"))
STREAMS = {
    "/transports/sse/events": "",
    "/transports/fetch_streaming/events": "",
    "/transports/websocket/events": "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
}


# Ports


def free_row(count: int) -> int:
    """The first of so many ports in a row that nobody has."""
    for _ in range(50):
        with listen()[0] as probe:
            first: int = probe.getsockname()[1]
        with suppress(UserError):
            for one in listen(port=first, count=count):
                one.close()
            return first
    pytest.fail(f"there are no {count} free ports in a row")


def test_a_busy_port_is_named_and_nothing_else_is_kept() -> None:
    first = free_row(2)
    with listen(port=first + 1)[0]:
        for port, count in ((first + 1, 1), (first, 2)):
            sentence = rf"can't listen on 127\.0\.0\.1 port {first + 1}: .*; choose another with"
            with pytest.raises(UserError, match=sentence):
                listen(port=port, count=count)
        with listen(port=first)[0] as free_again:
            assert free_again.getsockname()[1] == first


@pytest.mark.parametrize(("host", "port"), [("192.0.2.1", 0), ("127.0.0.1", 65536)])
def test_where_nobody_can_listen_gets_a_sentence(host: str, port: int) -> None:
    with pytest.raises(UserError, match=f"can't listen on {host} port {port}: "):
        listen(host, port)


def test_ports_are_in_a_row_from_the_first_one_on() -> None:
    first = free_row(3)
    sockets = listen(port=first, count=3)
    assert [one.getsockname()[1] for one in sockets] == [first, first + 1, first + 2]
    for one in sockets:
        one.close()


def test_free_ports_are_all_different() -> None:
    sockets = listen(count=4)
    assert len({origin(one) for one in sockets}) == 4
    for one in sockets:
        one.close()


async def test_small_writes_are_sent_at_once() -> None:
    """Nagle's algorithm would hold each event back until the one before it was acknowledged."""
    async with running_lab() as lab, by_hand(lab.port, "/transports/sse/events"):
        (connection,) = lab.server.server_state.connections
        raw: socket.socket = connection.transport.get_extra_info("socket")
        assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert raw.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 2 * SEND_BUFFER


# Its end


async def test_servers_leave_ctrl_c_to_whoever_has_it() -> None:
    """Those that overlap, too, and end in the order in which they began."""
    before = signal.getsignal(signal.SIGINT)
    async with AsyncExitStack() as later, serving(FastAPI(), Log(), listen()):
        await later.enter_async_context(serving(FastAPI(), Log(), listen()))
        assert signal.getsignal(signal.SIGINT) is before
    assert signal.getsignal(signal.SIGINT) is before


async def test_an_application_that_does_not_start_is_no_server() -> None:
    @asynccontextmanager
    async def broken(_: FastAPI) -> AsyncIterator[None]:
        raise OSError("its own port is taken")
        yield

    (listening,) = listen()
    with pytest.raises(UserError, match="the server could not start"):
        async with serving(FastAPI(lifespan=broken), Log(), [listening]):
            pytest.fail("this would be no server")
    assert listening.fileno() == -1, "the port is still taken"


async def test_what_a_transport_needs_beside_its_routes_is_there_and_then_gone() -> None:
    """Own processes or ports start with the router, and end with the server."""
    seen: list[str] = []

    @asynccontextmanager
    async def own(_: Any) -> AsyncIterator[None]:
        seen.append("begun")
        yield
        seen.append("ended")

    app = FastAPI()
    app.include_router(APIRouter(lifespan=own))
    async with serving(app, Log(), listen()):
        assert seen == ["begun"]
    assert seen == ["begun", "ended"]


async def test_stopping_is_quick_however_many_are_reading(engines: Engines) -> None:
    engine = await engines.get("native")
    async with AsyncExitStack() as stack:
        async with running_lab() as doomed:
            readers = [
                await stack.enter_async_context(engine.reading(SUBJECTS[name], doomed.origin, {}, "now"))
                for name in NATIVE
                if not SUBJECTS[name].options.server
            ]
            assert all([await reader.opened(5) for reader in readers])
            began = time.monotonic()
        assert time.monotonic() - began < 1.5
        assert doomed.log.readers == 0


async def test_a_cut_ends_every_connection_and_says_how_many() -> None:
    async with running_lab() as lab, AsyncExitStack() as stack:
        readers = [(await stack.enter_async_context(by_hand(lab.port, path)))[0] for path in STREAMS]
        await until(lambda: lab.log.waiting == len(STREAMS))
        assert lab.server.cut() == len(STREAMS)
        for reader in readers:
            with suppress(ConnectionError):
                said = await reader.read()
                assert not said.endswith((b"0\r\n\r\n", b"\x03\xe9the log has ended")), "a cut says no word"
        await until(lambda: not lab.log.readers)
        assert lab.server.cut() == 0


@asynccontextmanager
async def by_hand(port: int, path: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection that follows a stream from now on; its response has begun, and nothing is read of its own accord."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 16)
    writer.write(f"GET {path}?cursor=now HTTP/1.1\r\nHost: 127.0.0.1\r\n{STREAMS[path]}\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with suppress(ConnectionError):
            await writer.wait_closed()


# Slow readers


@pytest.mark.parametrize("path", STREAMS)
async def test_a_reader_that_reads_nothing_falls_behind_and_costs_no_memory(path: str) -> None:
    """40 MB pass it by. The server keeps what its log retains, a batch and a frame of them, and says so in the end."""
    size, number, retained = 40_000, 1000, 100
    async with running_lab() as lab, by_hand(lab.port, path) as (reader, _):
        lab.log._count = retained
        await until(lambda: lab.log.waiting == 1)
        events: weakref.WeakSet[Event] = weakref.WeakSet()
        for _ in range(number):
            events.add(await lab.log.append("x" * size))
            await asyncio.sleep(0)
        (connection,) = lab.server.server_state.connections
        assert (lab.log.readers, lab.log.waiting) == (1, 0), "it is still connected, and has not read everything"
        assert connection.transport.get_write_buffer_size() < 2 * size
        assert len(events) <= retained + BATCH + 20  # and the few that are kept as frames
        read, missed = await everything(reader, number)
        assert missed, "it never fell behind what the log retains"
        assert sorted(read + missed) == list(range(1, number + 1))
        assert read == sorted(read)


async def everything(reader: asyncio.StreamReader, last: int) -> tuple[list[int], list[int]]:
    """The ids of the events that are still to be read, and of those in gaps."""
    read: list[int] = []
    missed: list[int] = []
    rest = b""
    async with asyncio.timeout(10):
        while last not in read:
            rest += await reader.read(1 << 20)
            *whole, rest = rest.split(b"}")
            for text in whole:
                if event := re.search(rb'"id":(\d+),"due"', text):
                    read.append(int(event[1]))
                elif gap := re.search(rb'"from":(\d+),"to":(\d+)', text):
                    missed.extend(range(int(gap[1]), int(gap[2]) + 1))
    return read, missed


async def test_a_reader_that_reads_nothing_does_not_keep_the_server_from_ending(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with AsyncExitStack() as stack:
        async with running_lab() as doomed:
            for path in STREAMS:
                await stack.enter_async_context(by_hand(doomed.port, path))
            await until(lambda: doomed.log.waiting == len(STREAMS))
            for _ in range(300):
                await doomed.log.append("x" * 40_000)
                await asyncio.sleep(0)
            assert (doomed.log.readers, doomed.log.waiting) == (len(STREAMS), 0)
            began = time.monotonic()
        assert time.monotonic() - began < 2
        await until(lambda: not doomed.log.readers)
        assert not caplog.records


# A process of its own


@pytest.fixture(scope="module")
async def process() -> AsyncIterator[ServerProcess]:
    async with server_process(["sse", "long_polling"], ports=2, settings={"heartbeat": 1}) as server:
        yield server


async def get(server: ServerProcess, path: str) -> bytes:
    reader, writer = await asyncio.open_connection(*server.origins[0].removeprefix("http://").split(":"))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.partition(b"\r\n\r\n")[2]


async def test_it_offers_what_was_asked_for_on_ports_of_its_own(process: ServerProcess) -> None:
    assert len(set(process.origins)) == 2
    listed = json.loads(await get(process, "/lab/transports.json"))
    assert set(listed["transports"]) == {"long_polling", "sse"}
    assert listed["origins"] == process.origins
    assert listed["settings"]["heartbeat"] == 1


async def test_a_source_plays_to_its_end_and_the_ledger_knows_all_of_it(process: ServerProcess) -> None:
    _, start = read_ledger(process.ledger)
    await process.play("metronome:rate=200,size=30,seconds=0.1", spin=False)
    entries, end = read_ledger(process.ledger, start)
    assert len(entries) == 20
    first = entries[0].id
    assert [entry.id for entry in entries] == list(range(first, first + 20))
    assert all(entry.due <= entry.at for entry in entries)
    gaps = {later.due - earlier.due for earlier, later in pairwise(entries)}
    assert gaps == {5_000_000}
    lines = (await get(process, f"/transports/long_polling/events?cursor={entries[0].epoch}-{first - 1}")).splitlines()
    told = [(event["epoch"], event["id"], event["due"], event["at"]) for event in map(json.loads, lines)]
    assert told == [(entry.epoch, entry.id, entry.due, entry.at) for entry in entries]
    assert [len(line) for line in lines] == [entry.size for entry in entries]
    assert read_ledger(process.ledger, end) == ([], end)


async def test_what_is_wrong_with_a_request_is_told_and_the_next_one_is_answered(process: ServerProcess) -> None:
    with pytest.raises(UserError, match="nonsense"):
        await process.play("nonsense:rate=1")
    epoch, id_ = await process.ask("append", data={"é": "\ud83d"})
    await process.ask("restart")
    assert await process.ask("append", data=1) == [epoch + 1, 1]
    assert id_ >= 1


async def test_a_source_that_fails_says_why(process: ServerProcess, tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    trace.write_text('{"due": 0, "data": 1}\nnonsense\n')
    with pytest.raises(UserError, match="nonsense"):
        await process.play(f"replay:{trace}")
    with pytest.raises(UserError, match="No such file"):
        await process.play(f"replay:{tmp_path / 'nowhere'}")
    await process.play("metronome:rate=100,count=1")


async def test_a_source_that_was_stopped_has_not_ended(process: ServerProcess) -> None:
    """Else whoever waits for the end of the next one would be told of that of the last one."""
    await process.ask("play", source="metronome:rate=100", spin=False)
    await process.ask("stop")
    _, start = read_ledger(process.ledger)
    await process.play("metronome:rate=100,count=3", spin=False)
    assert len(read_ledger(process.ledger, start)[0]) == 3


async def test_requests_are_answered_in_their_order(process: ServerProcess) -> None:
    answers = await asyncio.gather(*(process.ask("append", data=n) for n in range(20)))
    ids = [id_ for _, id_ in answers]
    assert ids == list(range(ids[0], ids[0] + 20))


async def test_settings_hold_for_requests_from_then_on(process: ServerProcess) -> None:
    await process.ask("set", heartbeat=0.01)
    host, port = process.origins[0].removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"GET /transports/sse/events?cursor=now HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    async with asyncio.timeout(5):
        await reader.readuntil(b"event:alive")
    assert await process.ask("cut") == 1
    with suppress(ConnectionError):
        await reader.read()
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    await process.ask("set", heartbeat=1)


async def test_what_a_transport_prints_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever writes a transport prints: the pipe must bear it, and show it."""
    folder = tmp_path / "chatty"
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "from fastapi import APIRouter\n"
        "from lab import About\n"
        "print('imported')\n"
        "about = About(title='Chatty', year=2026, wire='none', spec='none')\n"
        "def routes(log, options):\n"
        "    print('routes', end='')\n"
        "    return APIRouter()\n"
    )
    monkeypatch.setenv("PUSHLAB_TRANSPORTS", str(folder))
    async with asyncio.timeout(10), server_process(["chatty"]) as server:
        assert await server.ask("append", data=1)


async def test_a_process_that_does_not_start_says_why() -> None:
    with pytest.raises(UserError, match="unknown transport 'nonsense': there are "):
        async with server_process(["nonsense"]):
            pytest.fail("this would be no server")


async def test_a_process_that_is_killed_leaves_a_ledger_and_no_doubt() -> None:
    async with server_process(["sse"]) as server:
        await server.ask("play", source="metronome:rate=500,size=100", spin=False)
        await until(lambda: len(read_ledger(server.ledger)[0]) > 20)
        os.kill(server.pid, signal.SIGKILL)
        await server.process.wait()
        entries, end = read_ledger(server.ledger)
        assert [entry.id for entry in entries] == list(range(1, len(entries) + 1))
        assert all(entry.epoch == entries[0].epoch and entry.due <= entry.at for entry in entries)
        assert end == server.ledger.stat().st_size
        for asked in (server.ended(), server.ask("append", data=1), server.ask("cut"), server.ended()):
            async with asyncio.timeout(1):
                with pytest.raises(ConnectionError, match="has gone with exit code -9"):
                    await asked
    assert not server.ledger.exists()


async def test_a_process_ends_with_whoever_started_it() -> None:
    async with server_process(["sse"]) as server:
        await server.ask("play", source="metronome:rate=10", spin=False)
        began, child = time.monotonic(), psutil.Process(server.pid)
    assert time.monotonic() - began < 2
    assert server.process.returncode == 0
    assert not child.is_running()


async def test_a_signal_ends_it_though_somebody_is_reading() -> None:
    async with server_process(["sse"]) as server:
        host, port = server.origins[0].removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"GET /transports/sse/events?cursor=now HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        os.kill(server.pid, signal.SIGTERM)
        async with asyncio.timeout(3):
            assert (await reader.read()).endswith(b"0\r\n\r\n"), "the stream was not ended, but torn off"
            await server.process.wait()
        writer.close()
        await writer.wait_closed()


# The ledger's file


@pytest.mark.parametrize("rest", [b"", b"7 3 30", b"7"])
def test_of_a_ledger_only_whole_lines_are_read(rest: bytes, tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    path.write_bytes(b"7 1 10 11 50\n7 2 20 21 50\n" + rest)
    entries, end = read_ledger(path)
    assert [(entry.epoch, entry.id, entry.due, entry.at) for entry in entries] == [(7, 1, 10, 11), (7, 2, 20, 21)]
    path.write_bytes(b"7 1 10 11 50\n7 2 20 21 50\n7 3 30 31 50\n")
    (third,), _ = read_ledger(path, end)
    assert third.id == 3
