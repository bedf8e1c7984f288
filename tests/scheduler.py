"""Which process runs which test, where several do: side by side what can be, and at the end what must be `alone`.

Much of what is tested is waiting: more processes than processors keep these busy. What is held to a time is `calm`:
two processes run it, when the others have ended and have taken their browsers with them. What is held to a share of
the processors as well is `alone`: it comes last, in one process.
"""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

MOST = {"calm": 2, "alone": 1}
"""Processes that there may still be while such tests run; the later ones come later."""

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
    """Those that share a fixture of their module are one, for each process would make it; and marked ones are apart."""
    mark = next((mark for mark in MOST if item.get_closest_marker(mark)), "")
    fixtures = item._fixtureinfo.name2fixturedefs.values()
    shares = any(found[-1].scope == "module" for found in fixtures)
    return f"{mark} {item.path.stem if shares else item.nodeid}" if mark else item.path.stem if shares else ""


class Scheduler(LoadScopeScheduling):
    """Groups first, the largest one first; then single tests; then those that are calm, and those that are alone."""

    groups: dict[str, str]
    in_order = False

    def schedule(self) -> None:
        self.groups = told_groups(self.config, self.nodes[0])
        super().schedule()

    def _split_scope(self, nodeid: str) -> str:
        return self.groups.get(nodeid, nodeid)

    def _assign_work_unit(self, node: WorkerController) -> None:
        if not self.in_order:
            self._put_in_order()
        most = MOST.get(_mark(next(iter(self.workqueue))), len(self.nodes))
        if len(self.nodes) <= most:
            super()._assign_work_unit(node)
            if self.workqueue and self._pending_of(self.assigned_work[node]) < 2:
                self._assign_work_unit(node)  # a process begins a test when it knows the next one
        elif sum(not one.shutting_down for one in self.nodes) > most:
            node.shutdown()  # when it has run what it has; whoever stays waits for that

    def _put_in_order(self) -> None:
        for unit in sorted(self.workqueue, key=_turn):
            self.workqueue.move_to_end(unit)
        self.in_order = True

    def remove_node(self, node: WorkerController) -> str | None:
        crashed = super().remove_node(node)
        for one in self.nodes:
            self._reschedule(one)
        return crashed


def _mark(unit: str) -> str:
    """What a group is marked with, if it is."""
    return unit.partition(" ")[0]


def _turn(unit: str) -> int:
    mark = _mark(unit)
    return [*MOST].index(mark) if mark in MOST else -1
