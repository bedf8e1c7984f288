"""A lesson that nobody gives, and what might have been measured for it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conftest import SUBJECTS
from made_up_runs import Made

from benchmarks.behaviours.experiment import Observation
from benchmarks.behaviours.store import Seen, Spot
from lab.classroom.teaching.evidence import Evidence
from lab.classroom.teaching.lesson import Lesson, Shelf, read
from lab.classroom.teaching.measured import Measured

TOML = """
title = "A lesson"
about = "For tests"
minutes = 5

[[run]]

[[run.block]]
engines = ["chromium"]
scenarios = ["steady"]
transports = ["websocket", "sse", "long_polling"]
rounds = 6

[values]
socket = { cell = "websocket", measure = "latency_ms.p50", unit = "ms" }
stream = { cell = "sse", measure = "latency_ms.p50", unit = "ms" }
held = { cell = "long_polling", measure = "latency_ms.p50", unit = "ms" }
held_90 = { cell = "long_polling", measure = "latency_ms.p90", unit = "ms" }
lost = { cell = "long_polling", measure = "events.lost", unit = "events" }
times = { value = "held", over = "socket", unit = "×" }

[[question]]
name = "held"
kind = "number"
ask = "How long?"
answer = "held"
low = 0
high = 100

[[question]]
name = "times"
kind = "choice"
ask = "How many times as long?"
answer = "times"
options = [
    { label = "up to twice", below = 2 },
    { label = "up to ten times", below = 10 },
    { label = "more" },
]

[[question]]
name = "order"
kind = "ranking"
ask = "In which order?"
smallest = "the quickest"
items = [
    { label = "socket", answer = "socket" },
    { label = "stream", answer = "stream" },
    { label = "held", answer = "held" },
]

[[observation]]
name = "shape"
kind = "curve"
ask = "Which shape?"
x = "percent"
y = "age"
low = 0
high = 100
points = [
    { x = 50, answer = "held" },
    { x = 90, answer = "held_90" },
]

[shown]
title = "Dots"
values = ["socket", "held"]
labels = ["one", "another"]

[[claim]]
value = "times"
above = 2
says = "It takes {value:times}."

[[claim]]
value = "lost"
below = 1
says = "Lost: {value:lost}."
"""

MARKDOWN = """
## The story

Once <b>upon</b> a time.

## The run

Look at the dots.

## Explain

It is {interval:held}, or {value:times}.

## Try it yourself

```sh
pushlab serve
```

## For the teacher

Where people go wrong: {value:lost}.
"""

NATIVE = TOML.replace('["chromium"]', '["native"]').replace("rounds = 6", "rounds = 1")
"""It can really be measured, in no time."""

OBSERVED = TOML.replace(
    "[[run.block]]", '[[run.experiment]]\nid = "P16"\nsubjects = ["sse"]\ntimes = 3\n\n[[run.block]]'
)
OBSERVED = OBSERVED.replace(
    "[values]",
    """[values]
p99 = { experiment = "P16", subject = "sse", number = "p99_ms", scale = 0.001, unit = "s" }
bitten = { experiment = "P16", subject = "sse", number = "bitten" }
came = { experiment = "P16", subject = "sse", number = "event", is = "came" }
third = { experiment = "P16", subject = "sse", number = "third_ms", unit = "ms" }
middle = { experiment = "P16", subject = "sse", curve = "latency_ms by percentile", at = 75, unit = "ms" }""",
)


GIVEN: Mapping[str, Any] = {"held": 3, "times": 1, "order": [0, 1, 2]}
"""Predictions."""


def written(folder: Path, toml: str = TOML, markdown: str = MARKDOWN) -> Lesson:
    """Read from its files, as every lesson is."""
    where = folder / "made_up"
    where.mkdir(exist_ok=True)
    (where / "lesson.toml").write_text(toml, encoding="utf-8")
    (where / "lesson.md").write_text(markdown, encoding="utf-8")
    return read(where, SUBJECTS)


def only(one: Lesson) -> Shelf:
    return Shelf({one.name: one}, {})


def evidence(one: Lesson, run: Made) -> Evidence:
    return Evidence(one.ways[0], run.run, run.trials, [])


def from_run(one: Lesson, run: Made) -> Measured:
    return Measured(one.name, 0, "", evidence(one, run).figures(one.values))


def observations(third: tuple[float | None, ...]) -> list[list[Seen]]:
    """Of the experiment of `OBSERVED`, one for each of these times in ms."""
    curve = [(50.0, 10.0), (100.0, 20.0)]
    return [
        [
            Seen(
                Spot("coordinated_omission", "sse", "chromium", cured=False),
                "observed",
                observation=Observation(
                    True,  # noqa: FBT003
                    "it was seen",
                    {"p99_ms": 1000.0 + nth, "event": "came", "third_ms": ms},
                    {"latency_ms by percentile": curve},
                ),
            )
        ]
        for nth, ms in enumerate(third)
    ]
