"""Packets at an even pace, to see how a network carries them. Run by its path: host, number, seconds, bytes of each.

They go to a port where nobody listens, whose system answers a few of them and no more.
"""

import os
import socket
import sys
import time
from contextlib import suppress

DISCARD = 9
"""The port, by its name in the register of ports."""


def main() -> None:
    host, number, pace, size = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    with suppress(OSError):  # where it is allowed: else others' work would be taken for the network's
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        packet, begin = bytes(size), time.monotonic()
        for n in range(number):
            time.sleep(max(0.0, begin + n * pace - time.monotonic()))
            sender.sendto(packet, (host, DISCARD))


if __name__ == "__main__":
    main()
