"""How far the observing is: a bar in a terminal, a line now and then elsewhere."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress as Bars

from benchmarks.behaviours.experiment import Experiment
from benchmarks.behaviours.store import Seen
from benchmarks.progress import EVERY, columns

Tell = Callable[[Seen, int, int], None]
"""What was seen, how many are done, and how many there are."""


@contextmanager
def shown(console: Console, known: dict[str, Experiment]) -> Iterator[Tell]:
    """What tells the progress there; `known` are the experiments by their names."""
    if not console.is_terminal or os.environ.get("CI"):
        yield Lines(console, known).tell
        return
    with Bars(*columns(), console=console, auto_refresh=False, transient=True, expand=True) as bars:
        task = bars.add_task("starting", total=None)
        bars.refresh()

        def tell(seen: Seen, done: int, planned: int) -> None:
            bars.update(task, completed=done, total=planned, description=described(seen, known))
            bars.refresh()

        yield tell


class Lines:
    """A line for the first observation, for the last, for each that failed, and every `EVERY` seconds."""

    def __init__(self, console: Console, known: dict[str, Experiment]) -> None:
        self._console, self._known, self._told = console, known, -EVERY

    def tell(self, seen: Seen, done: int, planned: int) -> None:
        now = time.monotonic()
        if now - self._told >= EVERY or done == planned or seen.state == "failed":
            self._told = now
            told = f"{done} of {planned}: {described(seen, self._known)}"
            self._console.print(told, soft_wrap=True, highlight=False, markup=False)


def described(seen: Seen, known: dict[str, Experiment]) -> str:
    spot = seen.spot
    cured = " with the cure" if spot.cured else ""
    what = seen.observation.says if seen.observation else f"{seen.state}: {seen.reason}"
    return f"{seen.mark} {known[spot.experiment].id} with {spot.subject} in {spot.engine}{cured}: {what}"
