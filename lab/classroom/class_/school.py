"""`pushlab class`: a class is held, until Ctrl-C or until the teacher ends it; or a stored one is shown."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.classroom.class_ import network, saved
from lab.classroom.class_.controls import Controls
from lab.classroom.class_.desks import doors, windows
from lab.classroom.class_.door import Door
from lab.classroom.class_.journal import Journal, read_journal
from lab.classroom.class_.room import Room, started
from lab.classroom.class_.session import Session
from lab.classroom.host import Host, Opening, Place, Tell, browsing, hosting, stopped
from lab.classroom.studio import Studio, studio
from lab.errors import UserError
from lab.live import offer
from lab.server import listen
from lab.transport import Subject, discover, subject, subjects

PORTS = range(8000, 8100, 10)
BOARD = "/lab/classroom/board.html"


@dataclass(frozen=True)
class Held:
    """A class that is open. board: the teacher's page, with the key."""

    session: Session
    host: Host
    board: str


def offered() -> dict[str, Subject]:
    """What devices are spread over: every transport that has a half for browsers, without the variants."""
    return {one.name: one for one in offer() if not one.variant and _for_browsers(one)}


def chosen(names: Sequence[str]) -> dict[str, Subject]:
    """Only these; all that are offered where none is named.

    Raises:
        UserError: one is unknown, or can't be in a class.
    """
    if not names:
        return offered()
    found = {name: subject(name, subjects(discover())) for name in names}
    for name, one in found.items():
        if one.options.server or not _for_browsers(one):
            raise UserError(f"{name} can't be in a class: there are {', '.join(offered())}")
    return found


def _for_browsers(one: Subject) -> bool:
    return one.found.module is not None and (one.found.folder / "client.js").exists()


def usual_port(address: str, lanes: int) -> int:
    """Where a class is if nobody has chosen: 8000, or where that or one of the next for its lanes is taken, 8010, …"""
    for port in PORTS:
        with suppress(UserError):
            for one in listen(address, port, 1 + lanes):
                one.close()
            return port
    return PORTS[0]  # where it says what is wrong


@asynccontextmanager
async def held(place: Place, folder: Path, transports: Mapping[str, Subject]) -> AsyncIterator[Held]:
    """A class at that place, kept in that folder; it goes on with what the folder holds already.

    Raises:
        UserError: the place can't be had, or the folder's journal is damaged.
    """
    opening = Opening(place)
    async with AsyncExitStack() as stack:
        records, journal = _kept(folder)
        stack.push_async_callback(journal.close)
        room = Room(transports, journal)
        room.apply_all(records)
        port = opening.sockets[0].getsockname()[1]
        where = {"address": place.address, "port": port, "transports": list(transports)}
        await room.note("opened", started=started(), seed=secrets.randbelow(10**6), **where)
        first = place.port + 1 if place.port else 0
        lanes = studio(transports.values(), opening.origins, address=place.address, port=first, seats=[])
        session = _session(room, await stack.enter_async_context(lanes), opening, folder)
        routers = [doors(session, opening.host)]
        host = await stack.enter_async_context(hosting("join", opening, routers, transports.values()))
        await session.measuring.play(session.measuring.live)
        telling = asyncio.create_task(session.tell())
        try:
            yield Held(session, host, f"{host.origins[0]}{BOARD}#{host.key}")
        finally:
            await _ended(session, telling)


def _kept(folder: Path) -> tuple[list[dict[str, Any]], Journal]:
    """What has happened so far, and what will happen from now on."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / saved.JOURNAL
    records = list(read_journal(path)) if path.exists() else []
    return records, Journal(path)


def _session(room: Room, lanes: Studio, opening: Opening, folder: Path) -> Session:
    alone = network.is_loopback(opening.sockets[0].getsockname()[0])
    networks = list(network.interfaces()) if alone else []
    return Session(room, Controls(lanes, "" if alone else "network"), Door(), opening.origins[0], folder, networks)


async def _ended(session: Session, telling: "asyncio.Task[None]") -> None:
    await session.course.stop()
    await session.measuring.stop()
    telling.cancel()
    await asyncio.wait([telling])
    session.attendance.tell_everybody("over")
    await asyncio.sleep(0.1)  # until they have been told
    if session.room.measurements:
        saved.save(session.room, session.folder)
    if not telling.cancelled():
        await telling  # it had failed: that is not to be silent


async def hold(place: Place, folder: Path, transports: Mapping[str, Subject], tell: Tell, *, browser: bool) -> None:
    """Hold a class until it is ended."""
    async with held(place, folder, transports) as open_:
        session = open_.session
        ending = asyncio.create_task(stopped())
        await asyncio.sleep(0)  # signals are waited for before anybody is told that Ctrl-C ends it
        tell(f"the board, for you alone: {open_.board}")
        tell(f"students open {session.origin} and type the code that is on the board")
        for sentence in _about(place):
            tell(sentence)
        tell(f"it is kept in {folder}; Ctrl-C ends it")
        async with browsing(open_.board, tell, wanted=browser):
            await _until_over(session, ending)
    tell(f"the class is over: {_left(session.room, folder)}")


def _left(room: Room, folder: Path) -> str:
    """What there is of it, and what to do with it."""
    if room.measurements:
        return f"pushlab report {folder} makes its report, pushlab class --replay {folder} shows it"
    return f"pushlab class --replay {folder} shows its votes" if room.questions else "nothing was measured or asked"


def _about(place: Place) -> list[str]:
    if not network.is_loopback(place.address):
        return []
    found = network.listed(network.interfaces()) or ["none: this machine is in no network"]
    return [f"only this machine can join; for a class choose an interface with --address: {', '.join(found)}"]


async def _until_over(session: Session, ending: "asyncio.Task[None]") -> None:
    """Until Ctrl-C, or until the teacher ends it."""
    waits: list[asyncio.Task[Any]] = [ending, asyncio.create_task(session.over.wait())]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for one in waits:
        one.cancel()
    await asyncio.gather(*waits, return_exceptions=True)


@asynccontextmanager
async def shown(place: Place, folder: Path) -> AsyncIterator[tuple[Host, str]]:
    """A stored class, to be looked at: the board's address, with the key.

    Raises:
        UserError: there is none, or it is damaged.
    """
    records = list(read_journal(saved.stored(folder)))
    known = subjects(discover())
    names: list[str] = next((record["transports"] for record in records if record["is"] == "opened"), [])
    room = Room({name: known[name] for name in names if name in known})
    room.apply_all(records)
    opening = Opening(place)
    async with hosting("board", opening, [windows(room, opening.host)]) as host:
        yield host, f"{host.origins[0]}{BOARD}#{host.key}"


async def show(place: Place, folder: Path, tell: Tell, *, browser: bool) -> None:
    """Show a stored class until Ctrl-C."""
    async with shown(place, folder) as (_, board):
        over = asyncio.create_task(stopped())
        await asyncio.sleep(0)
        tell(f"the class that is kept in {folder}, to look at: {board}; Ctrl-C ends it")
        async with browsing(board, tell, wanted=browser):
            await over


def before(folder: Path) -> tuple[str, int, list[str]]:
    """Where a stored class was held: address, port and transports. Devices keep their seats at the same place only.

    Raises:
        UserError: there is none.
    """
    opened = next((record for record in read_journal(saved.stored(folder)) if record["is"] == "opened"), None)
    if opened is None:
        raise UserError(f"{str(folder)!r} holds a class that was never opened")
    return opened["address"], opened["port"], opened["transports"]
