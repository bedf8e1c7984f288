"""A server of a few lines, for what the lab's own costs: no framework, no log, no ledger; the same events, as punctual.

Started as a process and told what to do like the server under test, see `lab.process`.
"""

import asyncio
import json
from typing import Any

from websockets.asyncio.server import ServerConnection, broadcast, serve

from lab.clock import now
from lab.process import obey, run
from lab.sources import parse

PAGE = """<!doctype html><title>bare</title><link rel=icon href=data:,><script>
const arrivals = [];
let open = false;
const come = ({{ data }}) => arrivals.push([performance.now(), data]);
Object.assign({reader}, {{ onopen: () => {{ open = true; }}, onmessage: come }});
</script>"""

HTML = (
    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n"
    "Cross-Origin-Opener-Policy: same-origin\r\nCross-Origin-Embedder-Policy: require-corp\r\n\r\n{}"
)  # isolated: else the page's clock is coarse

STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


class Http(asyncio.Protocol):
    """Gives a page to whoever asks for one, and a stream to whoever asks for /events."""

    def __init__(self, pages: dict[str, str], streams: set[asyncio.Transport]) -> None:
        self.pages, self.streams = pages, streams

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        path = data.split()[1].decode()
        if path == "/events":
            self.transport.write(STREAM)
            self.streams.add(self.transport)
        else:
            page = self.pages[path]
            self.transport.write(HTML.format(len(page), page).encode())
            self.transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        self.streams.discard(self.transport)


class Bare:
    """What it can be told."""

    def __init__(self, origin: str, streams: set[asyncio.Transport], sockets: set[ServerConnection]) -> None:
        self.where, self.streams, self.sockets = origin, streams, sockets

    async def origin(self) -> str:
        return self.where

    async def play(self, source: str) -> list[tuple[int, int]]:
        """Send a source's events to everybody; when each was due, and when it was sent."""
        sent = []
        async for due, data in parse(source).events(spin=True):
            sent.append((due, now()))
            text = json.dumps(data)
            event = f"data:{text}\n\n".encode()
            for stream in self.streams:
                stream.write(b"%x\r\n%b\r\n" % (len(event), event))
            broadcast(self.sockets, text)
        return sent


async def work() -> None:
    sockets: set[ServerConnection] = set()
    streams: set[asyncio.Transport] = set()

    async def hold(socket: ServerConnection) -> None:
        sockets.add(socket)
        await socket.wait_closed()
        sockets.discard(socket)

    async with serve(hold, "127.0.0.1", 0, compression=None) as messages:
        port = next(iter(messages.sockets)).getsockname()[1]
        readers = {"/sse": 'new EventSource("/events")', "/websocket": f'new WebSocket("ws://127.0.0.1:{port}")'}
        pages = {path: PAGE.format(reader=reader) for path, reader in readers.items()}
        listening = await asyncio.get_running_loop().create_server(lambda: Http(pages, streams), "127.0.0.1", 0)
        async with listening:
            port = listening.sockets[0].getsockname()[1]
            worker: Any = Bare(f"http://127.0.0.1:{port}", streams, sockets)
            await obey(worker)


if __name__ == "__main__":
    run(work())
