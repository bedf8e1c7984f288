"""The engine `native`: a reader without a browser. What follow.js and retry.js do for pages, for client.py."""

import asyncio
import codecs
import json
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from lab import clock
from lab.log import Cursor
from lab.transport import SETTINGS, Options, Subject

_session: ContextVar[aiohttp.ClientSession] = ContextVar("session")


class Lost(ConnectionError):
    """The connection is gone; says how it was noticed."""


@dataclass
class Arrivals:
    """What a reader saw. Times are CLOCK_MONOTONIC in ns."""

    events: list[tuple[int, int, int]] = field(default_factory=list)  # epoch, id, received
    gaps: list[dict[str, Any]] = field(default_factory=list)
    opened: list[int] = field(default_factory=list)
    lost: list[tuple[int, str]] = field(default_factory=list)
    alive: int = 0


async def follow(  # noqa: PLR0913  (what differs between readers, named)
    subject: Subject,
    base: str,
    settings: Options,
    arrivals: Arrivals,
    *,
    cursor: Cursor = "now",
    on: Callable[[str], None] = lambda _line: None,
    backoff: Callable[[int], float] | None = None,
) -> None:
    """Follow one transport until cancelled, through lost connections, noting when what arrived.

    Args:
        base: where the transport's routes are mounted.
        settings: what differs from the lab's and the variant's.
        on: gets each line, "" for a sign of life, after it was noted.
        backoff: seconds to wait after so many failures in a row; by default `full_jitter`.
    """
    client, options = subject.found.native(), {**SETTINGS, **subject.options.client, **settings}
    failures, options["greeted"] = 0, False
    async with _connections():
        while True:
            opened = len(arrivals.opened)
            try:
                async with aclosing(_watched(client.events(base, cursor, options), options["watchdog"])) as items:
                    async for text in items:
                        received = clock.now()
                        if len(arrivals.opened) == opened:
                            arrivals.opened.append(received)
                        cursor = _note(text, received, arrivals) or cursor
                        on(text)
                options["greeted"] = True
            except (OSError, TimeoutError) as error:
                arrivals.lost.append((clock.now(), str(error) or f"silent for {options['watchdog']} s"))
                options["greeted"] = False
                failures = 1 if len(arrivals.opened) > opened else failures + 1
                await asyncio.sleep((backoff or full_jitter)(failures))


def full_jitter(failures: int) -> float:
    """Seconds to wait after so many failures in a row: the lab's own policy, as in retry.js."""
    return random.uniform(0, min(5.0, 0.1 * 2 ** min(failures, 10)))


def _note(text: str, received: int, arrivals: Arrivals) -> Cursor:
    """Where to go on after that line; empty where it doesn't say."""
    if not text:
        arrivals.alive += 1
        return ""
    event = json.loads(text)
    if "id" in event:
        arrivals.events.append((event["epoch"], event["id"], received))
        return f"{event['epoch']}-{event['id']}"
    if "gap" in event:
        arrivals.gaps.append(event["gap"])
    cursor: Cursor = event["cursor"]
    return cursor


async def _watched(items: AsyncIterator[str], seconds: float) -> AsyncGenerator[str, None]:
    """The same items; TimeoutError when none comes for that long. 0 = never."""
    try:
        while True:
            async with asyncio.timeout(seconds or None):
                item = await anext(items, None)
            if item is None:
                return
            yield item
    finally:
        await items.aclose()  # type: ignore[attr-defined]


@asynccontextmanager
async def _connections() -> AsyncIterator[None]:
    """One reader's connections, kept alive from one request to the next."""
    quiet = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(timeout=quiet, read_bufsize=1 << 20) as session:
        token = _session.set(session)
        try:
            yield
        finally:
            _session.reset(token)


async def get_lines(url: str, **headers: str) -> AsyncIterator[str]:
    """GET, then "" once it is open, then the body's lines as they come.

    Raises:
        Lost: no connection, an answer other than 200, or the body broke off.
    """
    try:
        async with _session.get().get(url, headers=headers) as response:
            if response.status != 200:
                raise Lost(f"HTTP {response.status}: {(await response.text())[:200].strip()}")
            yield ""
            async for text in _lines(response):
                yield text
    except aiohttp.ClientError as error:
        raise Lost(str(error)) from error


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[str]:
    """The body's lines as they are completed, whatever the chunks; one without its newline is never yielded."""
    decode = codecs.getincrementaldecoder("utf-8")().decode
    rest: list[str] = []
    async for chunk in response.content.iter_any():
        *whole, last = decode(chunk).split("\n")
        for text in whole:
            yield "".join((*rest, text))
            rest.clear()
        rest.append(last)
