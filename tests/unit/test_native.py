"""The native reader: lines whatever the chunks, what counts as lost, and when it comes back."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from conftest import SUBJECTS, Engines, Lab, claims, running_lab

from lab import native
from lab.native import Arrivals, Lost, follow, get_lines

OK = b"HTTP/1.1 200 OK\r\n"
NATIVE = sorted(name for name, one in SUBJECTS.items() if claims(one, "native"))


@dataclass
class Script:
    """A server that answers each connection with the next of these pieces, and then hangs up or waits."""

    answers: list[Sequence[bytes]]
    stay: bool = False
    heads: list[bytes] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            for piece in self.answers.pop(0) if self.answers else ():
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            if self.stay:
                await reader.read()  # until the reader hangs up
                self.ended.set()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@asynccontextmanager
async def scripted(*answers: Sequence[bytes], stay: bool = False) -> AsyncIterator[tuple[Script, str]]:
    script = Script(list(answers), stay)
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    async with server:
        yield script, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/events"


async def got(url: str, lines: list[str], **headers: str) -> list[str]:
    async with native._connections():
        async for text in get_lines(url, **headers):
            lines.append(text)  # noqa: PERF401  (what came before it broke off is looked at, too)
    return lines


def chunked(*bodies: bytes, end: bool = True) -> list[bytes]:
    head = OK + b"Transfer-Encoding: chunked\r\n\r\n"
    return [head, *(b"%x\r\n%b\r\n" % (len(body), body) for body in bodies), *([b"0\r\n\r\n"] if end else [])]


# Lines


async def test_lines_are_the_same_whatever_the_chunks() -> None:
    text = "é漢😀\u2028\u0085\r one\n\ntwo 😀\n"
    body = text.encode()
    for size in (1, 2, 3, 7, len(body)):
        pieces = [body[n : n + size] for n in range(0, len(body), size)]
        async with scripted(chunked(*pieces)) as (_, url):
            assert await got(url, []) == ["", "é漢😀\u2028\u0085\r one", "", "two 😀"]


async def test_a_line_without_its_end_is_never_given() -> None:
    async with scripted(chunked(b"one\ntw")) as (_, url):
        assert await got(url, []) == ["", "one"]


async def test_a_body_that_breaks_off_is_lost_and_so_is_its_last_line() -> None:
    lines: list[str] = []
    async with scripted(chunked(b"one\ntw", end=False)) as (_, url):
        with pytest.raises(Lost):
            await got(url, lines)
    assert lines == ["", "one"]


async def test_another_answer_than_200_is_lost_and_says_what_it_was() -> None:
    refusal = OK.replace(b"200 OK", b"400 Bad") + b"Content-Length: 20\r\n\r\nthe cursor is wrong\n"
    async with scripted([refusal]) as (_, url):
        with pytest.raises(Lost, match=r"HTTP 400: the cursor is wrong$"):
            await got(url, [])


async def test_nobody_there_is_lost() -> None:
    with pytest.raises(Lost):
        await got("http://127.0.0.1:1/events", [])


async def test_headers_are_sent() -> None:
    async with scripted(chunked()) as (script, url):
        await got(url, [], Accept="text/event-stream")
    assert b"Accept: text/event-stream\r\n" in script.heads[0]


# Following, with a client that is made up


class Client:
    """Each connection is the next of these: what it yields, and how it ends."""

    def __init__(self, *connections: Sequence[str | BaseException]) -> None:
        self.connections = list(connections)
        self.cursors: list[str] = []
        self.greeted: list[bool] = []
        self.closed = 0
        self.over = asyncio.Event()

    async def events(self, _base: str, cursor: str, options: dict[str, Any]) -> AsyncIterator[str]:
        self.cursors.append(cursor)
        self.greeted.append(options["greeted"])
        try:
            if not self.connections:
                self.over.set()
                await asyncio.Future()
            for said in self.connections.pop(0):
                if isinstance(said, BaseException):
                    raise said
                yield said
        finally:
            self.closed += 1


def event(id_: int, epoch: int = 7) -> str:
    return json.dumps({"epoch": epoch, "id": id_, "data": id_})


async def followed(client: Client, cursor: str = "now", **settings: Any) -> Arrivals:
    """What was seen when the client has nothing more to say."""
    arrivals = Arrivals()
    task = following(client, arrivals, cursor, **settings)
    over = asyncio.create_task(client.over.wait())
    async with asyncio.timeout(5):
        await asyncio.wait((task, over), return_when=asyncio.FIRST_COMPLETED)
    for one in (task, over):
        one.cancel()
    await asyncio.wait((task, over))
    if not task.cancelled():
        await task
    return arrivals


def following(client: Client, arrivals: Arrivals, cursor: str, **settings: Any) -> asyncio.Task[None]:
    found = SimpleNamespace(native=lambda: client)
    subject = SimpleNamespace(found=found, options=SimpleNamespace(client={}))
    return asyncio.create_task(follow(cast("Any", subject), "http://x", settings, arrivals, cursor=cursor))


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long a reader may wait before it comes back, at most; it does not wait at all."""
    longest: list[float] = []

    def drawn(low: float, high: float) -> float:
        assert low == 0, "full jitter begins at 0"
        longest.append(high)
        return 0.0

    monkeypatch.setattr(random, "uniform", drawn)
    return longest


async def test_each_connection_begins_where_the_last_one_ended(pauses: list[float]) -> None:
    client = Client(
        ["", event(1), event(2), Lost("cut")],
        ["", Lost("cut")],
        ["", event(3)],
        ["", json.dumps({"gap": {"epoch": 7, "from": 4, "to": 9, "why": "retention"}, "cursor": "7-9"}), Lost("cut")],
        ["", json.dumps({"cursor": "8-0"}), ""],
    )
    arrivals = await followed(client, "7-0")
    assert client.cursors == ["7-0", "7-2", "7-2", "7-3", "7-9", "8-0"]
    assert [(epoch, id_) for epoch, id_, _ in arrivals.events] == [(7, 1), (7, 2), (7, 3)]
    assert [gap["to"] for gap in arrivals.gaps] == [9]
    assert len(arrivals.opened) == 5
    assert [why for _, why in arrivals.lost] == ["cut"] * 3
    assert arrivals.alive == 6
    assert client.closed == 6


async def test_duplicates_and_disorder_are_noted_as_they_came() -> None:
    arrivals = await followed(Client(["", event(2), event(1), event(2)]))
    assert [id_ for _, id_, _ in arrivals.events] == [2, 1, 2]
    received = [at for _, _, at in arrivals.events]
    assert received == sorted(received)


async def test_what_ends_well_is_followed_at_once_and_is_not_lost(pauses: list[float]) -> None:
    client = Client([""], [""], ["", Lost("cut")], [""])
    arrivals = await followed(client)
    assert len(pauses) == len(arrivals.lost) == 1
    assert client.greeted == [False, True, True, False, True]


async def test_a_reader_backs_off_and_begins_anew_after_a_success(pauses: list[float]) -> None:
    refused = [ConnectionRefusedError(111, "refused")]
    await followed(Client(*[refused] * 8, ["", Lost("cut")], refused))
    assert pauses == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0, 0.2, 0.4]


async def test_a_server_may_be_away_for_days(pauses: list[float]) -> None:
    await followed(Client(*[[OSError("unreachable")]] * 2000))
    assert pauses[-1] == 5.0


async def test_silence_is_a_lost_connection(pauses: list[float]) -> None:
    client = Client()
    arrivals = Arrivals()
    task = following(client, arrivals, "now", watchdog=0.01)
    async with asyncio.timeout(2):
        while len(arrivals.lost) < 3:
            await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.wait([task])
    assert arrivals.lost[0][1] == "silent for 0.01 s"
    assert client.closed == len(client.cursors)


async def test_without_a_watchdog_silence_is_nothing() -> None:
    client, arrivals = Client(), Arrivals()
    task = following(client, arrivals, "now", watchdog=0)
    await client.over.wait()
    await asyncio.sleep(0.02)
    assert arrivals.lost == []
    assert not task.done()
    task.cancel()
    await asyncio.wait([task])


async def test_what_is_no_line_of_a_log_is_told_and_everything_is_closed() -> None:
    client = Client(["", "<html>"])
    with pytest.raises(json.JSONDecodeError):
        await followed(client)
    assert client.closed == 1


# Following a server


@pytest.mark.parametrize("name", NATIVE)
async def test_a_reader_that_is_cancelled_leaves_nothing_behind(name: str, lab: Lab) -> None:
    before, connected = (
        asyncio.all_tasks(),
        set(lab.server.server_state.connections),
    )  # browsers keep theirs for a while
    arrivals, read = Arrivals(), asyncio.Event()
    base = f"{lab.origin}/transports/{name}"
    reading = follow(SUBJECTS[name], base, {}, arrivals, cursor="", on=lambda line: read.set() if line else None)
    task = asyncio.create_task(reading)
    await lab.log.append("x")
    async with asyncio.timeout(5):
        await read.wait()
        task.cancel()
        await asyncio.wait([task])
        while lab.log.readers or asyncio.all_tasks() - before or lab.server.server_state.connections - connected:
            await asyncio.sleep(0.001)
    assert len(arrivals.events) == 1


@pytest.mark.parametrize("name", ["fetch_streaming", "sse", "websocket"])
async def test_a_stream_that_the_server_ends_is_lost(name: str) -> None:
    """Else a reader would come back at once, again and again, until the server is gone."""
    async with running_lab() as doomed:
        arrivals = Arrivals()
        task = asyncio.create_task(follow(SUBJECTS[name], f"{doomed.origin}/transports/{name}", {}, arrivals))
        async with asyncio.timeout(5):
            while not doomed.log.readers:
                await asyncio.sleep(0.001)
            doomed.log.close()
            while not arrivals.lost:
                await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.wait([task])


@pytest.mark.parametrize("heartbeat", [0, 0.05])
async def test_a_watchdog_bites_where_a_server_gives_no_sign_of_life(heartbeat: float, lab: Lab) -> None:
    lab.settings["heartbeat"] = heartbeat
    await lab.log.append("before")
    seen = {name: Arrivals() for name in ("fetch_streaming", "sse", "websocket", "xhr_streaming")}
    tasks = [
        asyncio.create_task(
            follow(SUBJECTS[name], f"{lab.origin}/transports/{name}", {"watchdog": 0.5}, one, cursor="")
        )
        for name, one in seen.items()
    ]
    async with asyncio.timeout(10):
        while not all(one.alive >= 12 if heartbeat else len(one.opened) >= 2 for one in seen.values()):
            await asyncio.sleep(0.01)
        await lab.log.append("after")
        while not all(len(one.events) >= 2 for one in seen.values()):
            await asyncio.sleep(0.01)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for name, one in seen.items():
        assert (name, [id_ for _, id_, _ in one.events]) == (name, [1, 2])
        assert (name, {why for _, why in one.lost}) == (name, set() if heartbeat else {"silent for 0.5 s"})


async def test_what_was_seen_stays_as_it_was(engines: Engines, lab: Lab) -> None:
    """What comes when a trial is over is none of it."""
    engine = await engines.get("native")
    async with engine.reading(SUBJECTS["sse"], lab.origin, {}, "", keep_data=True) as reader:
        seen = []
        for data in ("during", "after"):
            await lab.log.append(data)
            assert await reader.reached(lab.log.epoch, lab.log.last, 5)
            seen.append(await reader.seen())
    assert [[len(one.events), len(one.data)] for one in seen] == [[1, 1], [2, 2]]
