"""Small packets at an even pace, to see how punctually a network carries them. Run by its path: host, number, seconds.

They go to a port where nobody listens, whose system answers each: so both directions are tried.
"""

import socket
import sys
import time

DISCARD = 9
"""The port, by its name in the register of ports."""


def main() -> None:
    host, number, pace = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        begin = time.monotonic()
        for n in range(number):
            time.sleep(max(0.0, begin + n * pace - time.monotonic()))
            sender.sendto(b"pulse", (host, DISCARD))


if __name__ == "__main__":
    main()
