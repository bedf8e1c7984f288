"""What a relay adds to the way of a small piece: a program, which imports nothing of the lab to be there at once.

It listens, prints its port, reads the port of a relay before it, sends pieces in pairs, one directly and one
through the relay, and prints how long they took: {"direct_ms": {"p50", "p99"}, "through_ms": …, "adds_ms": …},
the last of these over the differences within the pairs.
"""

import json
import random
import socket
import statistics
import sys
import threading
import time

PIECES = 200
PIECE = 16
APART = 0.001  # seconds between two pieces, about


class Way:
    """A connection to this program's own server; a thread notes when pieces arrive there."""

    def __init__(self, listening: socket.socket, address: tuple[str, int]) -> None:
        self.sending = socket.create_connection(address, timeout=5)
        self.sending.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.receiving, _ = listening.accept()
        self.took: list[int] = []
        self.came = threading.Event()
        threading.Thread(target=self._receive, daemon=True).start()

    def send(self) -> None:
        self.came.clear()
        self.sending.sendall(time.monotonic_ns().to_bytes(PIECE, "big"))
        if not self.came.wait(5):
            raise TimeoutError("a piece did not arrive")

    def _receive(self) -> None:
        while len(piece := self.receiving.recv(PIECE)) == PIECE:
            self.took.append(time.monotonic_ns() - int.from_bytes(piece, "big"))
            self.came.set()


def say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def measure(host: str) -> None:
    with socket.create_server((host, 0)) as listening:
        listening.settimeout(5)
        say(listening.getsockname()[1])
        ways = [Way(listening, (host, port)) for port in (listening.getsockname()[1], int(sys.stdin.readline()))]
        for _ in range(PIECES):
            for way in random.sample(ways, 2):
                way.send()
                time.sleep(APART)
    direct, through = (way.took for way in ways)
    adds = [after - before for before, after in zip(direct, through, strict=True)]
    say({"direct_ms": quantiles(direct), "through_ms": quantiles(through), "adds_ms": quantiles(adds)})


def quantiles(took: list[int]) -> dict[str, float]:
    cuts = statistics.quantiles(took, n=100)
    return {"p50": round(cuts[49] / 1e6, 3), "p99": round(cuts[98] / 1e6, 3)}


if __name__ == "__main__":
    measure(sys.argv[1])
