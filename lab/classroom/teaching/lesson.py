"""Lessons: a folder each in lessons/, found because it is there. How one is written: docs/lessons.md."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from benchmarks import plan as plans
from benchmarks.behaviours.experiment import Experiment, chosen
from benchmarks.runs import Cell
from benchmarks.scenarios import scenario
from lab import link as links
from lab.classroom.teaching.figure import Figure, Standing
from lab.classroom.teaching.question import Question, known_value, questions
from lab.classroom.teaching.told import NAME, Told
from lab.classroom.teaching.value import OfCell, OfExperiment, Value, values
from lab.errors import UserError
from lab.transport import ENGINES, Subject, discover, subject, subjects

LESSONS = Path(__file__).parents[1] / "lessons"
LONGEST = 10
"""Minutes that a lesson may take."""

BUDGET = 150.0
"""Seconds after which a run begins no new trial; it should take far less."""

MOST_QUESTIONS, MOST_OBSERVATIONS, MOST_TIMES = 4, 2, 10

STORY, RUN, SEEN, EXPLAIN, TRY, TEACHER = (
    "The story",
    "The run",
    "What did you see?",
    "Explain",
    "Try it yourself",
    "For the teacher",
)
SECTIONS = (STORY, RUN, SEEN, EXPLAIN, TRY, TEACHER)
OPTIONAL = frozenset({SEEN})
AFTERWARDS = frozenset({EXPLAIN, TEACHER})
"""Sections that are read when the measurement is known: only these may have its figures."""

HEADING = re.compile(r"^## +(.+?) *$", re.MULTILINE)
PLACEHOLDER = re.compile(r"\{(value|interval):(\w+)\}")


@dataclass(frozen=True)
class Observing:
    """An experiment of `pushlab behaviours`, put to these subjects, plain (False) or with its cure (True)."""

    experiment: Experiment
    subjects: Sequence[str]
    engines: Sequence[str]
    cured: Sequence[bool]
    times: int

    @property
    def spots(self) -> Iterator[tuple[str, str, bool]]:
        """Subject, engine, cured."""
        for engine in self.engines:
            for one in self.subjects:
                yield from ((one, engine, cured) for cured in self.cured)


@dataclass(frozen=True)
class Way:
    """One way of running a lesson: a plan, or experiments, or both.

    Attributes:
        says: what is to be known of it where it is not the first. links: names for links.
        subjects: every transport and variant of this machine.
    """

    says: str
    links: Mapping[str, str]
    plan: plans.Plan | None
    experiments: Sequence[Observing]
    subjects: Mapping[str, Subject]

    @cached_property
    def cells(self) -> list[Cell]:
        blocks = self.plan.blocks if self.plan else ()
        return list(dict.fromkeys(cell for block in blocks for cell in block.cells(self.subjects)))

    def cell(self, text: str) -> Cell:
        """The only cell that fits: its subject, then words of what else it is.

        Raises:
            UserError: none fits, or several do.
        """
        name, *words = text.split()
        fitting = [cell for cell in self.cells if cell.subject == name and self._words(cell).issuperset(words)]
        if len(fitting) == 1:
            return fitting[0]
        there = ", ".join(cell.name for cell in (fitting or self.cells)) or "none"
        raise UserError(f"{len(fitting)} cells are called {text!r}, and one must be: there are {there}")

    def _words(self, cell: Cell) -> set[str]:
        named = {name for name, link in self.links.items() if _link(link) == cell.link}
        return {cell.engine, cell.scenario, cell.link} | named

    def spot(self, of: OfExperiment) -> tuple[Observing, tuple[str, str, bool]]:
        """Which observation is meant, and of which experiment.

        Raises:
            UserError: it isn't made, or several may be meant.
        """
        fitting = [
            (one, spot)
            for one in self.experiments
            if of.experiment in (one.experiment.id, one.experiment.name)
            for spot in one.spots
            if spot[0] == of.subject and of.engine in ("", spot[1]) and of.cured == spot[2]
        ]
        if len(fitting) != 1:
            which = f"{of.experiment} with {of.subject}{' in ' + of.engine if of.engine else ''}, cured {of.cured}"
            raise UserError(f"{len(fitting)} observations are {which}, and one must be")
        return fitting[0]

    def missing(self, absent: Mapping[str, str]) -> str:
        """Why it can't be made on this machine; empty where it can. `absent`: engines that aren't here, and why."""
        reasons = [*(self._lacks(cell, absent) for cell in self.cells), *self._unobserved(absent)]
        return next(filter(None, reasons), "")

    def _lacks(self, cell: Cell, absent: Mapping[str, str]) -> str:
        one, link = self.subjects[cell.subject], links.parse(cell.link)
        kinds = [segment.text.partition(":")[0] for segment in link.segments]
        what = scenario(cell.scenario)
        reasons = (one.found.reason, absent.get(cell.engine, ""), link.missing())
        return next(filter(None, reasons), "") or one.unsupported(cell.engine) or what.unsupported(cell.engine, kinds)

    def _unobserved(self, absent: Mapping[str, str]) -> Iterator[str]:
        for one in self.experiments:
            what = one.experiment
            yield what.impossible or what.missing()
            for name, engine, _ in one.spots:
                who = self.subjects[name]
                yield who.found.reason or absent.get(engine, "")
                yield who.unsupported(engine) or what.unfit(who, engine)


@dataclass(frozen=True)
class Claim:
    """What the explanation says of a value: that it lies between these, or, if `absent`, that it never happens.

    says: that in a sentence, with placeholders.
    """

    value: str
    above: float
    below: float
    absent: bool
    says: str

    def stands(self, figure: Figure) -> Standing:
        """Whether it is so by what the value came to be."""
        if figure.value is None:
            return "open" if not figure.absent else "yes" if self.absent else "no"
        return "no" if self.absent else figure.within(self.above, self.below)


@dataclass(frozen=True)
class Shown:
    """What appears while the run goes on: a row of dots for each value, under its label."""

    title: str
    values: Sequence[str]
    labels: Sequence[str]
    log: bool


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """A lesson as it was written.

    Attributes:
        name: of its folder. about: one line. minutes: at most `LONGEST`, reading included. order: place in the list.
        ways: of running it, the best first. values: by name, each after those that it needs.
        questions: before the run. observations: after it.
        text: Markdown, by the headings in `SECTIONS`.
    """

    name: str
    title: str
    about: str
    minutes: int
    order: int
    ways: Sequence[Way]
    values: Mapping[str, Value]
    questions: Sequence[Question]
    observations: Sequence[Question]
    shown: Shown | None
    claims: Sequence[Claim]
    text: Mapping[str, str]

    def question(self, name: str) -> Question:
        """Of either kind.

        Raises:
            UserError: there is none of that name.
        """
        return _named(name, [*self.questions, *self.observations], "question")


@dataclass(frozen=True)
class Shelf:
    """What there is. lessons: by name, in their order. broken: by its name, why a folder holds none."""

    lessons: Mapping[str, Lesson]
    broken: Mapping[str, str]

    def lesson(self, name: str) -> Lesson:
        """Raises:
        UserError: there is none of that name, which says what there is; or it is broken.
        """
        if name in self.broken:
            raise UserError(self.broken[name])
        return _named(name, list(self.lessons.values()), "lesson")

    def only(self, names: Iterable[str]) -> "Shelf":
        """These of it.

        Raises:
            UserError: there is none of a name.
        """
        broken = {name: self.broken[name] for name in names if name in self.broken}
        return Shelf({name: self.lesson(name) for name in names if name not in broken}, broken)


def shelf(folder: Path = LESSONS) -> Shelf:
    """Every lesson there is; one that is broken keeps nobody from the others."""
    among, found, broken = subjects(discover()), list[Lesson](), dict[str, str]()
    for path in sorted(one for one in folder.iterdir() if one.is_dir() and one.name[0] not in "._"):
        try:
            found.append(read(path, among))
        except UserError as error:
            broken[path.name] = str(error)
    return Shelf({one.name: one for one in sorted(found, key=lambda one: (one.order, one.name))}, broken)


Named = TypeVar("Named", Question, Lesson)


def _named(name: str, among: Sequence[Named], what: str) -> Named:
    found = next((one for one in among if one.name == name), None)
    if found is None:
        raise UserError(f"unknown {what} {name!r}: there are {', '.join(one.name for one in among)}")
    return found


def read(folder: Path, among: Mapping[str, Subject]) -> Lesson:
    """The lesson in that folder.

    Raises:
        UserError: something in it is unknown, missing or wrong.
    """
    where = f"lesson {folder.name!r}"
    if not NAME.fullmatch(folder.name):
        raise UserError(f"{where} has no good name; it must be lower-case letters, digits and underscores")
    try:
        return _read(folder, where, among)
    except UserError as error:  # what others say of a plan or an experiment does not say whose it is
        raise error if str(error).startswith(where) else UserError(f"{where}: {error}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{where}: its files must be UTF-8, and byte {error.start} of one is not") from error
    except OSError as error:
        raise UserError(f"{where}: {Path(str(error.filename)).name} can't be read: {error.strerror}") from error


def _read(folder: Path, where: str, among: Mapping[str, Subject]) -> Lesson:
    told = Told(_toml(folder / "lesson.toml", where), where)
    found = values(told.table("values"))
    units = {name: value.unit for name, value in found.items()}
    made = Lesson(
        name=folder.name,
        title=told.text("title"),
        about=told.text("about"),
        minutes=told.whole("minutes", 1, LONGEST),
        order=told.whole("order", 0, 10**6, default=10**6),
        ways=tuple(_way(one, folder.name, among) for one in told.tables("run")),
        values=found,
        questions=questions(told, "question", units),
        observations=questions(told, "observation", units),
        shown=_shown(told.table("shown"), units) if "shown" in told else None,
        claims=tuple(_claim(one, units) for one in told.tables("claim")),
        text=_sections(folder / "lesson.md", where),
    )
    told.end()
    _check(made, where)
    return made


def _toml(path: Path, where: str) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{where}: {path.name} is no TOML: {error}") from error


def _way(told: Told, name: str, among: Mapping[str, Subject]) -> Way:
    named = told.texts("links")
    experiments = tuple(_observing(one, among) for one in told.tables("experiment"))
    blocks = [dict(one.rest()) for one in told.tables("block")]
    for block in blocks:
        if isinstance(block.get("links"), list):
            block["links"] = [named.get(link, link) if isinstance(link, str) else link for link in block["links"]]
    plan = plans.parse(name, {"block": blocks, "budget": told.number("budget", BUDGET)}) if blocks else None
    way = Way(told.text("says", ""), named, plan, experiments, among)
    told.end()
    if plan is None and not experiments:
        raise UserError(f"{told.where} has neither a block nor an experiment: nothing would be measured")
    return way


def _observing(told: Told, among: Mapping[str, Subject]) -> Observing:
    (experiment,) = chosen([told.text("id")])
    names = [subject(name, among).name for name in told.several("subjects")]
    engines = told.several("engines", default=("chromium",))
    if unknown := next((name for name in engines if name not in ENGINES), None):
        raise UserError(f"{told.where}: unknown engine {unknown!r}: there are {', '.join(sorted(ENGINES))}")
    cured = told.several("cured", bool, default=(False,))
    if True in cured and not experiment.cure:
        raise UserError(f"{told.where}: {experiment.id} has no cure; cured must be [false]")
    made = Observing(experiment, names, engines, cured, told.whole("times", 1, MOST_TIMES, default=1))
    told.end()
    return made


def _shown(told: Told, units: Mapping[str, str]) -> Shown:
    names = [known_value(name, units, told.where) for name in told.several("values")]
    labels = told.several("labels")
    if len(labels) != len(names):
        raise UserError(f"{told.where}: there are {len(labels)} labels for {len(names)} values; each must have one")
    if len({units[name] for name in names}) > 1:
        raise UserError(f"{told.where}: its values have several units; they must have one")
    made = Shown(told.text("title"), names, labels, told.flag("log", default=False))
    told.end()
    return made


def _claim(told: Told, units: Mapping[str, str]) -> Claim:
    absent = told.flag("absent", default=False)
    if ("above" in told or "below" in told) == absent:
        raise UserError(f"{told.where} must have above, below or both, or else absent = true")
    name = known_value(told.name("value"), units, told.where)
    above, below = told.number("above", -float("inf")), told.number("below", float("inf"))
    if not above < below:
        raise UserError(f"{told.where}: above is {above:g}, and below is {below:g}; it must be more")
    made = Claim(name, above, below, absent, told.text("says"))
    told.end()
    return made


def _sections(path: Path, where: str) -> dict[str, str]:
    """By heading."""
    before, *parts = HEADING.split(path.read_text(encoding="utf-8"))
    found = {heading: text.strip() for heading, text in zip(parts[::2], parts[1::2], strict=True)}
    wanted = [heading for heading in SECTIONS if heading in found or heading not in OPTIONAL]
    if before.strip() or parts[::2] != wanted:
        raise UserError(
            f"{where}: {path.name} has the sections {', '.join(parts[::2])}; they must be {', '.join(wanted)}"
        )
    return found


# --- what fits together ---


def _check(made: Lesson, where: str) -> None:
    """Raises:
    UserError: parts of the lesson do not fit together.
    """
    if not made.ways:
        raise UserError(f"{where} has no [[run]]: nothing would be measured")
    for what, held, most in (
        ("question", made.questions, MOST_QUESTIONS),
        ("observation", made.observations, MOST_OBSERVATIONS),
    ):
        if not 1 <= len(held) <= most:
            raise UserError(f"{where} has {len(held)} of [[{what}]]; there must be 1 to {most}")
    names = [question.name for question in (*made.questions, *made.observations)]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UserError(f"{where}: a question and an observation are both called {twice!r}")
    for value in made.values.values():
        _check_value(value, made.ways, f"{where}: values: {value.name}")
    _check_placeholders(made, where)


def _check_value(value: Value, ways: Iterable[Way], where: str) -> None:
    for way in ways:
        try:
            if isinstance(value.of, OfCell):
                way.cell(value.of.cell)
            elif isinstance(value.of, OfExperiment):
                way.spot(value.of)
        except UserError as error:
            raise UserError(f"{where}: {error}") from error


def _check_placeholders(made: Lesson, where: str) -> None:
    for heading, text in [*made.text.items(), *((EXPLAIN, claim.says) for claim in made.claims)]:
        for kind, name in PLACEHOLDER.findall(text):
            if heading not in AFTERWARDS:
                raise UserError(f"{where}: {{{kind}:{name}}} stands in “{heading}”, where nothing is measured yet")
            known_value(name, dict.fromkeys(made.values, ""), f"{where}: “{heading}”")


def _link(text: str) -> str:
    return links.parse(text).text
