"""The browsers on this machine, and how set-up gets them.

Playwright's own builds come first, then a browser that is here already. Each call looks again, so that a
browser that was added, upgraded or removed is seen. Only Playwright's word about its own builds is kept,
in the environment: asking it costs 0.4 s.
"""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple, Protocol, get_args

import psutil
from typer import echo

from lab.errors import UserError

Name = Literal["chromium", "firefox", "webkit"]
NAMES: tuple[Name, ...] = get_args(Name)

PATIENCE = 20.0
"""Seconds without progress after which a download is given up."""
PLAYWRIGHT: Sequence[str] = (sys.executable, "-m", "playwright")
MEMORY = Path(sys.prefix, "engines.json")

# Commands, then usual places; what another system means by a place does not exist on this one.
# Firefox ESR before Firefox: it is the one that this Playwright was tried with.
CANDIDATES: Mapping[str, Sequence[str]] = {
    "chromium": (
        *("google-chrome", "google-chrome-stable", "chromium", "chromium-browser", "microsoft-edge"),
        *("/opt/google/chrome/google-chrome", "/snap/bin/chromium", "/opt/microsoft/msedge/microsoft-edge"),
        *(
            f"{root}/Applications/{app}.app/Contents/MacOS/{app}"
            for app in ("Google Chrome", "Chromium", "Microsoft Edge")
            for root in ("", "~")
        ),
        *(
            f"%{root}%/{path}"
            for path in ("Google/Chrome/Application/chrome.exe", "Microsoft/Edge/Application/msedge.exe")
            for root in ("ProgramFiles", "ProgramFiles(x86)", "LocalAppData")
        ),
    ),
    "firefox": (
        *("firefox-esr", "firefox", "/opt/firefox/firefox", "/snap/bin/firefox"),
        *(f"{root}/Applications/Firefox.app/Contents/MacOS/firefox" for root in ("", "~")),
        *(f"%{root}%/Mozilla Firefox/firefox.exe" for root in ("ProgramFiles", "ProgramFiles(x86)")),
    ),
    "webkit": (),
}
# Without its channel, Playwright's Chromium would be its headless shell, which is not the browser people use.
OWN_CHANNELS: Mapping[str, str] = {"chromium": "chromium"}
# An unmodified Firefox is driven over WebDriver BiDi; only Playwright's own speaks Playwright's protocol.
CHANNELS: Mapping[str, str] = {"firefox": "moz-firefox"}
PACKAGES: Mapping[str, str] = {"chromium": "chromium", "firefox": "firefox-esr"}
ADVICE: Mapping[str, str] = {
    "chromium": "no Chromium here: install Google Chrome, Chromium or Microsoft Edge "
    "(on Debian, apt-get install chromium) or run `playwright install chromium`",
    "firefox": "no Firefox here: install Firefox "
    "(on Debian, apt-get install firefox-esr) or run `playwright install firefox`",
    "webkit": "no WebKit here: only Playwright's own will do, which `playwright install webkit` gets",
}

_PRODUCT = re.compile(r"^(?P<product>\D+?) (?P<version>\d+(\.\w+)+)", re.MULTILINE)
_DRY_RUN = re.compile(
    rf"(?P<version>[\d.]+) \(playwright (?P<name>{'|'.join(NAMES)}) v\d+\)\n"
    r"\s+Install location:\s+(?P<folder>.+)"
)
_ERROR = re.compile(r"^(?:Error|E): (?P<reason>.{1,200})", re.MULTILINE)
_FAILURES = (OSError, subprocess.SubprocessError)


@dataclass(frozen=True)
class Engine:
    """A browser to launch: `executable` and `channel` are Playwright's launch options, None its defaults."""

    name: Name
    executable: str | None
    channel: str | None
    origin: str
    version: str


class Build(NamedTuple):
    """One of Playwright's own: where it is once it is installed."""

    folder: str
    version: str

    @property
    def complete(self) -> bool:
        return Path(self.folder, "INSTALLATION_COMPLETE").exists()


@dataclass
class Memory:
    """Playwright's own builds, and why they are not downloaded: for one Playwright and browsers folder."""

    of: list[str]
    builds: dict[str, Build]
    refused: str = ""


class Waitable(Protocol):
    def wait(self, timeout: float | None = None) -> int | None: ...


def find(name: str) -> Engine:
    """The engine of that name; UserError, saying what to install, where there is none."""
    if name not in NAMES:
        raise UserError(f"no engine is called {name!r}: there are {', '.join(NAMES)}")
    engine = _look(name, _recall().builds)
    if isinstance(engine, str):
        raise UserError(engine)
    return engine


def found() -> dict[str, Engine | str]:
    """Every engine by name: itself, or the reason why it is unavailable."""
    builds = _recall().builds
    with ThreadPoolExecutor() as pool:  # each asks a browser for its version, up to 0.2 s
        return dict(zip(NAMES, pool.map(lambda name: _look(name, builds), NAMES), strict=True))


def _look(name: Name, builds: Mapping[str, Build]) -> Engine | str:
    build = builds.get(name)
    if build and build.complete:
        return Engine(name, None, OWN_CHANNELS.get(name), "Playwright's own", build.version)
    return _installed(name) or ADVICE[name]


def _installed(name: Name) -> Engine | None:
    for candidate in CANDIDATES[name]:
        path = shutil.which(str(Path(os.path.expandvars(candidate)).expanduser()))
        if path and (answer := _ask(path)):
            product, number = answer
            return Engine(name, path, CHANNELS.get(name), f"{product} at {path}", number)
    return None


def _ask(executable: str) -> tuple[str, str] | None:
    """Product and version; None for a program that does not run, such as a wrapper without its browser."""
    if Path(executable).name in {"chrome.exe", "msedge.exe"}:
        return _unpacked(Path(executable))
    try:
        answer = _run([executable, "--version"], seconds=10)
    except _FAILURES:
        return None
    match = _PRODUCT.search(answer)
    return (match["product"], match["version"]) if match else None


def _unpacked(executable: Path) -> tuple[str, str] | None:
    """As `_ask`: these open a window when asked for their version, but lie beside a folder named after it."""
    numbers = [p.name for p in executable.parent.iterdir() if re.fullmatch(r"\d+(\.\d+){3}", p.name)]
    product = {"chrome": "Google Chrome", "msedge": "Microsoft Edge"}[executable.stem]
    return (product, max(numbers, key=lambda n: [*map(int, n.split("."))])) if numbers else None


def _recall() -> Memory:
    """What is remembered, if it is of this Playwright and this folder; Playwright's word otherwise."""
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        kept = json.loads(MEMORY.read_text("utf-8"))
        if kept["of"] == _circumstances():
            return Memory(kept["of"], {name: Build(*kept["builds"][name]) for name in kept["builds"]}, kept["refused"])
    memory = Memory(_circumstances(), _dry_run())
    if memory.builds:
        _remember(memory)
    return memory


def _remember(memory: Memory) -> None:
    with suppress(OSError):  # an environment that cannot be written to is only slower
        MEMORY.write_text(json.dumps(asdict(memory)), "utf-8")


def _circumstances() -> list[str]:
    places = ("PLAYWRIGHT_BROWSERS_PATH", "XDG_CACHE_HOME", "HOME", "LOCALAPPDATA")
    return [version("playwright"), *(os.environ.get(place, "") for place in places)]


def _dry_run() -> dict[str, Build]:
    try:
        text = _run([*PLAYWRIGHT, "install", "--dry-run", *NAMES], seconds=30)
    except _FAILURES:
        return {}
    return {match["name"]: Build(match["folder"], match["version"]) for match in _DRY_RUN.finditer(text)}


def _run(command: Sequence[str], seconds: float | None = None) -> str:
    """What a program prints; one of _FAILURES if it does not start, takes longer or says that it failed."""
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=True,
        timeout=seconds,
    ).stdout


def main() -> None:
    """Set-up: get what is missing, and say what is taken."""
    memory = _recall()
    _download_missing(memory)
    _drop_lame(memory)
    _remember(memory)
    _install_packages()
    for name, engine in found().items():
        echo(f"  {name}: {engine if isinstance(engine, str) else f'{engine.origin}, {engine.version}'}")


def _download_missing(memory: Memory) -> None:
    """Playwright's own, until the first that can't be had; never tried again in this environment."""
    missing = {name: build for name, build in memory.builds.items() if not build.complete}
    if missing and not memory.refused:
        echo(f"Downloading Playwright's own browsers (given up after {PATIENCE:g} s without progress) …")
    for name, build in missing.items():
        memory.refused = memory.refused or _download(name, build)
    if missing and memory.refused:
        echo(f"Playwright's download does not work here ({memory.refused}): taking what this machine has.")


def _download(name: str, build: Build) -> str:
    """Why it could not be done, or nothing. Its bytes are counted where they land, which is TMPDIR."""
    with TemporaryDirectory() as scratch, Path(scratch, "output").open("w") as output:
        process = psutil.Popen(
            # no-remove: builds that only another Playwright uses are not ours to delete
            [*PLAYWRIGHT, "install", "--no-shell", "--no-remove", name],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), scratch),
        )
        try:
            if not _progresses(process, [scratch, build.folder]):
                return f"{name}: no progress for {PATIENCE:g} s"
        finally:
            _kill(process)
        return "" if build.complete else f"{name}: {_reason(Path(scratch, 'output').read_text('utf-8', 'replace'))}"


def _progresses(process: Waitable, folders: Iterable[str]) -> bool:
    """Waits for the end; False once PATIENCE has passed in which these folders did not change in size."""
    size, deadline = -1, 0.0
    while True:
        with suppress(psutil.TimeoutExpired):
            process.wait(timeout=0.2)
            return True
        before, size = size, sum(map(_size, folders))
        if size != before:
            deadline = time.monotonic() + PATIENCE
        elif time.monotonic() > deadline:
            return False


def _size(folder: str) -> int:
    """Bytes in the files below a folder, which may come and go meanwhile."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += Path(parent, name).stat().st_size
    return total


def _kill(process: psutil.Process) -> None:
    """With its children: it is one of them that downloads."""
    with suppress(psutil.NoSuchProcess):
        family = [*process.children(recursive=True), process]
        for one in family:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        psutil.wait_procs(family, timeout=5)


def _reason(output: str) -> str:
    match = _ERROR.search(output)
    return match["reason"] if match else "it did not say why"


def _drop_lame(memory: Memory) -> None:
    """Forgets builds that do not start, mostly for want of system libraries: those are for the user to add."""
    for name, build in list(memory.builds.items()):
        if build.complete and not _starts(name):
            echo(f"Playwright's own {name} does not start here (see `playwright install-deps {name}`).")
            del memory.builds[name]


def _starts(name: str) -> bool:
    channel = [f"--channel={OWN_CHANNELS[name]}"] if name in OWN_CHANNELS else []
    with TemporaryDirectory() as scratch:
        shot = ["screenshot", f"--browser={name}", *channel, "about:blank", str(Path(scratch, "blank.png"))]
        try:
            _run([*PLAYWRIGHT, *shot], seconds=60)
        except _FAILURES:
            return False
    return True


def _install_packages() -> None:
    looked = found()
    missing = [package for name, package in PACKAGES.items() if isinstance(looked[name], str)]
    if not missing or not _debian_root():
        return
    echo(f"Installing {' and '.join(missing)} with apt-get …")
    apt = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet", "--yes")
    try:
        _run([*apt, "update"])
        _run([*apt, "install", "--no-install-recommends", *missing])
    except subprocess.CalledProcessError as error:
        echo(f"apt-get could not do it: {_reason(error.stderr)}")


def _debian_root() -> bool:
    try:
        return platform.freedesktop_os_release()["ID"] == "debian" and os.geteuid() == 0
    except OSError:  # not a Linux
        return False


if __name__ == "__main__":
    main()
