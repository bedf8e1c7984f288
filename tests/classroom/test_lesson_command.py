"""`pushlab lesson`: it lists, shows, prints, and says what it does not know."""

import signal
from pathlib import Path

import pytest
from commands import Pushlab, running

from lab.classroom.teaching.lesson import shelf


async def test_a_lesson_is_open_until_ctrl_c() -> None:
    async with running("lesson", "run", "polling", "--no-browser") as process:
        await process.says(r"^lesson polling is open at http://127\.0\.0\.1:\d+/#[\w-]{20,}; Ctrl-C ends it")
        assert (await process.ended(signal.SIGINT, within=10)).code == 0


@pytest.mark.parametrize("command", [[], ["list"]])
def test_the_list_has_every_lesson(command: list[str], pushlab: Pushlab) -> None:
    said = pushlab("lesson", *command)
    assert said.code == 0
    assert all(name in said.out for name in shelf().lessons)


def test_a_handout_is_written(pushlab: Pushlab) -> None:
    assert pushlab("lesson", "handout", "polling").out == "results/lessons/polling.html\n"
    assert "How old is what you see?" in Path("results/lessons/polling.html").read_text()


@pytest.mark.parametrize("command", ["run", "check", "handout"])
def test_an_unknown_lesson_is_one_sentence(command: str, pushlab: Pushlab) -> None:
    said = pushlab("lesson", command, "alchemy")
    assert said.code == 2
    assert said.err.startswith("pushlab: unknown lesson 'alchemy'")
    assert said.err.count("\n") == 1
