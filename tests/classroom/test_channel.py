"""A page's line to the classroom: who comes in, what may be asked, and what happens to who asks too much."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, WebSocket
from pydantic import Field
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from lab.classroom import channel
from lab.classroom.channel import Channel, attend, request
from lab.classroom.host import Host, Opening, Place, hosting
from lab.errors import UserError


class Desk:
    """What a page of this test may do."""

    def __init__(self, line: Channel, there: list[str], name: str) -> None:
        self.line, self.there, self.name = line, there, name

    @request
    async def add(self, one: Annotated[int, Field(ge=0, le=10)], other: int) -> int:
        return one + other

    @request
    async def fail(self) -> None:
        raise UserError("this is not possible: do something else")

    @request
    async def flood(self, messages: int) -> None:
        for n in range(messages):
            self.line.tell("drop", n=n, padding="x" * 10_000)

    async def secret(self) -> str:
        return "not for pages"


def site(there: list[str]) -> APIRouter:
    router = APIRouter()

    @asynccontextmanager
    async def enter(line: Channel, key: str, name: str = "nobody") -> AsyncIterator[Desk]:
        if key != "right":
            raise UserError("that is not the key")
        there.append(name)
        line.tell("welcome", name=name)
        try:
            yield Desk(line, there, name)
        finally:
            there.remove(name)

    @router.websocket("/classroom/channel")
    async def come(websocket: WebSocket) -> None:
        await attend(websocket, enter)

    return router


@pytest.fixture
async def there() -> list[str]:
    return []


@pytest.fixture
async def host(there: list[str]) -> AsyncIterator[Host]:
    opening = Opening(Place())
    async with hosting("demo", opening, [site(there)]) as open_:
        yield open_


def line(host: Host, **options: Any) -> connect:
    return connect(f"{host.origins[0].replace('http', 'ws')}/classroom/channel", proxy=None, **options)


async def say(socket: ClientConnection, **what: Any) -> Any:
    """Ask, and wait for the answer; what is told meanwhile is left out."""
    await socket.send(json.dumps({"n": 1, **what}))
    async with asyncio.timeout(5):
        while "answers" not in (message := json.loads(await socket.recv())):
            pass
    return message


async def entered(socket: ClientConnection, name: str = "Ada") -> None:
    """What was told on coming in comes before the answer: whoever is answered knows where it is."""
    await socket.send(json.dumps({"n": 1, "do": "enter", "key": "right", "name": name}))
    async with asyncio.timeout(5):
        first = [json.loads(await socket.recv()) for _ in range(2)]
    assert first == [{"tells": "welcome", "name": name}, {"answers": 1, "ok": True}]


async def closed_with(socket: ClientConnection) -> tuple[int, str]:
    async with asyncio.timeout(5):
        with suppress(ConnectionClosed):
            async for _ in socket:
                pass
    return socket.close_code or 0, socket.close_reason or ""


async def gone(there: list[str]) -> bool:
    async with asyncio.timeout(5):
        while there:
            await asyncio.sleep(0.01)
    return True


async def test_a_page_asks_and_is_answered(host: Host, there: list[str]) -> None:
    async with line(host) as socket:
        await entered(socket)
        assert there == ["Ada"]
        assert await say(socket, do="add", one=2, other=3) == {"answers": 1, "ok": 5}
    assert await gone(there)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"do": "add", "one": 11, "other": 1}, "add: one '11' is wrong: Input should be less than or equal to 10"),
        ({"do": "add", "one": "2", "other": 1}, "add: one '2' is wrong: Input should be a valid integer"),
        ({"do": "add", "one": 2}, "add: other "),
        ({"do": "add", "one": 2, "other": 1, "third": 3}, "add: third '3' is wrong: Unexpected keyword argument"),
        ({"do": "secret"}, "unknown request 'secret': there are add, fail, flood"),
        ({"do": "__init__"}, "unknown request '__init__'"),
        ({"do": ["add"]}, "unknown request"),
        ({}, "unknown request 'None'"),
        ({"do": "fail"}, "this is not possible: do something else"),
    ],
)
async def test_what_is_wrong_is_refused_in_a_sentence(asked: dict[str, Any], sentence: str, host: Host) -> None:
    async with line(host) as socket:
        await entered(socket)
        refused = (await say(socket, **asked))["refused"]
        assert refused.startswith(sentence), refused
        assert (await say(socket, do="add", one=1, other=1))["ok"] == 2, "and the line goes on"


@pytest.mark.parametrize("text", ["no JSON", "[1]", "7", "[" * 10_000, '"' + "x" * (17 << 10) + '"'])
async def test_what_is_no_request_is_refused(text: str, host: Host) -> None:
    async with line(host) as socket:
        await entered(socket)
        await socket.send(text)
        async with asyncio.timeout(5):
            while "refused" not in (message := json.loads(await socket.recv())):
                pass
        assert message["refused"].startswith("a request ")
        assert (await say(socket, do="add", one=1, other=1))["ok"] == 2


@pytest.mark.parametrize("first", ["no JSON", "[1]", '{"do": "add", "one": 1, "other": 1}'])
async def test_who_does_not_enter_may_do_nothing(first: str, host: Host) -> None:
    async with line(host) as socket:
        await socket.send(first)
        assert (await closed_with(socket))[0] == channel.NOT_LET_IN


@pytest.mark.parametrize("how", [{"key": "wrong"}, {}, {"key": "right", "more": 1}])
async def test_who_is_not_to_come_in_is_told_why(how: dict[str, Any], host: Host, there: list[str]) -> None:
    async with line(host) as socket:
        refused = await say(socket, do="enter", **how)
        assert "refused" in refused
        assert (await closed_with(socket))[0] == channel.NOT_LET_IN
    assert there == []


async def test_a_foreign_page_gets_no_line(host: Host) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with line(host, origin="http://evil.example"):
            pass
    assert refused.value.response.status_code == 403


async def test_who_asks_too_much_is_cut(host: Host, there: list[str]) -> None:
    async with line(host) as socket:
        await entered(socket)
        for _ in range(round(channel.BURST) + 20):
            await socket.send('{"do": "add", "one": 1, "other": 1}')
        assert (await closed_with(socket))[0] == channel.TOO_MANY
    assert await gone(there)


async def test_who_does_not_listen_is_cut_and_holds_up_nobody(host: Host, there: list[str]) -> None:
    async with line(host, max_queue=1, close_timeout=0) as lazy, line(host) as other:
        await entered(lazy, "lazy")
        await entered(other, "other")
        await lazy.send(json.dumps({"do": "flood", "messages": channel.OUTBOX + 500}))
        async with asyncio.timeout(5):
            while "lazy" in there:
                assert (await say(other, do="add", one=1, other=1))["ok"] == 2
                await asyncio.sleep(0.05)


def test_an_allowance_fills_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0
    monkeypatch.setattr(channel, "clock", SimpleNamespace(now=lambda: now))
    allowance = channel.Allowance(rate=100, burst=2)
    assert [allowance.take() for _ in range(3)] == [True, True, False]
    now = 20_000_000
    assert [allowance.take() for _ in range(2)] == [True, False]
