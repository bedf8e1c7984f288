"""A value: what is computed of a measurement, as a lesson writes it down. See docs/lessons.md, "Values"."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from lab.classroom.teaching.told import Told
from lab.errors import UserError

Joining = Literal["over", "minus", "plus"]
JOININGS: tuple[Joining, ...] = ("over", "minus", "plus")


@dataclass(frozen=True)
class OfCell:
    """A number of a cell's row. cell: its subject, then as much of the rest as it takes; measure: the number's path."""

    cell: str
    measure: str


@dataclass(frozen=True, kw_only=True)
class OfExperiment:
    """A number of an observation, or a point of one of its curves.

    Attributes:
        engine: "" = the only one there is. is_: with it, whether the number is this text, as 1 or 0.
        curve: "" = it is a number. at: which x of the curve.
    """

    experiment: str
    subject: str
    engine: str = ""
    cured: bool = False
    number: str = ""
    is_: str = ""
    curve: str = ""
    at: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Value:
    """`of` (the name of another value, if it is a text), joined with another value, times `scale`."""

    name: str
    of: OfCell | OfExperiment | str
    joining: Joining | None = None
    other: str = ""
    scale: float = 1.0
    unit: str = ""

    @property
    def needs(self) -> Iterable[str]:
        """Other values."""
        return [*([self.of] if isinstance(self.of, str) else []), *([self.other] if self.other else [])]


def values(told: Told) -> dict[str, Value]:
    """The table [values], each after those that it needs.

    Raises:
        UserError: something in it is unknown or wrong, or a value needs itself.
    """
    found = {name: _value(name, table) for name, table in told.items()}
    return {name: found[name] for name in _in_order(found, told.where)}


def _value(name: str, told: Told) -> Value:
    of = _of(told)
    joined = [(joining, told.name(joining)) for joining in JOININGS if joining in told]
    if len(joined) > 1:
        raise UserError(f"{told.where} has {' and '.join(joining for joining, _ in joined)}; it may have one of them")
    joining, other = joined[0] if joined else (None, "")
    made = Value(
        name=name, of=of, joining=joining, other=other, scale=told.number("scale", 1.0), unit=told.text("unit", "")
    )
    told.end()
    return made


def _of(told: Told) -> OfCell | OfExperiment | str:
    kinds = [kind for kind in ("cell", "experiment", "value") if kind in told]
    if len(kinds) != 1:
        raise UserError(
            f"{told.where} must have one of cell, experiment and value; it has {' and '.join(kinds) or 'none'}"
        )
    if kinds == ["cell"]:
        return OfCell(told.text("cell"), told.text("measure"))
    return told.name("value") if kinds == ["value"] else _of_experiment(told)


def _of_experiment(told: Told) -> OfExperiment:
    if ("number" in told) == ("curve" in told):
        raise UserError(f"{told.where} must have either a number or a curve of the experiment")
    curve = "curve" in told
    return OfExperiment(
        experiment=told.text("experiment"),
        subject=told.text("subject"),
        engine=told.text("engine", ""),
        cured=told.flag("cured", default=False),
        number="" if curve else told.text("number"),
        is_="" if curve else told.text("is", ""),
        curve=told.text("curve") if curve else "",
        at=told.number("at") if curve else 0.0,
    )


def _in_order(found: Mapping[str, Value], where: str) -> list[str]:
    """Their names, each after those that it needs."""
    done: list[str] = []

    def visit(name: str, by: tuple[str, ...]) -> None:
        if name in by:
            raise UserError(f"{where}: {name!r} needs itself, by way of {', '.join(by)}")
        if name not in found:
            raise UserError(f"{where}: {by[-1]!r} needs {name!r}, which isn't there: there are {', '.join(found)}")
        for other in found[name].needs:
            visit(other, (*by, name))
        if name not in done:
            done.append(name)

    for name in found:
        visit(name, ())
    return done
