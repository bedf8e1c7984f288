"""P17: latency from one machine to another, by clocks that do not agree."""

import asyncio
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlencode

from benchmarks.behaviours.experiment import Experiment, Observation, only_browsers
from benchmarks.behaviours.field import Field
from benchmarks.browser import PageReader, around, ping
from benchmarks.ground import OPENING, Failed
from lab.process import Entry, ServerProcess

SLOW_MS, FAST_MS = -2000.0, 500.0
"""How wrong the page's clock goes at first, and after it was set."""

EVENTS, EVERY = 20, 0.05
"""In each of the two halves: how many, and seconds between them."""

GRACE = 5.0
"""Seconds in which the last event has to come."""

PINGS = 30

# All of the page's code reads this clock; whoever asks the browser from outside reads the true one.
WRONG = """(() => {
    const now = performance.now.bind(performance);
    window.wrong = 0;
    performance.now = () => now() + wrong;
})()"""

FOLLOW = """(async (name) => {
    const { follow } = await import("/lab/follow.js");
    window.trial = follow(name);
})"""

Estimate = tuple[int, float]
"""The zero of the page's clock on the server's (ns), and how far that may be off (ms)."""


@dataclass(frozen=True)
class Half:
    """Of the events while the clock was wrong in one way.

    Attributes:
        sent: events. came: when each arrived by the page's clock, ms, by id. truth, estimate: where that clock's zero
        is: really, as the page's clock was made wrong by a known amount, and as it was found by pings.
    """

    sent: Sequence[Entry]
    came: Mapping[int, float]
    truth: Estimate
    estimate: Estimate

    def latencies(self, zero: int) -> list[tuple[int, float]]:
        """Of each event that came, if the clock's zero were there: when it was sent (ns), ms."""
        return [(one.at, (zero - one.at) / 1e6 + self.came[one.id]) for one in self.sent if one.id in self.came]

    @property
    def error_ms(self) -> float:
        """Of the estimate."""
        return (self.estimate[0] - self.truth[0]) / 1e6

    @property
    def covered(self) -> bool:
        """Whether the estimate's bound covers the truth, as far as that is known itself."""
        return abs(self.error_ms) <= self.estimate[1] + self.truth[1]


async def observe(field: Field, cured: bool) -> Observation:  # noqa: FBT001  (as every experiment)
    server = await field.server()
    engine = cast("Any", await field.engine(server))
    address = f"{server.origins[0]}/lab/trial.html?{urlencode({'clock': server.origins[0]})}"
    page = await field.stack.enter_async_context(engine.evaluating(address))
    truth: Estimate = await engine.time_origin(page)
    await page.evaluate(WRONG)
    await page.evaluate(f"{FOLLOW}({json.dumps(field.subject.name)})")
    reader = PageReader(page, engine.time_origin, drifts=False)
    if not await reader.opened(OPENING):
        raise Failed(f"did not open within {OPENING:g} s")
    field.note("open")
    halves = [await half(field, server, reader, truth, wrong) for wrong in (SLOW_MS, FAST_MS)]
    return judged(truth[0], halves, cured=cured)


async def half(field: Field, server: ServerProcess, reader: PageReader, truth: Estimate, wrong: float) -> Half:
    """Some events while the page's clock is so many ms wrong, pings before and after them.

    Raises:
        Failed: the last of them did not come.
    """
    await reader.page.evaluate(f"window.wrong = {wrong}")
    field.note(f"the page's clock is {abs(wrong):,.0f} ms {'slow' if wrong < 0 else 'fast'}")
    before = len(field.sent(server))
    first = await estimate(reader)
    epoch, id_ = 0, 0
    for _ in range(EVENTS):
        epoch, id_ = await server.ask("append", data="news")
        await asyncio.sleep(EVERY)
    if not await reader.reached(epoch, id_, GRACE):
        raise Failed(f"the last event did not come within {GRACE:g} s")
    found = around([first, await estimate(reader)])
    came = {id_: at for _, id_, at in await reader.page.evaluate("trial.arrivals")}
    return Half(field.sent(server)[before:], came, (truth[0] - round(wrong * 1e6), truth[1]), found)


async def estimate(reader: PageReader) -> Estimate:
    zero, bound, _ = await ping(reader.page, PINGS)
    return zero, bound


def judged(trusted: int, halves: Sequence[Half], *, cured: bool) -> Observation:
    """Bitten: events seem to come before they were sent, or what is told of the clock's error is not true.

    Args:
        trusted: the zero of the page's clock if it had gone right.
    """
    naive = [one.latencies(trusted) for one in halves]
    mended = [one.latencies(one.estimate[0]) for one in halves]
    early = [sum(ms < 0 for _, ms in one) for one in naive]
    too_early = [sum(ms < -one.estimate[1] for _, ms in found) for one, found in zip(halves, mended, strict=True)]
    uncovered = [one for one in halves if not one.covered]
    bitten = bool(uncovered) or any(too_early) if cured else any(early)
    began = halves[0].sent[0].at
    numbers: dict[str, float | str | None] = {}
    for name, one, plain, well, ahead in zip(("slow", "fast"), halves, naive, mended, early, strict=True):
        numbers |= {
            f"{name}_trusted_p50_ms": median(plain),
            f"{name}_before_sent": ahead,
            f"{name}_mended_p50_ms": median(well),
            f"{name}_bound_ms": round(one.estimate[1], 4),
            f"{name}_error_ms": round(one.error_ms, 4),
        }
    curves = {
        "trusted_ms": [(round((at - began) / 1e9, 3), round(ms, 3)) for one in naive for at, ms in one],
        "mended_ms": [(round((at - began) / 1e9, 3), round(ms, 3)) for one in mended for at, ms in one],
    }
    return Observation(bitten, told(numbers, halves, cured=cured), numbers, curves)


def median(found: Sequence[tuple[int, float]]) -> float:
    return round(statistics.median(ms for _, ms in found), 3)


def told(numbers: Mapping[str, Any], halves: Sequence[Half], *, cured: bool) -> str:
    if not cured:
        slow, fast = (f"{numbers[f'{one}_trusted_p50_ms']:,.0f} ms".replace("-", "−") for one in ("slow", "fast"))
        early = sum(numbers[f"{one}_before_sent"] for one in ("slow", "fast"))
        return f"half of the events took {slow} or less, then {fast}; {early} seem to have come before they were sent"
    off = max(abs(one.error_ms) for one in halves)
    within = max(one.estimate[1] for one in halves)
    says = f"half of the events took {numbers['slow_mended_p50_ms']:.2f} ms or less, then "
    says += f"{numbers['fast_mended_p50_ms']:.2f} ms; the clock was known to ± {within:.2f} ms, "
    return says + f"{'and' if all(one.covered for one in halves) else 'but'} really to {off:.3f} ms"


experiment = Experiment(
    id="P17",
    name="wrong_clock",
    title="Two clocks that do not agree",
    question="Is one-way latency true when the page's clock is wrong?",
    fixture=f"The page's clock is made wrong: {abs(SLOW_MS) / 1000:g} s slow for {EVENTS} events, and then, as if "
    f"somebody had set it, {FAST_MS / 1000:g} s fast for {EVENTS} more. (Really both ends are on one machine, so it is "
    "known exactly by how much.) Latency is what the page's clock says at arrival less what the server's said when it "
    "sent.",
    expected="Events arrive up to two seconds before they were sent, and then half a second too late, and nothing but "
    "the impossible sign gives it away. It has nothing to do with the transport.",
    cure="Ask the server for the time, many times, and take the quickest answer: the clock's error then is known to "
    "half of that round trip, as a strict bound, which is told with every figure. Ask before and after: a clock that "
    "was set meanwhile shows by the difference. This is how the lab does it in Firefox; in Chromium it reads the "
    "kernel's clock through the browser.",
    sources=(
        "https://www.rfc-editor.org/rfc/rfc5905",
        "https://www.w3.org/TR/hr-time-3/#sec-monotonic-clock",
    ),
    unfit=only_browsers,
    seconds=8,
    observe=observe,
)
