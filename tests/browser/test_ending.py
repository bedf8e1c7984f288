"""A command that is ended from outside, in the middle of its work with a browser, leaves nothing behind."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest
from conftest import missing

COMMANDS = {
    "behaviours": ("behaviours", "P16", "--transport", "sse"),
    "bench": ("bench", "--plan", "smoke", "--transport", "sse", "--engine", "chromium", "--rounds", "50"),
}

FRESH = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from lab.cli import main; main()"
"""SIGINT as a process has it that was started in a terminal, whatever the tests were started by."""


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder with a short name: a socket of Chromium's own would not fit into pytest's."""
    with TemporaryDirectory(prefix="ending-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def names(folder: Path) -> list[str]:
    """Of what is in it."""
    return [one.name for one in folder.iterdir()]


@asynccontextmanager
async def running(command: Sequence[str], out: Path, temporary: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """It, with a folder for everything temporary, and one for its results."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", FRESH, *command, "--out", str(out)),
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def at_work(pid: int) -> list[psutil.Process]:
    """Its processes, once there is a page of a browser among them, and a server."""
    wanted = {"--type=renderer", "lab.process"}
    async with asyncio.timeout(60):
        while True:
            children = psutil.Process(pid).children(recursive=True)
            words: set[str] = set()
            for one in children:
                with suppress(psutil.Error):
                    words.update(one.cmdline())
            if wanted <= words:
                return children
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("how", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
async def test_nothing_is_left(tmp_path: Path, temporary: Path, command: str, how: signal.Signals) -> None:
    if reason := missing("chromium"):
        pytest.skip(f"unavailable: {reason}")
    async with running(COMMANDS[command], tmp_path / "out", temporary) as process:
        children = await at_work(process.pid)
        assert names(temporary), "there is nothing that could be left"
        process.send_signal(how)
        async with asyncio.timeout(30):
            assert await process.wait() == 130
    _, alive = psutil.wait_procs(children, timeout=5)
    assert alive == []
    assert names(temporary) == []
