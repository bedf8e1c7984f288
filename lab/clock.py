"""The clock of the lab's server side, and an alarm far more punctual than an event loop's own timers."""

import asyncio
import contextlib
import ctypes
import functools
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Protocol, Self

TURN_NS = 1_000_000
FAR_NS = 2**60  # 36 years: fits every time_t; whoever waits longer is woken and waits again


def now() -> int:
    """CLOCK_MONOTONIC in ns: the clock of every `due` and `at`."""
    return time.monotonic_ns()


class Turns:
    """Keeps a task that always has something to do from shutting everybody else out of the event loop."""

    def __init__(self) -> None:
        self._last = now()

    def given(self) -> None:
        """Note that the others have just had their turn."""
        self._last = now()

    async def give(self) -> None:
        """Let the others in, but at most once per millisecond: what is due together stays together."""
        if now() - self._last > TURN_NS:
            await asyncio.sleep(0)
            self.given()


class Timer(Protocol):
    """Something that calls `ring` in the loop soon after an instant, and is armed again and again."""

    lead_ns: int  # how much too late it may ring on a quiet machine, and so how early to arm it

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None: ...
    def arm(self, at: int) -> None: ...
    def close(self) -> None: ...


class _TimerSpec(ctypes.Structure):
    """`struct itimerspec`, see timerfd_settime(2)."""

    _fields_ = tuple((name, ctypes.c_long) for name in ("every_s", "every_ns", "first_s", "first_ns"))


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def _timerfd_create() -> int:
    if sys.version_info >= (3, 13):
        return os.timerfd_create(time.CLOCK_MONOTONIC, flags=os.TFD_NONBLOCK | os.TFD_CLOEXEC)
    return _checked(_libc().timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC))


def _timerfd_settime(fd: int, at: int) -> None:
    if sys.version_info >= (3, 13):
        os.timerfd_settime_ns(fd, flags=os.TFD_TIMER_ABSTIME, initial=at)
    else:
        absolute = 1  # TFD_TIMER_ABSTIME
        spec = _TimerSpec(0, 0, *divmod(at, 1_000_000_000))
        _checked(_libc().timerfd_settime(fd, absolute, ctypes.byref(spec), None))


class TimerFd:
    """Linux: a file descriptor that becomes readable at an instant, see timerfd_create(2)."""

    lead_ns = 300_000

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        self._fd = _timerfd_create()
        loop.add_reader(self._fd, self._expired)

    def arm(self, at: int) -> None:
        _timerfd_settime(self._fd, at)

    def close(self) -> None:
        self._loop.remove_reader(self._fd)
        os.close(self._fd)

    def _expired(self) -> None:
        with contextlib.suppress(BlockingIOError):  # armed anew since the loop saw it
            os.read(self._fd, 8)
            self._ring()


class TimerThread:
    """Anywhere: a thread that sleeps without the GIL and then knocks at the loop."""

    lead_ns = 1_000_000

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        self._at = FAR_NS
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="alarm", daemon=True)
        self._thread.start()

    def arm(self, at: int) -> None:
        with self._changed:
            self._at = at
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        with self._changed:
            while not self._closed:
                left = self._at - now()
                if left > 0:
                    self._changed.wait(left / 1e9)
                else:
                    self._at = FAR_NS
                    self._loop.call_soon_threadsafe(self._ring)


BEST_TIMER: type[Timer] = TimerFd if sys.platform == "linux" else TimerThread


class Alarm:
    """Waits for instants of `now()`: never early, and with `spin` late by a few µs on a quiet machine.

    With `spin` the last part of the wait (0.3 ms on Linux) goes round the loop without sleeping. That
    costs CPU, so cells that measure CPU do without it. The loop's other tasks run meanwhile: a reader of
    the last event is not held up by the wait for the next one.

    One alarm, with its one descriptor or thread, serves a whole source; `with` closes it, also on
    cancellation. It is made inside a running loop and used there by one task.
    """

    def __init__(self, *, spin: bool, timer: type[Timer] = BEST_TIMER) -> None:
        self._loop = asyncio.get_running_loop()
        self._timer = timer(self._loop, self._ring)
        self._lead = timer.lead_ns if spin else 0
        self._rung: asyncio.Future[None] = self._loop.create_future()
        self._turns = Turns()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._timer.close()

    async def until(self, due: int) -> None:
        """Return at `due` (ns); at once when that has passed, but for a turn of the others now and then."""
        if now() >= due:
            await self._turns.give()
            return
        while (left := due - now()) > 0:
            await (self._sleep(due - self._lead) if left > self._lead else asyncio.sleep(0))
        self._turns.given()

    async def _sleep(self, at: int) -> None:
        self._rung = self._loop.create_future()
        self._timer.arm(min(at, FAR_NS))
        await self._rung

    def _ring(self) -> None:
        if not self._rung.done():
            self._rung.set_result(None)
