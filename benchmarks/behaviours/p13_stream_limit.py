"""P13: HTTP/2 has many streams in one connection, but not as many as one likes."""

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from urllib.parse import urlsplit

from benchmarks.behaviours.experiment import Experiment, Observation, only_browsers
from benchmarks.behaviours.field import Field
from benchmarks.behaviours.tabs import Tab, tabs_of
from benchmarks.browser import Engine, launched
from benchmarks.ground import OPENING, Failed
from lab.errors import UserError
from lab.link.place import HERE
from lab.link.proxy import PROGRAMS, keeper
from lab.link.proxy.running import STARTING, Kept
from lab.process import ServerProcess
from lab.transport import Subject

NGINX = PROGRAMS["nginx"]

LISTEN = "listen @host:@port"

TLS = f"""{LISTEN} ssl http2;
        ssl_certificate @folder/certificate.pem;
        ssl_certificate_key @folder/key.pem;
        http2_max_concurrent_streams @streams;
        rewrite ^/\\d+(/.*)$ $1"""

LIMIT, RAISED = 100, 200
"""Streams that the server allows in one connection: the least that RFC 9113 recommends, and the cure."""

READERS = LIMIT + 1

PATIENCE = 4.0
"""Seconds that a reader waits for a stream, or for an event, before it counts as left out."""

# Each reader has an address of its own, from which nginx takes the number. Of requests for the very same address the
# caches of browsers send one at a time, and let the others wait until it is answered or even ended.
FOLLOW = """async ([name, count]) => {
    const { follow } = await import("/lab/follow.js");
    window.readers ??= [];
    for (let n = 0; n < count; n += 1) {
        readers.push(follow(name, { cursor: "", origin: `${location.origin}/${readers.length}` }));
    }
}"""

HOLDING = 0.5
"""Seconds after the last first answer in which what is held is held: each long poll's second request."""

COUNT = """async ([what, count, seconds]) => {
    const end = performance.now() + seconds * 1000;
    const there = () => readers.filter((one) => one[what].length > 0).length;
    while (there() < count && performance.now() < end) await new Promise((done) => setTimeout(done, 20));
    return there();
}"""

PROTOCOL = "() => performance.getEntriesByType('navigation')[0].nextHopProtocol"

COMPLAINTS = "() => readers.flatMap((one) => one.lost.map(([, why]) => why))"

HANG_UP_ONE = "() => readers.find((one) => one.opened.length > 0).hangUp()"


@dataclass(frozen=True)
class Streams:
    """What was seen.

    Attributes:
        limit: of streams in a connection. protocol: that the page came by. opened: readers in time.
        held: connections that the server held open before the last reader set out.
        heard: readers that heard of an event. errors: that they were told.
        after_event, after_hang_up: readers that were open then.
    """

    limit: int
    protocol: str
    held: int
    opened: int
    heard: int
    after_event: int
    errors: tuple[str, ...]
    after_hang_up: int


async def observe(field: Field, cured: bool) -> Observation:  # noqa: FBT001  (as every experiment)
    server, limit = await field.server(), RAISED if cured else LIMIT
    front = await fronted(field, server, limit)
    await server.ask("allow", origins=[front])
    visitor = await field.stack.enter_async_context(tabs_of(await browser(field), ignore_https_errors=True))
    tab = await visitor.new_page()
    await tab.goto(f"{front}/lab/trial.html")
    return judged(await fills(field, server, tab, limit))


async def browser(field: Field) -> Engine:
    """One of its own where there will be WebSockets: a browser has 200 or 255 of them in all, whoever made them."""
    if "websocket" not in field.subject.found.about.uses:
        return await field.browser()
    engine = await field.stack.enter_async_context(launched(field.engine_name))
    field.versions[field.engine_name] = engine.version
    return engine


async def fills(field: Field, server: ServerProcess, tab: Tab, limit: int) -> Streams:
    """One page follows a hundred and one times; then there is an event, and then a reader hangs up."""
    protocol = await tab.evaluate(PROTOCOL)
    if protocol != "h2":
        raise Failed(f"the page came by {protocol or 'an unknown protocol'}, not by h2")
    await tab.evaluate(FOLLOW, [field.subject.name, LIMIT])
    if (opened := await tab.evaluate(COUNT, ["opened", LIMIT, OPENING])) < LIMIT:
        raise Failed(f"only {opened} of {LIMIT} readers opened")
    field.note(f"{opened} readers are open")
    await asyncio.sleep(HOLDING)
    held = await server.ask("waiting")
    await tab.evaluate(FOLLOW, [field.subject.name, READERS - LIMIT])
    opened = await tab.evaluate(COUNT, ["opened", READERS, PATIENCE])
    field.note(f"{opened} of {READERS} readers are open", f"{PATIENCE:g} s later" if opened < READERS else "")
    await server.ask("append", data="news")
    heard = await tab.evaluate(COUNT, ["arrivals", READERS, PATIENCE])
    field.note("an event", f"{heard} of {READERS} readers heard of it")
    after_event = await tab.evaluate(COUNT, ["opened", READERS, 0])
    errors = tuple(await tab.evaluate(COMPLAINTS))
    await tab.evaluate(HANG_UP_ONE)
    after_hang_up = await tab.evaluate(COUNT, ["opened", READERS, PATIENCE])
    field.note("one reader hung up", f"{after_hang_up} of {READERS} have been open")
    return Streams(limit, protocol, held, opened, heard, after_event, errors, after_hang_up)


def judged(seen: Streams) -> Observation:
    """Bitten: a reader was not open in time, or did not hear of the event."""
    says = f"with {seen.limit} streams allowed, {seen.opened} of {READERS} readers opened"
    says += f" and {seen.heard} heard of an event"
    if seen.opened < READERS:
        says += f"; {'no error was told' if not seen.errors else f'{len(seen.errors)} errors were told'}"
        says += f", {ending(seen)}"
    numbers: dict[str, float | str | None] = {
        "protocol": seen.protocol,
        "streams_allowed": seen.limit,
        "connections_held": seen.held,
        "readers_open": seen.opened,
        "readers_that_heard": seen.heard,
        "errors_told": len(seen.errors),
        "readers_open_after_event": seen.after_event,
        "readers_open_after_one_hung_up": seen.after_hang_up,
    }
    return Observation(seen.opened < READERS or seen.heard < READERS, says, numbers, log=seen.errors[:10])


def ending(seen: Streams) -> str:
    if seen.after_event == READERS:
        return "and the last was let in when there was an event"
    if seen.after_hang_up == READERS:
        return "and the last was let in when another hung up"
    return "and the last was not let in when another hung up"


async def fronted(field: Field, server: ServerProcess, limit: int) -> str:
    """The https origin of an nginx before the server; it is gone when the observation is over."""
    key, certificate = await self_signed()
    assert NGINX.path
    orders: keeper.Orders = {
        "command": [NGINX.path, *NGINX.command[1:]],
        "files": {
            NGINX.file: NGINX.variants["tuned"].replace(LISTEN, TLS),
            "certificate.pem": certificate,
            "key.pem": key,
        },
        "values": {"server": urlsplit(server.origins[0]).netloc, "streams": str(limit)},
        "host": HERE.host,
        "port": 0,
        "seconds": STARTING,
    }
    kept = Kept("nginx with HTTP/2", HERE, orders)
    await kept.start()
    field.stack.push_async_callback(kept.stop)
    return kept.origin.replace("http:", "https:")


async def self_signed() -> tuple[str, str]:
    """A key and a certificate for this machine that nobody has signed, good for a day.

    Raises:
        UserError: it can't be made; says why.
    """
    with tempfile.TemporaryDirectory(prefix="pushlab-") as folder:
        key, certificate = Path(folder, "key"), Path(folder, "certificate")
        process = await asyncio.create_subprocess_exec(
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "1", "-subj", "/CN=pushlab", "-addext", f"subjectAltName=IP:{HERE.host}"),
            *("-keyout", str(key), "-out", str(certificate)),
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await process.communicate()
        if process.returncode:
            raise UserError(f"openssl made no certificate: {said.decode(errors='replace').strip().splitlines()[-1:]}")
        return written(key), written(certificate)


def written(file: Path) -> str:
    return file.read_text("ascii")


def missing() -> str:
    no_openssl = "" if which("openssl") else "openssl is not installed: apt-get install openssl"
    return NGINX.missing() or no_openssl


def bites(subject: Subject, cured: bool) -> bool:  # noqa: FBT001  (as every experiment)
    """Whatever holds a request open holds a stream. WebSockets have connections of their own: nginx has none of them
    in HTTP/2.
    """
    return not cured and subject.found.about.pattern in ("streaming", "long polling")


experiment = Experiment(
    id="P13",
    name="stream_limit",
    title="A hundred streams for each connection",
    question="Does the hundred-and-first reader get its events over HTTP/2?",
    fixture="The lab stands behind nginx with HTTP/2 and a certificate made for this, which allows 100 streams in "
    "one connection, the least that the standard recommends. One page follows 100 times, at addresses that differ a "
    "little, while the source is quiet, and then once more. After four seconds an event is sent, and at last one "
    "reader hangs up.",
    expected="Each stream and each long poll keeps a stream of the connection. The hundred-and-first waits in "
    "silence, as the seventh does over HTTP/1.1, until one of the others ends: a long poll does so with the next "
    "event. Short polling and WebSockets, which get connections of their own, are not concerned.",
    cure="A higher limit in the server, here 200. It is better still to share one stream: a page needs no more than "
    "one, whatever the number of things that it shows.",
    sources=(
        "https://www.rfc-editor.org/rfc/rfc9113#section-6.5.2",
        "https://nginx.org/en/docs/http/ngx_http_v2_module.html#http2_max_concurrent_streams",
        "https://developer.mozilla.org/en-US/docs/Web/API/EventSource",
    ),
    bites=bites,
    unfit=only_browsers,
    missing=missing,
    seconds=16,
    observe=observe,
)
