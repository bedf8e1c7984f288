"""A native client that shows what comes: the desktop client of the lab."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from lab.errors import UserError
from lab.log import Cursor, Log
from lab.native import Arrivals, follow
from lab.transport import Subject

Tell = Callable[[str], None]


async def listen(subject: Subject, url: str, cursor: Cursor, show: Tell, tell: Tell) -> None:
    """Follow a transport of the lab at `url` until cancelled, through lost connections.

    Args:
        show: gets each line that is not a mere sign of life. tell: gets what befalls the connection.

    Raises:
        UserError: the transport has no native client, the address or the cursor is malformed, or no lab is there.
    """
    if why := subject.unsupported("native"):
        raise UserError(f"transport {subject.name!r} can't be listened to natively: {why}")
    Log().check(cursor)
    base = f"{checked(url)}/transports/{subject.name}"

    def on(line: str) -> None:
        if line:
            show(line)

    try:
        await follow(subject, base, {}, notices(subject, url, tell), cursor=cursor, on=on)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"what answers at {url} is no pushlab server: {error!r}") from error


def checked(url: str) -> str:
    """The address of a lab, without a slash at its end.

    Raises:
        UserError: it isn't one.
    """
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        whole = False
    if not whole:
        raise UserError(f"{url!r} is no address of a lab: it must be like http://127.0.0.1:8000")
    return url.rstrip("/")


def data(line: str) -> str | None:
    """What an event says, as text; None for a line that is no event."""
    event = json.loads(line)
    if "data" not in event:
        return None
    said = event["data"]
    return said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)


class Told(list[Any]):
    """Tells what comes to it and keeps only their number: a client may run for months."""

    def __init__(self, tell: Callable[[Any], None]) -> None:
        super().__init__()
        self.number, self._tell = 0, tell

    def __len__(self) -> int:
        return self.number

    def append(self, what: Any) -> None:
        self.number += 1
        self._tell(what)


def notices(subject: Subject, url: str, tell: Tell) -> Arrivals:
    """Arrivals that tell of lost connections, each reason once until there is one again, and of gaps."""
    said = ""

    def say(what: str) -> None:
        nonlocal said
        if what != said:
            tell(what)
        said = what

    # Polling opens a connection for each answer: only the first is news, or the one after a loss.
    return Arrivals(
        events=Told(lambda _: None),
        opened=Told(lambda _: say(f"listening to {subject.title} at {url}")),
        lost=Told(lambda lost: say(f"lost: {lost[1]}; trying again")),
        gaps=Told(lambda gap: tell(missed(gap))),
    )


def missed(gap: dict[str, Any]) -> str:
    """A sentence about a gap."""
    if gap["to"] is None:
        return f"gap: the log began anew, and what came from event {gap['from']} on is lost ({gap['why']})"
    return f"gap: events {gap['from']} to {gap['to']} are no longer kept ({gap['why']})"
