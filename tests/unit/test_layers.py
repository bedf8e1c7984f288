"""Who may import whom, as docs/design.md says, and that nobody selects by a transport's name."""

import ast
import re
import sys
from collections.abc import Iterator
from importlib.util import resolve_name
from pathlib import Path
from typing import Any

import pytest

import lab
from lab.transport import discover

ROOT = Path(lab.__file__).parents[1]
LAYERS = ("lab", "transports", "benchmarks")
MODULES = [path for layer in LAYERS for path in sorted((ROOT / layer).rglob("*.py"))]
NAMES = sorted(path.parent.name for path in ROOT.glob("transports/*/__init__.py"))

EXPORTED = {f"lab.{name}" for name in lab.__all__}
MAY_MEASURE = re.compile(r"lab\.(cli|classroom)(\.|$)")
PURE = re.compile(r"benchmarks\.(stats|runs|summary|report)(\.|$)")
"""They know runs and numbers, and of the lab only how to say what a user did wrong."""

OBSERVED = re.compile(r"benchmarks\.behaviours\.(experiment|store)\.")
"""What a report of behaviours is made of: experiments' texts, and observations as they are kept."""

BY_NAME = {"lab.transport", "benchmarks.behaviours.experiment"}
"""They find things by looking into a folder: transports, and experiments."""

ON_THE_WIRE = {"fastapi", "aiohttp", "websockets"}
"""What a transport may use of the lab's dependencies; everything else of other people it declares as its needs."""

ASGI = re.compile(r"websocket(\.\w+)?")
"""Kinds of conversations and messages, in ASGI's own words."""

RELAYED = re.compile(r"relay:websocket=\w+")
"""What a relay does to the protocol of that name, whoever uses it."""


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(source: str, package: str) -> Iterator[str]:
    """Every name that is imported, anywhere in it: "json", "lab.log.Cursor"."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = resolve_name("." * node.level + (node.module or ""), package)
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def why_not(module: str, target: str) -> str:
    """What is wrong with the one importing the other; empty when nothing is."""
    layer, top = module.partition(".")[0], target.partition(".")[0]
    if target.startswith("importlib") and "metadata" not in target and module not in BY_NAME:
        return "only who finds transports or experiments imports by name"
    if top in sys.stdlib_module_names:
        return ""
    if top == "playwright":
        return "" if module == "benchmarks.browser" else "only benchmarks.browser knows Playwright"
    rules = {"lab": why_not_lab, "transports": why_not_transport, "benchmarks": why_not_benchmark}
    return rules[layer](module, target, top)


def why_not_lab(module: str, target: str, top: str) -> str:
    if top == "transports" and (module, target) != ("lab.transport", "transports"):
        return "the lab knows the folder of transports, and nothing that is in it"
    if top == "benchmarks" and not MAY_MEASURE.match(module):
        return "only the command and the classroom join the lab and the benchmarks"
    return ""


def why_not_transport(module: str, target: str, top: str) -> str:
    own = ".".join(module.split(".")[:2])
    if top == "lab":
        return "" if target in EXPORTED else "a transport uses what `lab` exports"
    if top == "transports":
        return "" if target.startswith(f"{own}.") else "transports share nothing"
    if top == "benchmarks":
        return "a transport does not know that it is measured"
    needs = discover()[own.partition(".")[2]].about.needs
    return "" if top in ON_THE_WIRE or top in needs else "a transport declares what it needs"


def why_not_benchmark(module: str, target: str, top: str) -> str:
    if top == "transports":
        return "what is measured is found by the lab"
    pure = PURE.match(module)
    if pure and top == "lab" and not target.startswith("lab.errors."):
        return "figures know nothing of the lab"
    observed = module.startswith("benchmarks.report.behaviours") and OBSERVED.match(f"{target}.")
    if pure and top == "benchmarks" and not PURE.match(f"{target}.") and not observed:
        return "figures are made of runs alone"
    return ""


@pytest.mark.parametrize("path", MODULES, ids=module_of)
def test_a_module_imports_only_what_its_layer_may(path: Path) -> None:
    module = module_of(path)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    wrong = {target: why_not(module, target) for target in imported(path.read_text(), package)}
    assert {target: why for target, why in wrong.items() if why} == {}


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("lab.log", "import transports"),
        ("lab.transport", "from transports import sse"),
        ("lab.transport", "import transports.sse.client"),
        ("lab.server", "from benchmarks import runs"),
        ("lab.app", "import playwright.async_api"),
        ("lab.app", "def later():\n    from transports.sse import about"),
        ("lab.app", "from importlib import import_module"),
        ("transports.sse", "from lab.log import Log"),
        ("transports.sse", "import lab"),
        ("transports.sse", "from lab import *"),
        ("transports.sse", "from lab import discover"),
        ("transports.sse.client", "from transports.websocket import client"),
        ("transports.sse.client", "from ..websocket import about"),
        ("transports.sse", "from benchmarks.stats import percentile"),
        ("transports.sse", "import numpy"),
        ("benchmarks.measure", "from playwright.async_api import Page"),
        ("benchmarks.measure", "from transports.sse import about"),
        ("benchmarks.stats", "from lab.log import Log"),
        ("benchmarks.runs", "from lab import About"),
        ("benchmarks.report.web", "from benchmarks.browser import Seen"),
        ("benchmarks.report.web", "from benchmarks import measure"),
        ("benchmarks.report.web", "from benchmarks.behaviours.store import Seen"),
        ("benchmarks.report.behaviours", "from benchmarks.behaviours.sweep import Sweep"),
        ("benchmarks.behaviours.session", "from importlib import import_module"),
    ],
)
def test_the_rule_can_be_broken(module: str, source: str) -> None:
    (target,) = imported(source, module.rpartition(".")[0])
    assert why_not(module, target)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("lab.transport", "import transports"),
        ("lab.cli", "from benchmarks.outcome import Outcome"),
        ("lab.classroom.results", "from benchmarks import stats"),
        ("transports.sse", "from lab import About"),
        ("transports.sse.client", "from .more import helper"),
        ("benchmarks.measure", "from lab.transport import Subject"),
        ("benchmarks.browser", "from playwright.async_api import Page"),
        ("benchmarks.runs", "from lab.errors import UserError"),
        ("benchmarks.report.web", "from benchmarks import stats"),
        ("benchmarks.report.web", "from benchmarks.summary import as_csv"),
        ("benchmarks.report.behaviours", "from benchmarks.behaviours.store import Seen"),
        ("benchmarks.behaviours.experiment", "import importlib"),
    ],
)
def test_the_rule_allows_what_it_says(module: str, source: str) -> None:
    (target,) = imported(source, module.rpartition(".")[0])
    assert not why_not(module, target)


def test_the_figures_can_be_made_without_the_lab() -> None:
    """Else one import would bring in the whole instrument behind their backs."""
    mine = {module_of(path) for path in MODULES if PURE.match(module_of(path) + ".")}
    assert {"benchmarks.stats", "benchmarks.runs", "benchmarks.summary", "benchmarks.report.web"} <= mine


# In the browser

SPECIFIERS = re.compile(r"""(?:^\s*import|^\s*export|\bfrom|\bimport\()\s*["']([^"']+)["']""", re.MULTILINE)
ADAPTERS = sorted(ROOT.glob("transports/*/*.js"))
PAGES = sorted((ROOT / "lab").rglob("*.js"))


@pytest.mark.parametrize("path", ADAPTERS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_an_adapter_imports_only_the_labs_modules_and_its_own(path: Path) -> None:
    for specifier in SPECIFIERS.findall(path.read_text()):
        assert re.fullmatch(r"/lab/[a-z]+\.js|\./[\w/]+\.js", specifier), specifier


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_labs_modules_import_only_each_other(path: Path) -> None:
    for specifier in SPECIFIERS.findall(path.read_text()):
        assert re.fullmatch(r"/lab/[a-z/]+\.js|\./[\w/]+\.js", specifier), specifier


def test_imports_are_seen_in_every_form() -> None:
    text = """import { a } from "/lab/a.js";
import "/lab/b.js";
export { c } from '../c.js';
const d = await import("/d.js");
import {
  e,
} from "e";"""
    assert SPECIFIERS.findall(text) == ["/lab/a.js", "/lab/b.js", "../c.js", "/d.js", "e"]


def test_only_the_page_that_follows_reads_the_clock() -> None:
    """An adapter that did could be measured differently."""
    for path in ADAPTERS:
        assert not re.search(r"performance\.|Date\b|timeStamp", path.read_text()), path


# Names


def mentioned(text: str) -> set[str]:
    """The transports that are named in it, "sse" also as a part of "sse:native" or "/transports/sse/"."""
    return set(re.findall(rf"(?<![\w.-])(?:{'|'.join(NAMES)})(?![\w.-])", text))


def strings(source: str) -> Iterator[str]:
    """The strings of a module, those in f-strings too, but none of those that only explain something."""
    tree = ast.parse(source)
    bodies: Iterator[Any] = (getattr(node, "body", None) for node in ast.walk(tree))
    told = {id(node.value) for body in bodies if isinstance(body, list) for node in body if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node.value


OUTSIDE = [path for path in MODULES if path.relative_to(ROOT).parts[0] != "transports"]
SHOWN = [
    path
    for layer in ("lab", "benchmarks")
    for kind in ("js", "html", "css", "jinja")
    for path in sorted((ROOT / layer).rglob(f"*.{kind}"))
]


@pytest.mark.parametrize("path", OUTSIDE, ids=module_of)
def test_no_module_outside_a_transports_folder_names_it(path: Path) -> None:
    """Plans, tests and documents may."""
    kept = [text for text in strings(path.read_text()) if not (ASGI.fullmatch(text) or RELAYED.fullmatch(text))]
    found = {text: mentioned(text) for text in kept}
    assert {text: names for text, names in found.items() if names} == {}


@pytest.mark.parametrize("path", SHOWN, ids=lambda path: path.name)
def test_no_page_names_a_transport(path: Path) -> None:
    assert mentioned(path.read_text()) == set()


def test_no_transport_names_another() -> None:
    for path in [path for path in MODULES if path not in OUTSIDE] + ADAPTERS:
        own = path.relative_to(ROOT / "transports").parts[0]
        text = path.read_text() if path.suffix == ".js" else "\n".join(strings(path.read_text()))
        assert mentioned(text) <= {own}, path


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ('if name == "sse": pass', {"sse"}),
        ('LANES = ["long_polling", "websocket"]', {"long_polling", "websocket"}),
        ('def f(x): return f"{x}/transports/sse/events"', {"sse"}),
        ('cell = "sse:native"', {"sse"}),
        ('"""Explains sse."""\ndef f():\n    """And sse:native."""', set()),
        ('x = "assess websockets, WebSocket and sse-like things"', set()),
    ],
)
def test_a_name_is_seen_wherever_it_decides_something(source: str, named: set[str]) -> None:
    assert set().union(*map(mentioned, strings(source))) == named
