"""The parts of a class by themselves."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from lab import clock
from lab.classroom.class_ import network, school
from lab.classroom.class_.door import FROM_ALL, FROM_ONE, JOINING, LENGTH, LETTERS, Door
from lab.classroom.class_.journal import Journal, read_journal
from lab.classroom.class_.measuring import limited, made
from lab.classroom.class_.seating import LONGEST_NAME, cleaned, engine_of
from lab.classroom.class_.timing import Ping, around, check, offset
from lab.classroom.class_.votes import Question, asked
from lab.errors import UserError
from lab.server import listen

SECOND = 10**9


class Time:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> int:
        return round(self.now * SECOND)


def refusal(door: Door, code: str, address: str = "10.0.0.1") -> str:
    try:
        door.check(code, address)
    except UserError as error:
        return str(error)
    return ""


# The door


def test_a_code_is_read_however_it_is_typed() -> None:
    door = Door()
    door.code = "3MAD7F"
    assert len(Door().code) == LENGTH
    assert set(Door().code) <= set(LETTERS)
    for typed in ("3MAD7F", "3ma d7f", " 3mad-7f "):
        assert refusal(door, typed) == ""


def test_wrong_codes_from_one_address_have_to_wait_and_even_the_right_one_then() -> None:
    time = Time()
    door = Door(time)
    at_once, seconds = FROM_ONE
    for _ in range(at_once):
        assert "not the code" in refusal(door, "WRONG7")
    assert "wait 5 s" in refusal(door, door.code)
    assert refusal(door, door.code, "10.0.0.2") == ""
    time.now += seconds + 0.1
    assert "not the code" in refusal(door, "WRONG7")
    assert "wait" in refusal(door, "WRONG7")
    time.now += 2 * seconds
    assert refusal(door, door.code) == ""


def test_wrong_codes_from_many_addresses_have_to_wait() -> None:
    time = Time()
    door = Door(time)
    tried = [refusal(door, "WRONG7", f"10.0.{n}.1") for n in range(FROM_ALL[0])]
    assert all("not the code" in one for one in tried)
    assert "too many wrong codes" in refusal(door, door.code, "10.1.0.1")
    time.now += FROM_ALL[1] + 0.1
    assert refusal(door, door.code, "10.1.0.1") == ""


def test_guessing_for_an_hour_finds_no_code() -> None:
    """From as many addresses as one likes: of 25 ** 6 codes, 3,660 are tried."""
    time = Time()
    door = Door(time)
    tried = 0
    for step in range(36_000):
        time.now = step / 10
        tried += "not the code" in refusal(door, "WRONG7", f"10.0.{step % 200}.1")
    assert tried == FROM_ALL[0] + 3600 - 1
    assert tried / len(LETTERS) ** LENGTH < 1e-4


def test_one_address_can_not_take_all_the_seats_at_once() -> None:
    time = Time()
    door = Door(time)
    assert [refusal(door, door.code) for _ in range(JOINING[0])] == [""] * JOINING[0]
    assert "from your address: wait 3 s" in refusal(door, door.code)
    assert refusal(door, door.code, "10.0.0.2") == ""
    assert {refusal(door, door.code, "127.0.0.1") for _ in range(3 * JOINING[0])} == {""}
    time.now += JOINING[1] + 0.1
    assert refusal(door, door.code) == ""


def test_a_closed_door_lets_nobody_in_and_a_renewed_code_replaces_the_old_one() -> None:
    door = Door()
    old = door.code
    door.open = False
    assert "closed" in refusal(door, old)
    door.open = True
    door.renew()
    assert "not the code" in refusal(door, old)


# Names and engines


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("  Ada   Lovelace ", "Ada Lovelace"),
        ("<b>Tim</b>", "<b>Tim</b>"),
        ("a\x00b\x1b[31mc\nd\u2028e", "ab[31mc d e"),
        ("\u202eevil\u200b\ufeff", "evil"),
        ("x" * 100, "x" * LONGEST_NAME),
        ("\ud800lone", "lone"),
        ("José", "José"),
        ("\n\t ", ""),
    ],
)
def test_names_are_one_visible_line(given: str, shown: str) -> None:
    assert cleaned(given) == shown


@pytest.mark.parametrize(
    ("agent", "engine"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", ("firefox", "Firefox 128")),
        ("Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/126.0.0.0 Mobile Safari/537.36",
         ("chromium", "Chromium 126")),
        ("Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/156.0 Safari/537.36",
         ("chromium", "Chromium 156")),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5) AppleWebKit/605.1.15 CriOS/126.0 Mobile Safari/604.1",
         ("webkit", "iOS browser")),
        ("Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
         ("webkit", "Safari 17")),
        ("curl/8", ("other", "unknown browser")),
        ("", ("other", "unknown browser")),
    ],
)  # fmt: skip
def test_engines_are_told_by_their_own_word(agent: str, engine: tuple[str, str]) -> None:
    assert engine_of(agent) == engine


# Clocks


def test_a_bound_holds_wherever_in_the_round_trip_the_server_spoke() -> None:
    origin = clock.now() - 10 * SECOND  # the page's zero
    for share in (0.0, 0.3, 1.0):
        spoke = origin + round((1000 + 8 * share) * 1e6)
        found = offset(Ping(sent=1000, received=1008, server=str(spoke), step=1))
        assert found.bound == 5.0
        assert abs(found.origin - origin) / 1e6 <= 4.0


def test_two_estimates_are_covered_by_one() -> None:
    one, other = (
        offset(Ping(sent=0, received=2, server="1000000", step=0)),
        offset(Ping(sent=0, received=2, server="4000000", step=0)),
    )
    both = around([one, other])
    assert both.origin == 1_500_000
    assert both.bound == 2.5


def test_what_the_server_never_said_is_refused() -> None:
    with pytest.raises(UserError, match="no answer to a ping"):
        check(Ping(sent=5, received=4, server=str(clock.now()), step=0))
    with pytest.raises(UserError, match="no answer to a ping"):
        check(Ping(sent=4, received=5, server=str(clock.now() + 7200 * SECOND), step=0))


# Votes


def test_votes_must_answer_the_question() -> None:
    choice = asked(1, "Which?", ["a", "b"])
    choice.check(1)
    wrong: list[Any] = [2, -1, 1.0, [0], True]
    for vote in wrong:
        if vote is True:
            continue  # the desk's types refuse it
        with pytest.raises(UserError, match="no answer to this question"):
            choice.check(vote)
    number = Question(2, "How many?", "number")
    number.check(3.5)
    for value in (float("nan"), float("inf"), 1e300, [1.0]):
        with pytest.raises(UserError, match="it takes a number"):
            number.check(value)
    ranking = Question(3, "In which order?", "ranking", ["a", "b", "c"])
    ranking.check([2, 0, 1])
    for order in ([0, 1], [0, 0, 1], [0, 1, 3]):
        with pytest.raises(UserError, match="every option"):
            ranking.check(order)


@pytest.mark.parametrize("options", [["a"], ["a", "a"], ["a", " "], ["a"] * 9, [str(n) for n in range(9)]])
def test_a_question_needs_answers(options: list[str]) -> None:
    with pytest.raises(UserError, match="needs 2 to 8 different options"):
        asked(1, "Which?", options)


def test_nothing_that_the_teacher_writes_is_cut_off() -> None:
    assert asked(1, "w" * 300, ["a", "b" * 100]).options == ["a", "b" * 100]
    for text, options, most in [("w" * 301, ["a", "b"], 300), ("Which?", ["a", "b" * 101], 100)]:
        with pytest.raises(UserError, match=f"is too long: {most} characters are the most"):
            asked(1, text, options)


def test_tallies_count_the_last_vote_of_each_seat() -> None:
    question = asked(1, "Which?", ["a", "b", "c"])
    question.votes["before"] = {1: 0, 2: 2, 3: 2}
    assert question.tally("before") == {"voted": 3, "counts": [1, 0, 2]}
    assert question.tally("after") == {"voted": 0, "counts": [0, 0, 0]}


def test_a_class_finds_a_place_where_the_usual_one_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    taken, free = (listen()[0] for _ in range(2))
    ports = [one.getsockname()[1] for one in (taken, free)]
    free.close()
    monkeypatch.setattr(school, "PORTS", ports)
    assert school.usual_port("127.0.0.1", 0) == ports[1]
    assert school.usual_port("203.0.113.77", 0) == ports[0], "which is none of this machine's, as is said there"
    taken.close()


# Sources


@pytest.mark.parametrize("source", ["lines:/etc/passwd", "http", "replay:x", "steady:seconds=3", "nonsense"])
def test_a_class_has_only_sources_that_are_made_and_go_on(source: str) -> None:
    with pytest.raises(UserError, match="source"):
        made(source)


@pytest.mark.parametrize(
    ("source", "seconds", "why"),
    [
        ("steady:rate=1000", 10.0, "10,000 events"),
        ("bursts:rate=10,count=100", 10.0, "10,000 events"),
        ("steady:rate=20", 0.5, "1 to 60 seconds"),
        ("steady:rate=20", 61.0, "1 to 60 seconds"),
        ("steady:size=100000", 5.0, "too large"),
    ],
)
def test_measurements_are_limited(source: str, seconds: float, why: str) -> None:
    with pytest.raises(UserError, match=why):
        limited(source, seconds)


# Addresses


def test_an_interface_stands_for_its_address() -> None:
    among = {"wlan0": ["192.168.1.5", "fd00::5"], "eth0": ["10.0.0.7"]}
    assert network.chosen("wlan0", among) == "192.168.1.5"
    assert network.chosen("10.0.0.7", among) == "10.0.0.7"
    assert network.chosen(None, among) == "127.0.0.1"
    with pytest.raises(UserError, match=r"wlan0 \(192.168.1.5, fd00::5\), eth0"):
        network.chosen("wlan1", among)
    for every in ("0.0.0.0", "::"):
        with pytest.raises(UserError, match="choose one"):
            network.chosen(every, among)


# The journal


async def test_what_was_added_is_there_and_in_order(tmp_path: Path) -> None:
    path, seen = tmp_path / "class.jsonl", []
    journal = Journal(path)
    await asyncio.gather(*(journal.add({"n": n}, lambda n=n: seen.append(n)) for n in range(200)))  # type: ignore[misc]
    await journal.close()
    assert seen == list(range(200))
    assert [record["n"] for record in read_journal(path)] == seen


async def test_a_line_that_a_crash_cut_off_is_forgotten_and_the_next_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "class.jsonl"
    path.write_bytes(b'{"n":1}\n{"n":2')
    journal = Journal(path)
    await journal.add({"n": 3}, lambda: None)
    await journal.close()
    assert [record["n"] for record in read_journal(path)] == [1, 3]


async def test_nothing_has_happened_when_it_could_not_be_written(tmp_path: Path, monkeypatch: Any) -> None:
    path, seen = tmp_path / "class.jsonl", []
    journal = Journal(path)
    await journal.add({"n": 1}, lambda: seen.append(1))

    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        with pytest.raises(UserError, match="No space left"):
            await journal.add({"n": 2}, lambda: seen.append(2))
    await journal.add({"n": 3}, lambda: seen.append(3))
    await journal.close()
    assert seen == [1, 3]
    assert [record["n"] for record in read_journal(path)] == [1, 3]


def test_a_damaged_journal_is_said_to_be_so(tmp_path: Path) -> None:
    path = tmp_path / "class.jsonl"
    path.write_text('{"n":1}\nnonsense\n{"n":3}\n')
    with pytest.raises(UserError, match="line 2 is no record"):
        list(read_journal(path))
