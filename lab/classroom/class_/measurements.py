"""Measurements of a class: the same events to all devices at once, and what each of them saw."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from lab.classroom.class_.timing import Milliseconds, Ping
from lab.errors import UserError

MOST_ARRIVALS = 20_000
"""Of a device in one measurement: far more than were sent."""

MOST_IN_BATCH = 400

Whole = Annotated[int, Field(ge=0, lt=2**53)]
Why = Annotated[str, Field(max_length=500)]


class Arrival(NamedTuple):
    """An event, when the page had it (its performance.now(), ms)."""

    epoch: Whole
    id: Whole
    received: Milliseconds


class Gap(BaseModel):
    """What a reader was told that it would never see."""

    model_config = ConfigDict(extra="ignore")

    epoch: Whole
    from_: Annotated[Whole, Field(alias="from")]
    to: Whole | None
    why: Why


class Ready(BaseModel):
    """A device that has opened its transport anew, and waits for events. Times are its performance.now(), ms."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    ping: Ping
    set_out: Milliseconds


class Final(BaseModel):
    """What a device tells besides its arrivals, when all is over."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    batches: Annotated[int, Field(ge=0, le=10_000)]
    ping: Ping
    hidden: bool
    opened: Annotated[list[Milliseconds], Field(max_length=200)]
    lost: Annotated[list[tuple[Milliseconds, Why]], Field(max_length=50)]
    gaps: Annotated[list[Gap], Field(max_length=50)]


@dataclass
class Part:
    """One device's part in a measurement.

    Attributes:
        batches: arrivals by the batch's number; one that is sent again, because its answer got lost, counts once.
        trial: what was made of it, as long as nothing is added; see `saved.trials_of`.
    """

    seat: int
    transport: str
    engine: str
    link: str
    ready: Ready | None = None
    batches: dict[int, list[Arrival]] = field(default_factory=dict)
    final: Final | None = None
    trial: Any = None

    @property
    def arrivals(self) -> list[Arrival]:
        return [arrival for _, batch in sorted(self.batches.items()) for arrival in batch]

    def check_batch(self, arrivals: Sequence[Arrival]) -> None:
        """Raises:
        UserError: the device has said too much.
        """
        if self.final:
            raise UserError("this measurement is over for you: you have said that these were all")
        if sum(map(len, self.batches.values())) + len(arrivals) > MOST_ARRIVALS:
            raise UserError(f"more than {MOST_ARRIVALS} arrivals in one measurement: so many were never sent")

    def missing(self, final: Final) -> list[int]:
        """The batches that the device says it has sent and that have not come."""
        return [number for number in range(final.batches) if number not in self.batches]


@dataclass
class Measurement:
    """The same events to all devices at once.

    Attributes:
        number: from 1 on. source, seconds: what was played. parts: by seat.
        sent: epoch, id, due, at (ns, CLOCK_MONOTONIC) of each event, once it is over.
        faults: what the teacher did to a transport's connections meanwhile: see `runs.Trial.fault`.
        failed: why it came to nothing; empty otherwise.
    """

    number: int
    source: str
    seconds: float
    parts: dict[int, Part]
    began: int = 0
    sent: Sequence[Sequence[int]] = ()
    faults: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    over: bool = False
    failed: str = ""

    @property
    def last(self) -> Sequence[int]:
        """Epoch and id of the last event; nothing where there was none."""
        return self.sent[-1][:2] if self.sent else ()

    @property
    def reported(self) -> bool:
        """Whether every device that had been ready has told everything."""
        return all(part.final for part in self.parts.values() if part.ready)

    def part(self, seat: int) -> Part:
        """Raises:
        UserError: that device takes no part.
        """
        if seat not in self.parts:
            raise UserError(f"you take no part in measurement {self.number}")
        return self.parts[seat]
