"""What a run leaves behind: a folder that holds everything measured, written as soon as it was.

run.json          plan, seed, machine, versions, engines with their flags and clocks, every cell's state
trials/*.jsonl    one file per trial: its head, then a line per event that was sent, written or received
summary.json, summary.csv, report.html, report.md    made from the two above, at any time again
"""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

from lab.errors import UserError

FORMAT = 1

EVENTS = ("sent", "written", "arrived")
"""Of a trial: what has a line for each event in its file."""


@dataclass(frozen=True, order=True)
class Cell:
    """What is measured: transport[:variant] × engine × scenario × link."""

    transport: str
    variant: str | None
    engine: str
    scenario: str
    link: str = "direct"

    @property
    def subject(self) -> str:
        return f"{self.transport}:{self.variant}" if self.variant else self.transport

    @property
    def name(self) -> str:
        return f"{self.subject} {self.engine} {self.scenario} {self.link}"


@dataclass(frozen=True)
class Sample:
    """One event that was sent: when due, when appended, and every time it was received (ns, CLOCK_MONOTONIC)."""

    epoch: int
    id: int
    due: int
    at: int
    received: list[int]


@dataclass(frozen=True)
class Trial:
    """One fresh reader, one connect, one run of a scenario. Times in ns, CLOCK_MONOTONIC.

    `written` is when the server first handed each event to the kernel, as (epoch, id, written); empty where that could
    not be seen. `arrived` is the order in which events arrived, each as (epoch, id, received), repeated and foreign
    ones too.
    """

    cell: Cell
    round: int
    state: Literal["measured", "failed"]
    reason: str = ""
    began: int = 0  # the source was started
    ended: int = 0  # the reader was read back
    navigated: int = 0  # the reader set out
    opened: list[int] = field(default_factory=list)
    lost: list[tuple[int, str]] = field(default_factory=list)  # connections
    gaps: list[dict[str, Any]] = field(default_factory=list)
    bound_ms: float = 0.0  # of the clock
    sent: list[tuple[int, int, int, int]] = field(default_factory=list)  # epoch, id, due, at
    written: list[tuple[int, int, int]] = field(default_factory=list)
    arrived: list[tuple[int, int, int]] = field(default_factory=list)
    stamps: dict[str, Any] = field(default_factory=dict)  # rtt_ms of the connection, and why it or `written` is missing
    wire: dict[str, Any] = field(default_factory=dict)  # bytes and segments while the source played; or a reason
    cost: dict[str, Any] = field(default_factory=dict)  # of the scenarios that measure cost, and nothing else
    fault: dict[str, Any] = field(default_factory=dict)  # what was done, when, until when, and what fell due unsent
    network: dict[str, Any] = field(default_factory=dict)  # what an emulated one did with packets, by direction

    @cached_property
    def samples(self) -> Sequence[Sample]:
        """What was sent, with what became of it."""
        received: dict[tuple[int, int], list[int]] = {}
        for epoch, id_, at in self.arrived:
            received.setdefault((epoch, id_), []).append(at)
        return [Sample(epoch, id_, due, at, received.get((epoch, id_), [])) for epoch, id_, due, at in self.sent]


@dataclass
class Run:
    """The head of a run; its trials are read with `trials`."""

    plan: str
    seed: int
    started: str  # ISO 8601, UTC
    settings: dict[str, Any]  # the plan's contents, as in force
    machine: dict[str, Any]
    versions: dict[str, str]
    engines: dict[str, dict[str, Any]] = field(default_factory=dict)
    cells: list[dict[str, Any]] = field(default_factory=list)  # a cell with its title, state and reason
    links: dict[str, dict[str, Any]] = field(default_factory=dict)  # what lay in between: title, configuration in force
    ended: str = "not yet"  # complete, budget, interrupted
    seconds: float = 0.0
    format: int = FORMAT

    def save(self, folder: Path) -> None:
        write_whole(folder / "run.json", json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read run.json.

        Raises:
            UserError: there is none, it is damaged, or of another format version.
        """
        path = folder / "run.json"
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise UserError(f"{folder} holds no run: {path.name} can't be read ({error.strerror})") from error
        except ValueError as error:
            raise UserError(f"{path} is damaged: {error}") from error
        if not isinstance(kept, dict) or kept.get("format") != FORMAT:
            version = kept.get("format") if isinstance(kept, dict) else None
            raise UserError(f"{path} is of format {version!r}; this pushlab reads format {FORMAT}")
        try:
            return cls(**kept)
        except TypeError as error:
            raise UserError(f"{path} is damaged: {error}") from error


def write_trial(folder: Path, trial: Trial) -> None:
    """Keep a trial; it is there whole or not at all."""
    head = asdict(trial)
    rows = [head, *({kind: row} for kind in EVENTS for row in head.pop(kind))]
    head["lines"] = len(rows) - 1  # a file that was cut off is not to be taken for lost events
    (folder / "trials").mkdir(exist_ok=True)
    text = "".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)
    write_whole(folder / "trials" / _file_name(trial), text)


def read_trials(folder: Path) -> tuple[list[Trial], list[str]]:
    """Every trial that can be read, in the order of rounds, and a sentence about each file that can't."""
    trials, complaints = [], []
    for path in sorted((folder / "trials").glob("*.jsonl")):
        try:
            trials.append(_read_trial(path))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            complaints.append(f"trials/{path.name} is damaged and was left out: {error}")
    return trials, complaints


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old one or the new one, never half of it.

    Raises:
        OSError: it can't be written; names the file, which a full disk by itself does not.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise OSError(error.errno, error.strerror, str(path)) from error


def point_latest(folder: Path) -> None:
    """Make `latest`, beside the folder, lead to it."""
    latest = folder.parent / "latest"
    fresh = folder.parent / f".latest-{os.getpid()}"
    fresh.symlink_to(folder.name)
    fresh.replace(latest)


def unreadable(cell: Cell, complaints: Iterable[str]) -> int:
    """How many files of the cell's trials these complaints, of `read_trials`, are about."""
    named = re.compile(rf"trials/\d+-{re.escape(_slug(cell))}\.jsonl is damaged")
    return sum(named.match(complaint) is not None for complaint in complaints)


def _file_name(trial: Trial) -> str:
    return f"{trial.round:03}-{_slug(trial.cell)}.jsonl"


def _slug(cell: Cell) -> str:
    return re.sub(r"[^\w.=-]+", "-", cell.name)


def _read_trial(path: Path) -> Trial:
    rows = list(_rows(path.read_text(encoding="utf-8")))
    head = dict(rows[0])
    if (lines := head.pop("lines", len(rows) - 1)) != len(rows) - 1:
        raise ValueError(f"it has {len(rows) - 1} of {lines} lines after the head")
    head["cell"] = Cell(**head["cell"])
    head["lost"] = [tuple(row) for row in head["lost"]]
    events: dict[str, Any] = {kind: [tuple(row[kind]) for row in rows[1:] if kind in row] for kind in EVENTS}
    return Trial(**head, **events)


def _rows(text: str) -> Iterator[Mapping[str, Any]]:
    for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):  # JSON may hold other ends of lines
        try:
            yield json.loads(line)
        except ValueError as error:
            raise ValueError(f"line {number} is no JSON: {line[:60]!r}") from error


def by_cell(trials: Iterable[Trial]) -> dict[Cell, list[Trial]]:
    grouped: dict[Cell, list[Trial]] = {}
    for trial in trials:
        grouped.setdefault(trial.cell, []).append(trial)
    return grouped
