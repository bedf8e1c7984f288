"""Browsers behind an emulated network: as isolated as on loopback, on the server's clock, and with its delay."""

import pytest
from conftest import SUBJECTS

from benchmarks import engines
from benchmarks.browser import Chromium, Pinged, launched
from lab.link import laid, namespaces, parse
from lab.process import read_ledger, server_process

pytestmark = pytest.mark.skipif(bool(namespaces.means().missing), reason=f"unavailable: {namespaces.means().missing}")

RATE, SECONDS = 20, 1.5


@pytest.mark.parametrize("name", ["chromium", "firefox"])
async def test_a_browser_reads_through_it(name: str) -> None:
    if isinstance(reason := engines.found().get(name), str):
        pytest.skip(f"unavailable: {reason}")
    async with (
        laid(parse("net:rtt=60")) as link,
        server_process(["sse"], place=link.server) as server,
        launched(name, place=link.reader) as engine,
    ):
        assert isinstance(engine, Chromium | Pinged)
        (origin,), beside = server.origins, link.beside(server.origins[0])
        assert origin != beside
        await server.ask("allow", origins=[beside])
        await engine.try_clock(beside)
        assert engine.clock.step_ms <= 0.01
        async with engine.page(f"{origin}/lab/trial.html") as page:
            assert await page.evaluate("[isSecureContext, crossOriginIsolated]") == [True, True]
            took = await page.evaluate("fetch('/lab/trial.html', {cache: 'no-store'}).then(() => performance.now())")
            assert took > 60
        async with engine.reading(SUBJECTS["sse"], origin, {}, "now", clock=beside) as reader:
            assert await reader.opened(10)
            await server.play(f"metronome:rate={RATE},seconds={SECONDS}")
            sent, _ = read_ledger(server.ledger)
            assert await reader.reached(sent[-1].epoch, sent[-1].id, 5)
            seen = await reader.seen()
    assert len(seen.events) == len(sent) == RATE * SECONDS
    assert seen.bound_ms < 5, "it was set through the network"
    latency = [(came - entry.due) / 1e6 for entry, (_, _, came) in zip(sent, seen.events, strict=True)]
    assert min(latency) >= 30 - seen.bound_ms
    assert min(latency) < 45
