"""A table of a TOML file, taken key by key: what is missing, wrong or left over is one sentence."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from lab.errors import UserError

NAME = re.compile(r"[a-z][a-z0-9_]*")


class Told:
    """What was told, and where: `where` begins each complaint."""

    def __init__(self, table: Any, where: str) -> None:
        """Raises:
        UserError: it is no table.
        """
        self.where = where
        self._left: dict[str, Any] = dict(self._typed(table, dict, where))
        self._known: list[str] = []

    def __contains__(self, key: str) -> bool:
        return key in self._left

    def text(self, key: str, default: str | None = None) -> str:
        """Raises:
        UserError: it is missing though there is no default, or it is no text, or an empty one.
        """
        text = str(self._typed(self._taken(key, default), str, self._of(key)))
        if not text.strip() and default is None:
            raise UserError(f"{self._of(key)} is empty: it must say something")
        return text

    def name(self, key: str, default: str | None = None) -> str:
        """A text that names something; "" where it may be missing and is."""
        text = self.text(key, default)
        return named(text, self._of(key)) if text else text

    def flag(self, key: str, *, default: bool) -> bool:
        return bool(self._typed(self._taken(key, default), bool, self._of(key)))

    def number(self, key: str, default: float | None = None) -> float:
        """Raises:
        UserError: it is missing though there is no default, or it is no number.
        """
        return float(self._typed(self._taken(key, default), (int, float), self._of(key)))

    def perhaps(self, key: str) -> float | None:
        return self.number(key) if key in self else None

    def whole(self, key: str, least: int, most: int, default: int | None = None) -> int:
        value = self._taken(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise UserError(f"{self._of(key)} is {value!r}; it must be a whole number from {least} to {most}")
        return value

    def several(
        self, key: str, kind: type | tuple[type, ...] = str, default: tuple[Any, ...] | None = None
    ) -> tuple[Any, ...]:
        """Not empty, unless that is the default."""
        held = self._taken(key, default)
        if isinstance(held, tuple):
            return held
        found = tuple(
            self._typed(one, kind, f"one of {self._of(key)}") for one in self._typed(held, list, self._of(key))
        )
        if not found:
            raise UserError(f"{self._of(key)} is empty")
        return found

    def tables(self, key: str) -> "Iterator[Told]":
        """Each table of an array; none where it isn't there."""
        held = self._typed(self._taken(key, []), list, self._of(key))
        return iter([Told(one, f"{self._of(key)} {nth}") for nth, one in enumerate(held, 1)])

    def table(self, key: str) -> "Told":
        """An empty one where it isn't there."""
        return Told(self._taken(key, {}), self._of(key))

    def items(self) -> "Iterator[tuple[str, Told]]":
        """All that is left, as tables with a name each."""
        left, self._left = self._left, {}
        for name, table in left.items():
            yield named(name, self.where), Told(table, self._of(name))

    def texts(self, key: str) -> Mapping[str, str]:
        """A table of names and texts; empty where it isn't there."""
        held = self._typed(self._taken(key, {}), dict, self._of(key))
        return {
            named(name, self._of(key)): self._typed(text, str, f"{self._of(key)}.{name}") for name, text in held.items()
        }

    def rest(self) -> Mapping[str, Any]:
        """All that is left, as it is: for who reads it otherwise."""
        left, self._left = self._left, {}
        return left

    def end(self) -> None:
        """Raises:
        UserError: there are keys that nobody asked for.
        """
        if self._left:
            right = ", ".join(self._known)
            raise UserError(f"{self.where} has the unknown key {next(iter(self._left))!r}: there are {right}")

    def _taken(self, key: str, default: Any) -> Any:
        self._known.append(key)
        if key in self._left:
            return self._left.pop(key)
        if default is None:
            raise UserError(f"{self.where} lacks {key!r}")
        return default

    def _of(self, key: str) -> str:
        return f"{self.where}: {key}"

    @staticmethod
    def _typed(value: Any, kind: type | tuple[type, ...], what: str) -> Any:
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            names = " or ".join(KINDS[one] for one in (kind if isinstance(kind, tuple) else (kind,)))
            raise UserError(f"{what} is {value!r}; it must be {names}")
        return value


KINDS: Mapping[type, str] = {
    dict: "a table",
    list: "a list",
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
}


def named(text: str, where: str) -> str:
    """Raises:
    UserError: it can't be a name.
    """
    if not NAME.fullmatch(text):
        raise UserError(f"{where}: {text!r} is no name; it must be lower-case letters, digits and underscores")
    return text
