"""What real proxies do to push: known truths, each with its cure beside it."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import aiohttp
import numpy as np
import psutil
import pytest
from conftest import SUBJECTS, Engines, claims
from proxies import needed
from waiting import until

from benchmarks.browser import Engine, Reader
from lab.link import laid, parse
from lab.link.proxy import PROGRAMS
from lab.process import ServerProcess, read_ledger, server_process

DEFAULTS = [f"proxy:{name}" for name in PROGRAMS]
NAMES = sorted(name for name, one in SUBJECTS.items() if one.variant is None and claims(one, "native"))
NO_UPGRADE = ["proxy:nginx", "proxy:apache", "proxy:varnish", "proxy:squid", "proxy:lighttpd"]

SILENT = 1.5
"""Seconds after which nothing is taken for nothing: what passes, passes in milliseconds."""


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[ServerProcess]:
    async with server_process(NAMES) as server:
        yield server


@asynccontextmanager
async def standing(text: str, origin: str) -> AsyncIterator[str]:
    """Where `origin` is found through that link."""
    spec = parse(text)
    needed(spec.missing())
    async with laid(spec) as link:
        yield await link.through(origin)


@asynccontextmanager
async def following(engine: Engine, server: ServerProcess, name: str, origin: str) -> AsyncIterator[Reader]:
    await server.ask("allow", origins=[origin])
    async with engine.reading(SUBJECTS[name], origin, {}, "", clock=server.origins[0]) as reader:
        yield reader


async def gets(reader: Reader, event: tuple[int, int], seconds: float = SILENT) -> bool:
    return await reader.reached(*event, seconds)


# WebSocket


@pytest.mark.parametrize("text", NO_UPGRADE)
async def test_no_websocket_by_default(server: ServerProcess, engines: Engines, text: str) -> None:
    """The server never sees that an upgrade was asked for: to it, this is a GET of something that isn't there."""
    event = await server.ask("append", data="x")
    native = await engines.get("native")
    async with standing(text, server.origins[0]) as origin:
        url = f"{origin}/transports/websocket/events".replace("http", "ws", 1)
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(url)
        assert refused.value.status == 404
        async with following(native, server, "websocket", origin) as reader:
            assert not await gets(reader, event, 0.5)
            while not (lost := (await reader.seen()).lost):
                await asyncio.sleep(0.01)
            assert "404" in lost[0][1]


async def test_no_websocket_through_nginx_in_a_browser(server: ServerProcess, engines: Engines) -> None:
    event = await server.ask("append", data="x")
    chromium = await engines.get("chromium")
    async with standing("proxy:nginx", server.origins[0]) as origin:
        async with following(chromium, server, "websocket", origin) as reader:
            assert not await gets(reader, event)
            assert (await reader.seen()).lost
        async with following(chromium, server, "sse", origin) as reader:
            assert await gets(reader, event, 10)


@pytest.mark.parametrize("text", ["proxy:caddy", *(f"{text}:tuned" for text in DEFAULTS)])
async def test_everything_passes(server: ServerProcess, engines: Engines, text: str) -> None:
    """Caddy needs no tuning for it; the others do."""
    event = await server.ask("append", data="x")
    native = await engines.get("native")

    async def passes(name: str, origin: str) -> bool:
        async with following(native, server, name, origin) as reader:
            return await gets(reader, event, 10)

    async with standing(text, server.origins[0]) as origin:
        passed = await asyncio.gather(*(passes(name, origin) for name in NAMES))
    assert dict(zip(NAMES, passed, strict=True)) == dict.fromkeys(NAMES, True)


# Holding back


@dataclass
class Backend:
    """A bare server: it ends its answers by closing, as HTTP/1.0 wants it, and sets only the headers it is told to.

    The query has them: /?x-accel-buffering=no&seconds=0 sends one event and then nothing, else there is one each 10 ms.
    """

    origin: str = ""
    requests: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            if b"GET /events" not in head:
                writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            self.requests += 1
            asked = {name: one[0] for name, one in parse_qs(urlsplit(head.split()[1].decode()).query).items()}
            await self.stream(writer, float(asked.pop("every", "0.01")), asked)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def stream(self, writer: asyncio.StreamWriter, every: float, headers: dict[str, str]) -> None:
        said = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n{said}\r\n".encode())
        while not writer.is_closing():
            writer.write(b"data:%-92d\n\n" % time.monotonic_ns())
            await writer.drain()
            await asyncio.sleep(every)

    def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self.answer(reader, writer))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    backend = Backend()
    listening = await asyncio.start_server(backend.connected, "127.0.0.1", 0)
    backend.origin = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    yield backend
    listening.close()
    for task in [*backend.tasks]:
        task.cancel()
    await asyncio.gather(*backend.tasks, return_exceptions=True)


@dataclass
class Heard:
    """What a reader got of the backend's events; ms from when each was sent, and ns when it came."""

    late: list[float] = field(default_factory=list)
    at: list[int] = field(default_factory=list)
    ended: float | None = None  # seconds after the request

    def flushes(self) -> list[int]:
        """How many events came at once, each time."""
        edges = np.flatnonzero(np.diff(self.at) > 4e6) + 1
        return [len(part) for part in np.split(np.array(self.at), edges)]


async def hear(origin: str, query: str = "", seconds: float = SILENT) -> Heard:
    """Read the stream as a browser would, which takes gzip."""
    heard, began, rest = Heard(), time.monotonic(), b""
    try:
        async with (
            asyncio.timeout(seconds),
            aiohttp.ClientSession(headers={"Accept-Encoding": "gzip"}) as session,
            session.get(f"{origin}/events?{query}") as response,
        ):
            async for piece in response.content.iter_any():
                now = time.monotonic_ns()
                *events, rest = (rest + piece).split(b"\n\n")
                for event in events:
                    heard.at.append(now)
                    heard.late.append((now - int(event.removeprefix(b"data:"))) / 1e6)
    except (TimeoutError, aiohttp.ClientPayloadError):
        pass
    if (took := time.monotonic() - began) < seconds:
        heard.ended = took
    return heard


async def test_nginx_buffers_4_kb_unless_it_is_told_not_to(backend: Backend) -> None:
    async with (
        standing("proxy:nginx", backend.origin) as default,
        standing("proxy:nginx:tuned", backend.origin) as tuned,
    ):
        held, told, off = await asyncio.gather(hear(default), hear(default, "x-accel-buffering=no"), hear(tuned))
    assert max(held.flushes()) >= 30  # of 99 bytes each, and the head
    assert max(held.late) >= 300  # 41 of them take 0.4 s
    for free in (told, off):
        assert np.median(free.flushes()) <= 2
        assert np.median(free.late) < 50


async def test_gzip_holds_events_back(backend: Backend) -> None:
    """It compresses, and waits until there is enough for it; `no-transform` is nothing to it, buffering off is."""
    async with standing("proxy:nginx:gzip", backend.origin) as origin:
        held, still_held, told = await asyncio.gather(
            hear(origin), hear(origin, "cache-control=no-transform"), hear(origin, "x-accel-buffering=no")
        )
    for one in (held, still_held):
        assert not one.late or max(one.late) > 500
    assert np.median(told.late) < 50


async def test_haproxy_holds_events_back_and_http_no_delay_cures_it(server: ServerProcess, engines: Engines) -> None:
    """A stream in chunks: it tells the kernel that more will come, which for up to 200 ms waits for that."""
    chromium = await engines.get("chromium")
    async with AsyncExitStack() as stack:
        readers = []
        for text in ("proxy:haproxy", "proxy:haproxy:no-delay"):
            origin = await stack.enter_async_context(standing(text, server.origins[0]))
            readers.append(await stack.enter_async_context(following(chromium, server, "sse", origin)))
            assert await readers[-1].opened(10)
        _, start = read_ledger(server.ledger)
        await server.play("steady:rate=5,size=100,seconds=3")
        sent, _ = read_ledger(server.ledger, start)
        late = []
        for reader in readers:
            assert await reader.reached(sent[-1].epoch, sent[-1].id, 5)
            due = {(entry.epoch, entry.id): entry.due for entry in sent}
            events = (await reader.seen()).events
            late.append([(at - due[epoch, id_]) / 1e6 for epoch, id_, at in events if (epoch, id_) in due])
    held, cured = late
    assert max(held) >= 180
    assert sum(one >= 180 for one in held) >= len(held) / 4
    assert np.median(cured) < 50
    assert sum(one >= 180 for one in cured) <= len(cured) / 10


async def test_lighttpd_by_default_delivers_nothing_of_a_stream(server: ServerProcess, engines: Engines) -> None:
    """It waits for the end of the answer. Polling gets through."""
    event = await server.ask("append", data="x")
    native, chromium = await engines.get("native"), await engines.get("chromium")
    async with standing("proxy:lighttpd", server.origins[0]) as origin:
        async with following(native, server, "long_polling", origin) as reader:
            assert await gets(reader, event, 10)
        async with (
            following(chromium, server, "sse", origin) as sse,
            following(native, server, "fetch_streaming", origin) as fetched,
        ):
            assert await asyncio.gather(gets(sse, event), gets(fetched, event)) == [False, False]


async def test_varnish_gives_everybody_the_same_stream_unless_it_may_not_be_cached(backend: Backend) -> None:
    """The second reader gets the first one's stream from its beginning: a replay of what is long past."""
    async with standing("proxy:varnish", backend.origin) as origin:

        async def later(query: str) -> Heard:
            before = backend.requests
            await until(lambda: backend.requests > before)  # the first one is served
            await asyncio.sleep(0.6)
            return await hear(origin, query, 0.8)

        _, replayed = await asyncio.gather(hear(origin), later(""))
        shared = backend.requests
        _, own = await asyncio.gather(hear(origin, "cache-control=no-cache"), later("cache-control=no-cache"))
    assert shared == 1
    assert max(replayed.late) >= 500
    assert backend.requests == shared + 2
    assert max(own.late) < 500


# Silence


IDLE = {"proxy:haproxy": 50, "proxy:nginx": 60}


@pytest.mark.slow
async def test_quiet_streams_are_cut(backend: Backend) -> None:
    """Side by side: one event, then nothing. The tuned ones, and those that don't mind, stay."""
    seconds = 66.0
    texts = [*IDLE, *(f"{text}:tuned" for text in IDLE), "proxy:caddy"]
    async with AsyncExitStack() as stack:
        origins = [await stack.enter_async_context(standing(text, backend.origin)) for text in texts]
        quiet = "x-accel-buffering=no&every=1000"
        heard = dict(zip(texts, await asyncio.gather(*(hear(one, quiet, seconds) for one in origins)), strict=True))
    for text, one in heard.items():
        assert len(one.late) == 1, text
        if text in IDLE:
            assert one.ended is not None, text
            assert IDLE[text] - 0.5 <= one.ended <= IDLE[text] + 2, text
        else:
            assert one.ended is None, text


@pytest.mark.slow
async def test_heartbeats_keep_quiet_streams(server: ServerProcess, engines: Engines) -> None:
    """The lab's own, every 15 s: nobody is cut where silence would be."""
    native = await engines.get("native")
    await server.ask("append", data="x")
    async with AsyncExitStack() as stack:
        readers = []
        for text in IDLE:
            origin = await stack.enter_async_context(standing(text, server.origins[0]))
            readers.append(await stack.enter_async_context(following(native, server, "sse", origin)))
            assert await readers[-1].opened(10)
        await asyncio.sleep(66)
        for reader in readers:
            seen = await reader.seen()
            assert not seen.lost
            assert seen.alive >= 4


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """No process of a proxy outlives its test."""
    yield
    names = {program.command[0] for program in PROGRAMS.values()}
    left = [one for one in psutil.Process().children(recursive=True) if one.name() in names]
    assert not left
