"""Behaviours that were never observed: with everything in them that a report must cope with."""

import math
from collections.abc import Iterator
from dataclasses import replace

from benchmarks.behaviours.experiment import Experiment, Moment, Observation
from benchmarks.behaviours.store import Seen, Spot, spots
from benchmarks.report.behaviours import Report, report

SUBJECTS = ["fetch_streaming", "long_polling", "short_polling", "sse", "websocket", "xhr_streaming"]
VERSIONS = {"pushlab": "0.1.0", "python": "3.11.7", "system": "Linux-6.18", "chromium": "156.0"}
NASTY = "</script><b onclick='x'>`| bold"

BUFFERING = Experiment(
    id="P1",
    name="buffering_proxy",
    title="A proxy that collects",
    question="Do events reach the page while the response is still going on?",
    fixture="A proxy between server and browser holds a response back until it has 4,096 bytes of it, or its end.",
    expected="Streams arrive in bursts, one for each 4,096 bytes. Whole responses and WebSockets pass.",
    cure="The header X-Accel-Buffering: no, which such proxies obey.",
    sources=("https://www.rfc-editor.org/rfc/rfc6202", "https://nginx.org/en/docs/http/ngx_http_proxy_module.html"),
)
LIMIT = Experiment(
    id="P2",
    name="connection_limit",
    title="Six connections for each origin",
    question="Does the seventh page get its events?",
    fixture="Seven pages of one browser context follow the same origin over HTTP/1.1.",
    expected="The seventh page waits, and no error tells it.",
)
IDLE = Experiment(
    id="P3",
    name="idle_timeout",
    title="A balancer that ends what is idle",
    question="Is a quiet connection still there after a minute?",
    fixture="A relay ends connections on which nothing has passed for two seconds.",
    expected="Without heartbeats, connections are cut.",
    cure="Heartbeats.",
)
HTTP2 = Experiment(
    id="P13",
    name="stream_limit",
    title="A hundred streams",
    question="Does the 101st stream open?",
    fixture="A server that speaks HTTP/2.",
    expected="It waits.",
    impossible="this lab has no server that speaks HTTP/2",
)
SLEEP = Experiment(
    id="P6",
    name="hidden_page",
    title="A page that nobody sees",
    question="Is it still told in time?",
    fixture="A hidden page with all the flags left out that keep it awake.",
    expected="Timers run once a minute.",
    cure="Push instead of polling.",
    seconds=420,
)
ALL = [BUFFERING, LIMIT, IDLE, SLEEP, HTTP2]


def made_up(engines: tuple[str, ...] = ("chromium",)) -> Report:
    seen = {one.spot: one for engine in engines for one in _everything(engine)}
    return report(ALL, SUBJECTS, engines, seen, ["P1-sse-plain.json is damaged and was left out: no JSON"])


def nothing() -> Report:
    return report(ALL, SUBJECTS, ["chromium"], {})


def _everything(engine: str) -> Iterator[Seen]:
    for experiment in (BUFFERING, LIMIT, IDLE):
        for subject in SUBJECTS:
            for spot in spots(experiment, subject, engine):
                yield from _seen(experiment, spot)


def _seen(experiment: Experiment, spot: Spot) -> Iterator[Seen]:
    stream = "streaming" in spot.subject or spot.subject == "sse"
    base = Seen(spot, "observed", versions=VERSIONS, seconds=6.21, when="2026-11-24T18:05:00+00:00")
    if experiment is LIMIT and spot.subject == "websocket":
        yield replace(base, state="unsupported", reason="a WebSocket counts for another limit")
    elif experiment is IDLE and spot.subject == "sse":
        yield replace(base, state="failed", reason=f"the page did not answer: {NASTY}", moments=[Moment(0.2, "open")])
    elif experiment is IDLE and spot.subject == "long_polling":
        yield replace(base, state="unavailable", reason="haproxy is not installed: apt-get install haproxy")
    elif experiment is IDLE and spot.subject == "websocket":
        return  # not yet
    elif experiment is IDLE and spot.subject == "xhr_streaming":
        yield _observed(base, bitten=True, expected=not spot.cured)  # the cure does not help
    else:
        bitten = stream and not spot.cured
        odd = experiment is LIMIT and spot.subject == "short_polling"
        yield _observed(base, bitten=bitten, expected=bitten != odd)


def _observed(base: Seen, *, bitten: bool, expected: bool) -> Seen:
    says = "the first event came after 6.84 s, 71 at once" if bitten else "each event came within 12 ms"
    steps = [(n / 20, 4.0 + 2 * math.sin(n / 9)) for n in range(400)]
    stairs = [(n / 20, 6800.0 - 50 * (n % 136) if bitten else 9.0) for n in range(400)]
    observation = Observation(
        bitten,
        says,
        {"first_event_ms": 6840 if bitten else 11.2, "events": 400, "server": NASTY, "peak_kib": None},
        {
            "in_the_page_ms": stairs,
            "at_the_server_ms": steps,
            "queue_kib by event": [(float(n), float(n % 37)) for n in range(90)],
            "nothing_ms": [],
        },
        ("GET /transports/sse/events HTTP/1.1", NASTY, "200 " + "a very long line of a log " * 12),
    )
    moments = [
        Moment(0.0, "set out", "http://127.0.0.1:40123"),
        Moment(0.04, "open"),
        Moment(0.05, "first event", NASTY),
    ]
    moments += [Moment(0.5 + 0.4 * n, "burst", f"{n + 3} events") for n in range(14)]
    return replace(base, expected=expected, observation=observation, moments=moments)
