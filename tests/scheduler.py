"""Which process runs which test, where several do: side by side what can be, and at the end what must be `alone`.

Much of what is tested is waiting: three processes keep two processors busy. What is held to a time, or to a share of
the processor, is `alone`: the last process runs it, when the others have ended and have taken their browsers with them.
"""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

ALONE = "alone"
FILE = "groups.json"
"""In the temporary folder of a process. (Groups of xdist 3.8 don't reach it from under pytest 9.2.)"""


def tell_groups(config: pytest.Config, items: Iterable[pytest.Item]) -> None:
    """From the process that has collected these tests to the one that distributes them."""
    groups = {item.nodeid: group for item in items if (group := _group(item))}
    (_folder(config) / FILE).write_text(json.dumps(groups))


def told_groups(config: pytest.Config, node: WorkerController) -> dict[str, str]:
    """Groups by tests; whoever is not in it is by itself."""
    groups: dict[str, str] = json.loads((_folder(config) / f"popen-{node.gateway.id}" / FILE).read_text())
    return groups


def _folder(config: pytest.Config) -> Path:
    folder: Path = config._tmp_path_factory.getbasetemp()
    return folder


def _group(item: pytest.Item) -> str:
    """Those that are `alone` are one, and those that share a fixture of their module: each process would make it."""
    if item.get_closest_marker(ALONE):
        return ALONE
    fixtures = item._fixtureinfo.name2fixturedefs.values()
    return item.path.stem if any(found[-1].scope == "module" for found in fixtures) else ""


class Scheduler(LoadScopeScheduling):
    """Groups first, the largest one first; then single tests; then those that are alone."""

    groups: dict[str, str]

    def schedule(self) -> None:
        self.groups = told_groups(self.config, self.nodes[0])
        super().schedule()

    def _split_scope(self, nodeid: str) -> str:
        return self.groups.get(nodeid, nodeid)

    def _assign_work_unit(self, node: WorkerController) -> None:
        if ALONE in self.workqueue:
            self.workqueue.move_to_end(ALONE)
        others = [one for one in self.nodes if one is not node]
        if next(iter(self.workqueue)) != ALONE or not others:
            super()._assign_work_unit(node)
        elif not all(one.shutting_down for one in others):
            node.shutdown()  # when it has run what it has; whoever is the last waits for that

    def remove_node(self, node: WorkerController) -> str | None:
        crashed = super().remove_node(node)
        for one in self.nodes:
            self._reschedule(one)
        return crashed
