"""The report says what the verdicts say, hides nothing, and holds what was measured."""

import base64
import gzip
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import accumulate
from pathlib import Path
from typing import Any

import altair as alt
import made_up_runs as made_up
import pytest
from made_up_runs import Made, cell, made, made_of, trial

from benchmarks.report import charts, drawing, figures, kinds, looks, markdown, tables, views, web, words
from benchmarks.report.drawing import Scene
from benchmarks.report.figures import LATENCIES, MEDIAN, Figure
from benchmarks.report.kinds import KINDS


@pytest.fixture(scope="module")
def awkward() -> Made:
    return made_up.awkward()


@pytest.fixture(scope="module")
def awkward_charts(awkward: Made) -> dict[str, alt.LayerChart]:
    return charts.charts(*awkward.arguments[:3])


@pytest.fixture(scope="module")
def awkward_page(awkward: Made) -> str:
    return web.page(*awkward.arguments)


def test_a_stage_that_is_not_known_says_why_and_has_no_share(awkward: Made) -> None:
    view = next(one for one in views.views(awkward.summary) if one.conditions[:2] == ("chromium", "steady"))
    rows = {(row["transport"], row["stage"]): row for row in tables.stages(view)}
    assert rows["websocket", "server"]["ms"] is None
    assert {row["why"] for (name, _), row in rows.items() if name == "websocket"} == {"it is compressed"}
    assert not any("why" in row for (name, _), row in rows.items() if name != "websocket")
    scene = drawing.Scene.of(view, awkward.trials)
    (kind,) = (one for one in kinds.KINDS if one.name == "stages")
    table = kind.table(scene)
    told = {line[0]: line[1:] for line in table.body}
    assert told["websocket"] == ["0.0100", figures.NONE, "0.0500", figures.NONE, "it is compressed"]
    assert told["sse"][-1] == ""


def verdicts(**pairs: str) -> views.View:
    """A view with these verdicts (a_b="faster"); p50s are 1, 2, 3 … ms in the order in which subjects are named."""
    subjects = list(dict.fromkeys(name for pair in pairs for name in pair.split("_")))
    where = {"variant": None, "engine": "chromium", "scenario": "steady", "link": "direct"}
    cells = [
        {
            "transport": name,
            **where,
            "state": "measured",
            "reason": "",
            "trials": 8,
            "latency_ms": {"p50": {"value": nth}},
        }
        for nth, name in enumerate(subjects, 1)
    ]
    limits = {"measure": "latency_ms.p50", "rounds": 8, "ratio": 0.5, "low": 0.4, "high": 0.6, "direction": None}
    limits |= {"delta_low": -0.7, "delta_high": 0.3}
    reasons = {"noise", "too few rounds"}
    differences = [
        limits
        | {which: f"{name} chromium steady direct" for which, name in zip("ab", pair.split("_"), strict=True)}
        | ({"verdict": "not resolved", "reason": verdict} if verdict in reasons else {"verdict": verdict})
        | (
            {"verdict": "not resolved", "reason": "noise", "direction": verdict.removeprefix("leaning ")}
            if verdict.startswith("leaning")
            else {}
        )
        for pair, verdict in pairs.items()
    ]
    return views.views({"cells": cells, "differences": differences})[0]


# --- numbers in writing ---


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.04213, "0.0421"), (0.7, "0.700"), (9.999, "10.0"), (2.4872, "2.49"), (249.6, "250"), (1234.5, "1,234"),
     (0, "0"), (-0.05, "−0.0500"), (1e-6, "0.000001"), (None, "–")],
)  # fmt: skip
def test_numbers_have_three_digits(value: float | None, written: str) -> None:
    assert figures.number(value) == written


def test_limits_are_shown_as_far_as_they_are_known() -> None:
    assert figures.limits(Figure(1, 0.9, 1.1)) == "0.900–1.10"
    assert figures.limits(Figure(1, None, None)) == ""
    assert figures.limits(Figure(1, 0.9, None)) == "0.900–?"
    assert figures.limits(Figure(0, -0.1, 0.1)) == "−0.100 to 0.100"


# --- the answer in words ---


def test_one_that_beats_all_others_is_fastest() -> None:
    view = verdicts(a_b="faster", a_c="faster", b_c="no difference")
    assert words.headline(view) == "`a` is fastest"
    assert "Slower than `a`: `b` 2.00\N{NO-BREAK SPACE}ms" in words.answers([view])[0].sentences[1]


def test_what_can_not_be_told_apart_is_a_group() -> None:
    view = verdicts(a_b="noise", a_c="faster", b_c="faster")
    assert words.headline(view) == "`a` and `b` are fastest: not resolved between them"
    assert any("Not resolved by these rounds: `a` – `b`" in sentence for sentence in words.answers([view])[0].sentences)


def test_of_many_that_are_not_resolved_what_they_differ_by_at_most_is_said() -> None:
    view = verdicts(a_b="noise", a_c="noise", b_c="noise", a_d="noise", b_d="no difference", c_d="no difference")
    said = words.answers([view])[0].sentences
    assert "Not resolved by these rounds: 4 pairs, none of which differs by more than 2.50\xa0× or 0.700\xa0ms." in said
    wide = replace(view, pairs={names: replace(pair, low=0.05) for names, pair in view.pairs.items()})
    named = next(one for one in words.answers([wide])[0].sentences if one.startswith("Not resolved by these rounds"))
    assert named.count(" – ") == 4


def test_a_pair_differs_at_most_as_much_from_both_sides() -> None:
    pair = verdicts(a_b="noise").pairs["latency_ms.p50", "a", "b"]
    assert pair.most == pair.mirrored.most == (2.5, 0.7)
    assert pair.mirrored.mirrored == pair
    assert replace(pair, low=None).most is None


def test_what_surely_does_not_differ_is_said_so() -> None:
    view = verdicts(a_b="no difference", a_c="faster", b_c="faster")
    assert words.headline(view) == "`a` and `b` are fastest: no difference that matters"
    assert words.headline(verdicts(a_b="no difference")) == "`a` and `b`: no difference that matters"
    assert words.headline(verdicts(a_b="noise")) == "`a` and `b`: not resolved between them"


def test_what_leans_is_neither_equal_nor_undecided() -> None:
    """The limits exclude "equal", and do not lie wholly beyond what matters: 0.4–0.6 here, of a/b."""
    assert (
        words.headline(verdicts(a_b="leaning faster"))
        == "`a` and `b`: not resolved between them, leaning to `a` (1.67–2.50\xa0×)"
    )
    assert (
        words.headline(verdicts(a_b="leaning slower"))
        == "`a` and `b`: not resolved between them, leaning to `b` (0.400–0.600\xa0×)"
    )
    view = verdicts(a_b="noise", a_c="leaning faster", b_c="no difference", a_d="faster", b_d="faster", c_d="faster")
    assert words.headline(view) == (
        "`a`, `b` and `c` are fastest: not all resolved between them, within 2.50\xa0× of each other"
    )
    said = words.answers([view])[0].sentences
    assert any("`b` – `c`" in one and one.startswith("No difference that matters") for one in said)
    assert any("`a` over `c` (1.67" in one and one.startswith("Not resolved, leaning to the faster") for one in said)
    assert any("`a` – `b`" in one and one.startswith("Not resolved by these rounds") for one in said)
    both = verdicts(a_b="leaning faster", a_c="noise", b_c="leaning faster")
    assert words.headline(both) == "`a`, `b` and `c`: not resolved between them, within 2.50\xa0× of each other"
    wide = replace(both, pairs={names: replace(pair, high=20.0) for names, pair in both.pairs.items()})
    assert words.headline(wide) == "`a`, `b` and `c`: not resolved between them"


def test_the_smallest_value_alone_does_not_win() -> None:
    """A noisy cell that no verdict places is not among the fastest, however small its p50 happens to be."""
    view = verdicts(noisy_a="noise", noisy_b="noise", a_b="faster")
    assert words.headline(view) == "`a` is fastest; `noisy` can't be placed"
    assert words.ranking(view).unplaced == ["noisy"]


def test_the_faster_of_a_pair_may_be_named_second() -> None:
    assert words.headline(verdicts(a_b="slower")) == "`b` is fastest"


def test_a_chain_of_verdicts_has_one_front() -> None:
    view = verdicts(a_b="faster", b_c="faster", a_c="noise")
    assert words.ranking(view) == words.Ranking(["a"], ["b", "c"], [], [])


def test_few_rounds_are_not_ranked() -> None:
    view = verdicts(a_b="too few rounds")
    assert words.headline(view) == "Too few rounds to rank"
    assert "without a verdict: p50 `a` 1.00 and `b` 2.00 ms" in words.answers([view])[0].sentences[0]
    assert words.verdict(view, "a", "b")[:2] == ("few", "? too few rounds")


def test_a_verdict_reads_the_same_from_both_sides() -> None:
    view = verdicts(a_b="faster")
    assert words.verdict(view, "a", "b") == ("faster", "▼ faster", "0.500\N{NO-BREAK SPACE}× (0.400–0.600)")
    assert words.verdict(view, "b", "a") == ("slower", "▲ slower", "2.00\N{NO-BREAK SPACE}× (1.67–2.50)")
    assert words.verdict(view, "a", "a")[0] == "baseline"
    assert words.verdict(view, "a", "b", LATENCIES[2])[1] == "not compared"


def test_every_loss_is_named() -> None:
    held = [trial(cell("sse"), 1, [1.0] * 10), trial(cell("websocket"), 1, [1.0, None, 1.0, None] + [1.0] * 6)]
    said = " ".join(words.delivery(made_of(held, ["chromium"]).summary))
    assert "`websocket` (chromium, steady, direct): 2 events lost (61, 63), of 10 sent." in said
    assert "18 of 20 events were delivered" in said
    assert "`sse`" not in said


def test_of_many_losses_the_rest_is_counted() -> None:
    held = [trial(cell(f"t{nth}"), 1, [1.0, None]) for nth in range(10)]
    said = words.delivery(made_of(held, ["chromium"]).summary)
    assert sum("1 event lost" in sentence for sentence in said) == words.MOST_NAMED
    assert said[-2:] == [
        "And events went astray in 2 more cells; the matrix tells.", "In all, 10 of 20 events were delivered.",
    ]  # fmt: skip


def test_that_nothing_was_lost_is_said_with_numbers() -> None:
    held = [trial(cell("sse"), 1, [1.0] * 10), trial(cell("websocket"), 1, [1.0] * 10)]
    assert words.delivery(made_of(held, ["chromium"]).summary) == [
        "No event was lost, delivered twice or out of order in any of 2 cells: 20 of 20 arrived."
    ]


def test_doubts_are_part_of_the_answer() -> None:
    held = [trial(cell("sse"), 1, [9.0] * 10, late_ms=7.0), trial(cell("websocket"), 1, [9.0] * 10)]
    late = made_of(held, ["chromium"])
    assert "Take this with care: the source was late" in words.reservation(views.views(late.summary))
    assert "Take this with care" in markdown.text(*late.arguments)


def test_verdicts_by_delivery_say_so() -> None:
    held = [
        trial(cell(name), n, [9.0 + n / 10] * 10, late_ms=7.0) for name in ("sse", "websocket") for n in range(1, 7)
    ]
    assert "verdicts compare delivery" in markdown.text(*made_of(held, ["chromium"]).arguments)


@pytest.mark.parametrize(
    ("ended", "said"),
    [("complete", "complete"), ("budget", "budget of 100 s"), ("interrupted", "interrupted"), ("not yet", "killed")],
)
def test_how_it_ended_is_said(ended: str, said: str) -> None:
    assert said in words.ending(ended, 100)


# --- looks ---


SPINE = ("fetch_streaming", "long_polling", "short_polling", "sse", "websocket", "xhr_streaming")


def looks_of(*subjects: str) -> dict[str, looks.Look]:
    named = (name.partition(":") for name in subjects)
    return looks.looks([{"transport": transport, "variant": variant or None} for transport, _, variant in named])


def test_of_many_transports_each_looks_different() -> None:
    subjects = [f"t{nth:02}{variant}" for nth in range(20) for variant in ("", ":v")]
    known = looks_of(*subjects)
    assert known == looks_of(*reversed(subjects))
    assert len({(look.colour, look.shape, tuple(look.dash)) for look in known.values()}) == 40
    assert known["t03"].colour == known["t03:v"].colour


def test_the_six_of_the_spine_have_six_colours_and_shapes() -> None:
    known = looks_of(*SPINE)
    assert len({look.colour for look in known.values()}) == len({look.shape for look in known.values()}) == 6
    assert {tuple(look.dash) for look in known.values()} == {looks.DASHES[0]}


@pytest.mark.parametrize("others", [(), SPINE[:3], ("aaa", "bosh", "zzz"), tuple(f"t{nth}" for nth in range(60))])
def test_a_transport_has_its_colour_whatever_else_was_measured(others: tuple[str, ...]) -> None:
    """Today's colours are pinned: they must not change from one version to the next."""
    known = looks_of("sse", "websocket", "long_polling", "sse:native", *others)
    assert {name: known[name].colour for name in ("sse", "websocket", "long_polling", "sse:native")} == {
        "sse": "#0072B2", "websocket": "#D55E00", "long_polling": "#009E73", "sse:native": "#0072B2",
    }  # fmt: skip
    assert known["sse"].shape == looks_of("sse")["sse"].shape


def test_more_subjects_than_looks_are_drawn_too() -> None:
    assert len(looks_of(*(f"sse:{nth}" for nth in range(100)))) == 100


# --- what charts draw ---


def test_a_distribution_runs_from_the_fastest_to_the_slowest_event() -> None:
    delays = [3.0, 1.0, 2.0, 9.0]
    rows = tables.distribution({"sse": [trial(cell("sse"), 1, delays)]})
    assert [row["delay"] for row in rows] == sorted(delays)
    assert [row["percentile"] for row in rows] == [12.5, 37.5, 62.5, 87.5]


def test_large_distributions_are_thinned_but_keep_their_ends() -> None:
    rows = tables.distribution({"sse": [trial(cell("sse"), 1, [float(n) for n in range(1, 5001)])]})
    assert len(rows) <= tables.POINTS
    assert (rows[0]["delay"], rows[-1]["delay"]) == (1.0, 5000.0)


def test_what_was_compressed_has_no_bar_below_nothing() -> None:
    """Its payload counts as it was, and more than all that travelled: framing alone would be less than nothing."""
    sizes = {"payload": 185.0, "framing": -97.0, "http": 0.0, "tcp_ip": 51.0}
    view = verdicts(a_b="noise")
    for name, framing in (("a", -97.0), ("b", 7.0)):
        view.cells[name]["wire_bytes_per_event"] = {"down": sizes | {"framing": framing}}  # type: ignore[index]
    drawn = {(row["transport"], row["part"]): row["bytes"] for row in tables.wire(view)}
    assert drawn["a", "payload"] == 88.0
    assert ("a", "framing") not in drawn
    assert (drawn["b", "payload"], drawn["b", "framing"]) == (185.0, 7.0)
    wire = next(kind for kind in KINDS if kind.name == "wire")
    scene = Scene(view, {}, None)
    assert wire.note(scene) == "Compressed, so that payload holds its framing, too: a"
    assert wire.table(scene).body[0] == ["a", "down", "88.0", figures.NONE, "0", "51.0"]


def test_limits_of_a_cost_that_are_far_away_are_cut_and_told() -> None:
    view = verdicts(a_b="noise")
    for name, high in (("a", 90_000.0), ("b", 12.0)):
        limits = {"value": 10.0, "low": 9.0, "high": high}
        view.cells[name]["server_cpu_us_per_delivery"] = limits  # type: ignore[index]
    scene = Scene(view, {}, None)
    cpu = next(kind for kind in KINDS if kind.name == "server-cpu")
    assert [(row["least"], row["most"], row["high"]) for row in cpu.rows(scene)] == [(9, 20, 90_000), (9, 12, 12)]
    assert cpu.note(scene) == "Limits beyond the edge, which the table tells: a"
    assert cpu.table(scene).body[0] == ["a", "10.0 (9.00–90,000)"]


def test_lost_events_are_drawn_too() -> None:
    rows = tables.events({"sse": [trial(cell("sse"), 1, [1.0, None, 3.0])]}, 1)
    assert [row["delay"] for row in rows] == [1.0, None, 3.0]
    assert [row["due"] for row in rows] == [0.0, 0.016, 0.032]


def test_thinning_keeps_what_was_lost_and_what_was_slowest() -> None:
    delays = [None, 999.0, *(float(n % 7) + 1 for n in range(5000))]
    kept = tables.thinned(tables.events({"sse": [trial(cell("sse"), 1, delays)]}, 1))
    assert len(kept) <= tables.DRAWN
    assert {None, 999.0} <= {row["delay"] for row in kept}


def test_what_the_timeline_leaves_out_is_said() -> None:
    timeline = next(kind for kind in KINDS if kind.name == "timeline")
    few, many = (made_of([trial(cell("sse"), 1, [1.0] * events)], ["chromium"]) for events in (300, 1000))
    said = [timeline.note(Scene.of(views.views(one.summary)[0], one.trials)) for one in (few, many)]
    assert said[0] == ""
    assert said[1].startswith("280 of 1,000 events drawn")
    assert packed(web.page(*many.arguments))["views"][0]["charts"]["timeline"]["note"] == said[1]
    chart = charts.charts(*many.arguments[:3])["timeline-chromium-steady-direct"]
    assert said[1] in chart.to_dict()["title"]["subtitle"]


def test_the_typical_round_is_the_one_nearest_to_the_medians() -> None:
    held = [trial(cell("sse"), n, [delay] * 5) for n, delay in ((1, 1.0), (2, 1.1), (3, 9.0))]
    assert tables.typical_round({"sse": held}) == 2
    assert tables.typical_round({}) is None


def test_an_age_begins_at_nothing_and_names_its_oldest() -> None:
    rows = tables.ages({"sse": [trial(cell("sse"), 1, [1.0, 50.0, 1.0])]}, 1)
    assert (rows[0]["age"], rows[0]["at"]) == (0.0, 0.0)
    oldest = next(row for row in rows if "oldest" in row)
    assert oldest["age"] == max(row["age"] for row in rows)


def test_charts_that_lack_their_figures_are_not_made() -> None:
    assert {name.partition("-")[0] for name in charts.charts(*made().arguments[:3])} == {
        *("distribution", "timeline", "trials", "age")
    }


def test_charts_appear_when_the_summary_has_their_figures(awkward_charts: dict[str, alt.LayerChart]) -> None:
    found = awkward_charts
    assert {"wire-chromium-steady-direct", "stages-firefox-burst-direct", "server-cpu-native-crowd-direct",
            "server-memory-native-crowd-direct", "page-memory-chromium-bulk-direct"} <= found.keys()  # fmt: skip
    assert all(re.fullmatch(r"[\w-]+", name) for name in found)


def test_a_transport_has_one_colour_in_all_charts(awkward: Made, awkward_charts: dict[str, alt.LayerChart]) -> None:
    known = looks.looks(awkward.summary["cells"])
    seen: dict[str, set[str]] = {}
    for chart in awkward_charts.values():
        for encoding in (layer["encoding"] for layer in chart.to_dict(validate=False)["layer"]):
            if encoding.get("color", {}).get("field") == "transport":
                scale = encoding["color"]["scale"]
                for name, colour in zip(scale["domain"], scale["range"], strict=True):
                    seen.setdefault(name, set()).add(colour)
    assert seen == {name: {known[name].colour} for name in seen}
    assert len(seen) >= 7


def test_charts_are_written_as_svg_and_png(tmp_path: Path) -> None:
    found = charts.charts(*made(rounds=2).arguments[:3])
    files = charts.write({"timeline": found["timeline-chromium-steady-direct"]}, tmp_path / "slides")
    assert [file.name for file in files] == ["timeline.svg", "timeline.png"]
    assert files[0].read_text("utf-8").startswith("<svg")
    assert "websocket" in files[0].read_text("utf-8")
    assert files[1].read_bytes().startswith(b"\x89PNG")


# --- the page ---


class Markup_(HTMLParser):  # noqa: N801 - the name without it is taken
    """Every tag with its attributes, and the text of the page without its scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem is None:
            self.text += data


def packed(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/gzip" id="data">([\w+/=]+)</script>', page)
    assert found
    told: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(found[1])))
    return told


def test_the_page_asks_for_nothing_and_obeys_only_its_own_scripts(awkward_page: str) -> None:
    tags = Markup_(awkward_page).tags
    assert [attrs["content"] for tag, attrs in tags if tag == "meta" and attrs.get("http-equiv")][0].startswith(  # noqa: RUF015
        "default-src 'none'; script-src 'sha256-"
    )
    assert not [attrs for _, attrs in tags if "src" in attrs or str(attrs.get("href", "#"))[0] != "#"]
    assert not [name for _, attrs in tags for name in attrs if name.startswith("on")]
    assert [tag for tag, _ in tags].count("script") == 3


def test_nothing_that_a_run_holds_is_markup(awkward_page: str) -> None:
    assert not [attrs for tag, attrs in Markup_(awkward_page).tags if tag == "img"]
    assert made_up.EVIL in Markup_(awkward_page).text


def test_the_page_shows_every_state_with_its_reason(awkward: Made, awkward_page: str) -> None:
    text = " ".join(Markup_(awkward_page).text.split())
    for said in ("unavailable: needs", "unsupported: a browser can't speak it", "failed: did not open within 10 s",
                 "too few events", "too few rounds", "1 lost, 1 delivered again", "1 out of order, 1 never sent",
                 "2 gaps were announced", "1 file could not be read", "line 3 is no JSON", "budget of 100 s",
                 "NavigationStart", "±0.0150", "--disable-renderer-backgrounding", "on time", "seed 7"):  # fmt: skip
        assert said in text
    assert all(name in text for name in views.views(awkward.summary)[0].cells)


def test_the_page_holds_every_event(awkward: Made, awkward_page: str) -> None:
    told = packed(awkward_page)
    held = {(tuple(told["cells"][one["cell"]]), one["round"]): one for one in told["trials"]}
    for one in awkward.trials:
        of = one.cell
        found = held[(of.transport, of.variant or "", of.engine, of.scenario, of.link), one.round]
        assert list(accumulate(found["id"])) == [sample.id for sample in one.samples]
        assert list(accumulate(found["due"])) == [(s.due - one.sent[0][2]) // 1000 for s in one.samples]
        expected = [round((s.received[0] - s.due) / 1000) if s.received else None for s in one.samples]
        assert found["delay"] == expected
        assert found["copies"] == {str(n): len(s.received) for n, s in enumerate(one.samples) if len(s.received) > 1}


def test_what_does_not_fit_is_left_out_by_rounds_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "MOST_EVENTS", 500)  # a round has 240
    page = web.page(*made().arguments)
    assert {one["round"] for one in packed(page)["trials"]} == {1, 2}
    assert "8 of 24 trials, the first rounds of each cell" in page


def test_a_full_run_fits_into_three_megabytes() -> None:
    assert len(web.page(*made_up.full().arguments).encode()) <= 3_000_000


def test_a_page_is_made_the_same_again(awkward: Made, awkward_page: str) -> None:
    assert web.page(*awkward.arguments) == awkward_page


def test_runs_that_hold_nothing_are_reported_too() -> None:
    nothing = made_of([], [])
    only_absent = made_of([], [], {cell("bosh"): ("unavailable", "no server here")})
    damaged = replace(made(), trials=[])
    for one in (nothing, only_absent, damaged):
        assert "<h1" in web.page(*one.arguments)
        assert markdown.text(*one.arguments).startswith("# ")
    assert "Nothing was measured" in web.page(*only_absent.arguments)


def test_a_failed_trial_is_not_drawn() -> None:
    few = made(rounds=5)
    failed = replace(few.trials[0], state="failed", reason="did not open", sent=[], arrived=[])
    again = made_of([failed, *few.trials[1:]], ["chromium"])
    page = web.page(*again.arguments)
    assert "1 of 5 trials failed: did not open" in page
    assert len(packed(page)["trials"]) == 19


def test_how_costs_were_counted_is_told(awkward: Made, awkward_page: str) -> None:
    assert "Server CPU" in Markup_(awkward_page).text
    assert "by a clock that this run did not note" in Markup_(awkward_page).text
    assert "anonymous: what a process has written itself" in Markup_(awkward_page).text
    noted = replace(awkward.run, machine=awkward.run.machine | {"cpu_clock": "the sun"})
    assert "by the sun, all processes" in markdown.text(noted, *awkward.arguments[1:])
    assert "Server CPU**:" not in markdown.text(*made().arguments)  # it has none


# --- links ---


def test_each_link_is_a_condition_of_its_own_and_is_named() -> None:
    linked = made_up.linked()
    near, far = views.views(linked.summary)
    assert (near.conditions.title, far.conditions.title) == (
        "chromium, steady, direct", "chromium, steady, relay:delay=50",
    )  # fmt: skip
    assert {row["a"].split()[-1] for row in linked.summary["differences"]} == {"direct", made_up.LINK}
    assert all(row["a"].split()[1:] == row["b"].split()[1:] for row in linked.summary["differences"])
    assert "is fastest" not in words.headline(far)
    assert near.by(MEDIAN)["long_polling"] < far.by(MEDIAN)["sse"]


def test_every_part_of_a_report_names_the_link() -> None:
    linked = made_up.linked()
    linked.run.links[made_up.LINK] = {"title": "a relay that holds everything for 50 ms"}
    text, page = markdown.text(*linked.arguments), web.page(*linked.arguments)
    shown, data = " ".join(Markup_(page).text.split()), packed(page)
    for said in ("chromium, steady, direct", "chromium, steady, relay:delay=50", "a relay that holds everything",
                 "(chromium, steady, relay:delay=50): 1 event lost"):  # fmt: skip
        assert said in shown
        assert said in text
    assert [view["link"] for view in data["views"]] == ["direct", made_up.LINK]
    found = charts.charts(*linked.arguments[:3])
    assert {name for name in found if name.startswith("trials")} == {
        "trials-chromium-steady-direct", "trials-chromium-steady-relay-delay-50",
    }  # fmt: skip
    for name, chart in found.items():
        link = made_up.LINK if "relay" in name else "direct"
        assert f", {link}, " in chart.to_dict()["title"]["subtitle"][0]
    medians = {row["p50"] > 40 for row in data["views"][1]["charts"]["trials"]["rows"]}
    assert medians == {True}


def test_a_links_configuration_is_in_both_reports() -> None:
    linked = made_up.linked()
    facts = {"title": "a proxy", "proxy": {"version": "9.9", "configuration": "frontend {\n  <hold> on\n}\n", "n": [1]}}
    linked.run.links[made_up.LINK] = facts
    text, page = markdown.text(*linked.arguments), Markup_(web.page(*linked.arguments))
    assert "frontend {\n  <hold> on\n}" in page.text
    assert "      frontend {\n        <hold> on\n      }" in text
    assert "relay:delay=50: proxy’s version**: 9.9" in text


# --- Markdown ---


def test_markdown_says_what_the_page_says(awkward: Made) -> None:
    text = markdown.text(*awkward.arguments)
    answer = words.answers(views.views(awkward.summary))[0]
    assert text.startswith(f"# {answer.headline}\n")
    for sentence in (*answer.sentences, *words.delivery(awkward.summary)):
        assert sentence in text
    for said in ("unavailable: needs", "too few events", "1 lost, 1 delivered again", "seed 7", "could not be read",
                 "±0.0150", "--disable-renderer-backgrounding"):  # fmt: skip
        assert said in text


def test_markdown_tables_keep_their_shape(awkward: Made) -> None:
    for block in markdown.text(*awkward.arguments).split("\n\n"):
        if block.startswith("| "):
            rows = [re.findall(r"(?<!\\)\|", line) for line in block.splitlines()]
            assert len({len(row) for row in rows}) == 1
            assert "<" not in block


def test_the_first_view_is_the_one_measured_most() -> None:
    once, often = made(engines=["firefox"], rounds=1), made(engines=["chromium"], rounds=5)
    whole = made_of([*once.trials, *often.trials], ["firefox", "chromium"])
    first, second = views.views(whole.summary)
    assert (first.conditions.engine, second.conditions.engine) == ("chromium", "firefox")
    assert words.headline(second) == "Too few rounds to rank"
    both = made_of([*made(engines=["native"], rounds=6).trials, *often.trials], ["native", "chromium"])
    assert [view.conditions.engine for view in views.views(both.summary)] == ["chromium", "native"]
    alike = made_of([*made(engines=["firefox"], rounds=5).trials, *often.trials], ["firefox", "chromium"])
    assert [view.conditions.engine for view in views.views(alike.summary)] == ["chromium", "firefox"]
    assert list(first.by(MEDIAN).values()) == sorted(first.by(MEDIAN).values())
    assert list(first.by(MEDIAN))[2:] == ["long_polling", "xhr_streaming"]
