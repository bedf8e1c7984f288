"""A class as an ordinary run: run.json and trials, of which `pushlab report` makes its report. No names, no keys."""

import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.measure import machine
from benchmarks.runs import Cell, Run, Trial, write_trial
from lab.classroom.class_.measurements import Measurement, Part
from lab.classroom.class_.room import Room
from lab.classroom.class_.timing import Offset, around, offset
from lab.errors import UserError

SCENARIO = "class"
REPETITIONS = 100
"""A round is a device's number times this, and which time it measures this cell: pairs are of one device."""

UNSTAMPED = "in a class it is not noted when the server writes"
UNCOUNTED = "in a class bytes are not counted: its devices share one server"
LIBRARIES = ("pushlab", "fastapi", "starlette", "uvicorn", "websockets")

ABOUT = "A trial is a fresh connection of a page that stays; a round is a device, and how often it did the same before"
SEEDED = "Every event's instant follows from it; devices went on from transport to transport in their order."

Kind = tuple[str, float, bool]  # source, seconds, disturbed: what makes a scenario


def save(room: Room, folder: Path, only: int = 0) -> None:
    """Write the class as it is now, of its trials those of one measurement, or all; it may be saved again."""
    folder.mkdir(parents=True, exist_ok=True)
    trials = list(_numbered(room))
    for number, trial in trials:
        if only in (0, number):
            write_trial(folder, trial)
    _head(room, [trial for _, trial in trials]).save(folder)


def trials_of(room: Room) -> Iterator[Trial]:
    """One for each device in each measurement that is over."""
    return (trial for _, trial in _numbered(room))


def _numbered(room: Room) -> Iterator[tuple[int, Trial]]:
    """Each with the number of its measurement."""
    repetitions: dict[tuple[int, Cell], int] = {}
    names = scenarios(room.measurements)
    for measurement in room.measurements:
        if measurement.over and measurement.sent:
            name = names[_kind(measurement)]
            for part in measurement.parts.values():
                cell = cell_of(part, name)
                nth = repetitions[part.seat, cell] = repetitions.get((part.seat, cell), 0) + 1
                part.trial = part.trial or trial_of(measurement, part, cell, part.seat * REPETITIONS + nth)
                yield measurement.number, part.trial


def scenarios(measurements: Sequence[Measurement]) -> dict[Kind, str]:
    """A name for each kind of measurement: "class", "class-2" …"""
    kinds = dict.fromkeys(_kind(one) for one in measurements)
    return {kind: SCENARIO if nth == 1 else f"{SCENARIO}-{nth}" for nth, kind in enumerate(kinds, 1)}


def _kind(measurement: Measurement) -> Kind:
    return measurement.source, measurement.seconds, bool(measurement.faults)


def cell_of(part: Part, scenario: str) -> Cell:
    transport, _, variant = part.transport.partition(":")
    return Cell(transport, variant or None, part.engine, scenario, part.link)


def trial_of(measurement: Measurement, part: Part, cell: Cell, number: int) -> Trial:
    """A device's trial on the server's clock; failed, and why, where its figures would not hold."""
    sent: Any = [tuple(row) for row in measurement.sent]
    known = {
        "sent": sent,
        "began": measurement.began,
        "stamps": {"rtt_ms": None, "reason": UNSTAMPED},
        "wire": {"reason": UNCOUNTED},
        "fault": dict(measurement.faults.get(part.transport, {})),
    }
    if not part.ready:
        return Trial(cell, number, "failed", "it did not open its transport in time", **known)
    if not part.final:
        return Trial(cell, number, "failed", "the device did not tell what had arrived", **known)
    seen = _seen(part, around([offset(part.ready.ping), offset(part.final.ping)]))
    if part.final.hidden:
        why = "the page was hidden meanwhile, and browsers slow hidden pages down"
        return Trial(cell, number, "failed", why, **known, **seen)
    return Trial(cell, number, "measured", **known, **seen)


def _seen(part: Part, clock: Offset) -> dict[str, Any]:
    assert part.ready
    assert part.final
    return {
        "navigated": clock.at(part.ready.set_out),
        "ended": clock.at(part.final.ping.received),
        "opened": [clock.at(ms) for ms in part.final.opened],
        "lost": [(clock.at(ms), why) for ms, why in part.final.lost],
        "gaps": [gap.model_dump(by_alias=True) for gap in part.final.gaps],
        "bound_ms": clock.bound,
        "arrived": [(one.epoch, one.id, clock.at(one.received)) for one in part.arrivals],
    }


def _head(room: Room, trials: Sequence[Trial]) -> Run:
    titles = {name: _title(kind) for kind, name in scenarios(room.measurements).items()}
    return Run(
        plan="class",
        seed=room.seed,
        started=room.opened["started"],
        settings={
            "name": "class",
            "about": f"{len(room.seats)} devices of a class, all at once. {ABOUT}",
            "seeded": SEEDED,
            "budget": None,
            "blocks": [],
            "scenarios": titles,
        },
        machine=machine(),
        versions={"python": platform.python_version()} | {name: version(name) for name in LIBRARIES},
        engines=dict(_engines(room, trials)),
        cells=[_entry(room, cell) for cell in dict.fromkeys(trial.cell for trial in trials)],
        links={trial.cell.link: {"title": _link(trial.cell.link)} for trial in trials},
        ended="complete",
        seconds=round(sum(one.seconds for one in room.measurements if one.over), 1),
    )


def _title(kind: Kind) -> str:
    source, seconds, disturbed = kind
    return f"{source} for {seconds:g} s, to every device at once" + (
        "; connections were disturbed by the teacher meanwhile" if disturbed else ""
    )


def _link(link: str) -> str:
    behind = link.removesuffix("network").removesuffix("+")
    if link.endswith("network"):
        return f"{behind}, and the classroom's own network" if behind else "the classroom's own network"
    return "nothing: every page was on the teacher's machine" if link == "direct" else link


def _entry(room: Room, cell: Cell) -> dict[str, Any]:
    subject = room.transports.get(cell.subject)
    title = subject.title if subject else cell.subject
    return {"cell": asdict(cell), "block": 0, "looks": 1, "title": title, "state": "planned", "reason": ""}


def _engines(room: Room, trials: Sequence[Trial]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What there was of each engine, and the widest bound of its clocks."""
    parts = [part for one in room.measurements for part in one.parts.values() if part.final]
    for engine in dict.fromkeys(trial.cell.engine for trial in trials):
        browsers = sorted({seat.browser for seat in room.seats.values() if seat.engine == engine})
        untested = "" if all(seat.tested for seat in room.seats.values() if seat.engine == engine) else ", never tested"
        steps = [part.final.ping.step for part in parts if part.engine == engine and part.final]
        bounds = [trial.bound_ms for trial in trials if trial.cell.engine == engine and trial.state == "measured"]
        yield (
            engine,
            {
                "version": f"{', '.join(browsers)}{untested}",
                "flags": [],
                "clock": {
                    "method": "the smallest round trip of pings over a WebSocket, before and after each measurement",
                    "bound_ms": max(bounds, default=0.0),
                    "step_ms": max(steps, default=0.0),
                },
            },
        )


def stored(folder: Path) -> Path:
    """The journal of a class in that folder.

    Raises:
        UserError: there is none.
    """
    journal = folder / JOURNAL
    if not journal.is_file():
        raise UserError(f"{str(folder)!r} holds no class: it has no {JOURNAL}")
    return journal


JOURNAL = "class.jsonl"
