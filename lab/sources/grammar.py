"""The grammar of sources: kind, kind:key=value,… or kind:PATH,key=value,…"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from lab.errors import UserError, shown
from lab.sources import files, schedules, traces
from lab.sources.source import Opener, Options, Source, silence

Known = TypeVar("Known")


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
_MOST = {"most": _number(math.inf, 100_000), "bytes": _number(math.inf, 10**9)}
_SHAPE = {"rate": _number(20, 100_000), "size": _whole(100, 2, 1 << 20), "seed": _whole(0, 0, 2**53)}
_BURSTS = _SHAPE | _LIMITS | {"rate": _number(2, 100_000), "count": _whole(10, 1, 10_000)}

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "steady": Kind(schedules.generated(schedules.steady, "rate"), _SHAPE | _LIMITS),
        "metronome": Kind(schedules.generated(schedules.metronome, "rate"), _SHAPE | _LIMITS),
        "poisson": Kind(schedules.generated(schedules.poisson, "rate"), _SHAPE | _LIMITS),
        "bursts": Kind(schedules.generated(schedules.bursts, "rate", "count"), _BURSTS),  # count: of one burst
        "replay": Kind(
            traces.replay, {"factor": _number(1, 1000)} | _LIMITS, lambda name: traces.read_trace(Path(name))
        ),
        "lines": Kind(files.lines, {"from": _word("end", "end", "start")} | _MOST | _COUNT, files.followed),
        "http": Kind(silence, {}),  # the events come by POST /events
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
        raise UserError(f"source {shown(text)}: {error}") from error
    except OSError as error:
        raise UserError(f"source {shown(text)}: {error.filename} can't be read: {error.strerror}") from error


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
            raise UserError(f"{shown(item)} is wrong: each key is given once, as {key}=VALUE")
        given[key] = _value(option, key, value)
    return {key: option.default for key, option in options.items()} | given


def _value(option: Option, key: str, value: str) -> Any:
    try:
        return option.read(value)
    except ValueError as error:
        raise UserError(f"{key} must be {option.right}, not {shown(value)}") from error


def _known(name: str, known: Mapping[str, Known], what: str) -> Known:
    if name not in known:
        raise UserError(f"{shown(name)} is no {what}; known: {', '.join(known) or 'none'}")
    return known[name]
