"""`pushlab` as users start it: in a process of its own, and what it says line by line; or quicker, in this one."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

PUSHLAB = "from lab.cli import main; main()"

PATIENCE = 60
"""Seconds until it must have said something, on a machine that is busy, too."""


class Said(NamedTuple):
    code: int
    out: str
    err: str


Pushlab = Callable[..., Said]
"""The command in this process, see `conftest.pushlab`."""


class Running:
    """Its output line by line, and its end."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        assert process.stdout
        assert process.stderr
        self.pid, self.out, self.err = process.pid, process.stdout, process.stderr

    async def says(self, pattern: str, stream: asyncio.StreamReader | None = None) -> re.Match[str]:
        """Wait for a line of standard error, or of another stream, like that."""
        async with asyncio.timeout(PATIENCE):
            while line := (await (stream or self.err).readline()).decode():
                if match := re.search(pattern, line):
                    return match
        raise AssertionError(f"never said: {pattern}")

    async def ended(self, number: signal.Signals | None = None, within: float = 3) -> Said:
        """Send it that signal, and wait for its end."""
        if number:
            self.process.send_signal(number)
        async with asyncio.timeout(within):
            out, err = await self.process.communicate()
        assert self.process.returncode is not None
        return Said(self.process.returncode, out.decode(), err.decode())


@asynccontextmanager
async def running(
    *arguments: str,
    code: str = PUSHLAB,
    stdin: int = asyncio.subprocess.DEVNULL,
    env: Mapping[str, str] | None = None,
) -> AsyncIterator[Running]:
    """The command, or other code that ends in it.

    Args:
        env: what it has in its environment besides.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code, *arguments),
        stdin=stdin,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(env or {})},
    )
    try:
        yield Running(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
