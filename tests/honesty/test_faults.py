"""What the scenarios of faults must bring out: truths about connections that are known from elsewhere."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from random import Random
from typing import Any
from unittest.mock import patch

import pytest
from conftest import SUBJECTS, Engines
from trials import ground_with

from benchmarks import scenarios, storm
from benchmarks.crowd import Return, crowding
from benchmarks.ground import Ground
from benchmarks.runs import Cell, Trial
from benchmarks.stage import Stage
from benchmarks.summary import MS, noticed_ms, resumed_ms, stale_max_ms
from lab.process import read_ledger, server_process

MARGIN = 400  # ms: beyond its watchdog a reader may take so long, on a machine that is busy

HELD = [name for name, one in SUBJECTS.items() if one.found.module and not one.variant and (
    one.found.about.pattern in ("streaming", "socket"))]  # fmt: skip


@pytest.fixture(scope="module")
async def ground(engines: Engines) -> AsyncIterator[Ground]:
    async with ground_with(engines) as one:
        yield one


async def trial(ground: Ground, name: str, engine: str, scenario: str, link: str = "direct", **change: Any) -> Trial:
    """One that was measured, and in which no event was lost, repeated or out of order without a gap that says so."""
    with patch.dict(scenarios.SCENARIOS, {scenario: replace(scenarios.SCENARIOS[scenario], **change)}):
        done = await ground.trial(Cell(name, None, engine, scenario, link), 1, Random(5))
    assert done.state == "measured", done.reason
    return done


def assert_complete(done: Trial) -> None:
    arrived = [event[:2] for event in done.arrived]
    assert arrived == sorted(set(arrived))
    missing = [event[:2] for event in done.sent if event[:2] not in set(arrived)]
    for epoch, id_ in missing:
        assert any(gap["epoch"] == epoch and gap["from"] <= id_ <= (gap["to"] or id_) for gap in done.gaps), (
            f"{epoch}-{id_} is missing, and no gap names it"
        )


@pytest.mark.calm
@pytest.mark.parametrize("scenario", ["cut_fin", "cut_rst"])
async def test_an_end_is_noticed_at_once(ground: Ground, scenario: str) -> None:
    for name, engine in (("sse", "chromium"), ("websocket", "native")):
        done = await trial(ground, name, engine, scenario, "relay", seconds=0.6)
        assert (noticed := noticed_ms(done)) is not None
        assert noticed <= 100
        assert (resumed := resumed_ms(done)) is not None
        assert 0 < resumed < 5000
        assert_complete(done)


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["cut_fin", "cut_rst"])
@pytest.mark.parametrize("name", HELD)
@pytest.mark.parametrize("engine", ["chromium", "native"])
async def test_every_end_is_noticed_at_once(ground: Ground, scenario: str, name: str, engine: str) -> None:
    done = await trial(ground, name, engine, scenario, "relay")
    assert (noticed_ms(done) or 0.0) <= 100
    assert noticed_ms(done) is not None
    assert_complete(done)


@pytest.mark.calm
async def test_chromium_asks_a_long_poll_again_in_silence(ground: Ground) -> None:
    """Where nothing of an answer has come; a request is lost aloud when it has begun to be answered."""

    async def cut_while_it_waits(stage: Stage, source: str) -> None:
        _, start = read_ledger(stage.server.ledger)
        await stage.begin(source)
        while not (sent := read_ledger(stage.server.ledger, start)[0]):
            await asyncio.sleep(0.005)
        assert await stage.reader.reached(sent[0].epoch, sent[0].id, 5)  # its next request uses the connection again
        while not await stage.server.ask("waiting"):
            await asyncio.sleep(0.005)
        stage.struck("every connection is cut by RST")
        await stage.link["relay"].cut("rst")
        stage.healed()
        await stage.server.ended()

    slowly = {"source": "metronome:rate=5,size=100", "happen": cut_while_it_waits}
    done = await trial(ground, "long_polling", "chromium", "cut_rst", "relay", seconds=0.6, **slowly)
    assert noticed_ms(done) is None
    assert resumed_ms(done) is not None
    assert_complete(done)


async def test_a_killed_server_leaves_a_gap_and_a_new_epoch(ground: Ground) -> None:
    done = await trial(ground, "sse", "native", "kill", seconds=1.2)
    assert len({epoch for epoch, *_ in done.sent}) == 2
    assert [gap["why"] for gap in done.gaps] == ["restart"]
    assert done.fault["unsent"] > 0
    assert done.fault["healed"] - done.fault["at"] >= storm.DOWN * 1e9
    assert (stale_max_ms(done) or 0) >= storm.DOWN * 1000
    assert "started anew" in done.wire["reason"]
    assert_complete(done)


@pytest.mark.calm
async def test_a_watchdog_notices_silence_and_nothing_else_does(ground: Ground) -> None:
    watchdog = scenarios.SCENARIOS["silence"].settings["watchdog"] * 1000
    for name, engine in (("sse", "chromium"), ("websocket", "native")):
        watched = await trial(ground, name, engine, "silence", "relay", seconds=2.0)
        assert watchdog - 100 <= (noticed_ms(watched) or 0) <= watchdog + MARGIN
        assert resumed_ms(watched) is None
    left = await trial(ground, "sse", "chromium", "silence_unwatched", "relay", seconds=2.0)
    assert left.lost == []
    assert (stale_max_ms(left) or 0) >= 1000


async def test_nothing_comes_out_of_a_silence_for_good(ground: Ground) -> None:
    """The link is opened when the trial is over, and then a native reader, who still listens, hears it all at once."""
    done = await trial(ground, "sse", "native", "silence_unwatched", "relay", seconds=1.0)
    last = max(at for *_, at in done.arrived)
    assert last < done.fault["at"] + MARGIN * MS
    assert len(done.arrived) < len(done.sent)


@pytest.mark.slow
async def test_without_a_watchdog_silence_is_not_noticed_in_ninety_seconds(ground: Ground) -> None:
    done = await trial(ground, "sse", "chromium", "silence_unwatched", "relay", seconds=120.0)
    assert done.lost == []
    assert (stale_max_ms(done) or 0) >= 90_000


@pytest.mark.slow
@pytest.mark.parametrize("name", HELD)
@pytest.mark.parametrize("engine", ["chromium", "native"])
@pytest.mark.parametrize("scenario", ["blackhole", "blackhole_12s"])
async def test_after_silence_nothing_is_lost(ground: Ground, name: str, engine: str, scenario: str) -> None:
    watchdog = scenarios.SCENARIOS[scenario].settings["watchdog"] * 1000
    done = await trial(ground, name, engine, scenario, "relay")
    assert watchdog - 100 <= (noticed_ms(done) or 0) <= watchdog + MARGIN
    assert_complete(done)


async def test_a_stream_goes_on_while_the_browser_emulates_to_be_offline(ground: Ground) -> None:
    done = await trial(ground, "sse", "chromium", "offline", seconds=1.2)
    during = [at for _, _, at in done.arrived if done.fault["at"] < at < done.fault["healed"]]
    assert len(during) > 20
    assert done.lost == []
    assert_complete(done)


@pytest.mark.parametrize(
    ("name", "engine"), [("websocket", "chromium"), pytest.param("sse", "native", marks=pytest.mark.slow)]
)
async def test_a_slow_reader_falls_behind_in_the_log(ground: Ground, name: str, engine: str) -> None:
    """What it has not read is not kept for it: the server writes later, because the kernel's buffers are bounded.

    Those of the reader's side are not the lab's: an EventSource in Chromium took 9 MB ahead of its page.
    """
    done = await trial(ground, name, engine, "slow_reader", seconds=2.0)
    written = {(epoch, id_): at for epoch, id_, at in done.written}
    held_back = max((written[epoch, id_] - at) / MS for epoch, id_, _, at in done.sent)
    assert held_back > 100, "everything that was sent fitted into the buffers"
    assert_complete(done)


async def test_a_storm_of_real_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storm, "READERS", 20)
    monkeypatch.setattr(storm, "DOWN", 0.2)
    async with crowding() as crowd, server_process(["sse"]) as server:
        seen = await storm.measure(server, SUBJECTS["sse"], crowd, "fixed")
    assert seen.tries_per_reader >= 1.0
    assert seen.down_ms >= 200
    assert seen.back_ms < 15_000  # every reader came back
    assert seen.peak_connects_per_s >= 20  # all wait for the same second


@pytest.mark.slow
async def test_jitter_flattens_a_storm() -> None:
    peaks = {}
    async with crowding() as crowd:
        for backoff in ("fixed", "jittered"):
            async with server_process(["sse"]) as server:
                seen = await storm.measure(server, SUBJECTS["sse"], crowd, backoff)
            peaks[backoff] = seen.peak_connects_per_s
    assert peaks["fixed"] > 2 * peaks["jittered"], peaks


def test_the_figures_of_a_storm() -> None:
    second = 10**9
    returns = [Return(2 * second + n * second // 100, 2) for n in range(20)]  # one each 10 ms, from 2 s on
    assert storm.busiest([one.at for one in returns], 0.1) == 10
    seen = storm.storm(returns, 20, ended=0, answered=second)
    assert (seen.peak_connects_per_s, seen.back_ms, seen.down_ms, seen.tries_per_reader) == (100, 2180, 1000, 2)
