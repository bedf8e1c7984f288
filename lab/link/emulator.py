"""A network in user space: carries IP packets between two TUN devices, late, at a rate, and not all of them.

It is run by its path and needs nothing but Python, so that it starts at once and stays small. Its argument is JSON, see
`Orders`. Standard input brings a request a line, `{"do": "set", …}` or `{"do": "lap"}`; each is answered on standard
output by `{"ok": …}`. It ends with its standard input: because that was closed, or because who held it is dead.
"""

import bisect
import ctypes
import fcntl
import gc
import itertools
import json
import os
import random
import select
import struct
import sys
import time
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any, TypedDict

TUNSETIFF, TUNSETOFFLOAD = 0x400454CA, 0x400454D0
IFF_TUN, IFF_NO_PI, IFF_VNET_HDR = 0x0001, 0x1000, 0x4000
TUN_F_CSUM, TUN_F_TSO4 = 0x01, 0x02
CLONE_NEWNET = 0x40000000
PR_SET_TIMERSLACK = 29
M_TRIM_THRESHOLD = -1

VNET = struct.Struct("=BBHHHH")
"""What stands before a packet, `struct virtio_net_hdr`: flags, kind, length of headers, bytes of a segment, and where
checksumming starts and its sum goes. It is left undone: between two namespaces nobody needs it."""

PLAIN = VNET.pack(0, 0, 0, 0, 0, 0)
"""Before a packet that is whole."""

KIND, IP = 1, VNET.size  # where in a frame they are
FIN_PSH, CWR = 0x09, 0x80  # flags of TCP: for the last of several segments, and for the first

LARGEST = VNET.size + 65536  # bytes of a frame
TURN = 0.0001  # seconds for what comes, or for what is due: then the others have a turn

SPIN = 0.00006
"""Seconds before a departure in which it does not sleep: a sleep ends up to so much too late."""

PAUSE = 5 * SPIN
"""A shorter one is slept through to its end: else it would never sleep at a high rate, see `Breath`."""

SHARE, LOOK = 0.92, 0.004
"""Of a processor that it takes at most where it has real-time priority, and seconds in which that is held to."""

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


class Train:
    """A frame of several TCP segments: what a connection sends at once, before it is cut into packets.

    Each of them has its own luck. Those that leave at the same instant stay together.
    """

    def __init__(self, frame: bytes) -> None:
        self.frame = frame
        self.tcp = IP + 4 * (frame[IP] & 15)
        self.body = self.tcp + 4 * (frame[self.tcp + 12] >> 4)
        _, _, _, self.segment, _, _ = VNET.unpack_from(frame)
        whole, rest = divmod(len(frame) - self.body, self.segment)
        self.sizes = [self.body - IP + size for size in [self.segment] * whole + [rest] * bool(rest)]  # as IP counts

    def part(self, first: int, end: int) -> bytes:
        """A frame of these segments: their headers are what the kernel would have made of them."""
        if end - first == len(self.sizes):
            return self.frame
        head = bytearray(self.frame[: self.body])
        body = self.frame[self.body + first * self.segment : self.body + end * self.segment]
        if end - first == 1:
            head[KIND], head[4:6] = 0, bytes(2)  # no segments any more
        self._number(head, first, len(head) - IP + len(body))
        head[self.tcp + 13] &= ~((FIN_PSH if end < len(self.sizes) else 0) | (CWR if first else 0))
        return bytes(head + body)

    def _number(self, head: bytearray, first: int, length: int) -> None:
        """IP's length, identification and checksum; TCP's sequence number, and the length in its sum."""
        before, identification = struct.unpack_from("!HH", head, IP + 2)
        struct.pack_into("!HH", head, IP + 2, length, (identification + first) & 0xFFFF)
        struct.pack_into("!H", head, IP + 10, 0)
        struct.pack_into(
            "!H", head, IP + 10, 0xFFFF - total(*struct.unpack_from(f"!{(self.tcp - IP) // 2}H", head, IP))
        )
        (sequence,) = struct.unpack_from("!I", head, self.tcp + 4)
        struct.pack_into("!I", head, self.tcp + 4, (sequence + first * self.segment) & 0xFFFFFFFF)
        (pseudo,) = struct.unpack_from("!H", head, self.tcp + 16)
        struct.pack_into("!H", head, self.tcp + 16, total(pseudo, 0xFFFF - before, length))


def total(*words: int) -> int:
    """In ones' complement, see RFC 1071."""
    summed = sum(words)
    while summed > 0xFFFF:
        summed = (summed & 0xFFFF) + (summed >> 16)
    return summed


class Way:
    """One direction: what is on its way, and what has become of the rest."""

    def __init__(self, out: int, rng: random.Random) -> None:
        self.out, self.rng = out, rng
        self.flying: deque[tuple[float, bytes, int, int]] = deque()  # due, frame, its packets, their bytes; in order
        self.waiting: deque[float] = deque()  # until when each that waits for its turn does
        self.free = self.last = 0.0  # when the line is free again; when the last packet leaves it
        self.forget()

    def forget(self) -> None:
        self.counts = dict.fromkeys(("packets", "bytes", "lost", "overflowed", "swallowed"), 0)
        self.late: Counter[int] = Counter()  # packets by µs
        self.first = self.latest = 0.0  # when any left

    def set(self, conditions: Conditions) -> None:
        """From now on; what is on its way already keeps its time, but nothing comes out of a black hole."""
        self.conditions, self.luck = conditions, Luck(conditions, self.rng)
        if conditions["blackhole"]:
            self.counts["swallowed"] += sum(packets for _, _, packets, _ in self.flying)
            self.flying.clear()
            self.waiting.clear()
            self.free = self.last = 0.0

    def take(self, frame: bytes, now: float) -> None:
        """Where packets set out."""
        if not frame[KIND]:
            size = len(frame) - IP
            if (due := self._due(size, now)) is not None:
                self.flying.append((due, frame, 1, size))
            return
        train, first = Train(frame), 0
        dues = [self._due(size, now) for size in train.sizes]
        for due, those in itertools.groupby(dues):
            end = first + sum(1 for _ in those)
            if due is not None:
                self.flying.append((due, train.part(first, end), end - first, sum(train.sizes[first:end])))
            first = end

    def _due(self, size: int, now: float) -> float | None:
        """When a packet leaves, never before one that set out earlier; None = never."""
        at = self.conditions
        if at["blackhole"]:
            self.counts["swallowed"] += 1
        elif self.luck.strikes():
            self.counts["lost"] += 1
        elif at["rate"] and not self._room(now, at["queue"]):
            self.counts["overflowed"] += 1
        else:
            due = self._sent(size, now, at["rate"]) + at["delay"]
            if at["jitter"]:
                due += self.rng.uniform(-at["jitter"], at["jitter"])
            self.last = max(due, self.last)
            return self.last
        return None

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

    def deliver(self, now: float) -> bool:
        """What is due, but not too much of it in a row; whether there was any."""
        flying, counts, after = self.flying, self.counts, now
        while flying and flying[0][0] <= now and after < now + TURN:
            due, frame, packets, size = flying.popleft()
            try:
                os.write(self.out, frame)
            except OSError:  # whoever is there takes no more
                counts["overflowed"] += packets
            else:
                counts["packets"] += packets
                counts["bytes"] += size
                after = time.monotonic()
                self.late[int((after - due) * 1e6)] += packets
        if after > now:
            self.first, self.latest = self.first or now, now
        return after > now

    def lap(self) -> dict[str, Any]:
        """Since the last time: what passed and what did not, how late it left in µs, and at what rate in bit/s."""
        seconds = self.latest - self.first
        rate = round(self.counts["bytes"] * 8 / seconds) if seconds else None
        lap = self.counts | {"late_us": quantiles(self.late), "rate": rate}
        self.forget()
        return lap


class Breath:
    """Keeps a process that always has something to do from taking a processor wholly.

    One with real-time priority would be stopped by the kernel after 0.95 s of each second, for the rest of it in one
    piece (sched(7)). So it rests as much by itself, a little at a time.
    """

    def __init__(self) -> None:
        self.looked, self.used = time.monotonic(), time.process_time()

    def take(self, now: float) -> None:
        if now - self.looked < LOOK:
            return
        used = time.process_time()
        if (rest := (used - self.used) / SHARE - (now - self.looked)) > 0:
            time.sleep(rest)
        self.looked, self.used = time.monotonic(), used


class Emulator:
    """Two devices, and a way from each to the other."""

    def __init__(self, near: int, far: int, orders: Orders) -> None:
        self.near, seed = near, orders["seed"]
        self.ways = {near: Way(far, random.Random(f"{seed} down")), far: Way(near, random.Random(f"{seed} up"))}
        self.named = dict(zip(("down", "up"), self.ways.values(), strict=True))
        self.said = b""  # of a request, until its line is whole
        self.rested = False  # since the last departure
        self.set(**orders["conditions"])

    def run(self, *, sparing: bool) -> None:
        """Until standard input ends."""
        inputs, breath = [*self.ways, sys.stdin.fileno()], Breath()
        while True:
            ready, _, _ = select.select(inputs, [], [], self._rest())
            for one in ready:
                if one in self.ways:
                    self._take(one)
                elif not self._listen(one):
                    return
            now = time.monotonic()
            for way in self.ways.values():
                if way.deliver(now):
                    self.rested = False
            if sparing:
                breath.take(now)

    def _rest(self) -> float | None:
        """Seconds to sleep; None = until something comes."""
        due = min((way.flying[0][0] for way in self.ways.values() if way.flying), default=None)
        if due is None:
            return None
        left = due - time.monotonic()
        self.rested |= left > PAUSE
        return max(0.0, left - SPIN if self.rested else left)

    def _take(self, device: int) -> None:
        way, now = self.ways[device], time.monotonic()
        until = now + TURN
        while now < until:
            try:
                frame = os.read(device, LARGEST)
            except BlockingIOError:
                return
            now = time.monotonic()
            if frame[IP] >> 4 == 4:  # the system's own chatter in IPv6 is nobody's traffic
                way.take(frame, now)

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
        if "down" in conditions:
            self._couple(together=not conditions["down"]["rate"])

    def _couple(self, *, together: bool) -> None:
        """Whether what the server sends comes as trains: where each packet has its turn, the kernel cuts them faster.

        Never what is sent to it: there, TCP counts a train as one segment, and by that count the lab knows the bytes on
        the wire.
        """
        fcntl.ioctl(self.near, TUNSETOFFLOAD, TUN_F_CSUM | (TUN_F_TSO4 if together else 0))

    def lap(self) -> dict[str, Any]:
        """By direction."""
        return {name: way.lap() for name, way in self.named.items()}


def quantiles(late: Counter[int]) -> Mapping[str, float] | None:
    """In µs; None when nothing left."""
    if not late:
        return None
    ordered = sorted(late)
    beyond = list(itertools.accumulate(late[one] for one in ordered))
    return {f"p{p}": ordered[bisect.bisect_right(beyond, beyond[-1] * p // 100)] for p in (50, 99)}


def device(pid: int, name: str) -> int:
    """A TUN device in the network namespace of that process: gone when it is closed."""
    namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    if libc.setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    os.close(namespace)
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI | IFF_VNET_HDR))
    fcntl.ioctl(tun, TUNSETOFFLOAD, TUN_F_CSUM)
    return tun


def punctual() -> str:
    """Be woken in time, as far as that is allowed; says how it is scheduled."""
    libc.prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)  # ns; else sleeps are prolonged by 50 µs
    gc.disable()  # nothing here goes in circles
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_TRIM_THRESHOLD, 1 << 26)  # bytes; else each frame's memory is given back, and asked for anew
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(2))  # before the pulses that it is tried by
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
    scheduling = punctual()
    say({"ok": scheduling})
    emulator.run(sparing=scheduling == "real time")


if __name__ == "__main__":
    main()
