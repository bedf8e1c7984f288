"""What the numbers of a run can support, and nothing beyond: pure functions on arrays.

The unit of replication is the trial (one fresh page). Events of one trial are not independent, so every
limit here comes from trials. Values are latencies in ms, the smaller the better; any other measure of that
kind works as well with an `Effect` in its own unit. A limit that cannot be known is None.

The figures on cover and error below are from simulations, which tests/unit/test_stats_slow.py repeats.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special  # scipy.stats says the same and takes a second to import

Floats = NDArray[np.float64]
Rounds = Mapping[int, float]  # round → the value of a cell's trial in it
Estimand = Literal["geometric mean", "mean", "pooled", "maximum"]
Direction = Literal["faster", "slower"]
Verdict = Literal["faster", "slower", "no difference", "not resolved"]
Reason = Literal["too few rounds", "clock bound", "not positive", "noise"]

MIN_ROUNDS = 5  # no verdict under these
MIN_POOLED = 10  # trials
MIN_BEYOND = 2  # events to be expected beyond a percentile: p99 wants 200


# --- one trial ---


def percentile(samples: ArrayLike, q: float) -> float:
    """Percentile q (0–100) of one trial's events; ValueError where there are none or one is not finite.

    The median-unbiased estimate (Hyndman & Fan 1996, type 8): its rank fits any distribution and hardly
    depends on the number of events, so that trials of unlike size can be averaged.
    """
    return float(np.percentile(_values(samples), q, method="median_unbiased"))


def supports(n: int, q: float) -> bool:
    """Whether at least two of n events are to be expected beyond percentile q, on its shorter side."""
    return n * min(q, 100 - q) / 100 >= MIN_BEYOND - 1e-9  # 2000 × (100 − 99.9) / 100 is a hair under 2


# --- one cell ---


class Interval(NamedTuple):
    """An estimate with its confidence limits, what it estimates, and from how many trials."""

    value: float
    low: float | None
    high: float | None
    estimand: Estimand
    trials: int


def interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """The geometric mean over trials, one value each, with the t interval on the logs.

    One trial has a value and no limits. Where a value is not positive (a latency across two clocks may be,
    within their bound) logs do not exist: then it is the arithmetic mean with the t interval on the values,
    and `estimand` says so. ValueError where there is no value, or one is not finite.

    95 % limits of 5–20 trials cover the truth in 94–96 % where the logs of their values are normal (σ = 1),
    Student t(3), or exceeded in one of ten by a Pareto factor (α = 1.5). They cover it in 77–88 % only where
    one trial in five is slower by e on average (bursts that reach the percentile), for then one cell of 8
    trials sees none of those and another four.
    """
    x = _values(values)
    positive = bool((x > 0).all())
    span = _span(*_t_interval(np.log(x) if positive else x, 1 - confidence))
    value, low, high = _exp(span) if positive else span
    return Interval(value, _known(low), _known(high), "geometric mean" if positive else "mean", x.size)


def pooled(trials: Sequence[ArrayLike], q: float, confidence: float = 0.95) -> Interval | None:
    """Percentile q of all the cell's events; None under 10 trials or where even all events can't support it.

    Whole trials vary, not events: the scatter of the trials' shares of events beyond the percentile says how
    many independent events these are worth, the exact binomial limits of the share at that number are read
    off the sorted events (Woodruff 1952; Korn & Graubard 1998). A limit beyond the last event is None.

    The p99 of 10–20 trials of 60 events is covered in 96–99.9 % where events are lognormal, have Pareto
    outliers, or come in bursts; in 86–95 % where the scale of trials differs by e^±0.5 or one in five holds
    the whole tail. Resampling whole trials (the percentile bootstrap) covers it in 83–94 % and in 63–89 %:
    so it is not used.
    """
    held = _held(trials)
    events = np.sort(np.concatenate(held)) if held else np.empty(0)
    if len(held) < MIN_POOLED or not supports(events.size, q):
        return None
    value = percentile(events, q)
    least, most = _binomial_limits(1 - q / 100, _worth(held, value, q, confidence), 1 - confidence)
    low = _at(events, math.floor(events.size * (1 - most)) - 1)
    high = _at(events, math.ceil(events.size * (1 - least)))
    return Interval(value, low, high, "pooled", len(held))


def _worth(held: Sequence[Floats], value: float, q: float, confidence: float) -> float:
    """How many independent events these are worth for the share beyond `value`; at most as many as there are.

    Fewer trials are worth less, since the scatter is not well known: Korn and Graubard's factor.
    """
    k, n, share = len(held), sum(x.size for x in held), 1 - q / 100
    beyond = [np.count_nonzero(x > value) for x in held]
    excess = [b - x.size * sum(beyond) / n for b, x in zip(beyond, held, strict=True)]
    variance = k / (k - 1) * math.fsum(e**2 for e in excess) / n**2
    independent = share * (1 - share) / n
    few = (_t(math.inf, 1 - confidence) / _t(k - 1, 1 - confidence)) ** 2
    return n * few * independent / max(independent, variance)


def _binomial_limits(share: float, n: float, alpha: float) -> tuple[float, float]:
    """Clopper and Pearson's limits of a share seen in n events, which need not be a whole number."""
    seen = share * n
    low = special.betaincinv(seen, n - seen + 1, alpha / 2)
    high = special.betaincinv(seen + 1, n - seen, 1 - alpha / 2)
    return float(low), float(high)


def _at(events: Floats, rank: int) -> float | None:
    return float(events[rank]) if 0 <= rank < events.size else None


def estimate(trials: Sequence[ArrayLike], q: float, confidence: float = 0.95) -> Interval | None:
    """Percentile q of a cell: over its trials if each supports it, else pooled if that can be, else None.

    A trial without any event has no latency and does not count here; its loss is in `delivery_sets`. One with
    some events is never left out, however few, or the worst trials would be missing from the estimate.
    """
    held = _held(trials)
    if held and all(supports(x.size, q) for x in held):
        return interval([percentile(x, q) for x in held], confidence)
    return pooled(held, q, confidence)


def maximum(trials: Sequence[ArrayLike]) -> Interval | None:
    """The largest of all events, or None of none.

    A fact about this run, not a percentile: a longer run has a larger one, so no limits are claimed.
    """
    held = _held(trials)
    if not held:
        return None
    return Interval(max(float(x.max()) for x in held), None, None, "maximum", len(held))


# --- between cells ---


class Effect(NamedTuple):
    """The least difference that matters: at least this ratio (0.1 is 10 %) *and* at least this delta (ms)."""

    ratio: float = 0.10
    delta: float = 0.1


MATTERS = Effect()


@dataclass(frozen=True, kw_only=True)
class Difference:
    """a compared to b: as a ratio (a/b), as a difference (delta = a − b, ms), and in a word.

    `ratio` < 1 and `delta` < 0 mean that a is faster, and so does the word. `direction` says which way
    wherever the limits exclude "equal", whether or not that is known to matter. `reason` says why a verdict
    is "not resolved".

    A difference matters if it is at least 10 % and at least 0.1 ms (`Effect`), 10 % meaning that the slower
    takes at least 1.1 × the faster, so that exchanging a and b mirrors the verdict. Hence:

    - *faster* (*slower*): the ratio's interval lies wholly below 1/1.1 (above 1.1) and the delta's wholly
      below −0.1 ms (above 0.1 ms). Both must hold.
    - *no difference*: the ratio's interval lies wholly within 1/1.1 to 1.1, or the delta's wholly within
      ±0.1 ms. One suffices: what surely fails one condition surely does not matter.
    - *not resolved*: otherwise, and always under 5 rounds, or with a delta smaller than the clocks' bound: not even
      its sign is known, and it is called neither a winner nor equal, wherever the limits lie.

    A wrong verdict needs a limit to miss on one side known beforehand: a limit of either interval at the same
    time for *faster* and *slower*, of one of the two for *no difference*. So wrong verdicts are at most as
    frequent as misses of a two-sided interval.
    """

    a: str
    b: str
    rounds: int
    ratio: float | None
    low: float | None
    high: float | None
    delta: float
    delta_low: float | None
    delta_high: float | None
    verdict: Verdict
    direction: Direction | None
    reason: Reason | None


def same_clock(_a: str, _b: str) -> float:
    """The bound of two cells of one browser: the shared offset cancels."""
    return 0.0


def differences(
    cells: Mapping[str, Rounds],
    *,
    bound: Callable[[str, str], float] = same_clock,
    effect: Effect = MATTERS,
    confidence: float = 0.95,
    looks: int = 1,
) -> list[Difference]:
    """Every pair of cells that share a round, with intervals that hold for all pairs at once.

    The ratio has the t interval on the logs of a/b, paired by round. Delta is the difference of both
    geometric means over the shared rounds; its limits are the least and the greatest on the ellipse of both
    means that has the ratio's limits for its own (`_over`), so that the two never contradict each other. Where
    a value is not positive there is no ratio, and delta is the mean of the pairs' differences. 95 % limits of
    delta cover it in 94–97 %: 5–20 rounds, noise of their own and in common, normal, t(3) or contaminated.

    The error is divided by the number of pairs (Bonferroni). For six cells of equal noise that is within 3 %
    of the exact critical value. A max-t estimated from the cells' covariance would be 4–13 % narrower, and up
    to 8 % of the families err where noise differs between cells; sign flips cannot reach 5 % with 5 rounds.
    Families of six twins in which any interval misses: 2–5 % with equal or unequal normal, t(3) or
    contaminated noise, with or without noise common to a round; 5–11 % if three cells have strongly one-sided
    noise (its log exponential) and three hardly any.

    Sampling on until `resolved` looks at the data often: twins are still called different in under 2 % of the
    runs, but a lone pair that differs by just what matters gets a wrong verdict in 13–25 %. `looks` mends it.

    Args:
        cells: name → {round: the trial's value}. They are one family: pass those compared with each other.
        bound: of the clocks (ms) in the difference of two cells: 0 within one browser, the sum of both
            across engines. Both intervals are widened by it.
        effect: what matters.
        confidence: that all intervals hold.
        looks: how many times at most the verdicts are looked at while sampling on, which divides the error.
    """
    pairs = list(combinations(cells, 2))
    alpha = (1 - confidence) / (max(1, len(pairs)) * looks)
    rows = []
    for a, b in pairs:
        if shared := sorted(cells[a].keys() & cells[b].keys()):
            x, y = (_values([cells[name][r] for r in shared]) for name in (a, b))
            rows.append(_judged(a, b, len(shared), _paired(x, y, bound(a, b), alpha), effect))
    return rows


def resolved(rows: Iterable[Difference]) -> bool:
    """Whether every pair has a verdict, or lacks it for a reason that more rounds can't mend."""
    return not any(row.reason in {"too few rounds", "noise"} for row in rows)


class _Span(NamedTuple):
    """A value and its limits; nan or infinite where unknown."""

    value: float
    low: float
    high: float


_UNKNOWN = _Span(math.nan, math.nan, math.nan)


class _Spans(NamedTuple):
    ratio: _Span
    delta: _Span
    bound: float  # by which they are widened already


def _paired(x: Floats, y: Floats, bound: float, alpha: float) -> _Spans:
    if min(x.min(), y.min()) <= 0:
        mean, half = _t_interval(x - y, alpha)
        return _Spans(_UNKNOWN, _span(mean, half + bound), bound)
    u, v = np.log(x), np.log(y)
    mean, half = _t_interval(u - v, alpha)
    reach = _t(u.size - 1, alpha) / math.sqrt(u.size)
    delta = _over(_Means(u.mean(), v.mean(), reach * _deviation(u), reach * _deviation(v), _correlation(u, v)))
    return _Spans(_exp(_off(_span(mean, half), bound, x, y)), _widened(delta, bound), bound)


class _Means(NamedTuple):
    """Of the logs of two cells, a and b, with their half widths, and how they are correlated."""

    a: float
    b: float
    a_half: float
    b_half: float
    correlation: float


def _over(means: _Means) -> _Span:
    """The difference of two geometric means, and the least and the greatest on the ellipse that both lie in.

    The extremes of the ratio on the same ellipse are the t limits of its log. The delta method would put a straight
    line in the place of the exponential: of 1.7 and 187 ms, where the ratio is 22 to 712, the difference could be 0.
    """
    apart = math.acos(means.correlation) / 2
    with np.errstate(over="ignore", invalid="ignore"):  # see `_exp`
        a = np.exp(means.a + means.a_half * np.cos(_AROUND - apart))
        b = np.exp(means.b + means.b_half * np.cos(_AROUND + apart))
        return _Span(math.exp(means.a) - math.exp(means.b), float((a - b).min()), float((a - b).max()))


_AROUND = np.linspace(-math.pi, math.pi, 721)  # the limits are good to a 100,000th of their distance


def _off(span: _Span, bound: float, x: Floats, y: Floats) -> _Span:
    """Widen the span of log(x/y) by what it may be off where x − y may be off by `bound`.

    The ratio is smallest if all of it made x too large or y too small, largest the other way round.
    """
    x_min, y_min = float(x.min()), float(y.min())
    low = span.low - max(_log_less(bound, x_min), math.log1p(bound / y_min))
    return _Span(span.value, low, span.high + max(_log_less(bound, y_min), math.log1p(bound / x_min)))


def _log_less(bound: float, value: float) -> float:
    return -math.log1p(-bound / value) if bound < value else math.inf


def _judged(a: str, b: str, rounds: int, spans: _Spans, effect: Effect) -> Difference:
    verdict, reason = _verdict(rounds, spans, effect)
    ratio, low, high = map(_known, spans.ratio)
    return Difference(
        a=a,
        b=b,
        rounds=rounds,
        ratio=ratio,
        low=low,
        high=high,
        delta=spans.delta.value,
        delta_low=_known(spans.delta.low),
        delta_high=_known(spans.delta.high),
        verdict=verdict,
        direction=None if rounds < MIN_ROUNDS else _direction(spans),
        reason=reason,
    )


def _verdict(rounds: int, spans: _Spans, effect: Effect) -> tuple[Verdict, Reason | None]:
    """See `Difference`. A limit that is nan satisfies no condition.

    The clocks come before all limits: what is smaller than their bound is what they say, not what was measured.
    """
    ratio, delta, times = spans.ratio, spans.delta, 1 + effect.ratio
    if rounds < MIN_ROUNDS:
        return "not resolved", "too few rounds"
    if abs(delta.value) < spans.bound:
        return "not resolved", "clock bound"
    if ratio.high < 1 / times and delta.high < -effect.delta:
        return "faster", None
    if ratio.low > times and delta.low > effect.delta:
        return "slower", None
    if _within(ratio, 1 / times, times) or _within(delta, -effect.delta, effect.delta):
        return "no difference", None
    return "not resolved", "not positive" if math.isnan(ratio.value) else "noise"


def _within(span: _Span, low: float, high: float) -> bool:
    return low < span.low and span.high < high


def _direction(spans: _Spans) -> Direction | None:
    span, equal = (spans.delta, 0.0) if math.isnan(spans.ratio.value) else (spans.ratio, 1.0)
    if span.high < equal:
        return "faster"
    return "slower" if span.low > equal else None


# --- between runs ---


def compare(
    before: Mapping[str, Rounds],
    after: Mapping[str, Rounds],
    *,
    bound: float = 0.0,
    effect: Effect = MATTERS,
    confidence: float = 0.95,
) -> dict[str, Difference]:
    """Each cell that two runs share: a is the run after, b the one before ("slower": it has become slower).

    Rounds of two runs are no pairs: Welch's t interval on the logs, with the drift between the runs as a
    third component of the variance. Not adjusted: an interval misses in one of 20 cells, but a wrong verdict
    needs a miss by what matters. With 6 cells, 5 % of noise, 5–20 rounds and a random walk common to all cells,
    these shares of unchanged cells are called different: none without drift; in neighbouring runs 0–0.5 % at
    2 % a round and 1–4 % at 5 % a round; in runs 8 rounds apart 1–3 % and 7–13 %. Bursts of load, which are no
    walk, are best taken off before (`bursts`). The way to compare versions on a
    machine that drifts that much is as cells of one run. A cell that has become 30 % slower is found in 84 %
    at 8 rounds without drift.

    Args:
        before: cell → {round: the trial's value}.
        after: the same of the other run.
        bound: of the clocks (ms), both runs together.
        effect: what matters.
        confidence: that an interval holds.
    """
    between = drift(before, after)
    rows = {}
    for cell in [name for name in before if before[name] and after.get(name)]:
        x, y = (_values(list(run[cell].values())) for run in (after, before))
        spans = _unpaired(x, y, between, bound, 1 - confidence)
        rows[cell] = _judged("after", "before", min(x.size, y.size), spans, effect)
    return rows


def drift(*runs: Mapping[str, Rounds]) -> float:
    """Variance of the log ratio of a cell in two neighbouring runs of these, by the machine's drift alone.

    From what the halves of each run differ by, squared, in excess of what the scatter of rounds explains: the
    median over cells, for they share the machine and a few of them may have had a bad moment; then the mean over
    runs. In a random walk the means of neighbouring runs differ by twice the variance of those of the halves of a
    run. 0 where nothing exceeds, or no cell has 4 rounds and only positive values.

    What changes only when a run starts (a new process, another clock frequency) cannot be seen in its rounds
    and is not in it.
    """
    excess = [float(np.median(held)) for run in runs if (held := list(_excesses(run)))]
    return max(0.0, 2 * math.fsum(excess) / len(excess)) if excess else 0.0


def _excesses(run: Mapping[str, Rounds]) -> Iterator[float]:
    for rounds in run.values():
        x = np.array([rounds[r] for r in sorted(rounds)])
        if x.size >= 4 and _values(x).min() > 0:
            yield _excess_of_halves(x)


def _excess_of_halves(x: Floats) -> float:
    half = x.size // 2
    first, second = np.log(x[:half]), np.log(x[-half:])
    scatter = (_variance(first) + _variance(second)) / half
    return float((second.mean() - first.mean()) ** 2) - scatter


def _unpaired(x: Floats, y: Floats, between: float, bound: float, alpha: float) -> _Spans:
    if min(x.min(), y.min()) <= 0:  # the drift is known of logs only, so that no limits can be
        return _Spans(_UNKNOWN, _span(float(x.mean() - y.mean()), math.nan), bound)
    u, v = np.log(x), np.log(y)
    of_x, of_y = _variance(u) / u.size, _variance(v) / v.size
    parts = (of_x, u.size - 1), (of_y, v.size - 1), (between, 2)  # the drift: from one pair of halves per run
    t = _t(_welch_df(parts), alpha)
    half = t * math.sqrt(of_x + of_y + between)
    ratio = _off(_span(float(u.mean() - v.mean()), half), bound, x, y)
    x_half, y_half = (t * math.sqrt(one + between / 2) for one in (of_x, of_y))
    delta = _over(_Means(u.mean(), v.mean(), x_half, y_half, 0.0))
    return _Spans(_exp(ratio), _widened(delta, bound), bound)


def _welch_df(parts: Iterable[tuple[float, float]]) -> float:
    """Degrees of freedom of a sum of (variance, its df) (Satterthwaite 1946); infinite where all are 0."""
    known = [(variance, df) for variance, df in parts if variance]
    spread = math.fsum(variance**2 / (df or 1) for variance, df in known)  # no df: a variance that is nan
    return math.fsum(variance for variance, _ in known) ** 2 / spread if known else math.inf


# --- what all of these share ---


def _values(values: ArrayLike) -> Floats:
    x = np.asarray(values, dtype=float)
    if x.ndim != 1 or not x.size or not np.isfinite(x).all():
        raise ValueError(f"expected a row of finite numbers, got {values!r} (leave out what was lost)")
    return x


def _held(trials: Sequence[ArrayLike]) -> list[Floats]:
    return [_values(trial) for trial in trials if np.size(trial)]


def _t(df: float, alpha: float) -> float:
    """The two-sided quantile of Student's t, of the normal distribution for infinite df."""
    return float(special.stdtrit(df, 1 - alpha / 2) if math.isfinite(df) else special.ndtri(1 - alpha / 2))


def _variance(x: Floats) -> float:
    return float(x.var(ddof=1)) if x.size > 1 else math.nan


def _deviation(x: Floats) -> float:
    return math.sqrt(_variance(x))


def _correlation(x: Floats, y: Floats) -> float:
    """0 where one of them does not vary, or there are too few to tell."""
    product = float(x.std() * y.std())
    return min(1.0, max(-1.0, float(((x - x.mean()) * (y - y.mean())).mean()) / product)) if product > 0 else 0.0


def _t_interval(x: Floats, alpha: float) -> tuple[float, float]:
    """Mean and half width; the width of a single value is nan."""
    return float(x.mean()), _t(x.size - 1, alpha) * math.sqrt(_variance(x) / x.size)


def _span(mean: float, half: float) -> _Span:
    return _Span(mean, mean - half, mean + half)


def _widened(span: _Span, bound: float) -> _Span:
    return _Span(span.value, span.low - bound, span.high + bound)


def _exp(span: _Span) -> _Span:
    with np.errstate(over="ignore"):  # two rounds of many cells: an infinite limit is an unknown one
        return _Span(*(float(np.exp(x)) for x in span))


def _known(x: float) -> float | None:
    return x if math.isfinite(x) else None


# --- staleness ---


class Age(NamedTuple):
    """Age of Information over a trial, in the unit of the arguments, and the vertices of its saw-tooth."""

    mean: float
    max: float
    times: Floats
    ages: Floats


def age_of_information(received: ArrayLike, due: ArrayLike, start: float, end: float) -> Age:
    """How old the newest event that the page has is, at every instant of a trial (Kaul et al. 2012).

    An event's age counts from when it was due. Until there is an event, and for one due before `start`, age
    counts from `start`. One that comes after a newer one makes nothing younger. The mean is the exact area
    under the saw-tooth divided by its length; each arrival is two vertices, before and after.

    Args:
        received: (n,) when the page got each event, in any order; what came after `end` does not count.
        due: (n,) when each was due, on the same clock.
        start: of the trial.
        end: of the trial; ValueError unless it is after start.
    """
    if end <= start:
        raise ValueError(f"a trial ends after its start: end {end} must be above {start}")
    arrivals, dues = np.asarray(received, dtype=float), np.asarray(due, dtype=float)
    order = np.argsort(arrivals, kind="stable")
    order = order[arrivals[order] <= end]
    newest = np.maximum.accumulate(np.concatenate(([start], dues[order])))
    times = np.concatenate(([start], np.repeat(np.maximum(arrivals[order], start), 2), [end]))
    ages = times - np.repeat(newest, 2)
    return Age(float(np.trapezoid(ages, times)) / (end - start), float(ages.max()), times, ages)


# --- delivery ---


class Delivery(NamedTuple):
    """The exact ids of what went wrong: lost in the order of sending, the others in the order of arrival."""

    lost: list[int]
    duplicated: list[int]
    reordered: list[int]
    unexpected: list[int]


def delivery_sets(sent_ids: Iterable[int], received_ids: Iterable[int]) -> Delivery:
    """What was sent against what arrived; ids of one epoch, received ones in the order of arrival.

    Lost: sent, never arrived. Duplicated: once per arrival beyond the first. Reordered: first arrivals after
    an event with a larger id. Unexpected: once per arrival of an id that was not sent; counts nowhere else.
    """
    sent = list(sent_ids)
    expected, seen, newest = frozenset(sent), set[int](), -math.inf
    sets = Delivery([], [], [], [])
    for i in received_ids:
        if i not in expected:
            sets.unexpected.append(i)
            continue
        if i in seen:
            sets.duplicated.append(i)
        elif i < newest:
            sets.reordered.append(i)
        seen.add(i)
        newest = max(newest, i)
    sets.lost.extend(i for i in sent if i not in seen)
    return sets
