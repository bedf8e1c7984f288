"""A server that stands still for two seconds: latency counts from when events were due, so nobody can hide it."""

import asyncio
import os
import signal
from contextlib import AsyncExitStack

import numpy as np
import pytest
from conftest import SUBJECTS, Engines

from benchmarks.browser import Seen
from lab.process import read_ledger, server_process

STALL = 2.0  # seconds


@pytest.mark.calm
async def test_a_stalled_server_shows_in_the_tail_of_every_transport(engines: Engines) -> None:
    engine = await engines.get("chromium")
    names = [name for name, subject in SUBJECTS.items() if not subject.variant and subject.found.module]
    async with server_process(names) as server, AsyncExitStack() as stack:
        following = [engine.reading(SUBJECTS[name], server.origins[0], {}, "now") for name in names]
        readers = dict(zip(names, await asyncio.gather(*map(stack.enter_async_context, following)), strict=True))
        assert all(await asyncio.gather(*(reader.opened(10) for reader in readers.values())))
        await server.ask("play", source="steady:rate=50,size=100,seconds=1.5", spin=False)
        await asyncio.sleep(0.5)
        os.kill(server.pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(STALL)
        finally:
            os.kill(server.pid, signal.SIGCONT)
        await server.ended()
        entries, _ = read_ledger(server.ledger)
        due = {(entry.epoch, entry.id): entry.due for entry in entries}
        for name, reader in readers.items():
            assert await reader.reached(entries[-1].epoch, entries[-1].id, 5), name
            delays = _delays(await reader.seen(), due)
            assert len(delays) == len(entries) == 75, name
            assert STALL - 0.1 <= delays.max() <= STALL + 0.8, name  # short polling asks every half second
            assert np.percentile(delays, 75) >= STALL / 2 - 0.1, name  # a third and more were due while it stood


def _delays(seen: Seen, due: dict[tuple[int, int], int]) -> np.ndarray:
    return np.array([(received - due[epoch, id_]) / 1e9 for epoch, id_, received in seen.events])
