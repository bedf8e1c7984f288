"""A lecture: what a page may ask of it, and what it is told."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import websockets
from made_up_lessons import NATIVE, written

from lab.classroom.teaching.lecture import Lecture, described, lecturing
from lab.classroom.teaching.lesson import TEACHER, Lesson


class Page:
    """A page's line, without the page."""

    def __init__(self, socket: Any) -> None:
        self.socket, self.asked = socket, 0

    async def ask(self, do: str, **what: Any) -> dict[str, Any]:
        self.asked += 1
        await self.socket.send(json.dumps({"n": self.asked, "do": do, **what}))
        while True:
            said: dict[str, Any] = json.loads(await asyncio.wait_for(self.socket.recv(), 10))
            if said.get("answers") == self.asked:
                return said


@asynccontextmanager
async def page_of(one: Lesson, tmp_path: Path) -> AsyncIterator[tuple[Page, str, Lecture]]:
    async with lecturing(one, results=tmp_path / "results") as (host, lecture):
        origin = host.origins[0]
        address = f"{origin.replace('http', 'ws')}/lesson/line"
        async with websockets.connect(address, origin=origin) as socket:  # type: ignore[arg-type]
            yield Page(socket), host.key, lecture


async def test_the_server_keeps_the_run_locked_whatever_a_page_asks(tmp_path: Path) -> None:
    async with page_of(written(tmp_path, NATIVE), tmp_path) as (page, key, lecture):
        assert (await page.ask("enter", key=key))["ok"] is True
        assert "predict first" in (await page.ask("run"))["refused"]
        assert "no plausible answer" in (await page.ask("predict", question="held", given=1e9))["refused"]
        assert "unknown question" in (await page.ask("predict", question="<b>", given=1))["refused"]
        assert "before the run" in (await page.ask("observe", question="shape", given=[1, 2]))["refused"]
        assert "unknown request" in (await page.ask("begin"))["refused"]
        assert lecture.attempt.stage == "predict"
        assert not lecture.attempt.folder.exists()


async def test_a_page_without_the_key_is_told_nothing(tmp_path: Path) -> None:
    async with page_of(written(tmp_path), tmp_path) as (page, _, lecture):
        assert "may not control" in (await page.ask("enter", key="guessed"))["refused"]
        assert not lecture.pages


def test_the_notes_are_not_among_what_every_page_gets(tmp_path: Path) -> None:
    one = written(tmp_path)
    told = json.dumps(described(Lecture(one, tmp_path, {})))
    assert one.text[TEACHER] not in told
    assert "Where people go wrong" not in told
