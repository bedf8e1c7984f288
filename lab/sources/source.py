"""What a source is, and how its events come into a log."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, Protocol

from lab.log import Json

Source = AsyncGenerator[tuple[int, Json], None]
"""(due in CLOCK_MONOTONIC ns, data), each when it is due. Whoever stops early closes it (`aclosing`)."""

Options = Mapping[str, Any]


class Opener(Protocol):
    """What starts the source of one kind."""

    def __call__(self, options: Options, /, *, spin: bool) -> Source: ...


class Appender(Protocol):
    async def append(self, data: Json, due: int | None = None) -> object: ...


async def pump(source: Source, log: Appender) -> None:
    """Append each event when it comes, until the source ends; closes the source, also on cancellation."""
    async with aclosing(source):
        async for due, data in source:
            await log.append(data, due)


async def silence(_: Options, **__: Any) -> Source:
    """No event ever, and the end at once."""
    nothing: tuple[tuple[int, Json], ...] = ()
    for event in nothing:
        yield event
