"""Twins: the same transport under two names, measured as two. Neither is faster."""

import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from conftest import SUBJECTS
from trials import found_in, steady

from benchmarks import stats, summary
from benchmarks.measure import Bench
from benchmarks.plan import Block, Plan
from benchmarks.runs import Cell, Trial, by_cell, read_trials
from benchmarks.stats import Difference
from lab.transport import Subject

TWIN = "_twin"
NAMES = [name for name, one in SUBJECTS.items() if not one.variant and one.found.module]
CALLED = ("faster", "slower")


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Subject]]:
    """All subjects, and for each transport a copy of its folder under another name."""
    folder = tmp_path_factory.mktemp("twins")
    copies = [shutil.copytree(SUBJECTS[name].found.folder, folder / f"{name}{TWIN}") for name in NAMES]
    with found_in(copies) as found:
        yield found
    for module in [name for name in sys.modules if name.startswith("pushlab_transport_") and TWIN in name]:
        del sys.modules[module]


def pairs(names: Sequence[str], rounds: int, *engines: str) -> Block:
    both = tuple(one for name in names for one in (name, f"{name}{TWIN}"))
    return Block(engines=engines, scenarios=("steady",), rounds=rounds, transports=both)


async def compared(blocks: Sequence[Block], found: Mapping[str, Subject], folder: Path, seed: int) -> list[Difference]:
    """Every pair of twins by p50 and by p90, as if there were no others: nothing is taken off for their number."""
    plan = Plan(name="twins", about="", blocks=tuple(blocks))
    assert (await Bench(plan, found, folder, seed).run()).ended == "complete"
    trials, _ = read_trials(folder)
    assert [trial.reason for trial in trials if trial.state != "measured"] == []
    return [row for pair in _pairs(by_cell(trials)) for q in (50, 90) for row in _differences(pair, q)]


def _pairs(trials: Mapping[Cell, list[Trial]]) -> Iterator[dict[Cell, list[Trial]]]:
    for cell in trials:
        twin = next((one for one in trials if one.name == cell.name.replace(" ", f"{TWIN} ", 1)), None)
        if twin:
            yield {cell: trials[cell], twin: trials[twin]}


def _differences(pair: Mapping[Cell, list[Trial]], q: float) -> list[Difference]:
    (row,) = stats.differences(summary.compared(pair, q))
    return [row]


def said(rows: Sequence[Difference]) -> str:
    return "\n".join(f"{row.a}: × {row.ratio:.3f} ({row.low:.3f} – {row.high:.3f}), {row.verdict}" for row in rows)


@pytest.mark.calm
async def test_a_pair_of_twins(twins: Mapping[str, Subject], tmp_path: Path) -> None:
    """One pair in a hundred may be called different by chance; the same pair twice in a row is no chance."""
    for attempt in (1, 2):
        with steady(0.35):
            rows = await compared([pairs(["sse"], 5, "native")], twins, tmp_path / str(attempt), attempt)
        assert {(row.a, row.b, row.rounds) for row in rows} == {
            ("sse native steady direct", "sse_twin native steady direct", 5)
        }
        if not any(row.verdict in CALLED for row in rows):
            return
    pytest.fail(said(rows))


@pytest.mark.slow
async def test_twenty_pairs_of_twins(
    twins: Mapping[str, Subject], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ten pairs in two runs. At most two are called different, and no more lean to one side than chance allows."""
    streams = [name for name in ("sse", "websocket", "long_polling", "xhr_streaming") if name in NAMES]
    blocks = [pairs(streams, 8, "chromium"), pairs(NAMES, 8, "native")]
    rows: list[Difference] = []
    with steady(0.5):
        for seed in (1, 2):
            rows += await compared(blocks, twins, tmp_path / str(seed), seed)
    for measure, mine in (("p50", rows[::2]), ("p90", rows[1::2])):
        with capsys.disabled():
            print(f"\n{measure}\n{said(mine)}")  # noqa: T201  # whoever runs it wants to see it
        assert len(mine) == 2 * (len(streams) + len(NAMES)) >= 20
        assert sum(row.verdict in CALLED for row in mine) <= len(mine) // 10
        assert sum(row.direction is not None for row in mine) <= 0.3 * len(mine)  # 5 % are to be expected
