"""A tap on a relay: whoever wants to see what passes."""

from typing import TYPE_CHECKING, Protocol

from lab.link.relay.toxics import Way

if TYPE_CHECKING:
    from lab.link.relay.connection import Connection


class Tap(Protocol):
    """Is told of each connection what passes, in its order. It holds up the relay meanwhile, and may not raise."""

    def opened(self, connection: "Connection") -> None:
        """A reader has connected."""

    def passed(self, connection: "Connection", way: Way, data: bytes, at: int) -> None:
        """These bytes were passed on, `at` an instant of CLOCK_MONOTONIC in ns, from just before."""

    def ended(self, connection: "Connection", way: Way | None, how: str) -> None:
        """Its end passes that way, "fin" or "rst"; None = the relay has cut it. Only the first of its ends is news."""

    def gone(self, connection: "Connection") -> None:
        """Nothing more will be told of it."""
