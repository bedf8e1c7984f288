"""How a transport looks, the same wherever it is drawn: a colour, and a dash and a shape for who can't tell colours.

The colours are Okabe and Ito's (Color Universal Design, 2008), those that show on white and on black.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
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
    """Subject → its look. A variant has its transport's colour; of one colour, each has another dash and shape."""
    subjects = sorted({(cell["transport"], cell["variant"] or "") for cell in cells})
    transports = list(dict.fromkeys(transport for transport, _ in subjects))
    used = [0] * len(COLOURS)
    found = {}
    for transport, variant in subjects:
        nth = transports.index(transport) % len(COLOURS)
        found[f"{transport}:{variant}" if variant else transport] = _look(nth, used[nth])
        used[nth] += 1
    return found


def _look(colour: int, nth: int) -> Look:
    """The nth subject of a colour. Shapes go on from colour to colour, so that neighbours differ in both."""
    shapes = list(SHAPES)
    return Look(COLOURS[colour], DASHES[nth % len(DASHES)], shapes[(colour + nth) % len(shapes)])
