"""How far a bench is: a bar in a terminal, a line now and then elsewhere. Nothing is drawn while a trial runs."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Column

from benchmarks.measure import Progress
from benchmarks.runs import Trial

EVERY = 10.0
"""Seconds from one plain line to the next."""

Tell = Callable[[Progress], None]


@contextmanager
def shown(console: Console) -> Iterator[Tell]:
    """What tells the progress there."""
    if not console.is_terminal or os.environ.get("CI"):
        yield Lines(console).tell
        return
    # Drawn after each trial only: a thread that draws would take part in what is measured.
    with Bars(*columns(), console=console, auto_refresh=False, transient=True, expand=True) as bars:
        task = bars.add_task("starting", total=None)
        bars.refresh()

        def tell(progress: Progress) -> None:
            bars.update(task, completed=progress.done, total=progress.planned, description=described(progress.trial))
            bars.refresh()

        yield tell


def columns() -> Iterator[ProgressColumn]:
    """Where there is little room, the numbers stay."""
    yield MofNCompleteColumn(table_column=Column(no_wrap=True))
    yield TimeElapsedColumn(table_column=Column(no_wrap=True))
    yield BarColumn(bar_width=None, table_column=Column(ratio=1))
    yield TextColumn("{task.description}", table_column=Column(ratio=2, no_wrap=True, overflow="ellipsis"))


class Lines:
    """A line for the first trial, for the last one planned, and every `EVERY` seconds."""

    def __init__(self, console: Console) -> None:
        self._console, self._told = console, -EVERY

    def tell(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._told >= EVERY or progress.done == progress.planned:
            self._told = now
            told = f"trial {progress.done} of {progress.planned}: {described(progress.trial)}"
            self._console.print(told, soft_wrap=True, highlight=False, markup=False)


def described(trial: Trial) -> str:
    cell = trial.cell
    failed = f" failed: {trial.reason}" if trial.state == "failed" else ""
    return f"{cell.subject} in {cell.engine}, {cell.scenario}, round {trial.round}{failed}"
