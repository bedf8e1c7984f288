"""A page's line to the classroom, a WebSocket with JSON: requests with their answers, and what the page is told.

From the page: `{"n": 3, "do": "vote", …}`. To it: `{"answers": 3, "ok": …}`, or `{"answers": 3, "refused": sentence}`,
and besides, at any time, `{"tells": kind, …}`. The first request is `enter`: it decides what the page may do.
"""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, TypeVar

from fastapi import WebSocket, WebSocketDisconnect
from pydantic import ConfigDict, ValidationError, validate_call

from lab import clock
from lab.errors import UserError

RATE, BURST = 30.0, 60.0
"""Requests in a second, and at once, that a page may make; more end its line."""

LARGEST = 16 << 10
"""Characters of a request."""

OUTBOX = 1000
"""Messages that may wait for a page which does not read: more end its line. It comes back, and is told everything."""

PATIENCE = 10.0
"""Seconds in which the first request must come."""

HEARTBEAT = 5.0
"""Seconds between signs of life."""

GOODBYE = 1.0
"""Seconds in which a page may take the last word."""

TOO_MANY, TOO_SLOW, NOT_LET_IN = 4008, 4009, 4003
"""Codes with which a line is closed (RFC 6455, section 7.4.2: 4000–4999 are for applications)."""

DOING: set[asyncio.Future[Any]] = set()
"""Requests that are being obeyed: the event loop itself does not keep them."""

Method = TypeVar("Method", bound=Callable[..., Any])
Enter = Callable[..., AbstractAsyncContextManager[object]]


def request(method: Method) -> Method:
    """Make a method of a desk something that pages may ask for. Its arguments are checked against their annotations."""
    checked = validate_call(config=ConfigDict(strict=True, allow_inf_nan=False))(method)
    vars(checked)["is_request"] = True
    return checked


class Channel:
    """The line of one page. Whatever is told waits in a bounded outbox: no page holds up another."""

    def __init__(self, websocket: WebSocket) -> None:
        self.websocket = websocket
        self.device = websocket.client.host if websocket.client else ""
        self._outbox: asyncio.Queue[str] = asyncio.Queue(OUTBOX)
        self._full = asyncio.Event()

    def tell(self, kind: str, **what: Any) -> None:
        self._put({"tells": kind, **what})

    def answer(self, n: Any, **what: Any) -> None:
        self._put({"answers": n, **what})

    def _put(self, message: Mapping[str, Any]) -> None:
        try:
            self._outbox.put_nowait(json.dumps(message, ensure_ascii=True, separators=(",", ":")))
        except asyncio.QueueFull:
            self._full.set()

    async def send(self) -> None:
        """Send what is put into the outbox, until the page does not keep up."""
        full = asyncio.create_task(self._full.wait())
        sending = asyncio.create_task(self._send())
        try:
            await asyncio.wait([full, sending], return_when=asyncio.FIRST_COMPLETED)
        finally:
            full.cancel()
            sending.cancel()
            await asyncio.gather(full, sending, return_exceptions=True)  # the page may have gone in the middle of it

    async def _send(self) -> None:
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT):  # wait_for of Python 3.11 may swallow that it was cancelled
                    text = await self._outbox.get()
            except TimeoutError:
                text = '{"tells":"alive"}'
            await self.websocket.send_text(text)

    async def emptied(self) -> None:
        """Send what is still there: the last word before the line is closed."""
        while not self._outbox.empty():
            await self.websocket.send_text(self._outbox.get_nowait())


class Allowance:
    """So many requests in a second, and some at once: a bucket of tokens."""

    def __init__(self, rate: float, burst: float) -> None:
        self.rate, self.burst = rate, burst
        self._left, self._at = burst, clock.now()

    def take(self) -> bool:
        """Whether there was one left."""
        now = clock.now()
        self._left, self._at = min(self.burst, self._left + (now - self._at) / 1e9 * self.rate), now
        self._left -= 1
        return self._left >= 0


async def attend(websocket: WebSocket, enter: Enter) -> None:
    """Serve one page until it goes away.

    Args:
        enter: gets the channel and what the first request says; a context of the desk at which the page then is. A
            desk's methods that are marked with `request` are what the page may ask for. Raises UserError for whoever is
            not to come in.
    """
    await websocket.accept()
    channel = Channel(websocket)
    with suppress(WebSocketDisconnect):
        entering = await _first_request(websocket)
        if isinstance(entering, str) or entering.get("do") != "enter":
            await _close(channel, NOT_LET_IN, "the first request must be «enter»")
            return
        try:
            async with _desk(channel, enter, entering) as desk:
                await _serve(channel, desk)
        except UserError as error:
            channel.answer(entering.get("n"), refused=str(error))
            await channel.emptied()
            await _close(channel, NOT_LET_IN, "not let in")


@asynccontextmanager
async def _desk(channel: Channel, enter: Enter, entering: Mapping[str, Any]) -> Any:
    what = {key: value for key, value in entering.items() if key not in ("n", "do")}
    try:
        desk = enter(channel, **what)
    except TypeError as error:
        raise UserError(f"enter can't be asked so: {error}") from error
    except ValidationError as error:
        raise UserError(_first(error, "enter")) from error
    async with desk as at:
        channel.answer(entering.get("n"), ok=True)
        yield at


async def _serve(channel: Channel, desk: object) -> None:
    """Until the page goes, asks too much, or does not keep up with what it is told."""
    sending = asyncio.create_task(channel.send())
    asking = asyncio.create_task(_ask(channel, desk))
    try:
        await asyncio.wait([sending, asking], return_when=asyncio.FIRST_COMPLETED)
        if asking.done():
            await asking
        else:
            await _close(channel, TOO_SLOW, "you don't keep up: come back")
    finally:
        for task in (asking, sending):
            task.cancel()
        await asyncio.gather(asking, sending, return_exceptions=True)


async def _ask(channel: Channel, desk: object) -> None:
    allowance = Allowance(RATE, BURST)
    while True:
        message = await _received(channel.websocket)
        if not allowance.take():
            await _close(channel, TOO_MANY, f"more than {RATE:g} requests a second")
            return
        if isinstance(message, str):
            channel.answer(None, refused=message)
            continue
        n = message.pop("n", None)
        try:
            channel.answer(n, ok=await _obeyed(desk, message))
        except UserError as error:
            channel.answer(n, refused=str(error))


async def _first_request(websocket: WebSocket) -> dict[str, Any] | str:
    try:
        return await asyncio.wait_for(_received(websocket), PATIENCE)
    except TimeoutError:
        return "it did not come"


async def _received(websocket: WebSocket) -> dict[str, Any] | str:
    """A request, or what is wrong with it."""
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message["code"])
    text = message.get("text")
    if text is None:
        return "a request must be text"
    if len(text) > LARGEST:
        return f"a request of {len(text)} characters is too large: {LARGEST} are the most"
    try:
        asked = json.loads(text)
    except (ValueError, RecursionError):
        return "a request must be JSON"
    return asked if isinstance(asked, dict) else "a request must be a JSON object"


async def _obeyed(desk: object, message: dict[str, Any]) -> Any:
    do = message.pop("do", None)
    known = dict(_requests(desk))
    if not isinstance(do, str) or do not in known:
        raise UserError(f"unknown request {str(do)[:40]!r}: there are {', '.join(known)}")
    try:
        doing = asyncio.ensure_future(known[do](**message))
        DOING.add(doing)
        doing.add_done_callback(DOING.discard)
        return await asyncio.shield(doing)  # what was begun is finished, even when the page has gone meanwhile
    except ValidationError as error:
        raise UserError(_first(error, do)) from error


def _requests(desk: object) -> Iterator[tuple[str, Callable[..., Any]]]:
    for name in dir(type(desk)):
        if not name.startswith("_") and getattr(getattr(type(desk), name), "is_request", False):
            yield name, getattr(desk, name)


def _first(error: ValidationError, do: str) -> str:
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    return f"{do}: {where} {str(first.get('input'))[:40]!r} is wrong: {first['msg']}"


async def _close(channel: Channel, code: int, why: str) -> None:
    with suppress(RuntimeError, TimeoutError):  # it was closed from the other side, or nobody reads there
        async with asyncio.timeout(GOODBYE):
            await channel.websocket.close(code, why)
