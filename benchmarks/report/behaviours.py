"""The behaviour matrix as it is shown: a panel for each engine, with a row for each experiment."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.behaviours.experiment import Experiment
from benchmarks.behaviours.store import Mark, Seen, Spot, spots

NOT_YET = "not yet observed"
IMPOSSIBLE = "not possible here"


@dataclass(frozen=True)
class Sight:
    """What is known of a spot.

    Attributes:
        state: as in `Seen`, or NOT_YET, or IMPOSSIBLE. reason: why it is not "observed".
    """

    spot: Spot
    state: str
    reason: str = ""
    seen: Seen | None = None

    @property
    def mark(self) -> Mark:
        return self.seen.mark if self.seen else "?"

    @property
    def bitten(self) -> bool | None:
        """None where that is not known."""
        return self.seen.observation.bitten if self.seen and self.seen.observation else None

    @property
    def word(self) -> str:
        return self.state if self.bitten is None else "bitten" if self.bitten else "unhurt"

    @property
    def says(self) -> str:
        """What was seen, in a sentence, or why nothing was."""
        return self.seen.observation.says if self.seen and self.seen.observation else self.reason


@dataclass(frozen=True)
class Cell:
    """An experiment with one transport in one engine; `cured` is None where there is no cure to be observed."""

    experiment: Experiment
    subject: str
    engine: str
    plain: Sight
    cured: Sight | None

    @property
    def sights(self) -> list[Sight]:
        return [self.plain] if self.cured is None else [self.plain, self.cured]

    @property
    def alike(self) -> bool:
        """Whether there is only one thing to say of both: that, and why, nothing was observed."""
        return len({(sight.state, sight.reason) for sight in self.sights}) == 1 and self.plain.state != "observed"

    @property
    def name(self) -> str:
        """Names it in a page: an anchor."""
        return f"{self.experiment.id}-{self.subject}-{self.engine}".replace(":", "-").lower()


@dataclass(frozen=True)
class Row:
    experiment: Experiment
    cells: Mapping[str, Cell]  # by subject

    @property
    def last(self) -> str:
        """When something of it was last observed, ISO 8601; empty if it never was."""
        return max((sight.seen.when for sight in self.sights if sight.seen), default="")

    @property
    def sights(self) -> list[Sight]:
        return [sight for cell in self.cells.values() for sight in cell.sights]


@dataclass(frozen=True)
class Panel:
    """Everything in one engine."""

    engine: str
    subjects: Sequence[str]
    rows: Sequence[Row]

    @property
    def sights(self) -> list[Sight]:
        return [sight for row in self.rows for sight in row.sights]

    def bites(self, subject: str, *, cured: bool) -> dict[str, bool]:
        """Which experiments have bitten it, of those that were observed: by their ids."""
        found = ((row.experiment.id, _sight(row.cells[subject], cured=cured)) for row in self.rows)
        return {id_: sight.bitten for id_, sight in found if sight and sight.bitten is not None}

    def remaining(self) -> Iterator[Cell]:
        """Cells that were bitten without the cure and with it."""
        yield from (cell for cell in self.cells if cell.plain.bitten and cell.cured and cell.cured.bitten)

    @property
    def cells(self) -> list[Cell]:
        return [cell for row in self.rows for cell in row.cells.values()]


@dataclass(frozen=True)
class Report:
    """All that is reported. `complaints` are sentences about files that could not be read."""

    panels: Sequence[Panel]
    experiments: Sequence[Experiment]
    complaints: Sequence[str] = ()

    @property
    def seen(self) -> list[Seen]:
        """Everything that was observed or tried, the oldest first."""
        found = (sight.seen for panel in self.panels for sight in panel.sights if sight.seen)
        return sorted(found, key=lambda one: one.when)

    def of(self, experiment: Experiment) -> list[Cell]:
        """Its cells in all engines."""
        return [cell for panel in self.panels for cell in panel.cells if cell.experiment is experiment]


def report(
    experiments: Sequence[Experiment],
    subjects: Sequence[str],
    engines: Sequence[str],
    seen: Mapping[Spot, Seen],
    complaints: Iterable[str] = (),
) -> Report:
    """What there is to show of these experiments, transports and engines."""
    panels = [Panel(engine, subjects, [_row(one, subjects, engine, seen) for one in experiments]) for engine in engines]
    return Report(panels, experiments, list(complaints))


def _row(experiment: Experiment, subjects: Sequence[str], engine: str, seen: Mapping[Spot, Seen]) -> Row:
    return Row(experiment, {subject: _cell(experiment, subject, engine, seen) for subject in subjects})


def _cell(experiment: Experiment, subject: str, engine: str, seen: Mapping[Spot, Seen]) -> Cell:
    plain, *cured = (_known(experiment, spot, seen.get(spot)) for spot in spots(experiment, subject, engine))
    return Cell(experiment, subject, engine, plain, cured[0] if cured else None)


def _known(experiment: Experiment, spot: Spot, seen: Seen | None) -> Sight:
    if experiment.impossible:
        return Sight(spot, IMPOSSIBLE, experiment.impossible)
    if seen is None:
        return Sight(
            spot,
            NOT_YET,
            f"it takes {minutes(experiment.seconds)}, and is made only when asked for" if experiment.long else "",
        )
    return Sight(spot, seen.state, seen.reason, seen)


def _sight(cell: Cell, *, cured: bool) -> Sight | None:
    return cell.cured if cured else cell.plain


def minutes(seconds: float) -> str:
    """About how long: "8 s", "7 minutes"."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} minutes"
