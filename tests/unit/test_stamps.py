"""When events were written: found in the bytes, however these are cut, and stamped as the system call is made."""

import asyncio
import struct
from collections.abc import Iterator
from itertools import pairwise

import pytest
import uvloop

from lab import clock, stamps, wire
from lab.stamps import COMPRESSED, UNKNOWN, Heads, Stamping, Stamps

HERE = 1_795_444_362_353_276


def line(id_: int, data: str = '"news"', epoch: int = HERE) -> bytes:
    return b'{"epoch":%d,"id":%d,"due":5044963875869,"at":5044963875870,"data":%s}' % (epoch, id_, data.encode())


def chunk(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(body), body)


def found(*pieces: bytes) -> list[int]:
    heads = Heads()
    events = [event for piece in pieces for event in heads.found(piece)]
    assert {epoch for epoch, _ in events} <= {HERE}
    return [id_ for _, id_ in events]


# What is found


@pytest.mark.parametrize(
    "written",
    [
        chunk(b"id:%d-7\ndata:%b\n\n" % (HERE, line(7))),
        b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n" + line(7) + b"\n",
        b"\x81\x7e\x00\x60" + line(7),
        line(7, '{"epoch":"of steam","id":8}'),
        line(7, '"\\"epoch\\":7,\\"id\\":8, {"'),
        line(7, '[{"epoch":7},{"id":8}]'),
    ],
)
def test_an_event_is_found_in_whatever_it_is_wrapped(written: bytes) -> None:
    assert found(written) == [7]


def test_several_events_of_one_write_are_all_found() -> None:
    assert found(b"\n".join(map(line, range(1, 65)))) == list(range(1, 65))


def test_what_is_no_event_is_not_found() -> None:
    gap = b'{"gap":{"epoch":1000,"from":8,"to":null,"why":"restart"},"cursor":"1795444198791890-0"}'
    assert found(gap, b'{"cursor":"1795444362353276-0"}', b"event:alive\ndata\n\n", b"", b"{", b"}") == []


def test_a_line_that_is_cut_anywhere_is_found_with_the_piece_that_completes_its_head() -> None:
    whole = b"data:" + line(123) + b"\n\n" + b"data:" + line(124, '{"a":{}}') + b"\n\n"
    for at in range(len(whole) + 1):
        assert found(whole[:at], whole[at:]) == [123, 124], at
    assert found(*(whole[n : n + 1] for n in range(len(whole)))) == [123, 124]
    heads = Heads()
    assert [heads.found(piece) for piece in (line(9)[:30], line(9)[30:])] == [[], [(HERE, 9)]]


def test_chunks_may_cut_it_too() -> None:
    whole = line(123) + b"\n" + line(124) + b"\n"
    for at in range(1, len(whole)):
        first, second = chunk(whole[:at]), chunk(whole[at:])
        assert found(first, second) == [123, 124], at
        assert found(first, second[:1], second[1:]) == [123, 124], at


# What is noted


class Written:
    """A transport that keeps what is written to it, and when."""

    def __init__(self) -> None:
        self.at: list[int] = []

    def write(self, _data: bytes) -> None:
        self.at.append(clock.now())

    def is_closing(self) -> bool:
        return True


def test_the_stamp_is_taken_just_before_the_first_write() -> None:
    of_trial, transport = Stamps(), Written()
    one, other = (Stamping(transport, of_trial) for _ in range(2))  # type: ignore[arg-type]
    before = clock.now()
    for connection, id_ in ((one, 1), (one, 2), (other, 1), (other, 3)):
        connection.write(line(id_))
    assert list(of_trial.written) == [(HERE, 1), (HERE, 2), (HERE, 3)]
    stamped = list(of_trial.written.values())
    assert stamped == sorted(stamped)
    first, second, _, last = transport.at
    assert all(
        early <= late for early, late in pairwise([before, stamped[0], first, stamped[1], second, stamped[2], last])
    )
    assert one.is_closing()  # anything else is the transport's


def test_a_line_cut_between_two_connections_is_none() -> None:
    of_trial = Stamps()
    one, other = (Stamping(Written(), of_trial) for _ in range(2))  # type: ignore[arg-type]
    one.write(line(1)[:30])
    other.write(line(1)[30:])
    assert of_trial.written == {}


def test_no_more_is_kept_than_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stamps, "KEPT", 1000)
    of_trial = Stamps()
    connection = Stamping(Written(), of_trial)  # type: ignore[arg-type]
    for id_ in range(100):
        connection.write(line(id_))
        assert of_trial._size <= 1000
    assert len(of_trial.written) == 100


@pytest.mark.parametrize("header", [b"Content-Encoding: gzip", b"sec-websocket-extensions: permessage-deflate"])
def test_what_is_compressed_is_not_read_and_says_so(header: bytes) -> None:
    of_trial, transport = Stamps(), Written()
    assert of_trial.before(transport, b"HTTP/1.1 200 OK\r\n" + header + b"\r\n\r\n") is transport  # type: ignore[arg-type]
    assert of_trial.reason == COMPRESSED
    plain = Stamps()
    assert isinstance(plain.before(transport, b"HTTP/1.1 200 OK\r\nVary: Content-Encoding\r\n\r\n"), Stamping)
    assert plain.reason == ""


def test_the_smallest_round_trip_counts() -> None:
    of_trial = Stamps()
    for seen in (UNKNOWN, 30, 7, UNKNOWN, 12):
        of_trial.met(seen)
    assert of_trial.round_trip == 7
    assert Stamps().round_trip is None


# The instant of the system call


class Unbuffered(asyncio.Protocol):
    """As the server's connections are: nothing may stay in user space. Answers whatever comes by three writes."""

    def __init__(self) -> None:
        self.sent: list[int] = []

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        transport.set_write_buffer_limits(high=0)
        self.transport = transport

    def data_received(self, _data: bytes) -> None:
        for _ in range(3):
            self.transport.write(b"x" * 100)
            (sent,) = struct.unpack_from("=Q", wire._tcp_info(self.transport.get_extra_info("socket")), 200)
            self.sent.append(sent)


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=request.param) as one:
        yield one


@pytest.mark.skipif(bool(wire.unavailable()), reason=f"unavailable: {wire.unavailable()}")
def test_what_is_written_has_been_handed_to_the_kernel(runner: asyncio.Runner) -> None:
    """When write() returns: an event loop that keeps it until later would make the stamp too early."""

    async def exchange() -> list[int]:
        protocol = Unbuffered()
        server = await asyncio.get_running_loop().create_server(lambda: protocol, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"?")
            await reader.readexactly(300)
            writer.close()
            await writer.wait_closed()
        return protocol.sent

    assert runner.run(exchange()) == [100, 200, 300]
