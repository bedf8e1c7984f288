"""A device's clock against the server's: by pings, with a bound that holds whatever the network did."""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from lab import clock
from lab.errors import UserError

HOUR = 3600 * 10**9

Milliseconds = Annotated[float, Field(ge=0, le=1e10)]
"""Of a page's performance.now(): up to 115 days."""


class Ping(BaseModel):
    """The best of a page's pings: when it set out and came back, what the server said between, the clock's step."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    sent: Milliseconds
    received: Milliseconds
    server: Annotated[str, Field(pattern=r"^\d{1,19}$")]
    step: Annotated[float, Field(ge=0, le=1000)]


class Offset(NamedTuple):
    """The zero of a page's clock on the server's (ns), and how far that may be off (ms), strictly."""

    origin: int
    bound: float

    def at(self, ms: float) -> int:
        """An instant of the page, on the server's clock."""
        return self.origin + round(ms * 1e6)


def check(ping: Ping) -> None:
    """Raises:
    UserError: the server has not said that.
    """
    if ping.received < ping.sent or abs(int(ping.server) - clock.now()) > HOUR:
        raise UserError("that is no answer to a ping: load the page again")


def offset(ping: Ping) -> Offset:
    """Half the round trip, for nobody knows which way was the longer one, and the timer's step."""
    middle = (ping.sent + ping.received) / 2
    return Offset(int(ping.server) - round(middle * 1e6), (ping.received - ping.sent) / 2 + ping.step)


def around(offsets: Sequence[Offset]) -> Offset:
    """One that covers all of these: a device's clock does not run as fast as the server's."""
    low = min(one.origin - one.bound * 1e6 for one in offsets)
    high = max(one.origin + one.bound * 1e6 for one in offsets)
    return Offset(round((low + high) / 2), (high - low) / 2e6)
