"""Transports: those that are built in, and those that are dropped in from outside with no other change."""

import asyncio
import importlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import pytest
from conftest import SUBJECTS, Engines, ids

import transports
from benchmarks import ground, scenarios
from benchmarks.ground import Ground
from benchmarks.runs import Cell
from lab.app import create_app
from lab.errors import UserError
from lab.link import HERE
from lab.log import Log
from lab.server import listen, origin, serving
from lab.transport import BROWSERS, ENGINES, NAME, About, Found, Subject, Variant, discover, subject, subjects

BUILT_IN = Path(transports.__path__[0])
ROOT = BUILT_IN.parent
ABOUT = "from lab import About\nabout = About(title='Seventh', year=2026, wire='none', spec='none')\n"
ROUTES = "from fastapi import APIRouter\ndef routes(log, options): return APIRouter()\n"


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What was imported for a test is not there for the next one."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith(("pushlab_transport_", "seventh")):
            del sys.modules[name]
    importlib.invalidate_caches()


def copied(folder: Path) -> Path:
    """A transport that is the copy of another one, as CONTRIBUTING.md advises."""
    shutil.copytree(BUILT_IN / "fetch_streaming", folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def written(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(text)
    return folder


def named_by_path(monkeypatch: pytest.MonkeyPatch, *folders: Path) -> None:
    monkeypatch.setenv("PUSHLAB_TRANSPORTS", os.pathsep.join(map(str, folders)))


def installed(monkeypatch: pytest.MonkeyPatch, site: Path, points: str) -> None:
    """As if a package had been installed there that has these entry points."""
    info = site / "seventh-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: seventh\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[pushlab.transports]\n{points}\n")
    monkeypatch.syspath_prepend(str(site))
    importlib.invalidate_caches()


def by_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    folder = copied(tmp_path / "seventh")
    named_by_path(monkeypatch, folder)
    return folder


def by_entry_point(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    folder = copied(tmp_path / "seventh_push")
    installed(monkeypatch, tmp_path, "seventh = seventh_push")
    return folder


DROPPED_IN = pytest.mark.parametrize("drop", [by_path, by_entry_point])


# Those that there are


def test_every_folder_in_transports_is_found() -> None:
    folders = {path.parent.name for path in BUILT_IN.glob("*/__init__.py")}
    found = discover()
    assert folders <= set(found)
    assert list(found) == sorted(found)
    assert {found[name].folder for name in folders} == {BUILT_IN / name for name in folders}


@pytest.mark.parametrize("name", sorted(path.parent.name for path in BUILT_IN.glob("*/__init__.py")))
def test_each_says_what_it_is(name: str) -> None:
    about = SUBJECTS[name].found.about
    assert about.title
    assert about.wire
    assert about.spec.startswith("https://")
    assert 1990 < about.year < 2030
    assert all(use == use.lower() for use in about.uses)
    assert about.engines <= ENGINES
    assert all(variant.title and variant.engines <= ENGINES for variant in about.variants.values())
    for half in ("client.js", "client.py", "README.md"):
        assert (SUBJECTS[name].found.folder / half).is_file()


# A seventh one


@DROPPED_IN
async def test_it_is_found_served_and_followed(
    drop: Any, engines: Engines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = drop(monkeypatch, tmp_path)
    found = discover()
    assert found["seventh"].folder == folder
    assert set(found) == {one.found.name for one in SUBJECTS.values()} | {"seventh"}
    seventh, engine = subjects(found)["seventh"], await engines.get("native")
    log, sockets = Log(), listen()
    async with serving(create_app(log), log, sockets), aiohttp.ClientSession(origin(sockets[0])) as session:
        listed = (await (await session.get("/lab/transports.json")).json())["transports"]
        assert listed["seventh"]["client"] == "/transports/seventh/client.js"
        client = await session.get("/transports/seventh/client.js")
        assert await client.text() == (folder / "client.js").read_text()
        assert (await session.get("/transports/seventh/client.py")).status == 404
        async with engine.reading(seventh, origin(sockets[0]), {}, "") as reader:
            for n in range(3):
                await log.append(n)
            assert await reader.reached(log.epoch, 3, 5)
            assert ids(await reader.seen()) == [1, 2, 3]


async def test_it_is_contract_tested_and_benchmarked_with_no_other_change(tmp_path: Path) -> None:
    """In processes of their own, both at the same time."""
    folder, out = copied(tmp_path / "seventh"), tmp_path / "out"
    contract = ["-m", "pytest", str(ROOT / "tests" / "contract"), "--engine", "native", "--transport", "seventh", "-q"]
    bench = ["bench", "--plan", "smoke", "--transport", "seventh", "--engine", "native", "--out", str(out)]
    tested, benched = await asyncio.gather(
        run(folder, *contract, "-p", "no:cacheprovider"), run(folder, "-c", "from lab.cli import main; main()", *bench)
    )
    code, said = tested
    assert code == 0, said
    assert "seventh" not in said.replace("passed", ""), "a test that says its name has not passed"
    assert int(said.rpartition(" passed")[0].split()[-1]) >= 12
    code, said = benched
    assert code == 0, said
    (cell,) = json.loads((out / "summary.json").read_text())["cells"]
    assert (cell["transport"], cell["engine"], cell["state"]) == ("seventh", "native", "measured")
    assert cell["events"]["sent"] == cell["events"]["delivered"] > 30
    assert not any(cell["events"][fault] for fault in ("lost", "duplicated", "reordered", "unexpected"))
    assert "seventh" in (out / "report.html").read_text()


async def run(folder: Path, *arguments: str) -> tuple[int | None, str]:
    """Python in a process that knows one more transport: its exit code, and what it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=ROOT,
        env={**os.environ, "PUSHLAB_TRANSPORTS": str(folder)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def test_its_own_modules_are_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that is no package of Python's may still have more than one module."""
    folder = written(tmp_path / "seventh", f"{ABOUT}{ROUTES}from .more import answer\n")
    (folder / "more.py").write_text("answer = 42\n")
    named_by_path(monkeypatch, folder)
    assert vars(discover()["seventh"].available)["answer"] == 42
    assert discover()["seventh"].module is discover()["seventh"].module


def test_several_paths_and_empty_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [written(tmp_path / name, ABOUT + ROUTES) for name in ("seventh", "seventh_too")]
    monkeypatch.setenv("PUSHLAB_TRANSPORTS", f"{os.pathsep}{folders[0]}/{os.pathsep}{os.pathsep}{folders[1]}")
    assert {"seventh", "seventh_too"} <= set(discover())


# What is wrong with it


@pytest.mark.parametrize("name", ["Seventh", "7th", "se-venth", "nowhere"])
def test_a_path_that_is_no_transport_is_named(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if name != "nowhere":
        written(tmp_path / name, ABOUT + ROUTES)
    named_by_path(monkeypatch, tmp_path / name)
    with pytest.raises(UserError, match=rf"PUSHLAB_TRANSPORTS names '.*/{name}', which is no transport: it must be a"):
        discover()


@pytest.mark.parametrize("text", ["", ROUTES, ABOUT, "about = 1\n" + ROUTES, ABOUT + "routes = 1\n"])
def test_a_module_that_is_no_transport_is_told_what_it_lacks(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named_by_path(monkeypatch, written(tmp_path / "seventh", text))
    with pytest.raises(UserError, match=r"seventh is no transport: its __init__.py must have `about = About\(…\)` and"):
        discover()


def test_two_of_one_name_are_both_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = written(tmp_path / "sse", ABOUT + ROUTES)
    named_by_path(monkeypatch, folder)
    with pytest.raises(UserError) as refused:
        discover()
    assert str(refused.value) == f"two transports are named 'sse': {BUILT_IN / 'sse'} and {folder}"


@pytest.mark.parametrize(
    ("needs", "reason"),
    [
        ("import package_that_nobody_has", "the Python package 'package_that_nobody_has' is not installed"),
        ("import package_that_nobody_has.part", "the Python package 'package_that_nobody_has' is not installed"),
        ("from json import nonsense", "cannot import name 'nonsense' from 'json'"),
    ],
)
async def test_one_that_lacks_something_is_unavailable_and_says_why(
    needs: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named_by_path(monkeypatch, written(tmp_path / "seventh", f"{needs}\n{ABOUT}{ROUTES}"))
    found = discover()
    assert found["seventh"].module is None
    assert found["seventh"].reason.startswith(reason)
    assert "sse" in found
    with pytest.raises(UserError, match=f"^transport 'seventh' is unavailable: {reason}"):
        subjects(found)["seventh"].found.available  # noqa: B018  (asking is what fails)
    log, sockets = Log(), listen()
    async with serving(create_app(log), log, sockets), aiohttp.ClientSession(origin(sockets[0])) as session:
        assert "seventh" not in (await (await session.get("/lab/transports.json")).json())["transports"]
        assert (await session.get("/transports/seventh/events")).status == 404


FAULTS = {
    "import package_that_nobody_has": "No module named 'package_that_nobody_has'",
    "async def events(base, cursor, options):\n    yield ''\n    raise KeyError('a fault')": "KeyError('a fault')",
    "async def events(base, cursor, options):\n    yield 'no JSON'": "JSONDecodeError",
}


async def test_a_client_with_a_fault_costs_only_its_own_trials(
    engines: Engines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [copied(tmp_path / f"seventh_{n}") for n in range(len(FAULTS))]
    for folder, client in zip(folders, FAULTS, strict=True):
        (folder / "client.py").write_text(client)
    named_by_path(monkeypatch, *folders)
    monkeypatch.setitem(scenarios.SCENARIOS, "steady", replace(scenarios.SCENARIOS["steady"], seconds=0.2))
    monkeypatch.setattr(ground, "OPENING", 60)
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        on = Ground(stack, subjects(discover()))
        on.engines["native", HERE] = await engines.get("native")
        for folder, fault in zip(folders, FAULTS.values(), strict=True):
            broken = await on.trial(Cell(folder.name, None, "native", "steady"), 1, Random(1))
            assert broken.state == "failed"
            assert broken.reason.startswith("the native client broke down: ")
            assert fault in broken.reason
        sound = await on.trial(Cell("sse", None, "native", "steady"), 1, Random(1))
    assert sound.state == "measured"
    assert len(sound.arrived) == len(sound.sent) == 12
    assert time.monotonic() - began < 60, "nobody waits for what has broken down"


@pytest.mark.parametrize(
    ("point", "wrong"),
    [
        ("seventh = nowhere_to_be_found", "'seventh' names 'nowhere_to_be_found', which is no package"),
        ("seventh = nowhere.to_be.found", "'seventh' names 'nowhere.to_be.found', which is no package"),
        ("seventh = seventh_alone", "'seventh' names 'seventh_alone', which is no package"),
        ("The 7th = seventh_push", "the entry point 'The 7th'"),
    ],
)
def test_an_entry_point_that_is_no_transport_is_named(
    point: str, wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A single module would have its whole folder served to browsers, and that may be all that is installed."""
    (tmp_path / "seventh_alone.py").write_text(ABOUT + ROUTES)
    written(tmp_path / "seventh_push", ABOUT + ROUTES)
    installed(monkeypatch, tmp_path, point)
    with pytest.raises(UserError, match=wrong):
        discover()


# Variants and engines


def made_up(folder: Path, *halves: str, **about: Any) -> Found:
    folder.mkdir(exist_ok=True)
    for half in halves:
        (folder / half).touch()

    class Module:
        routes = None

    Module.about = About(title="Made up", year=2026, wire="none", spec="none", **about)  # type: ignore[attr-defined]
    return Found("made_up", folder, Module)  # type: ignore[arg-type]  # only `about` is looked at


def test_a_variant_is_a_subject_of_its_own(tmp_path: Path) -> None:
    slow = Variant(title="slowly", client={"every": 9})
    named = subjects({"made_up": made_up(tmp_path, variants={"slow": slow})})
    assert list(named) == ["made_up", "made_up:slow"]
    assert named["made_up"].options == Variant(title="")
    assert named["made_up:slow"].options is slow
    assert named["made_up:slow"].name == "made_up:slow"
    assert named["made_up:slow"].title == "Made up, slowly"
    assert NAME.fullmatch(named["made_up:slow"].found.name)


def test_what_is_not_claimed_is_unsupported(tmp_path: Path) -> None:
    whole = made_up(tmp_path / "whole", "client.js", "client.py", engines=ENGINES - {"firefox"})
    assert Subject(whole).unsupported("firefox") == "Made up does not claim firefox"
    assert {engine for engine in ENGINES if not Subject(whole).unsupported(engine)} == ENGINES - {"firefox"}
    half = Subject(made_up(tmp_path / "half", "client.py"))
    assert half.unsupported("chromium") == "Made up has no client.js"
    assert not half.unsupported("native")
    other = Subject(made_up(tmp_path / "other", "client.js"))
    assert other.unsupported("native") == "Made up has no client.py"
    found = made_up(tmp_path / "v", "client.js", "client.py", variants={"x": Variant(title="x", engines=BROWSERS)})
    assert Subject(found, "x").unsupported("native") == "Made up, x does not claim native"
    assert not Subject(found).unsupported("native")


def test_an_unknown_name_is_told_with_those_that_there_are() -> None:
    with pytest.raises(UserError) as refused:
        subject("nonsense", SUBJECTS)
    assert str(refused.value) == f"unknown transport 'nonsense': there are {', '.join(SUBJECTS)}"
