"""Measuring: rounds in which every cell has its turn, in an order by lot, each trial with a fresh reader."""

import asyncio
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from random import Random
from typing import Any

import psutil

from benchmarks import stats, summary
from benchmarks.ground import Ground
from benchmarks.plan import Block, Plan, from_settings
from benchmarks.runs import Cell, Run, Trial, read_trials, write_trial
from benchmarks.scenarios import scenario
from lab import cost
from lab import link as links
from lab.errors import UserError
from lab.transport import Subject

LIBRARIES = ("pushlab", "fastapi", "starlette", "uvicorn", "uvloop", "httptools", "websockets", "aiohttp", "playwright")


@dataclass(frozen=True)
class Progress:
    """Where the bench is, after each trial."""

    trial: Trial
    done: int
    planned: int


@dataclass
class Bench:
    """A run of a plan; whatever is measured is in `folder` as soon as it was.

    Attributes:
        tell: is called after each trial.
        kept: trials of a run that goes on, by cell and round: they are not measured again.
    """

    plan: Plan
    subjects: Mapping[str, Subject]
    folder: Path
    seed: int
    tell: Callable[[Progress], None] = lambda _progress: None
    kept: dict[tuple[Cell, int], Trial] = field(default_factory=dict)
    _began: float = field(default_factory=time.monotonic)
    _done: int = 0
    _planned: int = 0

    @classmethod
    def resumed(
        cls, folder: Path, subjects: Mapping[str, Subject], tell: Callable[[Progress], None] = lambda _progress: None
    ) -> "Bench":
        """The run in `folder` goes on where it stopped, with the same seed and order; its budget begins anew.

        Raises:
            UserError: there is no run in it, or it is complete.
        """
        run = Run.load(folder)
        if run.ended == "complete":
            raise UserError(f"the run in {folder} is complete: there is nothing to resume")
        trials, _ = read_trials(folder)
        kept = {(trial.cell, trial.round): trial for trial in trials if trial.state == "measured"}
        return cls(from_settings(run.settings), subjects, folder, run.seed, tell, kept)

    async def run(self) -> Run:
        """Measure every block; what was finished stays when it is interrupted."""
        run = Run.load(self.folder) if self.kept else _head(self.plan, self.seed)
        run.cells = list(self._cells())
        self.folder.mkdir(parents=True, exist_ok=True)
        run.save(self.folder)
        try:
            for number in range(len(self.plan.blocks)):
                await self._measure(run, number)
            run.ended = "budget" if self._spent() else "complete"
        except asyncio.CancelledError:
            run.ended = "interrupted"
            raise
        finally:
            run.seconds += round(time.monotonic() - self._began, 1)
            run.save(self.folder)
        return run

    def _cells(self) -> Iterator[dict[str, Any]]:
        """An entry for each cell, with the block that measures it: the first that names it."""
        listed: set[Cell] = set()
        for number, block in enumerate(self.plan.blocks):
            for cell in block.cells(self.subjects):
                if cell not in listed:
                    listed.add(cell)
                    yield {"cell": asdict(cell), "block": number, "looks": len(block.looks)} | self._state(cell)

    def _state(self, cell: Cell) -> dict[str, str]:
        subject = self.subjects[cell.subject]
        if subject.found.module is None:
            return {"title": subject.name, "state": "unavailable", "reason": subject.found.reason}
        kinds = [one.text.partition(":")[0] for one in links.parse(cell.link).segments]
        reason = subject.unsupported(cell.engine) or scenario(cell.scenario).unsupported(cell.engine, kinds)
        return {"title": subject.title, "state": "unsupported" if reason else "planned", "reason": reason}

    async def _measure(self, run: Run, block: int) -> None:
        """Rounds of one block, as many as planned, then more while that is worth it."""
        entries = [entry for entry in run.cells if entry["block"] == block and entry["state"] == "planned"]
        if not entries or self._spent():
            return
        async with AsyncExitStack() as stack:
            ground = Ground(stack, self.subjects)
            await self._launch(entries, ground, run)
            cells = [Cell(**entry["cell"]) for entry in entries if entry["state"] == "planned"]
            await ground.warm_up(cells)
            await self._rounds(self.plan.blocks[block], cells, ground, Random(f"{self.seed} {block}"))

    async def _rounds(self, block: Block, cells: list[Cell], ground: Ground, order: Random) -> None:
        trials: dict[Cell, list[Trial]] = {cell: [] for cell in cells}
        done, began = 0, time.monotonic()
        for look in block.looks:
            pace = (time.monotonic() - began) / done if done else 0.0
            if done and (self._left() < pace * (look - done) or self._resolved(block, trials)):
                return
            self._planned += (look - done) * len(cells)
            for number in range(done + 1, look + 1):
                for cell in order.sample(cells, len(cells)):
                    if self._spent():
                        return
                    trials[cell].append(await self._trial(cell, number, ground))
            done = look

    async def _trial(self, cell: Cell, number: int, ground: Ground) -> Trial:
        trial = self.kept.get((cell, number))
        if trial is None:
            # The same events for all cells of a round: they are compared in pairs.
            trial = await ground.trial(cell, number, Random(f"{self.seed} {number} {cell.scenario}"))
            write_trial(self.folder, trial)
        self._done += 1
        self.tell(Progress(trial, self._done, self._planned))
        return trial

    async def _launch(self, entries: list[dict[str, Any]], ground: Ground, run: Run) -> None:
        """Lay the links and launch the engines; the cells of one that isn't there are unavailable, and say why."""
        for name, link in dict.fromkeys((entry["cell"]["engine"], entry["cell"]["link"]) for entry in entries):
            try:
                engine = await ground.engine(name, link)
                run.links[link] = await ground.facts(link)
                run.engines.setdefault(
                    name,
                    {"version": engine.version, "flags": list(engine.flags), "clock": asdict(engine.clock)},
                )
            except UserError as error:
                for entry in entries:
                    if (entry["cell"]["engine"], entry["cell"]["link"]) == (name, link):
                        entry |= {"state": "unavailable", "reason": str(error)}
        run.save(self.folder)

    def _resolved(self, block: Block, trials: Mapping[Cell, list[Trial]]) -> bool:
        """Whether every difference has a verdict, or one that more rounds would not change."""
        return all(
            stats.resolved(stats.differences(summary.compared(family, 50), looks=len(block.looks)))
            for family in summary.families(trials)
        )

    def _left(self) -> float:
        return (self.plan.budget or float("inf")) - (time.monotonic() - self._began)

    def _spent(self) -> bool:
        return self._left() <= 0


def _head(plan: Plan, seed: int) -> Run:
    return Run(
        plan=plan.name,
        seed=seed,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        settings=plan.as_settings() | {"scenarios": scenario_titles(plan)},
        machine=machine(),
        versions={"python": platform.python_version()} | {name: _version(name) for name in LIBRARIES},
    )


def scenario_titles(plan: Plan) -> dict[str, str]:
    """What the plan's scenarios are: a run tells, for they may change."""
    return {name: scenario(name).title for block in plan.blocks for name in block.scenarios}


def machine() -> dict[str, Any]:
    """What was measured on: never without it, numbers mean nothing."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load": [round(load, 2) for load in psutil.getloadavg()],
        "cpu_clock": cost.cpu_clock(),
    }


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    named = (line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name"))
    return next(named, platform.machine())


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
