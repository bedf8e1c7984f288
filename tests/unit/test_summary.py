"""From trials to figures, by trials made by hand whose answers can be worked out on paper."""

import csv
import io
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

from benchmarks import summary
from benchmarks.runs import Cell, Run, Trial
from benchmarks.summary import as_csv, summarize
from lab.link.net import LATE_US

MS = 1_000_000  # ns
EPOCH = 7
SSE = Cell("sse", None, "chromium", "steady")
OTHER = Cell("long_polling", None, "chromium", "steady")

Event = tuple[int, int]  # epoch, id


def trial(
    arrived: Iterable[tuple[Event, float]],
    sent: Iterable[tuple[Event, float]] = (((EPOCH, 1), 0.0), ((EPOCH, 2), 10.0), ((EPOCH, 3), 20.0)),
    late: float = 0.0,
    **more: Any,
) -> Trial:
    """Times in ms. By default three events are due, at 0, 10 and 20."""
    return Trial(
        **{"cell": SSE, "round": 1, "state": "measured", **more},
        sent=[(*event, ns(due), ns(due + late)) for event, due in sent],
        arrived=[(*event, ns(received)) for event, received in arrived],
    )


def many(delays: Sequence[float], **more: Any) -> Trial:
    """An event every 20 ms, each with its delay."""
    due = [((EPOCH, n + 1), 20.0 * n) for n in range(len(delays))]
    return trial([(event, at + delay) for (event, at), delay in zip(due, delays, strict=True)], due, **more)


def ns(ms: float) -> int:
    return round(ms * MS)


def run(*cells: Cell, **states: Any) -> Run:
    planned = {"state": "planned", "reason": "", "title": "SSE", "looks": 1, **states}
    entries = [{"cell": asdict(cell), **planned} for cell in cells or (SSE,)]
    return Run("quick", 7, "2026-11-23", {}, {}, {}, cells=entries, ended="complete")


def row(*trials: Trial, **states: Any) -> dict[str, Any]:
    (only,) = summarize(run(**states), trials)["cells"]
    assert isinstance(only, dict)
    return only


def one(id_: int, received: float, epoch: int = EPOCH) -> tuple[Event, float]:
    return (epoch, id_), received


# What was sent against what arrived


ALL = [one(1, 1), one(2, 11), one(3, 21)]


@pytest.mark.parametrize(
    ("arrived", "faults"),
    [
        (ALL, {}),
        ([one(1, 1), one(3, 21)], {"lost": ["7-2"]}),
        ([], {"lost": ["7-1", "7-2", "7-3"]}),
        ([*ALL, one(2, 30), one(2, 31)], {"duplicated": ["7-2", "7-2"]}),
        ([one(1, 1), one(3, 21), one(2, 22)], {"reordered": ["7-2"]}),
        ([one(3, 1), one(2, 2), one(1, 3)], {"reordered": ["7-2", "7-1"]}),
        ([*ALL, one(9, 30)], {"unexpected": ["7-9"]}),
        ([one(0, 0), *ALL], {"unexpected": ["7-0"]}),
        ([*ALL, one(2, 30, epoch=6)], {"unexpected": ["6-2"]}),
        ([one(2, 11), one(1, 12), one(1, 13)], {"lost": ["7-3"], "duplicated": ["7-1"], "reordered": ["7-1"]}),
    ],
)
def test_the_sets_are_exact(arrived: list[tuple[Event, float]], faults: dict[str, list[str]]) -> None:
    events = row(trial(arrived))["events"]
    lost = faults.get("lost", [])
    empty: dict[str, list[str]] = {"lost": [], "duplicated": [], "reordered": [], "unexpected": []}
    assert events == {"sent": 3, "delivered": 3 - len(lost), "announced": [], **empty, **faults}


# What was done to the connections


def struck(at: float, healed: float | None, arrived: Iterable[tuple[Event, float]], **more: Any) -> Trial:
    """Events are due at 0, 10 and 20, and the trial ends at 100."""
    fault = {"what": "cut", "at": ns(at), "healed": None if healed is None else ns(healed), "unsent": 2}
    return trial(arrived, fault=fault, ended=ns(100), **more)


@pytest.mark.parametrize(
    ("told", "announced"),
    [
        ({"epoch": EPOCH, "from": 2, "to": 3}, ["7-2", "7-3"]),
        ({"epoch": EPOCH, "from": 3, "to": None}, ["7-3"]),
        ({"epoch": EPOCH - 1, "from": 1, "to": None}, []),
    ],
)
def test_what_a_gap_names_is_announced(told: dict[str, Any], announced: list[str]) -> None:
    assert row(trial([one(1, 1)], gaps=[told]))["events"]["announced"] == announced


def test_what_became_of_a_fault() -> None:
    lost = [(ns(2), "before"), (ns(9), "noticed"), (ns(12), "again")]
    fault = row(struck(5, 30, [one(1, 4), one(2, 29), one(3, 40)], lost=lost))["fault"]
    assert (fault["noticed"], fault["noticed_ms"]["value"]) == (1, 4)
    assert (fault["resumed"], fault["resumed_ms"]["value"]) == (1, 10)  # what came at 29 came before all was well
    assert (fault["stale_max_ms"]["value"], fault["unsent"]) == (30, 2)  # just before the third event


def test_what_never_came_again() -> None:
    fault = row(struck(5, None, [one(1, 1)]))["fault"]
    assert (fault["noticed"], fault["noticed_ms"], fault["resumed"], fault["resumed_ms"]) == (0, None, 0, None)
    assert fault["stale_max_ms"]["value"] == 100


def test_what_was_on_its_way_is_no_resumption() -> None:
    done = struck(5, 5, [one(1, 6), one(2, 18), one(3, 21)])
    assert row(done)["fault"]["resumed_ms"]["value"] == 13


def test_a_fault_explains_lost_connections() -> None:
    assert row(struck(5, 5, [one(1, 1)], lost=[(ns(6), "cut")]))["doubts"] == []
    assert row(trial([one(1, 1)]))["fault"] is None


def test_two_events_of_one_number_in_two_epochs_are_two() -> None:
    sent = [((7, 1), 0.0), ((7, 2), 10.0), ((8, 1), 20.0), ((8, 2), 30.0)]
    events = row(trial([one(1, 1), one(2, 11), one(1, 21, 8)], sent))["events"]
    assert (events["sent"], events["delivered"], events["lost"]) == (4, 3, ["8-2"])
    assert events["duplicated"] == events["reordered"] == events["unexpected"] == []


def test_trials_are_added_up_and_those_that_failed_are_not() -> None:
    failed = Trial(SSE, 3, "failed", "did not open")
    cell = row(trial(ALL), trial([one(1, 1), one(3, 21)], round=2), failed)
    assert (cell["trials"], cell["events"]["sent"], cell["events"]["delivered"]) == (2, 6, 5)
    assert cell["events"]["lost"] == ["7-2"]
    assert [doubt["what"] for doubt in cell["doubts"]] == ["1 of 3 trials failed: did not open"]


# Latency


def test_the_delay_is_counted_from_when_an_event_was_due() -> None:
    late = trial(ALL, late=0.4)
    assert summary.delays(late).tolist() == [1, 1, 1]
    assert summary.deliveries(late) == pytest.approx([0.6, 0.6, 0.6])
    assert summary.lateness([late]) == pytest.approx([0.4, 0.4, 0.4])


def test_of_an_event_that_came_twice_the_first_arrival_counts_and_a_lost_one_has_no_delay() -> None:
    assert summary.delays(trial([one(1, 1), one(3, 26), one(1, 50)])).tolist() == [1, 6]


def test_a_late_event_is_never_dropped() -> None:
    cell = row(many([1.0] * 99 + [2000.0]))
    assert cell["latency_ms"]["max"]["value"] == 2000
    assert cell["latency_ms"]["p50"]["value"] == 1


def test_the_estimate_is_the_geometric_mean_of_the_trials_percentiles() -> None:
    cell = row(many([1.0] * 40), many([4.0] * 40, round=2))
    assert cell["latency_ms"]["p50"]["value"] == pytest.approx(2)
    assert cell["latency_ms"]["p90"]["value"] == pytest.approx(2)


def test_an_interval_comes_from_trials_and_one_trial_has_none() -> None:
    once = row(many([1.0] * 40))["latency_ms"]["p50"]
    assert once == {"value": 1, "low": None, "high": None}
    interval = row(*(many([delay] * 40, round=n) for n, delay in enumerate([1.0, 1.1, 1.2], 1)))["latency_ms"]["p50"]
    logs = np.log([1.0, 1.1, 1.2])
    half = 4.302653 * logs.std(ddof=1) / math.sqrt(3)  # Student's t with 2 degrees of freedom, 97.5 %
    expected = {"value": logs.mean(), "low": logs.mean() - half, "high": logs.mean() + half}
    assert interval == pytest.approx({key: math.exp(value) for key, value in expected.items()}, rel=1e-4)


def test_a_percentile_that_the_sample_cannot_support_is_null() -> None:
    latency = row(many([1.0] * 40))["latency_ms"]
    assert latency["p50"] is not None
    assert latency["p99"] is None
    assert row(trial(ALL))["latency_ms"]["p90"] is None
    assert row(trial([]))["latency_ms"] == {"p50": None, "p90": None, "p99": None, "max": None}


# What else a trial yields


def test_when_it_opened_is_counted_from_when_it_set_out() -> None:
    first = trial(ALL, navigated=ns(-50), opened=[ns(-20), ns(5)])
    cell = row(first, trial(ALL, round=2, navigated=ns(-120), opened=[ns(0)]))
    assert cell["open_ms"]["value"] == pytest.approx(math.sqrt(30 * 120))
    assert cell["first_event_ms"]["value"] == pytest.approx(math.sqrt(51 * 121))
    assert row(trial(ALL))["open_ms"] is None


def test_the_age_of_information_is_the_area_under_a_saw() -> None:
    """Due at 0, 10 and 20; each arrives 1 ms later: at first the age rises to 1, then twice from 1 to 11."""
    cell = row(trial(ALL))
    assert cell["age_ms"]["max"]["value"] == pytest.approx(11, rel=1e-5)
    area = 1 * 1 / 2 + 2 * 10 * (1 + 11) / 2
    assert cell["age_ms"]["mean"]["value"] == pytest.approx(area / 21, rel=1e-5)
    assert row(trial([]))["age_ms"] is None


def test_the_clocks_bound_is_that_of_the_worst_trial() -> None:
    assert row(trial(ALL, bound_ms=0.01), trial(ALL, round=2, bound_ms=0.2))["clock_bound_ms"] == 0.2


def test_gaps_and_lost_connections_are_counted_and_told() -> None:
    gap = {"epoch": 7, "from": 1, "to": 2, "why": "retention"}
    cell = row(trial(ALL, gaps=[gap], lost=[(1, "silent for 37.5 s"), (2, "cut")]), trial(ALL, round=2))
    assert (cell["gaps"], cell["connections_lost"]) == ([gap], 2)
    (doubt,) = cell["doubts"]
    assert doubt["what"] == "1 of 2 trials lost a connection that nobody cut: silent for 37.5 s"
    assert doubt["advice"]


def test_a_connection_that_was_cut_on_purpose_is_no_doubt() -> None:
    cell = Cell("sse", None, "chromium", "reconnect")
    (only,) = summarize(run(cell), [trial(ALL, cell=cell, lost=[(1, "cut")])])["cells"]
    assert (only["connections_lost"], only["doubts"]) == (1, [])


def test_a_source_that_was_late_is_a_doubt() -> None:
    assert row(many([2.0] * 200))["doubts"] == []
    cell = row(many([2.0] * 200, late=0.7))
    (doubt,) = cell["doubts"]
    assert doubt["what"] == "the source was late: half of the events by 0.70 ms or more, 1 of 100 by 0.7 ms"
    assert "the machine was busy" in doubt["advice"]
    assert cell["lateness_ms"] == pytest.approx({"p50": 0.7, "p99": 0.7, "min": 0.7})


def passed(p50: float, p99: float) -> dict[str, Any]:
    """What an emulated network tells of a trial: nothing went up."""
    return {"down": {"packets": 9, "late_us": {"p50": p50, "p99": p99}}, "up": {"packets": 0, "late_us": None}}


def test_an_emulated_network_that_was_late_in_the_typical_trial_is_a_doubt() -> None:
    cell = row(*(trial(ALL, round=n, network=passed(20, late)) for n, late in enumerate((100, 200, 9000), 1)))
    assert (cell["network_late_ms"], cell["doubts"]) == ({"p50": 0.02, "p99": 0.2}, [])
    cell = row(*(trial(ALL, round=n, network=passed(20, late)) for n, late in enumerate((100, 700, 9000), 1)))
    assert [doubt["what"] for doubt in cell["doubts"]] == ["packets left the emulated network late: by 0.7 ms at p99"]
    assert row(trial(ALL))["network_late_ms"] is None
    assert summary.NETWORK_LATE_MS * 1000 == LATE_US, "what is late before a trial is late in one"
    assert row(trial(ALL, network={"down": {"packets": 9}}))["network_late_ms"] is None, "netem doesn't tell"


def test_an_emulated_network_that_can_not_keep_its_rate_is_a_doubt() -> None:
    told = replace(run(SSE), links={SSE.link: {"net": {"doubt": "it carried 600 of 1000 Mbit/s down"}}})
    (only,) = summarize(told, [trial(ALL)])["cells"]
    (doubt,) = only["doubts"]
    assert doubt["what"] == "the emulated network can't do what it was asked for: it carried 600 of 1000 Mbit/s down"


def test_bytes_are_told_for_each_event_that_arrived() -> None:
    def wire(scale: int) -> dict[str, Any]:
        way = {"payload": 300, "framing": 30, "http": 60, "tcp_ip": 90}
        split = {key: scale * value for key, value in way.items()}
        return {"down": split, "up": split, "packets": {"down": 9, "up": 6}, "connections": 1, "requests": 3}

    told = row(trial(ALL, wire=wire(1)), trial(ALL, round=2, wire=wire(3)))["wire_bytes_per_event"]
    assert told["down"] == {"payload": 200, "framing": 20, "http": 40, "tcp_ip": 60, "total": 320}
    assert told["packets"] == {"down": 3, "up": 2}
    assert (told["connections"], told["requests"]) == pytest.approx((1 / 3, 1))
    assert row(trial(ALL, wire={"reason": "only Linux"}))["wire_bytes_per_event"] is None


STAMPS = {"rtt_ms": 0.2, "reason": ""}


def stamped(*trials: Trial, **stamps: Any) -> dict[str, Any]:
    """The stages of a cell whose events were all written 0.3 ms after they were due."""
    written = [[(epoch, id_, due + ns(0.3)) for epoch, id_, due, _ in trial.sent] for trial in trials]
    held = [replace(trial, written=rows, stamps=STAMPS | stamps) for trial, rows in zip(trials, written, strict=True)]
    told = row(*held)["stages_ms"]
    assert isinstance(told, dict)
    return told


def test_the_stages_of_an_event_add_up_to_its_delay() -> None:
    one_trial = replace(many([1.0, 4.0, 2.0, 7.0] * 5, late=0.1), stamps=STAMPS)
    one_trial = replace(one_trial, written=[(epoch, id_, at + ns(0.25)) for epoch, id_, _, at in one_trial.sent])
    found = summary.stages(one_trial)
    assert tuple(found) == ("source", "wire", "server", "browser")
    assert sum(found.values()) == pytest.approx(summary.delays(one_trial))
    assert found["browser"][:4] == pytest.approx([0.55, 3.55, 1.55, 6.55])


def test_the_median_of_each_stage_is_combined_as_percentiles_are() -> None:
    told = stamped(many([1.0] * 40, late=0.1), many([4.0] * 40, round=2, late=0.1))
    assert [told[stage]["value"] for stage in summary.STAGES] == pytest.approx(
        [0.1, 0.2, 0.1, math.sqrt(0.6 * 3.6)], rel=1e-5
    )
    assert told["browser"]["low"] < told["browser"]["value"] < told["browser"]["high"]
    assert told["reason"] == ""


def test_what_was_lost_is_in_no_stage_and_of_what_was_repeated_the_first_arrival_counts() -> None:
    told = stamped(trial([*ALL[:2], one(1, 50)] * 4, late=0.1))
    assert (told["browser"], told["reason"]) == (None, "too few events")
    lossy = many([1.0] * 40)
    assert stamped(replace(lossy, arrived=[*lossy.arrived[:30], *lossy.arrived[:5]]))["browser"][
        "value"
    ] == pytest.approx(0.6)


def test_a_stage_that_was_not_measured_is_null_and_says_why() -> None:
    plain = many([1.0] * 40)
    told = stamped(plain, rtt_ms=None, reason="only Linux tells it")
    assert (told["source"]["value"], told["server"]["value"]) == pytest.approx((0, 0.3))
    assert (told["wire"], told["browser"], told["reason"]) == (None, None, "only Linux tells it")
    told = row(replace(plain, stamps=STAMPS | {"reason": "it is compressed"}))["stages_ms"]
    assert (told["server"], told["browser"], told["reason"]) == (None, None, "it is compressed")
    assert told["wire"]["value"] == pytest.approx(0.1)


def test_one_write_that_nobody_saw_makes_the_servers_part_unknown() -> None:
    """The others may be the quicker ones."""
    whole = replace(many([1.0] * 40), stamps=STAMPS)
    written = [(epoch, id_, due) for epoch, id_, due, _ in whole.sent]
    told = row(replace(whole, written=written), replace(whole, written=written[1:], round=2))["stages_ms"]
    assert (told["server"], told["browser"]) == (None, None)
    assert told["reason"] == "1 of 40 events were not seen when the server wrote them"


def test_runs_without_stamps_have_no_stages() -> None:
    assert row(many([1.0] * 40))["stages_ms"] is None
    old, new = many([1.0] * 40), replace(many([1.0] * 40, round=2), stamps=STAMPS)
    assert row(old, new)["stages_ms"]["reason"] == "when the server wrote its events was not noted"
    assert row(trial([]))["stages_ms"] is None


def test_costs_are_the_means_of_their_trials_and_nothing_else_is_told_with_them() -> None:
    costs = [
        {"server_cpu_us_per_delivery": 4.0, "memory": "anonymous"},
        {"server_cpu_us_per_delivery": 9.0, "memory": "anonymous"},
    ]
    trials = [Trial(SSE, n, "measured", cost=cost) for n, cost in enumerate(costs, 1)]
    cell = row(*trials)
    assert cell["server_cpu_us_per_delivery"]["value"] == pytest.approx(6)
    assert cell["memory"] == "anonymous"
    assert "latency_ms" not in cell
    assert "events" not in cell


# States


def test_a_cell_that_was_measured_says_so_whatever_else_happened() -> None:
    assert (row(trial(ALL))["state"], row(trial(ALL))["reason"]) == ("measured", "")
    assert row(trial(ALL), Trial(SSE, 2, "failed", "x"))["state"] == "measured"


def test_a_cell_that_was_not_measured_says_why() -> None:
    failed = row(Trial(SSE, 1, "failed", "did not open within 10 s"))
    assert (failed["state"], failed["reason"], failed["trials"]) == ("failed", "did not open within 10 s", 0)
    never = row()
    assert (never["state"], never["reason"]) == ("failed", "its turn never came")
    missing = row(state="unavailable", reason="aioquic is not installed")
    assert (missing["state"], missing["reason"]) == ("unavailable", "aioquic is not installed")
    assert row(state="unsupported", reason="no client.js")["state"] == "unsupported"
    for cell in (failed, never, missing):
        assert "latency_ms" not in cell


# Differences


def rounds(cell: Cell, delays: Sequence[float], **more: Any) -> list[Trial]:
    return [many([delay] * 40, cell=cell, round=n, **more) for n, delay in enumerate(delays, 1)]


def differences(*trials: Trial, **states: Any) -> list[dict[str, Any]]:
    cells = tuple(dict.fromkeys(trial.cell for trial in trials))
    found = summarize(run(*cells, **states), trials)["differences"]
    assert isinstance(found, list)
    return [pair for pair in found if pair["measure"] == "latency_ms.p50"]


WOBBLE = [1.0, 1.01, 0.99, 1.02, 0.98, 1.0, 1.01, 0.99]


def test_what_is_clearly_faster_is_called_so() -> None:
    (pair,) = differences(*rounds(SSE, WOBBLE), *rounds(OTHER, [3 * delay for delay in WOBBLE]))
    assert (pair["a"], pair["b"]) == (SSE.name, OTHER.name)
    assert pair["ratio"] == pytest.approx(1 / 3, rel=1e-5)
    assert (pair["verdict"], pair["rounds"]) == ("faster", 8)


def test_the_same_is_no_difference() -> None:
    (pair,) = differences(*rounds(SSE, WOBBLE), *rounds(OTHER, WOBBLE[::-1]))
    assert pair["verdict"] == "no difference"


def test_under_five_rounds_there_is_no_verdict() -> None:
    (pair,) = differences(*rounds(SSE, WOBBLE[:4]), *rounds(OTHER, [9.0] * 4))
    assert pair["verdict"] == "not resolved"


def test_only_what_was_measured_under_the_same_conditions_is_compared() -> None:
    for other in (
        replace(OTHER, engine="firefox"),
        replace(OTHER, scenario="burst"),
        replace(OTHER, link="relay"),
    ):
        assert differences(*rounds(SSE, WOBBLE), *rounds(other, WOBBLE)) == []


def test_rounds_are_paired_by_their_number() -> None:
    """Each round of one cell was slow when that of the other was: the ratio is the same in all of them."""
    drift = [1.0, 4.0, 2.0, 8.0, 3.0, 5.0]
    slower = rounds(OTHER, [2 * delay * wobble for delay, wobble in zip(drift, WOBBLE, strict=False)])
    (pair,) = differences(*rounds(SSE, drift), *reversed(slower))
    assert pair["ratio"] == pytest.approx(1 / 2, rel=0.01)
    assert pair["verdict"] == "faster"


def test_a_cell_in_which_much_was_lost_is_not_compared_by_the_rest() -> None:
    """The trials that can support the percentile would be the better ones."""
    thin = [trial([one(1, 1)], round=1, cell=OTHER), *rounds(OTHER, WOBBLE)[1:]]
    assert summary.compared({SSE: rounds(SSE, WOBBLE), OTHER: thin}, 50).keys() == {SSE.name}


@pytest.mark.parametrize(
    ("late", "basis", "ratio"), [(0.0, "delay", 1 / 2), (0.3, "delivery", 1 / 2), (150.0, "delay", 151 / 152)]
)
def test_where_the_source_was_late_delivery_is_compared(late: float, basis: str, ratio: float) -> None:
    """Unless a server stood still: that is its own fault, and must show."""
    fast, slow = ([factor * delay + late for delay in WOBBLE] for factor in (1, 2))
    (pair,) = differences(*rounds(SSE, fast, late=late), *rounds(OTHER, slow, late=late))
    assert pair["basis"] == basis
    assert pair["ratio"] == pytest.approx(ratio, rel=0.01)


# The files


def test_the_summary_is_json_with_nothing_in_it_that_json_does_not_know() -> None:
    made = summarize(run(SSE, OTHER), [*rounds(SSE, WOBBLE), *rounds(OTHER, [2.0] * 8), trial([], round=9)])
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    assert (made["format"], made["plan"], made["seed"], made["ended"]) == (1, "quick", 7, "complete")


def test_a_spreadsheet_gets_a_line_per_cell_and_numbers_of_sets() -> None:
    failing = Trial(OTHER, 1, "failed", "no")
    made = summarize(run(SSE, OTHER), [trial([one(1, 1), one(3, 21)]), failing])
    first, second = csv.DictReader(io.StringIO(as_csv(made)))
    assert (first["transport"], first["state"], first["events.sent"], first["events.lost"]) == (
        "sse",
        "measured",
        "3",
        "1",
    )
    assert (second["transport"], second["state"], second["reason"], second["events.sent"]) == (
        "long_polling", "failed", "no", "")  # fmt: skip


def test_six_digits_are_enough() -> None:
    assert summary._round(1 / 3) == 0.333333
    assert summary._round(123_456_789.0) == 123_457_000
    assert summary._round(None) is None


# --- files that can't be read ---


def test_a_cell_whose_files_are_all_damaged_says_so() -> None:
    def reason(*complaints: str) -> str:
        return str(summarize(run(SSE), [], complaints)["cells"][0]["reason"])

    damaged = [f"trials/00{n}-sse-chromium-steady-direct.jsonl is damaged and was left out: why" for n in (1, 2)]
    others = "trials/001-sse-native-chromium-steady-direct.jsonl is damaged and was left out: why"
    assert reason() == reason(others) == "its turn never came"
    assert reason(damaged[0], others) == "its only trial can't be read"
    assert reason(*damaged) == "none of its 2 trials can be read"
