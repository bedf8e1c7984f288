"""Networks as people ask for them: one text for one meaning, and one sentence for what can't be."""

import os
import random
import struct
import time
from collections import Counter
from pathlib import Path

import pytest

from lab import link
from lab.errors import UserError
from lab.link import emulator, net
from lab.link.conditions import SETTINGS, Conditions
from lab.link.impairment import netem
from lab.link.profiles import PROFILES


def conditions(rest: str) -> Conditions:
    return net.parse(rest).conditions


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("4g", "net:4g"),
        ("rtt=100", "net:rtt=100ms"),
        ("rtt=0.1s", "net:rtt=100ms"),
        ("delay=50ms", "net:rtt=100ms"),
        (" loss=1% , rtt=100", "net:rtt=100ms,loss=1%"),
        ("loss=0.07", "net:loss=7%"),
        ("rate=12MBIT", "net:rate=12mbit"),
        ("down=384kbit,up=384kbit", "net:rate=384kbit"),
        ("down=1500kbit,up=384kbit", "net:down=1.5mbit,up=384kbit"),
        ("rtt=10,rate=1gbit,queue=20,cc=reno,seed=7", "net:rtt=10ms,rate=1gbit,queue=20,cc=reno,seed=7"),
        ("loss=3%,burst=8,density=50%", "net:loss=3%,burst=8,density=50%"),
        ("rtt=0", "net:rtt=0ms"),
        ("4g,rtt=170ms", "net:4g"),  # as it was
        ("4g,loss=2%", "net:4g,loss=2%"),
        ("cable,up=2mbit", "net:cable,up=2mbit"),
        ("wifi-lossy,loss=0%", "net:wifi-lossy,loss=0%"),
    ],
)
def test_a_network_has_one_text(written: str, text: str) -> None:
    spec = net.parse(written)
    assert spec.text == text
    again = link.parse(spec.text)
    assert again.text == text
    assert again.segments[0] == spec


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("5g", "unknown network '5g': there are lan, cable"),
        ("", "unknown network '': there are lan"),
        ("rtt", "unknown network 'rtt'"),
        ("4g,3g", "unknown setting '3g' of a network: there are rtt"),
        ("4g,blackhole=down", "unknown setting 'blackhole=down'"),
        ("rtt=fast", "rtt can't be 'fast': it is a time, from 0 to 60 s, as in 100ms"),
        ("rtt=-5", "rtt can't be '-5'"),
        ("rtt=2min", "rtt can't be '2min'"),
        ("rtt=61s", "rtt can't be '61s'"),
        ("loss=101%", "loss can't be '101%': it is a share, from 0 to 100 %"),
        ("loss=2", "loss can't be '2'"),
        ("loss=nan", "loss can't be 'nan'"),
        ("rate=0mbit", "rate can't be '0mbit': it is a rate, more than 0"),
        ("down=-1mbit", "down can't be '-1mbit'"),
        ("rate=nan", "rate can't be 'nan'"),
        ("rate=12", "rate can't be '12'"),
        ("rate=20gbit", "rate can't be '20gbit'"),
        ("rate=1mbit,queue=0", "queue can't be '0'"),
        ("rate=1mbit,queue=1.5", "queue can't be '1.5'"),
        ("queue=5", "queue=5 needs a rate"),
        ("rtt=10,jitter=6", "jitter=6ms is more than the 5ms that a packet takes one way"),
        ("burst=3", "burst=3 needs a loss, as in loss=3%"),
        ("loss=1%,density=50%", "density=50% needs a burst"),
        ("loss=60%,burst=3,density=50%", "loss=60% in bursts must be less than 50%, their density"),
        ("loss=90%,burst=3", "burst=3 is too short for a loss of 90%: it must be at least 9"),
        ("rtt=10,rtt=20", "'rtt=20' says again what was said before"),
        ("rtt=10,delay=20", "delay=20 says again what was said before"),
        ("rate=1mbit,up=1mbit", "up=1mbit says again what was said before"),
    ],
)
def test_what_can_not_be_is_refused_in_one_sentence(written: str, message: str) -> None:
    with pytest.raises(UserError) as refused:
        net.parse(written)
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_can_be_read_and_says_where_it_is_from(name: str) -> None:
    spec = net.parse(name)
    assert spec.text == f"net:{name}"
    assert spec.source
    assert PROFILES[name].title in spec.title


def test_the_page_on_networks_has_every_setting_and_every_profile_as_it_is() -> None:
    page = (Path(__file__).parents[2] / "docs" / "networks.md").read_text("utf-8")
    for name in SETTINGS:
        assert f"`{name}=" in page
    for name, one in PROFILES.items():
        assert f"| `{name}` | `{one.settings}` | {one.source} |" in page.splitlines()


def test_a_title_tells_all_in_words() -> None:
    assert net.parse("cable").title == "cable with a round trip of 28 ms, 5 Mbit/s down and 1 Mbit/s up"
    assert "3 % of packets lost in bursts of 8, of which 50 % is" in net.parse("wifi-lossy").title


def test_an_unknown_congestion_control_is_missing() -> None:
    assert "no congestion control 'nonsense': it has " in net.parse("rtt=1,cc=nonsense").missing()


def test_numbers_are_in_seconds_bits_and_shares() -> None:
    changed = conditions("rtt=100").changed({"delay": 0.02, "loss": 0.5, "rate": 1e6})
    assert (changed.rtt, changed.loss, changed.down, changed.up) == (0.04, 0.5, 1e6, 1e6)


def test_the_queue_holds_a_round_trip_by_default() -> None:
    assert conditions("rtt=170,rate=9mbit").way("down")["queue"] == 128  # 9 Mbit/s × 170 ms / 8 / 1500 = 127.5
    assert conditions("rtt=1,rate=1mbit").way("down")["queue"] == 50


# Luck


def losses(written: str, packets: int = 200_000) -> list[bool]:
    luck = emulator.Luck(conditions(written).way("down"), random.Random(1))
    return [luck.strikes() for _ in range(packets)]


@pytest.mark.parametrize("written", ["loss=3%", "loss=3%,burst=8", "loss=3%,burst=8,density=50%"])
def test_as_many_packets_get_lost_as_were_asked_for(written: str) -> None:
    assert sum(losses(written)) / 200_000 == pytest.approx(0.03, rel=0.1)


def test_bursts_are_as_long_as_was_asked_for() -> None:
    runs = "".join("x" if lost else " " for lost in losses("loss=3%,burst=8")).split()
    assert sum(map(len, runs)) / len(runs) == pytest.approx(8, rel=0.1)
    alone = "".join("x" if lost else " " for lost in losses("loss=3%")).split()
    assert sum(map(len, alone)) / len(alone) == pytest.approx(1.03, rel=0.02)


def test_all_or_nothing_is_lost_at_the_ends() -> None:
    assert sum(losses("loss=100%", 1000)) == 1000
    assert sum(losses("loss=0%", 1000)) == 0


# A way


def due(written: str, packets: list[tuple[float, int]]) -> tuple[list[float], dict[str, int]]:
    """When packets leave that set out at these instants (s) and have so many bytes; and the counts of the others."""
    way = emulator.Way(-1, random.Random(1))
    way.set(conditions(written).way("down"))
    for at, size in packets:
        way.take(emulator.PLAIN + bytes(size), at)
    return [at for at, *_ in way.flying], way.counts


def test_a_packet_leaves_after_half_a_round_trip() -> None:
    assert due("rtt=100", [(1.0, 100), (1.5, 100)])[0] == [1.05, 1.55]


def test_packets_take_their_turns_at_the_rate() -> None:
    leaving, _ = due("rtt=10,rate=1mbit", [(1.0, 1250), (1.0, 1250), (2.0, 125)])
    assert leaving == pytest.approx([1.015, 1.025, 2.006])


def test_there_is_room_for_one_on_the_line_and_those_that_wait() -> None:
    leaving, counts = due("rate=1mbit,queue=3", [(1.0, 1250)] * 10 + [(1.015, 1250)] * 10)
    assert leaving == pytest.approx([1.01, 1.02, 1.03, 1.04, 1.05])
    assert counts["overflowed"] == 15


def test_jitter_is_within_its_bounds_and_overtakes_nothing() -> None:
    setting_out = [n / 10 for n in range(2000)]
    leaving, _ = due("rtt=100,jitter=20", [(at, 100) for at in setting_out])
    held = sorted(left - at for left, at in zip(leaving, setting_out, strict=True))
    assert (held[0], held[1000], held[-1]) == pytest.approx((0.03, 0.05, 0.07), abs=0.002)
    close, _ = due("rtt=100,jitter=20", [(n / 1000, 100) for n in range(2000)])
    assert close == sorted(close)
    assert all(left <= n / 1000 + 0.07 + 1e-9 for n, left in enumerate(close))


def test_the_same_seed_is_the_same_luck() -> None:
    packets = [(n / 10, 100) for n in range(100)]
    assert due("rtt=10,jitter=5,loss=20%", packets) == due("rtt=10,jitter=5,loss=20%", packets)


# Trains

SEGMENT, SENT = 1000, 10_500  # bytes of TCP: 10 whole segments, and half a one
PSH_ACK, ACK = 0x18, 0x10


def train() -> bytes:
    """A frame as the kernel makes them: TCP with 12 bytes of options, ten times a segment and half a one."""
    length = 20 + 32 + SENT
    fields = 0x4500, length, 0xFFFE, 0x4000, 0x4006, 0x7F4D, 0x0001, 0x7F4D, 0x0002
    ip = struct.pack("!5HH4H", *fields[:5], 0xFFFF - emulator.total(*fields), *fields[5:])
    tcp = struct.pack("!HHIIBBHHH", 7, 8, 0xFFFFFFFF, 1, 8 << 4, PSH_ACK, 99, 0xFFFF & (length - 20), 0) + bytes(12)
    body = bytes(n // SEGMENT for n in range(SENT))
    return emulator.VNET.pack(1, 1, 52, SEGMENT, 20, 16) + ip + tcp + body


def parts(written: str, seed: int = 1) -> tuple[emulator.Way, list[tuple[float, bytes, int, int]]]:
    way = emulator.Way(-1, random.Random(seed))
    way.set(conditions(written).way("down"))
    way.take(train(), 1.0)
    return way, list(way.flying)


def test_a_train_stays_whole_where_nothing_parts_it() -> None:
    _, flying = parts("rtt=100")
    assert flying == [(1.05, train(), 11, SENT + 11 * 52)]


def test_each_packet_of_a_train_has_its_turn() -> None:
    _, flying = parts("rtt=10,rate=1mbit")
    assert [(packets, size) for *_, packets, size in flying] == [(1, 1052)] * 10 + [(1, 552)]
    assert [due for due, *_ in flying][:2] == pytest.approx([1.005 + 0.008416, 1.005 + 2 * 0.008416])
    _, full = parts("rate=1mbit,queue=3")
    assert len(full) == 4


@pytest.mark.parametrize("written", ["loss=30%", "loss=30%,burst=3", "rate=1mbit", "rtt=20,jitter=5"])
def test_the_parts_of_a_train_are_what_the_kernel_would_have_sent(written: str) -> None:
    way, flying = parts(written)
    assert sum(packets for _, _, packets, _ in flying) + way.counts["lost"] == 11
    for _, frame, packets, size in flying:
        _, kind, _, segment, _, _ = emulator.VNET.unpack_from(frame)
        assert (kind, segment) == ((1, SEGMENT) if packets > 1 else (0, 0))
        length, identification, fragment = struct.unpack_from("!HHH", frame, 12)
        body = frame[10 + 52 :]
        assert (length, fragment) == (52 + len(body), 0x4000)
        assert size == len(body) + packets * 52
        first = body[0]
        assert body == bytes(n // SEGMENT for n in range(SENT))[first * SEGMENT :][: len(body)]
        assert identification == (0xFFFE + first) % 2**16
        assert emulator.total(*struct.unpack_from("!10H", frame, 10)) == 0xFFFF
        assert struct.unpack_from("!I", frame, 34)[0] == (0xFFFFFFFF + first * SEGMENT) % 2**32
        assert frame[30 + 13] == (PSH_ACK if first + packets == 11 else ACK)
        assert struct.unpack_from("!H", frame, 46)[0] == length - 20


def test_a_train_that_left_counts_as_its_packets() -> None:
    way, _ = parts("rtt=100")
    read, way.out = os.pipe()
    assert not way.deliver(1.0)
    assert way.deliver(time.monotonic())
    assert os.read(read, emulator.LARGEST) == train()
    assert sum(way.late.values()) == 11
    lap = way.lap()
    assert (lap["packets"], lap["bytes"]) == (11, SENT + 11 * 52)
    assert way.lap() == dict.fromkeys(way.counts, 0) | {"late_us": None, "rate": None}
    os.close(read)
    os.close(way.out)


def test_lateness_counts_packets_and_not_frames() -> None:
    late = Counter({10: 98, 500: 2})
    assert emulator.quantiles(late) == {"p50": 10, "p99": 500}
    assert emulator.quantiles(Counter({10: 99, 500: 1})) == {"p50": 10, "p99": 500}
    assert emulator.quantiles(Counter({10: 199, 500: 1})) == {"p50": 10, "p99": 10}
    assert emulator.quantiles(Counter()) is None


def test_it_never_takes_a_processor_wholly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the kernel would stop it, in one piece."""
    now, rested = 0.0, list[float]()
    monkeypatch.setattr(time, "monotonic", lambda: now + sum(rested))
    monkeypatch.setattr(time, "process_time", lambda: now)  # always busy
    monkeypatch.setattr(time, "sleep", rested.append)
    breath = emulator.Breath()
    for n in range(1, 20_001):
        now = n * 0.00005
        breath.take(time.monotonic())
    assert max(rested) < 0.0005
    assert now / (now + sum(rested)) == pytest.approx(emulator.SHARE, abs=0.01)


# The kernel's way


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("rtt=100", "limit 62550 delay 50000us rate 100000000000bit"),
        ("rtt=100,rate=8mbit,queue=10", "limit 510 delay 50000us rate 8000000bit"),
        (
            "rtt=100,jitter=10,loss=1%,rate=8mbit,queue=10",
            "limit 610 delay 50000us 10000us loss 1.000000% rate 8000000bit",
        ),
        (
            "rtt=0,loss=20%,burst=4,density=50%,rate=8mbit,queue=10",
            "limit 10 delay 0us loss gemodel 16.666667% 25.000000% 50.000000% 0.000000% rate 8000000bit",
        ),
    ],
)
def test_the_kernel_is_told_the_same(written: str, words: str) -> None:
    assert " ".join(netem(conditions(written).way("down"))) == words


def test_a_black_hole_is_told_the_kernel_as_loss() -> None:
    down, up = (conditions("rtt=10").changed({"blackhole": "down"}).way(way) for way in ("down", "up"))
    assert "loss 100%" in " ".join(netem(down))
    assert "loss" not in netem(up)
