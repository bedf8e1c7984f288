"""What a reader saw of one log, reckoned up: each event comes once and in order, or a gap names it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from benchmarks.reader import Seen


@dataclass(frozen=True)
class Reckoning:
    """Between the first event that came and the last.

    Attributes:
        got: ids, as they came. named: those that gaps named.
    """

    got: list[int]
    named: list[int]

    @cached_property
    def missed(self) -> set[int]:
        """What did not come."""
        return set(range(self.got[0], self.got[-1] + 1)) - set(self.got) if self.got else set()

    @cached_property
    def silent(self) -> list[int]:
        """What did not come, and no gap names it."""
        return sorted(self.missed - set(self.named))

    @property
    def repeated(self) -> int:
        return len(self.got) - len(set(self.got))

    @property
    def backwards(self) -> list[tuple[int, int]]:
        """An event, and the one that came next though it is no later."""
        return [(before, after) for before, after in pairwise(self.got) if after <= before]

    def wrong(self) -> Iterator[str]:
        """What can't be explained: order, repetition, holes that no gap names, gaps that name too much."""
        yield from (f"{after} after {before}" for before, after in self.backwards)
        yield from (f"{id_} is missing, and no gap names it" for id_ in self.silent)
        yield from (f"{id_} arrived although a gap names it" for id_ in sorted(set(self.named) & set(self.got)))
        if len(self.named) != len(set(self.named)):
            yield "a gap was announced twice"


def reckoned(seen: Seen) -> Reckoning:
    """Of a reader that saw one epoch."""
    named = [id_ for gap in seen.gaps for id_ in range(gap["from"], gap["to"] + 1)]
    return Reckoning([id_ for _, id_, _ in seen.events], named)
