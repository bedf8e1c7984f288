"""The documentation says what there is: all of it, and nothing else."""

import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import typer

import lab
from benchmarks import scenarios
from benchmarks.measure import Bench
from benchmarks.plan import PLANS, load
from benchmarks.report.figures import COSTS, LATENCIES, OTHERS
from benchmarks.runs import Run, Trial, read_trials
from benchmarks.summary import summarize
from lab import cli, sources
from lab.transport import ENGINES, discover, subjects

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("transports/*/README.md")]

OURS = {name: found for name, found in discover().items() if found.folder.parent == ROOT / "transports"}
COMMANDS = {
    name: [*command.params, *(one for inner in getattr(command, "commands", {}).values() for one in inner.params)]
    for name, command in typer.main.get_command(cli.app).commands.items()  # type: ignore[attr-defined]
}
"""By name, with the parameters of what is below them."""
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
KNOWN = {
    "plan": {path.stem for path in PLANS.glob("*.toml")},
    "scenario": set(scenarios.SCENARIOS),
    "engine": ENGINES,
    "transport": set(subjects(discover())),
}
HELPERS = [ROOT / "lab" / "page" / name for name in ("retry.js", "lines.js")]
"""What the browser halves of transports import."""
EXAMPLE = re.compile(r"my_\w+|mine\.toml")  # what a reader is to make
NAMED_BY_OTHERS = {"versions", "engines"}  # whose keys are names of libraries and of engines

pages = pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])


def section(title: str) -> str:
    """What stands under a heading of the README, up to the next one."""
    return re.split(r"^#+ ", README.read_text("utf-8").split(f"# {title}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """The cells of a table, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def first_names(text: str) -> set[str]:
    """What each row of a table is about: the first word of the code in its first cell."""
    names = [re.search(r"`(?:pushlab )?(\w+)", row[0]) for row in rows(text)]
    assert names
    assert all(names), text
    return {name[1] for name in names if name}


def code(text: str) -> Iterator[str]:
    """What stands as code, line by line: a line of a block, or all the spans of a line."""
    for nth, part in enumerate(re.split(r"^```.*$", text, flags=re.MULTILINE)):
        for line in part.splitlines():
            yield line if nth % 2 else "; ".join(re.findall(r"`([^`]+)`", line))


def slug(heading: str) -> str:
    """The anchor that a heading gets."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def options(command: str) -> set[str]:
    return {option for parameter in COMMANDS[command] for option in parameter.opts if option.startswith("--")}


# What there is, is described


def test_every_transport_is_in_the_readmes_table() -> None:
    told = {row[0]: row for row in rows(section("Transports"))}
    expected = {f"[`{name}`](transports/{name}/README.md)" for name in OURS}
    assert set(told) == expected
    for name, found in OURS.items():
        _, _, since, variants = told[f"[`{name}`](transports/{name}/README.md)"]
        assert since == str(found.about.year)
        assert re.findall(r"`([^`]+)`", variants) == [f"{name}:{variant}" for variant in found.about.variants]


@pytest.mark.parametrize("name", OURS)
def test_every_transport_has_a_page(name: str) -> None:
    text, about = (OURS[name].folder / "README.md").read_text("utf-8"), OURS[name].about
    assert text.startswith(f"# {about.title} (`{name}`)\n")
    assert about.spec in text
    assert f"| since | {about.year}" in text
    for variant in about.variants:
        assert f"`{name}:{variant}`" in text
    for heading in ("## On the wire", "## What to notice"):
        assert heading in text


@pytest.mark.parametrize(
    ("title", "there_are"),
    [
        ("Commands", set(COMMANDS)),
        ("Plans", KNOWN["plan"]),
        ("Scenarios", KNOWN["scenario"]),
        ("Bring your own events", set(sources.KINDS)),
        ("Engines, and what “unavailable” means", ENGINES),
    ],
)
def test_the_readmes_tables_are_complete(title: str, there_are: set[str]) -> None:
    assert first_names(section(title)) == there_are


def test_every_option_is_in_its_commands_row() -> None:
    for row in rows(section("Commands")):
        command = row[0].removeprefix("`pushlab ").split("`")[0].split()[0]
        assert options(command) <= set(re.findall(r"--[a-z-]+", " ".join(row))), command


def test_what_transports_are_built_with_is_explained() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8").split("### What there is to build with")[1].split("\n### ")[0]
    exported = {
        *re.findall(r"^export (?:async )?function\*? (\w+)", "\n".join(map(Path.read_text, HELPERS)), re.MULTILINE)
    }
    told = {word for span in re.findall(r"`([^`]+)`", text) for word in re.findall(r"\w+", span)}
    assert {*lab.__all__, *exported} - told == set()


def test_the_results_are_of_transports_there_are() -> None:
    parts = re.split(r"<!-- /?results -->", README.read_text("utf-8"))
    assert len(parts) == 3, "the table of results stands between its two markers"
    assert first_names(parts[1]) <= set(OURS)


# What is mentioned, exists


@pages
def test_commands_and_their_options_exist(page: Path) -> None:
    for line in code(page.read_text("utf-8")):
        named = {*re.findall(r"pushlab ([a-z]+)", line), *re.findall(r"make (bench|report)\b", line)}
        assert named <= set(COMMANDS), line
        if named:
            known = set.union(*map(options, named)) | {"--help"}
            assert set(re.findall(r"--[a-z-]+", line)) <= known, line
        assert set(re.findall(r"(?<!\w)make ([a-z-]+)", line)) <= TARGETS, line


@pages
def test_what_options_are_given_exists(page: Path) -> None:
    for line in code(page.read_text("utf-8")):
        for option, given in re.findall(r"--(plan|scenario|engine|transport) ([\w:,.]+)", line):
            for name in given.split(","):
                assert name in KNOWN[option] or EXAMPLE.fullmatch(name), line
        for source in re.findall(r"--source ([\w:=,.-]+)", line):
            assert source.partition(":")[0] in sources.KINDS, line


@pages
def test_files_that_are_named_exist(page: Path) -> None:
    for line in code(page.read_text("utf-8")):
        for path in re.findall(r"(?<![\w./])(?:lab|transports|benchmarks|tests|docs)/[\w./]*", line):
            assert (ROOT / path).exists() or EXAMPLE.search(path), line


@pages
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if not link.startswith("https://"):
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            assert target.exists(), link
            assert target.is_relative_to(ROOT), link
            if anchor:
                headings = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), re.MULTILINE)
                assert anchor in map(slug, headings), link


@pages
def test_no_path_of_one_machine(page: Path) -> None:
    found = re.findall(
        r"(?<![\w.:/])(?:/(?:home|root|tmp|work|usr|opt|var|mnt|Users)\b|[A-Z]:\\)\S*", page.read_text("utf-8")
    )
    assert not found


# The results


@pytest.fixture(scope="module")
async def measured(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Path]:
    """The folder of a real run, of two short trials."""
    folder = tmp_path_factory.mktemp("docs")
    plan = folder / "tiny.toml"
    plan.write_text(
        '[[block]]\nengines = ["native"]\nscenarios = ["steady"]\ntransports = ["sse", "websocket"]\nrounds = 1\n'
    )
    brief = replace(scenarios.SCENARIOS["steady"], seconds=0.2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(scenarios.SCENARIOS, "steady", brief)
        await Bench(load(str(plan)), subjects(discover()), folder / "run", seed=Random().randrange(99)).run()
        yield folder / "run"


def test_every_key_of_the_results_is_described(measured: Path) -> None:
    run = Run.load(measured)
    trials, complaints = read_trials(measured)
    assert not complaints
    assert [trial.state for trial in trials] == ["measured"] * 2
    summary = summarize(run, [troubled(trials[0]), trials[1]])
    assert all(row["state"] == "measured" for row in summary["cells"])
    assert summary["differences"]
    text = (ROOT / "docs" / "results.md").read_text("utf-8")
    described = {word for span in re.findall(r"`([^`\n]+)`", text) for word in re.findall(r"\w+", span)}
    kept = [vars(run), *map(heads, sorted((measured / "trials").iterdir())), summary]
    shown = {key for measure in (*LATENCIES, *OTHERS, *COSTS) for key in measure.key.split(".")}
    found = {key for one in kept for key in keys(one)} | shown
    assert sorted(found - described) == []


def troubled(trial: Trial) -> Trial:
    """The same with what a trial may have and a good one hasn't."""
    gap = {"epoch": 1, "from": 2, "to": None, "why": "restart"}
    late = [(epoch, id_, due, at + 10**7) for epoch, id_, due, at in trial.sent]
    return replace(trial, gaps=[gap], lost=[(trial.began, "cut")], sent=late)


def heads(path: Path) -> Any:
    return json.loads(path.read_text("utf-8").splitlines()[0])


def keys(value: Any) -> Iterator[str]:
    """Every key in it, at any depth, but for those that are names."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield key
            names = key in NAMED_BY_OTHERS and isinstance(inner, Mapping)
            yield from keys(list(inner.values()) if names else inner)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from keys(one)
