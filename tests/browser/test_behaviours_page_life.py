"""Pages that are hidden, left, and come back to: what is known for certain of browsers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from conftest import SUBJECTS
from conftest import missing as missing_engine

from benchmarks.behaviours import p06_hidden_page as p06
from benchmarks.behaviours import p12_back as p12
from benchmarks.behaviours import p14_unload as p14
from benchmarks.behaviours.experiment import Observation, experiments
from benchmarks.behaviours.field import Browsers
from benchmarks.behaviours.returning import Return
from benchmarks.behaviours.store import Spot
from benchmarks.behaviours.sweep import Asked, observed
from benchmarks.ground import Failed

PLAIN = ["short_polling", "long_polling", "sse", "fetch_streaming", "xhr_streaming", "websocket"]
CONNECTED = PLAIN[1:]


@pytest.fixture(scope="module")
async def browsers() -> AsyncIterator[Browsers]:
    """Of their own: they run without flags of which the other tests know nothing."""
    async with AsyncExitStack() as stack:
        yield Browsers(stack)


async def see(browsers: Browsers, experiment: str, subject: str, engine: str, *, cured: bool = False) -> Observation:
    """The observation, as a sweep makes it."""
    if reason := missing_engine(engine):
        pytest.skip(f"unavailable: {reason}")
    spot = Spot(experiment, subject, engine, cured)
    seen = await observed(Asked(spot, experiments()[experiment], SUBJECTS[subject]), browsers)
    assert seen.state == "observed", seen.reason
    assert seen.observation
    return seen.observation


# In `make test`.


async def test_back_brings_a_page_with_a_dead_websocket_and_a_living_stream(browsers: Browsers) -> None:
    dead, streamed, closed, anew = await asyncio.gather(
        see(browsers, "back", "websocket", "chromium"),
        see(browsers, "back", "sse", "chromium"),
        see(browsers, "back", "websocket", "chromium", cured=True),
        see(browsers, "unload", "sse", "chromium"),
    )
    assert (dead.bitten, dead.numbers["page_kept"], dead.numbers["connections_lost_on_return"]) == (True, "yes", 1)
    assert "1006" in dead.log[0]
    assert (streamed.bitten, streamed.numbers["page_kept"], streamed.numbers["readers_held"]) == (False, "yes", 1)
    assert (closed.bitten, closed.numbers["page_kept"], closed.numbers["readers_held"]) == (False, "yes", 0)
    assert (anew.bitten, anew.numbers["why_not_kept"]) == (True, "UnloadHandlerExistsInMainFrame")


# In `make test-slow`: every cell of which the literature is sure.


CELLS = [
    ("hidden_page", "chromium"),
    ("back", "chromium"),
    ("back", "firefox"),
    ("unload", "chromium"),
    ("unload", "firefox"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("experiment", "engine"), CELLS)
@pytest.mark.parametrize("cured", [False, True])
async def test_every_plain_transport_does_as_expected(
    browsers: Browsers, experiment: str, engine: str, *, cured: bool
) -> None:
    """All six side by side."""
    made = await asyncio.gather(*(see(browsers, experiment, name, engine, cured=cured) for name in PLAIN))
    one = experiments()[experiment]
    for name, seen in zip(PLAIN, made, strict=True):
        assert seen.bitten == one.expects(SUBJECTS[name], engine, cured=cured), (name, seen)


@pytest.mark.slow
async def test_the_timers_of_a_hidden_page_are_slow_and_those_of_a_worker_are_not(browsers: Browsers) -> None:
    """Or there would be nothing to see for P6."""
    slow, quick = await asyncio.gather(
        see(browsers, "hidden_page", "sse", "chromium"), see(browsers, "hidden_page", "sse", "chromium", cured=True)
    )
    assert float(slow.numbers["hidden_tick_ms"] or 0) > 900
    assert float(quick.numbers["hidden_tick_ms"] or 1e9) < 300


# What is computed.


def test_expectations_are_made_of_what_transports_declare() -> None:
    assert bitten("hidden_page", "chromium") == ["short_polling"]
    assert bitten("back", "chromium") == ["websocket"]
    assert bitten("back", "firefox") == CONNECTED
    assert bitten("unload", "chromium") == bitten("unload", "firefox") == PLAIN
    assert bitten("unload", "firefox", cured=True) == CONNECTED
    assert not any(bitten(name, engine, cured=True) for name, engine in CELLS[:-1])


def bitten(experiment: str, engine: str, *, cured: bool = False) -> list[str]:
    return [one for one in PLAIN if experiments()[experiment].expects(SUBJECTS[one], engine, cured=cured)]


def test_who_can_be_asked() -> None:
    assert not experiments()["hidden_page"].unfit(SUBJECTS["sse"], "chromium")
    assert "Firefox shows" in experiments()["hidden_page"].unfit(SUBJECTS["sse"], "firefox")
    for name in ("hidden_page", "back", "unload"):
        assert experiments()[name].unfit(SUBJECTS["sse"], "native")


def a_spell(*took: float, sent: int = 3) -> p06.Spell:
    return p06.Spell(sent, [(float(at), ms) for at, ms in enumerate(took)], 100)


@pytest.mark.parametrize(
    ("hidden", "is_bitten"),
    [(a_spell(400, 500, 600), True), (a_spell(90, 100, 900), False), (a_spell(50, 50), True)],
)
def test_a_hidden_page_is_bitten_by_far_slower_or_missing_events(hidden: p06.Spell, *, is_bitten: bool) -> None:
    seen = p06.judged(a_spell(40, 50, 60), hidden)
    assert seen.bitten is is_bitten
    assert seen.says.startswith("half of the events came within 50 ms while the page was shown, within ")


def test_a_spell_counts_from_when_events_were_appended() -> None:
    spell = p06.spell_of(
        {1, 2, 3}, {1: (1_000_000_000, 1_004_000_000), 2: (2_000_000_000, 2_010_000_000)}, [0, 100, 350]
    )
    assert (spell.sent, spell.points, spell.tick_ms) == (3, [(0.0, 4.0), (1.0, 10.0)], 175)
    with pytest.raises(Failed, match="no event came"):
        p06.spell_of({1}, {}, [0, 100])
    with pytest.raises(Failed, match="stood still"):
        p06.spell_of({1}, {1: (0, 1)}, [5])


@pytest.mark.parametrize(
    ("kept", "lost", "missed", "hears", "is_bitten", "says"),
    [
        (True, (), 0, True, False, "the page was kept; it knows 3 of 3 events sent meanwhile, and heard of the next"),
        (True, ("closed with 1006",), 0, True, True, "its connection was dead when it was back (closed with 1006)"),
        (False, (), 3, True, True, "the page was loaded anew; it knows 0 of 3"),
        (True, (), 0, False, True, "did not hear of the next"),
    ],
)
def test_a_journey_is_judged_by_what_the_page_knows(
    lost: tuple[str, ...], missed: int, says: str, *, kept: bool, hears: bool, is_bitten: bool
) -> None:
    seen = p12.judged(p12.Journey(Return(kept, lost, ()), missed, hears, 0))
    assert seen.bitten is is_bitten
    assert says in seen.says


def test_a_page_that_was_not_kept_says_why() -> None:
    seen = p14.judged("unload", Return(kept=False, lost=(), reasons=("UnloadHandler",)))
    assert (seen.bitten, seen.says) == (True, "the page that listens to unload was loaded anew: UnloadHandler")
    assert not p14.judged("pagehide", Return(kept=True, lost=(), reasons=())).bitten
