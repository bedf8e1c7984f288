"""The log: what a reader at a cursor gets, what it is told it will never get, and when waiting ends."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from lab.errors import UserError
from lab.log import BATCH, LARGEST, Cursor, Event, Gap, Here, Item, Log

EPOCH = 7
MALFORMED = ["x", "-", "7-", "-3", "7", "7-3-1", " 7-3", "7-3\n", "+7-3", "7-٣", "7-1.5", "Now", "7-" + "9" * 17]


async def filled(number: int, **bounds: Any) -> Log:
    """A log to which 1, 2, … `number` were appended, so that each event's data is its id."""
    log = Log(EPOCH, **bounds)
    await append(log, *range(1, number + 1))
    return log


async def append(log: Log, *data: Any) -> None:
    for one in data:
        await log.append(one)


def append_at_once(log: Log, data: Any) -> None:
    """Without leaving this turn of the event loop: appending waits for nothing."""
    with suppress(StopIteration):
        log.append(data).send(None)


def said(items: Sequence[Item]) -> list[Any]:
    """The events' data; of gaps what they tell."""
    return [json.loads(item.line).get("data", json.loads(item.line).get("gap")) for item in items]


def cursors(items: Sequence[Item]) -> list[Cursor]:
    return [item.cursor for item in items]


def following(log: Log, cursor: Cursor, heartbeat: float = 0) -> Any:
    """Closed at the end, as whoever serves a reader does it."""
    return aclosing(cast("Any", log.follow(cursor, heartbeat)))


async def within(seconds: float, items: AsyncIterator[Item | None]) -> Item | None:
    async with asyncio.timeout(seconds):
        return await anext(items)


def gap(start: int, end: int | None, why: str = "retention", epoch: int = EPOCH) -> dict[str, Any]:
    return {"epoch": epoch, "from": start, "to": end, "why": why}


# What a cursor sees


async def test_a_reader_gets_what_comes_after_its_cursor() -> None:
    log = await filled(5)
    assert said(log.since("")) == [1, 2, 3, 4, 5]
    assert said(log.since("7-0")) == [1, 2, 3, 4, 5]
    assert said(log.since("7-3")) == [4, 5]
    assert log.since("7-5") == []
    assert said(log.since("7-1", 2)) == [2, 3]


async def test_each_event_says_where_to_go_on() -> None:
    log = await filled(3)
    assert cursors(log.since("")) == ["7-1", "7-2", "7-3"]
    assert log.cursor == "7-3"
    assert said(log.since(log.since("")[1].cursor)) == [3]


async def test_now_is_a_place_so_that_nothing_is_lost_from_there_on() -> None:
    log = await filled(3)
    (here,) = log.since("now")
    assert isinstance(here, Here)
    assert json.loads(here.line) == {"cursor": "7-3"}
    await append(log, 4)
    assert said(log.since(here.cursor)) == [4]


async def test_now_in_an_empty_log_is_before_its_first_event() -> None:
    log = Log(EPOCH)
    (here,) = log.since("now")
    await append(log, "first")
    assert said(log.since(here.cursor)) == ["first"]


@pytest.mark.parametrize("cursor", MALFORMED)
async def test_a_malformed_cursor_is_refused_by_name(cursor: str) -> None:
    log = await filled(1)
    for refusing in (log.check, log.since):
        with pytest.raises(UserError, match="is malformed: it is") as refused:
            refusing(cursor)
        assert repr(cursor) in str(refused.value)


async def test_of_a_long_malformed_cursor_only_the_beginning_is_shown() -> None:
    with pytest.raises(UserError) as refused:
        Log().check("x" * 10_000)
    assert len(str(refused.value)) < 120


def test_a_cursor_of_this_clock_is_well_formed() -> None:
    log = Log()
    log.check(log.cursor)
    log.check("")
    log.check("now")


# What the log forgets


async def test_no_more_events_are_kept_than_the_count() -> None:
    log = await filled(3, count=3)
    assert said(log.since("")) == [1, 2, 3]
    await append(log, 4)
    assert said(log.since("")) == [2, 3, 4]


async def test_a_reader_that_has_the_last_forgotten_event_missed_nothing() -> None:
    log = await filled(10, count=3)
    assert said(log.since("7-7")) == [8, 9, 10]


async def test_a_reader_that_was_overtaken_is_told_exactly_what_it_missed() -> None:
    log = await filled(10, count=3)
    assert said(log.since("7-6")) == [gap(7, 7), 8, 9, 10]
    assert said(log.since("7-2")) == [gap(3, 7), 8, 9, 10]
    assert said(log.since("7-0")) == [gap(1, 7), 8, 9, 10]


async def test_after_a_gap_reading_goes_on_where_the_gap_ended() -> None:
    log = await filled(10, count=3)
    missed = log.since("7-2", 0)
    assert cursors(missed) == ["7-7"]
    assert said(log.since(missed[-1].cursor)) == [8, 9, 10]


async def test_whoever_asks_for_the_oldest_is_told_of_no_gap() -> None:
    log = await filled(10, count=3)
    assert said(log.since("")) == [8, 9, 10]


async def test_no_more_bytes_are_kept_than_the_size() -> None:
    probe = await Log(EPOCH).append("x" * 100)
    log = Log(EPOCH, size=3 * len(probe.line))
    await append(log, *["x" * 100] * 3)
    assert len(log.since("")) == 3
    await append(log, "x" * 100)
    assert cursors(log.since("")) == ["7-2", "7-3", "7-4"]


async def test_the_size_is_of_bytes_and_not_of_characters() -> None:
    log = Log(EPOCH, size=1000)
    await append(log, *["漢" * 100] * 10)
    assert 1 < len(log.since("")) <= 1000 // 300


async def test_the_newest_is_kept_however_large_and_the_others_make_room() -> None:
    log = await filled(5, size=500)
    await append(log, "x" * 1000)
    assert said(log.since("")) == ["x" * 1000]
    assert said(log.since("7-3")) == [gap(4, 5), "x" * 1000]
    await append(log, "small")
    assert said(log.since("")) == ["small"]


async def test_what_is_forgotten_makes_room_for_as_much() -> None:
    """A count of bytes that drifts would keep ever less, or ever more."""
    log = Log(EPOCH, size=2000)
    for n in range(500):
        await append(log, "é" * (n % 90))
    held = sum(len(item.line.encode()) for item in log.since(""))
    assert 2000 - 300 < held <= 2000


# Another epoch


async def test_a_cursor_of_another_epoch_gets_a_gap_without_an_end() -> None:
    log = await filled(2)
    assert said(log.since("5-30")) == [gap(31, None, "restart", 5), 1, 2]
    assert cursors(log.since("5-30")) == ["7-0", "7-1", "7-2"]


async def test_a_restarted_log_that_has_forgotten_too_says_both() -> None:
    log = await filled(10, count=3)
    missed = log.since("5-30")
    assert said(missed) == [gap(31, None, "restart", 5), gap(1, 7), 8, 9, 10]
    assert said(log.since(missed[0].cursor)) == [gap(1, 7), 8, 9, 10]


async def test_a_restart_forgets_everything_and_counts_anew() -> None:
    log = await filled(3)
    before = log.cursor
    log.restart()
    assert log.last == 0
    assert log.since("") == []
    await append(log, "new")
    assert cursors(log.since("")) == ["8-1"]
    assert said(log.since(before)) == [gap(4, None, "restart"), "new"]


def test_a_later_log_has_a_larger_epoch() -> None:
    earlier = Log().epoch
    time.sleep(0.000_01)
    assert Log().epoch > earlier


# Appending


@pytest.mark.parametrize(
    "data",
    [None, True, 1.5, "", "\u2028 \x00 \n \r\n é漢😀", "half a pair: \ud83d", [1, [2]], {"id": 3, "cursor": "now"}],
)
async def test_an_event_is_one_line_of_json(data: Any) -> None:
    event = await Log(EPOCH).append(data, due=5)
    kept = json.loads(event.line.encode())
    assert kept == {"epoch": EPOCH, "id": 1, "due": 5, "at": kept["at"], "data": data}
    assert "\n" not in event.line
    assert "\r" not in event.line


async def test_due_is_now_where_it_is_not_given() -> None:
    before = time.monotonic_ns()
    event = json.loads((await Log().append(1)).line)
    assert before <= event["due"] == event["at"] <= time.monotonic_ns()


@pytest.mark.parametrize("data", [float("nan"), float("inf"), object(), {"set": {1}}, b"bytes"])
async def test_what_is_no_json_is_refused_and_leaves_nothing_behind(data: Any) -> None:
    ledger = Notes()
    log = Log(EPOCH, ledger=ledger)
    with pytest.raises(UserError, match="must be JSON"):
        await log.append(data)
    assert log.last == 0
    assert ledger.rows == []
    assert (await log.append("next")).id == 1


async def test_an_event_may_be_as_large_as_said_and_no_larger() -> None:
    log = Log()
    assert await log.append("é" * (LARGEST // 2 - 1))  # and two quotation marks
    with pytest.raises(UserError, match=f"{LARGEST + 1} bytes is too large: at most {LARGEST}"):
        await log.append("é" * (LARGEST // 2 - 1) + "x")


async def test_circles_are_refused() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(UserError, match="must be JSON"):
        await Log().append(circle)


@dataclass
class Notes:
    """A ledger that remembers what the log looked like at each note."""

    log: Log | None = None
    rows: list[tuple[int, ...]] = field(default_factory=list)
    seen: list[list[Item]] = field(default_factory=list)

    def note(self, epoch: int, id_: int, due: int, at: int, size: int) -> None:
        self.rows.append((epoch, id_, due, at, size))
        if self.log:
            self.seen.append(self.log.since(""))


async def test_the_ledger_knows_an_event_before_any_reader_does() -> None:
    notes = Notes()
    notes.log = Log(EPOCH, ledger=notes)
    event = await notes.log.append("é", due=5)
    assert notes.rows == [(EPOCH, 1, 5, json.loads(event.line)["at"], len(event.line.encode()))]
    assert notes.seen == [[]]


async def test_an_event_that_could_not_be_noted_never_was() -> None:
    class Full(Notes):
        def note(self, *_: int) -> None:
            raise OSError(28, "No space left on device")

    log = Log(ledger=Full())
    with pytest.raises(OSError, match="No space"):
        await log.append(1)
    assert log.since("") == []


async def test_nothing_is_appended_to_a_closed_log() -> None:
    log = await filled(1)
    log.close()
    with pytest.raises(RuntimeError, match="closed"):
        await log.append(2)
    assert said(log.since("")) == [1]


# Waiting


async def test_whoever_has_something_to_read_does_not_wait() -> None:
    log = await filled(2)
    assert said(await log.wait("7-1", 0)) == [2]
    assert cursors(await log.wait("now", 0)) == ["7-2"]


async def test_waiting_ends_with_the_first_event() -> None:
    log = await filled(2)
    waiting = asyncio.create_task(log.wait("7-2", 10))
    await asyncio.sleep(0)
    await append(log, 3)
    async with asyncio.timeout(1):
        assert said(await waiting) == [3]


async def test_waiting_in_vain_ends_in_time() -> None:
    began = time.monotonic()
    assert await Log().wait("", 0.02) == []
    assert 0.015 < time.monotonic() - began < 1


async def test_closing_ends_all_waiting() -> None:
    log = Log()
    waiting = [asyncio.create_task(log.wait("", 10)) for _ in range(3)]
    await asyncio.sleep(0)
    log.close()
    async with asyncio.timeout(1):
        assert await asyncio.gather(*waiting) == [[], [], []]
    assert await log.wait("", 10) == []


async def test_what_came_in_the_very_moment_that_time_ran_out_is_not_left_behind() -> None:
    """Both timers are due in the same turn of the loop: first the one of the waiter, then that of the writer."""
    log, loop = Log(EPOCH), asyncio.get_running_loop()

    def end() -> None:
        append_at_once(log, "last words")
        log.close()

    loop.call_later(0.010_1, end)
    loop.call_soon(time.sleep, 0.02)
    async with following(log, "", heartbeat=0.01) as items:
        assert said([item async for item in items if item]) == ["last words"]


async def test_a_malformed_cursor_is_refused_by_waiting_too() -> None:
    log = Log()
    with pytest.raises(UserError):
        await log.wait("x", 10)
    assert log.readers == 0


# Following


async def test_a_follower_gets_everything_once_and_in_order() -> None:
    log = await filled(2 * BATCH + 5)
    got: list[Any] = []
    async with following(log, "") as items:
        for n in range(3 * BATCH):
            got.append(await within(1, items))
            await append(log, 2 * BATCH + 6 + n)
    assert said(got) == list(range(1, 3 * BATCH + 1))


async def test_a_follower_has_read_everything_before_it_ends() -> None:
    log = await filled(BATCH + 3)
    log.close()
    async with following(log, "7-1") as items:
        assert said([item async for item in items]) == list(range(2, BATCH + 4))


async def test_a_follower_that_waits_ends_when_the_log_does() -> None:
    log = Log()
    async with following(log, "") as items:
        asyncio.get_running_loop().call_soon(log.close)
        async with asyncio.timeout(1):
            assert [item async for item in items] == []


async def test_silence_is_broken_by_a_heartbeat() -> None:
    log = await filled(1)
    async with following(log, "", heartbeat=0.005) as items:
        got = [await within(1, items) for _ in range(4)]
        await append(log, 2)
        got.append(await within(1, items))
    assert [item and item.cursor for item in got] == ["7-1", None, None, None, "7-2"]


async def test_a_follower_that_was_overtaken_is_told_so() -> None:
    log = await filled(1, count=5)
    async with following(log, "") as items:
        first = await within(1, items)
        await append(log, *range(2, 21))
        rest = [await within(1, items) for _ in range(6)]
    assert isinstance(first, Event)
    assert said(cast("list[Item]", rest)) == [gap(2, 15), *range(16, 21)]


async def test_a_follower_learns_of_a_restart_with_the_first_thing_after_it() -> None:
    log = await filled(3)
    async with following(log, "now") as items:
        assert isinstance(await within(1, items), Here)
        log.restart()
        missed = await within(1, items)
        await append(log, "new")
        new = await within(1, items)
    assert isinstance(missed, Gap)
    assert isinstance(new, Event)
    assert said([missed, new]) == [gap(4, None, "restart"), "new"]


async def test_followers_do_not_disturb_each_other() -> None:
    log = await filled(3)
    async with following(log, "7-2") as one, following(log, "") as other:
        assert said(cast("list[Item]", [await within(1, one)])) == [3]
        assert said(cast("list[Item]", [await within(1, other) for _ in range(3)])) == [1, 2, 3]


async def test_whoever_catches_up_lets_others_have_their_turn() -> None:
    log = await filled(10 * BATCH)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    busy = asyncio.create_task(other())
    async with following(log, "") as items:
        for _ in range(10 * BATCH):
            await anext(items)
    busy.cancel()
    assert turns >= 9


# Who is reading


async def test_readers_are_counted_whether_they_wait_or_not() -> None:
    log = await filled(2)
    waiting = asyncio.create_task(log.wait("7-2", 10))
    await asyncio.sleep(0)
    assert log.readers == 1
    async with following(log, "") as items:
        await anext(items)  # it has one more to read, and is not waiting
        assert log.readers == 2
    assert log.readers == 1
    waiting.cancel()
    await asyncio.wait([waiting])
    assert log.readers == 0


async def test_a_follower_that_is_cancelled_is_gone() -> None:
    log = Log()

    async def follow() -> None:
        async with following(log, "") as items:
            await anext(items)

    task = asyncio.create_task(follow())
    await asyncio.sleep(0)
    assert log.readers == 1
    task.cancel()
    await asyncio.wait([task])
    assert log.readers == 0
