"""The relay: what it holds and for how long, how it cuts, and that it changes no byte."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal
from unittest.mock import patch

import pytest
from waiting import until

from lab.link import Relay, relaying
from lab.link.relay.connection import RESET, End
from lab.link.relay.toxics import Setting

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
    port: int  # the server's
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
async def link(**settings: Setting) -> AsyncIterator[Link]:
    accepted: asyncio.Queue[Wire] = asyncio.Queue()
    all_accepted: list[Wire] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        all_accepted.append(Wire(reader, writer))
        accepted.put_nowait(all_accepted[-1])

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, relaying(port, **settings) as relay:
        here = Link(relay, accepted, port)
        try:
            yield here
        finally:
            for wire in (*here.browsers, *all_accepted):
                await wire.close()


def ends_of(relay: Relay) -> list[End]:
    """Both, of its only connection."""
    (connection,) = relay.connections
    return [connection.reader, connection.server]


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
        await until(lambda: not here.relay.connections)


async def test_a_server_that_is_not_there_is_a_broken_connection() -> None:
    async with relaying(1) as relay:
        host, _, port = relay.origin.removeprefix("http://").partition(":")
        browser = Wire(*await asyncio.open_connection(host, int(port)))
        with pytest.raises(ConnectionResetError):
            await browser.rest()
        assert not relay.connections
        await browser.close()


async def test_a_browser_that_leaves_before_the_server_is_reached_leaves_nothing_open() -> None:
    far_away, reach = asyncio.Event(), Relay.reach

    async def late(*way: Any) -> None:
        await far_away.wait()
        await reach(*way)

    with patch.object(Relay, "reach", late):
        async with link() as here:
            browser = await here.browser()
            await until(lambda: bool(here.relay.connections))
            browser.writer.transport.abort()
            await until(lambda: all(one.reader.lost for one in here.relay.connections))
            far_away.set()
            server = await here.accepted.get()
            assert await server.rest() == b""
            await until(lambda: not here.relay.connections)


# Delay


async def test_everything_from_the_server_is_held_as_long_as_the_delay() -> None:
    async with link(down=0.03) as here:
        browser, server = await here.pair()
        for n in range(3):
            began = time.monotonic_ns()
            await server.send(b"x")
            assert await browser.exactly(1) == b"x"
            passed = time.monotonic_ns() - began
            assert 30 * MS <= here.relay.held["down"][n] <= passed
        assert len(here.relay.held["down"]) == 3


async def test_what_goes_to_the_server_is_not_held() -> None:
    async with link(down=30) as here:
        browser, server = await here.pair()
        await browser.send(b"x")
        assert await server.exactly(1) == b"x"
        assert not here.relay.held["down"]


@pytest.mark.calm
async def test_without_a_delay_nearly_nothing_is_held() -> None:
    async with link() as here:
        browser, server = await here.pair()
        await server.send(b"x")
        await browser.exactly(1)
        assert 0 <= here.relay.held["down"][0] < MS


async def test_what_is_held_keeps_its_order_when_the_delay_is_lowered() -> None:
    async with link(down=0.05) as here:
        browser, server = await here.pair()
        await server.send(b"first ")
        (connection,) = here.relay.connections
        await until(lambda: bool(connection.down.waiting))
        here.relay.set(down=0)
        await server.send(b"second")
        assert await browser.exactly(12) == b"first second"
        assert here.relay.held["down"][0] >= 50 * MS


async def test_what_is_held_arrives_before_the_end_does() -> None:
    async with link(down=0.02) as here:
        browser, server = await here.pair()
        await server.send(b"last words")
        await server.close()
        assert await browser.rest() == b"last words"


async def test_a_delay_is_one_way_and_both_ways_have_it() -> None:
    async with link(delay=0.03) as here:
        browser, server = await here.pair()
        began = time.monotonic_ns()
        await browser.send(b"x")
        await server.exactly(1)
        await server.send(b"x")
        await browser.exactly(1)
        assert time.monotonic_ns() - began >= 60 * MS
        assert min(here.relay.held["up"][0], here.relay.held["down"][0]) >= 30 * MS


async def test_jitter_varies_the_delay_and_keeps_the_order() -> None:
    async with link(down=0.01, jitter=0.009) as here:
        browser, server = await here.pair()
        for n in range(30):
            await server.send(bytes([n]))
            await asyncio.sleep(0.001)
        assert await browser.exactly(30) == bytes(range(30))
        held = list(here.relay.held["down"])
        assert min(held) >= 1 * MS
        assert max(held) - min(held) > 3 * MS


# Rate


@pytest.mark.calm
async def test_bytes_pass_at_the_rate_and_all_connections_share_it() -> None:
    """25 kB each way on two connections, at 1 Mbit/s: 0.4 s each way, both ways at once."""
    size = 25_000
    async with link(rate=1e6) as here:
        pairs = [await here.pair() for _ in range(2)]
        began = time.monotonic()
        for browser, server in pairs:
            browser.writer.write(bytes(size))
            server.writer.write(bytes(size))
        for browser, server in pairs:
            await browser.exactly(size)
            await server.exactly(size)
        assert 0.39 <= time.monotonic() - began <= 0.6


@pytest.mark.calm
async def test_the_way_to_the_server_may_have_a_rate_of_its_own() -> None:
    """50 kB take 0.05 s at 8 Mbit/s, and 0.4 s at 1 Mbit/s."""
    async with link(rate=8e6, rate_up=1e6) as here:
        browser, server = await here.pair()
        began = time.monotonic()
        await server.send(bytes(50_000))
        await browser.exactly(50_000)
        down = time.monotonic() - began
        await browser.send(bytes(50_000))
        await server.exactly(50_000)
        up = time.monotonic() - began - down
        assert up >= 0.39
        assert down < up / 2


@pytest.mark.calm
async def test_connections_take_turns_at_a_bounded_rate() -> None:
    async with link(rate=1e6) as here:
        (first, one), (second, other) = await here.pair(), await here.pair()
        await one.send(bytes(60_000))  # half a second
        await asyncio.sleep(0.05)
        await other.send(b"x")
        began = time.monotonic()
        await second.exactly(1)
        assert time.monotonic() - began < 0.2
        await first.exactly(60_000)


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
        await until(lambda: not here.relay.connections)
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
        ends = ends_of(here.relay)
        await until(lambda: any(end.transport and end.transport.get_write_buffer_size() for end in ends))
        here.relay.cut("rst")
        await until(lambda: not here.relay.connections)


async def test_a_reset_of_one_side_is_a_reset_of_the_other() -> None:
    async with link(down=0.001) as here:
        browser, server = await here.pair()
        server.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        server.writer.transport.abort()
        with pytest.raises(ConnectionResetError):
            await browser.rest()


@pytest.mark.parametrize("how", ["fin", "rst"])
@pytest.mark.parametrize("piece", [0, 3])
async def test_a_response_is_cut_at_its_byte(how: str, piece: int) -> None:
    async with link(cut_at=10, by=how, piece=piece) as here:
        browser, server = await here.pair()
        await server.send(b"1234567")
        assert await browser.exactly(7) == b"1234567"
        await browser.send(b"?")  # the next response begins with what comes after that
        await server.exactly(1)
        await server.send(b"1234567")
        assert await browser.exactly(7) == b"1234567"
        await server.send(b"890abc")
        if how == "fin":
            assert await browser.rest() == b"890"
        else:
            with suppress(ConnectionResetError):
                assert await browser.rest() in (b"890", b"")
        await until(lambda: not here.relay.connections)
        assert here.relay.cuts == 1
        assert here.relay.bytes["down"] == 17


async def test_a_limit_that_is_set_later_counts_from_then() -> None:
    async with link() as here:
        browser, server = await here.pair()
        await server.send(bytes(100))
        await browser.exactly(100)
        here.relay.set(cut_at=5)
        await server.send(b"1234567")
        assert await browser.rest() == b"12345"


@pytest.mark.calm
async def test_who_is_idle_is_cut_and_who_is_not_stays() -> None:
    async with link(idle=0.15) as here:
        (idle, one), (busy, other) = await here.pair(), await here.pair()
        began = time.monotonic()

        async def talk() -> None:
            while time.monotonic() - began < 0.4:
                await busy.send(b"x")
                await other.exactly(1)
                await asyncio.sleep(0.02)

        talking = asyncio.create_task(talk())
        assert await idle.rest() == b""
        assert 0.14 <= time.monotonic() - began < 0.4
        assert await one.rest() == b""
        await talking
        assert len(here.relay.connections) == 1
        assert here.relay.cuts == 1


async def test_idleness_that_is_forbidden_later_counts_from_the_last_byte() -> None:
    async with link() as here:
        browser, _ = await here.pair()
        await asyncio.sleep(0.05)
        here.relay.set(idle=0.02)
        assert await browser.rest() == b""


# Freezing


async def silent(wire: Wire, seconds: float = 0.05) -> bool:
    """Whether nothing comes, not even the end."""
    try:
        async with asyncio.timeout(seconds):
            await wire.reader.read(1)
    except TimeoutError:
        return True
    return False


async def test_when_frozen_nothing_passes_and_nothing_ends() -> None:
    async with link() as here:
        browser, server = await here.pair()
        here.relay.set(freeze=True)
        await server.send(b"down")
        await browser.send(b"up")
        newcomer = await here.browser()
        await newcomer.send(b"me too")
        assert await silent(browser)
        assert await silent(server)
        await server.close()
        assert await silent(browser)
        assert await silent(newcomer)
        here.relay.set(freeze="off")
        assert await browser.rest() == b"down"
        await here.accepted.get()


async def test_what_was_frozen_arrives_in_order_after_the_thaw() -> None:
    async with link(down=0.01) as here:
        browser, server = await here.pair()
        await server.send(b"first ")
        here.relay.set(freeze=True)
        await server.send(b"second ")
        assert await silent(browser)
        here.relay.set(freeze=False)
        await server.send(b"third")
        assert await browser.exactly(18) == b"first second third"


@pytest.mark.parametrize("way", ["up", "down"])
async def test_one_way_alone_freezes(way: str) -> None:
    async with link(freeze=way) as here:
        browser, server = await here.pair()
        await server.send(b"x")
        await browser.send(b"x")
        assert await silent(browser) == (way == "down")
        assert await silent(server) == (way == "up")


async def test_the_frozen_can_be_cut() -> None:
    async with link(freeze="both") as here:
        browser, _ = await here.pair()
        await browser.send(b"x")
        (connection,) = here.relay.connections
        await until(lambda: bool(connection.up.waiting))  # to hang up on what was not read would be a reset
        assert here.relay.cut("fin") == 1
        assert await browser.rest() == b""


# What passed


async def test_a_lap_tells_what_passed_since_the_one_before() -> None:
    async with link(up=0.005) as here:
        browser, server = await here.pair()
        await browser.send(b"four")
        await server.exactly(4)
        await server.send(b"sixsix")
        await browser.exactly(6)
        lap = here.relay.lap()
        assert lap["connections"] == 1
        assert lap["bytes"] == {"up": 4, "down": 6}
        assert [len(lap["held_ns"][way]) for way in ("up", "down")] == [1, 1]
        assert lap["held_ns"]["up"][0] >= 5 * MS
        empty = {"connections": 0, "cuts": 0, "bytes": {"up": 0, "down": 0}, "held_ns": {"up": [], "down": []}}
        assert here.relay.lap() == empty


# Slow readers


async def test_a_slow_reader_slows_the_server_down() -> None:
    """The relay is no reservoir: what waits in it is bounded, and all of it arrives in the end."""
    size = 40 << 20
    async with link() as here:
        browser, server = await here.pair()
        browser.writer.transport.pause_reading()  # type: ignore[attr-defined]  # asyncio's socket transports can
        sending = asyncio.create_task(server.send(bytes(size)))
        ends = ends_of(here.relay)
        waiting, before = server.writer.transport.get_write_buffer_size, -1
        while waiting() != before:  # until nothing moves any more
            before = waiting()
            await asyncio.sleep(0.05)
        assert waiting() > 0, "the relay and the system have taken all of it"
        assert sum(end.transport.get_write_buffer_size() for end in ends if end.transport) < 1 << 20
        browser.writer.transport.resume_reading()  # type: ignore[attr-defined]
        assert len(await browser.exactly(size)) == size
        await sending


async def test_all_connections_are_gone_when_the_relay_is() -> None:
    async with link() as here:
        browser, server = await here.pair()
        browser.writer.transport.pause_reading()  # type: ignore[attr-defined]  # asyncio's socket transports can
        server.writer.write(bytes(20 << 20))
        async with relaying(here.port) as other:
            port = int(other.origin.rpartition(":")[2])
            second = Wire(*await asyncio.open_connection("127.0.0.1", port))
            far = await here.accepted.get()
            second.writer.transport.pause_reading()  # type: ignore[attr-defined]
            far.writer.write(bytes(20 << 20))
            ends = ends_of(other)
            await until(lambda: any(end.transport and end.transport.get_write_buffer_size() for end in ends))
        await until(lambda: not other.connections)
        await second.close()
