"""The lab's web application: its pages, and each transport under its name."""

import json
import secrets
from collections import ChainMap
from collections.abc import Collection, Iterable, Iterator, Mapping, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request, WebSocket, WebSocketDisconnect
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import Scope

from lab import clock
from lab.errors import UserError
from lab.guard import OwnOrigins, Seats, Sharing
from lab.log import Log
from lab.transport import SETTINGS, Subject, discover, subjects

PAGE = Path(__file__).with_name("page")

LARGEST_POST = 1 << 20
"""Bytes of the largest body that POST /events takes."""


def create_app(  # noqa: PLR0913  (what differs between servers, named)
    log: Log,
    only: Iterable[Subject] | None = None,
    *,
    origins: Collection[str] = (),
    hosts: Iterable[str] = ("127.0.0.1", "localhost"),
    settings: MutableMapping[str, Any] | None = None,
    token: str | None = None,
    seats: Collection[str] | None = None,
) -> FastAPI:
    """The pages, and the routes of each subject, by default of all that are available.

    Args:
        origins: the lab's own, which may reach each other; what is added to them later, may so at once.
        hosts: names under which the server answers; against DNS rebinding.
        settings: what transports read of `SETTINGS` at each request, so that they can be changed meanwhile.
        token: with it, POST /events appends.
        seats: see `create_site`.
    """
    shown = list(subjects(discover()).values() if only is None else only)
    settings = dict(SETTINGS) if settings is None else settings
    routers = list(_routes(log, shown, settings))
    if token is not None:
        routers.append(_publishing(log, token))
    return create_site(shown, routers, origins=origins, hosts=hosts, settings=settings, seats=seats)


def create_site(  # noqa: PLR0913  (what differs between servers, named)
    shown: Iterable[Subject],
    routers: Iterable[APIRouter],
    *,
    origins: Collection[str],
    hosts: Iterable[str],
    settings: Mapping[str, Any] = SETTINGS,
    seats: Collection[str] | None = None,
) -> FastAPI:
    """The lab's pages, the browser halves of these subjects, a clock, and besides what the routers have.

    Args:
        seats: with it, everything is found only under /seat/KEY, for the keys that are in it at that moment.
    """
    shown = list(shown)
    guards = _guards(origins, hosts) + ([] if seats is None else [Middleware(Seats, keys=seats)])
    app = FastAPI(middleware=guards, openapi_url=None)
    app.exception_handler(UserError)(_refuse)
    app.exception_handler(RequestValidationError)(_refuse_parameters)
    for router in (*routers, _clock()):
        app.include_router(router)
    _add_registry(app, shown, origins, settings)
    for found in {subject.found.name: subject.found for subject in shown}.values():
        app.mount(f"/transports/{found.name}", Pages(origins, directory=found.folder))
    app.mount("/lab", Pages(origins, directory=PAGE))
    app.mount("/", Pages(origins, directory=PAGE, html=True))
    return app


def _routes(log: Log, shown: Iterable[Subject], settings: MutableMapping[str, Any]) -> Iterator[APIRouter]:
    for subject in shown:
        if subject.found.module is not None:
            options = ChainMap(dict(subject.options.routes), settings)
            router = APIRouter(prefix=f"/transports/{subject.name}")
            router.include_router(subject.found.routes(log, options))
            yield router


class Pages(StaticFiles):
    """Files for browsers: isolated, so that the page's clock is fine, and with no script but the lab's own."""

    shown = frozenset({".html", ".js", ".css", ".svg", ".md", ""})

    def __init__(self, origins: Collection[str], **where: Any) -> None:
        super().__init__(**where)
        self.origins = origins

    @property
    def headers(self) -> dict[str, str]:
        hosts = dict.fromkeys(origin.rpartition(":")[0] for origin in self.origins)  # any port: a link may stand there
        reach = " ".join(dict.fromkeys(source for host in hosts for source in _sources(host)))
        return {
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Embedder-Policy": "require-corp",
            "Cross-Origin-Resource-Policy": "same-site",
            "Content-Security-Policy": f"default-src 'self'; connect-src 'self' {reach}; frame-ancestors 'self'",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "origin",  # a trial's long address would count as a transport's bytes
            "Cache-Control": "no-cache",
        }

    async def get_response(self, path: str, scope: Scope) -> Response:
        hidden = any(part.startswith(".") for part in Path(path).parts)
        if hidden or Path(path).suffix not in self.shown:
            return PlainTextResponse("Not Found", 404)
        response = await super().get_response(path, scope)
        response.headers.update(self.headers)
        return response


def _sources(host: str) -> Iterator[str]:
    """What a policy calls that host; it has no name for an IPv6 address, only for everything of its scheme."""
    source = f"{host.partition(':')[0]}:" if "[" in host else f"{host}:*"
    yield source
    yield source.replace("http", "ws", 1)


def _guards(origins: Collection[str], hosts: Iterable[str]) -> list[Middleware]:
    return [
        Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False),
        Middleware(OwnOrigins, origins=origins),
        Middleware(Sharing, origins=origins),
    ]


def _add_registry(
    app: FastAPI, shown: Iterable[Subject], origins: Collection[str], settings: Mapping[str, Any]
) -> None:
    listed = {
        subject.name: {
            "title": subject.title,
            "client": f"/transports/{subject.found.name}/client.js",
            "base": f"/transports/{subject.name}",
            "options": dict(subject.options.client),
            "uses": sorted(subject.found.about.uses),
            "pattern": subject.found.about.pattern,
            "year": subject.found.about.year,
        }
        for subject in shown
        if subject.found.module is not None and (subject.found.folder / "client.js").exists()
    }

    @app.get("/lab/transports.json")
    def transports() -> JSONResponse:
        known = {"transports": listed, "origins": list(origins), "settings": dict(settings)}
        return JSONResponse(known, headers={"Cache-Control": "no-store"})


def _clock() -> APIRouter:
    """A WebSocket that answers each message with the server's time: how a page finds its clock's offset."""
    router = APIRouter()

    @router.websocket("/lab/clock")
    async def tell(websocket: WebSocket) -> None:
        await websocket.accept()
        with suppress(WebSocketDisconnect):
            while (await websocket.receive())["type"] == "websocket.receive":
                await websocket.send_text(str(clock.now()))

    return router


def _publishing(log: Log, token: str) -> APIRouter:
    """The source `http`: an event by POST."""
    router = APIRouter()

    @router.post("/events", status_code=201)
    async def publish(request: Request) -> PlainTextResponse:
        due = clock.now()
        given = request.headers.get("authorization", "")
        if not secrets.compare_digest(given.encode(), f"Bearer {token}".encode()):
            return PlainTextResponse("POST /events needs the header «Authorization: Bearer TOKEN»\n", 401)
        event = await log.append(_parsed(await _body(request)), due)
        return PlainTextResponse(event.cursor + "\n", 201)

    return router


class TooLarge(UserError):
    """A body over the limit: HTTP 413."""


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_POST:
            raise TooLarge(f"the body is larger than {LARGEST_POST} bytes, the most that one event may have")
    return bytes(body)


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UserError(f"the body must be one JSON value, in UTF-8: {error}") from error


async def _refuse(conversation: Request | WebSocket, error: Exception) -> Response | None:
    """A user's mistake becomes 400 or 413 with the same sentence, for a handshake too."""
    response = PlainTextResponse(f"{error}\n", 413 if isinstance(error, TooLarge) else 400)
    if not isinstance(conversation, WebSocket):
        return response
    await conversation.send_denial_response(response)
    return None


async def _refuse_parameters(conversation: Request | WebSocket, error: Exception) -> Response | None:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where, given = first["loc"][-1], str(first.get("input"))[:40]
    return await _refuse(conversation, UserError(f"{where} {given!r} is wrong: {first['msg']}"))
