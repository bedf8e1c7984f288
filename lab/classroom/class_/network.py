"""Which of this machine's addresses a class is found at."""

import ipaddress
import socket
from collections.abc import Mapping

import psutil

from lab.errors import UserError

LOOPBACK = "127.0.0.1"


def interfaces() -> dict[str, list[str]]:
    """The IPv4 addresses of each interface that is up, but for the loopback; and global ones of IPv6."""
    up = {name for name, state in psutil.net_if_stats().items() if state.isup}
    found = {
        name: [one.address for one in addresses if _usable(one.family, one.address)]
        for name, addresses in psutil.net_if_addrs().items()
        if name in up
    }
    return {name: addresses for name, addresses in found.items() if addresses}


def _usable(family: int, address: str) -> bool:
    if family not in (socket.AF_INET, socket.AF_INET6):
        return False
    known = ipaddress.ip_address(address.partition("%")[0])
    return not (known.is_loopback or known.is_link_local)


def chosen(given: str | None, among: Mapping[str, list[str]]) -> str:
    """The address that an interface's name or an address stands for; loopback where none is given.

    Raises:
        UserError: there is no such interface; or the address is no address, or stands for all of them.
    """
    if given is None:
        return LOOPBACK
    if given in among:
        return among[given][0]
    try:
        known = ipaddress.ip_address(given)
    except ValueError as error:
        names = ", ".join(listed(among)) or "none that is up"
        raise UserError(f"--address {given!r} is neither an address nor an interface: there are {names}") from error
    if known.is_unspecified:
        raise UserError(f"--address {given} stands for all interfaces: choose one, {', '.join(listed(among))}")
    return given


def listed(among: Mapping[str, list[str]]) -> list[str]:
    """Each interface with its addresses: "wlan0 (192.168.1.5)"."""
    return [f"{name} ({', '.join(addresses)})" for name, addresses in among.items()]


def is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback
