"""What happens during a trial: which events come, and what else befalls the connection."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from random import Random

from benchmarks import bulk, crowd
from lab.errors import UserError
from lab.process import ServerProcess


@dataclass(frozen=True)
class Stage:
    """Where a scenario plays: the server under test, and chance, the same for all cells of a round."""

    server: ServerProcess
    rng: Random
    seconds: float

    async def play(self, source: str) -> None:
        """The source, from its beginning to its end."""
        await self.server.play(self.seeded(source))

    def seeded(self, source: str) -> str:
        joint = "," if ":" in source else ":"
        return f"{source}{joint}seconds={self.seconds},seed={self.rng.getrandbits(31)}"


@dataclass(frozen=True)
class Scenario:
    """A kind of trial.

    Attributes:
        source: what is played, without seed and duration. seconds: how long.
        happen: plays it, and does what else belongs to it.
        patience: seconds after the last event in which every transport should have delivered it.
        costs: whether it measures what a transport costs, and no latency; `ground` knows how.
    """

    name: str
    title: str
    source: str
    seconds: float
    happen: Callable[[Stage, str], Awaitable[None]]
    patience: float = 3.0
    costs: bool = False


async def undisturbed(stage: Stage, source: str) -> None:
    await stage.play(source)


async def cut_once(stage: Stage, source: str) -> None:
    """Every connection of the server is cut, once, somewhere in the middle third."""
    await stage.server.ask("play", source=stage.seeded(source), spin=True)
    await asyncio.sleep(stage.seconds * stage.rng.uniform(1 / 3, 2 / 3))
    await stage.server.ask("cut")
    await stage.server.ended()


SCENARIOS: Mapping[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario("steady", "60 events/s of 100 B, each at a random instant of its period",
                 "steady:rate=60,size=100", 0.9, undisturbed),
        Scenario("burst", "30 events of 100 B at once, twice a second",
                 "bursts:rate=2,count=30,size=100", 1.0, undisturbed),
        Scenario("large", "20 events/s of 16 KiB",
                 "steady:rate=20,size=16384", 1.0, undisturbed),
        Scenario("reconnect", "60 events/s of 100 B; every connection is cut once",
                 "steady:rate=60,size=100", 1.5, cut_once, patience=10.0),
        Scenario("crowd", "200 native readers: what each delivery and each reader cost the server",
                 crowd.SOURCE, crowd.SECONDS, undisturbed, costs=True),
        Scenario("bulk", "20 MB through one page: what that does to the memory of the page's process",
                 bulk.SOURCE, 1.0, undisturbed, costs=True),
    )
}  # fmt: skip


def scenario(name: str) -> Scenario:
    """Raises:
    UserError: there is none of that name; says which there are.
    """
    if name not in SCENARIOS:
        raise UserError(f"unknown scenario {name!r}: there are {', '.join(SCENARIOS)}")
    return SCENARIOS[name]
