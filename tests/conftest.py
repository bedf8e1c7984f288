"""A lab for the tests: servers in this process, so that a test can reach into the log, and one browser per engine."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from commands import Pushlab, Said
from scheduler import Scheduler, tell_groups

from benchmarks import engines as known_engines
from benchmarks.browser import Engine, Reader, Seen, launched
from lab.app import create_app
from lab.cli import main
from lab.link import Relay, relaying
from lab.log import Log
from lab.server import Server, listen, origin, serving
from lab.transport import SETTINGS, Subject, discover, subjects

SUBJECTS = subjects(discover())
RETAINED = 1000  # events, in the tests' logs


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--transport", action="append", help="only these, in the contract tests")
    parser.addoption("--engine", action="append", help="only these, in the contract tests")


def pytest_configure(config: pytest.Config) -> None:
    """Ctrl-C is for these processes and theirs, also where shells have it ignored: in what runs in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)  # before they are told to be collected
def pytest_collection_finish(session: pytest.Session) -> None:
    if hasattr(session.config, "workerinput"):  # one of several processes
        tell_groups(session.config, session.items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduler:
    return Scheduler(config, log)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`subject` and `engine_name` become every pair that the transports claim."""
    names = metafunc.config.getoption("--transport") or sorted(SUBJECTS)
    engines = wanted_engines(metafunc.config)
    wanted = {"subject", "engine_name"} & set(metafunc.fixturenames)
    if wanted == {"subject", "engine_name"}:
        pairs = [(SUBJECTS[name], engine) for engine in engines for name in names if claims(SUBJECTS[name], engine)]
        metafunc.parametrize(("subject", "engine_name"), pairs, ids=[f"{s.name}-{e}" for s, e in pairs])
    elif wanted == {"engine_name"}:
        metafunc.parametrize("engine_name", engines)
    elif wanted == {"subject"}:
        metafunc.parametrize("subject", [SUBJECTS[name] for name in names], ids=names)


def wanted_engines(config: pytest.Config) -> list[str]:
    return config.getoption("--engine") or ["native", "chromium", "firefox"]


def missing(engine: str) -> str:
    """Why it isn't here; empty where it is."""
    found = None if engine == "native" else known_engines.found().get(engine)
    return found if isinstance(found, str) else ""


def claims(subject: Subject, engine: str) -> bool:
    return subject.found.module is not None and not subject.unsupported(engine)


@pytest.fixture(autouse=True)
def ctrl_c() -> Iterator[None]:
    """Whoever changes what SIGINT does puts it back: else the Ctrl-C of a later test goes astray."""
    before = signal.getsignal(signal.SIGINT)
    yield
    assert signal.getsignal(signal.SIGINT) is before


@pytest.fixture
def pushlab(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pushlab:
    """The command in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Said:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        code = ended.value.code
        assert isinstance(code, int)
        return Said(code, *capsys.readouterr())

    return run


@dataclass
class Lab:
    """A running server with everything in reach."""

    log: Log
    server: Server
    origins: list[str]
    settings: dict[str, Any]

    @property
    def origin(self) -> str:
        return self.origins[0]

    @property
    def port(self) -> int:
        return int(self.origin.rpartition(":")[2])

    def fresh(self) -> None:
        """As if it had just been started."""
        self.log.restart()
        self.settings.clear()
        self.settings.update(SETTINGS)


@asynccontextmanager
async def running_lab(
    options: dict[str, Any] | None = None, friends: list[str] | None = None, retained: int = RETAINED
) -> AsyncIterator[Lab]:
    """A lab with every transport; `friends` are origins of others whose pages may come."""
    log, sockets, settings = Log(count=retained), listen(count=2), dict(SETTINGS)
    origins = [origin(one) for one in sockets]
    app = create_app(log, origins=[*origins, *(friends or [])], settings=settings, token="secret")
    async with serving(app, log, sockets, options) as server:
        yield Lab(log, server, origins, settings)


@dataclass
class Labs:
    """One lab for each set of options that a variant asks of the server as a whole."""

    stack: AsyncExitStack
    running: dict[str, Lab] = field(default_factory=dict)
    starting: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def for_(self, subject: Subject | None = None) -> Lab:
        options = dict(subject.options.server) if subject else {}
        async with self.starting:
            if repr(options) not in self.running:
                self.running[repr(options)] = await self.stack.enter_async_context(running_lab(options))
        lab = self.running[repr(options)]
        lab.fresh()
        return lab


@dataclass
class Engines:
    stack: AsyncExitStack
    running: dict[str, Engine] = field(default_factory=dict)

    async def get(self, name: str) -> Engine:
        if name not in self.running:
            if reason := missing(name):
                pytest.skip(f"unavailable: {reason}")
            self.running[name] = await self.stack.enter_async_context(launched(name, fresh=False))
        return self.running[name]


@pytest.fixture(scope="session")
async def engines() -> AsyncIterator[Engines]:
    """One browser per engine for the whole session."""
    async with AsyncExitStack() as stack:
        yield Engines(stack)


@pytest.fixture(scope="session")
async def labs() -> AsyncIterator[Labs]:
    async with AsyncExitStack() as stack:
        yield Labs(stack)


@pytest.fixture
async def lab(labs: Labs) -> Lab:
    """A lab that is as good as new."""
    return await labs.for_()


@dataclass
class Stage:
    """One transport in one engine, and a lab to follow."""

    lab: Lab
    subject: Subject
    engine: Engine
    stack: AsyncExitStack

    @property
    def log(self) -> Log:
        return self.lab.log

    async def follow(self, cursor: str = "", **settings: Any) -> Reader:
        """A reader that is open."""
        settings = {"every": 0.05} | settings  # polls close together: how far apart is no part of the contract
        reading = self.engine.reading(self.subject, self.lab.origin, settings, cursor, keep_data=True)
        reader: Reader = await self.stack.enter_async_context(reading)
        assert await reader.opened(10), (await reader.seen()).lost
        return reader

    async def relay(self) -> Relay:
        return await self.stack.enter_async_context(relaying(self.lab.port))

    async def append(self, *data: Any) -> None:
        for one in data:
            await self.log.append(one)

    async def seen(self, reader: Reader, seconds: float = 10) -> Seen:
        """What the reader has seen when it has got everything, and a moment longer: nothing may come twice."""
        assert await reader.reached(self.log.epoch, self.log.last, seconds), (await reader.seen()).lost
        await asyncio.sleep(0.02)
        return await reader.seen()


@pytest.fixture
async def stage(subject: Subject, engine_name: str, labs: Labs, engines: Engines) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        yield Stage(await labs.for_(subject), subject, await engines.get(engine_name), stack)


def ids(seen: Seen) -> list[int]:
    return [id_ for _, id_, _ in seen.events]
