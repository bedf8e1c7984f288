"""The crowd: what it reports adds up, and what it can't measure it says."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from conftest import SUBJECTS

from benchmarks import crowd
from benchmarks.crowd import Crowd, crowding, measure
from lab.errors import UserError
from lab.process import server_process

POLLING, STREAMING = SUBJECTS["short_polling"], SUBJECTS["sse"]


@pytest.fixture
async def small(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Crowd]:
    """A crowd of 4 + 8 readers and half a second."""
    monkeypatch.setattr(crowd, "WARM_UP", 4)
    monkeypatch.setattr(crowd, "READERS", 8)
    monkeypatch.setattr(crowd, "SECONDS", 0.5)
    monkeypatch.setattr(crowd, "SOURCE", "metronome:rate=10,size=100,seconds=0.5")
    async with crowding() as one:
        yield one


async def test_one_process_serves_several_subjects(small: Crowd) -> None:
    for whom in (STREAMING, POLLING):
        async with server_process([whom.name]) as server:
            cost = await measure(server, whom, small)
            assert cost.deliveries == cost.expected == 5 * 12
            assert list(cost.cpu_ns) == [server.pid]
            assert 1 < cost.cpu_us_per_delivery < 0.5e6 / cost.deliveries * 2  # two cores for all of the time
            assert cost.memory == "anonymous"
            while await server.ask("waiting"):  # all have left
                await asyncio.sleep(0.01)


async def test_it_says_why_it_could_not_open(small: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    async with server_process(["sse"]) as server:
        monkeypatch.setattr(crowd, "PATIENCE", 0.5)
        with pytest.raises(UserError, match=r"a crowd of 4 could not open by short_polling: HTTP 404"):
            await measure(server, POLLING, small)
        monkeypatch.setattr(crowd, "PATIENCE", 10)
        assert (await measure(server, STREAMING, small)).deliveries == 5 * 12  # and goes on
