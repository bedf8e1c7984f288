"""How a transport looks, the same wherever it is drawn: a colour, and a dash and a shape for who can't tell colours.

It follows from the name alone, so that a transport looks the same in every report, whatever else was measured, and
needs no place in a list. The colours are Okabe and Ito's (Color Universal Design, 2008), those that show on white and
on black.
"""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
SALT = 172_686  # with it the six basic transports of this repository get six colours and six shapes
DASHES: Sequence[Sequence[int]] = ((1, 0), (6, 3), (2, 2), (8, 3, 2, 3), (3, 3), (10, 4), (5, 2, 1, 2, 1, 2))
# As Vega names them, and how to draw them in a square of −1 to 1.
SHAPES = {
    "circle": "M-1,0a1,1 0 1,1 2,0a1,1 0 1,1 -2,0Z",
    "square": "M-.85-.85H.85V.85H-.85Z",
    "triangle-up": "M0-1L1,.8H-1Z",
    "diamond": "M0-1.1L.8,0 0,1.1-.8,0Z",
    "cross": "M-.35-1H.35V-.35H1V.35H.35V1H-.35V.35H-1V-.35H-.35Z",
    "triangle-down": "M0,1L1-.8H-1Z",
    "triangle-right": "M1,0L-.8,1V-1Z",
    "triangle-left": "M-1,0L.8,1V-1Z",
}
# What a whole is made of, from the ground up; lightness tells them apart as well.
PARTS = ("#08519C", "#4292C6", "#9ECAE1", "#8C8C8C")


@dataclass(frozen=True)
class Look:
    colour: str
    dash: Sequence[int]
    shape: str

    @property
    def path(self) -> str:
        """The shape, for SVG."""
        return SHAPES[self.shape]


def looks(cells: Iterable[Mapping[str, Any]]) -> dict[str, Look]:
    """Subject → its look. A variant has its transport's colour and is dashed; a transport's own line is not.

    The colour never depends on what else there is. There are more names than looks, though: where two of one colour
    would be alike, the second by name gets the next shape, or dash, that is free.
    """
    subjects = sorted({(cell["transport"], cell["variant"] or "") for cell in cells})
    found: dict[str, Look] = {}
    for transport, variant in subjects:
        name = f"{transport}:{variant}" if variant else transport
        wanted = _wanted(transport, variant)
        found[name] = next((look for look in wanted if look not in found.values()), wanted[0])
    return found


def _wanted(transport: str, variant: str) -> list[Look]:
    """Every look of its colour, the one that follows from its name first."""
    colour = COLOURS[_number(transport, len(COLOURS))]
    shapes = _from(_number(f"{transport}{variant}", len(SHAPES)), list(SHAPES))
    dashes = _from(_number(variant, len(DASHES) - 1), DASHES[1:]) if variant else DASHES
    return [Look(colour, dash, shape) for dash in dashes for shape in shapes]


def _from(first: int, items: Sequence[Any]) -> Sequence[Any]:
    return [*items[first:], *items[:first]]


def _number(name: str, below: int) -> int:
    """Always the same one of the same name, on every machine."""
    return zlib.crc32(f"{SALT} {name}".encode()) % below
