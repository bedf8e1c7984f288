"""Bytes on the wire: exact to the byte for exchanges made by hand, and to the segment as a packet capture sees them."""

import asyncio
import json
import os
import socket
import struct
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager, suppress
from operator import add

import pytest
import uvloop
from conftest import Lab, running_lab
from waiting import until

from lab import clock, wire
from lab.app import create_app
from lab.errors import UserError
from lab.log import Log
from lab.process import server_process
from lab.server import listen, serving
from lab.wire import Meter, Totals

SEGMENT = 20 + 20 + 12  # IP, TCP, timestamps
SYN = 20 + 20 + 20  # IP, TCP; maximum segment size, SACK permitted, timestamps, window scale

UPGRADE = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)

needs_tcp_info = pytest.mark.skipif(bool(wire.unavailable()), reason=f"unavailable: {wire.unavailable()}")


class Client:
    """A connection made by hand, which keeps count of what passes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.port: int = writer.get_extra_info("sockname")[1]
        self.sent = self.received = 0

    async def send(self, data: bytes) -> None:
        self.sent += len(data)
        self.writer.write(data)
        await self.writer.drain()

    async def until(self, end: bytes) -> bytes:
        data = await self.reader.readuntil(end)
        self.received += len(data)
        return data

    async def exactly(self, count: int) -> bytes:
        data = await self.reader.readexactly(count)
        self.received += len(data)
        return data

    async def get(self, path: str, headers: bytes = b"") -> tuple[bytes, bytes]:
        """The heads of the request and of the response, which have passed."""
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n".encode() + headers + b"\r\n"
        await self.send(request)
        return request, await self.until(b"\r\n\r\n")

    async def chunk(self) -> bytes:
        """Of a chunked body."""
        data = await self.exactly(int(await self.until(b"\r\n"), 16))
        assert await self.until(b"\r\n") == b"\r\n"
        return data

    async def whole(self, path: str) -> tuple[bytes, bytes, bytes]:
        """The heads of the request and of the response, and a body of a known length."""
        request, head = await self.get(path)
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return request, head, await self.exactly(length)

    async def message(self) -> tuple[int, bytes]:
        """The bytes of a short WebSocket frame's header, and what it frames (RFC 6455, 5.2)."""
        _, length = await self.exactly(2)
        extended = int.from_bytes(await self.exactly(2)) if length == 126 else None
        return (2, await self.exactly(length)) if extended is None else (4, await self.exactly(extended))


@asynccontextmanager
async def client(port: int, host: str = "127.0.0.1", segment: int | None = None) -> AsyncIterator[Client]:
    """A connection; the server's segments carry at most `segment` bytes."""
    raw = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, proto=socket.IPPROTO_TCP)
    if segment:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, segment + 12)  # with the timestamps
    raw.settimeout(0)
    await asyncio.get_running_loop().sock_connect(raw, (host, port))
    one = Client(*await asyncio.open_connection(sock=raw))
    try:
        yield one
    finally:
        one.writer.close()
        with suppress(ConnectionError):
            await one.writer.wait_closed()


def lap(lab: Lab) -> Totals:
    totals: Totals | None = lab.server.meter.lap()
    assert totals is not None
    return totals


@needs_tcp_info
async def test_a_stream_is_split_exactly(lab: Lab) -> None:
    lab.server.meter.watch("/transports/sse/")
    async with client(lab.port) as one:
        request, head = await one.get("/transports/sse/events?cursor=")
        preamble = await one.chunk()
        opening = lap(lab)
        assert (opening.connections, opening.requests, opening.others) == (1, 1, 0)
        assert opening.http_up == opening.stream_up == len(request)
        assert opening.http_down == len(head)
        assert opening.stream_down == one.received == len(head) + len(b"e\r\n") + len(preamble) + len(b"\r\n")

        one.received = 0
        events = [await lab.log.append(data) for data in ("short", "multi-byte: äöü", "x" * 500)]
        framed = [await one.chunk() for _ in events]
        window = lap(lab)
        payload = sum(len(event.line.encode()) for event in events)
        framing = sum(len(b"id:\ndata:\n\n") + len(event.cursor) for event in events)
        chunking = sum(len(b"%x\r\n\r\n" % len(frame)) for frame in framed)
        assert window.connections == window.requests == window.stream_up == 0
        assert window.stream_down == one.received
        assert window.split(payload)["down"] == {
            "payload": payload,
            "framing": framing + chunking,
            "http": 0,
            "tcp_ip": SEGMENT * window.segments_down,
        }
        assert window.segments_down >= len(events)
        assert window.split(payload)["up"] == {
            "payload": 0,
            "framing": 0,
            "http": 0,
            "tcp_ip": SEGMENT * window.segments_up,
        }


@needs_tcp_info
async def test_polls_on_a_connection_that_carried_page_files_count_alone(lab: Lab) -> None:
    lab.server.meter.watch("/transports/short_polling/")
    async with client(lab.port) as one:
        for file in ("/lab/trial.html", "/transports/short_polling/client.js", "/lab/transports.json"):
            await one.whole(file)
        await one.whole("/transports/short_polling/events?cursor=now")
        opening = lap(lab)
        assert (opening.connections, opening.requests, opening.others) == (1, 1, 3)

        event = await lab.log.append("news")
        up = down = framing = 0
        one.sent = one.received = 0
        for cursor in ("", event.cursor, event.cursor):
            request, head, body = await one.whole(f"/transports/short_polling/events?cursor={cursor}")
            up, down, framing = up + len(request), down + len(head), framing + len(body)
        window = lap(lab)
        assert (window.connections, window.requests, window.others) == (0, 3, 0)
        assert (window.http_up, window.http_down) == (up, down)
        assert (window.stream_up, window.stream_down) == (one.sent, one.received)
        assert window.split(len(event.line))["down"]["framing"] == framing - len(event.line) == len(b"\n")


@needs_tcp_info
async def test_requests_for_something_else_within_a_lap_are_told(lab: Lab) -> None:
    lab.server.meter.watch("/transports/short_polling/")
    async with client(lab.port) as one, client(lab.port) as page:
        await one.whole("/transports/short_polling/events?cursor=now")
        lap(lab)
        await one.whole("/lab/icon.svg")
        await page.whole("/lab/icon.svg")  # on a connection of its own: not the subject's
        assert lap(lab).others == 1


@needs_tcp_info
async def test_heads_count_as_they_are_written_and_bodies_do_not(lab: Lab) -> None:
    lab.server.meter.watch("/events")
    head = (
        b"POST /events HTTP/1.1\r\nhost:   127.0.0.1\r\nX:y\r\nAuthorization: Bearer secret\r\ncontent-length:5\r\n\r\n"
    )
    async with client(lab.port) as one:
        for piece in (head[:9], head[9:50], head[50:] + b'"ab', b'c"'):
            await one.send(piece)
            await until(lambda: one.sent == received(lab))
        assert b" 201 " in await one.until(b"\r\n\r\n")
        assert lap(lab).http_up == len(head)


def received(lab: Lab) -> int:
    """Bytes that have reached the server since the watch began, read or not."""
    return sum(one.lap().stream_up for one in lab.server.meter._connections)


@needs_tcp_info
async def test_a_websocket_is_split_exactly(lab: Lab) -> None:
    lab.server.meter.watch("/transports/websocket/")
    async with client(lab.port) as one:
        request, head = await one.get("/transports/websocket/events?cursor=", UPGRADE)
        events = [await lab.log.append(data) for data in ("", "x" * 500)]
        messages = [await one.message() for _ in events]
        assert [message.decode() for _, message in messages] == [event.line for event in events]
        await one.send(b"\x8a\x84\0\0\0\0pong")
        await until(lambda: received(lab) == one.sent)
        window = lap(lab)
        assert (window.connections, window.requests) == (1, 1)
        assert (window.http_up, window.http_down) == (len(request), len(head))
        assert (window.stream_up, window.stream_down) == (one.sent, one.received)
        split = window.split(sum(len(event.line) for event in events))
        assert split["down"]["framing"] == sum(header for header, _ in messages)
        assert split["up"]["framing"] == len(b"\x8a\x84\0\0\0\0pong")


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=request.param) as one:
        yield one


@needs_tcp_info
@pytest.mark.parametrize("path", ["/transports/sse/events", "/transports/websocket/events"])
@pytest.mark.parametrize("how", ["cut by the server", "closed by the reader", "reset by the reader"])
def test_a_connection_that_ended_meanwhile_counts(runner: asyncio.Runner, path: str, how: str) -> None:
    async def exchange() -> None:
        async with AsyncExitStack() as stack:
            lab = await stack.enter_async_context(running_lab())
            lab.server.meter.watch(path)
            one = await stack.enter_async_context(client(lab.port))
            await one.get(path, UPGRADE if "websocket" in path else b"")
            event = await lab.log.append("last words")
            await one.until(event.line.encode())
            await end(lab, one, how)
            await until(lambda: not lab.server.server_state.connections)
            totals = lap(lab)
            assert totals.stream_up == one.sent
            assert one.received <= totals.stream_down <= one.received + len("\n\n\r\n")
            assert totals.tcp_ip_up >= SYN + SEGMENT * 2
            assert lap(lab) == Totals()  # forgotten

    runner.run(exchange())


async def end(lab: Lab, one: Client, how: str) -> None:
    if how == "cut by the server":
        lab.server.cut()
        return
    if how == "reset by the reader":
        one.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.writer.close()


@needs_tcp_info
async def test_without_a_watch_nothing_is_kept(lab: Lab) -> None:
    lab.server.meter.watch("/transports/nobody/")
    before = set(lab.server.meter._connections)
    async with client(lab.port) as one:
        await one.whole("/transports/short_polling/events")
        assert lap(lab) == Totals()
        assert len(lab.server.meter._connections - before) == 1
    await until(lambda: not lab.server.meter._connections - before)


# Stamps


@needs_tcp_info
@pytest.mark.parametrize("name", ["sse", "fetch_streaming", "websocket", "short_polling"])
async def test_events_are_stamped_when_they_are_written(lab: Lab, name: str) -> None:
    lab.server.meter.watch(f"/transports/{name}/")
    events = [await lab.log.append(data) for data in ("what was", "there before")]
    async with client(lab.port) as one:
        await one.get(f"/transports/{name}/events?cursor=", UPGRADE if name == "websocket" else b"")
        await one.until(events[-1].line.encode())
        received = clock.now()
        stamps = lab.server.meter.unwatch()
    assert list(stamps.written) == [(event.epoch, event.id) for event in events]
    appended = [json.loads(event.line)["at"] for event in events]
    assert all(at <= written <= received for at, written in zip(appended, stamps.written.values(), strict=True))
    assert stamps.round_trip is not None
    assert 0 < stamps.round_trip < 100_000
    assert stamps.reason == ""


@needs_tcp_info
async def test_the_round_trip_of_a_connection_that_has_ended_counts(lab: Lab) -> None:
    lab.server.meter.watch("/transports/short_polling/")
    connections = len(lab.server.server_state.connections)
    async with client(lab.port) as one:
        await one.whole("/transports/short_polling/events?cursor=")
    await until(lambda: len(lab.server.server_state.connections) <= connections)
    lap(lab)
    lap(lab)
    assert lab.server.meter.unwatch().round_trip is not None


async def test_nothing_is_stamped_that_is_not_watched(lab: Lab) -> None:
    await lab.log.append("news")
    lab.server.meter.watch("/transports/sse/")
    async with client(lab.port) as one:
        await one.whole("/transports/short_polling/events?cursor=")
    assert lab.server.meter.unwatch().written == {}
    assert lab.server.meter.stamps is None


# Against a packet capture


class Capture:
    """Every segment on loopback, as a raw socket sees them: {(from port, to port): [segments, bytes of IP]}.

    Large writes pass loopback as one packet of several segments; its virtio header says of what size those are.
    """

    PACKET, VNET_HEADER, IPV4 = 263, 15, 0x0800

    def __init__(self) -> None:
        self.seen: dict[tuple[int, int], list[int]] = {}
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(self.IPV4))
        self._socket.setsockopt(socket.SOL_SOCKET, 33, 32 << 20)  # SO_RCVBUFFORCE
        self._socket.setsockopt(self.PACKET, self.VNET_HEADER, 1)
        self._socket.bind(("lo", self.IPV4))
        self._socket.settimeout(0)

    def close(self) -> None:
        self._socket.close()

    def drain(self) -> None:
        with suppress(BlockingIOError):
            while True:
                packet, address = self._socket.recvfrom(1 << 17)
                if address[2] != socket.PACKET_OUTGOING:
                    self._note(struct.unpack_from("=H", packet, 4)[0], packet[10 + 14 :])

    def _note(self, segment: int, ip: bytes) -> None:
        if ip[9] != socket.IPPROTO_TCP:
            return
        start = (ip[0] & 15) * 4
        from_, to = struct.unpack_from("!HH", ip, start)
        headers = start + (ip[start + 12] >> 4) * 4
        length = struct.unpack_from("!H", ip, 2)[0] - headers
        segments = -(-length // segment) if segment else 1
        seen = self.seen.setdefault((from_, to), [0, 0])
        seen[0] += segments
        seen[1] += segments * headers + length

    def segments(self, server: int, reader: int) -> list[int]:
        """Down and up."""
        self.drain()
        return [segments for segments, _ in self._between(server, reader)]

    def bytes(self, server: int, reader: int) -> list[int]:
        return [size for _, size in self._between(server, reader)]

    def _between(self, server: int, reader: int) -> list[list[int]]:
        return [self.seen.get(way, [0, 0]) for way in ((server, reader), (reader, server))]


@contextmanager
def capturing() -> Iterator[Capture]:
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("unavailable: only root may capture packets, and this is made for Linux")
    try:
        capture = Capture()
    except PermissionError:
        pytest.skip("unavailable: capturing packets is not allowed here")
    with closing(capture):
        yield capture


class Laps:
    """All laps together: that they can be added up is tested along the way."""

    def __init__(self, lab: Lab) -> None:
        self.lab, self.total = lab, Totals()

    def segments(self) -> list[int]:
        self.total = Totals(*map(add, self.total, lap(self.lab)))
        return [self.total.segments_down, self.total.segments_up]

    def bytes(self) -> list[int]:
        total = self.total
        return [total.stream_down + total.tcp_ip_down, total.stream_up + total.tcp_ip_up]


@pytest.mark.calm
@needs_tcp_info
@pytest.mark.parametrize("largest", [None, 1448], ids=["segments of loopback's size", "of Ethernet's"])
@pytest.mark.parametrize("size", [100, 100_000])
async def test_as_a_packet_capture_sees_it(lab: Lab, size: int, largest: int | None) -> None:
    lab.server.meter.watch("/transports/fetch_streaming/")
    with capturing() as capture:
        async with client(lab.port, segment=largest) as one:
            await one.get("/transports/fetch_streaming/events?cursor=")
            for _ in range(60):
                event = await lab.log.append("x" * size)
                await one.until(event.line.encode())
            laps = Laps(lab)
            with suppress(TimeoutError):  # the last acknowledgement is on its way
                await until(lambda: laps.segments() == capture.segments(lab.port, one.port), 5)
            assert laps.segments() == capture.segments(lab.port, one.port)
            # Not exactly: on a busy machine something may come so late that it is sent again, and then SACK blocks.
            assert laps.bytes() == pytest.approx(capture.bytes(lab.port, one.port), rel=0.005)
            assert laps.total.segments_down >= (60 * size / largest if largest else 60)


# Where it is told


async def test_the_process_tells_it_over_its_pipe() -> None:
    async with server_process(["short_polling"]) as server:
        port = int(server.origins[0].rpartition(":")[2])
        await server.ask("watch", prefix="/transports/short_polling/")
        async with client(port) as one:
            await one.whole("/transports/short_polling/events")
            told = await server.ask("wire")
            if reason := wire.unavailable():
                assert told == {"totals": None, "reason": reason}
            else:
                assert Totals(**told["totals"]).stream_down == one.received


async def test_elsewhere_it_is_unavailable_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    async with running_lab() as lab, client(lab.port) as one:
        lab.server.meter.watch("/transports/short_polling/")
        await one.whole("/transports/short_polling/events")
        assert lab.server.meter.lap() is None
        assert "only Linux" in lab.server.meter.reason


@needs_tcp_info
def test_an_old_kernel_tells_too_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "TCP_INFO_SIZE", 1000)
    assert "4.19" in Meter().reason


@needs_tcp_info
async def test_headers_of_ipv6_are_larger() -> None:
    try:
        sockets = listen("::1")
    except UserError as error:
        pytest.skip(f"unavailable: {error}")
    log = Log()
    async with serving(create_app(log, hosts=["*"]), log, sockets) as server:
        server.meter.watch("/transports/short_polling/")
        async with client(sockets[0].getsockname()[1], "::1") as one:
            await one.whole("/transports/short_polling/events")
            totals = server.meter.lap()
            assert totals is not None
            assert totals.tcp_ip_up == (totals.segments_up - 1) * (SEGMENT + 20) + SYN + 20
