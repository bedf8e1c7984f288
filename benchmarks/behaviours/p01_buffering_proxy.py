"""P1: a proxy that collects a response before it passes it on."""

from collections.abc import Mapping, Sequence

from benchmarks.behaviours.experiment import Experiment, Observation
from benchmarks.behaviours.field import Field
from benchmarks.behaviours.flow import Flow, Pulse, Road, Unhinted, flows, missing, observation
from benchmarks.behaviours.hosted import hosted
from lab.transport import Subject

PULSE = Pulse(events=30, period=0.1)

LATE_MS = 1500
"""What no transport takes by itself: a short poll comes every half second."""

# The relay says the server's answers anew: to HTTP/1.0, which nginx speaks by default, without chunks, as it should be.
PLAIN_NGINX = "relay:chunk=1000000+proxy:nginx"

PLAIN = {"relay": "relay:buffer=4096", "nginx": PLAIN_NGINX, "lighttpd": "proxy:lighttpd"}
CURED = {"nginx_hint": PLAIN_NGINX, "nginx_tuned": "proxy:nginx:tuned", "lighttpd_tuned": "proxy:lighttpd:tuned"}

NO_WEBSOCKETS = frozenset({"nginx", "lighttpd", "nginx_hint"})
"""Roads that answer a WebSocket's handshake with an error: that is P11's matter."""

TITLES = {
    "relay": "a relay that waits for 4096 B",
    "nginx": "nginx as it comes",
    "lighttpd": "lighttpd as it comes",
    "nginx_hint": "nginx as it comes, asked not to",
    "nginx_tuned": "nginx tuned",
    "lighttpd_tuned": "lighttpd tuned",
}


async def observe(field: Field, cured: bool) -> Observation:  # noqa: FBT001  (as every experiment)
    before = (lambda app: app) if cured else Unhinted
    lab = await field.stack.enter_async_context(hosted(field.subject, before))
    roads = [Road(name, lab, link) for name, link in roads_for(field.subject, CURED if cured else PLAIN).items()]
    return judged(await flows(field, roads, PULSE))


def roads_for(subject: Subject, roads: Mapping[str, str]) -> dict[str, str]:
    socket = subject.found.about.pattern == "socket"
    return {name: link for name, link in roads.items() if not (socket and name in NO_WEBSOCKETS)}


def late(flow: Flow) -> bool:
    return flow.missing > 0 or flow.max_ms is None or flow.max_ms >= LATE_MS


def judged(found: Mapping[str, Flow]) -> Observation:
    """Bitten: on one of the roads events were held back for long, or had not come when all were sent."""
    held = [name for name, flow in found.items() if late(flow)]
    return observation(found, says(found, held), bitten=bool(held))


def says(found: Mapping[str, Flow], held: Sequence[str]) -> str:
    if not held:
        worst = max(flow.max_ms or 0 for flow in found.values())
        return f"every event came within {worst:,.0f} ms, through {', '.join(TITLES[name] for name in found)}"
    parts = [f"{TITLES[name]} {told(found[name])}" for name in held]
    let_through = [TITLES[name] for name in found if name not in held]
    return "; ".join(parts) + (f"; nothing was held by {', '.join(let_through)}" if let_through else "")


def told(flow: Flow) -> str:
    if flow.first_ms is None:
        return f"delivered none of {len(flow.sent)} events"
    return f"let the first through after {flow.first_ms:,.0f} ms and kept {flow.missing} of {len(flow.sent)}"


def bites(subject: Subject, cured: bool) -> bool:  # noqa: FBT001  (as every experiment)
    """A response that ends is passed on when it ends, and a WebSocket is no response any more."""
    return not cured and subject.found.about.pattern == "streaming"


experiment = Experiment(
    id="P1",
    name="buffering_proxy",
    title="A proxy that collects",
    question="Do events come one by one when a proxy collects responses before it passes them on?",
    fixture="Thirty events are sent, one every 0.1 s, to three readers: one behind a relay that waits for 4096 bytes "
    "of a "
    "response, whatever its headers say, one behind nginx and one behind lighttpd, both with their default "
    "configuration. The "
    "responses carry no header that asks proxies for anything. nginx speaks HTTP/1.0 to its server by default, and "
    "is answered "
    "without chunks, as that version asks for. WebSockets are tried through the relay only, for the two "
    "proxies refuse them by default (see P11).",
    expected="A stream is one response that never ends: its events come in bursts of some kilobytes, or never. nginx "
    "fills "
    "a buffer of one memory page first; lighttpd waits for the end. Answers to polls end, so they are passed on at "
    "once, and a "
    "WebSocket is no response any more.",
    cure="Send X-Accel-Buffering: no with each stream, which nginx obeys, or switch buffering off where the proxy is "
    "configured: proxy_buffering off in nginx, server.stream-response-body = 2 in lighttpd. All three were tried "
    "here. A proxy "
    "that obeys nobody, like the relay, leaves long polling and WebSockets.",
    sources=(
        "https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_buffering",
        "https://www.rfc-editor.org/rfc/rfc6202",
    ),
    bites=bites,
    missing=lambda: missing([*PLAIN.values(), *CURED.values()]),
    seconds=8,
    observe=observe,
)
