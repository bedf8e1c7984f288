"""Who may speak to the lab: pages of its own origins, and programs, which send no origin."""

import re
from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

READING = frozenset({"GET", "HEAD", "OPTIONS"})
SEAT = re.compile(r"/seat/(?P<key>[\w-]+)(?P<path>/.*)", re.DOTALL)


class Sharing(CORSMiddleware):
    """CORS for the lab's own origins, also those that it gets while it runs."""

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        super().__init__(app, allow_methods=["GET", "POST"], allow_headers=["Last-Event-ID", "Cache-Control"])
        self.origins = origins

    def is_allowed_origin(self, origin: str) -> bool:
        return origin in self.origins


class OwnOrigins:
    """Refuses WebSockets, which CORS does not cover, and writing requests when they come from foreign pages.

    A page's own origin is the host it was loaded by, as the Host header says: it may differ from what
    the server listens on where something stands in between.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        self.app, self.origins = app, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or self._may(scope):
            await self.app(scope, receive, send)
            return
        origin = Headers(scope=scope)["origin"]
        refusal = PlainTextResponse(f"origin {origin!r} is not one of the lab's own\n", 403)
        await refuse(refusal, scope, receive, send)

    def _may(self, scope: Scope) -> bool:
        if scope["type"] == "http" and scope["method"] in READING:
            return True
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        return origin is None or origin in self.origins or origin.split("://")[-1] == headers.get("host")


class Seats:
    """Lets in only whoever has a seat: everything is found under /seat/KEY.

    The key is in the path because a transport's client knows nothing of headers, and cookies tell no ports apart.
    """

    def __init__(self, app: ASGIApp, keys: Collection[str]) -> None:
        self.app, self.keys = app, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif (seat := SEAT.fullmatch(scope["path"])) and seat["key"] in self.keys:
            path = seat["path"]
            await self.app({**scope, "path": path, "raw_path": path.encode()}, receive, send)
        else:
            await refuse(PlainTextResponse("nobody without a seat: join the class first\n", 403), scope, receive, send)


async def refuse(refusal: PlainTextResponse, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with it, to a handshake too."""
    if scope["type"] == "websocket":
        await WebSocket(scope, receive, send).send_denial_response(refusal)
    else:
        await refusal(scope, receive, send)
