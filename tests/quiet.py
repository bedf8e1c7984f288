"""Whether the machine was quiet: what others took of its CPUs while something was measured."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil

QUIET = 0.10


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


def _times() -> tuple[float, float, float]:
    times = psutil.cpu_times()
    total = sum(times)
    return total - times.idle - getattr(times, "iowait", 0.0), total, sum(_own())


def _own() -> Iterator[float]:
    this = psutil.Process()
    for process in (this, *this.children(recursive=True)):
        with suppress(psutil.Error):
            yield sum(process.cpu_times()[:2])
