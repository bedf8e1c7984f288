"""The relay as a process: it does what it is told, and is gone when whoever told it is."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass

import psutil
import pytest

from lab.errors import UserError
from lab.link import Link, laid, parse
from lab.link.relay.__main__ import Worker


async def echoing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(1000):
            writer.write(data)
    writer.close()


async def round_trip(origin: str) -> float:
    """Seconds."""
    host, port = origin.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    began = time.monotonic()
    writer.write(b"ping")
    async with asyncio.timeout(5):
        assert await reader.readexactly(4) == b"ping"
    took = time.monotonic() - began
    writer.close()
    await writer.wait_closed()
    return took


@dataclass
class There:
    """A link that is one relay, before something that echoes."""

    link: Link
    origin: str
    echo: str  # with nothing in between


@pytest.fixture(scope="module")
async def there() -> AsyncIterator[There]:
    async with await asyncio.start_server(echoing, "127.0.0.1", 0) as server, laid(parse("relay:delay=20ms")) as link:
        echo = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield There(link, await link.through(echo), echo)


async def test_it_does_what_it_is_told_and_tells_what_it_did(there: There) -> None:
    relay = there.link["relay"]
    assert there.origin != there.echo
    assert await there.link.through(there.echo) == there.origin
    assert relay.facts["settings"] == {"delay": "20ms"}
    await relay.lap()
    assert await round_trip(there.origin) >= 0.04
    lap = await relay.lap()
    assert lap["bytes"] == {"up": 4, "down": 4}
    assert lap["connections"] == 1
    assert min(lap["held_ns"]["up"] + lap["held_ns"]["down"]) >= 20_000_000
    await relay.set(delay=0, up="1ms")
    assert await round_trip(there.origin) >= 0.001
    assert relay.facts["settings"] == {"up": "1ms"}


async def test_it_measures_what_it_adds_by_itself(there: There) -> None:
    facts = there.link["relay"].facts
    for way in ("direct_ms", "through_ms", "adds_ms"):
        assert facts[way]["p50"] <= facts[way]["p99"]
    assert 0 < facts["adds_ms"]["p50"] < 5


async def test_measuring_counts_as_nothing_that_passed() -> None:
    worker = Worker("127.0.0.1")
    assert (await worker.measure())["adds_ms"]
    lap = await worker.lap()
    assert (lap["connections"], lap["bytes"]) == (0, {"up": 0, "down": 0})


async def test_what_it_can_not_do_is_refused_and_changes_nothing(there: There) -> None:
    relay = there.link["relay"]
    await relay.set(up=0, down="5ms")
    with pytest.raises(UserError, match="a relay has no 'loss'; it has delay"):
        await relay.set(loss="1%")
    with pytest.raises(UserError, match="a relay's jitter of 9ms is more than what it is taken from: 5ms"):
        await relay.set(jitter="9ms")
    assert relay.facts["settings"] == {"down": "5ms"}


async def test_it_cuts(there: There) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(there.origin.rpartition(":")[2]))
    writer.write(b"x")
    await reader.readexactly(1)
    assert await there.link.cut("rst") >= 1
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()


LAB = """
import asyncio, sys
from lab.link import laid, parse

async def main():
    async with laid(parse("relay")) as link:
        print(link["relay"].child.pid, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_it_is_gone_at_the_end() -> None:
    async with laid(parse("relay")) as link:
        relay = psutil.Process(link["relay"].child.pid)  # type: ignore[attr-defined]
        assert relay.is_running()
    assert not relay.is_running()


async def test_it_is_gone_when_the_lab_was_killed() -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", LAB, stdout=asyncio.subprocess.PIPE)
    assert process.stdout
    relay = psutil.Process(int(await process.stdout.readline()))
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()
    deadline = time.monotonic() + 5
    while relay.is_running() and relay.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the relay outlives the lab"
        await asyncio.sleep(0.02)
