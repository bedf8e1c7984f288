"""Plans: what they say is measured, what is wrong in one is named, and how a command narrows them."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from conftest import SUBJECTS

from benchmarks import plan
from benchmarks.plan import PLANS, Block, Plan
from benchmarks.runs import Cell
from benchmarks.scenarios import SCENARIOS
from lab.errors import UserError
from lab.transport import ENGINES

PLAIN = [name for name, one in SUBJECTS.items() if not one.variant]
BLOCK = '[[block]]\nengines = ["native"]\nscenarios = ["steady"]\nrounds = 2\n'
SHIPPED = sorted(path.stem for path in PLANS.glob("*.toml"))


def written(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def block(engine: str = "native", *scenarios: str, **more: Any) -> Block:
    return Block(engines=(engine,), scenarios=scenarios or ("steady",), **{"rounds": 2, **more})


def planned(*blocks: Block, budget: float | None = None) -> Plan:
    return Plan(name="mine", about="", blocks=blocks, budget=budget)


# What they say


@pytest.mark.parametrize("name", SHIPPED)
def test_each_plan_that_is_shipped_can_be_measured(name: str) -> None:
    loaded = plan.load(name)
    assert loaded.name == name
    assert loaded.about.endswith(".")
    cells = [cell for block in loaded.blocks for cell in block.cells(SUBJECTS)]
    assert {cell.transport for cell in cells} == {one.found.name for one in SUBJECTS.values()}


def test_there_are_the_plans_that_the_readme_names() -> None:
    assert {"smoke", "quick", "full"} <= set(SHIPPED)


def test_quick_ranks_all_six_in_chromium_within_its_budget() -> None:
    main = [one for one in plan.load("quick").blocks if one.scenarios == ("steady",) and "chromium" in one.engines]
    assert main[0].rounds >= 8
    assert len(main[0].cells(SUBJECTS)) == len(PLAIN)


def test_full_measures_everything() -> None:
    cells = {cell for block in plan.load("full").blocks for cell in block.cells(SUBJECTS)}
    everything = product(
        SUBJECTS.values(), ("chromium", "firefox", "native"), ("steady", "burst", "large", "reconnect")
    )
    assert {Cell(one.found.name, one.variant, engine, what) for one, engine, what in everything} <= cells


def test_a_plan_of_ones_own_is_named_as_its_file(tmp_path: Path) -> None:
    text = 'about = "Mine."\nbudget = 9.5\n' + BLOCK + 'transports = ["sse", "sse:native"]\nmost = 5\n'
    loaded = plan.load(written(tmp_path, text))
    assert loaded == Plan(
        name="mine",
        about="Mine.",
        budget=9.5,
        blocks=(block(transports=("sse", "sse:native"), most=5),),
    )


def test_a_block_is_every_combination() -> None:
    one = Block(
        engines=("native", "chromium"), scenarios=("steady", "burst"), rounds=1, transports=("sse", "websocket")
    )
    cells = one.cells(SUBJECTS)
    assert len(cells) == len(set(cells)) == 8
    assert Cell("websocket", None, "chromium", "burst") in cells


def test_all_are_all_without_their_variants_unless_these_are_asked_for() -> None:
    assert [cell.subject for cell in block().cells(SUBJECTS)] == PLAIN
    assert [cell.subject for cell in block(variants=True).cells(SUBJECTS)] == list(SUBJECTS)
    assert [cell.subject for cell in block(transports=("sse:native",)).cells(SUBJECTS)] == ["sse:native"]


def test_verdicts_are_looked_at_few_times() -> None:
    assert block(rounds=8).looks == [8]
    assert block(rounds=8, most=20).looks == [8, 12, 18]
    assert block(rounds=1, most=3).looks == [1, 2, 3]


# What is wrong


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "plan {plan}: block is None; it must be a list"),
        ("block = 1", "plan {plan}: block is 1; it must be a list"),
        ("block = []", "plan {plan} has no block: nothing would be measured"),
        ("block = [1]", "plan {plan}: a block is 1; it must be a dict"),
        ("[block]\nrounds = 1", "plan {plan}: block is {{'rounds': 1}}; it must be a list"),
        ("nonsense", "plan {plan} is no TOML: "),
        ("rounds = 3\n" + BLOCK, "plan {plan} has the unknown key 'rounds': there are about, budget, block"),
        (
            BLOCK + "nonsense = 1",
            "a block of plan {plan} has the unknown key 'nonsense': there are engines, scenarios,",
        ),
        (BLOCK.replace("rounds = 2", ""), "plan {plan}: a block lacks 'rounds'"),
        (BLOCK.replace('engines = ["native"]', ""), "plan {plan}: a block lacks 'engines'"),
        (BLOCK.replace("2", "0"), "plan {plan}: rounds is 0; it must be a whole number from 1 to 1000"),
        (BLOCK.replace("2", "1001"), "plan {plan}: rounds is 1001; it must be a whole number"),
        (BLOCK.replace("2", "1.5"), "plan {plan}: rounds is 1.5; it must be a whole number"),
        (BLOCK.replace("2", "true"), "plan {plan}: rounds is True; it must be a whole number"),
        (BLOCK + "most = -1", "plan {plan}: most is -1; it must be a whole number"),
        (BLOCK + "variants = 1", "plan {plan}: variants is 1; it must be a bool"),
        (BLOCK.replace('["native"]', '"native"'), "plan {plan}: engines is 'native'; it must be a list"),
        (BLOCK.replace('["native"]', "[1]"), "one of plan {plan}: engines is 1; it must be a str"),
        (BLOCK.replace('["steady"]', '[["steady"]]'), "one of plan {plan}: scenarios is ['steady']; it must be a str"),
        (BLOCK.replace('["steady"]', "[]"), "plan {plan}: scenarios is empty: nothing would be measured"),
        ("budget = 0\n" + BLOCK, "plan {plan}: budget is 0; it must be a number of seconds above 0"),
        ("budget = nan\n" + BLOCK, "plan {plan}: budget is nan; it must be a number of seconds above 0"),
        ('budget = "1m"\n' + BLOCK, "plan {plan}: budget is '1m'; it must be a number of seconds above 0"),
    ],
)
def test_what_is_wrong_in_a_plan_is_named(text: str, sentence: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    with pytest.raises(UserError) as refused:
        plan.load(path)
    assert str(refused.value).startswith(sentence.format(plan=repr(path)))


@pytest.mark.parametrize("name", ["nonsense", "", ".", "quick.toml"])
def test_an_unknown_plan_is_told_with_those_that_there_are(name: str) -> None:
    with pytest.raises(UserError) as refused:
        plan.load(name)
    assert str(refused.value) == (f"unknown plan {name!r}: there are {', '.join(SHIPPED)}, or name a TOML file")


def test_what_is_no_text_is_no_plan(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="is no TOML"):
        plan.load(str(path))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (block(transports=("sse", "nonsense")), f"unknown transport 'nonsense': there are {', '.join(SUBJECTS)}"),
        (block("netscape"), f"unknown engine 'netscape': there are {', '.join(sorted(ENGINES))}"),
        (block("native", "nonsense"), f"unknown scenario 'nonsense': there are {', '.join(SCENARIOS)}"),
        (
            block(links=("net:4g+net:lan",)),
            "link 'net:4g+net:lan' has two segments of the kind 'net'; it may have one of each",
        ),
        (
            block(links=("relay+relay:delay=5ms",)),
            "link 'relay+relay:delay=5ms' has two segments of the kind 'relay'; it may have one of each",
        ),
        (block(links=("carrier pigeon",)), "unknown link 'carrier pigeon': there are direct, relay:…, net:…, proxy:…"),
    ],
)
def test_an_unknown_name_is_told_with_those_that_there_are(wrong: Block, sentence: str) -> None:
    with pytest.raises(UserError) as refused:
        wrong.cells(SUBJECTS)
    assert str(refused.value) == sentence


# Narrowing


def names(of: Plan) -> list[tuple[str, str, str]]:
    return [(cell.subject, cell.engine, cell.scenario) for block in of.blocks for cell in block.cells(SUBJECTS)]


def test_without_a_wish_a_plan_stays_as_it_is() -> None:
    for name in SHIPPED:
        assert plan.load(name).narrowed(transports=[], engines=[], scenarios=[]) == plan.load(name)


def test_a_transport_that_is_asked_for_is_measured_in_every_block() -> None:
    narrowed = planned(block("firefox"), block("native")).narrowed(transports=["sse:native", "sse", "sse"])
    assert names(narrowed) == [
        ("sse:native", "firefox", "steady"),
        ("sse", "firefox", "steady"),
        ("sse:native", "native", "steady"),
        ("sse", "native", "steady"),
    ]


def test_an_engine_or_scenario_that_is_asked_for_is_measured_where_it_was_planned() -> None:
    whole = planned(block("firefox", rounds=1), block("native", "steady", "burst", rounds=8))
    assert whole.narrowed(engines=["native"]).blocks == whole.blocks[1:]
    assert whole.narrowed(scenarios=["burst"]).blocks == (block("native", "burst", rounds=8),)
    both = whole.narrowed(scenarios=["steady"])
    assert both.blocks == (block("firefox", rounds=1), block("native", "steady", rounds=8))


def test_what_no_block_has_comes_to_the_main_one() -> None:
    whole = planned(block("firefox", rounds=1), block("native", rounds=8))
    assert whole.narrowed(engines=["chromium"]).blocks == (block("chromium", rounds=8),)
    assert whole.narrowed(engines=["chromium", "firefox"]).blocks == (
        block("firefox", rounds=1),
        block("chromium", rounds=8),
    )
    assert whole.narrowed(engines=["native"], scenarios=["burst"]).blocks == (block("native", "burst", rounds=8),)


def test_what_quick_does_not_have_can_still_be_ranked() -> None:
    wishes: list[dict[str, Any]] = [{"scenarios": ["burst"]}, {"engines": ["webkit"]}]
    for wish in wishes:
        (main,) = plan.load("quick").narrowed(**wish).blocks
        assert main.rounds >= 5


def test_rounds_that_are_asked_for_are_all_there_are() -> None:
    narrowed = planned(block(rounds=1), block(rounds=8, most=20)).narrowed(rounds=3)
    assert [(one.rounds, one.most) for one in narrowed.blocks] == [(3, 0), (3, 0)]
    with pytest.raises(UserError, match="--rounds is 0"):
        planned(block()).narrowed(rounds=0)


def test_a_budget_that_is_asked_for_is_used_where_more_rounds_help() -> None:
    narrowed = planned(block(rounds=1), block(rounds=8), budget=100).narrowed(budget=60)
    assert narrowed.budget == 60
    assert [one.most for one in narrowed.blocks] == [0, 24]
    assert planned(block(), budget=100).narrowed().budget == 100


def test_a_plan_survives_being_kept_with_its_run() -> None:
    for name in SHIPPED:
        loaded = plan.load(name)
        assert plan.from_settings(json.loads(json.dumps(loaded.as_settings()))) == loaded
