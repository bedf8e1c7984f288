"""P5: compression on the way that waits for more before it lets anything out."""

from collections.abc import Mapping, Sequence

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp

from benchmarks.behaviours.experiment import Experiment, Observation
from benchmarks.behaviours.field import Field
from benchmarks.behaviours.flow import Flow, Pulse, Road, Unhinted, flows, missing, observation
from benchmarks.behaviours.hosted import hosted
from lab.transport import Subject

PULSE = Pulse(events=8, period=0.8)

LATE_MS = 1000 * PULSE.period * 0.8
"""The median from which on events come about one event late; a short poll has half of half a second."""

HOLD, FLUSH, NONE, HAPROXY = "relay:gzip=hold", "relay:gzip=flush", "relay", "proxy:haproxy:gzip"

TITLES = {
    "hold": "a relay that compresses and waits",
    "middleware": "Starlette's GZipMiddleware",
    "haproxy": "HAProxy that compresses",
    "none": "a relay that does not compress",
    "flush": "a relay that compresses and flushes",
    "haproxy_hint": "HAProxy, told not to transform",
}


async def observe(field: Field, cured: bool) -> Observation:  # noqa: FBT001  (as every experiment)
    return judged(await flows(field, await (cured_roads if cured else plain_roads)(field), PULSE))


async def plain_roads(field: Field) -> list[Road]:
    lab = await field.stack.enter_async_context(hosted(field.subject, Unhinted))
    packed = await field.stack.enter_async_context(hosted(field.subject, compressing))
    return [Road("hold", lab, HOLD), Road("middleware", packed, NONE), Road("haproxy", lab, HAPROXY)]


async def cured_roads(field: Field) -> list[Road]:
    lab = await field.stack.enter_async_context(hosted(field.subject, lambda app: app))
    return [Road("none", lab, NONE), Road("flush", lab, FLUSH), Road("haproxy_hint", lab, HAPROXY)]


def compressing(app: ASGIApp) -> ASGIApp:
    return GZipMiddleware(app)


def late(flow: Flow) -> bool:
    return flow.missing > 0 or flow.p50_ms is None or flow.p50_ms >= LATE_MS


def judged(found: Mapping[str, Flow]) -> Observation:
    """Bitten: on one of the roads events came as late as the next one, or had not come at all."""
    held = [name for name, flow in found.items() if late(flow)]
    return observation(found, says(found, held), bitten=bool(held))


def says(found: Mapping[str, Flow], held: Sequence[str]) -> str:
    if held:
        return "; ".join(f"{TITLES[name]} {told(found[name])}" for name in held)
    worst = max(flow.p50_ms or 0 for flow in found.values())
    return f"half of the events came within {worst:,.0f} ms on each road{saved(found)}"


def told(flow: Flow) -> str:
    if flow.p50_ms is None:
        return f"delivered none of {len(flow.sent)} events"
    return f"let events through {flow.p50_ms:,.0f} ms late and kept {flow.missing} of {len(flow.sent)}"


def saved(found: Mapping[str, Flow]) -> str:
    if not {"none", "flush"} <= found.keys():
        return ""
    return f", in {found['flush'].bytes_down:,} B with compression and {found['none'].bytes_down:,} B without"


def bites(subject: Subject, cured: bool) -> bool:  # noqa: FBT001  (as every experiment)
    """A compressor is emptied when a response ends; a WebSocket does not pass through it."""
    return not cured and subject.found.about.pattern == "streaming"


experiment = Experiment(
    id="P5",
    name="compression",
    title="Compression that waits",
    question="Do events come at once when responses are compressed on the way?",
    fixture="Eight events of about 150 bytes are sent, one every 0.8 s, to three readers: behind a relay that "
    "compresses and never flushes "
    "before the end, behind Starlette's GZipMiddleware, and behind HAProxy with its compression on. The responses "
    "carry no header against it. Bytes are counted at the relays, from the first event on.",
    expected="A compressor collects before it gives anything out: with the relay a stream stands still, and HAProxy "
    "gives out each event when "
    "the next one comes. The middleware was known for holding streams back; the present version leaves "
    "text/event-stream alone and flushes the others. Answers to polls end, and with them the "
    "waiting; WebSockets are not touched, nor are types that HAProxy was not told to compress.",
    cure="Flush the compressor after each event: for streams that saves most of the bytes and costs no time. (Short "
    "answers to polls became larger here.) Or send "
    "Cache-Control: no-transform with each stream, which HAProxy obeys. Both were tried here. In one's own server, "
    "keep "
    "streams out of the middleware.",
    sources=(
        "https://www.rfc-editor.org/rfc/rfc9111#name-no-transform-2",
        "https://docs.haproxy.org/2.6/configuration.html#compression%20algo",
        "https://github.com/expressjs/compression/issues/17",
    ),
    bites=bites,
    missing=lambda: missing([HAPROXY]),
    seconds=11,
    observe=observe,
)
