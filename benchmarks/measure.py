"""Measuring: rounds in which every cell has its turn, in an order by lot, each trial with a fresh reader."""

import asyncio
import platform
import time
from collections.abc import Callable, Mapping
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
from benchmarks.plan import Block, Plan
from benchmarks.runs import Cell, Run, Trial, write_trial
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
    """A run of a plan; whatever is measured is in `folder` as soon as it was."""

    plan: Plan
    subjects: Mapping[str, Subject]
    folder: Path
    seed: int
    tell: Callable[[Progress], None] = lambda _progress: None
    _began: float = field(default_factory=time.monotonic)
    _done: int = 0
    _planned: int = 0

    async def run(self) -> Run:
        """Measure every block; what was finished stays when it is interrupted."""
        run = _head(self.plan, self.seed)
        for block in self.plan.blocks:
            for cell in block.cells(self.subjects):
                state, reason = self._state(cell)
                title = self.subjects[cell.subject].title
                run.cells.append({"cell": asdict(cell), "title": title, "state": state, "reason": reason})
        self.folder.mkdir(parents=True)
        run.save(self.folder)
        try:
            for number, block in enumerate(self.plan.blocks):
                await self._measure(block, run, number)
            run.ended = "budget" if self._spent() else "complete"
        except asyncio.CancelledError:
            run.ended = "interrupted"
            raise
        finally:
            run.seconds = round(time.monotonic() - self._began, 1)
            run.save(self.folder)
        return run

    def _state(self, cell: Cell) -> tuple[str, str]:
        subject = self.subjects[cell.subject]
        if subject.found.module is None:
            return "unavailable", subject.found.reason
        unsupported = subject.unsupported(cell.engine)
        return ("unsupported", unsupported) if unsupported else ("failed", "its turn never came")

    async def _measure(self, block: Block, run: Run, number: int) -> None:
        """Rounds of one block: so many as planned, then more while it is worth it."""
        todo = [entry for entry in run.cells if entry["state"] == "failed"]
        mine = set(block.cells(self.subjects))
        cells = [cell for entry in todo if (cell := Cell(**entry["cell"])) in mine]
        if not cells or self._spent():
            return
        async with AsyncExitStack() as stack:
            ground = Ground(stack, self.subjects)
            cells = await self._launchable(cells, ground, run)
            await ground.warm_up(cells)
            trials: dict[Cell, list[Trial]] = {cell: [] for cell in cells}
            self._planned += block.rounds * len(cells)
            order = Random(f"{self.seed} {number}")
            last, began = 0, time.monotonic()
            while last < block.rounds or self._worth_another(block, trials, last, time.monotonic() - began):
                last += 1
                await self._round(last, order.sample(cells, len(cells)), ground, trials)
                if self._spent():
                    break
        self._note_states(run, trials)

    async def _round(self, number: int, cells: list[Cell], ground: Ground, trials: dict[Cell, list[Trial]]) -> None:
        for cell in cells:
            if self._spent():
                return
            # The same events for all cells of a round: they are compared in pairs.
            trial = await ground.trial(cell, number, Random(f"{self.seed} {number} {cell.scenario}"))
            write_trial(self.folder, trial)
            trials[cell].append(trial)
            self._done += 1
            self.tell(Progress(trial, self._done, max(self._planned, self._done)))

    async def _launchable(self, cells: list[Cell], ground: Ground, run: Run) -> list[Cell]:
        """Launch the engines; the cells of one that isn't there are unavailable, and say why."""
        missing: dict[str, str] = {}
        for name in dict.fromkeys(cell.engine for cell in cells):
            try:
                engine = await ground.engine(name)
                run.engines[name] = {
                    "version": engine.version,
                    "flags": list(engine.flags),
                    "clock": asdict(engine.clock),
                }
            except UserError as error:
                missing[name] = str(error)
        for entry in run.cells:
            if entry["cell"]["engine"] in missing and entry["state"] == "failed":
                entry |= {"state": "unavailable", "reason": missing[entry["cell"]["engine"]]}
        run.save(self.folder)
        return [cell for cell in cells if cell.engine not in missing]

    def _worth_another(self, block: Block, trials: Mapping[Cell, list[Trial]], rounds: int, seconds: float) -> bool:
        """Whether a difference is unresolved, and there is time for one more round."""
        if not rounds < block.most or self.plan.budget is None:
            return False
        if self._left() < 1.2 * seconds / rounds:
            return False
        for family in summary.families(trials):
            if not stats.resolved(stats.differences(summary.compared(family, 50))):
                return True
        return False

    def _note_states(self, run: Run, trials: Mapping[Cell, list[Trial]]) -> None:
        for entry in run.cells:
            mine = trials.get(Cell(**entry["cell"]), [])
            if any(trial.state == "measured" for trial in mine):
                entry |= {"state": "measured", "reason": ""}
            elif mine:
                entry["reason"] = mine[-1].reason
        run.save(self.folder)

    def _left(self) -> float:
        return (self.plan.budget or float("inf")) - (time.monotonic() - self._began)

    def _spent(self) -> bool:
        return self._left() <= 0


def _head(plan: Plan, seed: int) -> Run:
    return Run(
        plan=plan.name,
        seed=seed,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        settings=plan.as_settings(),
        machine=machine(),
        versions={"python": platform.python_version()} | {name: _version(name) for name in LIBRARIES},
    )


def machine() -> dict[str, Any]:
    """What was measured on: never without it, numbers mean nothing."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load": [round(load, 2) for load in psutil.getloadavg()],
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
