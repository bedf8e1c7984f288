"""A lane for each transport, that can be meddled with, and a server that is started anew behind them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import pytest
from conftest import SUBJECTS
from waiting import until

from lab.classroom.studio import Lane, Studio, studio
from lab.errors import UserError
from lab.native import Arrivals, follow

FRIEND = "http://127.0.0.1:1"
KEY = "k-1_A"
TWO = [SUBJECTS["sse"], SUBJECTS["websocket"]]


@pytest.fixture
async def two() -> AsyncIterator[Studio]:
    async with studio(TWO, [FRIEND]) as made:
        yield made


@asynccontextmanager
async def following(lane: Lane, seat: str = "", **settings: Any) -> AsyncIterator[Arrivals]:
    """A reader of the lane that is open."""
    arrivals = Arrivals()
    base = f"{lane.origin}{seat}/transports/{lane.subject.name}"
    task = asyncio.create_task(follow(lane.subject, base, settings, arrivals))
    try:
        await until(lambda: bool(arrivals.opened))
        yield arrivals
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_an_event_comes_to_every_lane_by_an_origin_of_its_own(two: Studio) -> None:
    sse, websocket = two.lanes.values()
    assert sse.origin != websocket.origin
    async with following(sse) as here, following(websocket) as there:
        epoch, id_ = await two.publish("hello")
        await until(lambda: bool(here.events and there.events))
    assert [one[:2] for one in here.events] == [one[:2] for one in there.events] == [(epoch, id_)]


async def test_a_cut_of_one_lane_is_none_of_the_other(two: Studio) -> None:
    sse, websocket = two.lanes.values()
    async with following(sse) as here, following(websocket) as there:
        assert sse.relay.cut("rst") == 1
        await until(lambda: len(here.opened) == 2)
        assert len(here.lost) == 1
        assert there.lost == []


async def test_what_plays_goes_on_in_a_new_server(two: Studio) -> None:
    await two.play("steady:rate=50,size=10")
    async with following(two.lanes["sse"]) as here:
        await until(lambda: len(here.events) > 5)
        before = here.events[-1][0]
        await two.restart(down=0.1)
        await until(lambda: here.events[-1][0] != before, 20)
        assert [gap["why"] for gap in here.gaps] == ["restart"]
    await two.pause()
    assert two.source == ""


async def test_what_is_no_source_is_refused_and_what_plays_goes_on(two: Studio) -> None:
    await two.play("steady:rate=50,size=10")
    with pytest.raises(UserError, match="is no kind of source"):
        await two.play("carrier pigeon")
    assert two.source == "steady:rate=50,size=10"


async def test_pages_of_friends_may_come_and_others_may_not(two: Studio) -> None:
    url = f"{two.lanes['sse'].origin}/lab/transports.json"
    async with aiohttp.ClientSession() as session:
        for origin, let_in in ((FRIEND, FRIEND), ("http://evil.example", None)):
            async with session.get(url, headers={"Origin": origin}) as answer:
                assert answer.headers.get("Access-Control-Allow-Origin") == let_in


async def test_without_a_seat_there_is_nothing() -> None:
    async with studio(TWO, [FRIEND], seats=[]) as made, aiohttp.ClientSession() as session:
        lane = made.lanes["websocket"]
        await made.server.seat(KEY)
        for path in ("/", "/lab/follow.js", "/transports/sse/events", "/seat/wrong/lab/follow.js", "/seat/", "/seat"):
            async with session.get(lane.origin + path) as answer:
                assert (answer.status, await answer.text()) == (403, "nobody without a seat: join the class first\n")
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(f"{lane.origin}/transports/websocket/events")
        assert refused.value.status == 403
        async with following(lane, f"/seat/{KEY}") as here:
            await made.publish("hello")
            await until(lambda: bool(here.events))


async def test_a_seat_that_is_taken_away_leads_nowhere_also_after_a_restart() -> None:
    async with studio(TWO, [FRIEND], seats=[]) as made, aiohttp.ClientSession() as session:
        await made.seat(KEY)
        await made.seat("other")
        await made.unseat(lambda key: key == KEY)
        for _ in range(2):
            for key, status in ((KEY, 403), ("other", 200)):
                async with session.get(f"{made.lanes['sse'].origin}/seat/{key}/lab/follow.js") as answer:
                    assert answer.status == status
            await made.restart(down=0.1)


async def test_a_seat_is_kept_through_a_restart() -> None:
    async with studio(TWO, [FRIEND], seats=[]) as made:
        await made.server.seat(KEY)
        await made.restart(down=0.1)
        async with following(made.lanes["sse"], f"/seat/{KEY}") as here:
            await made.publish("hello")
            await until(lambda: bool(here.events))
