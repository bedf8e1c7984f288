"""Two networks besides the machine's own, and a wire between them: network namespaces without names.

Each is held by a process that waits for the end of its standard input. When the lab closes that, or is killed, all is
gone: the kernel takes a namespace away with its last process, and its devices with it.
"""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import cache

from lab.ending import end
from lab.errors import UserError
from lab.link.place import Place

IMPAIRED, BESIDE = "impaired", "beside"
"""The devices: of the way that is impaired, and of the one that isn't."""

NEAR, FAR = ("127.77.0.1", "127.78.0.1"), ("127.77.0.2", "127.78.0.2")
"""The addresses of each place, of the impaired way and of the one beside it.

They are taken from the loopback network, so that browsers trust their pages as they trust those of direct trials, on
every port, and by no flag of theirs. Each place keeps only 127.0.0.1 of it for itself; the rest is sent like any other.
"""

TOOLS = {"ip": "iproute2", "unshare": "util-linux", "nsenter": "util-linux"}

PRIVILEGED: Sequence[str] = ()
ROOTLESS: Sequence[str] = ("-U", "-r")
"""A user namespace in which an ordinary user may do what root may."""

ROUTED = "echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet"


@dataclass(frozen=True)
class Means:
    """How namespaces are to be had here. `rights` are options of unshare; `netem`: the kernel can impair packets."""

    rights: Sequence[str] = PRIVILEGED
    netem: bool = False
    missing: str = ""


@cache
def means() -> Means:
    """As root, or else as an ordinary user; if neither, why not, and what would help."""
    if sys.platform != "linux":
        return Means(missing=f"network namespaces exist only on Linux, and this is {sys.platform}")
    packages = sorted({package for tool, package in TOOLS.items() if not shutil.which(tool, path=_path())})
    if packages:
        return Means(missing=f"its tools are not installed: apt-get install {' '.join(packages)}")
    refusals = [_refusal(rights, "true") for rights in (PRIVILEGED, ROOTLESS)]
    if all(refusals):
        return Means(
            missing=f"network namespaces are refused ({refusals[1]}): run it as root, or allow user namespaces"
            " (sysctl kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns)"
        )
    return _packets(PRIVILEGED if not refusals[0] else ROOTLESS)


def _packets(rights: Sequence[str]) -> Means:
    """Whether packets can be impaired there, and by what."""
    wire = f"ip link set lo up && {ROUTED} && ip link add {BESIDE} type veth peer name other"
    if why := _refusal(rights, wire):
        return Means(missing=f"its wires can't be made ({why})")
    if not _refusal(rights, f"{wire} && tc qdisc add dev {BESIDE} root netem delay 1ms rate 1mbit"):
        return Means(rights, netem=True)
    if why := _refusal(rights, "ip tuntap add dev probe mode tun"):
        return Means(missing=f"the kernel has no netem and no TUN device can be made ({why}): chmod 666 /dev/net/tun")
    return Means(rights)


def _refusal(rights: Sequence[str], commands: str) -> str:
    """What was said when these were tried in a namespace that is gone at once; empty when they went well."""
    done = subprocess.run(
        ["unshare", *rights, "-n", "sh", "-c", commands],
        env={"PATH": _path()},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return _last(done.stderr) or f"exit code {done.returncode}" if done.returncode else ""


def _last(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _path() -> str:
    """Tools for administrators are not in everybody's PATH."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


@dataclass(frozen=True)
class Pair:
    """Two places, and the processes that hold their namespaces."""

    near: Place
    far: Place
    pids: tuple[int, int]


@asynccontextmanager
async def pair(rights: Sequence[str]) -> AsyncIterator[Pair]:
    """The server's and the reader's, joined by the wire that nothing impairs; gone at the end.

    Raises:
        UserError: they can't be had; says why.
    """
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(_held(["unshare", *rights, "-n"]))
        inside = _enter(first, rights)
        # The second belongs to the same user namespace, so that whoever may enter one may enter both.
        second = await stack.enter_async_context(_held([*inside, "unshare", "-n"]))
        made = Pair(Place(inside, *NEAR), Place(_enter(second, rights), *FAR), (first, second))
        await _furnish(made)
        yield made


def _enter(pid: int, rights: Sequence[str]) -> tuple[str, ...]:
    as_its_root = ("-U", "--preserve-credentials") if rights else ()
    return (_tool("nsenter"), "-t", str(pid), *as_its_root, "-n", "--")


def _tool(name: str) -> str:
    return shutil.which(name, path=_path()) or name


@asynccontextmanager
async def _held(command: Sequence[str]) -> AsyncIterator[int]:
    """A process in a namespace of its own that does nothing but be there."""
    process = await asyncio.create_subprocess_exec(
        *(*command, "sh", "-c", "echo; exec cat > /dev/null"),
        env={"PATH": _path()},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the bench, which ends its processes when it has finished
    )
    assert process.stdout
    assert process.stderr
    try:
        if not await process.stdout.readline():
            raise UserError(f"a network namespace can't be had: {_last((await process.stderr.read()).decode())}")
        yield process.pid
    finally:
        await end(process)


async def _furnish(made: Pair) -> None:
    """Loopback in both, and the wire between them."""
    for place in (made.near, made.far):
        await inside(place, f"{ROUTED} && ip -batch -", "link set lo up", "addr add 127.0.0.1/32 dev lo")
        await inside(place, "ip -batch -", "addr del 127.0.0.1/8 dev lo")
    await inside(made.near, "ip -batch -", f"link add {BESIDE} type veth peer name {BESIDE} netns {made.pids[1]}")
    await address(made, BESIDE)


async def address(made: Pair, device: str, cc: str = "") -> None:
    """Give both ends of a wire their addresses, and let TCP speak over it, by that congestion control."""
    number = (IMPAIRED, BESIDE).index(device)
    ends = (made.near, NEAR[number], FAR[number]), (made.far, FAR[number], NEAR[number])
    for place, own, other in ends:
        await inside(
            place,
            "ip -batch -",
            f"link set {device} addrgenmode none",  # no chatter in IPv6
            f"addr add {own} peer {other} scope global dev {device}",
            f"link set {device} txqueuelen 10000 up",  # what waits, waits where it is counted
            f"route replace {other} dev {device} src {own}{f' congctl {cc}' if cc else ''}",
        )


async def inside(place: Place, command: str, *lines: str) -> str:
    """What a shell command says that is run in a place, with these lines for input.

    Raises:
        UserError: it failed; says its last words.
    """
    process = await asyncio.create_subprocess_exec(
        *(*place.enter, "sh", "-c", command),
        env={"PATH": _path()},
        # A pipe that nobody reads may be closed before uvloop gets to it, which then is an error.
        stdin=asyncio.subprocess.PIPE if lines else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complaint = await process.communicate("".join(f"{line}\n" for line in lines).encode() or None)
    if process.returncode:
        raise UserError(f"{command.partition(' ')[0]} failed in a network namespace: {_last(complaint.decode())}")
    return said.decode()
