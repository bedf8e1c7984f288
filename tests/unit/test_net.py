"""The emulated network: true to its figures, changed and cut as it goes, and gone without a trace.

Datagrams show what befalls each packet; TCP is what transports use.
"""

import asyncio
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from quiet import others
from scipy.stats import binom

from benchmarks import engines
from benchmarks.browser import launched
from lab import terminal
from lab.errors import UserError
from lab.link import HERE, Place, laid, namespaces, net, parse
from lab.link.namespaces import BESIDE, FAR, IMPAIRED, NEAR
from lab.link.net import HELD, LATE_US, Net
from lab.process import read_ledger, server_process
from lab.transport import discover, subjects

MS = 1e-3

unavailable = pytest.mark.skipif(bool(namespaces.means().missing), reason=f"unavailable: {namespaces.means().missing}")
by_emulator = pytest.mark.skipif(namespaces.means().netem, reason="the kernel's netem is used here")

ECHO = """
import socket, sys, threading
def serve(host):
    with socket.create_server((host, 7)) as listening:
        while True:
            threading.Thread(target=answer, args=listening.accept(), daemon=True).start()
def answer(one, _):
    print("begun", flush=True)
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        while said := one.recv(65536):
            one.sendall(said)
    except ConnectionError:
        pass
    print("ended", flush=True)
for host in sys.argv[1:]:
    threading.Thread(target=serve, args=(host,), daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
"""
ROUND_TRIPS = """
import socket, statistics, sys, time
def trip(one):
    began = time.monotonic()
    one.sendall(b"x")
    one.recv(1)
    return time.monotonic() - began
for host in sys.argv[2:]:
    with socket.create_connection((host, 7)) as one:
        print(statistics.median(trip(one) for _ in range(int(sys.argv[1]))))
"""
SEND = """
import socket, sys, time
host, number, size, pace = sys.argv[1], *map(float, sys.argv[2:])
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
    begin = time.monotonic()
    for n in range(int(number)):
        time.sleep(max(0, begin + n * pace - time.monotonic()))
        one.sendto((b"%d %d" % (n, time.monotonic_ns())).ljust(int(size)), (host, 9))
"""
RECEIVE = """
import json, socket, struct, sys, time
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
    one.setsockopt(socket.SOL_SOCKET, 35, 1)  # SO_TIMESTAMPNS: the kernel tells when it came
    ahead = time.time_ns() - time.monotonic_ns()
    try:
        one.setsockopt(socket.SOL_SOCKET, 33, 4 << 20)  # SO_RCVBUFFORCE: more than others may have
    except PermissionError:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    one.bind((sys.argv[1], 9))
    print("ready", flush=True)
    came = []
    while len(came) < int(sys.argv[2]) and (received := one.recvmsg(2048, 64))[0] != b"over":
        seconds, ns = struct.unpack("qq", received[1][0][2])
        came.append([*map(int, received[0].split()), seconds * 10**9 + ns - ahead, len(received[0])])
print(json.dumps(came), flush=True)
"""


@asynccontextmanager
async def running(place: Place, code: str, *arguments: object) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program in a place, ready; gone at the end."""
    process = await asyncio.create_subprocess_exec(
        *(*place.enter, sys.executable, "-IS", "-c", code, *map(str, arguments)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=16 << 20,
    )
    assert process.stdout
    try:
        assert await process.stdout.readline() == b"ready\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def said(place: Place, code: str, *arguments: object) -> list[str]:
    """The lines that a program in a place writes."""
    process = await asyncio.create_subprocess_exec(
        *(*place.enter, sys.executable, "-IS", "-c", code, *map(str, arguments)), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0
    return out.decode().splitlines()


async def round_trips(one: Net, number: int = 20) -> tuple[float, float]:
    """The medians in seconds: of the impaired way, and of the other."""
    impaired, beside = await said(one.far, ROUND_TRIPS, number, *NEAR)
    return float(impaired), float(beside)


async def flow(
    one: Net, number: int, size: int = 20, pace: float = 0.001, *, up: bool = False, patience: float = 2.0
) -> list[list[int]]:
    """Datagrams that came, of a number that was sent down, or up: number, sent (ns), received (ns), bytes.

    Args:
        patience: seconds after which the missing ones are taken for lost.
    """
    sender, receiver, way = (one.far, one.near, NEAR) if up else (one.near, one.far, FAR)
    async with running(receiver, RECEIVE, "0.0.0.0", number) as receiving:
        await said(sender, SEND, way[0], number, size, pace)
        try:
            return await received(receiving, one.conditions.rtt + patience)
        except TimeoutError:
            await said(sender, 'import socket, sys; socket.socket(2, 2).sendto(b"over", (sys.argv[1], 9))', way[1])
            return await received(receiving, 10)


async def received(receiving: asyncio.subprocess.Process, seconds: float) -> list[list[int]]:
    assert receiving.stdout
    came: list[list[int]] = json.loads(await asyncio.wait_for(receiving.stdout.readline(), seconds))
    return came


@asynccontextmanager
async def network(words: str) -> AsyncIterator[Net]:
    async with net.parse(words).between() as one:
        assert isinstance(one, Net)
        yield one


# True to its figures


@pytest.mark.calm
@unavailable
async def test_a_round_trip_takes_as_long_as_was_asked_for() -> None:
    async with network("rtt=40") as one, running(one.near, ECHO, *NEAR):
        tries = [await round_trips(one, 10) for _ in range(3)]
    impaired, beside = map(min, zip(*tries, strict=True))  # of medians: others may take the processor meanwhile
    assert impaired - beside == pytest.approx(40 * MS, rel=0.05)
    assert beside < 5 * MS, "the other way is impaired as well"


@pytest.mark.calm
@unavailable
async def test_each_direction_has_its_rate() -> None:
    async with network("rtt=4,down=8mbit,up=4mbit,queue=1000") as one:
        for up, mbit in ((False, 8), (True, 4)):
            first, *rest, last = await flow(one, 400, size=1472, pace=0.0002, up=up)  # far more: who sends may be late
            seconds = (last[2] - first[2]) / 1e9
            assert seconds > 0.3
            assert (len(rest) + 1) * 1500 * 8 / seconds == pytest.approx(mbit * 1e6, rel=0.05)


@by_emulator
@unavailable
async def test_what_finds_no_room_is_dropped_and_counted() -> None:
    async with network("rate=1mbit,queue=10") as one:
        await one.lap()
        came = await flow(one, 100, size=1472, pace=0, patience=1.0)
        down = (await one.lap())["down"]
    assert 11 <= len(came) < 100
    assert (down["packets"], down["bytes"]) == (len(came), len(came) * 1500)
    assert (down["overflowed"], down["lost"]) == (100 - len(came), 0)


@pytest.mark.calm
@unavailable
async def test_as_many_packets_get_lost_as_was_asked_for_and_are_counted() -> None:
    number = 3000
    async with network("loss=5%,seed=3") as one:
        await one.lap()
        came = await flow(one, number, pace=0.0004, patience=0.2)
        lap = await one.lap()
    lost = number - len(came)
    low, high = binom.interval(0.999, number, 0.05)
    assert low <= lost <= high
    assert (lap["down"]["lost"], lap["down"]["packets"]) == (lost, len(came))


@unavailable
async def test_jitter_spreads_and_keeps_the_order() -> None:
    async with network("rtt=40,jitter=10") as one:
        came = await flow(one, 400, pace=0.002)
    assert [number for number, *_ in came] == list(range(400))
    took = sorted((received - sent) / 1e9 for _, sent, received, _ in came)
    assert took[0] >= 10 * MS
    assert took[300] - took[20] > 5 * MS


async def leaves_punctually(one: Net, send: Callable[[], Awaitable[object]]) -> None:
    """p99 ≤ 0.3 ms of what goes down, if the machine is quiet."""
    late, quiet = list[float](), False
    while len(late) < 5 and (not late or late[-1] > LATE_US):
        await one.lap()
        with others() as machine:
            await send()
        late.append((await one.lap())["down"]["late_us"]["p99"])
        quiet |= machine.quiet
    if late[-1] > LATE_US and not quiet:
        pytest.skip(f"others took the processor; p99 was {late} µs")
    assert late[-1] <= LATE_US, late


@pytest.mark.alone
@by_emulator
@unavailable
async def test_packets_leave_punctually() -> None:
    async with network("rtt=20") as one:
        await leaves_punctually(one, lambda: flow(one, 200, pace=0.002))


BULK = """
import socket, sys
with socket.create_server((sys.argv[1], 7)) as listening:
    print("ready", flush=True)
    one, _ = listening.accept()
with one:
    one.sendall(bytes(range(256)) * (int(sys.argv[2]) // 256))
"""
TAKE = """
import socket, sys
whole = bytes(range(256)) * 512
with socket.create_connection((sys.argv[1], 7)) as one:
    began, came = one.recv(1 << 16), 0
    while began:
        assert began == whole[came % 256 :][: len(began)], "not what was sent"
        came += len(began)
        began = one.recv(1 << 16)
    print(came)
"""


async def bulk(one: Net, size: int) -> None:
    """So many bytes that TCP carries down, all of them and as they were sent."""
    async with running(one.near, BULK, NEAR[0], size):
        assert await said(one.far, TAKE, NEAR[0]) == [str(size)]


@by_emulator
@unavailable
async def test_what_is_sent_at_once_is_lost_and_counted_packet_by_packet() -> None:
    """Though it passes in one piece where it can."""
    size = 256 * 20_000
    async with network("rtt=4,loss=2%,cc=reno") as one:
        await one.lap()
        await bulk(one, size)
        down = (await one.lap())["down"]
    low, high = binom.interval(0.9999, down["packets"] + down["lost"], 0.02)
    assert low <= down["lost"] <= high
    assert down["packets"] >= size / 1460
    assert down["bytes"] - size == pytest.approx(52 * down["packets"], rel=0.2)  # some was sent again


@pytest.mark.alone
@by_emulator
@unavailable
@pytest.mark.parametrize("words", ["rtt=20", "rtt=20,loss=1%", "rtt=20,jitter=4"])
async def test_without_a_rate_bulk_leaves_punctually_too(words: str) -> None:
    async with network(words) as one:
        await leaves_punctually(one, lambda: bulk(one, 256 * 80_000))


@pytest.mark.alone
@by_emulator
@unavailable
async def test_a_rate_of_300_mbit_is_carried_and_one_that_is_too_much_is_named() -> None:
    tries = list[tuple[str, Any]]()
    while len(tries) < 3 and (not tries or tries[-1][0]):
        async with network("rtt=20,rate=300mbit") as one:
            tries.append((one.facts.get("doubt", ""), one.facts["full_rate"]))
    doubt, full = tries[-1]
    assert not doubt, tries
    assert full["down"]["carried"] == pytest.approx(300e6, rel=0.05)
    assert full["up"]["carried"] == pytest.approx(300e6, rel=0.05)
    async with network("rtt=20,down=1gbit") as one:
        full = one.facts["full_rate"]["down"]
        fits = full["carried"] >= HELD * 1e9 and full["late_us"]["p99"] <= LATE_US
        assert fits != one.facts.get("doubt", "").startswith("when its rate was tried, ")
        assert list(one.facts["full_rate"]) == ["down"]
        assert all(one.facts["late_us"].values()), "not tried both ways"
        assert one.conditions.rtt == 20 * MS


# As it goes


@unavailable
async def test_nothing_comes_out_of_a_black_hole() -> None:
    async with network("rtt=10") as one:
        for blackhole, down, up in ((True, 0, 0), ("down", 0, 20), ("up", 20, 0), (False, 20, 20)):
            await one.set(blackhole=blackhole)
            ways = ((False, down), (True, up))
            flows = (flow(one, 20, up=way, patience=2.0 if expected else 0.2) for way, expected in ways)
            came = map(len, await asyncio.gather(*flows))
            assert (blackhole, *came) == (blackhole, down, up)


@unavailable
async def test_a_black_hole_swallows_what_is_on_its_way() -> None:
    async with network("rtt=1") as one, running(one.far, RECEIVE, "0.0.0.0", 1) as receiving:
        await one.set(rtt="20s")
        await one.lap()
        await said(one.near, SEND, FAR[0], 5, 20, 0)
        await one.set(blackhole=True)
        await one.set(blackhole=False, rtt="1ms")
        await said(one.near, SEND, FAR[0], 1, 30, 0)
        assert [size for *_, size in await received(receiving, 10)] == [30]
        if not namespaces.means().netem:
            assert (await one.lap())["down"]["swallowed"] == 5


@pytest.mark.calm
@unavailable
async def test_it_is_changed_as_it_goes() -> None:
    async with network("rtt=4") as one, running(one.near, ECHO, *NEAR):
        await one.set(delay=0.03, loss="0%")
        impaired, beside = map(min, zip(*[await round_trips(one, 4) for _ in range(3)], strict=True))
        assert impaired - beside == pytest.approx(60 * MS, rel=0.1)
        for wrong, message in [
            ({"loss": "120%"}, "loss can't be '120%'"),
            ({"speed": 3}, "unknown setting 'speed'"),
            ({"blackhole": "sideways"}, "blackhole can't be 'sideways'"),
            ({"cc": "reno"}, "can't change its cc"),
        ]:
            with pytest.raises(UserError, match=message):
                await one.set(**wrong)
        assert one.conditions.rtt == 0.06


WAIT = """
import socket, sys, time
with socket.create_connection((sys.argv[1], 7)) as one:
    print("ready", flush=True)
    one.settimeout(8)
    try:
        print("end" if not one.recv(1) else "data", flush=True)
    except OSError as error:
        print(type(error).__name__, flush=True)
"""


@unavailable
async def test_a_cut_resets_connections_on_both_sides_and_no_others() -> None:
    """Also where packets get lost, and with them what tells the other side."""
    async with network("rtt=20") as one, running(one.near, ECHO, *NEAR) as echo:
        async with running(one.far, WAIT, NEAR[1]) as beside:
            assert await heard(echo) == "begun"
            for loss in (0, 1):
                await one.set(loss=0)
                async with running(one.far, WAIT, NEAR[0]) as waiting:
                    assert await heard(echo) == "begun"  # it stands on the other side as well
                    await one.set(loss=loss)
                    assert await one.cut() == 1
                    assert (await heard(waiting)).startswith("Connection")
                    assert await heard(echo) == "ended"
            assert beside.returncode is None
        assert await one.cut() == 0
        with pytest.raises(UserError, match="can't cut connections by fin: it can by rst"):
            await one.cut("fin")


async def heard(process: asyncio.subprocess.Process) -> str:
    assert process.stdout
    return (await asyncio.wait_for(process.stdout.readline(), 5)).decode().strip()


@unavailable
async def test_the_congestion_control_is_told_and_in_force() -> None:
    for words, is_ in (("rtt=2,cc=reno", "chosen"), ("rtt=2", "the system's default")):
        async with network(words) as one, running(one.near, ECHO, *NEAR), running(one.far, WAIT, NEAR[0]):
            used = await namespaces.inside(one.near, f"ss -Htin dst {FAR[0]}")
            assert one.facts["congestion_control"] in used.split()
            assert one.facts["congestion_control_is"] == is_


# Other ways to have it

TC = """#!/bin/sh
echo "$@" >> "$(dirname "$0")/said"
case "$*" in
    *show*) echo '[{"kind": "netem", "packets": 10, "bytes": 1140, "drops": 3}]' ;;
esac
"""


@unavailable
async def test_the_kernel_does_it_where_it_has_netem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its part is played by a program that notes what it is told: packets pass, unimpaired."""
    tool = tmp_path / "tc"
    tool.write_text(TC)
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    namespaces.means.cache_clear()
    try:
        assert namespaces.means().netem
        async with network("rtt=400,down=8mbit") as one, running(one.near, ECHO, *NEAR):
            assert max(await round_trips(one, 5)) < 200 * MS
            assert one.facts["impaired_by"] == "the kernel's netem"
            assert await one.lap() == {way: {"packets": 0, "bytes": 0, "lost": 0} for way in ("down", "up")}
            await one.set(loss="1%")
    finally:
        namespaces.means.cache_clear()
    told = (tmp_path / "said").read_text().splitlines()
    replaced = [line.removeprefix(f"qdisc replace dev {IMPAIRED} root netem ") for line in told if "replace" in line]
    assert replaced[0].endswith("delay 200000us rate 8000000bit")
    assert replaced[1].endswith("delay 200000us rate 100000000000bit")
    assert all("loss 1.000000%" in line for line in replaced[2:])
    assert len(replaced) == 4


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        ("unshare", r"network namespaces are refused \(no such luck\): run it as root, or allow user namespaces"),
        ("ip", r"its wires can't be made \(no such luck\)"),
    ],
)
def test_what_can_not_be_had_here_is_said(
    refused: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / refused
    tool.write_text("#!/bin/sh\necho no such luck >&2\nexit 1\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    namespaces.means.cache_clear()
    try:
        if namespaces.means.__wrapped__().missing.startswith("its tools"):
            pytest.skip("there are no tools to replace")
        assert re.match(message, net.parse("4g").missing())
    finally:
        namespaces.means.cache_clear()


ROOTLESS = """
set -e
mount --make-rprivate /
mkdir "$2/python" && mount --bind "$(dirname "$(dirname "$1")")" "$2/python"
mknod -m 666 "$2/tun" c 10 200 && mount --bind "$2/tun" /dev/net/tun
export LD_LIBRARY_PATH="$2/python/lib"
exec setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all --bounding-set=-all \\
    "$2/python/bin/$(basename "$1")" -c "$3" "$4"
"""
"""In a mount namespace that ends with it: a Python and a TUN device that everybody may use, as on most systems."""

AS_NOBODY = """
import asyncio, json, os, sys
sys.path[:0] = json.loads(sys.argv[1])
from lab.link import net
async def lab():
    async with net.parse("rtt=20").between() as one:
        print(json.dumps([os.getuid(), one.facts["namespaces"]]))
asyncio.run(lab())
"""


@unavailable
@pytest.mark.skipif(os.geteuid() != 0, reason="all the other tests are rootless already")
def test_an_ordinary_user_can_have_it_too() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        python = str(Path(sys.executable).resolve())
        paths = json.dumps([str(Path(__file__).parents[2]), *sys.path])
        command = ["unshare", "-m", "sh", "-c", ROOTLESS, "sh", python, folder, AS_NOBODY, paths]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == [65534, "of an ordinary user"]


# Gone without a trace


def holders(space: int) -> list[int]:
    """Processes in that network namespace."""
    found = []
    for process in psutil.process_iter():
        try:
            if inode(process.pid) == space:
                found.append(process.pid)
        except OSError:
            continue
    return found


def inodes(one: Net) -> list[int]:
    return [inode(place.enter[2]) for place in (one.near, one.far)]


def inode(pid: int | str) -> int:
    """Of a process's network namespace."""
    return Path(f"/proc/{pid}/ns/net").stat().st_ino


async def until_gone(spaces: list[int], processes: list[psutil.Process], seconds: float = 15) -> None:
    async with asyncio.timeout(seconds):
        while any(map(holders, spaces)) or any(one.is_running() and one.status() != "zombie" for one in processes):
            await asyncio.sleep(0.05)


def nothing_here() -> None:
    """In the machine's own network."""
    assert not {IMPAIRED, BESIDE} & {name for _, name in socket.if_nameindex()}


@unavailable
async def test_it_is_gone_after_success_and_after_failure() -> None:
    async with network("rtt=1") as one:
        spaces = inodes(one)
        assert all(map(holders, spaces))
        nothing_here()
    with pytest.raises(ZeroDivisionError):
        await fail_in_one(spaces)
    await until_gone(spaces, [], 5)


async def fail_in_one(spaces: list[int]) -> None:
    async with network("rtt=1") as one:
        spaces += inodes(one)
        _ = 1 / 0


LAB = """
import asyncio, json
from benchmarks.browser import launched
from lab.link import laid, parse
from lab.process import server_process
async def lab():
    async with laid(parse("net:rtt=2")) as link, server_process(["sse"], place=link.server):
        async with launched("native", place=link.reader):
            print(json.dumps([link.server.enter[2], link.reader.enter[2]]), flush=True)
            await asyncio.sleep(60)
asyncio.run(lab())
"""


@unavailable
async def test_it_is_gone_when_the_lab_was_killed(tmp_path: Path) -> None:
    """With all that runs in its places, and their folders."""
    spaces, family = await killed(LAB, tmp_path)
    assert len(family) >= 5  # two holders, the emulator, a server, a native client
    await until_gone(spaces, family)
    nothing_here()
    assert not left(tmp_path)


@unavailable
@pytest.mark.slow
@pytest.mark.parametrize("engine", ["chromium", "firefox"])
async def test_browsers_are_gone_when_the_lab_was_killed(engine: str, tmp_path: Path) -> None:
    if isinstance(reason := engines.found().get(engine), str):
        pytest.skip(f"unavailable: {reason}")
    spaces, family = await killed(LAB.replace('"native"', repr(engine)), tmp_path)
    await until_gone(spaces, family)
    assert not left(tmp_path)


def left(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def killed(code: str, folder: Path) -> tuple[list[int], list[psutil.Process]]:
    """The namespaces and the processes of a lab that was killed when it stood."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code), stdout=asyncio.subprocess.PIPE, env={**os.environ, "TMPDIR": str(folder)}
    )
    assert process.stdout
    pids = json.loads(await asyncio.wait_for(process.stdout.readline(), 30))
    spaces = list(map(inode, pids))
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    await process.communicate()
    return spaces, family


# Slow: what it means for transports


@unavailable
@pytest.mark.slow
async def test_a_long_poll_pays_twice_what_a_stream_pays() -> None:
    """At 20 events/s and a round trip of 100 ms; at one event/s they are alike."""
    known, p50 = subjects(discover()), dict[tuple[str, int], float]()
    async with AsyncExitStack() as stack:
        link = await stack.enter_async_context(laid(parse("net:rtt=100")))
        server = await stack.enter_async_context(server_process(["sse", "long_polling"], place=link.server))
        engine = await stack.enter_async_context(launched("native", place=link.reader))
        for name, rate in (("sse", 20), ("long_polling", 20), ("sse", 1), ("long_polling", 1)):
            _, start = read_ledger(server.ledger)
            async with engine.reading(known[name], server.origins[0], {}, "now") as reader:
                assert await reader.opened(5)
                await server.play(f"metronome:rate={rate},seconds=6")
                sent, _ = read_ledger(server.ledger, start)
                assert await reader.reached(sent[-1].epoch, sent[-1].id, 5)
                seen = await reader.seen()
            due = {(entry.epoch, entry.id): entry.due for entry in sent}
            latency = [(received - due[epoch, id_]) / 1e6 for epoch, id_, received in seen.events]
            p50[name, rate] = statistics.median(latency)
    assert p50["long_polling", 20] == pytest.approx(2 * p50["sse", 20], rel=0.2)
    assert p50["long_polling", 1] == pytest.approx(p50["sse", 1], rel=0.2)
    assert p50["sse", 20] == pytest.approx(50, rel=0.2)


def test_a_command_that_ends_at_once_is_no_error() -> None:
    """Its input is closed then, and uvloop can write nothing to it."""

    async def many() -> list[str]:
        return await asyncio.gather(*(namespaces.inside(HERE, "true") for _ in range(20)))

    assert terminal.run(many()) == [""] * 20
