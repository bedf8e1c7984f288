"""What truly goes over the wire: the kernel's own count for each connection of the server.

TCP_INFO (Linux: `struct tcp_info` of linux/tcp.h) tells for each socket what its stream carried and in how many
segments; from the options that were agreed on follows the size of each segment's headers. What of the stream was
HTTP heads is counted here, where they pass. Payload is what the bench knows to have arrived; the rest is framing.

The rule for keep-alive connections, which may have carried the page's files before they carried a transport:
what is counted is what happened between two laps on every connection that carried a route of the watched subject
since `watch`. Requests for anything else on such a connection, in a lap, can't be told apart below HTTP, so they
are counted as `others`: where that is not 0, the figures contain them.

Not seen: what the kernel does after the server has closed a connection (its FIN and the answer to that), and SACK
blocks, which are sent only where something was lost.
"""

import asyncio
import socket
import struct
import sys
from collections.abc import Callable, Iterable
from operator import add, sub
from typing import Any, NamedTuple, Protocol, Self, cast
from urllib.parse import unquote

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from lab.stamps import Stamps

TCP_INFO = 11
TCP_INFO_SIZE = 216
"""Bytes of `struct tcp_info` up to what is read here: since Linux 4.19."""

FIN_RECEIVED = frozenset({6, 8, 9, 11})
"""States in which the peer's FIN, which takes a place among the bytes, was received: TIME_WAIT, CLOSE_WAIT, …"""

TIMESTAMPS, SACK, WINDOW_SCALE = 1, 2, 4
"""Bits of the options that were agreed on."""


class Totals(NamedTuple):
    """Bytes and TCP segments; down is towards the reader."""

    connections: int = 0  # opened
    requests: int = 0  # for the subject's routes
    others: int = 0  # requests for anything else
    segments_down: int = 0
    segments_up: int = 0
    stream_down: int = 0  # bytes of the streams themselves, each once: heads, framing and payload
    stream_up: int = 0
    http_down: int = 0  # of these: status lines and headers, request lines and headers; handshakes, too
    http_up: int = 0
    tcp_ip_down: int = 0  # bytes of the segments' headers, and of what was sent again
    tcp_ip_up: int = 0

    def split(self, payload: int) -> dict[str, dict[str, int]]:
        """Bytes per direction: payload, framing, http and tcp_ip, which together are all there were.

        Args:
            payload: bytes of the events' lines that arrived; readers send none.
        """
        return {
            "down": _parts(self.stream_down, self.http_down, self.tcp_ip_down, payload),
            "up": _parts(self.stream_up, self.http_up, self.tcp_ip_up, 0),
        }

    def since(self, before: Self) -> "Totals":
        return Totals(*map(sub, self, before))


def _parts(stream: int, http: int, tcp_ip: int, payload: int) -> dict[str, int]:
    return {"payload": payload, "framing": stream - http - payload, "http": http, "tcp_ip": tcp_ip}


def _sum(totals: Iterable[Totals]) -> Totals:
    total = Totals()
    for one in totals:
        total = Totals(*map(add, total, one))
    return total


def unavailable() -> str:
    """Why nothing can be counted here; empty when it can."""
    if sys.platform != "linux":
        return "bytes on the wire are counted by TCP_INFO, which only Linux has"
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as one:
        if len(_tcp_info(one)) < TCP_INFO_SIZE:
            return "this kernel's TCP_INFO does not tell the bytes sent: that needs Linux 4.19 or later"
    return ""


def _tcp_info(one: socket.socket) -> bytes:
    return one.getsockopt(socket.IPPROTO_TCP, TCP_INFO, TCP_INFO_SIZE)


class Meter:
    """Counts for one subject at a time, and only after `watch`: until then, connections that end are forgotten.

    Attributes:
        stamps: of what is written on the watched connections; None while nothing is watched.
    """

    def __init__(self) -> None:
        self.reason = unavailable()
        self._connections: set[Connection] = set()
        self._carries: Callable[[str], bool] = _nothing
        self.stamps: Stamps | None = None

    def watch(self, prefix: str) -> None:
        """Begin a lap for what has its routes under `prefix`; its client.js there belongs to the page.

        To be called before the reader sets out: a connection counts from its first request for a route on.
        """
        self._watch(lambda path: path.startswith(prefix) and not path.endswith("/client.js"), Stamps())

    def unwatch(self) -> Stamps:
        """End what `watch` began; what was stamped since."""
        self.lap()  # so that every connection has told its round trip
        stamps = self.stamps or Stamps()
        self._watch(_nothing, None)
        return stamps

    def lap(self) -> Totals | None:
        """What went over the wire since the lap before, and begins the next one; None where it's unavailable."""
        if self.reason:
            return None
        totals = _sum(connection.lap() for connection in self._connections if connection.carries)
        self._begin()
        return totals

    def open(self, transport: asyncio.BaseTransport) -> "Connection":
        if transport.get_extra_info("ssl_object"):
            self.reason = "connections over TLS are not counted: their end is told only when the socket is gone"
        connection = Connection(self, transport)
        self._connections.add(connection)
        return connection

    def end(self, connection: "Connection") -> None:
        if not connection.carries or self.reason:
            self._connections.discard(connection)

    def carries(self, path: str) -> bool:
        return self._carries(path)

    def _watch(self, carries: Callable[[str], bool], stamps: Stamps | None) -> None:
        self._carries, self.stamps = carries, stamps
        for connection in self._connections:
            connection.carries = False
        self._begin()

    def _begin(self) -> None:
        if not self.reason:
            self._connections = {connection for connection in self._connections if not connection.ended}
            for connection in self._connections:
                connection.begin()


def _nothing(_path: str) -> bool:
    return False


class Connection:
    """A connection of the server, from when it was accepted until after it has ended.

    Attributes:
        carries: whether a route of the watched subject was requested on it.
    """

    __slots__ = (
        "_before",
        "_ip",
        "_last",
        "_meter",
        "_socket",
        "carries",
        "http_down",
        "http_up",
        "others",
        "requests",
    )

    def __init__(self, meter: Meter, transport: asyncio.BaseTransport) -> None:
        self._meter = meter
        self._socket: socket.socket = transport.get_extra_info("socket")
        self._ip = _ip_header(str(transport.get_extra_info("sockname")[0]))
        self._before = Totals()
        self._last: Totals | None = None
        self.carries = False
        self.requests = self.others = self.http_down = self.http_up = 0

    @property
    def ended(self) -> bool:
        return self._last is not None

    def requested(self, url: bytes) -> None:
        path = url.partition(b"?")[0].decode("ascii", "replace")
        if self._meter.carries(unquote(path) if "%" in path else path):
            self.requests += 1
            self.carries = True
        else:
            self.others += 1

    def answered(self, head: bytes, transport: asyncio.Transport) -> Any:
        """The head of a response is about to be written; what stands for the transport from here on."""
        self.http_down += len(head)
        stamps = self._meter.stamps if self.carries else None
        return stamps.before(transport, head) if stamps else transport

    def begin(self) -> None:
        self._before = self._read()

    def lap(self) -> Totals:
        return self._read().since(self._before)

    def end(self) -> None:
        """Take the last reading: to be called while the socket is still open."""
        if not self._meter.reason:
            self._last = self._read()
        self._meter.end(self)

    def _read(self) -> Totals:
        """Everything since it was accepted."""
        if self._last is not None:
            return self._last
        info = _tcp_info(self._socket)
        state, options = info[0], info[5]
        (received,) = struct.unpack_from("=Q", info, 128)
        segments_out, segments_in, _, round_trip = struct.unpack_from("=IIII", info, 136)
        sent, again = struct.unpack_from("=QQ", info, 200)
        if self.carries and self._meter.stamps:
            self._meter.stamps.met(round_trip)
        header = self._ip + 20 + (12 if options & TIMESTAMPS else 0)
        # The kernel counts the SYN among what came in, but not the SYN-ACK among what it sent.
        syn = self._ip + 20 + _syn_options(options)
        return Totals(
            connections=1,
            requests=self.requests,
            others=self.others,
            segments_down=segments_out + 1,
            segments_up=segments_in,
            stream_down=sent - again,
            stream_up=received - (state in FIN_RECEIVED),
            http_down=self.http_down,
            http_up=self.http_up,
            tcp_ip_down=header * segments_out + syn + again,
            tcp_ip_up=header * (segments_in - 1) + syn,
        )


def _ip_header(address: str) -> int:
    """Bytes of it; an IPv4 address of an IPv6 socket is mapped."""
    return 40 if ":" in address and not address.startswith("::ffff:") else 20


def _syn_options(options: int) -> int:
    """Bytes of the options in a SYN: maximum segment size and what was agreed on, padded as Linux does it."""
    agreed = 12 if options & TIMESTAMPS else 4 if options & SACK else 0  # permission for SACK fits in the padding
    return 4 + agreed + (4 if options & WINDOW_SCALE else 0)


class State(ServerState):
    """What all connections of one server share: uvicorn's, and the meter."""

    def __init__(self) -> None:
        super().__init__()
        self.meter = Meter()


class Writer(Protocol):
    """What writes a response: uvicorn's RequestResponseCycle, or its WebSocket protocol."""

    transport: asyncio.Transport


class Head:
    """Stands before the transport until a response's head has passed, and notes how long that was."""

    def __init__(self, writer: Writer, connection: Connection) -> None:
        self._writer, self._transport, self._connection = writer, writer.transport, connection
        writer.transport = cast("asyncio.Transport", self)

    def write(self, data: bytes) -> None:
        head = data[: data.index(b"\r\n\r\n") + 4]
        self._writer.transport = self._connection.answered(head, self._transport)
        self._writer.transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class CountedWebSocket(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket on a connection that is counted."""

    connection: Connection

    def connection_lost(self, exc: Exception | None) -> None:
        self.connection.end()
        super().connection_lost(exc)


class Counted(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 on a connection that is counted; it may become a WebSocket."""

    connection: Connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        self.connection = cast("State", self.server_state).meter.open(transport)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.connection.end()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self.connection.http_up += len(data)
        super().data_received(data)

    def on_body(self, body: bytes) -> None:
        self.connection.http_up -= len(body)
        super().on_body(body)

    def on_headers_complete(self) -> None:
        self.connection.requested(self.url)
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:  # else it is going to be a WebSocket
            Head(self.cycle, self.connection)

    def handle_websocket_upgrade(self) -> None:
        super().handle_websocket_upgrade()
        protocol = self.transport.get_protocol()
        if isinstance(protocol, CountedWebSocket):
            protocol.connection = self.connection
            Head(protocol, self.connection)
