"""Devices and boards of a class without pages: what the browser's scripts do, done by programs."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp
import pytest

from lab import clock
from lab.classroom.class_.school import Held, chosen, held
from lab.classroom.host import Place
from lab.native import Arrivals, follow
from lab.transport import discover, subject, subjects

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
BATCH = 100
FOUND = subjects(discover())


class Refused(Exception):
    """What the class said no to."""


class Line:
    """A page's line. told: the last thing of each kind that it was told."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.told: dict[str, Any] = {}
        self.came: list[tuple[int, Any]] = []  # when a board was told of arrivals, and which
        self.closed = asyncio.Event()
        self.on: Callable[[str, Any], None] = lambda _kind, _what: None
        self._asked = 0
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._listening = asyncio.create_task(self._listen())

    async def ask(self, do: Any, /, **what: Any) -> Any:
        self._asked += 1
        answer = self._waiting[self._asked] = asyncio.get_running_loop().create_future()
        await self.socket.send_str(json.dumps({"n": self._asked, "do": do, **what}))
        return await asyncio.wait_for(answer, 20)

    async def until(self, there: Callable[[dict[str, Any]], bool], seconds: float = 15) -> None:
        async with asyncio.timeout(seconds):
            while not there(self.told):
                await asyncio.sleep(0.02)

    async def close(self) -> None:
        await self.socket.close()
        await self._listening

    async def _listen(self) -> None:
        async for message in self.socket:
            said = json.loads(message.data)
            if "answers" in said:
                self._answered(said)
            else:
                kind = said.pop("tells")
                self.told[kind] = said
                if kind == "came":
                    self.came.append((clock.now(), said["points"]))
                self.on(kind, said)
        self.closed.set()
        for one in self._waiting.values():
            one.cancel()

    def _answered(self, said: dict[str, Any]) -> None:
        answer = self._waiting.pop(said["answers"], None)
        if answer and not answer.done():
            if "refused" in said:
                answer.set_exception(Refused(said["refused"]))
            else:
                answer.set_result(said["ok"])


@asynccontextmanager
async def line(origin: str, path: str, **headers: str) -> AsyncIterator[Line]:
    async with (
        aiohttp.ClientSession() as web,
        web.ws_connect(f"{origin}{path}", headers={"User-Agent": FIREFOX, **headers}, max_msg_size=0) as socket,
    ):
        one = Line(socket)
        try:
            yield one
        finally:
            await one.close()


@asynccontextmanager
async def a_class(folder: Path, *transports: str) -> AsyncIterator[Held]:
    async with held(Place(), folder, chosen(transports)) as open_:
        yield open_


@asynccontextmanager
async def board(of: Held) -> AsyncIterator[Line]:
    async with line(of.host.origins[0], "/class/board") as one:
        await one.ask("enter", key=of.host.key)
        yield one


def ping() -> dict[str, Any]:
    """Of a device on this very machine: its clock is the server's, but begins elsewhere."""
    now = clock.now()
    return {"sent": now / 1e6 - ZERO, "received": now / 1e6 - ZERO, "server": str(now), "step": 0.0}


ZERO = clock.now() / 1e6 - 1000


@dataclass
class Device:
    """A student's page, without a page: it measures whatever it is told to."""

    line: Line
    key: str
    trials: dict[int, Arrivals] = field(default_factory=dict)
    reported: set[int] = field(default_factory=set)

    @classmethod
    async def joined(cls, one: Line, code: str = "", name: str = "", key: str = "") -> Self:
        await one.ask("enter", code=code, key=key, name=name)
        await one.until(lambda told: "you" in told)
        return cls(one, one.told.get("seated", {}).get("key", key))

    @property
    def you(self) -> dict[str, Any]:
        found: dict[str, Any] = self.line.told["you"]
        return found

    async def vote(self, vote: Any) -> None:
        question = self.you["question"]
        await self.line.ask("vote", question=question["number"], round=question["phase"], vote=vote)

    async def measuring(self) -> None:
        """Take part in every measurement, until cancelled."""
        async with AsyncExitStack() as stack:
            while True:
                task = self.you["measuring"]
                if task and task["phase"] == "prepare" and task["number"] not in self.trials:
                    await self._prepare(task["number"], stack)
                elif task and task["phase"] == "finish" and task["number"] not in self.reported:
                    await self._finish(task["number"], task["last"])
                    await stack.aclose()
                await asyncio.sleep(0.05)

    async def living(self) -> None:
        """Follow the transport, and tell what arrives twice a second, until cancelled."""
        await self.line.ask("clock", ping=ping())
        latencies: list[float] = []

        def note(text: str) -> None:
            event = json.loads(text) if text else {}
            if "due" in event:
                latencies.append((clock.now() - event["due"]) / 1e6)

        async with self.following(Arrivals(), note):
            while True:
                await asyncio.sleep(0.5)
                told, latencies[:] = latencies[-300:], []
                await self.line.ask("live", latencies=told, state="open")

    async def _prepare(self, number: int, stack: AsyncExitStack) -> None:
        arrivals = self.trials[number] = Arrivals()
        before, set_out = ping(), clock.now() / 1e6 - ZERO
        await stack.enter_async_context(self.following(arrivals))
        async with asyncio.timeout(10):
            while not arrivals.opened:
                await asyncio.sleep(0.01)
        await self.line.ask("ready", number=number, ready={"ping": before, "set_out": set_out})

    async def _finish(self, number: int, last: list[int]) -> None:
        arrivals = self.trials[number]
        with suppress(TimeoutError):
            async with asyncio.timeout(3):
                while [list(one[:2]) for one in arrivals.events[-1:]] != [last]:
                    await asyncio.sleep(0.02)
        rows = [[epoch, id_, at / 1e6 - ZERO] for epoch, id_, at in arrivals.events]
        batches = [rows[n : n + BATCH] for n in range(0, len(rows), BATCH)]
        for nth, batch in enumerate(batches):
            await self.line.ask("batch", number=number, batch=nth, arrivals=batch)
        opened = [at / 1e6 - ZERO for at in arrivals.opened[:200]]
        final = {"batches": len(batches), "ping": ping(), "hidden": False, "opened": opened, "lost": [], "gaps": []}
        self.reported.add(number)
        assert await self.line.ask("final", number=number, final=final) == []

    @asynccontextmanager
    async def following(
        self, arrivals: Arrivals, on: Callable[[str], None] = lambda _line: None
    ) -> AsyncIterator[None]:
        you = self.you
        one = subject(you["transport"]["name"], FOUND)
        base = f"{you['origin']}/seat/{self.key}/transports/{one.name}"
        task = asyncio.create_task(follow(one, base, {}, arrivals, on=on))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@asynccontextmanager
async def device(
    of: Held, name: str = "", *, measures: bool = False, lives: bool = False, **headers: str
) -> AsyncIterator[Device]:
    async with line(of.host.origins[0], "/class/seat", **headers) as one:
        found = await Device.joined(one, of.session.door.code, name)
        work = [*([found.measuring()] if measures else []), *([found.living()] if lives else [])]
        tasks = [asyncio.create_task(one) for one in work]
        try:
            yield found
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def refusal(one: Any) -> str:
    """Why it was refused, which it must be."""
    with pytest.raises(Refused) as refused:
        await one
    return str(refused.value)


async def told(students: list[Device], there: Any) -> None:
    """Wait until every student has a question of that kind."""
    for one in students:
        await one.line.until(lambda known: bool(known["you"]["question"]) and there(known["you"]["question"]))


async def measured(teacher: Any, *, turns: int = 1, seconds: float = 1.0) -> dict[str, Any]:
    """The result of the class when that is over."""
    before = len(teacher.told["state"]["measurements"])
    await teacher.ask("measure", source="steady:rate=20,size=100", seconds=seconds, turns=turns)
    await teacher.until(lambda told: len(told["state"]["measurements"]) == before + turns, 40)
    await teacher.until(lambda told: told["state"]["measuring"] is None)
    found: dict[str, Any] = teacher.told["result"]["result"]
    return found
