"""Experiments on behaviours: how they are observed and kept, and what is said of them."""

# ruff: noqa: FBT001  (whether it is cured comes as it comes to every experiment)

import asyncio
import json
import math
import re
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import made_up_behaviours as made_up
import psutil
import pytest
from commands import Pushlab, Running, running
from conftest import SUBJECTS
from rich.console import Console

from benchmarks import engines
from benchmarks.behaviours import catalogue, progress, session, store, sweep
from benchmarks.behaviours import experiment as experiments_module
from benchmarks.behaviours import p16_coordinated_omission as p16
from benchmarks.behaviours.experiment import Experiment, Moment, Observation, chosen, experiments
from benchmarks.behaviours.field import Field
from benchmarks.behaviours.store import Seen, Spot
from benchmarks.behaviours.sweep import Asked, Sweep, planned
from benchmarks.report import behaviours_drawing as drawing
from benchmarks.report import behaviours_markdown, behaviours_web
from benchmarks.report import behaviours_words as words
from benchmarks.report.behaviours import report
from lab.errors import UserError

SSE, WEBSOCKET = SUBJECTS["sse"], SUBJECTS["websocket"]
Observe = Callable[[Field, bool], Awaitable[Observation]]


def an_experiment(observe: Observe | None = None, **settings: Any) -> Experiment:
    texts: dict[str, Any] = {"title": "A pit", "question": "Who falls?", "fixture": "a pit", "expected": "all fall"}
    given: dict[str, Any] = {"id": "P1", "name": "pit", "observe": observe or falls, "seconds": 0.01}
    return Experiment(**(given | texts | settings))


async def falls(_field: Field, _cured: bool) -> Observation:
    return Observation(bitten=True, says="it fell", numbers={"depth_ms": 3.0})


def a_sweep(folder: Path, *made: Experiment, again: bool = False) -> Sweep:
    return Sweep(folder, planned(made, {"sse": SSE}, ["native"], long=False), again)


async def seen_of(folder: Path, *made: Experiment) -> list[Seen]:
    await a_sweep(folder, *made).run()
    return list(store.read(folder)[0].values())


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What hangs is given up soon."""
    for name, value in (("PATIENCE", 1.0), ("SPARE", 0.5), ("LEAVING", 0.2)):
        monkeypatch.setattr(sweep, name, value)


# What is kept


def test_what_was_seen_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    for seen in made_up.made_up().seen:
        store.write(tmp_path, seen)
    found, complaints = store.read(tmp_path)
    assert complaints == []
    assert sorted(map(repr, found.values())) == sorted(map(repr, made_up.made_up().seen))


def test_each_spot_has_a_file_of_its_own() -> None:
    spots = [
        Spot("pit", subject, engine, cured)
        for subject in SUBJECTS
        for engine in ("chromium", "native")
        for cured in (True, False)
    ]
    assert len({spot.file for spot in spots}) == len(spots)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"format": 99}', '{"format": 1}'])
def test_a_damaged_file_is_told_and_left_out(tmp_path: Path, text: str) -> None:
    whole = made_up.made_up().seen[0]
    store.write(tmp_path, whole)
    (tmp_path / "pit-sse-native-plain.json").write_text(text)
    found, complaints = store.read(tmp_path)
    assert list(found) == [whole.spot]
    assert len(complaints) == 1
    assert "pit-sse-native-plain.json" in complaints[0]


def test_only_a_folder_of_observations_is_written_to(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(UserError, match="something else"):
        store.checked(tmp_path)
    with pytest.raises(UserError, match="is a file"):
        store.checked(tmp_path / "thesis.txt")
    for folder in (tmp_path / "new", tmp_path / "empty"):
        if folder.name == "empty":
            folder.mkdir()
        assert store.checked(folder) == folder
    store.write(tmp_path / "empty", made_up.made_up().seen[0])
    assert store.checked(tmp_path / "empty")


# How it is observed


async def test_what_was_observed_is_kept_and_not_observed_again(tmp_path: Path) -> None:
    calls = []

    async def observe(field: Field, cured: bool) -> Observation:
        calls.append(cured)
        field.note("began")
        return Observation(bitten=not cured, says="so it is")

    pit = an_experiment(observe, cure="A lid.")
    plain, cured = sorted(await seen_of(tmp_path, pit), key=lambda seen: seen.spot.cured)
    assert (plain.mark, cured.mark) == ("✓", "✓")
    assert plain.moments[0].what == "began"
    assert plain.versions["pushlab"]
    await a_sweep(tmp_path, pit).run()
    assert sorted(calls) == [False, True]
    await a_sweep(tmp_path, pit, again=True).run()
    assert sorted(calls) == [False, False, True, True]


async def test_what_failed_is_tried_again(tmp_path: Path) -> None:
    async def refuse(_field: Field, _cured: bool) -> Observation:
        raise ConnectionError("gone\nwith a traceback")

    (failed,) = await seen_of(tmp_path, an_experiment(refuse))
    assert (failed.state, failed.reason, failed.mark) == ("failed", "gone", "?")
    (seen,) = await seen_of(tmp_path, an_experiment())
    assert (seen.state, seen.mark) == ("observed", "✓")


@pytest.mark.usefixtures("hurried")
async def test_one_that_hangs_costs_no_other_its_turn(tmp_path: Path) -> None:
    left: list[str] = []

    async def hang(field: Field, _cured: bool) -> Observation:
        field.stack.callback(left.append, "gone")
        await asyncio.Event().wait()
        raise AssertionError

    made = [an_experiment(hang, id=f"P{n}", name=f"hole{n}", alone=n > 7) for n in range(2, 10)]
    found = {seen.spot.experiment: seen for seen in await seen_of(tmp_path, *made, an_experiment())}
    assert len(found) == 9
    assert found.pop("pit").state == "observed"
    assert left == ["gone"] * 8
    assert {seen.reason for seen in found.values()} == {"it did not end within 0.51 s"}


@pytest.mark.usefixtures("hurried")
async def test_a_fault_or_what_does_not_go_away_is_a_failure(tmp_path: Path) -> None:
    async def stumble(_field: Field, _cured: bool) -> Observation:
        raise KeyError("a fault")

    async def timed_out(_field: Field, _cured: bool) -> Observation:
        raise TimeoutError

    async def odd(_field: Field, _cured: bool) -> Observation:
        return Observation(bitten=True, says="odd", numbers={"x": object()})  # type: ignore[dict-item]

    async def stay(field: Field, _cured: bool) -> Observation:
        field.stack.push_async_callback(asyncio.Event().wait)
        return await falls(field, _cured)

    async def break_down(field: Field, _cured: bool) -> Observation:
        field.stack.push(lambda *_: 1 / 0)  # type: ignore[type-var]
        return await falls(field, _cured)

    made = [
        an_experiment(one, id=f"P{n}", name=one.__name__)
        for n, one in enumerate((stumble, timed_out, odd, stay, break_down))
    ]
    reasons = {seen.spot.experiment: seen.reason for seen in await seen_of(tmp_path, *made) if seen.state == "failed"}
    assert reasons["stumble"] == "the experiment has a fault: KeyError('a fault')"
    assert reasons["timed_out"] == "the experiment has a fault: TimeoutError()"
    assert reasons["odd"].startswith("the experiment has a fault: TypeError")
    assert reasons["stay"].startswith("what it used did not go away within")
    assert reasons["break_down"] == "what it used did not go away: division by zero"


async def test_what_waits_runs_side_by_side_and_what_times_something_alone(tmp_path: Path) -> None:
    running, most = 0, {True: 0, False: 0}

    def counted(*, alone: bool) -> Observe:
        async def observe(_field: Field, _cured: bool) -> Observation:
            nonlocal running
            running += 1
            most[alone] = max(most[alone], running)
            await asyncio.sleep(0.02)
            running -= 1
            return Observation(bitten=True, says="")

        return observe

    made = [an_experiment(counted(alone=n % 2 == 0), id=f"P{n}", name=f"pit{n}", alone=n % 2 == 0) for n in range(20)]
    await a_sweep(tmp_path, *made).run()
    assert most == {True: 1, False: sweep.BESIDE}


async def test_an_interruption_keeps_what_is_finished_and_takes_the_rest_down(tmp_path: Path) -> None:
    gone = asyncio.Event()
    begun = asyncio.Event()

    async def wait(field: Field, _cured: bool) -> Observation:
        field.stack.callback(gone.set)
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    made = [an_experiment(), an_experiment(wait, id="P2", name="well", seconds=0.001)]
    observing = asyncio.create_task(a_sweep(tmp_path, *made).run())
    async with asyncio.timeout(10):
        await begun.wait()
        while not store.read(tmp_path)[0]:
            await asyncio.sleep(0.01)
        observing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await observing
    assert gone.is_set()
    assert [spot.experiment for spot in store.read(tmp_path)[0]] == ["pit"]


def test_what_cannot_be_says_so_without_a_try() -> None:
    def beyond(**settings: Any) -> tuple[str, str] | None:
        asked = Asked(Spot("pit", "sse", "chromium", cured=False), an_experiment(**settings), SSE)
        seen = sweep.beyond(asked, {"firefox": "no Firefox here"})
        return (seen.state, seen.reason) if seen else None

    assert beyond() is None
    assert beyond(unfit=lambda subject, engine: f"{subject.name} {engine}") == ("unsupported", "sse chromium")
    assert beyond(missing=lambda: "nginx is not installed") == ("unavailable", "nginx is not installed")
    absent = Asked(Spot("pit", "sse", "firefox", cured=False), an_experiment(), SSE)
    assert sweep.beyond(absent, {"firefox": "no Firefox here"}) is not None
    gone = replace(SSE, found=replace(SSE.found, module=None, reason="no package"))
    seen = sweep.beyond(Asked(absent.spot, an_experiment(), gone), {})
    assert seen
    assert (seen.state, seen.reason) == ("unavailable", "no package")


def test_long_and_impossible_ones_are_not_planned() -> None:
    made = [an_experiment(), an_experiment(seconds=91, name="well"), an_experiment(impossible="no", name="sky")]
    for long, names in ((False, {"pit"}), (True, {"pit", "well"})):
        plan = planned(made, {"sse": SSE, "websocket": WEBSOCKET}, ["native", "chromium"], long=long)
        assert {asked.experiment.name for asked in plan} == names
        assert len(plan) == 4 * len(names)


# What there is


def test_every_experiment_has_what_a_reader_needs() -> None:
    for name, one in experiments().items():
        assert re.fullmatch(r"P\d+", one.id), name
        module = sys.modules[f"benchmarks.behaviours.p{one.number:02}_{name}"]
        assert module.experiment is one
        assert one.question.endswith("?"), name
        assert all(text.endswith((".", ")")) for text in (one.fixture, one.expected, one.cure) if text), name
        assert all(source.startswith("https://") for source in one.sources), name
        assert bool(one.impossible) != bool(one.observe), name
    ids = [one.number for one in experiments().values()]
    assert ids == sorted(set(ids))


def test_the_documentation_has_every_experiment() -> None:
    found = catalogue.BETWEEN.search(catalogue.PAGE.read_text("utf-8"))
    assert found
    assert found[0] == catalogue.table(), "python -m benchmarks.behaviours.catalogue brings it up to date"


def test_the_documentation_has_every_key_of_a_file() -> None:
    def keys(value: Any) -> Iterator[str]:
        named = {"numbers", "curves", "versions"}  # by experiments
        for key, inner in value.items() if isinstance(value, dict) else ():
            yield key
            yield from () if key in named else keys(inner)
        for one in value if isinstance(value, list) else ():
            yield from keys(one)

    text = catalogue.PAGE.read_text("utf-8")
    described = {word for span in re.findall(r"`([^`\n]+)`", text) for word in re.findall(r"\w+", span)}
    seen = made_up.made_up().seen
    assert {key for one in seen for key in keys(json.loads(store.text(one)))} <= described


def test_experiments_are_chosen_by_number_or_name() -> None:
    assert [one.id for one in chosen(["p16", "coordinated_omission"])] == ["P16"]
    assert chosen([]) == list(experiments().values())
    with pytest.raises(UserError, match=r"'P99'.*P16 coordinated_omission"):
        chosen(["P99"])


@pytest.mark.parametrize(
    ("names", "variants", "found"),
    [
        ([], False, ["sse", "websocket"]),
        ([], True, ["sse", "sse:native", "websocket", "websocket:deflate"]),
        (["sse"], False, ["sse"]),
        (["sse"], True, ["sse", "sse:native"]),
        (["sse:native"], False, ["sse:native"]),
    ],
)
def test_transports_are_chosen_with_their_variants_or_without(
    names: list[str], variants: bool, found: list[str]
) -> None:
    subjects = {name: one for name, one in SUBJECTS.items() if one.found.name in ("sse", "websocket")}
    assert sorted(session.among(subjects, names, variants=variants)) == found


# What is said


def test_the_answer_is_made_of_what_was_seen() -> None:
    (panel,) = made_up.made_up().panels
    assert words.headline(panel) == (
        "`fetch_streaming`, `sse` and `xhr_streaming` are bitten most, by 2 of 2 and 3 of 3 pitfalls; "
        "`long_polling` and `short_polling` least, by none"  # `websocket` was put to one only
    )
    assert list(words.sentences(panel)) == [
        words.COUNTS,
        "With its cure on, 4 of 5 bites are gone; still bitten: P3 with `xhr_streaming`.",
        (
            "Not as expected, 2 of 23 observations: P2 with `short_polling` (unhurt) "
            "and P3 with `xhr_streaming` (bitten with the cure)."
        ),
        "Of 48 places of the matrix, 1 unsupported, 2 unavailable, 2 failed and 14 not yet observed; each says why.",
        "This lab can't make P13.",
    ]
    assert words.headline(made_up.nothing().panels[0]) == "Nothing was observed yet"


@pytest.mark.parametrize(
    ("bites", "headline"),
    [
        ([True], "`sse` is bitten by 1 of 1 pitfall"),
        ([False], "`sse` is bitten by none"),
        ([True, True], "`sse` and `websocket` are bitten by 1 of 1 pitfall"),
        ([False, True], "`websocket` is bitten most, by 1 of 1 pitfall; `sse` least, by none"),
    ],
)
def test_headlines(bites: list[bool], headline: str) -> None:
    pit = an_experiment()
    seen = {}
    for subject, bitten in zip(("sse", "websocket"), bites, strict=False):
        spot = Spot("pit", subject, "chromium", cured=False)
        seen[spot] = Seen(spot, "observed", expected=True, observation=Observation(bitten, "so"))
    (panel,) = report([pit], ["sse", "websocket"], ["chromium"], seen).panels
    assert words.headline(panel) == headline


def test_markdown_says_what_the_page_says() -> None:
    text = behaviours_markdown.text(made_up.made_up(("chromium", "firefox")))
    rows = [line for line in text.splitlines() if line.startswith("| P")]
    assert len(rows) == 10
    assert {row.count(" | ") for row in rows} == {7}
    assert "✓ ● bitten → ✓ ○ unhurt" in rows[0]
    assert "? unsupported" in rows[1]
    assert "✓ ● bitten → ✕ ● bitten" in rows[2]
    for said in (
        "haproxy is not installed",
        "has no server that speaks HTTP/2",
        "made only when asked for",
        "6,840 ms",
    ):
        assert said in text
    assert "<b onclick" not in text.replace(r"\<b onclick", "")
    assert "Nothing was observed yet" in behaviours_markdown.text(made_up.nothing())


def test_a_page_of_nothing_is_still_a_page() -> None:
    assert "Nothing was observed yet" in behaviours_web.page(made_up.nothing())
    assert "Nothing was asked for" in behaviours_web.page(report([], [], [], {}))


def test_expectations_are_those_of_today(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pit = an_experiment(bites=lambda _subject, _cured: False)
    monkeypatch.setattr(session, "experiments", lambda: {"pit": pit})
    for name in ("pit", "forgotten"):
        spot = Spot(name, "sse", "native", cured=False)
        store.write(tmp_path, Seen(spot, "observed", expected=True, observation=Observation(bitten=True, says="so")))
    seen, complaints = session.known(tmp_path, SUBJECTS)
    assert [(one.spot.experiment, one.mark) for one in seen.values()] == [("pit", "✕")]
    assert len(complaints) == 1
    assert "'forgotten'" in complaints[0]


def test_the_headline_compares_those_that_were_put_to_as_much() -> None:
    pits = [an_experiment(id=f"P{n}", name=f"pit{n}") for n in range(1, 6)]
    spots = [Spot(one.name, subject, "chromium", cured=False) for one in pits for subject in ("sse", "websocket")]
    spots += [Spot("pit1", "long_polling", "chromium", cured=False)]
    bitten = {spot: spot.subject != "sse" or spot.experiment == "pit2" for spot in spots}
    seen = {spot: Seen(spot, "observed", expected=True, observation=Observation(bitten[spot], "so")) for spot in spots}
    (panel,) = report(pits, ["long_polling", "sse", "websocket"], ["chromium"], seen).panels
    assert words.headline(panel) == "`websocket` is bitten most, by 5 of 5 pitfalls; `sse` least, by 1 of 5 pitfalls"
    assert [fate.subject for fate in words.fates(panel)] == ["long_polling", "websocket", "sse"]


# Pictures


def test_a_time_line_begins_where_something_happens() -> None:
    moments = [Moment(at, "so") for at in (26.4, 27.0, 29.5)]
    places = [float(x) for x in re.findall(r'class="moment" cx="([\d.]+)"', drawing.timeline(moments, 29.5))]
    assert (places[0], places[-1]) == (8, drawing.WIDTH - 8)
    late = [float(x) for x in re.findall(r'class="moment" cx="([\d.]+)"', drawing.timeline(moments[:1], 26.4))]
    assert late == [drawing.WIDTH - 8]


def test_a_thinned_curve_keeps_its_peaks() -> None:
    points = [(float(n), 1000.0 if n == 5003 else -7.0 if n == 77 else math.sin(n)) for n in range(10_000)]
    kept = drawing.thinned(points)
    assert len(kept) <= drawing.MOST_POINTS
    assert {(5003.0, 1000.0), (77.0, -7.0)} <= set(kept)
    assert kept == sorted(kept)
    assert drawing.thinned(points[:50]) == points[:50]


def test_curves_of_one_unit_share_a_chart() -> None:
    line = [(0.0, 1.0), (1.0, 2.0)]
    found = drawing.charts(
        {"a_ms": line, "b_ms": line, "a_ms by event": line, "c": line, "d_ms": [], "e": [(0, math.nan)]}
    )
    assert [(one.x, one.unit, list(one.curves)) for one in found] == [
        ("event", "ms", ["a"]),
        ("seconds", "", ["c"]),
        ("seconds", "ms", ["a", "b"]),
    ]
    assert found[2].says == "ms over seconds: a from 1.00 to 2.00; b from 1.00 to 2.00"


@pytest.mark.parametrize(
    "ys", [[0.0], [5.0], [-3.0, 4.0], [1e-9, 1e9], [0.0, 0.0], [7.0, 7.0], [1.0, 301.0], [0.0, 1e6], [-5.0, -4.0]]
)
def test_every_curve_stays_within_its_chart(ys: list[float]) -> None:
    (chart,) = drawing.charts({"y": list(enumerate(ys))})
    numbers = re.findall(r'class="curve" d="M([^"]+)"|<circle cx="([\d.]+)" cy="([\d.]+)"', chart.svg)
    places = [
        tuple(map(float, one.split())) for path, x, y in numbers for one in (path.split("L") if path else [f"{x} {y}"])
    ]
    assert len(places) == len(ys)
    assert all(drawing.LEFT <= x <= drawing.WIDTH - drawing.RIGHT for x, _ in places)
    assert all(drawing.TOP <= y <= drawing.HEIGHT - drawing.BOTTOM for _, y in places)
    assert chart.svg.count('class="tick"') >= 3


def test_numbers_are_written_with_their_units() -> None:
    assert drawing.quantity("first_event_ms") == ("first event", "ms")
    assert drawing.quantity("ms") == ("ms", "")
    assert drawing.quantity("lost") == ("lost", "")
    assert [words.written(value) for value in (True, None, "RST", 1234.5, 0, 6.0, 0.25)] == [
        "yes",
        "not known",
        "RST",
        "1,234",
        "0",
        "6",
        "0.250",
    ]


# P16


def test_the_illusion_is_told_from_the_truth() -> None:
    """Two seconds of ten in which nothing is sent; what was due then is sent and received at once afterwards."""
    events = [due for n in range(100) for due in [n * 100_000_000]]
    sent = [max(due, 6_000_000_000) if 4_000_000_000 <= due < 6_000_000_000 else due for due in events]
    timed = [p16.Timed(due, at, at + 3_000_000) for due, at in zip(events, sent, strict=True)]
    naive, honest = p16.judged(timed, lost=0, cured=False), p16.judged(timed, lost=0, cured=True)
    assert (naive.bitten, honest.bitten) == (True, False)
    assert naive.numbers["service_p99_ms"] == 3
    assert naive.numbers["response_p99_ms"] == pytest.approx(1950, abs=60)
    assert naive.numbers == honest.numbers
    assert max(y for _, y in naive.curves["response_ms"]) == pytest.approx(2003)
    waited = [*timed, *(p16.Timed(3_990_000_000, 3_990_000_000, 6_003_000_000) for _ in range(5))]
    assert not p16.judged(waited, lost=0, cured=False).bitten  # these were late however it is counted


# The command


@pytest.fixture
def pits(monkeypatch: pytest.MonkeyPatch) -> dict[str, Experiment]:
    """Experiments that take no time, instead of the real ones."""

    async def refuse(_field: Field, _cured: bool) -> Observation:
        raise ConnectionError("the rope broke")

    made = [
        an_experiment(cure="A lid."),
        an_experiment(refuse, id="P2", name="well", title="A well"),
        an_experiment(id="P3", name="sky", title="The sky", impossible="nobody falls up", observe=None),
        an_experiment(id="P4", name="mine", title="A mine", seconds=600),
    ]
    found = {one.name: one for one in made}
    for module in (experiments_module, session):
        monkeypatch.setattr(module, "experiments", lambda: found)
    return found


def test_no_browser_is_said_before_anything_begins(
    pushlab: Pushlab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(engines, "found", lambda: dict(engines.ADVICE))
    said = pushlab("behaviours", "P16")
    assert (said.code, said.err) == (2, f"pushlab: {engines.ADVICE['chromium']}\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("pits")
def test_experiments_are_listed(pushlab: Pushlab) -> None:
    rows = pushlab("behaviours", "--list").out.splitlines()
    assert [row.split()[:2] for row in rows[1:]] == [["P1", "pit"], ["P2", "well"], ["P3", "sky"], ["P4", "mine"]]
    assert "nobody falls up" in rows[3]
    assert re.search(r"600 +only with --long", rows[4])
    assert len(pushlab("behaviours", "--list", "P2").out.splitlines()) == 2


@pytest.mark.usefixtures("pits")
def test_the_command_observes_reports_and_goes_on(pushlab: Pushlab, tmp_path: Path) -> None:
    said = pushlab("behaviours", "P1", "--engine", "native", "--transport", "sse,websocket")
    assert said.code == 0, said.err
    assert re.search(r"P1 pit +✓ bitten → ✕ bitten +✓ bitten → ✕ bitten", said.out)
    assert said.out.endswith("results/behaviours/report.html\n")
    assert "4 of 4 observations to be made" in said.err
    folder = tmp_path / "results" / "behaviours"
    assert len(list(folder.glob("*.json"))) == 4
    assert "nobody falls up" in (folder / "report.md").read_text("utf-8")

    said = pushlab("behaviours", "--engine", "native", "--transport", "sse")
    assert said.code == 1  # P2 fails
    assert "1 of 3 observations to be made" in said.err
    assert "the rope broke" in (folder / "report.html").read_text("utf-8")
    assert pushlab("behaviours", "P1", "--engine", "native", "--transport", "sse").code == 0  # not asked for: P2


@pytest.mark.parametrize("width", [72, 100, 200])
def test_the_table_fits_the_terminal(width: int) -> None:
    (panel,) = made_up.made_up().panels
    console = Console(width=width, record=True, file=open("/dev/null", "w", encoding="utf-8"))  # noqa: PTH123, SIM115
    console.print(session.table(panel, {one.name for one in made_up.ALL}, wide=width >= session.WIDE))
    console.file.close()
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= width
    rows = {row.split()[0]: row for row in text.splitlines() if re.match(r"P\d", row)}
    assert list(rows) == [one.id for one in made_up.ALL]
    for part in ("✓ bitten → ✓ unhurt",) if width >= session.WIDE else ("✓● → ✓○", "✓○ → ✓○"):
        assert part in rows["P1"]


@pytest.mark.parametrize("width", [8, 30, 200])
def test_the_progress_fits_any_terminal(width: int, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.delenv("CI", raising=False)
    seen = made_up.made_up().seen
    known = {one.name: one for one in made_up.ALL}
    with progress.shown(Console(file=sys.stdout, force_terminal=True, width=width), known) as tell:
        for done, one in enumerate(seen, 1):
            tell(one, done, len(seen))
    drawn = capsys.readouterr().out
    assert "\n\n" not in drawn
    assert f"{len(seen)}/{len(seen)}" in drawn or width < 20


def test_failures_are_told_at_once_without_a_terminal(capsys: Any) -> None:
    seen = made_up.made_up().seen
    with progress.shown(Console(file=sys.stdout), {one.name: one for one in made_up.ALL}) as tell:
        for done, one in enumerate(seen, 1):
            tell(one, done, len(seen))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + sum(one.state == "failed" for one in seen)
    assert lines[0].startswith("1 of 28: ✓ P1 with fetch_streaming in chromium: the first event came")
    assert any("? P3 with sse in chromium with the cure: failed: the page did not answer" in line for line in lines)


# The command in a process of its own, with the real thing

HURRIED = """
from benchmarks.behaviours import p16_coordinated_omission as p16
p16.SOURCE, p16.STALL, p16.BEGINS, p16.SEEN_MS = "steady:rate=60,size=100,seconds={seconds}", 0.4, 0.2, 200
from lab.cli import main
main()
"""


def observing(seconds: float, folder: Path) -> AbstractAsyncContextManager[Running]:
    options = ["behaviours", "P16", "--engine", "native", "--transport", "sse", "--out", str(folder)]
    return running(*options, code=HURRIED.format(seconds=seconds))


async def test_a_real_run_ends_with_a_report(tmp_path: Path) -> None:
    async with observing(1.5, tmp_path / "out") as process:
        said = await process.ended(within=60)
    assert said.code == 0, said.err
    assert re.search(r"P16 coordinated_omission +✓ bitten → ✓ unhurt", said.out)
    kept = json.loads((tmp_path / "out" / "coordinated_omission-sse-native-plain.json").read_text("utf-8"))
    assert kept["observation"]["numbers"]["response_p99_ms"] > 300
    assert [moment["what"] for moment in kept["moments"]][:4] == ["set out", "open", "server stopped", "server goes on"]


async def test_ctrl_c_ends_everything_that_was_begun(tmp_path: Path) -> None:
    async with observing(60, tmp_path / "out") as process:
        await process.says("2 of 2 observations to be made")
        async with asyncio.timeout(30):
            while len(children := psutil.Process(process.pid).children(recursive=True)) < 2:  # a server each
                await asyncio.sleep(0.05)
        said = await process.ended(signal.SIGINT, within=20)
    assert (said.code, said.out) == (130, ""), said.err
    assert "nothing to report" in said.err
    _, alive = psutil.wait_procs(children, timeout=5)
    assert alive == []
    assert not (tmp_path / "out").exists()
