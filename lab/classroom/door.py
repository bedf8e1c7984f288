"""The door of a class: a short code that is on the board, and how often it may be guessed."""

import secrets
from collections.abc import Callable

from lab import clock
from lab.errors import UserError

LETTERS = "34679ACDEFGHJKMNPQRTUVWXY"
"""None that looks like another: no 0 and O, 1 and I and L, 2 and Z, 5 and S, 8 and B."""

LENGTH = 6

FROM_ONE = (8, 5.0)
"""Wrong codes from one address: so many at once, then one in so many seconds."""

FROM_ALL = (60, 1.0)
"""The same from all addresses together: against whoever has many."""

REMEMBERED = 1000
"""Addresses; the one that tried longest ago is forgotten first."""


class Tries:
    """So many at once, and then one in so many seconds."""

    def __init__(self, at_once: int, seconds: float) -> None:
        self.at_once, self.seconds = at_once, seconds
        self._until = 0.0  # seconds: when all of them are forgotten

    def wait(self, now: float) -> float:
        """Seconds until the next may be made; 0 = now."""
        return max(0.0, self._until - now - (self.at_once - 1) * self.seconds)

    def count(self, now: float) -> None:
        self._until = max(self._until, now) + self.seconds


class Door:
    """Attributes:
    code: made anew at each start; it is on the board and nowhere else. open: whether anybody new may come in.
    """

    def __init__(self, now: Callable[[], int] = clock.now) -> None:
        self.open = True
        self.code = ""
        self._now = now
        self._all = Tries(*FROM_ALL)
        self._ones: dict[str, Tries] = {}
        self.renew()

    def renew(self) -> None:
        self.code = "".join(secrets.choice(LETTERS) for _ in range(LENGTH))

    def check(self, code: str, address: str) -> None:
        """Let in whoever has the code.

        Raises:
            UserError: it is wrong; or too many wrong ones came before, and then even the right one has to wait.
        """
        now = self._now() / 1e9
        tries = self._of(address)
        if not self.open:
            raise UserError("the door is closed: ask your teacher to open it")
        if (wait := tries.wait(now)) or (wait := self._all.wait(now)):
            raise UserError(f"too many wrong codes: wait {wait:.0f} s, and read it off the board")
        if not secrets.compare_digest(_plain(code).encode(), self.code.encode()):
            tries.count(now)
            self._all.count(now)
            raise UserError("that is not the code: read it off the board")

    def _of(self, address: str) -> Tries:
        tries = self._ones.pop(address, None) or Tries(*FROM_ONE)
        self._ones[address] = tries
        if len(self._ones) > REMEMBERED:
            del self._ones[next(iter(self._ones))]
        return tries


def _plain(code: str) -> str:
    """As people type it: in any case, with blanks and dashes."""
    return "".join(letter for letter in code.upper() if letter.isalnum())
