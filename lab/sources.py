"""Where events come from: schedules, traces, and the lines of a pipe or a growing file.

A source is open loop on an absolute schedule: it waits for instants, never for readers. Events that fell
due while the process was stalled come out at once afterwards, each with the instant it was due at.
"""

import asyncio
import functools
import itertools
import json
import logging
import math
import os
import stat
import sys
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from dataclasses import dataclass
from io import SEEK_END, FileIO
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Any, BinaryIO, Protocol, TextIO, TypeVar

from lab.clock import Alarm, Turns, now
from lab.errors import UserError
from lab.log import LARGEST, Json

Source = AsyncGenerator[tuple[int, Json], None]
"""(due in CLOCK_MONOTONIC ns, data), each when it is due. Whoever stops early closes it (`aclosing`)."""

Schedule = Iterator[tuple[int, Json]]
"""(ns since the start, data): what is going to happen, in order."""

Options = Mapping[str, Any]


class Opener(Protocol):
    """What starts the source of one kind."""

    def __call__(self, options: Options, /, *, spin: bool) -> Source: ...


HEAD_START_NS = 2_000_000
"""From a source's start to its instant 0, so that an event at that very instant can be on time, too."""

LONGEST_LINE = 512 << 10
"""Bytes of a line that become one event. As JSON they may be six times as many: the log takes that."""

CHUNK = 64 << 10
"""Bytes read at once."""

POLL_S = 0.02
"""How often a followed file is looked at."""

SHOWN = 80
"""Characters of a wrong value that a message repeats."""

Known = TypeVar("Known")


class Appender(Protocol):
    async def append(self, data: Json, due: int | None = None) -> object: ...


async def pump(source: Source, log: Appender) -> None:
    """Append each event when it comes, until the source ends; closes the source, also on cancellation."""
    async with aclosing(source):
        async for due, data in source:
            await log.append(data, due)


# Schedules


def steady(rng: Random, rate: float) -> Iterator[int]:
    """One event per period, at a random instant in it: no phase locks with anything periodic."""
    period = 1e9 / rate
    return (round((n + rng.random()) * period) for n in itertools.count())


def metronome(_: Random, rate: float) -> Iterator[int]:
    """Strictly periodic: shows the aliasing that `steady` avoids."""
    return (round(n * 1e9 / rate) for n in itertools.count())


def poisson(rng: Random, rate: float) -> Iterator[int]:
    """Independent events: gaps drawn from the exponential distribution."""
    gaps = (rng.expovariate(rate) * 1e9 for _ in itertools.count())
    return map(round, itertools.accumulate(gaps))


def bursts(rng: Random, rate: float, count: int) -> Iterator[int]:
    """`count` events due at the same instant: a random one in each period, as in `steady`."""
    return (at for at in steady(rng, rate) for _ in range(count))


def texts(size: int, seed: int) -> Iterator[str]:
    """Strings whose JSON is exactly `size` bytes of ASCII: a number (so that all differ), then words."""
    prose = _prose()
    rng = Random(f"texts {seed}")
    length = size - len('""')
    for n in itertools.count(1):
        number = f"{n} "[:length]
        at = rng.randrange(len(prose) - length)
        yield number + prose[at : at + length - len(number)]


@functools.cache
def _prose() -> str:
    """2 MiB of made-up words that compress about as well as English does.

    Events are cut out of it because making words anew for each would cost time right after the event
    before. It is so long that hardly any two cuts within deflate's window of 32 KiB overlap.
    """
    rng = Random("prose")
    syllables = ["".join(pair) for pair in itertools.product("bcdfglmnprstvw", "aeiou")]
    words = ["".join(rng.choices(syllables, k=rng.choice((1, 2, 2, 3, 4)))) for _ in range(3000)]
    zipf = [word for rank, word in enumerate(words, 1) for _ in range(1 + 1000 // rank)]
    return " ".join(rng.choices(zipf, k=400_000))[: 2 << 20]


async def play(schedule: Schedule, *, spin: bool) -> Source:
    """A schedule in real time. The next event is made before its instant is waited for."""
    with Alarm(spin=spin) as alarm:
        first = list(itertools.islice(schedule, 1))
        start = now() + HEAD_START_NS
        for offset, data in itertools.chain(first, schedule):
            await alarm.until(start + offset)
            yield start + offset, data


def _limited(schedule: Schedule, seconds: float, count: int | None) -> Schedule:
    in_time = itertools.takewhile(lambda event: event[0] < seconds * 1e9, schedule)
    return itertools.islice(in_time, count)


def _generated(instants: Callable[..., Iterator[int]], *shape: str) -> Opener:
    """A source from a function of a random generator and the options that `shape` names."""

    def source(options: Options, *, spin: bool) -> Source:
        offsets = instants(Random(options["seed"]), *(options[key] for key in shape))
        events = zip(offsets, texts(options["size"], options["seed"]), strict=False)
        count = None if "count" in shape else options["count"]
        return play(_limited(events, options["seconds"], count), spin=spin)

    return source


# Traces: one {"due": ns since the first event, "data": …} per line


def read_trace(path: Path) -> list[tuple[int, Json]]:
    """The events of a trace, all of them checked.

    Raises:
        UserError: it is empty, or a line of it is malformed (its number and text).
        OSError: it can't be read.
    """
    events: list[tuple[int, Json]] = []
    with _opened(path) as file:
        for number, line in enumerate(iter(lambda: file.readline(LARGEST), b""), 1):
            try:
                events.append(_trace_event(line, events[-1][0] if events else 0))
            except (ValueError, RecursionError) as error:
                raise UserError(f"trace {path}, line {number}: {error}: {_shown(line)}") from error
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


def _replay(options: Options, *, spin: bool) -> Source:
    schedule = ((round(due / options["factor"]), data) for due, data in options["of"])
    return play(_limited(schedule, options["seconds"], options["count"]), spin=spin)


# Lines of standard input or of a growing file


class LineSplitter:
    """Cuts bytes that come in any pieces into lines of text, of at most `LONGEST_LINE` bytes each."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[str]:
        """The lines that `chunk` completes; b"" completes what was left without a newline.

        CR before LF belongs to the end of the line; invalid UTF-8 becomes U+FFFD; a line that is too
        long comes in several pieces, cut between characters: nothing is lost, and nothing is held for long.
        """
        if not chunk:
            left, self._rest = self._rest, b""
            return [_text(left)] if left else []
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        lines = [_text(piece) for line in whole for piece in _pieces(line.removesuffix(b"\r"))]
        *long, self._rest = _pieces(self._rest)
        return lines + [_text(piece) for piece in long]


def _pieces(line: bytes) -> Iterator[bytes]:
    while len(line) > LONGEST_LINE:
        end = LONGEST_LINE
        while end > LONGEST_LINE - 3 and line[end] & 0xC0 == 0x80:  # in the middle of a character
            end -= 1
        yield line[:end]
        line = line[end:]
    yield line


def _text(line: bytes) -> str:
    return line.decode(errors="replace")


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


async def _piped(fd: int) -> AsyncGenerator[bytes, None]:
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


async def split(chunks: AsyncGenerator[bytes, None]) -> Source:
    """The lines in what is read. Each is due when it was read; reading and readers take turns."""
    lines, turns = LineSplitter(), Turns()
    async with aclosing(chunks):
        async for chunk in chunks:
            due = now()
            for line in lines.feed(chunk):
                yield due, line
                await turns.give()
            await turns.give()


async def _first(events: Source, count: int) -> Source:
    async with aclosing(events):
        async for event in events:
            yield event
            count -= 1
            if count == 0:
                return


def _lines(options: Options, **_: Any) -> Source:
    file: Followed | None = options["of"]
    events = split(_piped(0) if file is None else file.appended(whole=options["from"] == "start"))
    return _first(events, options["count"]) if options["count"] else events


def _followed(name: str) -> Followed | None:
    """The file to follow; None for standard input."""
    if name == "-":
        if sys.stdin is None:
            raise UserError("standard input is closed")
        return None
    try:
        _opened(Path(name)).close()
    except FileNotFoundError:
        logging.getLogger(__name__).warning("%s does not exist yet: waiting for it", name)
        return Followed(Path(name), existed=False)
    return Followed(Path(name), existed=True)


async def _http(_: Options, **__: Any) -> Source:
    """Nothing: the events come by POST /events."""
    nothing: tuple[tuple[int, Json], ...] = ()
    for event in nothing:
        yield event


# Files


def _opened(path: Path) -> BinaryIO:
    """An ordinary file to read.

    Raises:
        UserError: it isn't an ordinary one.
        OSError: it isn't there or can't be read.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise UserError(f"{path} is not an ordinary file; a pipe or device is read with lines:-")
    return path.open("rb")


# The grammar: kind, kind:key=value,… or kind:PATH,key=value,…


@dataclass(frozen=True)
class Option:
    """A key: what its text means, what is right in words, and its value when it isn't given."""

    read: Callable[[str], Any]  # raises ValueError
    right: str
    default: Any


@dataclass(frozen=True)
class Kind:
    open: Opener
    options: Mapping[str, Option]
    of: Callable[[str], Any] | None = None  # what PATH is turned into; None: this kind takes none


@dataclass(frozen=True)
class SourceSpec:
    """A source that can be started: its text, and what the text means with all defaults filled in."""

    text: str
    kind: str
    options: Options  # "of": the file to follow or the events to replay, where the kind has one

    def events(self, *, spin: bool = True) -> Source:
        """A source of these events, which starts when it is first asked for one. `spin`: see `Alarm`."""
        return KINDS[self.kind].open(self.options, spin=spin)


def _number(default: float, most: float) -> Option:
    return Option(_between(float, 0.001, most), f"a number from 0.001 to {most:.15g}", default)


def _whole(default: int | None, least: int, most: int) -> Option:
    return Option(_between(int, least, most), f"a whole number from {least} to {most}", default)


def _between(number: Callable[[str], float], least: float, most: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        value = number(text)
        if not least <= value <= most:  # NaN isn't either
            raise ValueError(text)
        return value

    return read


def _word(default: str, *words: str) -> Option:
    return Option(lambda text: words[words.index(text)], " or ".join(words), default)


_COUNT = {"count": _whole(None, 1, 10**9)}
_LIMITS = _COUNT | {"seconds": _number(math.inf, 10**9)}
_SHAPE = {"rate": _number(20, 100_000), "size": _whole(100, 2, 1 << 20), "seed": _whole(0, 0, 2**53)}
_BURSTS = _SHAPE | _LIMITS | {"rate": _number(2, 100_000), "count": _whole(10, 1, 10_000)}

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "steady": Kind(_generated(steady, "rate"), _SHAPE | _LIMITS),
        "metronome": Kind(_generated(metronome, "rate"), _SHAPE | _LIMITS),
        "poisson": Kind(_generated(poisson, "rate"), _SHAPE | _LIMITS),
        "bursts": Kind(_generated(bursts, "rate", "count"), _BURSTS),  # count: of one burst
        "replay": Kind(_replay, {"factor": _number(1, 1000)} | _LIMITS, lambda name: read_trace(Path(name))),
        "lines": Kind(_lines, {"from": _word("end", "end", "start")} | _COUNT, _followed),
        "http": Kind(_http, {}),
    }
)


def parse(text: str) -> SourceSpec:
    """The source that a text describes; a trace is read and checked, a file to follow is looked for.

    Raises:
        UserError: the text, or the file it names, is wrong; says what would be right.
    """
    name, _, rest = text.partition(":")
    try:
        kind = _known(name, KINDS, "kind of source")
        items = rest.split(",") if rest else []
        path = _path(name, items) if kind.of else ""
        options = _options(name, items)
        return SourceSpec(text, name, options | ({"of": kind.of(path)} if kind.of else {}))
    except UserError as error:
        raise UserError(f"source {_shown(text)}: {error}") from error
    except OSError as error:
        raise UserError(f"source {_shown(text)}: {error.filename} can't be read: {error.strerror}") from error


def _path(kind: str, items: list[str]) -> str:
    """Take PATH, the first item, off `items`."""
    keys = tuple(f"{key}=" for key in KINDS[kind].options)
    if not items or not items[0] or items[0].startswith(keys) or "\0" in items[0]:
        raise UserError(f"{kind} needs a file: {kind}:FILE")
    return items.pop(0)


def _options(kind: str, items: Sequence[str]) -> dict[str, Any]:
    options = KINDS[kind].options
    given: dict[str, Any] = {}
    for item in items:
        key, equals, value = item.partition("=")
        option = _known(key, options, f"key of {kind}")
        if not equals or key in given:
            raise UserError(f"{_shown(item)} is wrong: each key is given once, as {key}=VALUE")
        given[key] = _value(option, key, value)
    return {key: option.default for key, option in options.items()} | given


def _value(option: Option, key: str, value: str) -> Any:
    try:
        return option.read(value)
    except ValueError as error:
        raise UserError(f"{key} must be {option.right}, not {_shown(value)}") from error


def _known(name: str, known: Mapping[str, Known], what: str) -> Known:
    if name not in known:
        raise UserError(f"{_shown(name)} is no {what}; known: {', '.join(known) or 'none'}")
    return known[name]


def _shown(text: str | bytes) -> str:
    """What was given, for a sentence: quoted, and not endless."""
    text = text.decode(errors="replace") if isinstance(text, bytes) else text
    text = text.rstrip("\r\n")
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "…")
