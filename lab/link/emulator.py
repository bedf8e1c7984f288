"""A network in user space: carries IP packets between two TUN devices, late, at a rate, and not all of them.

It is run by its path and needs nothing but Python, so that it starts at once and stays small. Its argument is JSON, see
`Orders`. Standard input brings a request a line, `{"do": "set", …}` or `{"do": "lap"}`; each is answered on standard
output by `{"ok": …}`. It ends with its standard input: because that was closed, or because who held it is dead.
"""

import ctypes
import fcntl
import gc
import json
import os
import random
import select
import struct
import sys
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, TypedDict

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
CLONE_NEWNET = 0x40000000
PR_SET_TIMERSLACK = 29

LARGEST = 65536  # bytes of a packet
KEPT = 100_000  # departures whose lateness is kept until somebody asks

SPIN = 0.00006
"""Seconds before a departure in which it does not sleep: a sleep ends up to so much too late."""

libc = ctypes.CDLL(None, use_errno=True)


class Orders(TypedDict):
    """What is to be joined: the namespaces of two processes, by a device of that name in each.

    The first is near the server; "down" is from there to the other. `seed` is of the losses and the jitter,
    `conditions` are what befalls packets at first, by direction.
    """

    pids: tuple[int, int]
    device: str
    seed: int
    conditions: dict[str, "Conditions"]


class Conditions(TypedDict):
    """What befalls the packets of one direction.

    `delay` and `jitter`: seconds. `rate`: bit/s, or 0 for no limit. `queue`: packets that may wait for their turn.
    `loss`: the share of packets that get lost. `burst`: the mean length in packets of the times in which they do, of
    which `density` is lost; 0 = each by itself. `blackhole`: nothing passes.
    """

    delay: float
    jitter: float
    rate: float
    queue: int
    loss: float
    burst: float
    density: float
    blackhole: bool


class Luck:
    """Which packets get lost: each by itself, or in bursts, which is the model of Gilbert and Elliott."""

    def __init__(self, conditions: Conditions, rng: random.Random) -> None:
        self.loss, self.density, self.rng = conditions["loss"], conditions["density"], rng
        self.bursts, self.bad = conditions["burst"] > 0 and self.loss > 0, False
        if self.bursts:
            self.begins, self.ends = turns(conditions)

    def strikes(self) -> bool:
        if not self.bursts:
            return self.loss > 0 and self.rng.random() < self.loss
        self.bad = self.rng.random() >= self.ends if self.bad else self.rng.random() < self.begins
        return self.bad and self.rng.random() < self.density


def turns(conditions: Conditions) -> tuple[float, float]:
    """How likely at each packet a bad time begins, or ends."""
    share = conditions["loss"] / conditions["density"]  # of packets that fall into bad times
    ends = 1 / conditions["burst"]
    return ends * share / (1 - share), ends


class Way:
    """One direction: what is on its way, and what has become of the rest."""

    def __init__(self, out: int, rng: random.Random) -> None:
        self.out, self.rng = out, rng
        self.flying: deque[tuple[float, bytes]] = deque()  # due, packet; in order
        self.waiting: deque[float] = deque()  # until when each that waits for its turn does
        self.free = self.last = 0.0  # when the line is free again; when the last packet leaves it
        self.forget()

    def forget(self) -> None:
        self.counts = dict.fromkeys(("packets", "bytes", "lost", "overflowed", "swallowed"), 0)
        self.late: deque[float] = deque(maxlen=KEPT)  # seconds

    def set(self, conditions: Conditions) -> None:
        """From now on; what is on its way already keeps its time, but nothing comes out of a black hole."""
        self.conditions, self.luck = conditions, Luck(conditions, self.rng)
        if conditions["blackhole"]:
            self.counts["swallowed"] += len(self.flying)
            self.flying.clear()
            self.waiting.clear()
            self.free = self.last = 0.0

    def take(self, packet: bytes, now: float) -> None:
        """Where a packet sets out; later ones never overtake it."""
        at = self.conditions
        if at["blackhole"]:
            self.counts["swallowed"] += 1
        elif self.luck.strikes():
            self.counts["lost"] += 1
        elif at["rate"] and not self._room(now, at["queue"]):
            self.counts["overflowed"] += 1
        else:
            due = self._sent(len(packet), now, at["rate"]) + at["delay"]
            if at["jitter"]:
                due += self.rng.uniform(-at["jitter"], at["jitter"])
            self.last = max(due, self.last)
            self.flying.append((self.last, packet))

    def _room(self, now: float, queue: int) -> bool:
        while self.waiting and self.waiting[0] <= now:
            self.waiting.popleft()
        return len(self.waiting) <= queue  # one of them is not waiting, but being sent

    def _sent(self, size: int, now: float, rate: float) -> float:
        """When the line has sent it."""
        if not rate:
            return now
        self.free = max(now, self.free) + size * 8 / rate
        self.waiting.append(self.free)
        return self.free

    def deliver(self, now: float) -> None:
        """All that is due."""
        while self.flying and self.flying[0][0] <= now:
            due, packet = self.flying.popleft()
            try:
                os.write(self.out, packet)
            except OSError:  # whoever is there takes no more
                self.counts["overflowed"] += 1
            else:
                self.counts["packets"] += 1
                self.counts["bytes"] += len(packet)
                self.late.append(time.monotonic() - due)


class Emulator:
    """Two devices, and a way from each to the other."""

    def __init__(self, near: int, far: int, orders: Orders) -> None:
        seed = orders["seed"]
        self.ways = {near: Way(far, random.Random(f"{seed} down")), far: Way(near, random.Random(f"{seed} up"))}
        self.named = dict(zip(("down", "up"), self.ways.values(), strict=True))
        self.said = b""  # of a request, until its line is whole
        self.set(**orders["conditions"])

    def run(self) -> None:
        """Until standard input ends."""
        inputs = [*self.ways, sys.stdin.fileno()]
        while True:
            ready, _, _ = select.select(inputs, [], [], self._rest())
            for one in ready:
                if one in self.ways:
                    self._take(one)
                elif not self._listen(one):
                    return
            now = time.monotonic()
            for way in self.ways.values():
                way.deliver(now)

    def _rest(self) -> float | None:
        """Seconds to sleep; None = until something comes."""
        due = min((way.flying[0][0] for way in self.ways.values() if way.flying), default=None)
        return None if due is None else max(0.0, due - time.monotonic() - SPIN)

    def _take(self, device: int) -> None:
        way = self.ways[device]
        for _ in range(64):  # then the others have a turn
            try:
                packet = os.read(device, LARGEST)
            except BlockingIOError:
                return
            if packet[0] >> 4 == 4:  # the system's own chatter in IPv6 is nobody's traffic
                way.take(packet, time.monotonic())

    def _listen(self, where: int) -> bool:
        """Whether there may be more to hear."""
        heard = os.read(where, LARGEST)
        *lines, self.said = (self.said + heard).split(b"\n")
        for line in lines:
            request = json.loads(line)
            answer = getattr(self, request.pop("do"))(**request)
            say({"ok": answer})
        return bool(heard)

    def set(self, **conditions: Conditions) -> None:
        for name, those in conditions.items():
            self.named[name].set(those)

    def lap(self) -> dict[str, Any]:
        """Since the last time, by direction: what passed and what did not, and how late it left, in µs."""
        lap = {name: way.counts | {"late_us": quantiles(way.late)} for name, way in self.named.items()}
        for way in self.named.values():
            way.forget()
        return lap


def quantiles(late: deque[float]) -> Mapping[str, float] | None:
    """In µs; None when nothing left."""
    if not late:
        return None
    ordered = sorted(late)
    return {f"p{p}": round(ordered[len(ordered) * p // 100] * 1e6, 1) for p in (50, 99)}


def device(pid: int, name: str) -> int:
    """A TUN device in the network namespace of that process: gone when it is closed."""
    namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    if libc.setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    os.close(namespace)
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    return tun


def punctual() -> str:
    """Be woken in time, as far as that is allowed; says how it is scheduled."""
    libc.prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)  # ns; else sleeps are prolonged by 50 µs
    gc.disable()  # nothing here goes in circles
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except OSError:
        return "ordinary"
    return "real time"


def say(what: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def main() -> None:
    orders: Orders = json.loads(sys.argv[1])
    try:
        near, far = (device(pid, orders["device"]) for pid in orders["pids"])
    except OSError as error:
        say({"error": f"there is no TUN device: {error.strerror}"})
        return
    emulator = Emulator(near, far, orders)
    say({"ok": punctual()})
    emulator.run()


if __name__ == "__main__":
    main()
