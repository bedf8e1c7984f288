"""What happens during a trial: which events come, and what else befalls the connection."""

from collections.abc import Mapping

from benchmarks import bulk, crowd
from benchmarks.faults import FAULTS, cut_by_server, nothing, undisturbed
from benchmarks.stage import Scenario
from lab.errors import UserError

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
                 "steady:rate=60,size=100", 1.5, cut_by_server, patience=10.0),
        Scenario("crowd", "200 native readers: what each delivery and each reader cost the server",
                 crowd.SOURCE, crowd.SECONDS, nothing, costs=True),
        Scenario("bulk", "20 MB through one page: what that does to the memory of the page's process",
                 bulk.SOURCE, 1.0, nothing, costs=True),
        *FAULTS,
    )
}  # fmt: skip


def scenario(name: str) -> Scenario:
    """Raises:
    UserError: there is none of that name; says which there are.
    """
    if name not in SCENARIOS:
        raise UserError(f"unknown scenario {name!r}: there are {', '.join(SCENARIOS)}")
    return SCENARIOS[name]
