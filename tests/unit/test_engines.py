"""Engines, on machines made of shell scripts: what is looked for, in which order, and what is said."""

import shutil
import sys
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from benchmarks import engines
from benchmarks.engines import NAMES, Engine, find, found
from lab.errors import UserError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="these machines are made of shell scripts")

OFFLINE = "echo 'Error: getaddrinfo ENOTFOUND cdn.example'; exit 1"
ONLINE = "mkdir -p $folder && touch $folder/INSTALLATION_COMPLETE"


@dataclass(frozen=True)
class Machine:
    """A folder of commands that is all of PATH, and a Playwright that is one of them."""

    root: Path

    def command(self, name: str, script: str) -> str:
        path = self.root / "bin" / name
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\necho {name} $* >>{self.root}/calls\n{script}\n")
        path.chmod(0o755)
        return str(path)

    def browser(self, name: str, version: str) -> str:
        return self.command(name, f"echo '{version} built for tests'")

    def playwright(self, install: str = OFFLINE, screenshot: str = "true") -> None:
        """What it does when asked to, in shell; `$folder` is where its own build belongs."""
        dry_run = "; ".join(
            f"echo 'Some {name} 9.{i} (playwright {name} v1)'; echo '  Install location:    {self.own(name)}'"
            for i, name in enumerate(NAMES)
        )
        last = "for name in $*; do :; done; " + f"folder={self.root}/own/$name"
        self.command(
            "playwright",
            f'{last}\ncase "$*" in\n*--dry-run*) {dry_run};;\ninstall*) {install};;\nscreenshot*) {screenshot};;\nesac',
        )

    def own(self, name: str) -> Path:
        return self.root / "own" / name

    def install_own(self, name: str) -> None:
        self.own(name).mkdir(parents=True)
        (self.own(name) / "INSTALLATION_COMPLETE").touch()

    def calls(self, start: str) -> list[str]:
        return [line for line in (self.root / "calls").read_text().splitlines() if line.startswith(start)]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "env").symlink_to(shutil.which("env") or "/usr/bin/env")
    (tmp_path / "calls").touch()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(engines, "PLAYWRIGHT", [str(tmp_path / "bin" / "playwright")])
    monkeypatch.setattr(engines, "MEMORY", tmp_path / "engines.json")
    monkeypatch.setattr(engines, "_debian_root", lambda: False)
    commands = {name: [c for c in usual if "/" not in c] for name, usual in engines.CANDIDATES.items()}
    monkeypatch.setattr(engines, "CANDIDATES", commands)
    machine = Machine(tmp_path)
    machine.playwright()
    return machine


def test_a_browser_on_the_machine_is_found_with_its_version(machine: Machine) -> None:
    path = machine.browser("chromium", "Chromium 156.0.8078.79")
    assert find("chromium") == Engine("chromium", path, None, f"Chromium at {path}", "156.0.8078.79")


def test_firefox_is_driven_over_bidi(machine: Machine) -> None:
    path = machine.browser("firefox-esr", "Mozilla Firefox 153.7.0esr")
    assert find("firefox") == Engine("firefox", path, "moz-firefox", f"Mozilla Firefox at {path}", "153.7.0esr")


def test_playwrights_own_comes_first(machine: Machine) -> None:
    machine.browser("chromium", "Chromium 156.0")
    machine.install_own("chromium")
    assert find("chromium") == Engine("chromium", None, "chromium", "Playwright's own", "9.0")


def test_chrome_comes_before_chromium_and_edge(machine: Machine) -> None:
    for name in ("microsoft-edge", "chromium", "google-chrome"):
        path = machine.browser(name, f"{name} 1.2.3")
    assert find("chromium").executable == path


def test_a_usual_place_off_the_path_will_do(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    path = machine.browser("Google Chrome", "Google Chrome 156.0.1")
    monkeypatch.setenv("HOME", str(machine.root))
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(engines, "CANDIDATES", {"chromium": ["google-chrome", "~/bin/Google Chrome"]})
    assert find("chromium").executable == path


@pytest.mark.parametrize("script", ["echo 'this needs the snap to be installed' >&2; exit 1", "echo 'no number here'"])
def test_a_wrapper_without_its_browser_is_passed_over(machine: Machine, script: str) -> None:
    machine.command("google-chrome", script)
    path = machine.browser("chromium", "Chromium 156.0.1")
    assert find("chromium").executable == path


def test_an_upgraded_browser_tells_its_new_version(machine: Machine) -> None:
    machine.browser("chromium", "Chromium 156.0.1")
    find("chromium")
    machine.browser("chromium", "Chromium 157.0.2")
    assert find("chromium").version == "157.0.2"


def test_a_removed_browser_is_missed_and_a_new_one_found(machine: Machine) -> None:
    Path(machine.browser("chromium", "Chromium 156.0.1")).unlink()
    with pytest.raises(UserError, match="apt-get install chromium"):
        find("chromium")
    machine.browser("google-chrome", "Google Chrome 156.0.1")
    assert find("chromium").origin.startswith("Google Chrome at ")


def test_an_own_build_that_was_deleted_is_not_believed_in(machine: Machine) -> None:
    machine.install_own("firefox")
    assert find("firefox").origin == "Playwright's own"
    shutil.rmtree(machine.own("firefox"))
    with pytest.raises(UserError, match="install Firefox"):
        find("firefox")


def test_an_unknown_engine_is_named(machine: Machine) -> None:
    with pytest.raises(UserError, match=r"'opera': there are chromium, firefox, webkit"):
        find("opera")


def test_found_gives_engines_and_reasons(machine: Machine) -> None:
    machine.browser("chromium", "Chromium 156.0.1")
    assert {name: type(engine) for name, engine in found().items()} == {
        "chromium": Engine,
        "firefox": str,
        "webkit": str,
    }


def test_playwright_is_asked_once_per_folder(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    found()
    found()
    assert len(machine.calls("playwright")) == 1
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", "elsewhere")
    found()
    assert len(machine.calls("playwright")) == 2


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"of": 1}', '{"of": [], "builds": []}'])
def test_a_damaged_memory_is_made_anew(machine: Machine, damage: str) -> None:
    machine.install_own("webkit")
    engines.MEMORY.write_text(damage)
    assert find("webkit").version == "9.2"


def test_a_broken_playwright_leaves_the_machines_browsers(machine: Machine) -> None:
    machine.command("playwright", "exit 1")
    machine.browser("firefox", "Mozilla Firefox 157.0")
    assert find("firefox").version == "157.0"
    assert not engines.MEMORY.exists()


def test_the_real_playwright_names_its_builds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:  # no fakes: this holds the form of its answer
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    builds = engines._dry_run()
    assert set(builds) == set(NAMES)
    assert all(Path(build.folder).parent == tmp_path for build in builds.values())


def test_set_up_downloads_playwrights_own(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.playwright(install=ONLINE)
    engines.main()
    said = capsys.readouterr().out
    assert "Downloading" in said
    assert all(f"  {name}: Playwright's own, 9.{i}\n" in said for i, name in enumerate(NAMES))
    assert "does not" not in said


def test_set_up_tries_a_failing_download_once_and_says_what_is_taken(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    path = machine.browser("chromium", "Chromium 156.0.1")
    engines.main()
    said = capsys.readouterr().out
    assert "(chromium: getaddrinfo ENOTFOUND cdn.example)" in said
    assert f"  chromium: Chromium at {path}, 156.0.1\n" in said
    assert "  firefox: no Firefox here: install Firefox " in said
    engines.main()
    assert len(machine.calls("playwright install --no")) == 1


def test_set_up_drops_an_own_build_that_does_not_start(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(engines, "_debian_root", lambda: True)
    machine.playwright(install=ONLINE, screenshot="false")
    path = machine.browser("chromium", "Chromium 156.0.1")
    engines.main()
    assert "own chromium does not start" in capsys.readouterr().out
    assert find("chromium").executable == path
    assert machine.calls("playwright install-deps") == []  # hundreds of packages: the user's to add


def test_set_up_installs_what_is_missing_as_debians_root(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(engines, "_debian_root", lambda: True)
    machine.browser("chromium", "Chromium 156.0.1")
    firefox = machine.browser("firefox-esr", "Mozilla Firefox 153.7.0esr")
    Path(firefox).rename(machine.root / "package")
    machine.command("apt-get", f'case "$*" in *install*) mv {machine.root}/package {firefox};; esac')
    engines.main()
    assert machine.calls("apt-get") == [
        "apt-get --quiet --yes update",
        "apt-get --quiet --yes install --no-install-recommends firefox-esr",
    ]
    assert f"  firefox: Mozilla Firefox at {firefox}, 153.7.0esr\n" in capsys.readouterr().out


def test_set_up_says_why_apt_could_not(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(engines, "_debian_root", lambda: True)
    machine.command("apt-get", "echo 'E: Unable to locate package' >&2; exit 100")
    engines.main()
    assert "apt-get could not do it: Unable to locate package" in capsys.readouterr().out


def test_apt_is_left_alone_by_other_users(machine: Machine) -> None:
    machine.command("apt-get", "true")
    engines.main()
    assert machine.calls("apt-get") == []


def test_a_download_that_stands_still_is_ended_with_its_children(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "PATIENCE", 0.3)
    machine.playwright(install=f"sleep 600 & echo $! >{machine.root}/child; wait")
    reason = engines._download("firefox", engines.Build(str(machine.own("firefox")), "9"))
    assert reason == "firefox: no progress for 0.3 s"
    with suppress(psutil.NoSuchProcess):  # or dead, but not yet buried by init
        child = psutil.Process(int((machine.root / "child").read_text()))
        assert child.status() == psutil.STATUS_ZOMBIE


class Download:
    """A process that takes `seconds` and writes a byte in each of the first `busy` ones."""

    def __init__(self, target: Path, seconds: int, busy: int) -> None:
        self.target, self.seconds, self.busy = target, seconds, busy

    def wait(self, timeout: float | None = None) -> int:
        self.seconds, self.busy = self.seconds - 1, self.busy - 1
        if self.seconds < 0:
            return 0
        with self.target.open("a") as file:
            file.write("x" * (self.busy >= 0))
        raise psutil.TimeoutExpired(timeout or 0)


@pytest.fixture
def _seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that is one second on whenever it is looked at."""
    clock = count()
    monkeypatch.setattr("benchmarks.engines.time", SimpleNamespace(monotonic=lambda: float(next(clock))))


@pytest.mark.usefixtures("_seconds")
def test_a_slow_download_goes_on_as_long_as_bytes_come(tmp_path: Path) -> None:
    assert engines._progresses(Download(tmp_path / "zip", seconds=100, busy=100), [str(tmp_path)])


@pytest.mark.usefixtures("_seconds")
def test_a_download_is_given_up_after_twenty_seconds_without_a_byte(tmp_path: Path) -> None:
    download = Download(tmp_path / "zip", seconds=100, busy=30)
    assert not engines._progresses(download, [str(tmp_path)])
    assert 100 - download.seconds == pytest.approx(30 + engines.PATIENCE, abs=2)


def test_chrome_on_windows_is_read_off_the_folder_beside_it(tmp_path: Path) -> None:
    for name in ("155.0.9.10", "156.0.1.2", "Dictionaries"):
        (tmp_path / name).mkdir()
    assert engines._ask(str(tmp_path / "chrome.exe")) == ("Google Chrome", "156.0.1.2")
