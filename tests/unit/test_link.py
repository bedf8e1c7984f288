"""The relay: what it holds and for how long, how it cuts, and that it changes no byte."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from lab.link import Relay, relaying

MS = 1_000_000  # ns


@dataclass
class Wire:
    """One end of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def exactly(self, size: int) -> bytes:
        async with asyncio.timeout(2):
            return await self.reader.readexactly(size)

    async def rest(self) -> bytes:
        async with asyncio.timeout(2):
            return await self.reader.read()

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


@dataclass
class Link:
    """A relay, the server behind it, and whoever comes to either."""

    relay: Relay
    accepted: asyncio.Queue[Wire]
    browsers: list[Wire] = field(default_factory=list)

    async def browser(self) -> Wire:
        host, _, port = self.relay.origin.removeprefix("http://").partition(":")
        self.browsers.append(Wire(*await asyncio.open_connection(host, int(port))))
        return self.browsers[-1]

    async def pair(self) -> tuple[Wire, Wire]:
        """A browser's end, and the server's end of the same connection."""
        browser = await self.browser()
        async with asyncio.timeout(2):
            return browser, await self.accepted.get()


@asynccontextmanager
async def link(delay: float = 0.0, piece: int = 0, make: type[Relay] = Relay) -> AsyncIterator[Link]:
    accepted: asyncio.Queue[Wire] = asyncio.Queue()
    all_accepted: list[Wire] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        all_accepted.append(Wire(reader, writer))
        accepted.put_nowait(all_accepted[-1])

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with server, relaying(make(server.sockets[0].getsockname()[1], delay, piece)) as relay:
        here = Link(relay, accepted)
        try:
            yield here
        finally:
            for wire in (*here.browsers, *all_accepted):
                await wire.close()


async def until(there: Callable[[], bool], seconds: float = 2) -> None:
    async with asyncio.timeout(seconds):
        while not there():
            await asyncio.sleep(0.001)


# Nothing is changed


async def test_bytes_pass_unchanged_in_both_directions() -> None:
    up, down = os.urandom(300_000), os.urandom(3_000_000)
    async with link() as here:
        browser, server = await here.pair()
        sending = asyncio.gather(browser.send(up), server.send(down))
        assert await server.exactly(len(up)) == up
        assert await browser.exactly(len(down)) == down
        await sending


async def test_what_a_browser_says_before_the_server_is_reached_is_not_lost() -> None:
    async with link() as here:
        browser = await here.browser()
        await browser.send(b"early")  # the relay is only beginning to connect
        server = await here.accepted.get()
        assert await server.exactly(5) == b"early"


async def test_the_end_of_one_side_is_the_end_of_the_other() -> None:
    async with link() as here:
        browser, server = await here.pair()
        await server.send(b"last words")
        await server.close()
        assert await browser.rest() == b"last words"
        browser, server = await here.pair()
        await browser.close()
        assert await server.rest() == b""
        await until(lambda: not here.relay.pairs)


async def test_a_server_that_is_not_there_is_a_broken_connection() -> None:
    async with relaying(Relay(1)) as relay:
        host, _, port = relay.origin.removeprefix("http://").partition(":")
        browser = Wire(*await asyncio.open_connection(host, int(port)))
        with pytest.raises(ConnectionResetError):
            await browser.rest()
        assert not relay.pairs
        await browser.close()


async def test_a_browser_that_leaves_before_the_server_is_reached_leaves_nothing_open() -> None:
    far_away = asyncio.Event()

    class Late(Relay):
        async def _reach(self, *ends: Any) -> None:
            await far_away.wait()
            await super()._reach(*ends)

    async with link(make=Late) as here:
        browser = await here.browser()
        await until(lambda: bool(here.relay.pairs))
        browser.writer.transport.abort()
        await until(lambda: not here.relay.pairs)
        far_away.set()
        server = await here.accepted.get()
        assert await server.rest() == b""


# Delay


async def test_everything_from_the_server_is_held_as_long_as_the_delay() -> None:
    async with link(delay=0.03) as here:
        browser, server = await here.pair()
        for n in range(3):
            began = time.monotonic_ns()
            await server.send(b"x")
            assert await browser.exactly(1) == b"x"
            passed = time.monotonic_ns() - began
            assert 30 * MS <= here.relay.held[n] <= passed
        assert len(here.relay.held) == 3


async def test_what_goes_to_the_server_is_not_held() -> None:
    async with link(delay=30) as here:
        browser, server = await here.pair()
        await browser.send(b"x")
        assert await server.exactly(1) == b"x"
        assert here.relay.held == []


async def test_without_a_delay_nearly_nothing_is_held() -> None:
    async with link() as here:
        browser, server = await here.pair()
        await server.send(b"x")
        await browser.exactly(1)
        assert 0 <= here.relay.held[0] < MS


async def test_what_is_held_keeps_its_order_when_the_delay_is_lowered() -> None:
    async with link(delay=0.05) as here:
        browser, server = await here.pair()
        await server.send(b"first ")
        ((_, far),) = here.relay.pairs
        await until(lambda: bool(far.holding))
        here.relay.delay = 0
        await server.send(b"second")
        assert await browser.exactly(12) == b"first second"
        assert here.relay.held[0] >= 50 * MS


async def test_what_is_held_arrives_before_the_end_does() -> None:
    async with link(delay=0.02) as here:
        browser, server = await here.pair()
        await server.send(b"last words")
        await server.close()
        assert await browser.rest() == b"last words"


# Slicing


async def test_slices_arrive_one_by_one_and_are_the_whole() -> None:
    text = "é漢😀".encode() * 5
    async with link(piece=1) as here:
        browser, server = await here.pair()
        await server.send(text[:20])
        await server.send(text[20:])
        got: list[bytes] = []
        while sum(map(len, got)) < len(text):
            got.append(await browser.reader.read(100))
    assert b"".join(got) == text
    assert len(got) > len(text) / 2, "slices were joined again"


async def test_slices_that_still_wait_arrive_before_the_end_does() -> None:
    async with link(piece=2) as here:
        browser, server = await here.pair()
        await server.send(b"a longer farewell")
        await server.close()
        assert await browser.rest() == b"a longer farewell"


# Cuts


@pytest.mark.parametrize("how", ["fin", "rst"])
async def test_a_cut_ends_every_connection_on_both_sides(how: Literal["fin", "rst"]) -> None:
    async with link() as here:
        pairs = [await here.pair() for _ in range(3)]
        assert here.relay.cut(how) == 3
        for wire in [end for pair in pairs for end in pair]:
            if how == "fin":
                assert await wire.rest() == b""
            else:
                with pytest.raises(ConnectionResetError):
                    await wire.rest()
        await until(lambda: not here.relay.pairs)
        assert here.relay.cut() == 0


async def test_whoever_comes_back_after_a_cut_is_served() -> None:
    async with link() as here:
        await here.pair()
        here.relay.cut()
        browser, server = await here.pair()
        await server.send(b"again")
        assert await browser.exactly(5) == b"again"
        assert here.relay.accepted == 2


async def test_a_cut_reaches_a_reader_that_reads_nothing() -> None:
    """Its buffers are full, so that there is always something left to send before the end."""
    async with link() as here:
        browser, server = await here.pair()
        browser.writer.transport.pause_reading()  # type: ignore[attr-defined]  # asyncio's socket transports can
        server.writer.write(bytes(20 << 20))
        (pair,) = here.relay.pairs
        await until(lambda: any(end.transport and end.transport.get_write_buffer_size() for end in pair))
        here.relay.cut("rst")
        await until(lambda: not here.relay.pairs)


# Slow readers


async def test_a_slow_reader_slows_the_server_down() -> None:
    """The relay is no reservoir: what waits in it is bounded, and all of it arrives in the end."""
    size = 40 << 20
    async with link() as here:
        browser, server = await here.pair()
        browser.writer.transport.pause_reading()  # type: ignore[attr-defined]  # asyncio's socket transports can
        sending = asyncio.create_task(server.send(bytes(size)))
        (pair,) = here.relay.pairs
        waiting, before = server.writer.transport.get_write_buffer_size, -1
        while waiting() != before:  # until nothing moves any more
            before = waiting()
            await asyncio.sleep(0.05)
        assert waiting() > 0, "the relay and the system have taken all of it"
        assert sum(end.transport.get_write_buffer_size() for end in pair if end.transport) < 1 << 20
        browser.writer.transport.resume_reading()  # type: ignore[attr-defined]
        assert len(await browser.exactly(size)) == size
        await sending


async def test_all_connections_are_gone_when_the_relay_is() -> None:
    async with link() as here:
        browser, server = await here.pair()
        browser.writer.transport.pause_reading()  # type: ignore[attr-defined]  # asyncio's socket transports can
        server.writer.write(bytes(20 << 20))
        async with relaying(Relay(here.relay.port)) as other:
            port = int(other.origin.rpartition(":")[2])
            second = Wire(*await asyncio.open_connection("127.0.0.1", port))
            far = await here.accepted.get()
            second.writer.transport.pause_reading()  # type: ignore[attr-defined]
            far.writer.write(bytes(20 << 20))
            (pair,) = other.pairs
            await until(lambda: any(end.transport and end.transport.get_write_buffer_size() for end in pair))
        await until(lambda: not other.pairs)
        await second.close()
