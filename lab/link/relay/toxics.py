"""What a relay does to a connection: the toxics, what each may be, and how it is written."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from lab.errors import UserError, shown

Way = Literal["up", "down"]
"""Towards the server, or towards the reader."""

Setting = str | float | int | bool

LONGEST = 600.0
"""Seconds that a relay may hold anything."""


@dataclass(frozen=True)
class Toxics:
    """Everything that a relay does; by default, nothing. Times in seconds, sizes in bytes.

    Attributes:
        up, down: how long everything is held that way. jitter: by how much more or less, at random, keeping the order.
        rate: bits per second, each way, shared by all connections. rate_up: towards the server, where it differs.
        piece: bytes of each write towards the reader.
        freeze: which way nothing passes, and nothing ends.
        cut_at: the byte of a response after which its connection is cut. idle: the silence after which it is.
        by: how these two cut.
        buffer: bytes of a response's body to wait for; -1 = all of them. chunk: bytes of a chunk at most.
        gzip: compress bodies and flush after each piece, or hold them back. answer: a status, for every request.
        websocket: what becomes of requests for one.
    """

    up: float = 0.0
    down: float = 0.0
    jitter: float = 0.0
    rate: float = 0.0
    rate_up: float = 0.0
    piece: int = 0
    freeze: str = ""
    cut_at: int = 0
    idle: float = 0.0
    by: str = "fin"
    buffer: int = 0
    gzip: str = ""
    chunk: int = 0
    websocket: str = ""
    answer: int = 0

    @property
    def http(self) -> bool:
        """Whether it takes an understanding of HTTP."""
        return bool(self.buffer or self.gzip or self.chunk or self.websocket or self.answer)

    def held(self, way: Way) -> float:
        return self.up if way == "up" else self.down

    def bounded(self, way: Way) -> float:
        """Bits per second; 0 = as many as there are."""
        return (way == "up" and self.rate_up) or self.rate

    def frozen(self, way: Way) -> bool:
        return self.freeze in ("both", way)

    def leaves_alone(self, way: Way) -> bool:
        """Whether what goes that way may be passed on as it comes."""
        sliced = way == "down" and (self.piece or self.cut_at)
        return not (self.held(way) or self.bounded(way) or sliced or self.frozen(way))


@dataclass(frozen=True)
class Key:
    """A setting: how it is read, how it is written, what is right, and how it is told."""

    read: Callable[[Setting], Any]  # raises ValueError
    write: Callable[[Any], str]
    right: str
    tells: str


_TIME = re.compile(r"([\d.]+)(us|ms|s|min)")
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0}
_RATE = re.compile(r"([\d.]+)(bit|kbit|mbit|gbit)")
_BITS = {"bit": 1.0, "kbit": 1e3, "mbit": 1e6, "gbit": 1e9}


def _within(value: float, least: float, most: float) -> float:
    if not (value == 0 or least <= value <= most):  # NaN isn't either
        raise ValueError(value)
    return value


def _time_of(least: float, most: float) -> Callable[[Setting], float]:
    return lambda value: _within(_quantity(_TIME, _SECONDS, _unless_off(value)), least, most)


def _rate_of(least: float, most: float) -> Callable[[Setting], float]:
    def read(value: Setting) -> float:
        if value == "off" or value is False:
            return 0.0
        rate = _quantity(_RATE, _BITS, value)
        return _within(rate or math.nan, least, most)  # at a rate of 0 nothing passes: that is freeze

    return read


def _quantity(pattern: re.Pattern[str], units: Mapping[str, float], value: Setting) -> float:
    if not isinstance(value, str) or value == "0":
        return float(value)
    found = pattern.fullmatch(value)
    if not found:
        raise ValueError(value)
    return round(float(found[1]) * units[found[2]], 9)


def _unless_off(value: Setting) -> Setting:
    """Off, in every way to say it, is 0; yes alone is no quantity."""
    if value is True:
        raise ValueError(value)
    return 0 if value in ("off", False, "") else value


def _whole(least: int, most: int, **words: int) -> Callable[[Setting], int]:
    def read(value: Setting) -> int:
        if value in words:
            return words[str(value)]
        number = float(_unless_off(value))
        if not number.is_integer():
            raise ValueError(value)
        return int(_within(number, least, most))

    return read


def _one_of(*words: str, yes: str = "") -> Callable[[Setting], str]:
    def read(value: Setting) -> str:
        if yes and value in (True, "yes"):
            return yes
        return "" if value in ("off", False, "") else words[words.index(str(value))]

    return read


def _time_text(seconds: float) -> str:
    return f"{seconds:.9g}s" if seconds >= 1 else f"{round(seconds * 1000, 6):.9g}ms"


def _rate_text(rate: float) -> str:
    unit = next(unit for unit in ("gbit", "mbit", "kbit", "bit") if rate >= _BITS[unit] or unit == "bit")
    return f"{rate / _BITS[unit]:.9g}{unit}"


def _time(right: str, tells: str, least: float = 1e-6, most: float = LONGEST) -> Key:
    return Key(_time_of(least, most), _time_text, right, tells)


def _rate(tells: str) -> Key:
    return Key(_rate_of(1e3, 1e11), _rate_text, "a rate such as 1mbit, from 1kbit to 100gbit, or off", tells)


_HELD = f"a time such as 50ms or 1.5s, at most {LONGEST:g}s"
_BYTES = "a whole number of bytes from 1 to 1000000000"
_CUT = ("fin", "rst")
_WEBSOCKET = ("strip", "403", "close", "blackhole")

KEYS: Mapping[str, Key] = {
    "delay": _time(_HELD, "{} each way"),
    "up": _time(_HELD, "{} towards the server"),
    "down": _time(_HELD, "{} towards the reader"),
    "jitter": _time(_HELD, "± {}, in order"),
    "rate": _rate("{}/s"),
    "rate_up": _rate("{}/s towards the server"),
    "piece": Key(_whole(1, 10**9), str, _BYTES, "pieces of {} B, 1 ms apart"),
    "freeze": Key(_one_of("both", "up", "down", yes="both"), str, "both, up, down or off", "frozen: {}"),
    "cut_at": Key(_whole(1, 10**9), str, _BYTES, "cut at byte {} of a response"),
    "idle": _time("a time such as 60s, from 10ms to 86400s", "cut after {} without a byte", 0.01, 86400),
    "by": Key(lambda value: _CUT[_CUT.index(str(value))], str, "fin or rst", "cut by {}"),
    "buffer": Key(
        _whole(1, 10**9, end=-1), lambda size: "end" if size < 0 else str(size), f"{_BYTES}, or end", "buffered: {}"
    ),
    "gzip": Key(_one_of("flush", "hold"), str, "flush, hold or off", "gzip: {}"),
    "chunk": Key(_whole(1, 10**9), str, _BYTES, "chunks of at most {} B"),
    "websocket": Key(_one_of(*_WEBSOCKET), str, "strip, 403, close, blackhole or off", "WebSocket: {}"),
    "answer": Key(_whole(400, 599), str, "a status from 400 to 599", "every request is answered with {}"),
}


def changed(toxics: Toxics, settings: Mapping[str, Setting]) -> Toxics:
    """The toxics with some of them set anew: by text with units, or by numbers in seconds, bytes and bit/s.

    Raises:
        UserError: a setting is unknown or impossible, or does not go with another.
    """
    values = {key: _read(key, value) for key, value in settings.items()}
    if "delay" in values:
        both = values.pop("delay")
        values = {"up": both, "down": both} | values
    new = replace(toxics, **values)
    _check(new)
    return new


def _read(key: str, value: Setting) -> Any:
    if key not in KEYS:
        raise UserError(f"a relay has no {shown(key)}; it has {', '.join(KEYS)}")
    try:
        return KEYS[key].read(value)
    except (ValueError, TypeError) as error:
        raise UserError(f"a relay's {key} must be {KEYS[key].right}, not {shown(str(value))}") from error


def _check(new: Toxics) -> None:
    delays = [delay for delay in (new.up, new.down) if delay]
    if new.jitter > min(delays, default=0.0):
        least = _time_text(min(delays)) if delays else "no delay"
        raise UserError(f"a relay's jitter of {_time_text(new.jitter)} is more than what it is taken from: {least}")
    if new.answer and (new.buffer or new.gzip or new.chunk or new.websocket):
        raise UserError(f"a relay that answers every request with {new.answer} has nothing else to do with HTTP")


def as_settings(toxics: Toxics) -> dict[str, str]:
    """What is not as by default, in the one way to write it."""
    values: dict[str, Any] = asdict(toxics)
    if toxics.up == toxics.down:
        values |= {"delay": toxics.up, "up": 0.0, "down": 0.0}
    usual = {field.name: field.default for field in fields(Toxics)} | {"delay": 0.0}
    return {key: KEYS[key].write(values[key]) for key in KEYS if key in values and values[key] != usual[key]}
