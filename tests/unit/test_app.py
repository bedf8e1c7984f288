"""Who may speak to the lab and who may not, and what it says to a user who was mistaken."""

import asyncio
import base64
import gc
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from conftest import SUBJECTS, Engines, Lab, running_lab
from fastapi import APIRouter

from lab.app import LARGEST_POST, create_app
from lab.errors import UserError
from lab.log import Log
from lab.server import listen, origin, serving
from lab.transport import About, Found, Subject
from lab.wire import CountedWebSocket

FOREIGN = "http://evil.example"
TOKEN = {"Authorization": "Bearer secret"}
UPGRADE: dict[str, Any] = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
}
ROUTES = [f"/transports/{name}/events" for name in sorted(SUBJECTS)]
HTTP = [f"{route}?cursor=now" for route in ROUTES if "websocket" not in route]
WEBSOCKET = "/transports/websocket/events"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


async def ask(lab: Lab, path: str, method: str = "GET", body: bytes = b"", **headers: Any) -> Answer:
    """One request as it is written, nothing of it tidied up, and what comes of it, up to the end or for a while."""
    reader, writer = await asyncio.open_connection("127.0.0.1", lab.port)
    sent = {"Host": f"127.0.0.1:{lab.port}", "Connection": "close", "Content-Length": str(len(body)), **headers}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in sent.items())
    writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
    async with asyncio.timeout(5):
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
        got = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        left = b"" if "content-length" not in got else await reader.readexactly(int(got["content-length"]))
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    return Answer(int(first.split()[1]), got, left)


async def shake(lab: Lab, path: str = WEBSOCKET, **headers: Any) -> Answer:
    """A WebSocket's handshake."""
    return await ask(lab, path, **UPGRADE, **headers)


def publish(lab: Lab, body: bytes, **headers: str) -> Any:
    return ask(lab, "/events", "POST", body, **{**TOKEN, **headers})


# Other people's pages


@pytest.mark.parametrize("foreign", [FOREIGN, "null", "http://127.0.0.1:1", "http://127.0.0.1.evil.example"])
async def test_a_foreign_page_gets_no_websocket_and_may_not_write(foreign: str, lab: Lab) -> None:
    for path in (WEBSOCKET, "/lab/clock"):
        refused = await shake(lab, path, Origin=foreign)
        assert (refused.status, refused.text) == (403, f"origin {foreign!r} is not one of the lab's own\n")
    refused = await publish(lab, b"1", Origin=foreign)
    assert (refused.status, refused.text) == (403, f"origin {foreign!r} is not one of the lab's own\n")
    assert lab.log.last == 0


@pytest.mark.parametrize("foreign", [FOREIGN, "null"])
async def test_a_foreign_page_is_told_nothing(foreign: str, lab: Lab) -> None:
    """CORS lets its browser send a GET, but not show the answer."""
    for path in (*HTTP, "/lab/transports.json", "/lab/follow.js"):
        answer = await ask(lab, path, Origin=foreign)
        assert answer.status == 200
        assert "access-control-allow-origin" not in answer.headers


async def test_the_labs_own_pages_may_reach_all_of_its_ports(lab: Lab) -> None:
    for page in lab.origins:
        assert (await shake(lab, Origin=page)).status == 101
        assert (await publish(lab, b"1", Origin=page)).status == 201
        for path in HTTP:
            answer = await ask(lab, path, Origin=page)
            assert answer.headers["access-control-allow-origin"] == page
            assert "origin" in answer.headers["vary"].lower()


async def test_a_preflight_allows_what_transports_send_and_only_to_the_lab(lab: Lab) -> None:
    asked: dict[str, Any] = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "last-event-id"}
    own = await ask(lab, HTTP[0], "OPTIONS", Origin=lab.origins[1], **asked)
    assert own.status == 200
    assert own.headers["access-control-allow-origin"] == lab.origins[1]
    assert "last-event-id" in own.headers["access-control-allow-headers"].lower()
    foreign = await ask(lab, HTTP[0], "OPTIONS", Origin=FOREIGN, **asked)
    assert foreign.status == 400
    assert "access-control-allow-origin" not in foreign.headers


async def test_no_answer_is_for_everyone(lab: Lab) -> None:
    for path in (*HTTP, "/", "/lab/follow.js", "/lab/transports.json", "/nowhere"):
        for page in (FOREIGN, lab.origin, "null"):
            assert (await ask(lab, path, Origin=page)).headers.get("access-control-allow-origin") != "*"


async def test_a_page_that_came_through_a_link_is_the_labs_own(lab: Lab) -> None:
    """Behind a relay or a proxy the page's origin is where that listens, and so says the Host header."""
    through = "127.0.0.1:5000"
    assert (await shake(lab, Host=through, Origin=f"http://{through}")).status == 101
    assert (await publish(lab, b"1", Host=through, Origin=f"http://{through}")).status == 201


async def test_programs_send_no_origin_and_may_come(lab: Lab) -> None:
    assert (await shake(lab)).status == 101
    assert (await publish(lab, b"1")).status == 201


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "169.254.169.254", ""])
async def test_a_name_that_was_rebound_to_this_address_is_refused(host: str, lab: Lab) -> None:
    """The page's origin would agree with its Host header, for both are the attacker's."""
    page = f"http://{host}"
    for answer in (
        await ask(lab, "/", Host=host),
        await ask(lab, HTTP[0], Host=host),
        await shake(lab, Host=host, Origin=page),
        await publish(lab, b"1", Host=host, Origin=page),
    ):
        assert answer.status == 400
    assert lab.log.last == 0


async def test_localhost_is_a_name_of_the_lab(lab: Lab) -> None:
    assert (await ask(lab, "/", Host=f"localhost:{lab.port}")).status == 200


# The lab's own pages


@pytest.mark.parametrize("path", ["/", "/lab/trial.html", "/lab/follow.js", "/transports/sse/client.js"])
async def test_pages_are_isolated_and_run_no_script_but_the_labs(path: str, lab: Lab) -> None:
    headers = (await ask(lab, path)).headers
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-embedder-policy"] == "require-corp"
    assert headers["cross-origin-resource-policy"] == "same-site"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-cache"
    policy = dict(one.split(" ", 1) for one in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'self'"
    assert policy["frame-ancestors"] == "'self'"
    assert policy["connect-src"] == "'self' http://127.0.0.1:* ws://127.0.0.1:*"


@pytest.mark.parametrize("browser", ["chromium", "firefox"])
async def test_the_clock_of_a_page_is_fine_and_foreign_scripts_do_not_run(
    browser: str, engines: Engines, lab: Lab
) -> None:
    engine: Any = await engines.get(browser)
    async with engine.page(f"{lab.origin}/lab/trial.html") as page:
        assert await page.evaluate("crossOriginIsolated")
        ran = """() => {
            const script = document.createElement("script");
            script.textContent = "window.ran = true";
            document.body.append(script);
            return window.ran;
        }"""
        assert await page.evaluate(ran) is None
        refused = "url => fetch(url).then(() => 'fetched', (error) => error.name)"
        assert await page.evaluate(refused, "http://localhost:1/") == "TypeError"
        assert await page.evaluate(refused, f"{lab.origins[1]}{HTTP[0]}") == "fetched"


@pytest.mark.parametrize("browser", ["chromium", "firefox"])
async def test_all_ports_are_reached_by_an_address_of_ipv6_too(browser: str, engines: Engines) -> None:
    engine: Any = await engines.get(browser)
    try:
        sockets = listen("::1", count=2)
    except UserError as none:
        pytest.skip(str(none))
    log, (here, there) = Log(), map(origin, sockets)
    app = create_app(log, origins=[here, there], hosts=["[::1]"])
    async with serving(app, log, sockets), engine.page(f"{here}/lab/trial.html") as page:
        reached = "url => fetch(url).then((answer) => answer.status)"
        assert await page.evaluate(reached, f"{there}{HTTP[0]}") == 200
        connected = "url => new Promise((done) => { new WebSocket(url).onopen = () => done('open'); })"
        assert await page.evaluate(connected, f"{there.replace('http', 'ws')}/lab/clock") == "open"


async def test_an_unchanged_file_is_still_isolated(lab: Lab) -> None:
    tag = (await ask(lab, "/lab/follow.js")).headers["etag"]
    again = await ask(lab, "/lab/follow.js", If_None_Match=tag)
    assert again.status == 304
    assert again.headers["cross-origin-embedder-policy"] == "require-corp"


# What may be seen of the folders


@pytest.mark.parametrize(
    "path",
    [
        "/transports/sse/__init__.py",
        "/transports/sse/client.py",
        "/transports/sse/__pycache__/",
        "/transports/sse/../../pyproject.toml",
        "/transports/sse/..%2f..%2fpyproject.toml",
        "/transports/sse/%2e%2e/%2e%2e/README.md",
        "/transports/sse/%2e%2e%2f%2e%2e%2fREADME.md",
        "/transports/sse/..%5c..%5cREADME.md",
        "/transports/sse//etc/passwd",
        "/transports/sse/client.js%00.md",
        "/lab/../app.py",
        "/lab/..%2fapp.py",
        "/../../../../etc/passwd",
        "/..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/%2e%2e/%2e%2e/CHANGELOG.md",
        "//etc/passwd",
        "/lab/nowhere.js",
        "/nowhere",
        "/transports/nowhere/client.js",
    ],
)
async def test_only_what_is_for_browsers_is_served_and_only_of_the_folder(path: str, lab: Lab) -> None:
    assert (await ask(lab, path)).status == 404


async def test_of_a_folder_from_outside_no_more_is_served(tmp_path: Path) -> None:
    folder = tmp_path / "seventh"
    (folder / "deeper").mkdir(parents=True)
    shown = {"client.js": "1", "README.md": "2", "deeper/part.js": "3"}
    hidden = {"__init__.py": "4", ".env": "5", ".git.js": "6", "key.pem": "7", "deeper/.npmrc": "8"}
    for name, text in (shown | hidden | {"../outside.js": "9"}).items():
        (folder / name).write_text(text)
    (folder / "link.js").symlink_to(tmp_path / "outside.js")

    class Seventh:
        about = About(title="Seventh", year=2026, wire="none", spec="none")

        def routes(self, *_: Any) -> APIRouter:
            return APIRouter()

    log, sockets = Log(), listen()
    app = create_app(log, [Subject(Found("seventh", folder, Seventh()))])
    async with serving(app, log, sockets) as server:
        lab = Lab(log, server, [origin(one) for one in sockets], {})
        for name, text in shown.items():
            answer = await ask(lab, f"/transports/seventh/{name}")
            assert (answer.status, answer.text) == (200, text)
        for name in (*hidden, "link.js", "../outside.js", "..%2foutside.js", "deeper", ""):
            assert (await ask(lab, f"/transports/seventh/{name}")).status == 404, name


async def test_files_are_not_for_writing(lab: Lab) -> None:
    for method in ("POST", "PUT", "DELETE"):
        assert (await ask(lab, "/lab/follow.js", method)).status == 405


# The source http


async def test_an_event_by_post_is_in_the_log_with_all_that_it_says(lab: Lab) -> None:
    answer = await publish(lab, '{"a": ["é", null, 1.5]}'.encode())
    assert (answer.status, answer.text) == (201, f"{lab.log.epoch}-1\n")
    (event,) = lab.log.since("")
    kept = json.loads(event.line)
    assert kept["data"] == {"a": ["é", None, 1.5]}
    assert kept["due"] <= kept["at"]


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer wrong", "secret", "Basic secret", "Bearer é"])
async def test_without_the_token_nobody_publishes(given: str, lab: Lab) -> None:
    answer = await publish(lab, b"1", Authorization=given)
    assert answer.status == 401
    assert "«Authorization: Bearer TOKEN»" in answer.text
    assert lab.log.last == 0


@pytest.mark.parametrize(
    "body", [b"", b"{", b"nonsense", b"1 2", b'"\xff"', b"NaN", b"[1e999]", b"[" * 100_000, b"9" * 5000, b'{"a":1}}']
)
async def test_a_body_that_is_no_json_gets_a_sentence(body: bytes, lab: Lab) -> None:
    answer = await publish(lab, body)
    assert answer.status == 400
    assert "JSON" in answer.text
    assert answer.text.count("\n") == 1
    assert len(answer.text) < 300
    assert lab.log.last == 0


async def test_a_body_may_be_as_large_as_said_and_no_larger(lab: Lab) -> None:
    assert (await publish(lab, b'"' + b"x" * (LARGEST_POST - 2) + b'"')).status == 201
    answer = await publish(lab, b'"' + b"x" * (LARGEST_POST - 1) + b'"')
    assert (answer.status, lab.log.last) == (413, 1)
    assert answer.text == f"the body is larger than {LARGEST_POST} bytes, the most that one event may have\n"


async def test_a_body_without_an_end_is_refused_when_it_is_too_large(lab: Lab) -> None:
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", lab.port)
    head = f"POST /events HTTP/1.1\r\nHost: 127.0.0.1:{lab.port}\r\nAuthorization: Bearer secret\r\n"
    writer.write(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())

    async def endlessly() -> None:
        while True:
            writer.write(chunk)
            await writer.drain()

    sending = asyncio.create_task(endlessly())
    async with asyncio.timeout(5):
        assert b" 413 " in await reader.readline()
        sending.cancel()
        with suppress(asyncio.CancelledError, ConnectionError):
            await sending
    writer.transport.abort()
    with suppress(ConnectionError):
        await writer.wait_closed()
    assert lab.log.last == 0


async def test_there_is_nothing_to_post_to_without_a_token() -> None:
    log, sockets = Log(), listen()
    async with serving(create_app(log), log, sockets) as server:
        lab = Lab(log, server, [origin(one) for one in sockets], {})
        assert (await publish(lab, b"1")).status in (404, 405)
    assert log.last == 0


# Mistakes


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("cursor", ["x", "7-3-1", "-1", "7-é", "now ", "x" * 5000])
async def test_a_malformed_cursor_is_refused_before_anything_is_sent(path: str, cursor: str, lab: Lab) -> None:
    """A WebSocket's handshake is denied, with the same sentence."""
    with pytest.raises(UserError) as refused:
        Log().check(cursor)
    asked = shake if "websocket" in path else ask
    answer = await asked(lab, f"{path}?cursor={quote(cursor)}")
    assert (answer.status, answer.text) == (400, f"{refused.value}\n")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert lab.log.readers == 0


async def test_what_the_browser_says_when_it_comes_back_is_checked_too(lab: Lab) -> None:
    answer = await ask(lab, "/transports/sse/events", Last_Event_ID="nonsense")
    assert answer.status == 400
    assert "cursor 'nonsense' is malformed" in answer.text


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ("/transports/long_polling/events?hold=29", "hold '29'"),
        ("/transports/long_polling/events?hold=nan", "hold 'nan'"),
        ("/transports/long_polling/events?hold=-1", "hold '-1'"),
        ("/transports/long_polling/events?hold=soon", "hold 'soon'"),
        ("/transports/xhr_streaming/events?limit=1", "limit '1'"),
        ("/transports/xhr_streaming/events?limit=1e9", "limit '1e9'"),
    ],
)
async def test_a_parameter_that_is_wrong_gets_a_sentence(asked: str, named: str, lab: Lab) -> None:
    answer = await ask(lab, asked)
    assert answer.status == 400
    assert answer.text.startswith(f"{named} is wrong: ")
    assert answer.text.count("\n") == 1


@pytest.mark.parametrize("path", [WEBSOCKET, "/lab/clock"])
async def test_a_websocket_that_says_something_unexpected_does_no_harm(
    path: str, lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(lab, path) as (reader, writer):
        writer.write(b"\x82\x81\0\0\0\0x" + CLOSE)  # a masked binary frame, when nothing or text was expected
        assert CLOSED in await reader.read()
    assert not caplog.records


async def test_a_reader_may_leave_in_the_moment_of_an_event(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    async with connected(lab, WEBSOCKET) as (reader, _):
        protocol = next(one for one in lab.server.server_state.connections if isinstance(one, CountedWebSocket))
        while not lab.log.readers:
            await asyncio.sleep(0)
        with suppress(StopIteration):
            lab.log.append("x").send(None)  # wakes the reader, which has its turn only after this one
        protocol.data_received(CLOSE)
        assert CLOSED in await reader.read()
    gc.collect()
    assert not caplog.records


CLOSE, CLOSED = b"\x88\x82\0\0\0\0\x03\xe8", b"\x88\x02\x03\xe8"
"""A masked close frame, code 1000, and the answer to it (RFC 6455, 5.2)."""


@asynccontextmanager
async def connected(lab: Lab, path: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A WebSocket made by hand, of which the server has kept nothing in the end."""
    before = asyncio.all_tasks()
    reader, writer = await asyncio.open_connection("127.0.0.1", lab.port)
    head = "".join(f"{name}: {value}\r\n" for name, value in UPGRADE.items())
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{lab.port}\r\n{head}\r\n".encode())
    async with asyncio.timeout(5):
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        yield reader, writer
        writer.close()
        await writer.wait_closed()
        while lab.log.readers or asyncio.all_tasks() - before:
            await asyncio.sleep(0.001)


async def test_what_a_cell_does_not_need_is_not_there() -> None:
    log, sockets = Log(), listen()
    async with serving(create_app(log, [SUBJECTS["sse"]]), log, sockets) as server:
        lab = Lab(log, server, [origin(one) for one in sockets], {})
        listed = json.loads((await ask(lab, "/lab/transports.json")).body)
        assert list(listed["transports"]) == ["sse"]
        assert (await ask(lab, "/transports/long_polling/events?hold=0")).status == 404


async def test_the_registry_says_how_to_reach_each_transport_and_its_settings(lab: Lab) -> None:
    answer = await ask(lab, "/lab/transports.json")
    assert answer.headers["cache-control"] == "no-store"
    listed = json.loads(answer.body)
    assert set(listed["transports"]) == {name for name, one in SUBJECTS.items() if not one.unsupported("chromium")}
    assert listed["transports"]["sse:native"]["client"] == "/transports/sse/client.js"
    assert listed["transports"]["sse:native"]["base"] == "/transports/sse:native"
    assert listed["origins"] == lab.origins
    assert listed["settings"] == lab.settings


async def test_friends_may_be_others() -> None:
    async with running_lab(friends=["http://friend.example"]) as lab:
        assert (await shake(lab, Origin="http://friend.example")).status == 101
        assert (await shake(lab, Origin=FOREIGN)).status == 403
