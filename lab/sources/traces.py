"""Traces: events in a file, one {"due": ns since the first event, "data": …} per line."""

import json
from contextlib import aclosing
from pathlib import Path
from typing import TextIO

from lab.errors import UserError, shown
from lab.log import LARGEST, Json
from lab.sources.files import opened
from lab.sources.schedules import limited, play
from lab.sources.source import Options, Source


def read_trace(path: Path) -> list[tuple[int, Json]]:
    """The events of a trace, all of them checked.

    Raises:
        UserError: it is empty, or a line of it is malformed (its number and text).
        OSError: it can't be read.
    """
    events: list[tuple[int, Json]] = []
    with opened(path) as file:
        for number, line in enumerate(iter(lambda: file.readline(LARGEST), b""), 1):
            try:
                events.append(_trace_event(line, events[-1][0] if events else 0))
            except (ValueError, RecursionError) as error:
                raise UserError(f"trace {path}, line {number}: {error}: {shown(line)}") from error
    if not events:
        raise UserError(f'trace {path} is empty: it needs a line of {{"due": ns, "data": …}} per event')
    return events


def _trace_event(line: bytes, earliest: int) -> tuple[int, Json]:
    if len(line) > LARGEST // 2:
        raise ValueError(f"a line may have {LARGEST // 2} bytes")
    event = json.loads(line.decode(), parse_constant=_refuse_constant)
    if not (isinstance(event, dict) and {"due", "data"} <= event.keys()):
        raise ValueError('it must be an object with "due" and "data"')
    due = event["due"]
    if type(due) is not int or not earliest <= due < 10**18:
        raise ValueError(f'"due" must be whole ns, at least those of the line before ({earliest})')
    return due, event["data"]


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


async def record(source: Source, path: Path) -> int:
    """Write a source to a new trace, line by line as the events come; returns how many came.

    Raises:
        UserError: the file exists already or can't be made.
    """
    recorded = start = 0
    async with aclosing(source):
        with _created(path) as file:
            async for due, data in source:
                start = start or due
                file.write(json.dumps({"due": due - start, "data": data}, separators=(",", ":")) + "\n")
                recorded += 1
    return recorded


def _created(path: Path) -> TextIO:
    try:
        return path.open("x", encoding="utf-8", buffering=1)
    except FileExistsError as error:
        raise UserError(f"{path} exists already: delete it or choose another name") from error
    except OSError as error:
        raise UserError(f"{path} can't be written: {error.strerror}") from error


def replay(options: Options, *, spin: bool) -> Source:
    schedule = ((round(due / options["factor"]), data) for due, data in options["of"])
    return play(limited(schedule, options["seconds"], options["count"]), spin=spin)
