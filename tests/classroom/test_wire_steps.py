"""The wire, opened up: whatever passes a relay is in a step, to the byte, and in the right one."""

import asyncio
import json
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

import pytest
from conftest import SUBJECTS, Labs, claims
from waiting import until

from lab import native
from lab.classroom.wire import Step, Wire
from lab.classroom.wire.dissector import Dissector
from lab.classroom.wire.frame import unmasked
from lab.classroom.wire.inflater import LONGEST
from lab.classroom.wire.step import KEPT, SHOWN
from lab.classroom.wire.wire import MOST
from lab.link import Relay, relaying
from lab.link.relay.connection import Connection
from lab.native import Arrivals

Way = Literal["up", "down"]
Piece = tuple[Way, bytes]

NATIVE = sorted(name for name, one in SUBJECTS.items() if claims(one, "native"))
BEFORE, AFTER = ["hello", {"n": 2}, "a\nb <b>é</b> " + "long " * 50], ["after the cut"]
READING = {"every": 0.15, "hold": 0.5, "watchdog": 0}


# What every transport says


@dataclass
class Recorder:
    """A tap that keeps everything as it came."""

    pieces: dict[Connection, list[Piece]] = field(default_factory=dict)
    ends: dict[Connection, tuple[Way | None, str]] = field(default_factory=dict)

    def opened(self, connection: Connection) -> None:
        self.pieces[connection] = []

    def passed(self, connection: Connection, way: Way, data: bytes, _at: int) -> None:
        self.pieces[connection].append((way, data))

    def ended(self, connection: Connection, way: Way | None, how: str) -> None:
        self.ends.setdefault(connection, (way, how))

    def gone(self, connection: Connection) -> None:
        pass


@dataclass
class Exchange:
    """A reader that came, was cut, came back and left; what passed, and what was told of it."""

    recorder: Recorder
    told: list[dict[str, Any]]
    arrivals: Arrivals
    lines: dict[int, str]  # of the events, by their ids
    bytes: dict[Way, int]


@asynccontextmanager
async def collecting(wire: Wire) -> AsyncIterator[list[dict[str, Any]]]:
    told: list[dict[str, Any]] = []

    async def collect() -> None:
        async for steps in wire.batches(every=0.01):
            told.extend(steps)

    collecting = asyncio.create_task(collect())
    await asyncio.sleep(0)
    try:
        yield told
        await asyncio.sleep(0.03)
    finally:
        collecting.cancel()
        await asyncio.gather(collecting, return_exceptions=True)


async def exchange(name: str, labs: Labs) -> Exchange:
    """One, of each transport."""
    subject, recorder, arrivals = SUBJECTS[name], Recorder(), Arrivals()
    lab = await labs.for_(subject)
    lab.settings["heartbeat"] = 0.05
    async with relaying(lab.port) as relay:
        relay.taps.append(recorder)
        wire = Wire(relay)
        async with wire.watching(), collecting(wire) as told:
            base = f"{relay.origin}/transports/{name}"
            following = asyncio.create_task(native.follow(subject, base, READING, arrivals))
            await until(lambda: arrivals.opened)
            lines = {}
            for data in BEFORE:
                event = await lab.log.append(data)
                lines[event.id] = event.line
            await until(lambda: len(arrivals.events) == len(BEFORE))
            alive = arrivals.alive
            await until(lambda: arrivals.alive > alive)
            relay.cut()
            opened = len(arrivals.opened)
            event = await lab.log.append(*AFTER)
            lines[event.id] = event.line
            await until(lambda: len(arrivals.opened) > opened and len(arrivals.events) == len(lines))
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            await until(lambda: not relay.connections)
        passed = relay.lap()["bytes"]
    return Exchange(recorder, told, arrivals, lines, passed)


Exchanged = Callable[[str], Awaitable[Exchange]]


@pytest.fixture(scope="module")
def exchanged(labs: Labs) -> Exchanged:
    """One of that transport, the same for all tests."""
    known: dict[str, Exchange] = {}

    async def of(name: str) -> Exchange:
        if name not in known:
            known[name] = await exchange(name, labs)
        return known[name]

    return of


def as_bytes(_part: str, text: str, label: str = "") -> bytes:
    return bytes.fromhex(text) if label == "hex" else text.encode("utf-8", "surrogateescape")


def size(step: dict[str, Any]) -> int:
    return sum(step["bytes"].values())


@pytest.mark.parametrize("name", NATIVE)
async def test_every_byte_that_passed_is_in_a_step(name: str, exchanged: Exchanged) -> None:
    there = await exchanged(name)
    for way in ("up", "down"):
        assert sum(size(step) for step in there.told if step["way"] == way) == there.bytes[way]
    assert not sum(size(step) for step in there.told if step["way"] is None)
    assert all(there.bytes.values())
    for step in there.told:
        assert sum(len(as_bytes(*span)) for span in step["spans"]) + step["unshown"] == size(step) + step.get(
            "inflated", 0
        )
    assert json.loads(json.dumps(there.told)) == there.told


@pytest.mark.parametrize("name", NATIVE)
async def test_every_event_is_a_step_whose_payload_is_its_line(name: str, exchanged: Exchanged) -> None:
    there = await exchanged(name)
    events = [step for step in there.told if step["kind"] == "event"]
    assert [step["title"] for step in events] == [f"event {id_}" for _, id_, _ in there.arrivals.events]
    for (_, id_, _), step in zip(there.arrivals.events, events, strict=True):
        assert "".join(text for part, text, *_ in step["spans"] if part == "payload") == there.lines[id_]
        assert step["bytes"]["payload"] + step.get("inflated", 0) == len(there.lines[id_].encode())
        assert step["bytes"]["headers"] == 0
        assert (step["way"], step["events"]) == ("down", 1)


async def test_compressed_messages_are_shown_inflated_and_counted_as_they_passed(exchanged: Exchanged) -> None:
    there = await exchanged("websocket:deflate")
    events = [step for step in there.told if step["kind"] == "event"]
    assert len(events) == len(there.lines)
    for step in events:
        passed, said = step["bytes"]["payload"], step["bytes"]["payload"] + step.get("inflated", 0)
        assert step["note"] == f"compressed, {said} bytes to {passed}; shown inflated"
    assert events[1]["inflated"] > 0, "it has much in common with the first"


@pytest.mark.parametrize("name", NATIVE)
async def test_it_shows_how_a_reader_comes_and_is_cut_and_comes_back(name: str, exchanged: Exchanged) -> None:
    there = await exchanged(name)
    kinds = Counter(step["kind"] for step in there.told)
    assert kinds["connect"] == kinds["end"] == len(there.recorder.pieces) >= 2
    assert kinds["skipped"] == 0
    first, *_ = requests = [step for step in there.told if step["kind"] == "request"]
    assert first["cursor"] == "now"
    assert "note" not in first
    again = next(step for step in requests if step["connection"] > first["connection"])
    epoch, id_, _ = there.arrivals.events[len(BEFORE) - 1]
    assert again["note"] == "comes back"
    assert again["cursor"] == f"{epoch}-{id_}"
    assert ["headers", f"{epoch}-{id_}", "cursor"] in again["spans"]
    ends = [step["title"] for step in there.told if step["kind"] == "end"]
    assert ends[0] == "RST in between"
    last = ("by the client", "by the server") if kinds["close"] else ("by the client",)  # RFC 6455, section 7.1.1
    assert ends[-1].endswith(last)


@pytest.mark.parametrize("name", [name for name in NATIVE if SUBJECTS[name].found.about.pattern == "streaming"])
async def test_heartbeats_are_seen(name: str, exchanged: Exchanged) -> None:
    there = await exchanged(name)
    assert [step for step in there.told if step["kind"] == "alive" and step["bytes"]["payload"] == 0]


def dissected(pieces: Iterable[Piece], end: tuple[Way | None, str] = (None, "fin")) -> list[Step]:
    steps: list[Step] = []
    dissector = Dissector(1, 0, steps.append)
    for way, data in pieces:
        dissector.feed(way, data, 1)
    dissector.end(*end, 2)
    return steps


def in_two(pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
    """The same bytes, one of the pieces cut in two, at every byte of each."""
    for at, (way, data) in enumerate(pieces):
        for cut in range(1, len(data)):
            yield [*pieces[:at], (way, data[:cut]), (way, data[cut:]), *pieces[at + 1 :]]


@pytest.mark.parametrize("name", NATIVE)
async def test_steps_are_the_same_wherever_the_bytes_are_cut(name: str, exchanged: Exchanged) -> None:
    there = await exchanged(name)
    for pieces in there.recorder.pieces.values():
        whole = dissected(pieces)
        for cut in in_two(pieces):
            assert dissected(cut) == whole
        assert dissected((way, bytes([byte])) for way, data in pieces for byte in data) == whole


@pytest.mark.parametrize("name", NATIVE)
async def test_damaged_bytes_are_shown_and_counted_all_the_same(name: str, exchanged: Exchanged) -> None:
    there, random = await exchanged(name), Random(name)
    for pieces in there.recorder.pieces.values():
        for _ in range(60):
            damaged = [(way, damage(data, random)) for way, data in pieces]
            passed = Counter[str]()
            for way, data in damaged:
                passed[way] += len(data)
            told = Counter[str]()
            for step in dissected(damaged):
                told[str(step.way)] += step.size.total
            assert +told == +passed


def damage(data: bytes, random: Random) -> bytes:
    """It with some bytes changed, lost, or put in."""
    changed = bytearray(data)
    for _ in range(random.choice((0, 0, 1, 3, 20))):
        at = random.randrange(len(changed) + 1)
        changed[at : at + random.choice((0, 1, 1, 8))] = random.randbytes(random.choice((0, 1, 1, 8)))
    return bytes(changed)


def test_noise_is_shown_as_what_is_not_understood() -> None:
    noise = Random(1).randbytes(5000)
    connect, *steps, end = dissected([("up", noise[:3000]), ("down", noise[3000:])])
    assert (connect.kind, end.kind) == ("connect", "end")
    assert {step.title for step in steps} == {"bytes that are not understood"}
    assert sum(step.size.payload for step in steps) == 5000


# HTTP

GET = b"GET /x?cursor=7-2&hold=25 HTTP/1.1\r\nHost: there\r\n\r\n"
EVENT = b'{"epoch":7,"id":3,"due":5,"at":6,"data":"hello"}'


def brief(pieces: Iterable[Piece], *, ended: bool = False) -> list[tuple[str, str]]:
    """Kinds and titles, without the connection's beginning and end."""
    steps = dissected(pieces)
    return [(step.kind, step.title) for step in (steps[1:] if ended else steps[1:-1])]


def answer(head: str, body: bytes = b"") -> bytes:
    return b"HTTP/1.1 " + head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body


def test_the_parts_of_a_response_are_told_apart() -> None:
    body = b"3e\r\nid:7-3\ndata:" + EVENT + b"\n\n\r\n"
    head = answer("200 OK\nContent-Type: text/event-stream; charset=utf-8\nTransfer-Encoding: chunked")
    _, request, response, event, _ = dissected([("up", GET), ("down", head + body)])
    assert request.spans == [
        ("headers", b"GET /x?cursor=", ""),
        ("headers", b"7-2", "cursor"),
        ("headers", b"&hold=25 HTTP/1.1\r\nHost: there\r\n\r\n", ""),
    ]
    assert (request.title, request.cursor) == ("GET /x", "7-2")
    assert (response.title, response.note, response.took) == ("200 OK", "text/event-stream, in chunks", 0)
    assert response.spans == [("headers", head, "")]
    assert event.spans == [
        ("framing", b"3e\r\nid:", ""),
        ("framing", b"7-3", "cursor"),
        ("framing", b"\ndata:", ""),
        ("payload", EVENT, ""),
        ("framing", b"\n\n\r\n", ""),
    ]
    assert (event.kind, event.title, event.events) == ("event", "event 3", ((7, 3),))


def test_the_browsers_own_cursor_counts_before_the_pages() -> None:
    request = dissected([("up", GET[:-2] + b"Last-Event-ID: 7-9\r\n\r\n")])[1]
    assert request.cursor == "7-9"
    assert [text for _, text, label in request.spans if label] == [b"7-2", b"7-9"]


@pytest.mark.parametrize("asks", [b"HEAD /x HTTP/1.1\r\n\r\n", GET])
def test_responses_without_a_body_end_with_their_head(asks: bytes) -> None:
    head = "200 OK\nContent-Length: 5" if asks.startswith(b"HEAD") else "204 No Content"
    assert brief([("up", asks + GET), ("down", answer(head) + answer("304 Not Modified\nContent-Length: 9"))]) == [
        ("request", f"{asks.split()[0].decode()} /x"),
        ("request", "GET /x"),
        ("response", head.partition("\n")[0]),
        ("response", "304 Not Modified"),
    ]


def test_pipelined_requests_and_their_responses() -> None:
    post = b"POST /y HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody"
    body = b"\n".join([EVENT, EVENT.replace(b'"id":3', b'"id":4'), b""])
    answers = answer(f"200 OK\nContent-Type: text/plain\nContent-Length: {len(body)}", body)
    answers += answer("100 Continue") + answer("201 Created\nContent-Length: 0")
    assert brief([("up", GET + post + GET), ("down", answers)]) == [
        ("request", "GET /x"),
        ("request", "POST /y"),
        ("piece", "part of the body"),
        ("request", "GET /x"),
        ("response", "200 OK"),
        ("event", "event 3"),
        ("event", "event 4"),
        ("response", "100 Continue"),
        ("response", "201 Created"),
    ]


def test_chunks_with_extensions_and_trailers() -> None:
    chunks = b"6;name=value\r\nfirst\n\r\n0\r\nX-Trailer: yes\r\n\r\n"
    head = answer("200 OK\nContent-Type: text/plain\nTransfer-Encoding: chunked")
    steps = dissected([("up", GET), ("down", head + chunks + answer("204 No Content"))])[3:-1]
    assert [(step.title, step.size.framing, step.size.payload) for step in steps[:2]] == [
        ("a line", 17, 5),
        ("the last chunk: the body ends", 21, 0),
    ]
    assert steps[2].title == "204 No Content"


def test_an_event_that_was_cut_into_chunks_is_one() -> None:
    line = b"data:" + EVENT + b"\n\n"
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(line[at : at + 7]), line[at : at + 7]) for at in range(0, len(line), 7))
    head = answer("200 OK\nContent-Type: text/event-stream\nTransfer-Encoding: chunked")
    event = dissected([("up", GET), ("down", head + chunks)])[3]
    assert (event.title, event.size.payload, event.size.framing) == ("event 3", len(EVENT), len(chunks) - len(EVENT))


def test_a_body_that_ends_with_its_connection() -> None:
    head = answer("200 OK\nContent-Type: application/x-ndjson")
    steps = dissected([("up", GET), ("down", head + EVENT + b"\n{half")])
    assert [(step.title, step.size.payload) for step in steps[3:]] == [
        ("event 3", len(EVENT)),
        ("not finished", 5),
        ("FIN in between", 0),
    ]
    assert steps[2].note == "application/x-ndjson, until the end"


def test_a_compressed_body_is_said_to_be_compressed() -> None:
    head = answer("200 OK\nContent-Type: text/plain\nContent-Encoding: gzip\nContent-Length: 5")
    piece = dissected([("up", GET), ("down", head + b"\x1f\x8b\x00\n\xff")])[3]
    assert (piece.kind, piece.note) == ("piece", "compressed (gzip): what it carries can't be read here")
    assert piece.as_json()["spans"] == [["payload", "\x1f\udc8b\x00\n\udcff"]]


def test_an_event_is_found_whatever_is_around_it() -> None:
    chunk = b"<script>parent.got(" + EVENT + b")</script>"
    body = b"%x\r\n%s\r\n" % (len(chunk), chunk)
    head = answer("200 OK\nContent-Type: text/html\nTransfer-Encoding: chunked")
    event = dissected([("up", GET), ("down", head + body)])[3]
    assert event.title == "event 3"
    assert [text for part, text, _ in event.spans if part == "payload"] == [EVENT]
    assert event.size.total == len(body)


@pytest.mark.parametrize(
    ("block", "kind", "title"),
    [
        (b"retry:260\n\n", "piece", "retry: 260"),
        (b": still there\n\n", "alive", "a comment"),
        (b"event:alive\ndata\n\n", "alive", "event: alive"),
        (b"\n", "alive", "an empty line"),
        (b"data: " + EVENT + b"\r\n\r\n", "event", "event 3"),
        (b"data:" + EVENT[:20] + b"\ndata:" + EVENT[20:] + b"\n\n", "event", "event 3"),
        (b'id:7-3\ndata:{"cursor":"7-3"}\n\n', "piece", "you stand at 7-3"),
        (
            b'data:{"gap":{"epoch":7,"from":8,"to":null,"why":"restart"},"cursor":"9-0"}\n\n',
            "piece",
            "gap from 8 on: restart",
        ),
        (b"event: x\ndata: other\n\n", "piece", "data"),
    ],
)
def test_blocks_of_an_event_stream(block: bytes, kind: str, title: str) -> None:
    head = answer("200 OK\nContent-Type: text/event-stream")
    *_, step, _ = dissected([("up", GET), ("down", head + block)])
    assert (step.kind, step.title, step.size.total) == (kind, title, len(block))


@pytest.mark.parametrize("name", [b"cursor", b"gap"])
def test_a_line_within_an_event_is_no_line_of_its_own(name: bytes) -> None:
    event = EVENT.replace(b'"hello"', b'{"' + name + b'":1,"x":' + EVENT + b"}")
    *_, step, _ = dissected([("up", GET), ("down", answer("200 OK\nContent-Type: text/plain") + event + b"\n")])
    assert (step.title, step.events, step.size.payload) == ("event 3", ((7, 3),), len(event))


# WebSocket

UPGRADE = b"GET /x?cursor=7-2 HTTP/1.1\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n"
SWITCHED = answer("101 Switching Protocols\nConnection: Upgrade\nUpgrade: websocket")


def frame(first: int, payload: bytes = b"", key: bytes = b"") -> bytes:
    masked, length = 128 if key else 0, len(payload)
    if length < 126:
        size = bytes([masked | length])
    elif length < 1 << 16:
        size = bytes([masked | 126]) + length.to_bytes(2, "big")
    else:
        size = bytes([masked | 127]) + length.to_bytes(8, "big")
    return bytes([first]) + size + key + unmasked(payload, key, 0)


def framed(*frames: bytes, up: bytes = b"", switched: bytes = SWITCHED) -> list[Step]:
    """The steps after the handshake."""
    pieces: list[Piece] = [("up", UPGRADE), ("down", switched), ("up", up), ("down", b"".join(frames))]
    return dissected(pieces)[3:-1]


def test_frames_are_steps() -> None:
    steps = framed(
        frame(0x81, EVENT), frame(0x81), frame(0x89, b"1234"), frame(0x82, b"\xff"), frame(0x88, b"\x03\xe9bye")
    )
    assert [(step.kind, step.title, step.size.framing, step.size.payload) for step in steps] == [
        ("event", "event 3", 2, len(EVENT)),
        ("alive", "an empty message", 2, 0),
        ("ping", "ping", 6, 0),
        ("piece", "a binary message", 2, 1),
        ("close", "close 1001 bye", 7, 0),
    ]


@pytest.mark.parametrize("length", [125, 126, 65_535, 65_536, 200_000])
def test_masked_frames_are_shown_unmasked(length: int) -> None:
    text = b"abcdefg" * (length // 7 + 1)
    (step,) = framed(up=frame(0x81, text[:length], b"\x01\x02\x03\x04"))
    assert (step.way, step.size.payload, step.note) == ("up", length, "masked; shown unmasked")
    assert step.spans[-1].text == text[: min(length, SHOWN)]


def test_a_ping_in_the_middle_of_a_message() -> None:
    steps = framed(frame(0x01, EVENT[:9]), frame(0x89), frame(0x00, EVENT[9:20]), frame(0x80, EVENT[20:]))
    assert [(step.title, step.size.total) for step in steps] == [("ping", 2), ("event 3", len(EVENT) + 6)]
    assert b"".join(text for part, text, _ in steps[1].spans if part == "payload") == EVENT


def deflated(*texts: bytes, anew: bool = False) -> list[bytes]:
    """Each as a frame, compressed as RFC 7692 says it."""
    frames, context = [], zlib.compressobj(wbits=-15)
    for text in texts:
        data = context.compress(text) + context.flush(zlib.Z_SYNC_FLUSH)
        frames.append(frame(0xC1, data.removesuffix(b"\x00\x00\xff\xff")))
        context = zlib.compressobj(wbits=-15) if anew else context
    return frames


def agreeing(extensions: str) -> bytes:
    return SWITCHED.replace(b"\r\n\r\n", f"\r\nSec-WebSocket-Extensions: {extensions}\r\n\r\n".encode())


@pytest.mark.parametrize(
    ("extensions", "anew"),
    [
        ("permessage-deflate", False),
        ("x-other, permessage-deflate; client_no_context_takeover; server_max_window_bits=12", False),
        ("permessage-deflate; server_no_context_takeover", True),
    ],
)
def test_what_is_compressed_is_inflated_as_was_agreed(extensions: str, *, anew: bool) -> None:
    texts = [EVENT, EVENT.replace(b'"id":3', b'"id":4'), b"", b"x" * 100_000]
    steps = framed(*deflated(*texts, anew=anew), switched=agreeing(extensions))
    assert [step.title for step in steps] == ["event 3", "event 4", "an empty message", "a text message"]
    for step, text in zip(steps, texts, strict=True):
        assert step.size.payload + step.inflated == len(text)
        assert b"".join(span.text for span in step.spans if span.part == "payload") == text[:SHOWN]
    assert (steps[1].size.payload < steps[0].size.payload / 2) != anew


def test_a_compressed_message_in_fragments_and_another_that_is_not() -> None:
    whole = deflated(EVENT)[0][2:]
    frames = frame(0x41, whole[:5]), frame(0x89), frame(0x80, whole[5:]), frame(0x81, EVENT)
    steps = framed(*frames, switched=agreeing("permessage-deflate"))
    assert [(step.title, "inflated" in step.note) for step in steps] == [
        ("ping", False),
        ("event 3", True),
        ("event 3", False),
    ]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [(frame(0xC1, b"\xff" * 20), "no deflate"), (deflated(bytes(LONGEST + 1))[0], "more than is read of a message")],
)
def test_what_can_not_be_inflated_is_not_understood(wrong: bytes, why: str) -> None:
    (step,) = framed(wrong + b"more", switched=agreeing("permessage-deflate"))
    assert (step.title, step.size.total) == ("bytes that are not understood", len(wrong) + 4), why


def test_without_an_agreement_what_is_compressed_is_said_to_be() -> None:
    (step,) = framed(*deflated(EVENT))
    assert step.note == "compressed: what it carries can't be read here"


@pytest.mark.parametrize(
    "wrong", [frame(0x83), frame(0x91, b"x"), frame(0x80, b"x"), frame(0x09, b"x"), frame(0x89, b"x" * 126)]
)
def test_what_can_not_be_a_frame_is_not_understood(wrong: bytes) -> None:
    (step,) = framed(wrong + b"more")
    assert (step.title, step.size.total) == ("bytes that are not understood", len(wrong) + 4)


def test_a_refused_handshake_goes_on_as_http() -> None:
    refused = answer("403 Forbidden\nContent-Length: 3\nContent-Type: text/plain", b"no\n")
    assert brief([("up", UPGRADE), ("down", refused), ("up", GET), ("down", answer("204 No Content"))]) == [
        ("request", "GET /x"),
        ("response", "403 Forbidden"),
        ("piece", "a line"),
        ("request", "GET /x"),
        ("response", "204 No Content"),
    ]


# Bounds


def test_a_huge_event_is_counted_whole_and_kept_in_part() -> None:
    line = EVENT.replace(b"hello", b"x" * (1 << 20))
    steps: list[Step] = []
    dissector = Dissector(1, 0, steps.append)
    dissector.feed("up", GET, 0)
    dissector.feed("down", answer(f"200 OK\nContent-Type: text/plain\nContent-Length: {len(line)}"), 0)
    for at in range(0, len(line), 10_000):
        dissector.feed("down", line[at : at + 10_000], at)
        assert len(dissector.sides["down"].rest) <= 10_000
        assert len(dissector.sides["down"].draft.payload) <= KEPT
    event = steps[-1].as_json()
    assert (event["title"], event["bytes"]["payload"], event["events"]) == ("event 3", len(line), 1)
    assert event["unshown"] == len(line) - SHOWN


def test_a_head_without_an_end_is_not_waited_for() -> None:
    steps: list[Step] = []
    dissector = Dissector(1, 0, steps.append)
    for _ in range(200):
        dissector.feed("up", b"GET /" + b"x" * 1000, 0)
        assert len(dissector.sides["up"].rest) <= KEPT + 1005
    assert {step.title for step in steps[1:]} == {"bytes that are not understood"}


def test_nothing_that_is_kept_or_told_grows_with_what_comes() -> None:
    steps: list[Step] = []
    dissector = Dissector(1, 0, steps.append)
    long = b"x" * 10_000
    for _ in range(300):
        dissector.feed("up", b"GET /" + long + b"?cursor=" + long + b" HTTP/1.1\r\n\r\n", 0)
    dissector.feed("down", answer("200 OK\nContent-Type: text/event-stream"), 0)
    for n in range(3000):
        dissector.feed("down", b"name%d" % n + long + b"\n", 0)
    sizes = [len(json.dumps(step.as_json())) for step in steps]
    assert len(steps) == 302
    assert max(sizes) < 2 * SHOWN
    kept = dissector.sides["down"]
    assert not kept.rest
    assert sum(len(span.text) for span in kept.draft.spans()) <= KEPT
    assert len(dissector._asked) <= 100


# The tap


@asynccontextmanager
async def relayed(*said: bytes) -> AsyncIterator[tuple[Relay, Callable[[], Any]]]:
    """A relay before a server that says this to everyone who asks for anything; and what connects to it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.writelines(said)
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    writers: list[asyncio.StreamWriter] = []
    async with server, relaying(server.sockets[0].getsockname()[1]) as relay:

        async def come() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            host, _, port = relay.origin.removeprefix("http://").partition(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writers.append(writer)
            return reader, writer

        yield relay, come
        for writer in writers:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


CHUNKED = answer("200 OK\nContent-Type: text/plain\nTransfer-Encoding: chunked")
CHUNK = b"%x\r\n%s\n\r\n" % (len(EVENT) + 1, EVENT)


async def test_nothing_is_tapped_once_it_is_closed_and_nobody_watches() -> None:
    async with relayed() as (relay, _):
        assert relay.taps == []
        wire = Wire(relay)
        assert relay.taps == [wire]
        wire.close()
        wire.close()
        assert relay.taps == []
        async with wire.watching():
            async with wire.watching():
                assert relay.taps == [wire]
            assert relay.taps == [wire]
        assert relay.taps == []


async def test_who_asks_later_is_told_how_it_began_and_how_much_there_was() -> None:
    async with relayed(CHUNKED + CHUNK * 10) as (relay, come):
        wire = Wire(relay)
        reader, writer = await come()
        writer.write(GET)
        await reader.readexactly(len(CHUNKED + CHUNK * 10))
        assert wire.listeners == 0
        async with wire.watching(), collecting(wire) as told:
            await until(lambda: told)
            assert wire.listeners == 1
    assert wire.listeners == 0
    assert [step["kind"] for step in told] == ["connect", "request", "response", "skipped"]
    assert (told[-1]["steps"], told[-1]["events"]) == (10, 10)
    assert [step.get("anew") for step in told] == [True, None, None, None]
    assert sum(size(step) for step in told) == len(GET + CHUNKED + CHUNK * 10)


async def test_a_flood_is_cut_short_and_counted() -> None:
    flood = CHUNKED + CHUNK * 2000
    async with relayed(flood) as (relay, come):
        wire = Wire(relay)
        async with wire.watching(), collecting(wire) as told:
            reader, writer = await come()
            writer.write(GET)
            await reader.readexactly(len(flood))
            await until(lambda: sum(size(step) for step in told) == len(GET + flood))
    assert any(step["kind"] == "skipped" for step in told)
    assert sum(step["events"] for step in told) == 2000
    skipped = sum(step.get("steps", 0) for step in told)
    assert len([step for step in told if step["kind"] != "skipped"]) + skipped >= 2003


async def test_a_batch_is_bounded() -> None:
    flood = CHUNKED + CHUNK * 500
    async with relayed(flood) as (relay, come):
        wire = Wire(relay)
        async with wire.watching():
            batches = wire.batches(every=0)
            waiting = asyncio.ensure_future(anext(batches))
            await asyncio.sleep(0)
            reader, writer = await come()
            writer.write(GET)
            await reader.readexactly(len(flood))
            first, rest = await waiting, await anext(batches)
    assert (first[0]["kind"], rest[-1]["kind"]) == ("connect", "skipped")
    assert max(len(first), len(rest)) == MOST + 1


async def test_who_begins_in_the_middle_says_so_and_finds_events() -> None:
    async with relayed(CHUNKED) as (relay, come):
        reader, writer = await come()
        writer.write(GET)
        await reader.readexactly(len(CHUNKED))
        wire = Wire(relay)
        (connection,) = relay.connections
        async with wire.watching(), collecting(wire) as told:
            connection.down.feed(CHUNK)
            await reader.readexactly(len(CHUNK))
            writer.write(GET)
            await until(lambda: len(told) == 2)
    event, request = told
    assert (event["title"], event["bytes"]["payload"], event["bytes"]["framing"]) == (
        "event 3",
        len(EVENT),
        len(CHUNK) - len(EVENT),
    )
    assert request["title"] == "GET /x"


async def test_who_ended_it_is_said() -> None:
    async with relayed() as (relay, come):
        wire = Wire(relay)
        async with wire.watching(), collecting(wire) as told:
            for how in ("fin", "rst"):
                await come()
                await until(lambda: relay.connections)
                relay.cut(how)
                await until(lambda: not relay.connections)
            _, writer = await come()
            await until(lambda: relay.connections)
            writer.close()
            await until(lambda: not relay.connections)
    ends = [(step["connection"], step["way"], step["title"]) for step in told if step["kind"] == "end"]
    assert ends == [(1, None, "FIN in between"), (2, None, "RST in between"), (3, "up", "FIN by the client")]


async def test_a_server_that_is_not_there_resets() -> None:
    async with relaying(1) as relay:
        wire = Wire(relay)
        async with wire.watching(), collecting(wire) as told:
            host, _, port = relay.origin.removeprefix("http://").partition(":")
            _, writer = await asyncio.open_connection(host, int(port))
            await until(lambda: len(told) == 2)
            writer.close()
    assert [(step["kind"], step["title"]) for step in told] == [
        ("connect", "connection 1"),
        ("end", "RST by the server"),
    ]
