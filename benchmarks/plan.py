"""A plan: which cells are measured, how often and for how long. A TOML file under plans/, or your own."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.runs import Cell
from benchmarks.scenarios import scenario
from lab import link as links
from lab.errors import UserError
from lab.transport import ENGINES, Subject, subject

PLANS = Path(__file__).with_name("plans")
MOST_ROUNDS = 1000


@dataclass(frozen=True, kw_only=True)
class Block:
    """Cells that are measured in turn, round by round.

    Attributes:
        transports: names as cells use them, "sse:native" too; empty = all there are.
        variants: whether "all" includes the variants.
        rounds: at least so many. most: so many while a difference is unresolved and there is time.
    """

    engines: tuple[str, ...]
    scenarios: tuple[str, ...]
    rounds: int
    most: int = 0
    transports: tuple[str, ...] = ()
    variants: bool = False
    links: tuple[str, ...] = ("direct",)

    @property
    def looks(self) -> list[int]:
        """After which rounds the verdicts are looked at: few times, for each look costs power."""
        looks = [self.rounds]
        while (after := -(-looks[-1] * 3 // 2)) <= self.most:
            looks.append(after)
        return looks

    def cells(self, subjects: Mapping[str, Subject]) -> list[Cell]:
        """Raises:
        UserError: a transport, an engine, a scenario or a link is unknown.
        """
        names = self.transports or [name for name, one in subjects.items() if self.variants or not one.variant]
        chosen = [subject(name, subjects) for name in names]
        return [
            Cell(one.found.name, one.variant, _known(engine, ENGINES, "engine"), scenario(what).name, link)
            for link in map(_link, self.links)
            for what in self.scenarios
            for engine in self.engines
            for one in chosen
        ]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Blocks, measured one after the other; no trial begins when `budget` (seconds) is spent."""

    name: str
    about: str
    blocks: tuple[Block, ...]
    budget: float | None = None

    def narrowed(self, *, rounds: int | None = None, budget: float | None = None, **only: Sequence[str]) -> "Plan":
        """The same plan with only some transports, engines or scenarios, other rounds or another budget."""
        blocks = list(self.blocks)
        for key, names in only.items():
            if names:
                blocks = _narrow(blocks, key, tuple(dict.fromkeys(names)))
        if rounds is not None:
            blocks = [replace(block, rounds=_rounds(rounds, "--rounds"), most=0) for block in blocks]
        if budget is not None:  # asked for: then it is to be used
            blocks = [
                replace(block, most=max(block.most, 3 * block.rounds)) if block.rounds > 1 else block
                for block in blocks
            ]
        return replace(self, blocks=tuple(blocks), budget=self.budget if budget is None else budget)

    def as_settings(self) -> dict[str, Any]:
        return asdict(self)


def load(name: str) -> Plan:
    """The plan of that name, or in that file.

    Raises:
        UserError: there is none, or something in it is unknown or wrong.
    """
    known = sorted(path.stem for path in PLANS.glob("*.toml"))
    path = PLANS / f"{name}.toml" if name in known else Path(name)
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise UserError(f"unknown plan {name!r}: there are {', '.join(known)}, or name a TOML file") from error
    except ValueError as error:
        raise UserError(f"plan {name!r} is no TOML: {error}") from error
    return parse(path.stem, told, name)


def parse(name: str, told: dict[str, Any], asked: str | None = None) -> Plan:
    """The plan that a table tells: a whole file, or a part of one.

    Args:
        asked: what complaints call it, if that isn't its name.

    Raises:
        UserError: something in it is unknown or wrong.
    """
    asked = name if asked is None else asked
    blocks = tuple(_block(block, asked) for block in _typed(told.pop("block", None), list, f"plan {asked!r}: block"))
    if not blocks:
        raise UserError(f"plan {asked!r} has no block: nothing would be measured")
    return Plan(
        name=name,
        about=str(told.pop("about", "")),
        blocks=blocks,
        budget=_positive(told.pop("budget", None), f"plan {asked!r}: budget"),
        **_none_left(told, f"plan {asked!r}", "about, budget, block"),
    )


def from_settings(settings: Mapping[str, Any]) -> Plan:
    """The plan that `Plan.as_settings` was made of, after it has been through JSON."""
    kept = {key: settings[key] for key in ("name", "about", "budget")}
    return Plan(**kept, blocks=tuple(map(_thawed, settings["blocks"])))


def _thawed(block: Mapping[str, Any]) -> Block:
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in block.items()}
    return Block(**values)


def _block(told: Any, plan: str) -> Block:
    where = f"plan {plan!r}"
    told = dict(_typed(told, dict, f"{where}: a block"))
    values: dict[str, Any] = {
        key: _names(told.pop(key), f"{where}: {key}")
        for key in ("engines", "scenarios", "transports", "links")
        if key in told
    }
    values |= {key: _rounds(told.pop(key), f"{where}: {key}") for key in ("rounds", "most") if key in told}
    values["variants"] = _typed(told.pop("variants", False), bool, f"{where}: variants")
    _none_left(told, f"a block of {where}", "engines, scenarios, transports, variants, links, rounds, most")
    for key in ("engines", "scenarios", "rounds"):
        if key not in values:
            raise UserError(f"{where}: a block lacks {key!r}")
    return Block(**values)


def _narrow(blocks: Sequence[Block], key: str, names: tuple[str, ...]) -> list[Block]:
    """The blocks with only those names; what none has comes to the one of most rounds, which is the plan's main one."""
    if key == "transports":
        return [replace(block, transports=names) for block in blocks]
    planned = {name for block in blocks for name in getattr(block, key)}
    news = tuple(name for name in names if name not in planned)
    kept = [tuple(name for name in names if name in getattr(block, key)) for block in blocks]
    kept[max(range(len(blocks)), key=lambda n: blocks[n].rounds)] += news
    changed: list[dict[str, Any]] = [{key: one} for one in kept]
    return [replace(block, **change) for block, change in zip(blocks, changed, strict=True) if change[key]]


def _known(name: str, names: frozenset[str], what: str) -> str:
    if name not in names:
        raise UserError(f"unknown {what} {name!r}: there are {', '.join(sorted(names))}")
    return name


def _link(text: str) -> str:
    return links.parse(text).text


def _typed(value: Any, kind: type, what: str) -> Any:
    if not isinstance(value, kind):
        raise UserError(f"{what} is {value!r}; it must be a {kind.__name__}")
    return value


def _names(value: Any, what: str) -> tuple[str, ...]:
    names = tuple(_typed(name, str, f"one of {what}") for name in _typed(value, list, what))
    if not names:
        raise UserError(f"{what} is empty: nothing would be measured")
    return names


def _rounds(value: Any, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_ROUNDS:
        raise UserError(f"{what} is {value!r}; it must be a whole number from 1 to {MOST_ROUNDS}")
    return value


def _positive(value: Any, what: str) -> float | None:
    if value is not None and (not isinstance(value, int | float) or isinstance(value, bool) or not value > 0):
        raise UserError(f"{what} is {value!r}; it must be a number of seconds above 0")
    return value


def _none_left(told: Mapping[str, Any], what: str, right: str) -> dict[str, Any]:
    if told:
        raise UserError(f"{what} has the unknown key {next(iter(told))!r}: there are {right}")
    return {}
