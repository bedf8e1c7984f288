"""The head of a request or a response in HTTP/1.1, as it came."""

import re
from dataclasses import dataclass
from urllib.parse import unquote

from lab.classroom.wire.side import Reading, Side, Unknown
from lab.classroom.wire.step import KEPT

REQUEST = re.compile(rb"(?P<method>[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}) (?P<target>\S+) HTTP/1\.[01]")
RESPONSE = re.compile(rb"HTTP/1\.[01] (?P<status>[1-5]\d\d)(?: (?P<reason>[^\r\n]*))?")

CURSOR = re.compile(rb"[?&]cursor=(?P<query>[^&#\s]*)|\r\nlast-event-id:[ \t]*(?P<field>[^\r\n]*)", re.IGNORECASE)
"""From where on a reader asks, as it says in its address, or as browsers say of themselves when they come back."""


@dataclass(frozen=True)
class Head:
    """A first line, understood, and fields by their names in lower case."""

    first: re.Match[bytes]
    fields: dict[str, str]
    cursor: str | None

    def text(self, group: str) -> str:
        return (self.first[group] or b"").decode("utf-8", "replace")

    def field(self, name: str) -> str:
        return self.fields.get(name, "")

    def says(self, name: str, token: str) -> bool:
        """Whether that token is among those of that field."""
        return token in (one.strip().lower() for one in self.field(name).split(","))

    @property
    def chunked(self) -> bool:
        return self.says("transfer-encoding", "chunked")

    @property
    def length(self) -> int | None:
        """Of the body, where it is said."""
        said = self.field("content-length")
        return int(said) if said.isascii() and said.isdigit() and len(said) <= 16 else None

    @property
    def media_type(self) -> str:
        return self.field("content-type").partition(";")[0].strip().lower()


def head(side: Side, kind: re.Pattern[bytes]) -> Reading[Head]:
    """The next one, which is in the draft then."""
    seen = 0
    while (end := side.rest.find(b"\r\n\r\n", max(0, seen - 3))) < 0:
        seen = len(side.rest)
        if seen > KEPT or not plausible(bytes(side.rest[:24]), kind):
            raise Unknown
        yield
    raw = side.cut(end + 4)
    first, *rest = raw[:-4].split(b"\r\n")
    understood = kind.fullmatch(first)
    if not understood:
        side.draft.add("headers", raw)
        raise Unknown
    return Head(understood, _fields(rest), _mark(side, raw))


def plausible(begins: bytes, kind: re.Pattern[bytes]) -> bool:
    """Whether it may still become a head of that kind."""
    if kind is RESPONSE:
        return b"HTTP/1.".startswith(begins[:7])
    return bool(
        re.fullmatch(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{0,20}|[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20} .*", begins, re.DOTALL)
    )


def _fields(lines: list[bytes]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.decode("latin-1").partition(":")
        name = name.strip().lower()
        fields[name] = f"{fields[name]}, {value.strip()}" if name in fields else value.strip()
    return fields


def _mark(side: Side, raw: bytes) -> str | None:
    """Put it into the draft, and the cursors in it marked; the one that counts, the browser's own before the page's."""
    at, cursor = 0, None
    for found in CURSOR.finditer(raw):
        name = str(found.lastgroup)
        start, at_next = found.span(name)
        side.draft.add("headers", raw[at:start])
        side.draft.add("headers", raw[start:at_next], "cursor")
        at, cursor = at_next, unquote(found[name].decode("latin-1"))
    side.draft.add("headers", raw[at:])
    return cursor
