"""What a class must not forget: a line of JSON for each thing that happened, on the disk before anybody is told so."""

import asyncio
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lab.errors import UserError

Record = Mapping[str, Any]


class _Pending(NamedTuple):
    line: bytes
    then: Callable[[], None]
    done: asyncio.Future[None]


class Journal:
    """Append-only. Whoever adds something waits until it is synced; what comes meanwhile shares the next sync.

    A line that was cut off by a crash was acknowledged to nobody: it is taken away when the file is opened again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        whole = len(_whole(path.read_bytes())) if path.exists() else 0
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.ftruncate(self._file, whole)
        self._pending: list[_Pending] = []
        self._writing: asyncio.Task[None] | None = None
        _sync_folder(path.parent)

    async def add(self, record: Record, then: Callable[[], None]) -> None:
        """Keep a record; `then` is called when it is on the disk, in the order in which records were added.

        Raises:
            UserError: it can't be written; nothing has happened.
        """
        line = json.dumps(record, ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        done = asyncio.get_running_loop().create_future()
        self._pending.append(_Pending(line, then, done))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        await done

    async def close(self) -> None:
        """Write what waits, and close the file."""
        if self._writing:
            await self._writing
        os.close(self._file)

    async def _write(self) -> None:
        while self._pending:
            batch, self._pending = self._pending, []
            try:
                await asyncio.to_thread(self._sync, b"".join(one.line for one in batch))
            except OSError as error:
                _refuse(batch, UserError(f"the class's journal can't be written: {error.strerror}"))
            else:
                _tell(batch)

    def _sync(self, data: bytes) -> None:
        """All of it or nothing."""
        size = os.fstat(self._file).st_size
        try:
            while data:
                data = data[os.write(self._file, data) :]
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, size)
            raise


def _tell(batch: list[_Pending]) -> None:
    for one in batch:
        one.then()
        if not one.done.done():  # whoever waited has gone; it happened all the same
            one.done.set_result(None)


def _refuse(batch: list[_Pending], error: UserError) -> None:
    for one in batch:
        if not one.done.done():
            one.done.set_exception(error)


def read_journal(path: Path) -> Iterator[dict[str, Any]]:
    """Its records, in order.

    Raises:
        UserError: there is none, or a line of it is damaged.
    """
    try:
        text = _whole(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path.parent} holds no class: {path.name} can't be read ({error.strerror})") from error
    for number, line in enumerate(text.splitlines(), 1):
        try:
            yield dict(json.loads(line))
        except (ValueError, TypeError) as error:
            raise UserError(f"{path} is damaged: line {number} is no record") from error


def _whole(data: bytes) -> bytes:
    return data[: data.rfind(b"\n") + 1]


def _sync_folder(folder: Path) -> None:
    """A file that was made is there after a crash, too."""
    if os.name == "nt":  # folders can't be opened there
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
