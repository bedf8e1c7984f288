"""Whether the machine was quiet: what others took of its CPUs while something was measured.

What they took is known by the system's own count, or, where a tenth of a millisecond matters and the machine is itself
a guest of another, by looking at the clock all the while: who does nothing else misses none of it, but for what was
taken away.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil

QUIET = 0.10
"""Of all CPUs, that others may take."""

GAP, TAKEN = 100_000, 0.005
"""Two looks at the clock are some 100 ns apart; what lies so many ns apart was taken away, and so much of it may be."""


@dataclass
class Others:
    """The share of all CPUs that processes other than this one and its children took."""

    share: float = 0.0

    @property
    def quiet(self) -> bool:
        return self.share <= QUIET


@contextmanager
def others() -> Iterator[Others]:
    found, (busy, total, own) = Others(), _times()
    yield found
    busy_after, total_after, own_after = _times()
    found.share = max(0.0, (busy_after - busy - (own_after - own)) / (total_after - total))


def undisturbed(seconds: float = 0.2) -> bool:
    """Whether this process has the processor for itself, as far as it can be told by looking."""
    end = (last := time.monotonic_ns()) + round(seconds * 1e9)
    missed = 0
    while last < end:
        now = time.monotonic_ns()
        missed += now - last if now - last > GAP else 0
        last = now
    return missed <= TAKEN * seconds * 1e9


def _times() -> tuple[float, float, float]:
    times = psutil.cpu_times()
    total = sum(times)
    return total - times.idle - getattr(times, "iowait", 0.0), total, sum(_own())


def _own() -> Iterator[float]:
    this = psutil.Process()
    for process in (this, *this.children(recursive=True)):
        with suppress(psutil.Error):
            yield sum(process.cpu_times()[:2])
