"""Connections, headers, wrong answers, foreign pages, two servers: what is known for certain of browsers."""

import asyncio
import ssl
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pytest
from conftest import SUBJECTS, Engines

from benchmarks.behaviours import p02_connection_limit, p13_stream_limit, p15_wrong_answer, p18_foreign_page
from benchmarks.behaviours import p20_no_affinity as p20
from benchmarks.behaviours.experiment import Observation, experiments
from benchmarks.behaviours.field import Browsers, field_for
from benchmarks.behaviours.store import Spot
from benchmarks.behaviours.sweep import Asked, observed
from benchmarks.browser import Engine, Seen

PLAIN = ["short_polling", "long_polling", "sse", "fetch_streaming", "xhr_streaming", "websocket"]
OURS = ["connection_limit", "headers", "stream_limit", "wrong_answer", "foreign_page", "no_affinity"]


@dataclass
class Shared(Browsers):
    """The tests' own browsers, each page with a context of its own."""

    engines: Engines

    async def get(self, name: str, without: Sequence[str] = ()) -> Engine:
        assert not without, "none of these experiments drops flags"
        return await self.engines.get(name)


@pytest.fixture(scope="module")
def browsers(engines: Engines) -> Browsers:
    return Shared(engines)


async def see(browsers: Browsers, experiment: str, subject: str, engine: str, *, cured: bool = False) -> Observation:
    """The observation, as a sweep makes it."""
    one = experiments()[experiment]
    if reason := one.missing():
        pytest.skip(f"unavailable: {reason}")
    spot = Spot(experiment, subject, engine, cured)
    seen = await observed(Asked(spot, one, SUBJECTS[subject]), browsers)
    assert seen.state == "observed", seen.reason
    assert seen.observation
    return seen.observation


# In `make test`: some cells of which nobody doubts, all side by side.

Sample = dict[tuple[str, str, bool], Observation]

SAMPLE = [
    ("connection_limit", "sse", False),
    ("connection_limit", "sse", True),
    ("headers", "sse:native", False),
    ("headers", "fetch_streaming", False),
    ("wrong_answer", "xhr_streaming", False),
    ("foreign_page", "websocket", False),
    ("foreign_page", "websocket", True),
]


@pytest.fixture(scope="module")
async def seen(browsers: Browsers) -> Sample:
    """By experiment, subject and whether with the cure; in Chromium."""
    made = await asyncio.gather(*(see(browsers, name, one, "chromium", cured=cured) for name, one, cured in SAMPLE))
    return dict(zip(SAMPLE, made, strict=True))


def test_the_seventh_event_source_waits_in_silence(seen: Sample) -> None:
    plain = seen["connection_limit", "sse", False]
    assert plain.bitten
    assert (plain.numbers["pages_open"], plain.numbers["pages_that_heard"]) == (6, 6)
    assert (plain.numbers["errors_told"], plain.numbers["file_ms"]) == (0, None)
    assert plain.numbers["seventh_open_after_closing_ms"] is not None


def test_one_page_that_follows_for_all_is_a_cure(seen: Sample) -> None:
    cured = seen["connection_limit", "sse", True]
    assert not cured.bitten
    assert (cured.numbers["pages_that_heard"], cured.numbers["pages_that_heard_the_second"]) == (7, 6)
    assert (cured.numbers["pages_that_follow"], cured.numbers["events_heard_twice"]) == (1, 0)


def test_an_event_source_gives_no_header_and_asks_once(seen: Sample) -> None:
    header = seen["headers", "sse:native", False]
    assert header.bitten
    assert (header.numbers["requests"], header.numbers["with_header"]) == (1, 0)
    assert header.numbers["event_sources_closed_for_good"] == 1


def test_fetch_gives_a_header(seen: Sample) -> None:
    fetched = seen["headers", "fetch_streaming", False]
    assert (fetched.bitten, fetched.numbers["with_header"]) == (False, fetched.numbers["requests"])


def test_xhr_comes_back_after_a_page_to_sign_in(seen: Sample) -> None:
    back = seen["wrong_answer", "xhr_streaming", False]
    assert not back.bitten, back.log
    assert back.numbers["requests_page"] == 2


def test_a_foreign_page_reads_a_websocket_that_nobody_guards(seen: Sample) -> None:
    stolen, refused = seen["foreign_page", "websocket", False], seen["foreign_page", "websocket", True]
    assert (stolen.bitten, stolen.numbers["foreign_requests_with_cookie"]) == (True, 1)
    assert (refused.bitten, refused.numbers["events_foreign_page_allowed"]) == (False, 1)


# In `make test-slow`: every cell that the standards or the literature are sure of, in both engines.


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["chromium", "firefox"])
@pytest.mark.parametrize("experiment", OURS)
async def test_every_plain_transport_does_as_expected(browsers: Browsers, experiment: str, engine: str) -> None:
    """Without the cure and with it."""
    one = experiments()[experiment]
    for name in [*PLAIN, "sse:native"]:
        for cured in (False, True):
            seen = await see(browsers, experiment, name, engine, cured=cured)
            assert seen.bitten == one.bites(SUBJECTS[name], cured), (name, cured, seen)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["chromium", "firefox"])
async def test_caches_send_one_of_several_equal_long_polls(browsers: Browsers, engine: str) -> None:
    """Why the readers of P2 and P13 have addresses that differ."""
    async with field_for(SUBJECTS["long_polling"], engine, browsers) as field:
        server = await field.server()
        visitor = await field.stack.enter_async_context(p02_connection_limit.tabs_of(await field.browser()))
        tabs = [await p02_connection_limit.loaded(visitor, server, field.subject) for _ in range(4)]
        cursors = await p02_connection_limit.addresses(server)
        for tab in tabs[:2]:
            assert await p02_connection_limit.follows(tab, field.subject, cursors[0], 10) is not None
        await asyncio.sleep(1)
        assert await server.ask("waiting") == 1
        for tab, cursor in zip(tabs[2:], cursors[1:], strict=False):
            assert await p02_connection_limit.follows(tab, field.subject, cursor, 10) is not None
        await asyncio.sleep(1)
        assert await server.ask("waiting") == 3


# What is computed.


def test_expectations_are_made_of_what_transports_declare() -> None:
    bitten = {name: [one for one in [*PLAIN, "sse:native"] if bites(name, one)] for name in OURS}
    assert bitten["connection_limit"] == bitten["stream_limit"]
    assert set(bitten["stream_limit"]) == {*PLAIN, "sse:native"} - {"short_polling", "websocket"}
    assert bitten["headers"] == ["sse", "websocket", "sse:native"]
    assert bitten["wrong_answer"] == ["sse:native"]
    assert bitten["foreign_page"] == ["websocket"]
    assert bitten["no_affinity"] == [*PLAIN, "sse:native"]
    assert not any(bites(name, one, cured=True) for name in OURS for one in PLAIN)


def bites(experiment: str, subject: str, *, cured: bool = False) -> bool:
    return experiments()[experiment].bites(SUBJECTS[subject], cured)


def test_only_browsers_are_asked() -> None:
    assert all(experiments()[name].unfit(SUBJECTS["sse"], "native") for name in OURS)
    assert not any(experiments()[name].unfit(SUBJECTS["sse"], "firefox") for name in OURS)


@pytest.mark.parametrize(
    ("first", "seventh_ms", "heard", "after_ms", "bitten", "says"),
    [
        (6, 12.0, 7, None, False, "the seventh page was open after 12 ms; 7 of 7 pages heard of an event"),
        (6, 12.0, 6, None, True, "the seventh page was open after 12 ms; 6 of 7 pages heard of an event"),
        (6, None, 7, 0.0, True, "it opened when there was an event"),
        (6, None, 6, 30.0, True, "it opened when another was closed"),
        (6, None, 6, None, True, "it did not open when another was closed"),
    ],
)
def test_the_seventh_page_is_judged(
    *, first: int, seventh_ms: float | None, heard: int, after_ms: float | None, bitten: bool, says: str
) -> None:
    seen = p02_connection_limit.judged(p02_connection_limit.Without(first, 6, seventh_ms, None, heard, 0, after_ms))
    assert seen.bitten == bitten
    assert says in seen.says


@pytest.mark.parametrize(
    ("opened", "heard", "after_event", "after_hang_up", "bitten", "says"),
    [
        (101, 101, 101, 101, False, "101 of 101 readers opened and 101 heard of an event"),
        (101, 100, 101, 101, True, "100 heard"),
        (100, 101, 101, 101, True, "the last was let in when there was an event"),
        (100, 100, 100, 101, True, "the last was let in when another hung up"),
        (100, 100, 100, 100, True, "the last was not let in when another hung up"),
    ],
)
def test_the_hundred_and_first_reader_is_judged(
    *, opened: int, heard: int, after_event: int, after_hang_up: int, bitten: bool, says: str
) -> None:
    streams = p13_stream_limit.Streams(100, "h2", 100, opened, heard, after_event, (), after_hang_up)
    seen = p13_stream_limit.judged(streams)
    assert seen.bitten == bitten
    assert says in seen.says


def test_one_answer_that_kills_is_enough() -> None:
    back, gone = p15_wrong_answer.Return(12.3, 2, ("HTTP 500",)), p15_wrong_answer.Return(None, 1, ())
    well = p15_wrong_answer.judged({"204": back, "500": back, "page": back})
    ill = p15_wrong_answer.judged({"204": back, "500": back, "page": gone})
    assert (well.bitten, ill.bitten) == (False, True)
    assert "not back within 8 s after 200 with a page of HTML" in ill.says
    assert (ill.numbers["back_after_page_ms"], ill.numbers["back_after_500_ms"]) == (None, 12.3)


@pytest.mark.parametrize(("foreign", "allowed"), [(0, None), (0, 1), (1, None)])
def test_a_foreign_page_that_reads_is_a_bite(foreign: int, allowed: int | None) -> None:
    asked = Counter({"requests": 3, "with a cookie": 1})
    seen = p18_foreign_page.judged(p18_foreign_page.Read(1, foreign, allowed), asked, [])
    assert seen.bitten == bool(foreign)
    assert ("permission" in seen.says) == (allowed is not None)


@pytest.mark.parametrize(
    ("data", "gaps", "bitten"),
    [
        (range(1, 11), 0, False),
        (range(1, 11), 1, True),
        (range(1, 10), 0, True),
        ([*range(1, 11), 3], 0, True),
    ],
)
def test_events_behind_a_balancer_are_counted(*, data: Iterable[int], gaps: int, bitten: bool) -> None:
    data = list(data)
    events = [(1000 + one % 2, one, 0) for one in data]
    seen = p20.judged(Seen(0, [0], events, [{}] * gaps, [], 0, 0.0, list(data)))
    assert seen.bitten == bitten
    assert seen.numbers["events_missing"] == 10 - len(set(data))
    assert seen.numbers["events_repeated"] == len(data) - len(set(data))
    assert seen.numbers["servers_met"] == 2


async def test_a_certificate_is_made_for_this_machine() -> None:
    if reason := p13_stream_limit.missing():
        pytest.skip(f"unavailable: {reason}")
    key, certificate = await p13_stream_limit.self_signed()
    assert key.startswith("-----BEGIN")
    an_ip_address_of_four_bytes = b"\x87\x04"
    assert an_ip_address_of_four_bytes + bytes([127, 0, 0, 1]) in ssl.PEM_cert_to_DER_cert(certificate)
