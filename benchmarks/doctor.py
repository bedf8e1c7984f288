"""What this machine offers to a measurement, tried out."""

import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib.metadata import version
from platform import python_version
from typing import Literal

import numpy as np

from benchmarks import engines
from benchmarks.browser import launched
from benchmarks.measure import machine
from benchmarks.native import Native
from benchmarks.report.figures import number
from benchmarks.summary import SOURCE_LATE_MS
from lab.errors import UserError
from lab.link import laid, parse
from lab.link.net import LATE_US
from lab.link.proxy import PROGRAMS, Program
from lab.process import ServerProcess, loop_factory, read_ledger, server_process
from lab.transport import Found, discover

TRIED = "steady:rate=200,size=100,seconds=1"
"""The source whose punctuality is measured."""


NETWORK = "net:rtt=20,rate=100mbit"
"""The emulated network that is tried: the fastest of the profiles'."""


@dataclass(frozen=True)
class Finding:
    """Something that was looked for; `says` is what it is like, or why it is not there or in doubt."""

    what: str
    says: str
    state: Literal["ok", "in doubt", "not there"] = "ok"


async def findings() -> AsyncIterator[Finding]:
    """One after the other, as they are found; nothing else runs while the source is timed."""
    yield Finding("pushlab", f"{version('pushlab')}, Python {python_version()} at {sys.executable}")
    yield _machine()
    yield _loop()
    async with server_process([]) as server:
        yield await _source(server)
        for name, found in engines.found().items():
            yield (
                Finding(name, found, "not there")
                if isinstance(found, str)
                else await _engine(name, f"{found.version}, {found.origin}", server.origins[0])
            )
        yield await _engine("native", Native.version, server.origins[0])
    yield await _network()
    for one in discover().values():
        yield _transport(one)
    for program in PROGRAMS.values():
        yield _proxy(program)


def _machine() -> Finding:
    here = machine()
    what = f"{here['system']}, {here['processor']}, {here['cores']} cores, {here['memory_gib']} GiB"
    load = f"load {here['load'][0]}"
    if here["load"][0] < here["cores"]:
        return Finding("machine", f"{what}, {load}")
    return Finding("machine", f"{load} is too much: close what else runs, or numbers won't hold ({what})", "in doubt")


def _loop() -> Finding:
    if loop_factory() is None:
        return Finding("uvloop", "it is not installed or not made for this system; asyncio's own serves", "not there")
    return Finding("uvloop", version("uvloop"))


async def _source(server: ServerProcess) -> Finding:
    await server.play(TRIED)
    entries, _ = read_ledger(server.ledger)
    p50, p99 = np.percentile([(entry.at - entry.due) / 1e6 for entry in entries], [50, 99])
    says = f"events are late by {p50:.3f} ms at p50, {p99:.3f} ms at p99 of {len(entries)}"
    if p99 <= SOURCE_LATE_MS[99]:
        return Finding("source", says)
    return Finding("source", f"{says}, which is more than {SOURCE_LATE_MS[99]} ms: the machine is busy", "in doubt")


async def _engine(name: str, says: str, origin: str) -> Finding:
    try:
        async with launched(name) as engine:
            await engine.try_clock(origin)
    except UserError as error:
        return Finding(name, str(error), "not there")
    clock = engine.clock
    return Finding(
        name, f"{says}; clock to ±{clock.bound_ms:.3g} ms, in steps of {number(clock.step_ms)} ms: {clock.method}"
    )


async def _network() -> Finding:
    """How punctual the emulated network is, and whether it keeps up."""
    try:
        async with laid(parse(NETWORK)) as link:
            facts = link.facts["net"]
    except UserError as error:
        return Finding("net", str(error), "not there")
    says = f"emulated by {facts['impaired_by']}, {facts['namespaces']}"
    if not (late := facts["late_us"]["down"]):
        return Finding("net", says)
    says += f"; packets leave late by {late['p50'] / 1000:.3f} ms at p50, {late['p99'] / 1000:.3f} ms at p99"
    if facts.get("doubt") or late["p99"] > LATE_US:
        return Finding("net", f"{says}; {facts.get('doubt') or 'the machine is busy'}", "in doubt")
    return Finding("net", says)


def _transport(found: Found) -> Finding:
    """What is optional shows by the transports that need it."""
    if found.module is None:
        return Finding(found.name, found.reason, "not there")
    return Finding(found.name, found.about.title)


def _proxy(program: Program) -> Finding:
    name = f"proxy:{program.name}"
    if missing := program.missing():
        return Finding(name, missing, "not there")
    return Finding(name, f"{program.version()}, {program.path}")
