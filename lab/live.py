"""The lab as it is open to visitors: a server in this process, and a source that feeds its log, until told to stop."""

import asyncio
import ipaddress
import secrets
import socket
from collections.abc import Callable, Sequence

import psutil

from lab import sources
from lab.app import create_app
from lab.errors import UserError
from lab.log import Log
from lab.server import listen, serving
from lab.sources import SourceSpec
from lab.terminal import on_signal
from lab.transport import Subject, discover, subjects

PORTS = 8
"""Ports that are listened on: browsers give each origin six HTTP/1.1 connections, and each port is an origin."""

Tell = Callable[[str], None]


async def serve(source: SourceSpec, host: str, port: int, tell: Tell) -> None:
    """Serve every transport until a signal comes; the source may end or fail meanwhile.

    Args:
        port: the first of `PORTS` in a row; 0 = free ones.
        tell: gets the sentences for whoever started this.

    Raises:
        UserError: a port is taken, or `host` is none of this machine's.
    """
    offered = offer()
    sockets = listen(host, port, PORTS)
    hosts, ports = names(host, sockets[0]), [one.getsockname()[1] for one in sockets]
    origins = [f"http://{name}:{port}" for name in hosts for port in ports]
    token = secrets.token_urlsafe(16) if source.kind == "http" else None
    log, stop = Log(), asyncio.Event()
    app = create_app(log, offered, origins=origins, hosts=hosts, token=token)
    async with serving(app, log, sockets, signals=True):
        on_signal(stop.set)  # in place of uvicorn, which would pass it on to the process when it has ended
        _welcome(source, hosts, ports, token, tell)
        async with asyncio.TaskGroup() as group:
            pumping = group.create_task(_pump(source, log, tell))
            await stop.wait()
            pumping.cancel()


def offer() -> list[Subject]:
    """What one server can offer at the same time: a variant that asks something of it as a whole can't be there."""
    return [one for one in subjects(discover()).values() if not one.options.server]


def names(host: str, listening: socket.socket) -> list[str]:
    """The names by which browsers find a server that listens there, as they stand in addresses; the best first."""
    address = ipaddress.ip_address(listening.getsockname()[0])
    if address.is_unspecified:
        found = [*LOOPBACK, *_interfaces(both=address.version == 6), socket.gethostname()]
    elif address.is_loopback:
        found = [host, str(address), "localhost"]
    else:
        found = [host, str(address)]
    return list(dict.fromkeys(f"[{name}]" if ":" in name else name.lower() for name in found))


LOOPBACK = ("127.0.0.1", "localhost")


def _interfaces(*, both: bool) -> list[str]:
    """This machine's addresses of IPv4, or of both versions; none that mean something on one link only."""
    families = {socket.AF_INET, socket.AF_INET6} if both else {socket.AF_INET}
    given = [one.address for card in psutil.net_if_addrs().values() for one in card if one.family in families]
    return [address for address in given if not ipaddress.ip_address(address).is_link_local]


def _welcome(source: SourceSpec, hosts: Sequence[str], ports: Sequence[int], token: str | None, tell: Tell) -> None:
    here = f"http://{hosts[0]}:{ports[0]}"
    tell(f"pushlab is open at {here} and {len(ports) - 1} more ports: {', '.join(map(str, ports[1:]))}")
    for name in hosts[1:]:
        tell(f"also reached as http://{name}:{ports[0]}")
    tell(f"events come from {source.text}; Ctrl-C ends it")
    if token is not None:
        tell(f"POST {here}/events takes a JSON value with the header «Authorization: Bearer {token}»")


async def _pump(source: SourceSpec, log: Log, tell: Tell) -> None:
    """Feed the log; a source that is over, or has failed, leaves the server as it is."""
    if source.kind == "http":
        return
    try:
        await sources.pump(source.events(spin=False), log)
    except (UserError, OSError) as error:
        tell(f"the source {source.text} has failed: {error}; the server goes on")
    else:
        tell(f"the source {source.text} has ended; the server goes on")
