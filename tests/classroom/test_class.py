"""A class whose devices are programs: who gets in, votes, measurements, and what is left of them."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from classmates import Device, a_class, board, device, line, measured, refusal, told

import lab
from lab.classroom import channel
from lab.classroom.class_ import room, school
from lab.classroom.class_.door import Door
from lab.classroom.class_.school import Held

PAGES = Path(lab.__file__).parent / "page" / "classroom"
TRANSPORTS = ("sse", "long_polling")


@pytest.fixture(scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Held]:
    async with a_class(tmp_path_factory.mktemp("class"), *TRANSPORTS) as open_:
        yield open_


@pytest.fixture
async def held(opened: Held) -> Held:
    """A class in which nothing has happened yet."""
    session = opened.session
    async with asyncio.timeout(5):
        while session.attendance.lines:
            await asyncio.sleep(0.01)
    session.door = Door()
    for held in (session.room.seats, session.room.questions, session.room.measurements):
        held.clear()
    session.room.choosing = False
    session.controls.lay("", "nothing")
    return opened


# Who gets in


async def test_without_the_code_or_a_key_nobody_gets_in(held: Held) -> None:
    for entering, why in [
        ({}, "type the code"),
        ({"code": "WRONG7"}, "not the code"),
        ({"key": "x" * 22}, "type the code"),
        ({"code": 7}, "is wrong"),
        ({"code": "x" * 500}, "is wrong"),
        ({"nonsense": 1}, "enter"),
    ]:
        async with line(held.host.origins[0], "/class/seat") as one:
            assert why in await refusal(one.ask("enter", **entering))
            await asyncio.wait_for(one.closed.wait(), 5)
    assert held.session.room.seats == {}


async def test_guessing_is_limited_and_says_how_long_to_wait(held: Held) -> None:
    said = []
    for n in range(10):
        async with line(held.host.origins[0], "/class/seat") as one:
            said.append(await refusal(one.ask("enter", code=f"WRONG{n}")))
    assert "not the code" in said[0]
    assert re.search(r"too many wrong codes: wait \d+ s", said[-1])
    async with line(held.host.origins[0], "/class/seat") as one:
        assert "wait" in await refusal(one.ask("enter", code=held.session.door.code))


@pytest.mark.parametrize("path", ["/class/seat", "/class/board"])
async def test_a_page_of_another_origin_is_refused(held: Held, path: str) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with line(held.host.origins[0], path, Origin="http://evil.example"):
            pass
    assert refused.value.status == 403


async def test_the_board_takes_the_teachers_key(held: Held) -> None:
    async with device(held) as student:
        for key in ("", "wrong", student.key, held.session.door.code):
            async with line(held.host.origins[0], "/class/board") as one:
                assert "may not control anything" in await refusal(one.ask("enter", key=key))


async def test_a_student_can_ask_for_nothing_that_is_the_teachers(held: Held) -> None:
    teachers = [name for name in dir(school.doors.__globals__["BoardDesk"]) if not name.startswith("_")]
    students = [name for name in dir(school.doors.__globals__["DeviceDesk"]) if not name.startswith("_")]
    async with device(held) as student:
        for name in set(teachers) - set(students) | {"__init__", "_check", "_session", "enter", "Live", ""}:
            assert "unknown request" in await refusal(student.line.ask(name))
        assert not held.session.over.is_set()


async def test_transports_are_for_whoever_has_a_seat(held: Held) -> None:
    async with device(held) as student, aiohttp.ClientSession() as web:
        origin, name = student.you["origin"], student.you["transport"]["name"]
        for path in (f"/transports/{name}/events", f"/seat/{'x' * 22}/transports/{name}/events", "/lab/clock", "/"):
            async with web.get(f"{origin}{path}") as answer:
                assert answer.status == 403
        async with web.get(f"{origin}/seat/{student.key}/lab/transports.json") as answer:
            assert answer.status == 200


async def test_nobody_can_publish(held: Held) -> None:
    async with device(held) as student, aiohttp.ClientSession() as web:
        for base in (held.host.origins[0], f"{student.you['origin']}/seat/{student.key}"):
            async with web.post(f"{base}/events", data="1") as answer:
                assert answer.status in (403, 404, 405)


async def test_who_returns_has_the_same_seat_and_an_older_page_of_it_is_told(held: Held) -> None:
    async with device(held, "Ada") as first, line(held.host.origins[0], "/class/seat") as one:
        again = await Device.joined(one, key=first.key)
        assert again.you["number"] == first.you["number"] == 1
        assert again.you["name"] == "Ada"
        await first.line.until(lambda told: "elsewhere" in told)
        assert "another tab" in await refusal(first.line.ask("live", latencies=[], state="open"))
        await again.line.ask("live", latencies=[], state="open")
    assert len(held.session.room.seats) == 1


async def test_a_seat_that_was_taken_away_is_gone(held: Held) -> None:
    async with board(held) as teacher, device(held, "Mallory") as student:
        await teacher.ask("remove", seat=1)
        await student.line.until(lambda told: "removed" in told)
        assert "taken this seat away" in await refusal(student.line.ask("live", latencies=[], state="open"))
        async with line(held.host.origins[0], "/class/seat") as one:
            assert "type the code" in await refusal(one.ask("enter", key=student.key))
        await teacher.until(lambda told: told["state"]["seats"] == [])


async def test_a_closed_door_keeps_out_the_new_and_lets_in_the_old(held: Held) -> None:
    async with board(held) as teacher:
        async with device(held) as student:
            key = student.key
        await teacher.ask("door", open=False)
        async with line(held.host.origins[0], "/class/seat") as one:
            assert "closed" in await refusal(one.ask("enter", code=held.session.door.code))
        async with line(held.host.origins[0], "/class/seat") as one:
            assert (await Device.joined(one, key=key)).you["number"] == 1


async def test_a_full_class_says_so(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MOST_SEATS", 1)
    async with device(held), line(held.host.origins[0], "/class/seat") as one:
        assert "full" in await refusal(one.ask("enter", code=held.session.door.code))


@pytest.mark.parametrize(
    "message",
    [
        {"do": ["vote"]}, {"do": {"a": 1}}, {"do": None}, {"do": 7}, {}, {"do": "live", "self": 1},
        {"do": "live", "latencies": [1e999], "state": "open"}, {"do": "live", "latencies": "1", "state": "open"},
        {"do": "live", "latencies": [], "state": "open", "more": 1}, {"do": "live"}, {"do": "clock", "ping": []},
        {"do": "clock", "ping": {"sent": 0, "received": 1, "server": "9" * 18, "step": 0}},
        {"do": "clock", "ping": {"sent": 0, "received": 1, "server": "9" * 400, "step": 0}},
        {"do": "ready", "number": 1, "ready": {}}, {"do": "name", "name": 1}, {"do": "name", "name": "x" * 5000},
        {"do": "batch", "number": 1, "batch": 0, "arrivals": [[1, 2]]},
        {"do": "batch", "number": 1, "batch": 0, "arrivals": [[1, 2, float("nan")]] * 3},
        {"do": "batch", "number": 1, "batch": 0, "arrivals": [[1, 2, 3.0]] * 401},
        {"do": "final", "number": 1, "final": {"batches": 10**9}},
        {"do": "vote", "question": 1, "round": "x", "vote": 1},
    ],
)  # fmt: skip
async def test_nonsense_is_refused_in_a_sentence(held: Held, message: dict[str, Any]) -> None:
    async with device(held) as student:
        do = message.pop("do", None)
        await refusal(student.line.ask(do, **message))
        await student.line.ask("live", latencies=[], state="open")


async def test_bytes_are_no_request(held: Held) -> None:
    async with device(held) as student:
        await student.line.socket.send_bytes(b"{}")
        await student.line.ask("live", latencies=[], state="open")


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '"enter"', "[" * 10_000, "{}"])
async def test_whoever_does_not_even_enter_is_sent_away(held: Held, text: str) -> None:
    async with aiohttp.ClientSession() as web, web.ws_connect(f"{held.host.origins[0]}/class/seat") as socket:
        await socket.send_str(text)
        assert (await asyncio.wait_for(socket.receive(), 5)).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)


async def test_who_asks_too_much_loses_the_line(held: Held) -> None:
    async with device(held) as student:
        asking = [student.line.ask("live", latencies=[], state="open") for _ in range(round(channel.BURST) + 40)]
        await asyncio.gather(*asking, return_exceptions=True)
        await asyncio.wait_for(student.line.closed.wait(), 5)
        assert student.line.socket.close_code == channel.TOO_MANY


async def test_names_are_text_and_short(held: Held) -> None:
    async with board(held) as teacher, device(held, "<img src=x onerror=alert(1)>\x00\u202e" + "y" * 300):
        await teacher.until(lambda told: len(told["state"]["seats"]) == 1)
        assert teacher.told["state"]["seats"][0]["name"] == "<img src=x onerror=alert"


def test_pages_have_no_inline_script_or_style() -> None:
    for page in PAGES.glob("*.html"):
        text = page.read_text("utf-8")
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", text), page


async def test_pages_forbid_every_script_but_the_labs(held: Held) -> None:
    async with aiohttp.ClientSession() as web:
        for page in ("join", "board"):
            async with web.get(f"{held.host.origins[0]}/lab/classroom/{page}.html") as answer:
                policy = answer.headers["Content-Security-Policy"]
                assert "default-src 'self'" in policy
                assert "unsafe" not in policy
                text = await answer.text()
                assert held.host.key not in text
                assert held.session.door.code not in text


# Votes


async def test_votes_are_counted_before_and_after_and_the_last_one_counts(held: Held) -> None:
    async with AsyncExitStack() as stack:
        teacher = await stack.enter_async_context(board(held))
        students = [await stack.enter_async_context(device(held)) for _ in range(5)]
        await teacher.ask("ask", text="Which?", options=["a", "b", "c"])
        await told(students, lambda question: question["phase"] == "before")
        for nth, one in enumerate(students):
            await one.vote(nth % 3)
        await students[0].vote(2)
        await teacher.ask("phase", phase="discuss")
        assert "closed" in await refusal(students[0].line.ask("vote", question=1, round="before", vote=0))
        await teacher.ask("phase", phase="after")
        await told(students, lambda question: question["phase"] == "after")
        assert "closed" in await refusal(students[0].line.ask("vote", question=1, round="before", vote=0))
        for one in students[:4]:
            await one.vote(1)
        await teacher.ask("phase", phase="shown")
        await teacher.until(lambda told: told["state"]["question"]["phase"] == "shown")
        question = teacher.told["state"]["question"]
        assert question["before"] == {"voted": 5, "counts": [1, 2, 2]}
        assert question["after"] == {"voted": 4, "counts": [0, 4, 0]}


async def test_what_is_no_vote_is_refused_and_the_line_goes_on(held: Held) -> None:
    async with board(held) as teacher, device(held) as student:
        await teacher.ask("ask", text="Which?", options=["a", "b"])
        await told([student], bool)
        for vote in (2, -1, True, "0", None, {"a": 1}, [0], 0.5, 10**30):
            await refusal(student.line.ask("vote", question=1, round="before", vote=vote))
        await student.line.socket.send_str(json.dumps({"n": 99, "do": "vote", "vote": "x" * channel.LARGEST}))
        await refusal(student.line.ask("vote", question=7, round="before", vote=0))
        await student.vote(1)
        await teacher.until(lambda told: told["state"]["question"]["before"]["voted"] == 1)


# Measurements


async def test_a_batch_that_comes_again_counts_once(held: Held) -> None:
    async with board(held) as teacher, device(held, measures=True) as student:
        await measured(teacher)
        part = held.session.room.measurements[0].parts[1]
        before = len(part.arrivals)
        again = [[one.epoch, one.id, one.received] for one in part.arrivals]
        await student.line.ask("batch", number=1, batch=0, arrivals=again)
        assert len(part.arrivals) == before == 20
        assert "over for you" in await refusal(student.line.ask("batch", number=1, batch=5, arrivals=again))
        assert "no measurement 9" in await refusal(student.line.ask("batch", number=9, batch=0, arrivals=[]))


async def test_a_device_that_tells_nothing_is_a_failed_trial_and_holds_nobody_up(
    held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.classroom.class_.measuring.OPENING", 1.0)
    async with board(held) as teacher, device(held, measures=True), device(held):
        found = await measured(teacher)
        rows = {row["name"]: row for row in found["rows"]}
        assert rows[TRANSPORTS[0]]["devices"] == 1
        assert rows[TRANSPORTS[1]]["failed"] == 1
        assert "did not open" in await teacher.ask("csv")


async def test_a_measurement_can_be_stopped_and_the_live_events_go_on(held: Held) -> None:
    async with board(held) as teacher, device(held, measures=True):
        await teacher.ask("measure", source="steady:rate=20,size=100", seconds=60.0, turns=6)
        await teacher.until(lambda told: (told["state"]["measuring"] or {}).get("phase") == "play")
        assert "going on" in await refusal(teacher.ask("restart"))
        assert "going on" in await refusal(teacher.ask("measure", source="steady", seconds=1.0, turns=1))
        await teacher.ask("stop")
        await teacher.until(lambda told: told["state"]["measuring"] is None)
        assert "stopped" in teacher.told["state"]["failed"]
        assert held.session.controls.studio.source == held.session.measuring.live


async def test_a_server_that_was_restarted_still_knows_who_has_a_seat(held: Held) -> None:
    async with board(held) as teacher, device(held, lives=True) as student:
        await teacher.until(lambda _: bool(teacher.came))
        await teacher.ask("restart")
        teacher.came.clear()
        await teacher.until(lambda _: bool(teacher.came))
        assert student.line.told["you"]["number"] == 1


async def test_a_board_that_goes_away_in_the_middle_of_a_restart_breaks_nothing(held: Held) -> None:
    async with board(held) as hasty:
        asking = asyncio.create_task(hasty.ask("restart"))
        await asyncio.sleep(0.1)
    await asyncio.gather(asking, return_exceptions=True)
    async with board(held) as teacher, device(held, lives=True):
        await teacher.until(lambda _: bool(teacher.came))


async def test_devices_may_choose_only_when_they_are_allowed_to(held: Held) -> None:
    async with board(held) as teacher, device(held) as student:
        assert student.you["choices"] == []
        assert "spreads" in await refusal(student.line.ask("choose", transport=TRANSPORTS[1]))
        await teacher.ask("choosing", allowed=True)
        await student.line.until(lambda told: len(told["you"]["choices"]) == 2)
        await student.line.ask("choose", transport=TRANSPORTS[1])
        await student.line.until(lambda told: told["you"]["transport"]["name"] == TRANSPORTS[1])
        assert "unknown transport" in await refusal(student.line.ask("choose", transport="carrier_pigeon"))
