"""A lab in this process, with something of the experiment's own before its routes."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from lab.app import create_app
from lab.log import Log
from lab.server import Server, listen, origin, serving
from lab.transport import Subject

Before = Callable[[ASGIApp], ASGIApp]
"""Makes of the lab's application one that has something before it."""


@dataclass(frozen=True)
class Hosted:
    """It runs.

    Attributes:
        allowed: origins whose pages may use it; what is added to them may so at once.
    """

    log: Log
    server: Server
    origin: str
    allowed: list[str]


@asynccontextmanager
async def hosted(subject: Subject, before: Before, log: Log | None = None) -> AsyncIterator[Hosted]:
    """A lab that offers the subject on a free port; gone at the end."""
    log, sockets = log or Log(), listen()
    here = origin(sockets[0])
    allowed = [here]
    app = before(create_app(log, [subject], origins=allowed))
    logging.getLogger("uvicorn.error").addFilter(_is_worth_saying)
    async with serving(app, log, sockets, subject.options.server) as server:
        yield Hosted(log, server, here, allowed)


def _is_worth_saying(record: logging.LogRecord) -> bool:
    """For uvicorn it is an error when a handshake is answered with something else than 101, as it is done here."""
    return "without completing handshake" not in record.getMessage()


def is_transports(scope: Scope, path: str | None = None) -> bool:
    """Whether a transport's routes are asked for: not its files, nor any other page."""
    asked = PurePosixPath(scope.get("path", "") if path is None else path)
    return scope["type"] in ("http", "websocket") and asked.parts[1:2] == ("transports",) and not asked.suffix


async def answer(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Give that answer in the lab's place, also to one who wants a WebSocket."""
    if scope["type"] == "websocket":
        await WebSocket(scope, receive, send).send_denial_response(response)
    else:
        await response(scope, receive, send)
