"""Links through proxies: what may be asked for, what is started, and that nothing of it stays."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from string import Template
from typing import Any

import psutil
import pytest
from proxies import needed
from waiting import until

from lab.errors import UserError
from lab.link import HERE, Place, laid, parse
from lab.link.proxy import PROGRAMS, ProxySpec, keeper
from lab.link.proxy.program import Program
from lab.link.proxy.running import Kept, Proxy
from lab.server import listen, origin

ROOT = Path(__file__).parents[2]
LINKS = [f"proxy:{name}:{variant}" for name, program in PROGRAMS.items() for variant in program.variants]

PYTHON = next(filter(os.path.exists, ["/usr/bin/python3", sys.executable]))  # one that nobody may run, if there is one

SERVES = """\
import http.server, subprocess, sys
print("it starts", flush=True)
subprocess.Popen(["sleep", "1000"], start_new_session=True)  # leaves the group, as some workers do
class Quiet(http.server.SimpleHTTPRequestHandler):
    log_message = lambda *_: None
server = http.server.HTTPServer(("@host", int("@port")), Quiet)
server.handle_error = lambda *_: None
server.serve_forever()
"""
"""A proxy's stand-in, with a worker of its own, that is there on every machine."""


def stand_in(text: str = SERVES) -> Program:
    return Program(
        name="stand-in",
        package="none",
        command=(PYTHON, "-IS", "@folder/main.py"),
        tells="--version",
        file="main.py",
        variants={"default": text},
    )


def kept(text: str = SERVES, place: Place = HERE) -> Kept:
    proxy = Proxy(stand_in(text), "default", "proxy:stand-in", place)
    return Kept("proxy:stand-in", place, proxy._orders("http://127.0.0.1:1"))


def below(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def running(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def all_gone(processes: list[psutil.Process], room: Path, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while running(processes) or files(room):
        assert time.monotonic() < deadline, (running(processes), files(room))
        await asyncio.sleep(0.02)


@pytest.fixture(autouse=True)
def room(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the keepers' folders are: nobody must be able to reach it. It is empty when a test has ended."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        path.chmod(0o755)
        monkeypatch.setenv("TMPDIR", folder)
        yield path
        assert not files(path)


@pytest.fixture
def served() -> Iterator[str]:
    """An origin where something listens and never answers."""
    (one,) = listen()
    yield origin(one)
    one.close()


# What may be asked for


@pytest.mark.parametrize("text", LINKS)
def test_a_link_has_one_text(text: str) -> None:
    spec = parse(text)
    assert spec.text == text.removesuffix(":default")
    assert parse(spec.text) == spec
    assert spec.title.startswith(text.split(":")[1])


def test_every_proxy_has_a_default_and_a_tuned_configuration() -> None:
    assert set(PROGRAMS) == {"nginx", "haproxy", "caddy", "apache", "varnish", "squid", "lighttpd"}
    for program in PROGRAMS.values():
        assert {"default", "tuned"} <= set(program.variants)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("proxy", "unknown proxy '': there are nginx, haproxy, caddy, apache, varnish, squid, lighttpd"),
        ("proxy:envoy", "unknown proxy 'envoy': there are nginx, "),
        ("proxy:nginx:fast", "proxy 'nginx' has no configuration 'fast': there are default, tuned, gzip"),
        ("proxy:nginx:", "proxy 'nginx' has no configuration '': there are default, tuned, gzip"),
    ],
)
def test_what_is_unknown_is_refused(text: str, says: str) -> None:
    with pytest.raises(UserError) as error:
        parse(text)
    assert str(error.value).startswith(says)


async def test_what_is_not_installed_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_args, **_named: None)
    assert parse("proxy:apache").missing() == ("apache is not installed: apt-get install apache2-bin, or make systems")
    with pytest.raises(UserError, match="link 'proxy:nginx' is unavailable: nginx is not installed"):
        async with laid(parse("proxy:nginx")):
            pass


@pytest.mark.parametrize("text", LINKS)
def test_a_report_shows_the_configuration_and_nothing_of_this_machine(text: str) -> None:
    spec = parse(text).segments[0]
    assert isinstance(spec, ProxySpec)
    shown = spec.program.shown(spec.variant)
    assert "SERVER" in shown["configuration"]
    for one in shown.values():
        assert "@" not in one
        assert "/tmp" not in one  # noqa: S108
    assert "PORT" in shown["command"] + shown["configuration"]


# What runs


async def test_it_runs_as_nobody_and_leaves_nothing(room: Path) -> None:
    one = kept()
    await one.start()
    started = below(one.process.pid)
    assert {process.name() for process in started} >= {"sleep"}
    assert {process.uids().effective for process in started} == {keeper.NOBODY if os.geteuid() == 0 else os.geteuid()}
    assert len(files(room)) == 1
    await one.stop()
    assert one.process.returncode == 0
    assert not running(started)


async def test_it_ends_with_a_lab_that_is_killed(room: Path) -> None:
    """The lab is a process that starts a proxy and then is killed as it stands."""
    program = (
        "import asyncio, sys\nsys.path[:0] = sys.argv[1:]\nfrom test_proxy import kept\n"
        "async def main():\n  one = kept()\n  await one.start()\n  print(one.process.pid, flush=True)\n"
        "  await asyncio.sleep(1000)\nasyncio.run(main())"
    )
    lab = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, str(ROOT), str(ROOT / "tests"), str(Path(__file__).parent)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert lab.stdout
    pid = int(await lab.stdout.readline())
    processes = [psutil.Process(pid), *below(pid)]
    assert len(processes) == 3  # the keeper, the program, its worker
    lab.kill()
    await lab.wait()
    await all_gone(processes, room)


async def test_the_program_ends_with_a_keeper_that_is_killed(room: Path) -> None:
    one = kept(SERVES.replace("1000", "0.01"))
    await one.start()
    processes = below(one.process.pid)
    one.process.kill()
    await one.process.wait()
    shutil.rmtree(*files(room))
    await all_gone(processes, room)
    with pytest.raises(UserError, match="proxy:stand-in has ended: its keeper was killed"):
        await one.check()
    await one.stop()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import sys\nsys.exit('the wheel is missing')", "proxy:stand-in does not start: the wheel is missing"),
        ("import time\nprint('one moment', flush=True)\ntime.sleep(100)", "no answer within 2 s; one moment"),
        ("raise SystemExit(1)", "proxy:stand-in does not start: it says nothing"),
    ],
)
async def test_what_does_not_start_says_why(text: str, says: str, room: Path) -> None:
    one = kept(text)
    one.orders["seconds"] = 2
    with pytest.raises(UserError, match=says):
        await one.start()
    assert one.process.returncode is not None


async def test_one_that_is_no_longer_wanted_while_it_starts_is_gone() -> None:
    one = kept("import time\ntime.sleep(100)")
    starting = asyncio.create_task(one.start())
    await until(lambda: hasattr(one, "process") and bool(below(one.process.pid)))
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert one.process.returncode is not None


async def test_what_is_not_there_to_be_started_says_so(room: Path) -> None:
    one = kept()
    one.orders["command"][0] = "no-such-program"
    with pytest.raises(UserError, match=r"proxy:stand-in does not start: .*(No such file|Permission denied)"):
        await one.start()


async def test_one_that_ended_by_itself_says_its_last_words(served: str) -> None:
    proxy = Proxy(stand_in(), "default", "proxy:stand-in", HERE)
    await proxy.through(served)
    one = proxy.kept[served]
    (program,) = (process for process in below(one.process.pid) if process.name() != "sleep")
    program.send_signal(signal.SIGKILL)
    await one.process.wait()
    with pytest.raises(UserError, match=r"proxy:stand-in has ended: it starts"):
        await proxy.through(served)
    await proxy.stop()


async def test_a_port_that_somebody_took_is_not_the_end(room: Path) -> None:
    (tried := room / "tried").touch()
    tried.chmod(0o666)
    refuses = (
        f"import sys\ntried = open('{tried}', 'a+')\ntried.seek(0)\nbefore = tried.read()\n"
        "print('@port', file=tried, flush=True)\nbefore or sys.exit('Address already in use')\n"
    )
    one = kept(refuses + SERVES)
    await one.start()
    ports = tried.read_text().split()
    assert len(ports) == 2
    assert one.origin == f"http://127.0.0.1:{ports[1]}"
    await one.stop()
    tried.unlink()


async def test_a_cut_is_a_restart_at_the_same_address(served: str) -> None:
    lasting = SERVES.replace("HTTPServer", "ThreadingHTTPServer").replace(
        "log_message", 'protocol_version = "HTTP/1.1"\n    log_message'
    )
    proxy = Proxy(stand_in(lasting), "default", "proxy:stand-in", HERE)
    where = await proxy.through(served)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(where.rpartition(":")[2]))
    writer.write(b"HEAD / HTTP/1.1\r\nHost: here\r\n\r\n")
    assert b" 200 " in await reader.readuntil(b"\r\n\r\n")  # it is not only in the kernel's queue
    with pytest.raises(UserError, match="proxy:stand-in can't cut connections by rst: it can by fin"):
        await proxy.cut("rst")
    assert await proxy.cut("fin") == 1
    assert await reader.read() == b""
    writer.close()
    assert await proxy.through(served) == where
    assert await proxy.lap() == {}
    await proxy.stop()


async def test_a_configuration_is_fixed(served: str) -> None:
    async with parse("proxy:nginx").segments[0].running(HERE) as proxy:
        with pytest.raises(
            UserError, match="proxy:nginx can't be told delay: its configuration is fixed; there are def"
        ):
            await proxy.set(delay=1)
        with pytest.raises(UserError, match=r"proxy:nginx can't stand before 'https://127\.0\.0\.1:1'"):
            await proxy.through("https://127.0.0.1:1")


@pytest.mark.skipif(
    subprocess.run(["unshare", "-Ur", "true"], capture_output=True, check=False).returncode != 0,
    reason="unavailable: this system makes no user namespaces",
)
async def test_root_of_a_user_namespace_is_no_root(room: Path) -> None:
    """There, nobody is nobody else: proxies would refuse to run as root, or fail to become another user."""
    text = "import os, sys\nos.getuid() or sys.exit('this is root')\n"
    one = kept(text + SERVES, Place(enter=("unshare", "-Ur", "--")))
    await one.start()
    await one.stop()


@pytest.mark.parametrize("name", PROGRAMS)
async def test_every_configuration_starts_and_leaves_nothing(name: str, room: Path, served: str) -> None:
    """Nothing answers behind it for long, and yet the proxy is there: it says so itself, or passes on what comes."""
    program = PROGRAMS[name]
    needed(program.missing())
    assert program.version()[0].isdigit()

    async def start(variant: str) -> tuple[int, list[psutil.Process]]:
        async with ProxySpec(program, variant).running(HERE) as proxy:
            closed = f"http://127.0.0.1:{keeper.free_port('127.0.0.1')}"  # nobody listens: a proxy says 502 or 503
            assert (await proxy.through(closed)).startswith("http://127.0.0.1:")
            one = proxy.kept[closed]
            return one.orders["port"], [psutil.Process(one.process.pid), *below(one.process.pid)]

    for port, processes in await asyncio.gather(*map(start, program.variants)):
        assert len(processes) >= 2
        assert not running(processes)
        assert not list(Path("/").glob(f"dev/shm/pushlab{port}-*"))  # noqa: ASYNC240


async def test_a_configuration_that_is_wrong_says_what_nginx_says(served: str) -> None:
    program = PROGRAMS["nginx"]
    needed(program.missing())
    wrong = replace(program, variants={"default": "daemon off;\nerror_log stderr;\nbrotli on;\n"})
    async with ProxySpec(wrong).running(HERE) as proxy:
        with pytest.raises(UserError, match=r'proxy:nginx does not start: .*unknown directive "brotli"'):
            await proxy.through(served)


# make systems

FAKE = Template("#!/bin/sh\n$does\n")


def systems(tmp_path: Path, uid: int = 0, **fakes: str) -> Any:
    """systems.sh on a machine that is made up, with a file of its own to forbid services."""
    tools = {"id": f"echo {uid}", "systemctl": "exit 0", "update-rc.d": f'echo "$@" >>{tmp_path}/disabled', **fakes}
    for name, does in tools.items():
        path = tmp_path / name.replace("_", "-")
        path.write_text(FAKE.substitute(does=does))
        path.chmod(0o755)
    return subprocess.run(
        [ROOT / "systems.sh"],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "POLICY": str(tmp_path / "policy")},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


NONE_THERE = 'case "$*" in *Status*) exit 1;; esac; echo listed'


def test_systems_installs_with_services_forbidden_and_allows_them_again(tmp_path: Path) -> None:
    policy = tmp_path / "policy"
    apt = f'{policy} nginx start; echo "$? $*" >>{tmp_path}/installed'
    made = systems(tmp_path, dpkg_query=NONE_THERE, apt_get=apt)
    assert made.returncode == 0, made.stderr
    assert made.stdout.splitlines()[-1] == "listed"
    updated, installed = (tmp_path / "installed").read_text().splitlines()
    assert updated == "101 -qq update"
    assert installed.startswith("101 -qq install --no-install-recommends nginx haproxy caddy ")
    assert "nginx disable" in (tmp_path / "disabled").read_text()
    assert not policy.exists()


def test_systems_allows_services_again_when_it_fails(tmp_path: Path) -> None:
    made = systems(tmp_path, dpkg_query=NONE_THERE, apt_get='[ "$2" = update ] || { echo no room; exit 100; }')
    assert made.returncode == 1
    assert made.stderr.strip() == "no room"
    assert not (tmp_path / "policy").exists()


@pytest.mark.parametrize(("answer", "code"), [(101, 0), (0, 1)])
def test_systems_leaves_a_policy_alone_that_was_there(tmp_path: Path, answer: int, code: int) -> None:
    policy = tmp_path / "policy"
    policy.write_text(FAKE.substitute(does=f"exit {answer}"))
    policy.chmod(0o755)
    made = systems(tmp_path, dpkg_query=NONE_THERE, apt_get="exit 0")
    assert made.returncode == code
    assert policy.read_text() == FAKE.substitute(does=f"exit {answer}")
    assert code == 0 or "would let services start" in made.stderr


def test_systems_has_nothing_to_do_where_all_is_there(tmp_path: Path) -> None:
    there = 'case "$*" in *Status*) echo "install ok installed";; *) echo listed;; esac'
    made = systems(tmp_path, dpkg_query=there, apt_get="exit 100", uid=1000)
    assert (made.returncode, made.stdout) == (0, "listed\n")


def test_systems_needs_root(tmp_path: Path) -> None:
    made = systems(tmp_path, uid=1000, dpkg_query=NONE_THERE, apt_get="exit 100")
    assert made.returncode == 1
    assert made.stderr == "Installing needs root. The one command to run: sudo make systems\n"


def test_orders_are_plain_data() -> None:
    assert json.loads(json.dumps(kept().orders)) == kept().orders
