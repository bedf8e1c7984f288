"""The relay's process: does what its standard input asks, see `lab.process.obey`."""

import asyncio
import contextlib
import json
import sys
from pathlib import Path
from typing import Any

from lab.errors import UserError
from lab.link.relay.relay import Relay
from lab.link.relay.toxics import Setting
from lab.link.segment import Cut
from lab.process import obey


class Worker:
    """One method a request."""

    def __init__(self, host: str) -> None:
        self.relay = Relay(host=host)

    async def through(self, behind: str) -> str:
        return await self.relay.through(behind)

    async def set(self, **settings: Setting) -> None:
        self.relay.set(**settings)

    async def cut(self, how: Cut) -> int:
        return self.relay.cut(how)

    async def lap(self) -> dict[str, Any]:
        return self.relay.lap()

    async def measure(self) -> dict[str, Any]:
        """What it adds by itself, by a program that sends and receives.

        Raises:
            UserError: that program has failed.
        """
        probe = Relay(host=self.relay.host)  # not what readers pass, and counted nowhere
        try:
            return await _measured(probe)
        finally:
            await probe.close()


async def _measured(relay: Relay) -> dict[str, Any]:
    program = str(Path(__file__).with_name("latency.py"))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", program, relay.host), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin
    assert process.stdout
    port = (await process.stdout.readline()).decode().strip()
    if port:
        found = await relay.through(f"http://{relay.host}:{port}")
        told, _ = await process.communicate(found.rpartition(":")[2].encode() + b"\n")
    if not port or await process.wait():
        raise UserError("the relay's own latency could not be measured: its messages say why")
    measured: dict[str, Any] = json.loads(told)
    return measured


async def work(host: str) -> None:
    worker = Worker(host)
    try:
        await obey(worker)
    finally:
        await worker.relay.close()


def main() -> None:
    """Relay until standard input ends.

    asyncio's own loop writes to a socket at once, where uvloop waits for the end of a turn: so it is known when.
    """
    with contextlib.redirect_stdout(sys.stderr):
        asyncio.run(work(sys.argv[1]))


if __name__ == "__main__":
    main()
