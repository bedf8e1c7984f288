"""What the teacher may do to the transports' ways, and what of it lay in the way of a measurement."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from lab import clock
from lab.classroom.studio import Lane, Studio, profile
from lab.errors import UserError
from lab.link.relay.toxics import as_settings

Condition = Literal["nothing", "frozen", "300 ms", "1 s", "3G"]

CONDITIONS: Mapping[Condition, Mapping[str, Any]] = {
    "nothing": {},
    "frozen": {"freeze": True},
    "300 ms": {"delay": "300ms"},
    "1 s": {"delay": "1s"},
    "3G": profile("3g"),
}
"""What may lie in a transport's way; times are each way, as in the demo."""

USUAL: Mapping[str, Any] = {"freeze": False, "delay": 0, "rate": "off", "rate_up": "off"}


class Controls:
    """Attributes:
    way: what lies in each transport's way. behind: what lies in everybody's, "network" or nothing.
    faults: what was done since `watch`, by transport, see `runs.Trial.fault`.
    """

    def __init__(self, studio: Studio, behind: str) -> None:
        self.studio, self.behind = studio, behind
        self.way: dict[str, Condition] = dict.fromkeys(studio.lanes, "nothing")
        self.faults: dict[str, dict[str, Any]] = {}

    def link(self, transport: str) -> str:
        """What lies in the way, as cells name it: "direct", "relay:delay=300ms+network"."""
        settings = as_settings(self.studio.lanes[transport].relay.toxics)
        relay = f"relay:{','.join(f'{key}={value}' for key, value in settings.items())}" if settings else ""
        return "+".join(filter(None, (relay, self.behind))) or "direct"

    def watch(self) -> None:
        """Begin to note faults."""
        self.faults = {}

    def cut(self, transport: str) -> int:
        """Cut the connections of one transport, or of all ("")."""
        cut = 0
        for name, lane in self._lanes(transport):
            self._struck(name, "the teacher cut every connection", healed=True)
            cut += lane.relay.cut()
        return cut

    def lay(self, transport: str, condition: Condition) -> None:
        """Put something into the way of one transport, or of all."""
        for name, lane in self._lanes(transport):
            if self.way[name] != condition:
                self._struck(name, f"the teacher changed the way to: {condition}", healed=condition == "nothing")
                lane.relay.set(**{**USUAL, **CONDITIONS[condition]})
                self.way[name] = condition

    def _lanes(self, transport: str) -> Iterator[tuple[str, Lane]]:
        """Raises:
        UserError: there is none of that name.
        """
        lanes = self.studio.lanes
        if transport and transport not in lanes:
            raise UserError(f"unknown transport {transport[:40]!r}: there are {', '.join(lanes)}")
        yield from ((name, lane) for name, lane in lanes.items() if transport in ("", name))

    def _struck(self, name: str, what: str, *, healed: bool) -> None:
        now = clock.now()
        fault = self.faults.setdefault(name, {"what": what, "at": now, "healed": None, "unsent": 0})
        fault["healed"] = now if healed else fault["healed"]
