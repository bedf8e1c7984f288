"""An experiment: a question to a transport, put to it in a real browser, and what was seen."""

import importlib
import pkgutil
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import benchmarks.behaviours
from lab.errors import UserError
from lab.transport import BROWSERS, Subject

if TYPE_CHECKING:
    from benchmarks.behaviours.field import Field

LONG = 90.0
"""Seconds: experiments that take more are made only when asked for."""

FILE = re.compile(r"p\d+_\w+")
"""The name of an experiment's module."""


@dataclass(frozen=True)
class Moment:
    """Something that happened in an observation; `at` in seconds since it began."""

    at: float
    what: str
    detail: str = ""


@dataclass(frozen=True)
class Observation:
    """What was seen.

    Attributes:
        bitten: whether the transport fell into the pit.
        says: that in one short sentence, made of what was measured: "the first event came after 6.8 s".
        numbers: what was measured, each with its unit in its name: {"first_event_ms": 6800}.
        curves: numbers that were measured again and again: name → points (x, y). The name ends with the unit of y;
            x is seconds, or what is named after " by ": "latency_ms", "latency_ms by percentile". Curves of one unit
            over the same x are drawn into one chart.
        log: lines of other programs that show it: a proxy's, a browser's console.
    """

    bitten: bool
    says: str
    numbers: Mapping[str, float | str | None] = field(default_factory=dict)
    curves: Mapping[str, list[tuple[float, float]]] = field(default_factory=dict)
    log: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One pitfall, and how to find out who falls into it.

    Attributes:
        id: "P1". name: of its file, without the number: "buffering_proxy". title: for people.
        question: what is asked. fixture: what the transport is put into.
        expected: what should be seen, and with whom.
        cure: what helps; empty where nothing is to be cured, and then it is not observed a second time.
        sources: where others met it, or what specifies it: addresses.
        bites: whether the transport is expected to fall into it, without the cure or with it.
        bites_in: the same for engines of which something else is expected, by their names.
        unfit: why it can't be put to this transport in this engine; empty when it can.
        missing: why it can't be made on this machine; empty when it can.
        seconds: what one observation takes, about.
        alone: whether it times something, so that nothing may run beside it.
        impossible: why it can't be made with this lab at all; such an experiment is listed, and never made.
    """

    id: str
    name: str
    title: str
    question: str
    fixture: str
    expected: str
    cure: str = ""
    sources: tuple[str, ...] = ()
    bites: Callable[[Subject, bool], bool] = lambda _subject, cured: not cured
    bites_in: Mapping[str, Callable[[Subject, bool], bool]] = field(default_factory=dict, hash=False)
    unfit: Callable[[Subject, str], str] = lambda _subject, _engine: ""
    missing: Callable[[], str] = lambda: ""
    seconds: float = 5.0
    alone: bool = False
    impossible: str = ""
    observe: "Callable[[Field, bool], Awaitable[Observation]] | None" = None

    def expects(self, subject: Subject, engine: str, *, cured: bool) -> bool:
        """Whether that transport should fall into it, in that engine."""
        return self.bites_in.get(engine, self.bites)(subject, cured)

    @property
    def long(self) -> bool:
        return self.seconds > LONG

    @property
    def number(self) -> int:
        return int(self.id[1:])


def only_browsers(_subject: Subject, engine: str) -> str:
    return "" if engine in BROWSERS else "this is a browser's doing"


def experiments() -> dict[str, Experiment]:
    """Every experiment there is, by its name, in the order of their numbers: each module here that is named so."""
    found_here = (found.name for found in pkgutil.iter_modules(benchmarks.behaviours.__path__))
    names = [name for name in found_here if FILE.fullmatch(name)]
    modules = (importlib.import_module(f"{benchmarks.behaviours.__name__}.{name}") for name in names)
    found: list[Any] = [module.experiment for module in modules]
    return {one.name: one for one in sorted(found, key=lambda one: one.number)}


def chosen(names: list[str]) -> list[Experiment]:
    """Those that are asked for, by name ("buffering_proxy") or number ("P1"); all if none is.

    Raises:
        UserError: there is none of that name.
    """
    known = experiments()
    by_id = {one.id.lower(): one for one in known.values()}
    picked = []
    for name in names:
        if (one := known.get(name) or by_id.get(name.lower())) is None:
            there = ", ".join(f"{one.id} {one.name}" for one in known.values())
            raise UserError(f"unknown experiment {name!r}: there are {there}")
        picked.append(one)
    return list(dict.fromkeys(picked)) or list(known.values())
