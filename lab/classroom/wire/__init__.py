"""The wire, opened up: what passes a relay, as the steps of a sequence diagram client ↔ server.

wire = Wire(lane.relay)  # from now on it reads along, and keeps next to nothing
async with wire.watching():
    async for steps in wire.batches(every=0.1):
        channel.tell("wire", lane=name, steps=steps)

Make one when the lane is made: whoever asks for batches later is told first how the connections came to be that are
open. There may be any number of `watching` and of `batches` at once. The page's half is /lab/classroom/wire.js.
"""

from lab.classroom.wire.step import Step
from lab.classroom.wire.wire import Wire

__all__ = ["Step", "Wire"]
