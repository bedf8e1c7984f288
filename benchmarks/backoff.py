"""How long readers wait before they try again: the policies that a storm of them is made with."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from lab.native import full_jitter


class Backoff(NamedTuple):
    """Seconds to wait after so many failures in a row, one at least."""

    title: str
    seconds: Callable[[int], float]


def doubled(failures: int) -> float:
    """The most that `full_jitter` may draw."""
    return min(5.0, 0.1 * 2.0 ** min(failures, 10))


BACKOFFS: Mapping[str, Backoff] = {
    "none": Backoff("not at all", lambda _: 0.0),
    "fixed": Backoff("1 s each time", lambda _: 1.0),
    "exponential": Backoff("0.2 s, doubled each time up to 5 s", doubled),
    "jittered": Backoff("at random, less than 0.2 s, doubled each time up to 5 s: the lab's own policy", full_jitter),
}
