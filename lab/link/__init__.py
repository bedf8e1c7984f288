"""What lies between server and browser: nothing, or a relay, a proxy, an emulated network, in any order."""

from lab.link.chain import DIRECT, Link, LinkSpec, laid, parse
from lab.link.place import HERE, Place
from lab.link.relay import Relay, relaying
from lab.link.segment import Segment, SegmentSpec

__all__ = [
    "DIRECT",
    "HERE",
    "Link",
    "LinkSpec",
    "Place",
    "Relay",
    "Segment",
    "SegmentSpec",
    "laid",
    "parse",
    "relaying",
]
