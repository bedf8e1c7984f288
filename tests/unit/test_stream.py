"""The response that never ends, and the one that is held: what goes out, when it ends, and what stays behind."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from fastapi import Request

from lab.errors import UserError
from lab.log import Item, Log
from lab.stream import framed, held, line, resumed, stream

PLAIN = {"media_type": "text/plain", "options": {"heartbeat": 0}}


def pieces(log: Log, cursor: str = "", **options: Any) -> AsyncIterator[bytes]:
    """What the body of the response is made of."""
    return cast("AsyncIterator[bytes]", stream(log, cursor, line, **{**PLAIN, **options}).body_iterator)


def request(headers: dict[str, str] | None = None, *messages: str) -> Request:
    """One whose connection says these messages and then nothing more."""
    coming = iter(messages)

    async def receive() -> dict[str, str]:
        for kind in coming:
            return {"type": kind}
        return await asyncio.Future()

    encoded = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    return Request({"type": "http", "headers": encoded}, receive)


@asynccontextmanager
async def leaving_no_task() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    async with asyncio.timeout(1):
        while asyncio.all_tasks() - before:
            await asyncio.sleep(0)


# What goes out


async def test_a_frame_per_event_after_the_prelude() -> None:
    log = Log(7)
    events = [await log.append(n) for n in range(3)]
    log.close()
    sent = [piece async for piece in pieces(log, prelude=b"hello\n")]
    assert sent == [b"hello\n", *(event.line.encode() + b"\n" for event in events)]


async def test_the_prelude_does_not_wait_for_an_event() -> None:
    log = Log()
    body = pieces(log, prelude=b"\n")
    async with asyncio.timeout(1):
        assert await anext(body) == b"\n"
    log.close()
    assert [piece async for piece in body] == []


async def test_silence_is_broken_by_a_sign_of_life() -> None:
    log = Log()
    body = pieces(log, alive=b"!", options={"heartbeat": 0.005})
    async with asyncio.timeout(1):
        assert [await anext(body) for _ in range(3)] == [b"!", b"!", b"!"]
    await cast("Any", body).aclose()


async def test_the_heartbeat_is_read_when_the_response_begins() -> None:
    """The lab's settings change while it runs: they hold for requests from then on."""
    log, options = Log(), {"heartbeat": 0.0}
    options["heartbeat"] = 0.005
    body = pieces(log, alive=b"!", options=options)
    async with asyncio.timeout(1):
        assert await anext(body) == b"!"
    await cast("Any", body).aclose()


async def test_the_response_ends_once_it_is_as_large_as_the_limit_and_not_before() -> None:
    log = Log(7)
    frames = [line(await log.append(n)) for n in range(5)]
    size = len(frames[0])
    assert [piece async for piece in pieces(log, limit=3 * size)] == frames[:3]
    assert [piece async for piece in pieces(log, limit=3 * size + 1)] == frames[:4]
    assert [piece async for piece in pieces(log, prelude=b"x", limit=3 * size + 1)] == [b"x", *frames[:3]]


async def test_signs_of_life_count_towards_the_limit_too() -> None:
    body = pieces(Log(), alive=b"!!", limit=6, options={"heartbeat": 0.001})
    async with asyncio.timeout(1):
        assert [piece async for piece in body] == [b"!!"] * 3


async def test_whoever_comes_back_after_the_limit_has_lost_nothing() -> None:
    log = Log(7)
    events = [await log.append("é" * n) for n in range(30)]
    log.close()
    got: list[bytes] = []
    while len(got) < len(events):
        cursor = events[len(got) - 1].cursor if got else ""
        got += [piece async for piece in pieces(log, cursor, limit=300)]
    assert got == [line(event) for event in events]


def test_a_malformed_cursor_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(UserError, match="malformed"):
        stream(Log(), "x", line, **cast("Any", PLAIN))


def test_nobody_on_the_way_may_keep_it_or_wait_for_more() -> None:
    headers = stream(Log(), "", line, **cast("Any", PLAIN)).headers
    assert headers["cache-control"] == "no-cache, no-transform"
    assert headers["x-accel-buffering"] == "no"
    assert headers["x-content-type-options"] == "nosniff"


# Frames


async def test_an_event_is_framed_once_for_all_readers() -> None:
    made: list[Item] = []

    @framed
    def frame(item: Item) -> bytes:
        made.append(item)
        return line(item)

    log = Log(7)
    events = [await log.append(n) for n in range(4)]
    assert {frame(events[0]) for _ in range(500)} == {line(events[0])}
    assert made == events[:1]
    assert [frame(event) for event in events] == [line(event) for event in events]


async def test_frames_of_different_logs_are_not_mixed_up() -> None:
    frame = framed(line)
    one, other = [await Log(epoch).append("same", 5) for epoch in (1, 2)]
    assert frame(one) != frame(other)


async def test_a_line_is_utf8_whatever_is_in_it() -> None:
    event = await Log(7).append("é\u2028😀\ud83d")
    assert line(event).decode() == event.line + "\n"
    assert line(event).count(b"\n") == 1


# Where it begins


def test_what_the_browser_says_of_itself_goes_before_what_the_page_said() -> None:
    assert resumed(request(), "7-3") == "7-3"
    assert resumed(request({"last-event-id": "7-9"}), "7-3") == "7-9"


# A held request


async def test_a_held_request_is_answered_by_the_first_event() -> None:
    log = Log(7)
    async with leaving_no_task(), asyncio.timeout(1):
        holding = asyncio.create_task(held(request(), log.wait("", 10)))
        await asyncio.sleep(0)
        event = await log.append("x")
        assert await holding == [event]


async def test_nothing_is_held_for_a_reader_that_has_gone() -> None:
    log = Log()
    async with leaving_no_task(), asyncio.timeout(1):
        assert await held(request(None, "http.request", "http.disconnect"), log.wait("", 10)) == []
    assert log.readers == 0


async def test_a_held_request_that_is_cancelled_leaves_nothing_behind() -> None:
    log = Log()
    async with leaving_no_task(), asyncio.timeout(1):
        holding = asyncio.create_task(held(request(), log.wait("", 10)))
        while not log.readers:
            await asyncio.sleep(0)
        holding.cancel()
        await asyncio.wait([holding])
        assert holding.cancelled()
    assert log.readers == 0


async def test_what_fails_while_waiting_is_told() -> None:
    async with leaving_no_task():
        with pytest.raises(UserError, match="malformed"):
            await held(request(), Log().wait("x", 10))
