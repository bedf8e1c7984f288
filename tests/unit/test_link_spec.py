"""How a relay is asked for: what is understood, and what is refused in a sentence."""

import re
from pathlib import Path
from typing import Any

import pytest

from lab import link
from lab.errors import UserError
from lab.link.relay import Toxics
from lab.link.relay.spec import RelaySpec
from lab.link.relay.toxics import KEYS, changed


def spec(text: str) -> RelaySpec:
    (segment,) = link.parse(text).segments
    assert isinstance(segment, RelaySpec)
    return segment


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("relay", "relay"),
        ("relay:", "relay"),
        ("relay:delay=0ms", "relay"),
        ("relay:delay=0.05s", "relay:delay=50ms"),
        ("relay:up=50ms,down=50000us", "relay:delay=50ms"),
        ("relay:delay=50ms,up=1.5s", "relay:up=1.5s,down=50ms"),
        ("relay:rate=1000kbit, delay=5ms", "relay:delay=5ms,rate=1mbit"),
        ("relay:rate=1.5mbit", "relay:rate=1.5mbit"),
        ("relay:delay=20ms,jitter=10ms", "relay:delay=20ms,jitter=10ms"),
        ("relay:piece=01", "relay:piece=1"),
        ("relay:freeze=yes", "relay:freeze=both"),
        ("relay:freeze=off", "relay"),
        ("relay:idle=1min", "relay:idle=60s"),
        ("relay:cut_at=1000,by=rst", "relay:cut_at=1000,by=rst"),
        ("relay:cut_at=1000,by=fin", "relay:cut_at=1000"),
        ("relay:gzip=hold,buffer=end,chunk=7", "relay:buffer=end,gzip=hold,chunk=7"),
        ("relay:websocket=403", "relay:websocket=403"),
        ("relay:answer=502", "relay:answer=502"),
    ],
)
def test_the_same_meaning_has_the_same_text(text: str, canonical: str) -> None:
    assert spec(text).text == canonical
    assert spec(canonical) == spec(text)
    assert spec(text).title


@pytest.mark.parametrize(
    ("rest", "why"),
    [
        ("dely=5ms", "a relay has no 'dely'; it has delay, up, down, jitter, rate"),
        ("delay", "'delay' is wrong: each key is given once, as delay=VALUE"),
        ("delay=", "'delay=' is wrong: each key is given once, as delay=VALUE"),
        ("delay=1ms,delay=2ms", "'delay=2ms' is wrong: each key is given once, as delay=VALUE"),
        ("delay=50", "a relay's delay must be a time such as 50ms or 1.5s, at most 600s, not '50'"),
        ("delay=-5ms", "a relay's delay must be a time"),
        ("delay=nanms", "a relay's delay must be a time"),
        ("delay=601s", "a relay's delay must be a time"),
        ("delay=1.2.3s", "a relay's delay must be a time"),
        ("rate=0mbit", "a relay's rate must be a rate such as 1mbit, from 1kbit to 100gbit, or off, not '0mbit'"),
        ("rate=0", "a relay's rate must be a rate"),
        ("rate=5", "a relay's rate must be a rate"),
        ("rate=-1mbit", "a relay's rate must be a rate"),
        ("jitter=5ms", "a relay's jitter of 5ms is more than what it is taken from: no delay"),
        ("down=4ms,up=9ms,jitter=5ms", "a relay's jitter of 5ms is more than what it is taken from: 4ms"),
        ("piece=1.5", "a relay's piece must be a whole number of bytes from 1 to 1000000000, not '1.5'"),
        ("piece=inf", "a relay's piece must be a whole number"),
        ("freeze=maybe", "a relay's freeze must be both, up, down or off, not 'maybe'"),
        ("idle=1ms", "a relay's idle must be a time such as 60s, from 10ms to 86400s, not '1ms'"),
        ("by=axe", "a relay's by must be fin or rst, not 'axe'"),
        ("buffer=some", "a relay's buffer must be a whole number of bytes from 1 to 1000000000, or end, not 'some'"),
        ("gzip=yes", "a relay's gzip must be flush, hold or off, not 'yes'"),
        ("websocket=never", "a relay's websocket must be strip, 403, close, blackhole or off, not 'never'"),
        ("answer=200", "a relay's answer must be a status from 400 to 599, not '200'"),
        ("answer=502,gzip=hold", "a relay that answers every request with 502 has nothing else to do with HTTP"),
    ],
)
def test_what_is_impossible_is_refused(rest: str, why: str) -> None:
    with pytest.raises(UserError) as refused:
        link.parse(f"relay:{rest}")
    assert f"link 'relay:{rest}': {why}" in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"delay": 0.05}, Toxics(up=0.05, down=0.05)),
        ({"delay": "50ms", "down": 0}, Toxics(up=0.05)),
        ({"rate": 1e6}, Toxics(rate=1e6)),
        ({"rate": "1.6mbit", "rate_up": "768kbit"}, Toxics(rate=1.6e6, rate_up=768e3)),
        ({"freeze": True}, Toxics(freeze="both")),
        ({"buffer": "end"}, Toxics(buffer=-1)),
        ({"answer": 502}, Toxics(answer=502)),
        ({"websocket": 403}, Toxics(websocket="403")),
    ],
)
def test_numbers_are_seconds_bytes_and_bits_per_second(settings: dict[str, Any], expected: Toxics) -> None:
    assert changed(Toxics(), settings) == expected


def test_everything_can_be_turned_off_again() -> None:
    sick = changed(
        Toxics(),
        {
            "delay": "2ms",
            "jitter": "1ms",
            "rate": "1mbit",
            "rate_up": "1kbit",
            "piece": 1,
            "freeze": "up",
            "cut_at": 1,
            "idle": "1s",
        }
        | {"by": "rst", "buffer": 1, "gzip": "hold", "chunk": 1, "websocket": "403"},
    )
    assert changed(sick, dict.fromkeys(KEYS, "off") | {"by": "fin"}) == Toxics()


def test_nothing_changes_when_something_is_refused() -> None:
    toxics = changed(Toxics(), {"delay": 0.01, "jitter": 0.01})
    with pytest.raises(UserError):
        changed(toxics, {"delay": 0.001})


def test_every_setting_is_described() -> None:
    page = (Path(link.__file__).parents[2] / "docs" / "links.md").read_text("utf-8")
    table = page.split("## Relay\n")[1].split("\n## ")[0]
    assert set(re.findall(r"`(\w+)=", table)) == set(KEYS)
