"""Questions to a class, each asked twice: before and after its discussion."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from lab.classroom.class_.seating import cleaned
from lab.errors import UserError, shown

LONGEST_QUESTION, LONGEST_OPTION, MOST_OPTIONS = 300, 100, 8
MOST_POINTS = 64
LARGEST = 1e12

Round = Literal["before", "after"]
Phase = Literal["before", "discuss", "after", "shown"]
Kind = Literal["choice", "number", "ranking", "curve"]

Vote = int | float | list[int] | list[float]


@dataclass
class Question:
    """Attributes:
    kind: what a vote is: an option's index, a number, a ranking (the options' indices in order), a curve (its values).
    unit: of a number or a curve. step: of a lesson, as `LESSON/STEP`; empty where the teacher typed it.
    shape: what else a page has to know to ask it: see `lab.classroom.teaching.question`.
    answer: what is right by what was measured, and how many have said so; empty until it was.
    phase: which votes are taken: the first, none while it is discussed, the second, none any more.
    votes: by round and seat; the last one that a seat gave counts.
    """

    number: int
    text: str
    kind: Kind = "choice"
    options: Sequence[str] = ()
    unit: str = ""
    step: str = ""
    shape: Mapping[str, Any] = field(default_factory=dict)
    answer: Mapping[str, Any] = field(default_factory=dict)
    phase: Phase = "before"
    votes: dict[Round, dict[int, Vote]] = field(default_factory=lambda: {"before": {}, "after": {}})

    @property
    def round(self) -> Round | None:
        """The votes that are taken now."""
        return self.phase if self.phase in ("before", "after") else None

    def check(self, vote: Vote) -> None:
        """Raises:
        UserError: it is no answer to this question.
        """
        if not self._fits(vote):
            raise UserError(f"{str(vote)[:40]!r} is no answer to this question: it takes {self._right}")

    def tally(self, round_: Round) -> dict[str, Any]:
        """How many voted, and for what: for each option, or for a ranking how many put it first; else the values."""
        votes = list(self.votes[round_].values())
        if self.kind in ("number", "curve"):
            return {"voted": len(votes), "values": votes}
        first = [vote if self.kind == "choice" else vote[0] for vote in votes]  # type: ignore[index]
        return {"voted": len(votes), "counts": [first.count(nth) for nth in range(len(self.options))]}

    def _fits(self, vote: Vote) -> bool:
        if self.kind == "choice":
            return isinstance(vote, int) and 0 <= vote < len(self.options)
        if self.kind == "ranking":
            return isinstance(vote, list) and sorted(vote) == list(range(len(self.options)))
        if self.kind == "curve":
            return isinstance(vote, list) and 2 <= len(vote) <= MOST_POINTS and all(map(_sane, vote))
        return not isinstance(vote, list) and _sane(vote)

    @property
    def _right(self) -> str:
        return {
            "choice": f"the number of an option, from 0 to {len(self.options) - 1}",
            "ranking": "every option's number once",
            "curve": f"2 to {MOST_POINTS} numbers",
            "number": "a number",
        }[self.kind]


def _whole(text: str, most: int) -> str:
    """Fit to be shown.

    Raises:
        UserError: it is too long: nobody would vote on what was cut off.
    """
    fit = cleaned(text, most + 1)
    if len(fit) > most:
        raise UserError(f"{shown(fit)} is too long: {most} characters are the most")
    return fit


def _sane(value: float) -> bool:
    return not isinstance(value, bool) and math.isfinite(value) and abs(value) <= LARGEST


def asked(number: int, text: str, options: Sequence[str]) -> Question:
    """A question of choice, as the teacher types it.

    Raises:
        UserError: it is none.
    """
    text, options = _whole(text, LONGEST_QUESTION), [_whole(one, LONGEST_OPTION) for one in options]
    if not text:
        raise UserError("a question needs a text")
    if not all(options) or not 2 <= len(options) <= MOST_OPTIONS or len(set(options)) < len(options):
        raise UserError(f"a question needs 2 to {MOST_OPTIONS} different options, none of them empty")
    return Question(number, text, "choice", options)
