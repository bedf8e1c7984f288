"""What serving costs: CPU time and memory of a process and of all that it has started.

CPU time is the scheduler's own count in ns (clock_getcpuclockid(3)), threads that have ended included. Children
that have ended count for the process that waited for them, in steps of the system's tick; those that nobody
waited for, and those whose parent has gone, do not count.

On loopback, sending also runs TCP's part for the receiver, in the sender's time.
"""

import ctypes
import errno
import functools
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

import psutil


class Memory(NamedTuple):
    """What processes hold, and by which count.

    "anonymous" is what they have written themselves: heaps, stacks, and pages of a file or a parent that they changed.
    It moves by nothing but their own doing. USS, what is theirs alone, is the next best: the code of a program counts
    in it only while no other process has it loaded, so that another browser's start took 24 MB off a page (and its
    end gave them back). RSS is what is left.
    """

    kib: float
    kind: Literal["anonymous", "USS", "RSS"]


def family(pid: int) -> list[int]:
    """The process and all its descendants.

    Raises:
        psutil.NoSuchProcess: it is gone.
    """
    return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]


def cpu_ns(pid: int) -> dict[int, int]:
    """CPU time of each process of the family until now, in ns.

    Raises:
        psutil.NoSuchProcess: it is gone.
    """
    times = {pid: process_cpu_ns(pid)}
    for one in family(pid)[1:]:
        with suppress(psutil.NoSuchProcess):  # it has ended since: its parent has its time, or will
            times[one] = process_cpu_ns(one)
    return times


def spent(before: Mapping[int, int], after: Mapping[int, int]) -> dict[int, int]:
    """CPU time between two readings, in ns, by process; their sum is what the family spent.

    One that ended meanwhile gets minus what it had used before, for all of it is now in its parent's time.
    """
    return {pid: after.get(pid, 0) - before.get(pid, 0) for pid in {**before, **after}}


def process_cpu_ns(pid: int) -> int:
    """Of one process, and of its children that have ended.

    Raises:
        psutil.NoSuchProcess: it is gone.
    """
    times = psutil.Process(pid).cpu_times()
    ended = getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    clock = _cpu_clock(pid)
    own = times.user + times.system if clock is None else 0.0
    return round((own + ended) * 1e9) + (0 if clock is None else time.clock_gettime_ns(clock))


def cpu_clock() -> str:
    """How CPU time is known here: to be told with the numbers."""
    return "the scheduler's count in ns" if _library() else "psutil's cpu_times, in steps of the system's tick"


def memory_kib(pids: Iterable[int]) -> Memory:
    """What these processes hold together.

    Raises:
        psutil.NoSuchProcess: one is gone.
    """
    processes = [psutil.Process(pid) for pid in pids]
    with suppress(PermissionError, FileNotFoundError):  # another user's or a sandboxed one; not Linux
        return Memory(sum(_anonymous_kib(one.pid) for one in processes), "anonymous")
    with suppress(psutil.AccessDenied, AttributeError):  # the same; no USS on this system
        return Memory(sum(one.memory_full_info().uss for one in processes) / 1024, "USS")
    return Memory(sum(one.memory_info().rss for one in processes) / 1024, "RSS")


def _anonymous_kib(pid: int) -> int:
    """What is in memory and what is swapped out: proc_pid_smaps(5)."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except ProcessLookupError as error:
        raise psutil.NoSuchProcess(pid) from error
    sizes = dict(line.split(":") for line in lines if line.endswith(" kB"))
    return sum(int(sizes[name].removesuffix("kB")) for name in ("Anonymous", "Swap"))


def _cpu_clock(pid: int) -> int | None:
    """The POSIX clock that is this process's CPU time; None where there are none."""
    library = _library()
    if library is None:
        return None
    clock = ctypes.c_int()
    failed = library.clock_getcpuclockid(pid, ctypes.byref(clock))
    if failed:
        raise psutil.NoSuchProcess(pid) if failed == errno.ESRCH else OSError(failed, "clock_getcpuclockid")
    return clock.value


@functools.cache
def _library() -> ctypes.CDLL | None:
    """The C library, where it tells clocks of processes."""
    if sys.platform == "win32":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "clock_getcpuclockid") else None  # macOS's doesn't
