"""What a transport is, and how the lab finds those that there are.

A transport is a folder: `__init__.py` (the server half: `about` and `routes`), `client.js`
(the browser half), `client.py` (a native client), `README.md`. Folders are found in
`transports/`, by the paths in PUSHLAB_TRANSPORTS, and by the entry points `pushlab.transports`.
"""

import importlib
import importlib.util
import os
import pkgutil
import re
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, Protocol, cast

from fastapi import APIRouter

from lab.errors import UserError
from lab.log import Cursor, Log

Options = Mapping[str, Any]

SETTINGS: Options = {
    "heartbeat": 15.0,  # seconds of silence after which a transport sends a sign of life; 0 = never
    "watchdog": 37.5,  # seconds of silence after which a reader gives its connection up; 0 = never
}
"""The lab's settings, for both halves of every transport; a variant's own go before them."""

NAME = re.compile(r"[a-z][a-z0-9_]*")
BROWSERS = frozenset({"chromium", "firefox", "webkit"})
ENGINES = BROWSERS | {"native"}
Pattern = Literal["polling", "long polling", "streaming", "socket", "other"]


@dataclass(frozen=True, kw_only=True)
class Variant:
    """Another way of using a transport: options for its halves, and for the server as a whole.

    `server` is process-wide (per-message deflate, say): such a cell gets a server of its own.
    """

    title: str
    engines: frozenset[str] = ENGINES
    client: Options = field(default_factory=dict)
    routes: Options = field(default_factory=dict)
    server: Options = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class About:
    """What a transport is and claims. Claims are tested; what is not claimed is *unsupported*."""

    title: str
    year: int  # since when browsers could
    wire: str  # what travels, in a few words
    spec: str  # where it is defined
    pattern: Pattern = "other"  # how it asks: by turns, with patience, once, or by a protocol of its own
    uses: frozenset[str] = frozenset()  # browser interfaces, lower case: "eventsource"
    resumes: bool = True  # goes on at a cursor
    ordered: bool = True
    binary: bool = False
    largest: int = 1 << 20  # bytes of the largest event
    engines: frozenset[str] = ENGINES
    needs: tuple[str, ...] = ()  # Python packages beyond the lab's own
    keeps: bool = False  # stores events for readers that are away
    variants: Mapping[str, Variant] = field(default_factory=dict)


class Transport(Protocol):
    """The server half: a transport's package is a module of this shape."""

    about: About

    def routes(self, log: Log, options: Options) -> APIRouter: ...


class NativeClient(Protocol):
    """`client.py`: one connection's lines, from `cursor` on.

    Yields "" when it is open and for every heartbeat. Ends where the next is to follow at once, raises
    OSError when it is lost. options["greeted"]: whether there was one just before that went well.
    """

    def events(self, base: str, cursor: Cursor, options: Options) -> AsyncIterator[str]: ...


@dataclass(frozen=True)
class Found:
    """A folder that claims to be a transport; `module` is None where it is unavailable, because `reason`."""

    name: str
    folder: Path
    module: Transport | None
    reason: str = ""

    @property
    def about(self) -> About:
        return self.available.about

    @property
    def available(self) -> Transport:
        if self.module is None:
            raise UserError(f"transport {self.name!r} is unavailable: {self.reason}")
        return self.module

    def routes(self, log: Log, options: Options) -> APIRouter:
        """Raises:
        UserError: it is unavailable, or its code has a mistake.
        """
        module = self.available
        try:
            return module.routes(log, options)
        except Exception as error:
            raise UserError(f"transport {self.name!r} can't make its routes: {_mistake(error, self.folder)}") from error

    def native(self) -> NativeClient:
        """The native client, of client.py."""
        package = cast("ModuleType", self.available).__name__
        return cast("NativeClient", importlib.import_module(f"{package}.client"))


@dataclass(frozen=True)
class Subject:
    """A transport and one of its variants, as cells name it: "sse" or "sse:native"."""

    found: Found
    variant: str | None = None

    @property
    def name(self) -> str:
        return f"{self.found.name}:{self.variant}" if self.variant else self.found.name

    @property
    def options(self) -> Variant:
        return self.found.about.variants[self.variant] if self.variant else Variant(title="")

    def unsupported(self, engine: str) -> str:
        """Why this can't exist in `engine`; empty when it can."""
        if engine not in self.found.about.engines & self.options.engines:
            return f"{self.title} does not claim {engine}"
        half = "client.py" if engine == "native" else "client.js"
        return "" if (self.found.folder / half).exists() else f"{self.title} has no {half}"

    @property
    def title(self) -> str:
        return f"{self.found.about.title}, {self.options.title}" if self.variant else self.found.about.title


def discover() -> dict[str, Found]:
    """Every transport there is, by name.

    Raises:
        UserError: a folder named in PUSHLAB_TRANSPORTS is no transport, or two have one name.
    """
    found: dict[str, Found] = {}
    for one in (*_built_in(), *_by_path(), *_by_entry_point()):
        if one.name in found:
            raise UserError(f"two transports are named {one.name!r}: {found[one.name].folder} and {one.folder}")
        found[one.name] = one
    return dict(sorted(found.items()))


def subjects(found: Mapping[str, Found]) -> dict[str, Subject]:
    """Each of them with its variants, by the names that cells use."""
    named: dict[str, Subject] = {}
    for one in found.values():
        named[one.name] = Subject(one)
        if one.module is not None:
            named |= {f"{one.name}:{variant}": Subject(one, variant) for variant in one.about.variants}
    return named


def subject(name: str, among: Mapping[str, Subject]) -> Subject:
    """The one of that name.

    Raises:
        UserError: there is none; says which there are.
    """
    if name not in among:
        raise UserError(f"unknown transport {name!r}: there are {', '.join(among)}")
    return among[name]


def _built_in() -> Iterator[Found]:
    import transports  # noqa: PLC0415  (the lab knows the folder, not what is in it)

    for module in pkgutil.iter_modules(transports.__path__):
        if module.ispkg:
            folder = Path(transports.__path__[0]) / module.name
            yield _load(module.name, folder, partial(importlib.import_module, f"transports.{module.name}"))


def _by_path() -> Iterator[Found]:
    for path in filter(None, os.environ.get("PUSHLAB_TRANSPORTS", "").split(os.pathsep)):
        folder = Path(path).resolve()
        if not (folder / "__init__.py").exists() or not NAME.fullmatch(folder.name):
            raise UserError(
                f"PUSHLAB_TRANSPORTS names {path!r}, which is no transport: "
                "it must be a folder with an __init__.py, its name in lower case with underscores"
            )
        yield _load(folder.name, folder, partial(_import_folder, folder))


def _by_entry_point() -> Iterator[Found]:
    for point in entry_points(group="pushlab.transports"):
        if not NAME.fullmatch(point.name):
            raise UserError(f"the entry point {point.name!r} is no name of a transport: lower case with underscores")
        init = _init_of(point.module)
        if init is None:
            raise UserError(f"the entry point {point.name!r} names {point.module!r}, which is no package")
        yield _load(point.name, init.parent, point.load)


def _init_of(package: str) -> Path | None:
    """Its __init__.py; None where there is no such package: a single module has no folder of its own."""
    try:
        spec = importlib.util.find_spec(package)
    except ModuleNotFoundError:  # what it is said to be a part of
        return None
    if spec is None or spec.origin is None or spec.submodule_search_locations is None:
        return None
    return Path(spec.origin)


def _import_folder(folder: Path) -> ModuleType:
    name = f"pushlab_transport_{folder.name}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            name, folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(sys.modules[name])
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]


def _load(name: str, folder: Path, load: Callable[[], object]) -> Found:
    try:
        module = load()
    except ModuleNotFoundError as error:
        return Found(name, folder, None, f"the Python package {error.name!r} is not installed")
    except ImportError as error:  # there, but another version than it was written for, or without a library of its own
        return Found(name, folder, None, str(error))
    except Exception as error:  # whatever a mistake in it raises
        raise UserError(f"transport {name!r} can't be loaded: {_mistake(error, folder)}") from error
    if not isinstance(getattr(module, "about", None), About) or not callable(getattr(module, "routes", None)):
        raise UserError(
            f"{folder} is no transport: its __init__.py must have `about = About(…)` and `routes(log, options)`"
        )
    return Found(name, folder, cast("Transport", module))


def _mistake(error: Exception, folder: Path) -> str:
    """What is wrong in a transport's code, and in which line of its own."""
    if isinstance(error, SyntaxError):
        return f"{error.msg} ({error.filename}, line {error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(folder)] or frames
    return f"{type(error).__name__}: {error} ({own[-1].filename}, line {own[-1].lineno})"
