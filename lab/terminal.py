"""What commands need of a terminal: two streams to speak to, Ctrl-C, and SIGTERM."""

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from rich.console import Console
from rich.table import Table

from lab.process import loop_factory

INTERRUPTED = 130
"""The exit code of what Ctrl-C ended, as shells have it; of what SIGTERM ended, too."""

Result = TypeVar("Result")


def show(text: str) -> None:
    """A result, to standard output."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def tell(sentence: str) -> None:
    """What goes on, to standard error."""
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


def show_table(table: Table) -> None:
    """As wide as the terminal, if that has room for a table; for a file or another program as it likes to be."""
    console = Console()
    Console(width=max(console.width, 72) if console.is_terminal else 160).print(table)


def run(work: Coroutine[Any, Any, Result]) -> Result:
    with asyncio.Runner(loop_factory=_loop) as runner:
        return runner.run(work)


def _loop() -> asyncio.AbstractEventLoop:
    """Processes that are started in it have sessions of their own: Ctrl-C is for this one, which then ends them.

    Otherwise browsers would be gone before what they have measured was read back.
    """
    loop: asyncio.AbstractEventLoop = (loop_factory() or asyncio.new_event_loop)()
    apart = partial(loop.subprocess_exec, start_new_session=True)
    loop.subprocess_exec = apart  # type: ignore[method-assign]  # Playwright offers no other way
    return loop


class Terminated(Exception):
    """The process was asked to end."""


def interrupted(work: Coroutine[Any, Any, object]) -> bool:
    """Whether it was ended from outside: by Ctrl-C, or by SIGTERM, which is taken for the same."""
    try:
        run(_terminable(work))
    except (KeyboardInterrupt, Terminated):
        return True
    return False


async def _terminable(work: Coroutine[Any, Any, object]) -> None:
    """The work, cancelled at SIGTERM so that it takes down what it has begun: else all of that would stay behind.

    Raises:
        Terminated: so it ended.
    """
    doing, asked = asyncio.current_task(), asyncio.Event()
    assert doing

    def end() -> None:
        if not asked.is_set():  # a second one would end the taking down
            asked.set()
            doing.cancel()

    on_signal(end, signal.SIGTERM)
    try:
        await work
    except asyncio.CancelledError:
        if asked.is_set():
            raise Terminated from None
        raise


def on_signal(act: Callable[[], None], *which: signal.Signals) -> None:
    """Act on these signals, on Ctrl-C and SIGTERM if none is named, in place of whoever did so far.

    Where loops know no signals (Windows), that is who still does.
    """
    loop = asyncio.get_running_loop()
    with suppress(NotImplementedError):
        for number in which or (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, act)
