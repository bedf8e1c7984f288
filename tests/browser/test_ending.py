"""A command that is ended from outside, in the middle of its work with a browser, leaves nothing behind."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest
from commands import running
from conftest import missing

COMMANDS = {
    "behaviours": ("behaviours", "P16", "--transport", "sse"),
    "bench": ("bench", "--plan", "smoke", "--transport", "sse", "--engine", "chromium", "--rounds", "50"),
}


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder with a short name: a socket of Chromium's own would not fit into pytest's."""
    with TemporaryDirectory(prefix="ending-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def names(folder: Path) -> list[str]:
    """Of what is in it."""
    return [one.name for one in folder.iterdir()]


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
    arguments, env = (*COMMANDS[command], "--out", str(tmp_path / "out")), {"TMPDIR": str(temporary)}
    async with running(*arguments, env=env) as process:
        children = await at_work(process.pid)
        assert names(temporary), "there is nothing that could be left"
        assert (await process.ended(how, within=30)).code == 130
    _, alive = psutil.wait_procs(children, timeout=5)
    assert alive == []
    assert names(temporary) == []
