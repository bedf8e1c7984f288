"""The relay that understands HTTP: it buffers, compresses, cuts chunks anew and refuses, as proxies do."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import pytest

from lab.link import Relay, relaying
from lab.link.relay.toxics import Setting

GET = b"GET /x HTTP/1.1\r\nHost: there\r\nAccept-Encoding: gzip, br\r\n\r\n"
UPGRADE = (
    b"GET /x HTTP/1.1\r\nHost: there\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: x\r\n\r\n"
)
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


def whole(body: bytes, *headers: bytes) -> bytes:
    """A response that says its length."""
    head = [b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@dataclass
class Talk:
    """A connection through a relay: the browser's reader and writer, and the server's."""

    relay: Relay
    browser: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    server: tuple[asyncio.StreamReader, asyncio.StreamWriter]

    def ask(self, data: bytes) -> None:
        self.browser[1].write(data)

    def say(self, data: bytes) -> None:
        self.server[1].write(data)

    async def heard(self) -> bytes:
        """The head of a request, as the server got it."""
        async with asyncio.timeout(2):
            return await self.server[0].readuntil(b"\r\n\r\n")

    async def head(self) -> bytes:
        async with asyncio.timeout(2):
            return await self.browser[0].readuntil(b"\r\n\r\n")

    async def exactly(self, data: bytes) -> None:
        """That comes to the browser, and nothing else."""
        async with asyncio.timeout(2):
            assert await self.browser[0].readexactly(len(data)) == data
        assert await self.silent()

    async def chunk(self) -> bytes:
        async with asyncio.timeout(2):
            size = int(await self.browser[0].readline(), 16)
            return (await self.browser[0].readexactly(size + 2))[:-2]

    async def rest(self) -> bytes:
        async with asyncio.timeout(2):
            return await self.browser[0].read()

    async def silent(self) -> bool:
        try:
            async with asyncio.timeout(0.03):
                return not await self.browser[0].read(1) and False
        except TimeoutError:
            return True


@asynccontextmanager
async def talking(**settings: Setting) -> AsyncIterator[Talk]:
    accepted: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    server = await asyncio.start_server(lambda *ends: accepted.put_nowait(ends), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, relaying(port, **settings) as relay:
        browser = await asyncio.open_connection("127.0.0.1", int(relay.origin.rpartition(":")[2]))
        talk = Talk(relay, browser, await accepted.get())
        try:
            yield talk
        finally:
            for _, writer in (talk.browser, talk.server):
                writer.close()
                with suppress(ConnectionError):
                    await writer.wait_closed()


HARMLESS = {"websocket": "403"}
"""It understands HTTP, and meddles with nothing here."""


# What is not meddled with


async def test_requests_and_responses_pass_one_after_the_other() -> None:
    async with talking(**HARMLESS) as talk:
        for n in range(3):
            talk.ask(b"POST /%d HTTP/1.1\r\nHost: there\r\nContent-Length: 4\r\nX-Thing: Some\r\n\r\nbody" % n)
            heard = await talk.heard()
            assert heard.startswith(b"POST /%d HTTP/1.1\r\n" % n)
            assert b"\r\nX-Thing: Some\r\n" in heard
            assert await talk.server[0].readexactly(4) == b"body"
            talk.say(whole(b"answer", b"X-Other: thing"))
            await talk.exactly(whole(b"answer", b"X-Other: thing"))


async def test_each_piece_of_a_stream_passes_when_it_comes() -> None:
    async with talking(**HARMLESS) as talk:
        talk.ask(GET)
        await talk.heard()
        talk.say(CHUNKED)
        await talk.exactly(CHUNKED)
        for n in range(3):
            talk.say(chunk(b"piece %d" % n))
            assert await talk.chunk() == b"piece %d" % n
        talk.say(b"0\r\n\r\n")
        await talk.exactly(b"0\r\n\r\n")


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
async def test_a_response_without_a_body(status: bytes) -> None:
    async with talking(gzip="flush", buffer="end") as talk:
        talk.ask(GET)
        await talk.heard()
        talk.say(b"HTTP/1.1 %s\r\nETag: x\r\n\r\n" % status)
        await talk.exactly(b"HTTP/1.1 %s\r\nETag: x\r\n\r\n" % status)


async def test_a_response_to_head_says_a_length_and_has_no_body() -> None:
    async with talking(gzip="flush", buffer="end") as talk:
        talk.ask(GET.replace(b"GET", b"HEAD"))
        await talk.heard()
        talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        await talk.exactly(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")


async def test_a_body_that_ends_with_its_connection() -> None:
    async with talking(**HARMLESS) as talk:
        talk.ask(GET)
        await talk.heard()
        talk.say(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it")
        talk.server[1].close()
        head, _, body = (await talk.rest()).partition(b"\r\n\r\n")
        assert b"chunked" in head
        assert body == chunk(b"all of it") + b"0\r\n\r\n"


async def test_a_body_that_breaks_off_stays_broken() -> None:
    async with talking(buffer="end") as talk:
        talk.ask(GET)
        await talk.heard()
        talk.say(CHUNKED + chunk(b"some"))
        await asyncio.sleep(0.02)
        talk.server[1].close()
        assert await talk.rest() == CHUNKED + chunk(b"some")


async def test_websockets_pass_when_nothing_is_against_them() -> None:
    async with talking(buffer="end", gzip="hold") as talk:
        talk.ask(UPGRADE)
        heard = await talk.heard()
        assert b"Upgrade: websocket" in heard
        talk.say(SWITCHED + b"early")
        await talk.exactly(SWITCHED + b"early")
        talk.ask(b"\x00anything")
        assert await talk.server[0].readexactly(9) == b"\x00anything"
        talk.say(b"\xffanything")
        await talk.exactly(b"\xffanything")


# Buffering


async def test_a_body_waits_until_there_is_enough() -> None:
    async with talking(buffer=10) as talk:
        talk.ask(GET)
        await talk.heard()
        talk.say(CHUNKED + chunk(b"123456"))
        assert await talk.silent()
        talk.say(chunk(b"789abcd"))
        await talk.exactly(CHUNKED + chunk(b"123456789abcd"))
        talk.say(chunk(b"rest"))
        assert await talk.silent()
        talk.say(b"0\r\n\r\n")
        await talk.exactly(chunk(b"rest") + b"0\r\n\r\n")


async def test_a_body_waits_for_its_end() -> None:
    async with talking(buffer="end") as talk:
        talk.ask(GET)
        await talk.heard()
        talk.say(CHUNKED + chunk(bytes(100_000)))
        assert await talk.silent()
        talk.say(b"0\r\n\r\n")
        assert len(await talk.head()) == len(CHUNKED)
        assert len(await talk.chunk()) == 100_000


async def test_buffering_begins_and_ends_with_the_next_response() -> None:
    async with talking(**HARMLESS) as talk:
        for size, passes in ((0, True), (100, False), (0, True)):
            talk.relay.set(buffer=size)
            talk.ask(GET)
            await talk.heard()
            talk.say(CHUNKED + chunk(b"x"))
            if passes:
                assert await talk.head() == CHUNKED
                assert await talk.chunk() == b"x"
            else:
                assert await talk.silent()
            talk.say(b"0\r\n\r\n")
            assert (await talk.browser[0].readuntil(b"0\r\n\r\n")).endswith(b"0\r\n\r\n")


# Compression


async def test_compressed_and_flushed_each_piece_can_be_read_at_once() -> None:
    async with talking(gzip="flush") as talk:
        talk.ask(GET)
        await talk.heard()
        talk.say(CHUNKED)
        assert b"\r\nContent-Encoding: gzip\r\n" in await talk.head()
        unpack = zlib.decompressobj(wbits=31)
        for n in range(3):
            talk.say(chunk(b"piece %d" % n))
            assert unpack.decompress(await talk.chunk()) == b"piece %d" % n


async def test_compressed_without_flushing_nothing_can_be_read_before_the_end() -> None:
    async with talking(gzip="hold") as talk:
        talk.ask(GET)
        await talk.heard()
        talk.say(CHUNKED)
        await talk.head()
        talk.say(chunk(b"piece"))
        unpack = zlib.decompressobj(wbits=31)
        assert unpack.decompress(await talk.chunk()) == b""  # gzip's own head
        assert await talk.silent()
        talk.say(b"0\r\n\r\n")
        assert unpack.decompress(await talk.chunk()) == b"piece"
        assert unpack.eof


async def test_what_said_its_length_is_chunked_when_it_is_compressed() -> None:
    async with talking(gzip="hold", buffer="end") as talk:
        talk.ask(GET)
        await talk.heard()
        talk.say(whole(b"x" * 1000))
        head = await talk.head()
        assert b"Content-Length" not in head
        assert b"chunked" in head
        assert gzip.decompress(await talk.chunk()) == b"x" * 1000


@pytest.mark.parametrize(
    ("request_", "header"),
    [(GET.replace(b"gzip, ", b""), b"X-Any: thing"), (GET, b"Content-Encoding: br")],
    ids=["not accepted", "already"],
)
async def test_what_may_not_be_compressed_is_not(request_: bytes, header: bytes) -> None:
    async with talking(gzip="flush") as talk:
        talk.ask(request_)
        await talk.heard()
        talk.say(whole(b"as it is", header))
        await talk.exactly(whole(b"as it is", header))


# Chunks


async def test_chunks_are_cut_without_regard_to_what_they_hold() -> None:
    async with talking(chunk=4) as talk:
        talk.ask(GET)
        await talk.heard()
        talk.say(CHUNKED + chunk(b"123456") + chunk(b"789"))
        await talk.head()
        assert [await talk.chunk() for _ in range(3)] == [b"1234", b"56", b"789"]


async def test_chunks_are_joined_where_a_buffer_is_cut() -> None:
    async with talking(chunk=4, buffer=9) as talk:
        talk.ask(GET)
        await talk.heard()
        talk.say(CHUNKED + chunk(b"123456") + chunk(b"789"))
        await talk.head()
        assert [await talk.chunk() for _ in range(3)] == [b"1234", b"5678", b"9"]


# Refusals


async def test_every_request_is_answered_with_502() -> None:
    async with talking(answer=502) as talk:
        for _ in range(2):
            talk.ask(GET)
            assert (await talk.head()).startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
            assert await talk.browser[0].readline() == b"502 Bad Gateway, said by the relay\n"
        talk.relay.set(answer="off")
        talk.ask(GET)
        await talk.heard()  # the server has not been asked before


async def test_a_websocket_is_refused_with_403() -> None:
    async with talking(websocket="403") as talk:
        talk.ask(UPGRADE)
        assert (await talk.head()).startswith(b"HTTP/1.1 403 Forbidden\r\n")
        assert await talk.browser[0].readline() == b"403 Forbidden, said by the relay\n"
        talk.ask(GET)
        assert (await talk.heard()).startswith(b"GET /x")


async def test_a_proxy_that_knows_no_upgrade_strips_it() -> None:
    async with talking(websocket="strip") as talk:
        talk.ask(UPGRADE)
        heard = await talk.heard()
        assert b"pgrade" not in heard
        assert b"Sec-WebSocket-Key" in heard
        talk.say(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        await talk.exactly(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")


async def test_a_websocket_is_accepted_and_closed() -> None:
    async with talking(websocket="close") as talk:
        talk.ask(UPGRADE)
        await talk.heard()
        talk.say(SWITCHED + b"early")
        assert await talk.rest() == SWITCHED
        assert await talk.server[0].read() == b""


async def test_a_websocket_is_accepted_and_then_there_is_silence() -> None:
    async with talking(websocket="blackhole") as talk:
        talk.ask(UPGRADE)
        await talk.heard()
        talk.say(SWITCHED)
        await talk.exactly(SWITCHED)
        talk.say(b"lost")
        talk.ask(b"lost, too")
        assert await talk.silent()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.03):
                await talk.server[0].read(1)


async def test_a_reader_that_speaks_no_http_is_told_so() -> None:
    async with talking(**HARMLESS) as talk:
        talk.ask(b"\x16\x03 nonsense\r\n\r\n")
        assert (await talk.rest()).startswith(b"HTTP/1.1 400 Bad Request\r\n")


async def test_a_server_that_speaks_no_http_is_a_bad_gateway() -> None:
    async with talking(**HARMLESS) as talk:
        talk.ask(GET)
        await talk.heard()
        talk.say(b"nonsense\r\n\r\n")
        assert (await talk.rest()).startswith(b"HTTP/1.1 502 Bad Gateway\r\n")


async def test_a_server_that_leaves_without_an_answer_is_a_bad_gateway() -> None:
    async with talking(**HARMLESS) as talk:
        talk.ask(GET)
        await talk.heard()
        talk.server[1].close()
        assert (await talk.rest()).startswith(b"HTTP/1.1 502 Bad Gateway\r\n")


async def test_it_is_held_back_like_everything_else() -> None:
    async with talking(buffer=3, down=0.03) as talk:
        talk.ask(GET)
        await talk.heard()
        talk.say(CHUNKED + chunk(b"123"))
        await talk.exactly(CHUNKED + chunk(b"123"))
        assert talk.relay.held["down"][0] >= 30_000_000
