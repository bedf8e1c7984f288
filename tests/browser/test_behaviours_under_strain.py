"""Storms, losses, growth, slow pages and wrong clocks: what is known for certain of them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest
from conftest import SUBJECTS
from conftest import missing as missing_engine

from benchmarks.behaviours import p07_reconnect_storm as p07
from benchmarks.behaviours import p08_lost_messages as p08
from benchmarks.behaviours import p09_growing_response as p09
from benchmarks.behaviours import p10_slow_page as p10
from benchmarks.behaviours import p17_wrong_clock as p17
from benchmarks.behaviours import p21_long_silence as p21
from benchmarks.behaviours.experiment import experiments
from benchmarks.behaviours.field import Browsers
from benchmarks.behaviours.store import Seen, Spot
from benchmarks.behaviours.sweep import Asked, observed
from benchmarks.browser import Seen as SeenByReader
from benchmarks.crowd import Return
from benchmarks.ground import Failed
from benchmarks.storm import storm
from lab.process import Entry

PLAIN = ["short_polling", "long_polling", "sse", "fetch_streaming", "xhr_streaming", "websocket"]
OURS = ["reconnect_storm", "lost_messages", "growing_response", "slow_page", "wrong_clock"]
SECOND = 10**9


@pytest.fixture(scope="module")
async def browsers() -> AsyncIterator[Browsers]:
    """Of their own, in which each page is a fresh one."""
    async with AsyncExitStack() as stack:
        yield Browsers(stack)


async def see(browsers: Browsers, experiment: str, subject: str, engine: str, *, cured: bool = False) -> Seen:
    """The observation, as a sweep makes it, with its numbers."""
    if reason := missing_engine(engine) or experiments()[experiment].missing():
        pytest.skip(f"unavailable: {reason}")
    spot = Spot(experiment, subject, engine, cured)
    seen = await observed(Asked(spot, experiments()[experiment], SUBJECTS[subject]), browsers)
    assert seen.state == "observed", seen.reason
    return seen


def numbers(seen: Seen) -> dict[str, Any]:
    assert seen.observation
    return dict(seen.observation.numbers)


# In `make test`: some cells of which nobody doubts.


async def test_what_is_sent_meanwhile_is_lost_in_silence_and_a_cursor_finds_it(browsers: Browsers) -> None:
    lost = await see(browsers, "lost_messages", "sse", "native")
    assert lost.mark == "✓", lost
    assert numbers(lost)["events_missing_in_silence"] > 0
    assert numbers(lost)["gaps_announced"] == 0
    told = await see(browsers, "lost_messages", "sse", "native", cured=True)
    assert told.mark == "✓", told
    assert numbers(told)["events_missing_in_silence"] == numbers(told)["events_repeated"] == 0


async def test_a_response_text_grows_and_one_that_ends_does_not(browsers: Browsers) -> None:
    whole = await see(browsers, "growing_response", "xhr_streaming", "chromium")
    assert (whole.mark, numbers(whole)["responses"]) == ("✓", 1), whole
    assert numbers(whole)["grown_mb"] > 10
    ended = await see(browsers, "growing_response", "xhr_streaming", "chromium", cured=True)
    assert ended.mark == "✓", ended
    assert numbers(ended)["responses"] >= 15


async def test_a_wrong_clock_is_known_by_pings(browsers: Browsers) -> None:
    trusted = await see(browsers, "wrong_clock", "websocket", "chromium")
    assert (trusted.mark, numbers(trusted)["slow_before_sent"]) == ("✓", p17.EVENTS), trusted
    mended = await see(browsers, "wrong_clock", "websocket", "chromium", cured=True)
    assert mended.mark == "✓", mended
    for half in ("slow", "fast"):
        assert abs(numbers(mended)[f"{half}_error_ms"]) <= numbers(mended)[f"{half}_bound_ms"] + 0.1


# In `make test-slow`: every cell of which the standards or the literature are sure.


@pytest.mark.slow
@pytest.mark.parametrize("cured", [False, True])
@pytest.mark.parametrize("name", [*PLAIN, "sse:native"])
@pytest.mark.parametrize("experiment", OURS)
async def test_so_it_is_with_every_transport(
    browsers: Browsers,
    experiment: str,
    name: str,
    cured: bool,  # noqa: FBT001
) -> None:
    seen = await see(browsers, experiment, name, "chromium", cured=cured)
    assert seen.mark == "✓", seen


@pytest.mark.slow
@pytest.mark.parametrize("cured", [False, True])
@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("experiment", ["reconnect_storm", "lost_messages"])
async def test_so_it_is_natively(
    browsers: Browsers,
    experiment: str,
    name: str,
    cured: bool,  # noqa: FBT001
) -> None:
    seen = await see(browsers, experiment, name, "native", cured=cured)
    assert seen.mark == "✓", seen


# What is computed.


def test_expectations_are_made_of_what_transports_declare() -> None:
    bitten = {name: [one for one in [*PLAIN, "sse:native"] if bites(name, one)] for name in OURS}
    assert bitten["reconnect_storm"] == [*PLAIN[1:], "sse:native"]
    assert bitten["growing_response"] == ["xhr_streaming"]
    for name in ("lost_messages", "slow_page", "wrong_clock"):
        assert bitten[name] == [*PLAIN, "sse:native"]
    assert not any(bites(name, one, cured=True) for name in OURS for one in PLAIN)


def bites(experiment: str, subject: str, *, cured: bool = False) -> bool:
    return experiments()[experiment].bites(SUBJECTS[subject], cured)


@pytest.mark.parametrize(("together", "bitten"), [(10, True), (9, False)])
def test_two_fifths_at_once_are_a_storm(together: int, bitten: bool) -> None:  # noqa: FBT001
    back = [Return(2 * SECOND, 2)] * together + [Return((3 + n) * SECOND, 3) for n in range(24 - together)]
    seen = p07.judged(storm(back, 24, 0, SECOND), back, 24, 0)
    assert (seen.bitten, seen.numbers["back_within_100_ms"]) == (bitten, together)
    assert f"{together} of 24 readers" in seen.says


def test_instants_of_pages_are_put_on_the_lab_s_clock() -> None:
    found = p07.arrivals([1_000_000.0, 1_000_500.5], [1_000_250.0], ahead=900_000 * 1_000_000)
    assert found.opened == [100_000_000_000, 100_500_500_000]
    assert found.lost == [(100_250_000_000, "")]


def read(got: Sequence[int], gaps: Sequence[tuple[int, int]] = ()) -> SeenByReader:
    told = [{"epoch": 1, "from": first, "to": last, "why": "retention"} for first, last in gaps]
    return SeenByReader(0, [], [(1, id_, id_) for id_ in got], told, [], 0, 0.0, [])


@pytest.mark.parametrize(
    ("seen", "bitten", "silent"),
    [
        (read([1, 2, 3, 4]), False, 0),
        (read([1, 4], [(2, 3)]), False, 0),
        (read([1, 4], [(2, 2)]), True, 1),
        (read([1, 4]), True, 2),
        (read([1, 2, 1, 2, 3]), True, 0),
    ],
)
def test_a_hole_that_no_gap_names_is_a_bite(seen: SeenByReader, bitten: bool, silent: int) -> None:  # noqa: FBT001
    judged = p08.judged(seen, [0, 1, 2, 3], cuts=3, caught_up=True)
    assert (judged.bitten, judged.numbers["events_missing_in_silence"]) == (bitten, silent)


@pytest.mark.parametrize(("cuts", "caught_up"), [(0, True), (3, False)])
def test_nothing_is_concluded_from_a_reader_that_was_not_cut_or_is_not_back(
    cuts: int,
    caught_up: bool,  # noqa: FBT001
) -> None:
    with pytest.raises(Failed):
        p08.judged(read([1, 2]), [0, 1], cuts, caught_up=caught_up)


def test_a_request_that_says_nothing_of_its_place() -> None:
    scope = {"query_string": b"cursor=5-7&limit=9", "headers": [(b"host", b"x"), (b"last-event-id", b"5-8")]}
    assert p08.from_now(scope) == {"query_string": b"cursor=now&limit=9", "headers": [(b"host", b"x")]}


@pytest.mark.parametrize(("kib_for_each_mb", "bitten"), [(1000, True), (600, True), (300, False), (0, False)])
def test_growth_with_each_batch_is_a_bite(kib_for_each_mb: float, bitten: bool) -> None:  # noqa: FBT001
    held = [50_000 + nth * p09.BATCH_MB * kib_for_each_mb for nth in range(5)]
    seen = p09.judged(held, "anonymous", 1)
    assert seen.bitten == bitten
    assert seen.numbers["grown_mb_per_mb"] == pytest.approx(kib_for_each_mb * 1024 / 1e6, abs=0.001)


def test_growth_at_once_is_none() -> None:
    assert not p09.judged([50_000, 50_500, 50_900, 60_000, 60_100], "anonymous", 1).bitten


@pytest.mark.parametrize(
    ("last_ms", "beyond_kib", "bitten"), [(900, 100, False), (1100, 100, True), (900, 9000, False)]
)
def test_old_news_is_a_bite(last_ms: float, beyond_kib: float, bitten: bool) -> None:  # noqa: FBT001
    sent = [Entry(1, id_, 0, SECOND * id_, 1024) for id_ in (1, 2)]
    ages = p10.aged(sent, [(1, SECOND + 5_000_000), (2, 2 * SECOND + round(last_ms * 1e6))])
    assert ages == [(0.005, 5.0), (1 + last_ms / 1000, last_ms)]
    seen = p10.judged(sent, ages, p10.Held([(0.0, 0.0, 0, True), (1.0, beyond_kib + 2, 2048, False)]))
    assert seen.bitten == bitten
    assert f"in 50% of all looks, and grew by {beyond_kib:,.0f} KiB beyond its log" in seen.says


def halves(off_ms: float, bound_ms: float = 0.2, took_ms: float = 1.0) -> list[p17.Half]:
    """A clock that is two seconds slow, found to be so but for an error."""
    sent = [Entry(1, id_, 0, SECOND * id_, 100) for id_ in (1, 2, 3)]
    came = {one.id: one.at / 1e6 + took_ms - 2000 for one in sent}
    half = p17.Half(sent, came, (2 * SECOND, 0.01), (2 * SECOND + round(off_ms * 1e6), bound_ms))
    return [half, replace(half, came={id_: at + 2000 for id_, at in came.items()}, truth=(0, 0.01), estimate=(0, 0.2))]


def test_a_slow_clock_has_events_come_before_they_were_sent() -> None:
    seen = p17.judged(0, halves(0.1), cured=False)
    assert seen.bitten
    assert (seen.numbers["slow_trusted_p50_ms"], seen.numbers["slow_before_sent"]) == (-1999, 3)
    assert (seen.numbers["fast_trusted_p50_ms"], seen.numbers["fast_before_sent"]) == (1, 0)


@pytest.mark.parametrize(("off_ms", "took_ms", "bitten"), [(0.1, 1.0, False), (-0.2, 1.0, False), (0.3, 1.0, True),
                                                           (-0.2, -0.1, True)])  # fmt: skip
def test_a_bound_that_does_not_cover_the_truth_is_a_bite(off_ms: float, took_ms: float, bitten: bool) -> None:  # noqa: FBT001
    seen = p17.judged(0, halves(off_ms, took_ms=took_ms), cured=True)
    assert seen.bitten == bitten
    assert seen.numbers["slow_error_ms"] == pytest.approx(off_ms)


@pytest.mark.parametrize(
    ("cut", "hole", "bitten"), [(None, 38.0, False), (50.1, 38.0, True), (None, 452.0, True), (None, None, True)]
)
def test_a_cut_or_a_death_that_nobody_notices_is_a_bite(cut: float | None, hole: float | None, bitten: bool) -> None:  # noqa: FBT001
    known = {"haproxy": p21.Silence(cut, int(cut is not None), "gone"), p21.HOLE: p21.Silence(hole, 1)}
    seen = p21.judged(known, 480.0)
    assert seen.bitten == bitten
    assert seen.numbers["dead_noticed_s"] == hole


def test_a_long_silence_is_only_for_those_who_ask() -> None:
    assert experiments()["long_silence"].long
    assert p21.proxies(SUBJECTS["websocket"]) == ["haproxy"]
    assert p21.proxies(SUBJECTS["sse"]) == ["haproxy", "nginx", "apache"]
