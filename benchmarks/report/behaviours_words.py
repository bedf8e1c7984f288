"""The behaviours in words: what was observed, and nothing else. Names stand in `backticks`."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from benchmarks.report.behaviours import IMPOSSIBLE, NOT_YET, Cell, Panel, Report, Sight
from benchmarks.report.behaviours_drawing import quantity
from benchmarks.report.figures import count, listed, number

SIGNS = {"bitten": "●", "unhurt": "○"}
KEY = (
    ("● bitten", "the transport fell into the pit"),
    ("○ unhurt", "it did not"),
    ("✓", "as expected"),
    ("✕", "not as expected"),
    ("?", "nothing was observed, and why"),
)


@dataclass(frozen=True)
class Fate:
    """What befell a transport without the cures: ids of experiments."""

    subject: str
    bitten: Sequence[str]
    unhurt: Sequence[str]

    @property
    def of(self) -> int:
        return len(self.bitten) + len(self.unhurt)

    @property
    def share(self) -> Fraction:
        return Fraction(len(self.bitten), self.of)


def fates(panel: Panel) -> list[Fate]:
    """Of each transport of which something was observed: who was bitten most comes first."""
    found = []
    for subject in panel.subjects:
        bites = panel.bites(subject, cured=False)
        fate = Fate(subject, [id_ for id_, it in bites.items() if it], [id_ for id_, it in bites.items() if not it])
        found += [fate] if bites else []
    return sorted(found, key=lambda fate: (-fate.share, fate.subject))


def headline(panel: Panel) -> str:
    """Who is bitten most and least, by default, in a line."""
    found = _comparable(fates(panel))
    if not found:
        return "Nothing was observed yet"
    most = [fate for fate in found if fate.share == found[0].share]
    least = [fate for fate in found if fate.share == found[-1].share]
    if len(most) == len(found):
        return f"{_named(found)} {_are(found)} bitten by {_of(found)}"
    return f"{_named(most)} {_are(most)} bitten most, by {_of(most)}; {_named(least)} least, by {_of(least)}"


def _comparable(found: Sequence[Fate]) -> Sequence[Fate]:
    """Those that were put to about as many pitfalls: one of one is no more than four of seven."""
    most = max((fate.of for fate in found), default=0)
    return [fate for fate in found if fate.of * 2 > most]


def sentences(panel: Panel) -> Iterator[str]:
    """What counts don't say, what the cures change, what was not as expected, and what was not observed."""
    if len(_comparable(fates(panel))) > 1:
        yield COUNTS
    yield from _cures(panel)
    yield from _unexpected(panel)
    yield from _absent(panel)


COUNTS = (
    "A count is no rank: one pitfall costs a second, another the events, and which of them lie in your users' way "
    "only you know."
)


def _cures(panel: Panel) -> Iterator[str]:
    tried = [cell for cell in panel.cells if cell.plain.bitten and cell.cured and cell.cured.bitten is not None]
    if not tried:
        return
    left = list(panel.remaining())
    gone = f"{len(tried) - len(left)} of {count(len(tried), 'bite')}" if left else _all(len(tried))
    still = f"; still bitten: {cells(left)}" if left else ""
    yield f"With its cure on, {gone} {'is' if len(tried) == 1 else 'are'} gone{still}."
    hurt = [cell for cell in panel.cells if cell.plain.bitten is False and cell.cured and cell.cured.bitten]
    if hurt:
        yield f"The cure itself has bitten {cells(hurt)}."


def _all(n: int) -> str:
    return "the only bite" if n == 1 else f"all {n} bites"


def _unexpected(panel: Panel) -> Iterator[str]:
    observed = [sight for sight in panel.sights if sight.state == "observed"]
    wrong = [(cell, sight) for cell in panel.cells for sight in cell.sights if sight.mark == "✕"]
    if wrong:
        names = [f"{cell.experiment.id} with `{cell.subject}`{_how(sight)}" for cell, sight in wrong]
        yield f"Not as expected, {len(wrong)} of {count(len(observed), 'observation')}: {listed(names)}."
    elif observed:
        yield f"Everything was as expected, in {count(len(observed), 'observation')}."


def _how(sight: Sight) -> str:
    return f" ({sight.word}{' with the cure' if sight.spot.cured else ''})"


def _absent(panel: Panel) -> Iterator[str]:
    states = Counter(sight.state for sight in panel.sights if sight.state not in ("observed", IMPOSSIBLE))
    if states:
        parts = [f"{n} {state}" for state, n in states.items()]
        yield f"Of {count(len(panel.sights), 'place')} of the matrix, {listed(parts)}; each says why."
    impossible = [row.experiment.id for row in panel.rows if row.experiment.impossible]
    if impossible:
        yield f"This lab can't make {listed(impossible)}."


def cells(found: Iterable[Cell]) -> str:
    """Experiments and with whom: "P7 with `sse`"."""
    return listed([f"{cell.experiment.id} with `{cell.subject}`" for cell in found])


def span(report: Report) -> str:
    """From when to when it was observed, in words."""
    days = [seen.when for seen in report.seen]
    if not days:
        return "never observed"
    first, last = instant(days[0]), instant(days[-1])
    return f"observed {last}" if first == last else f"observed from {first} to {last}"


def instant(when: str) -> str:
    """An instant as people read it: "2026-11-24 18:05 UTC"."""
    return f"{when[:16].replace('T', ' ')} UTC"


def short(sight: Sight) -> str:
    """Mark and word: "✓ bitten", "? unsupported"."""
    return f"{sight.mark} {sign(sight)}{sight.word}"


def sign(sight: Sight) -> str:
    return f"{SIGNS[sight.word]} " if sight.word in SIGNS else ""


def tried(report: Report) -> bool:
    """Whether there is anything to report but what is not there."""
    return any(sight.state != NOT_YET for panel in report.panels for sight in panel.sights)


def numbers(sight: Sight) -> Iterator[tuple[str, str]]:
    """What was measured, each with its unit, in writing."""
    measured: Mapping[str, Any] = sight.seen.observation.numbers if sight.seen and sight.seen.observation else {}
    for name, value in measured.items():
        words, unit = quantity(name)
        yield words, f"{written(value)}\N{NO-BREAK SPACE}{unit}" if unit and value is not None else written(value)


def written(value: float | str | bool | None) -> str:  # noqa: FBT001  (whatever an experiment has noted)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) or value is None:
        return "not known" if value is None else value
    return f"{value:,.0f}".replace("-", "−") if float(value).is_integer() else number(value)


def _named(found: Sequence[Fate]) -> str:
    return listed([f"`{fate.subject}`" for fate in found])


def _are(found: Sequence[Fate]) -> str:
    return "is" if len(found) == 1 else "are"


def _of(found: Sequence[Fate]) -> str:
    """How many of how many pitfalls: of those that were put to each, which may differ."""
    if not found[0].share:
        return "none"
    *others, last = sorted({(fate.of, len(fate.bitten)) for fate in found})
    return listed([*(f"{bitten} of {of}" for of, bitten in others), f"{last[1]} of {count(last[0], 'pitfall')}"])
