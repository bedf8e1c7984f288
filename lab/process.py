"""The server under test: a process of its own that is told what to do over a pipe.

The pipe carries JSON lines: requests `{"do": …}` to its standard input, and on its standard output one
answer each, `{"ok": …}` or `{"error": sentence}`, in order; besides, `{"ended": …}` when a source has.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import sources
from lab.app import create_app
from lab.ending import end
from lab.errors import UserError
from lab.link.place import HERE, Place
from lab.log import Log
from lab.server import Server, listen, origin, serving
from lab.transport import SETTINGS, Subject, discover, subject, subjects


@dataclass(frozen=True, order=True)
class Entry:
    """An append, as the ledger notes it; times are CLOCK_MONOTONIC in ns."""

    epoch: int
    id: int
    due: int
    at: int
    size: int  # bytes of the event's line


class LedgerFile:
    """A line per append, written before any reader can see the event: it outlives a process that is killed."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(self, epoch: int, id_: int, due: int, at: int, size: int) -> None:
        os.write(self._file, b"%d %d %d %d %d\n" % (epoch, id_, due, at, size))

    def close(self) -> None:
        os.close(self._file)


def read_ledger(path: Path, start: int = 0) -> tuple[list[Entry], int]:
    """The entries from byte `start` on, and where the next ones will be."""
    with path.open("rb") as file:
        file.seek(start)
        text = file.read()
    whole = text[: text.rfind(b"\n") + 1]
    return [Entry(*map(int, row.split())) for row in whole.splitlines()], start + len(whole)


class Child:
    """The parent's end of a process that is told what to do: asks, and waits for the answer."""

    name = "the process"

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._speak_to(process)

    def _speak_to(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self._answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._ended: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._listening = asyncio.create_task(self._listen())

    def runs(self) -> bool:
        return self.process.returncode is None

    @property
    def pid(self) -> int:
        return self.process.pid

    async def ask(self, do: str, **what: Any) -> Any:
        """Raises:
        UserError: what was asked is not possible; the process says why.
        ConnectionError: the process is gone.
        """
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"do": do, **what}).encode() + b"\n")
        return (await self._next(self._answers))["ok"]

    async def ended(self) -> None:
        """Wait until what was started has ended.

        Raises:
            UserError: it could not go on; the process says why.
            ConnectionError: the process is gone.
        """
        await self._next(self._ended)

    async def stop(self) -> None:
        """Ask it to end, and see that it does."""
        await end(self.process)
        await self._listening

    async def _next(self, queue: asyncio.Queue[dict[str, Any]]) -> dict[str, Any]:
        said = await queue.get()
        if "error" in said:
            raise UserError(said["error"])
        if "gone" in said:
            queue.put_nowait(said)  # it stays true: whoever asks next is told so, too
            raise ConnectionError(f"{self.name} has gone with exit code {said['gone']}")
        return said

    async def _listen(self) -> None:
        assert self.process.stdout
        while text := await self.process.stdout.readline():
            said = json.loads(text)
            (self._ended if "ended" in said else self._answers).put_nowait(said)
        gone = {"gone": await self.process.wait()}
        self._answers.put_nowait(gone)
        self._ended.put_nowait(gone)


async def start(module: str, *arguments: str, place: Place = HERE, limit: int = 16 << 20) -> asyncio.subprocess.Process:
    """A Python module as a process that is told what to do, see `obey`.

    Args:
        limit: bytes of an answer; that to `unwatch` has 45 for each event.
    """
    return await asyncio.create_subprocess_exec(
        *(*place.enter, sys.executable, "-m", module, *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the bench, which ends its processes when it has finished
        limit=limit,
    )


class ServerProcess(Child):
    """The server under test.

    Attributes:
        origins: where it listens; each is an origin of its own for browsers.
        ledger: every append of it, also of those that were killed before.
    """

    name = "the server under test"

    def __init__(self, process: asyncio.subprocess.Process, orders: dict[str, Any], place: Place = HERE) -> None:
        super().__init__(process)
        self.ledger = Path(orders["ledger"])
        self.origins: list[str] = []
        self._orders, self._place = orders, place

    async def ready(self) -> None:
        """Raises:
        UserError: it could not start; says why.
        """
        self.origins = await self.ask("origins")

    async def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End it by a signal, and wait until it has ended: no server lives until `again`."""
        self.process.send_signal(how)
        await self.process.wait()
        await self._listening

    async def again(self) -> None:
        """A new process at the same addresses, with an empty log of a new epoch, and the same ledger."""
        ports = [int(one.rpartition(":")[2]) for one in self.origins]
        orders = {**self._orders, "ports": ports}
        self._speak_to(await start("lab.process", json.dumps(orders), place=self._place))
        await self.ready()

    async def befriend(self, origins: Iterable[str]) -> None:
        """Let pages of these origins use it, from now on; after `again`, too, from its first moment on."""
        self._orders["friends"].extend(origins)
        await self.ask("allow", origins=self._orders["friends"])

    async def seat(self, key: str) -> None:
        """Let in whoever has that key, from now on; after `again`, too."""
        self._orders["seats"].append(key)
        await self.ask("seat", key=key)

    async def unseat(self, key: str) -> None:
        """Let in nobody with that key any more; what is being read already goes on until its connection ends."""
        self._orders["seats"].remove(key)
        await self.ask("unseat", key=key)

    async def play(self, source: str, *, spin: bool = True) -> None:
        """Start a source and wait until it has ended."""
        await self.ask("play", source=source, spin=spin)
        await self.ended()


@asynccontextmanager
async def server_process(  # noqa: PLR0913  (what differs between servers, named)
    only: Iterable[str],
    *,
    ports: int = 1,
    settings: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    place: Place = HERE,
    names: Iterable[str] = (),
    seats: Iterable[str] | None = None,
) -> AsyncIterator[ServerProcess]:
    """A server under test that offers these transports on `ports` free ports in `place`; gone at the end.

    Args:
        settings: the lab's, where they differ from the usual ones. options: uvicorn's.
        names: by which readers may call it besides, because a link that they come through is called so.
        seats: the keys of who may come in, see `create_app`; everyone if None.
    """
    with tempfile.TemporaryDirectory(prefix="pushlab-") as folder:
        ledger = Path(folder) / "ledger"
        ledger.touch()
        orders = {
            "only": list(only),
            "hosts": list(dict.fromkeys([place.host, place.own])),
            "ports": [0] * ports,
            "settings": dict(settings or {}),
            "options": dict(options or {}),
            "names": list(names),
            "friends": [],
            "seats": None if seats is None else list(seats),
            "ledger": str(ledger),
        }
        process = await start("lab.process", json.dumps(orders), place=place)
        server = ServerProcess(process, orders, place)
        try:
            await server.ready()
            yield server
        finally:
            await server.stop()


class Worker:
    """The child's end: does what it is told; one method a request."""

    def __init__(  # noqa: PLR0913  (all that there is to control)
        self,
        log: Log,
        server: Server,
        settings: dict[str, Any],
        *,
        origins: list[str],
        allowed: list[str],
        seats: set[str] | None = None,
    ) -> None:
        self.log, self.server, self.settings, self.seats = log, server, settings, seats
        self._origins, self._allowed = origins, allowed
        self.playing: asyncio.Task[None] | None = None

    async def origins(self) -> list[str]:
        return self._origins

    async def allow(self, origins: list[str]) -> None:
        """Pages of these origins may use the server: where it is found through a link."""
        self._allowed.extend(one for one in origins if one not in self._allowed)

    async def seat(self, key: str) -> None:
        """Whoever has that key may come in."""
        assert self.seats is not None
        self.seats.add(key)

    async def unseat(self, key: str) -> None:
        """Nobody with that key may come in."""
        assert self.seats is not None
        self.seats.discard(key)

    async def play(self, source: str, *, spin: bool) -> None:
        """Begin a source; says so when it has ended."""
        await self.stop()
        self.playing = asyncio.create_task(sources.pump(sources.parse(source).events(spin=spin), self.log))
        self.playing.add_done_callback(say_ended)

    async def stop(self) -> None:
        """End the source, if one is playing."""
        if self.playing:
            self.playing.cancel()
            await asyncio.wait([self.playing])
            self.playing = None

    async def append(self, data: Any) -> list[int]:
        event = await self.log.append(data)
        return [event.epoch, event.id]

    async def set(self, **settings: Any) -> None:
        """Change settings of the lab: they hold for requests from now on."""
        self.settings.update(settings)

    async def cut(self) -> int:
        return self.server.cut()

    async def restart(self) -> None:
        """Begin a new epoch, everything forgotten."""
        self.log.restart()

    async def waiting(self) -> int:
        """How many readers wait for news."""
        return self.log.waiting

    async def watch(self, prefix: str) -> None:
        """Begin to count what goes over the wire for the routes under `prefix`: before the reader sets out."""
        self.server.meter.watch(prefix)

    async def wire(self) -> dict[str, Any]:
        """What went over it since the last time this was asked, see `lab.wire.Totals`; None, and why, where unknown."""
        totals = self.server.meter.lap()
        return {"totals": totals and totals._asdict(), "reason": self.server.meter.reason}

    async def unwatch(self) -> dict[str, Any]:
        """End what `watch` began. When each event was first written, and the smallest round trip, see `lab.stamps`."""
        stamps = self.server.meter.unwatch()
        return {
            "written": [[*event, at] for event, at in stamps.written.items()],
            "round_trip_us": stamps.round_trip,
            "reason": stamps.reason or self.server.meter.reason,
        }


def say_ended(playing: asyncio.Task[None]) -> None:
    """Say that a source has ended, and why if it should not have; not if it was stopped, for who did so knows."""
    if not playing.cancelled():
        error = playing.exception()
        say({"ended": True} | ({"error": str(error)} if error else {}))


def say(what: dict[str, Any]) -> None:
    assert sys.__stdout__
    sys.__stdout__.write(json.dumps(what) + "\n")
    sys.__stdout__.flush()


async def obey(worker: object) -> None:
    """Do what standard input asks, until it ends: each request is a method of the worker."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=8 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while text := await reader.readline():
        request = json.loads(text)
        try:
            say({"ok": await getattr(worker, request.pop("do"))(**request)})
        except UserError as error:
            say({"error": str(error)})


async def work(orders: Mapping[str, Any]) -> None:
    parent = os.getppid()
    ledger = LedgerFile(Path(orders["ledger"]))
    with contextlib.closing(ledger):
        log = Log(ledger=ledger)
        host, *others = orders["hosts"]
        sockets = [one for port in orders["ports"] for one in listen(host, port)]
        origins = [origin(one) for one in sockets]
        sockets += [one for port in map(_port, sockets) for other in others for one in listen(other, port)]
        settings = {**SETTINGS, **orders["settings"]}
        offered = subjects(discover())
        only: list[Subject] = [subject(name, offered) for name in orders["only"]]
        hosts = [*orders["hosts"], *orders["names"], "localhost"]
        seats = None if orders["seats"] is None else set(orders["seats"])
        allowed = [*origins, *orders["friends"]]
        app = create_app(log, only, origins=allowed, hosts=hosts, settings=settings, seats=seats)
        async with serving(app, log, sockets, orders["options"], signals=True) as server:
            worker = Worker(log, server, settings, origins=origins, allowed=allowed, seats=seats)
            await obey(worker)
            await worker.stop()
    if os.getppid() != parent:  # it was killed, and can't clear away any more
        shutil.rmtree(Path(orders["ledger"]).parent, ignore_errors=True)


def _port(listening: socket.socket) -> int:
    port: int = listening.getsockname()[1]
    return port


def main() -> None:
    """Serve until standard input ends, or a signal comes."""
    run(work(json.loads(sys.argv[1])))


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a process that is told what to do. What its code prints is shown, but not taken for an answer.

    Why it can't even begin is its only answer.
    """
    with contextlib.redirect_stdout(sys.stderr), asyncio.Runner(loop_factory=loop_factory()) as runner:
        try:
            runner.run(work)
        except UserError as error:
            say({"error": str(error)})


def loop_factory() -> Any:
    """Event loops of uvloop, where that exists."""
    try:
        import uvloop  # noqa: PLC0415
    except ImportError:
        return None
    return uvloop.new_event_loop


if __name__ == "__main__":
    main()
