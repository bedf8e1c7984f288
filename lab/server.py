"""uvicorn with the lab's application: on ports of its own choice, ended by ending the log."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from types import FrameType
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from lab.errors import UserError
from lab.log import Log
from lab.wire import Counted, CountedWebSocket, State

SEND_BUFFER = 128 << 10
"""Bytes of a connection's send buffer in the kernel (which doubles it for its bookkeeping)."""

PATIENCE = 1.0
"""Seconds in which readers may take what was sent before the server ended."""


class Bounded(Counted):
    """At most one frame of each reader waits in user space: a slow one is a cursor that falls behind.

    A connection that becomes a WebSocket keeps its transport, and so the bound.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        transport.set_write_buffer_limits(high=0)
        super().connection_made(transport)


class Server(uvicorn.Server):
    """Ends the log as soon as it is told to stop: uvicorn waits for responses, and those wait for the log."""

    def __init__(self, config: uvicorn.Config, log: Log, *, signals: bool) -> None:
        super().__init__(config)
        state = State()
        self.server_state, self.meter = state, state.meter
        self.log, self.signals = log, signals

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Raises:
        UserError: something that a transport needs beside its routes could not start.
        """
        try:
            await super().startup(sockets)
        except SystemExit as error:
            for one in sockets or ():
                one.close()
            raise UserError("the server could not start: its messages say why") from error

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Whoever does not read what was sent is cut in the end, for it would never be finished."""
        cutting = asyncio.get_running_loop().call_later(PATIENCE, self.cut)
        await super().shutdown(sockets)
        cutting.cancel()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        with super().capture_signals() if self.signals else nullcontext():
            yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.log.close()
        super().handle_exit(sig, frame)

    def stop(self) -> None:
        self.log.close()
        self.should_exit = True

    def cut(self) -> int:
        """Cut every connection there is, without a word; how many they were."""
        connections = list(self.server_state.connections)
        for connection in connections:
            connection.transport.abort()
        return len(connections)


def listen(host: str = "127.0.0.1", port: int = 0, count: int = 1) -> list[socket.socket]:
    """Sockets that listen on `count` ports from `port` on; 0 = free ones.

    Raises:
        UserError: a port is taken, or the host is none of this machine's.
    """
    sockets: list[socket.socket] = []
    try:
        sockets.extend(_listen(host, port + n if port else 0) for n in range(count))
    except UserError:
        for one in sockets:
            one.close()
        raise
    return sockets


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio sets TCP_NODELAY only where it says TCP.
    one = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    try:
        one.bind((host, port))
        one.listen()  # at once: bound is not yet taken, where addresses may be used again
    except (OSError, OverflowError) as error:
        one.close()
        why = getattr(error, "strerror", None) or error
        another = "--port" if getattr(error, "errno", 0) in (errno.EADDRINUSE, errno.EACCES) else "--host or --address"
        raise UserError(f"can't listen on {host} port {port}: {why}; choose another with {another}") from error
    return one


def origin(listening: socket.socket) -> str:
    """Where browsers on this machine find it: "http://127.0.0.1:8000"."""
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@asynccontextmanager
async def serving(
    app: ASGIApp,
    log: Log,
    sockets: Sequence[socket.socket],
    options: Mapping[str, Any] | None = None,
    *,
    signals: bool = False,
) -> AsyncIterator[Server]:
    """A server in this process and this event loop, ready to answer; stopped, with the log closed, at the end.

    Args:
        options: of uvicorn: what a variant asks of the server as a whole.
        signals: whether SIGINT and SIGTERM end it: for the one server that a process is there for. Of two that overlap
            the later one would put back the handlers of the other.

    Raises:
        UserError: something that a transport needs beside its routes could not start.
    """
    config = uvicorn.Config(
        app,
        http=Bounded,
        ws=CountedWebSocket,
        ws_max_size=64 << 10,  # what readers send is small
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
        **{"ws_per_message_deflate": False, **(options or {})},
    )
    server = Server(config, log, signals=signals)
    task = asyncio.create_task(server.serve(sockets=list(sockets)))
    try:
        while not server.started and not task.done():  # noqa: ASYNC110  (uvicorn tells in no other way)
            await asyncio.sleep(0.002)
        if server.started:
            yield server
    finally:
        server.stop()
        await task
