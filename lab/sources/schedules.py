"""Schedules: when events are due, what they say, and playing that in real time."""

import functools
import itertools
from collections.abc import Callable, Iterator
from random import Random

from lab.clock import Alarm, now
from lab.log import Json
from lab.sources.source import Opener, Options, Source

Schedule = Iterator[tuple[int, Json]]
"""(ns since the start, data): what is going to happen, in order."""

HEAD_START_NS = 2_000_000
"""From a source's start to its instant 0, so that an event at that very instant can be on time, too."""


def steady(rng: Random, rate: float) -> Iterator[int]:
    """One event per period, at a random instant in it: no phase locks with anything periodic."""
    period = 1e9 / rate
    return (round((n + rng.random()) * period) for n in itertools.count())


def metronome(_: Random, rate: float) -> Iterator[int]:
    """Strictly periodic: shows the aliasing that `steady` avoids."""
    return (round(n * 1e9 / rate) for n in itertools.count())


def poisson(rng: Random, rate: float) -> Iterator[int]:
    """Independent events: gaps drawn from the exponential distribution."""
    gaps = (rng.expovariate(rate) * 1e9 for _ in itertools.count())
    return map(round, itertools.accumulate(gaps))


def bursts(rng: Random, rate: float, count: int) -> Iterator[int]:
    """`count` events due at the same instant: a random one in each period, as in `steady`."""
    return (at for at in steady(rng, rate) for _ in range(count))


def texts(size: int, seed: int) -> Iterator[str]:
    """Strings whose JSON is exactly `size` bytes of ASCII: a number (so that all differ), then words."""
    prose = _prose()
    rng = Random(f"texts {seed}")
    length = size - len('""')
    for n in itertools.count(1):
        number = f"{n} "[:length]
        at = rng.randrange(len(prose) - length)
        yield number + prose[at : at + length - len(number)]


@functools.cache
def _prose() -> str:
    """2 MiB of made-up words that compress about as well as English does.

    Events are cut out of it because making words anew for each would cost time right after the event
    before. It is so long that hardly any two cuts within deflate's window of 32 KiB overlap.
    """
    rng = Random("prose")
    syllables = ["".join(pair) for pair in itertools.product("bcdfglmnprstvw", "aeiou")]
    words = ["".join(rng.choices(syllables, k=rng.choice((1, 2, 2, 3, 4)))) for _ in range(3000)]
    zipf = [word for rank, word in enumerate(words, 1) for _ in range(1 + 1000 // rank)]
    return " ".join(rng.choices(zipf, k=400_000))[: 2 << 20]


async def play(schedule: Schedule, *, spin: bool) -> Source:
    """A schedule in real time. The next event is made before its instant is waited for."""
    with Alarm(spin=spin) as alarm:
        first = list(itertools.islice(schedule, 1))
        start = now() + HEAD_START_NS
        for offset, data in itertools.chain(first, schedule):
            await alarm.until(start + offset)
            yield start + offset, data


def limited(schedule: Schedule, seconds: float, count: int | None) -> Schedule:
    in_time = itertools.takewhile(lambda event: event[0] < seconds * 1e9, schedule)
    return itertools.islice(in_time, count)


def generated(instants: Callable[..., Iterator[int]], *shape: str) -> Opener:
    """A source from a function of a random generator and the options that `shape` names."""

    def source(options: Options, *, spin: bool) -> Source:
        offsets = instants(Random(options["seed"]), *(options[key] for key in shape))
        events = zip(offsets, texts(options["size"], options["seed"]), strict=False)
        count = None if "count" in shape else options["count"]
        return play(limited(events, options["seconds"], count), spin=spin)

    return source
