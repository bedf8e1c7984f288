"""Two runs of one plan on one machine agree: where nothing has changed, nothing is said to have."""

from pathlib import Path

import pytest
from conftest import SUBJECTS
from trials import steady

from benchmarks import compare
from benchmarks.measure import Bench
from benchmarks.plan import Block, Plan

ROUNDS = 6
TIMED = ("p50", "p90", "open")
PLAN = Plan(
    name="agreement",
    about="",
    blocks=(Block(engines=("chromium", "native"), scenarios=("steady",), rounds=ROUNDS, variants=True),),
)


async def run(folder: Path, seed: int) -> compare.Side:
    with steady(0.5):
        assert (await Bench(PLAN, SUBJECTS, folder, seed).run()).ended == "complete"
    return compare.read(folder)


@pytest.mark.slow
async def test_two_runs_agree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """At most 5 % of what is timed, a cell by a measure, is called different, and nothing that is counted."""
    before, after = await run(tmp_path / "before", 1), await run(tmp_path / "after", 2)
    found = compare.compare(before, after)
    with capsys.disabled():
        print(f"\n{compare.words(found)}")  # noqa: T201  # whoever runs it wants to see it
        for one in found.changes:
            print(f"{one.cell}, {one.measure}: {one.before} → {one.after}, {one.says}")  # noqa: T201
    timed = [one for one in found.findings if one.measure in TIMED]
    cells = {cell.name for block in PLAN.blocks for cell in block.cells(SUBJECTS) if cell in before.measured}
    assert {(one.cell, one.measure) for one in timed if one.difference} == {
        (cell, by) for cell in cells for by in TIMED
    }
    assert len(cells) >= 18
    assert sum(one.changed for one in timed) <= 0.05 * len(timed)
    assert [one for one in found.changes if one not in timed] == []
