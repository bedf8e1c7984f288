"""What follows a transport, for a trial: whatever it is, a page or a program."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from lab.log import Cursor
from lab.transport import Options, Subject


class Broken(Exception):
    """A client that has a fault of its own; says which."""


@dataclass(frozen=True)
class Seen:
    """What a reader saw, on the server's clock: CLOCK_MONOTONIC in ns."""

    navigated: int  # when it set out
    opened: list[int]
    events: list[tuple[int, int, int]]  # epoch, id, received
    gaps: list[dict[str, Any]]
    lost: list[tuple[int, str]]
    alive: int
    bound_ms: float  # how far all of these times may be off together
    data: list[Any]  # of the events, where it was to be kept


@dataclass(frozen=True)
class Clock:
    """How an engine's clock is set against the server's, how far it may be off (strictly), and its step."""

    method: str
    bound_ms: float
    step_ms: float


class Reader(Protocol):
    """Follows one transport; opened anew for each trial."""

    async def opened(self, seconds: float) -> bool: ...
    async def reached(self, epoch: int, id_: int, seconds: float) -> bool: ...
    async def seen(self) -> Seen: ...
    async def hang_up(self) -> None: ...


class Engine(Protocol):
    """Something that reads: a browser that was launched, or `native`."""

    name: str
    version: str
    flags: Sequence[str]
    clock: Clock

    def works(self) -> bool:
        """Whether it is still there."""

    async def try_clock(self, origin: str) -> None:
        """Set the clock against the server at `origin`, to know how well that goes here."""

    def reading(  # noqa: PLR0913  (what differs between readers, named)
        self,
        subject: Subject,
        origin: str,
        settings: Options,
        cursor: Cursor,
        *,
        keep_data: bool = False,
        clock: str = "",
    ) -> AbstractAsyncContextManager[Reader]:
        """A fresh reader that follows `subject` at `origin`, gone at the end.

        A page comes from `origin`, and reaches the transport at settings["origin"] where that is given.
        Its clock is set against the server at `clock`: with nothing in between.
        """
