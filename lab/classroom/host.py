"""Where a classroom's pages come from: a site in this process, and the key of whoever may control it."""

import asyncio
import os
import secrets
import tempfile
import webbrowser
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from html import escape
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import RedirectResponse

from lab.app import create_site
from lab.errors import UserError
from lab.live import names
from lab.log import Log
from lab.server import listen, serving
from lab.terminal import on_signal
from lab.transport import Subject

Tell = Callable[[str], None]

DOORSTEP = """<!doctype html>
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={url}">
<title>pushlab</title>
<p><a href="{url}">To pushlab</a></p>
"""


@dataclass(frozen=True)
class Host:
    """It is open.

    Attributes:
        origins: where pages find it, the best first. key: of whoever may control it; made anew each time.
    """

    origins: Sequence[str]
    key: str

    @property
    def url(self) -> str:
        """For whoever may control it: browsers send what is behind the # to nobody."""
        return f"{self.origins[0]}/#{self.key}"

    def check(self, key: str) -> None:
        """Raises:
        UserError: it is not the key.
        """
        if not secrets.compare_digest(key.encode(), self.key.encode()):
            raise UserError("this page may not control anything: open the address that pushlab has printed")


@dataclass(frozen=True)
class Place:
    """Where to listen. address: of this machine; port: 0 = a free one."""

    address: str = "127.0.0.1"
    port: int = 0


@asynccontextmanager
async def hosting(
    home: str, host: "Opening", routers: Iterable[APIRouter], shown: Iterable[Subject] = ()
) -> AsyncIterator[Host]:
    """Serve the lab's pages and these routes, on an `Opening` that listens already, until the context ends.

    Args:
        home: the page to which / leads: "demo".
        shown: subjects whose browser halves are served; their server halves are elsewhere.
    """
    front = APIRouter()

    @front.get("/")
    def lead() -> RedirectResponse:
        return RedirectResponse(f"/lab/classroom/{home}.html")

    site = create_site(shown, [front, *routers], origins=host.origins, hosts=host.hosts)
    async with serving(site, Log(), host.sockets):
        yield host.host


class Opening:
    """Sockets that listen, before there is anything to serve: what is served may need to know where."""

    def __init__(self, place: Place) -> None:
        """Raises:
        UserError: the port is taken, or the address is none of this machine's.
        """
        self.sockets = listen(place.address, place.port)
        self.hosts = names(place.address, self.sockets[0])
        port = self.sockets[0].getsockname()[1]
        self.origins = [f"http://{name}:{port}" for name in self.hosts]
        self.host = Host(self.origins, secrets.token_urlsafe(16))


@asynccontextmanager
async def browsing(url: str, tell: Tell, *, wanted: bool) -> AsyncIterator[None]:
    """With that address, which has a key, in a browser of this machine, if it is wanted.

    The browser is told of a file that leads there, and that nobody else can read. What stands on a command line is
    seen by every user of a machine.
    """
    if not wanted:
        yield
        return
    with _doorstep(url) as file:
        if not await asyncio.to_thread(webbrowser.open, file.absolute().as_uri()):
            tell("no browser could be opened: open that address yourself")
        yield


@contextmanager
def _doorstep(url: str) -> Iterator[Path]:
    """Where we are, if that can be: browsers in a sandbox (snap) see nothing of what is in /tmp."""
    here = Path("results") if Path("results").is_dir() else Path()
    try:
        handle, name = tempfile.mkstemp(".html", "pushlab-open-", here)
    except OSError:
        handle, name = tempfile.mkstemp(".html", "pushlab-open-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(DOORSTEP.format(url=escape(url)))
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


async def stopped() -> None:
    """Wait for Ctrl-C or SIGTERM."""
    stop = asyncio.Event()
    on_signal(stop.set)
    await stop.wait()
