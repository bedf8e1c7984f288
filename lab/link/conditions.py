"""What a network does to packets: what was asked for, in words and in numbers."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from lab.errors import UserError
from lab.link import emulator
from lab.link.profiles import PROFILES
from lab.link.quantity import COUNT, LENGTH, RATE, SHARE, TIME, Quantity

PACKET = 1500
"""Bytes of a full packet, Ethernet's."""

SHORTEST_QUEUE = 50

KINDS: Mapping[str, Quantity] = {
    "rtt": TIME,
    "jitter": TIME,
    "loss": SHARE,
    "burst": LENGTH,
    "density": SHARE,
    "down": RATE,
    "up": RATE,
    "queue": COUNT,
    "seed": COUNT,
}
SETTINGS = ("rtt", "delay", "jitter", "loss", "burst", "density", "rate", "down", "up", "queue", "cc", "seed")
DIRECTIONS = ("down", "up")


@dataclass(frozen=True)
class Conditions:
    """One network.

    Attributes:
        rtt: seconds of a round trip, half of it each way. jitter: each packet takes up to so many seconds more or less,
            all equally likely; but none overtakes another, so those behind a late one are late too.
        loss: the share of packets lost, each way. burst: the mean length in packets of the times in which they get lost
            (0: each by itself), of which density is the share that does: the model of Gilbert and Elliott.
        down, up: bit/s towards the reader and from it; 0 = no limit.
        queue: packets that may wait for the line; 0 = as many as a round trip holds, at least SHORTEST_QUEUE.
        cc: TCP's congestion control; "" = the system's default. seed: of loss and jitter.
        blackhole: the directions in which nothing passes.
    """

    rtt: float = 0.0
    jitter: float = 0.0
    loss: float = 0.0
    burst: float = 0.0
    density: float = 1.0
    down: float = 0.0
    up: float = 0.0
    queue: float = 0
    cc: str = ""
    seed: float = 1
    blackhole: frozenset[str] = frozenset()

    def changed(self, settings: Mapping[str, Any]) -> Self:
        """With these settings: texts as people write them, or numbers in s, bit/s, packets and shares of 1.

        Raises:
            UserError: one is unknown or impossible, or they don't go together.
        """
        values: dict[str, Any] = {}
        for name, value in settings.items():
            for key, read in _read(name, value).items():
                if key in values:
                    raise UserError(f"{name}={value} says again what was said before it")
                values[key] = read
        conditions = replace(self, **values)
        conditions.check()
        if values.get("burst") and not conditions.loss:
            raise UserError(f"burst={LENGTH.write(conditions.burst)} needs a loss, as in loss=3%")
        return conditions

    def check(self) -> None:
        """Raises:
        UserError: it can't be so; says what would be right.
        """
        if self.jitter > self.rtt / 2:
            one_way = TIME.write(self.rtt / 2)
            raise UserError(f"jitter={TIME.write(self.jitter)} is more than the {one_way} that a packet takes one way")
        if self.queue and not (self.down or self.up):
            raise UserError(f"queue={COUNT.write(self.queue)} needs a rate: without one nothing waits")
        if self.density < 1 and not self.burst:
            raise UserError(f"density={SHARE.write(self.density)} needs a burst: it is the share that is lost in one")
        if self.burst and self.loss:
            self._check_bursts()

    def _check_bursts(self) -> None:
        if self.loss >= self.density:
            raise UserError(
                f"loss={SHARE.write(self.loss)} in bursts must be less than {SHARE.write(self.density)}, their density"
            )
        least = round(self.loss / (self.density - self.loss), 9)  # else there would be no packet between two of them
        if self.burst < least:
            raise UserError(
                f"burst={LENGTH.write(self.burst)} is too short for a loss of {SHARE.write(self.loss)}:"
                f" it must be at least {math.ceil(least)}"
            )

    def way(self, direction: str) -> emulator.Conditions:
        """What befalls the packets of one direction."""
        rate: float = getattr(self, direction)
        return {
            "delay": self.rtt / 2,
            "jitter": self.jitter,
            "rate": rate,
            "queue": int(self.queue) or max(SHORTEST_QUEUE, math.ceil(rate * self.rtt / 8 / PACKET)),
            "loss": self.loss,
            "burst": self.burst,
            "density": self.density,
            "blackhole": direction in self.blackhole,
        }

    def ways(self) -> dict[str, emulator.Conditions]:
        return {direction: self.way(direction) for direction in DIRECTIONS}

    def words(self, base: "Conditions") -> list[str]:
        """Where it differs from `base`, as it is written, in one order."""
        differ = {one.name: getattr(self, one.name) for one in fields(self) if one.name in (*KINDS, "cc")}
        differ = {name: value for name, value in differ.items() if value != getattr(base, name)}
        if {"down", "up"} <= differ.keys() and self.down == self.up:
            differ = {"rate" if name == "down" else name: value for name, value in differ.items() if name != "up"}
        return [f"{name}={_written(name, value)}" for name, value in differ.items()]

    @property
    def title(self) -> str:
        """For people."""
        parts = [f"a round trip of {self.rtt * 1000:g} ms"]
        parts += [f"± {self.jitter * 1000:g} ms each way"] if self.jitter else []
        parts += [f"{self.loss * 100:g} % of packets lost{self._bursts}"] if self.loss else []
        parts += [f"{_rate(self.down)} down and {_rate(self.up)} up"] if self.down or self.up else []
        parts += [f"room for {self.queue:.0f} packets to wait"] if self.queue else []
        parts += [f"congestion control {self.cc}"] if self.cc else []
        return ", ".join(parts)

    @property
    def _bursts(self) -> str:
        if not self.burst:
            return ""
        return f" in bursts of {self.burst:g}, of which {self.density * 100:g} % is"


def _rate(bits: float) -> str:
    return f"{bits / 1e6:g} Mbit/s" if bits else "no limit"


def _written(name: str, value: Any) -> str:
    return RATE.write(value) if name == "rate" else KINDS[name].write(value) if name in KINDS else str(value)


def _read(name: str, value: Any) -> dict[str, Any]:
    """What a setting says, by attribute."""
    if name == "delay":
        return {"rtt": 2 * TIME.read(name, value)}
    if name == "rate":
        return dict.fromkeys(DIRECTIONS, RATE.read(name, value))
    if name == "cc":
        return {"cc": str(value)}
    if name == "blackhole":
        return {"blackhole": _directions(value)}
    if name not in KINDS:
        raise UserError(f"unknown setting {name!r} of a network: there are {', '.join(SETTINGS)}")
    return {name: KINDS[name].read(name, value)}


def _directions(value: Any) -> frozenset[str]:
    known = {True: DIRECTIONS, False: (), "down": ("down",), "up": ("up",)}
    if value not in known:
        raise UserError(f"blackhole can't be {value!r}: it is true, false, down or up")
    return frozenset(known[value])


def parse(rest: str) -> tuple[str, Conditions]:
    """Read "4g", "rtt=100,loss=1%" or "4g,loss=2%": the one way to write it, and what it means.

    Raises:
        UserError: something in it is unknown, impossible, or said twice.
    """
    parts = [part.strip() for part in rest.split(",")]
    name = parts.pop(0) if "=" not in parts[0] else ""
    if name not in PROFILES and not (parts and not name):
        raise UserError(f"unknown network {name!r}: there are {', '.join(PROFILES)}, or say it as in rtt=100ms,loss=1%")
    base = Conditions()
    if name:
        base = base.changed(_settings(PROFILES[name].settings.split(",")))
    conditions = base.changed(_settings(parts))
    words = [*([name] if name else []), *conditions.words(base)]
    return ",".join(words or ["rtt=0ms"]), conditions


def _settings(parts: list[str]) -> dict[str, str]:
    """By name.

    Raises:
        UserError: one is none, or is said twice, or can't be said beforehand.
    """
    settings: dict[str, str] = {}
    for part in parts:
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or name not in SETTINGS:
            raise UserError(f"unknown setting {part!r} of a network: there are {', '.join(SETTINGS)}, as in rtt=100ms")
        if name in settings:
            raise UserError(f"{part!r} says again what was said before it")
        settings[name] = value
    return settings
