"""Keeps a program that others wrote: as nobody, in a folder of its own, until standard input ends.

It is run by its path and needs nothing but Python, so that it starts at once. Standard input brings one line of
JSON, the `Orders`; standard output answers with one, `{"port": …}` when the program answers requests or `{"error": …}`,
its own last words. When standard input ends, because it was closed or because who held it is dead, all is gone: the
program, what it has started, the folder. It ends likewise when the program does, and then says its last words as a
second line.
"""

import ctypes
import json
import os
import select
import signal
import socket
import string
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NotRequired, TypedDict

NOBODY = 65534
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
IN_USE = "in use"  # what they all say of a port that somebody else has
TRIES = 3

libc = ctypes.CDLL(None)


class Template(string.Template):
    """Text with @names in it: a dollar is nginx's own."""

    delimiter = "@"


class Orders(TypedDict):
    """What is to be kept.

    `command` and `files` (by name, in the folder) are templates: @host and @port are where to listen, @folder is the
    folder, and there are what `values` has; so is `leaves`: the pattern of files that it leaves elsewhere when it is
    killed. `port` 0 = a free one. `seconds`: it must answer within so many.
    """

    command: list[str]
    files: dict[str, str]
    leaves: NotRequired[str]
    values: dict[str, str]
    host: str
    port: int
    seconds: float


class Failed(Exception):
    """The program does not run; says its last words."""


class Kept:
    """The program, its folder and what it says."""

    def __init__(self, orders: Orders, port: int, folder: Path) -> None:
        self.orders, self.port, self.folder = orders, port, folder
        self.log = folder / "said"
        os.chown(folder, *owner())
        for name, text in orders["files"].items():
            (folder / name).write_text(self._filled(text, folder), "utf-8")
            (folder / name).chmod(0o644)
        with self.log.open("wb") as said:
            os.chown(self.log, *owner())  # some open it again by the name /dev/stderr
            self.program = subprocess.Popen(
                [*as_nobody(), *(self._filled(part, folder) for part in orders["command"])],
                **user(),
                cwd=folder,
                env={"PATH": os.environ.get("PATH", ""), "HOME": str(folder), "TMPDIR": str(folder)},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
                preexec_fn=end_with_parent,  # noqa: PLW1509  (there are no threads here)
            )

    def clear_away(self) -> None:
        """What is not in the folder, which goes by itself."""
        if leaves := self.orders.get("leaves"):
            for path in Path("/").glob(self._filled(leaves, self.folder).lstrip("/")):
                path.unlink(missing_ok=True)

    def _filled(self, text: str, folder: Path) -> str:
        known = self.orders["values"] | {"host": self.orders["host"], "port": str(self.port), "folder": str(folder)}
        return Template(text).substitute(known)

    def wait_until_it_answers(self) -> None:
        """Raises:
        Failed: it has ended, or is silent for too long.
        """
        deadline = time.monotonic() + self.orders["seconds"]
        while not self._answers(deadline):
            if self.program.poll() is not None:
                raise Failed(self.last_words())
            if time.monotonic() > deadline or input_has_ended(0.01):
                raise Failed(f"no answer within {self.orders['seconds']:g} s; {self.last_words()}")

    def _answers(self, deadline: float) -> bool:
        """Whether a request is answered, whatever the answer: then all of it has started."""
        host = self.orders["host"]
        left = max(0.01, deadline - time.monotonic())
        try:
            with socket.create_connection((host, self.port), left) as connection:
                connection.sendall(
                    b"GET / HTTP/1.1\r\nHost: %s:%d\r\nConnection: close\r\n\r\n" % (host.encode(), self.port)
                )
                return connection.recv(5) == b"HTTP/"
        except OSError:
            return False

    def last_words(self) -> str:
        lines = [line.strip() for line in self.log.read_text("utf-8", "replace").splitlines() if line.strip()]
        return lines[-1] if lines else "it says nothing"

    def wait(self) -> None:
        """Until standard input ends, or the program does."""
        handle = os.pidfd_open(self.program.pid)
        select.select([sys.stdin, handle], [], [])
        os.close(handle)


def as_nobody() -> list[str]:
    """What makes a command nobody's where root has no other users: in a user namespace of a single one."""
    return ["unshare", f"--map-user={NOBODY}", f"--map-group={NOBODY}", "--"] if lonely() else []


def user() -> dict[str, Any]:
    """Whose the program is: nobody's when this is root's, else the same as this."""
    if os.geteuid() or lonely():
        return {}
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []}


def owner() -> tuple[int, int]:
    return (NOBODY, NOBODY) if user() else (-1, -1)


def lonely() -> bool:
    """Root of a user namespace that has no nobody."""
    rows = [list(map(int, row.split())) for row in Path("/proc/self/uid_map").read_text("ascii").splitlines()]
    return not os.geteuid() and not any(first <= NOBODY < first + count for first, _, count in rows)


def end_with_parent() -> None:
    """The kernel tells the program to end should the keeper be killed."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def input_has_ended(seconds: float) -> bool:
    """Waits for that long; nothing but the end comes after the orders."""
    return bool(select.select([sys.stdin], [], [], seconds)[0])


def end_children() -> None:
    """Kill all that was started, also what others of them have started: orphans become children of this process."""
    while True:
        for pid in children():
            os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def children() -> Iterator[int]:
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text("utf-8", "replace").rpartition(")")[2].split()[1])
        except OSError:  # it has ended meanwhile
            continue
        if parent == os.getpid():
            yield int(path.parent.name)


def free_port(host: str) -> int:
    with socket.socket(socket.AF_INET) as one:
        one.bind((host, 0))
        port: int = one.getsockname()[1]
    return port


def keep(orders: Orders, port: int) -> None:
    """Raises:
    Failed: it does not start.
    """
    with tempfile.TemporaryDirectory(prefix="pushlab-proxy-") as folder:
        kept = Kept(orders, port, Path(folder))
        try:
            kept.wait_until_it_answers()
            say({"port": port})
            kept.wait()
            if kept.program.poll() is not None:
                say({"error": kept.last_words()})
        finally:
            end_children()
            kept.clear_away()


def say(what: Mapping[str, object]) -> None:
    try:
        print(json.dumps(what), flush=True)  # noqa: T201
    except BrokenPipeError:  # nobody listens any more: standard input has ended, too
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    orders: Orders = json.loads(sys.stdin.readline())
    for last in (False,) * (TRIES - 1) + (True,):
        try:
            keep(orders, orders["port"] or free_port(orders["host"]))
        except Failed as error:
            if last or orders["port"] or IN_USE not in str(error):
                say({"error": str(error)})
                return
        except OSError as error:
            say({"error": str(error)})
            return
        else:
            return


if __name__ == "__main__":
    main()
