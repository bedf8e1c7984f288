"""Files as they grow, and pipes: what comes out of them becomes events, line by line."""

import asyncio
import logging
import math
import os
import stat
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing, closing
from dataclasses import dataclass
from io import SEEK_END, FileIO
from pathlib import Path
from typing import Any, BinaryIO

from lab.errors import UserError
from lab.sources.lines import LONGEST_LINE, split
from lab.sources.pace import paced
from lab.sources.source import Options, Source

CHUNK = 64 << 10
"""Bytes read at once."""

POLL_S = 0.02
"""How often a followed file is looked at."""


def opened(path: Path) -> BinaryIO:
    """An ordinary file to read.

    Raises:
        UserError: it isn't an ordinary one.
        OSError: it isn't there or can't be read.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise UserError(f"{path} is not an ordinary file; a pipe or device is read with lines:-")
    return path.open("rb")


class Tail:
    """What is appended to the file that bears a name, as `tail -F` sees it.

    The file may not exist yet, and may be truncated, renamed, removed and made anew. A renamed one is read
    on until the new one has content, for a program goes on writing to the old one until it opens the new.
    One thing can't be seen: truncated and already longer than before within a poll.
    """

    def __init__(self, path: Path, *, skip: bool) -> None:
        """Open the file if it is there; with `skip`, go to its last line, if unfinished, or its end."""
        self._path = path
        self._file = self._open()
        if self._file and skip:
            self._file.seek(_last_newline(self._file) + 1)

    def read(self) -> bytes | None:
        """At most `CHUNK` bytes; None when there are none yet; b"" where a text ends and another begins."""
        self._file = self._file or self._open()
        if self._file is None:
            return None
        replaced = self._replaced(self._file)  # first: what the old file got until then is still to be read
        if chunk := self._file.read(CHUNK):
            return chunk
        if replaced:
            self.close()
            return b""
        if os.fstat(self._file.fileno()).st_size < self._file.tell():
            self._file.seek(0)
            return b""
        return None

    def close(self) -> None:
        if self._file:
            self._file.close()
            self._file = None

    def _open(self) -> FileIO | None:
        try:
            return self._path.open("rb", buffering=0) if self._path.is_file() else None
        except OSError:  # not there (any more), or not for us (yet): tried again, as `tail -F` does
            return None

    def _replaced(self, file: FileIO) -> bool:
        try:
            named = self._path.stat()
        except OSError:
            return False
        filled = stat.S_ISREG(named.st_mode) and named.st_size > 0
        return filled and not os.path.samestat(named, os.fstat(file.fileno()))


def _last_newline(file: FileIO) -> int:
    """Where the last finished line ends, -1 if there is none; a very long last line isn't searched."""
    start = max(0, file.seek(0, SEEK_END) - LONGEST_LINE)
    file.seek(start)
    return start + file.read(LONGEST_LINE).rfind(b"\n")


@dataclass(frozen=True)
class Followed:
    """A file to follow, and whether it was there when it was named: all of one that wasn't is new."""

    path: Path
    existed: bool

    async def appended(self, *, whole: bool) -> AsyncGenerator[bytes, None]:
        with closing(Tail(self.path, skip=self.existed and not whole)) as tail:
            while True:
                chunk = tail.read()
                if chunk is None:
                    await asyncio.sleep(POLL_S)
                else:
                    yield chunk


async def piped(fd: int) -> AsyncGenerator[bytes, None]:
    """What comes out of a descriptor until its end, which is b""."""
    while True:
        await _readable(fd)
        chunk = os.read(fd, CHUNK)
        yield chunk
        if not chunk:
            return


async def _readable(fd: int) -> None:
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    try:
        loop.add_reader(fd, ready.set)
    except PermissionError:  # an ordinary file or /dev/null: can't be waited for, and needn't be
        return
    try:
        await ready.wait()
    finally:
        loop.remove_reader(fd)


async def _first(events: Source, count: int) -> Source:
    async with aclosing(events):
        async for event in events:
            yield event
            count -= 1
            if count == 0:
                return


def lines(options: Options, **_: Any) -> Source:
    file: Followed | None = options["of"]
    events = split(piped(0) if file is None else file.appended(whole=options["from"] == "start"))
    if min(options["most"], options["bytes"]) < math.inf:
        events = paced(events, options["most"], options["bytes"])
    return _first(events, options["count"]) if options["count"] else events


def followed(name: str) -> Followed | None:
    """The file to follow; None for standard input."""
    if name == "-":
        if sys.stdin is None:
            raise UserError("standard input is closed")
        return None
    try:
        opened(Path(name)).close()
    except FileNotFoundError:
        logging.getLogger(__name__).warning("%s does not exist yet: waiting for it", name)
        return Followed(Path(name), existed=False)
    return Followed(Path(name), existed=True)
