"""The instrument: everything a transport needs of the lab is here."""

from lab.log import Cursor, Event, Gap, Here, Item, Log
from lab.native import Lost, get_lines
from lab.stream import framed, held, line, resumed, stream
from lab.transport import BROWSERS, About, Options, Variant

__all__ = [
    "BROWSERS",
    "About",
    "Cursor",
    "Event",
    "Gap",
    "Here",
    "Item",
    "Log",
    "Lost",
    "Options",
    "Variant",
    "framed",
    "get_lines",
    "held",
    "line",
    "resumed",
    "stream",
]
