"""Observations in files: a folder with one JSON file for each, written whole as soon as it was made."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from benchmarks.behaviours.experiment import Experiment, Moment, Observation
from benchmarks.runs import write_whole
from lab.errors import UserError

FORMAT = 1

Mark = Literal["✓", "✕", "?"]
"""As expected, not as expected, not to be had."""


@dataclass(frozen=True)
class Spot:
    """A place in the matrix: an experiment, with or without its cure, on one subject in one engine."""

    experiment: str
    subject: str
    engine: str
    cured: bool

    @property
    def file(self) -> str:
        how = "cured" if self.cured else "plain"
        return re.sub(r"[^\w.=-]+", "-", f"{self.experiment}-{self.subject}-{self.engine}-{how}") + ".json"


@dataclass(frozen=True)
class Seen:
    """What was observed at a spot, or why nothing was.

    Attributes:
        state: "observed", "unsupported" (it can't be, for `reason`), "unavailable" (here), "failed".
        when: when that was. expected: whether the transport should have been bitten.
    """

    spot: Spot
    state: Literal["observed", "unsupported", "unavailable", "failed"]
    reason: str = ""
    expected: bool | None = None
    observation: Observation | None = None
    moments: list[Moment] = field(default_factory=list)
    seconds: float = 0.0
    when: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    versions: Mapping[str, str] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def mark(self) -> Mark:
        if self.observation is None:
            return "?"
        return "✓" if self.observation.bitten == self.expected else "✕"


def write(folder: Path, seen: Seen) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / seen.spot.file, text(seen))


def text(seen: Seen) -> str:
    """As it is kept.

    Raises:
        TypeError: something in it is neither text nor number.
    """
    return json.dumps(asdict(seen), indent=1, ensure_ascii=False, default=float) + "\n"


def read(folder: Path) -> tuple[dict[Spot, Seen], list[str]]:
    """Everything observed in that folder, and a sentence about each file that can't be read."""
    found, complaints = {}, []
    for path in sorted(filter(_is_ours, folder.glob("*.json"))):
        try:
            seen = _read(path)
            found[seen.spot] = seen
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            complaints.append(f"{path.name} is damaged and was left out: {error}")
    return found, complaints


def _read(path: Path) -> Seen:
    kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if kept["format"] != FORMAT:
        raise ValueError(f"it is of format {kept['format']!r}; this pushlab reads format {FORMAT}")
    observation = kept["observation"]
    if observation is not None:
        curves = {name: [tuple(point) for point in points] for name, points in observation["curves"].items()}
        observation = Observation(**{**observation, "curves": curves, "log": tuple(observation["log"])})
    return Seen(
        **{
            **kept,
            "spot": Spot(**kept["spot"]),
            "observation": observation,
            "moments": [Moment(**moment) for moment in kept["moments"]],
        }
    )


def checked(folder: Path) -> Path:
    """Raises:
    UserError: the folder is there and holds something else.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--out {str(folder)!r} is a file: name a folder")
    if folder.is_dir() and any(folder.iterdir()) and not any(map(_is_ours, folder.glob("*.json"))):
        raise UserError(f"--out {str(folder)!r} holds something else: name a folder that isn't there, or is empty")
    return folder


def _is_ours(path: Path) -> bool:
    return path.stem.endswith(("-plain", "-cured"))


def spots(experiment: Experiment, subject: str, engine: str) -> list[Spot]:
    """Without the cure, and with it where there is one."""
    return [Spot(experiment.name, subject, engine, cured) for cured in (False, True)[: 1 + bool(experiment.cure)]]
