"""Where a classroom's pages come from: a site in this process, and the key of whoever may control it."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import APIRouter
from fastapi.responses import RedirectResponse

from lab.app import create_site
from lab.errors import UserError
from lab.live import names
from lab.log import Log
from lab.server import listen, serving
from lab.terminal import on_signal
from lab.transport import Subject


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


async def stopped() -> None:
    """Wait for Ctrl-C or SIGTERM."""
    stop = asyncio.Event()
    on_signal(stop.set)
    await stop.wait()
