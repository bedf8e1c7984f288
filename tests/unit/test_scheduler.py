"""What is calm or alone is run when other processes have ended, and everything is run once."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from scheduler import FILE, Scheduler
from xdist.remote import Producer

QUICK, GROUP, CALM, ALONE = (
    [f"quick{n}" for n in range(9)],
    [f"shared{n}" for n in range(4)],
    ["soon", "at_once", "for_a_while"],
    ["exact", "on_time"],
)


class Process:
    """As the scheduler sees one. It begins a test when it knows the next one, or that there is none."""

    gateway = SimpleNamespace(id="one")

    def __init__(self) -> None:
        self.given: list[int] = []
        self.shutting_down = False

    def send_runtest_some(self, indices: list[int]) -> None:
        self.given += indices

    def shutdown(self) -> None:
        self.shutting_down = True

    @property
    def can_run(self) -> bool:
        return len(self.given) > (not self.shutting_down)


def run(tests: list[str], number: int, folder: Path) -> list[tuple[str, int]]:
    """In so many processes: each test, and how many processes had not ended yet."""
    (folder / "popen-one").mkdir()
    groups = dict.fromkeys(GROUP, "group")
    groups |= {test: f"{mark} {test}" for mark, marked in (("calm", CALM), ("alone", ALONE)) for test in marked}
    (folder / "popen-one" / FILE).write_text(json.dumps(groups))
    config: Any = SimpleNamespace(
        getvalue=lambda _: ["popen"] * number,
        option=SimpleNamespace(loadscopereorder=True),
        _tmp_path_factory=SimpleNamespace(getbasetemp=lambda: folder),
    )
    scheduler, processes = Scheduler(config, Producer("", enabled=False)), [Process() for _ in range(number)]
    for one in processes:
        scheduler.add_node(one)
        scheduler.add_node_collection(one, tests)
    scheduler.schedule()
    ran = []
    while busy := [one for one in processes if one.can_run or one.shutting_down]:
        for one in busy:
            if one.can_run:
                ran.append((tests[one.given[0]], len(scheduler.nodes)))
                scheduler.mark_test_complete(one, one.given.pop(0))
            else:
                processes.remove(one)
                if one in scheduler.nodes:
                    assert scheduler.remove_node(one) is None
            if scheduler.tests_finished:
                for other in scheduler.nodes:
                    other.shutdown()
    assert not processes
    return ran


@pytest.mark.parametrize("number", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "tests",
    [[*ALONE, *QUICK, *CALM, *GROUP], [*QUICK, *ALONE], [*CALM, QUICK[0]], [*GROUP, *ALONE], CALM, ALONE, QUICK],
    ids=["all kinds", "without a group", "one beside", "a group", "only calm", "only alone", "neither"],
)
def test_what_is_calm_or_alone_comes_last_and_in_few(tests: list[str], number: int, tmp_path: Path) -> None:
    ran = run(tests, number, tmp_path)
    assert sorted(test for test, _ in ran) == sorted(tests)
    alone = [test for test in tests if test in ALONE]
    assert [test for test, _ in ran[len(ran) - len(alone) :]] == alone
    assert {others for test, others in ran if test in ALONE} <= {1}
    assert {others for test, others in ran if test in CALM} <= {1, 2}


def test_the_rest_is_shared(tmp_path: Path) -> None:
    ran = run([*QUICK, *GROUP, *ALONE], 2, tmp_path)
    assert sum(others == 2 for _, others in ran) >= len(QUICK)


def test_calm_ones_are_shared_by_two(tmp_path: Path) -> None:
    ran = run([*QUICK, *CALM], 4, tmp_path)
    assert [others for test, others in ran if test in CALM].count(2) >= 2
