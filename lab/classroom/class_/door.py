"""The door of a class: a short code that is on the board, and how often it may be guessed."""

import ipaddress
import math
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

JOINING = (20, 3.0)
"""New seats for one address, with the right code: so many at once, then one in so many seconds. A whole class may come
through one address; whoever wants to take all the seats needs more patience. This computer's own pages need none."""

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
        self._joined: dict[str, Tries] = {}
        self.renew()

    def renew(self) -> None:
        self.code = "".join(secrets.choice(LETTERS) for _ in range(LENGTH))

    def check(self, code: str, address: str) -> None:
        """Let in whoever has the code.

        Raises:
            UserError: it is wrong; or too many wrong ones came before, and then even the right one has to wait; or too
                many have just come from that address.
        """
        now = self._now() / 1e9
        tries, joined = _of(address, self._ones, FROM_ONE), _of(address, self._joined, JOINING)
        if not self.open:
            raise UserError("the door is closed: ask your teacher to open it")
        if (wait := tries.wait(now)) or (wait := self._all.wait(now)):
            raise UserError(f"too many wrong codes: wait {math.ceil(wait)} s, and read it off the board")
        if not secrets.compare_digest(_plain(code).encode(), self.code.encode()):
            tries.count(now)
            self._all.count(now)
            raise UserError("that is not the code: read it off the board")
        if not _is_here(address):
            if wait := joined.wait(now):
                raise UserError(f"many devices have just come from your address: wait {math.ceil(wait)} s")
            joined.count(now)


def _of(address: str, among: dict[str, Tries], limit: tuple[int, float]) -> Tries:
    tries = among.pop(address, None) or Tries(*limit)
    among[address] = tries
    if len(among) > REMEMBERED:
        del among[next(iter(among))]
    return tries


def _is_here(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _plain(code: str) -> str:
    """As people type it: in any case, with blanks and dashes."""
    return "".join(letter for letter in code.upper() if letter.isalnum())
