"""Frames of RFC 6455, after its handshake."""

from typing import NamedTuple

from lab.classroom.wire.side import Reading, Side, Unknown
from lab.classroom.wire.step import Draft

CONTINUED, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MESSAGES = {TEXT: "a text message", BINARY: "a binary message"}

LONGEST_CONTROL = 125


class Header(NamedTuple):
    """What stands before a frame's payload."""

    last: bool
    compressed: bool
    opcode: int
    length: int
    key: bytes  # empty = not masked


def frames(side: Side) -> Reading[None]:
    """For ever."""
    opcode, compressed = CONTINUED, False
    while True:
        header, raw = yield from _header(side)
        if header.opcode >= CLOSE:
            _tell_control(side, header, raw)
            continue
        side.draft.add("framing", raw, "hex")
        if (header.opcode == CONTINUED) == (opcode == CONTINUED):
            raise Unknown  # nothing to continue, or something that was to be
        if header.opcode != CONTINUED:
            opcode, compressed = header.opcode, header.compressed
        yield from _carry(side, header)
        if header.last:
            _tell_message(side, MESSAGES[opcode], _note(header, compressed=compressed))
            opcode = CONTINUED


def _header(side: Side) -> Reading[tuple[Header, bytes]]:
    """The next one, and its bytes; the payload of a control frame is there, too."""
    yield from side.have(2)
    first, second = side.rest[:2]
    more = {126: 2, 127: 8}.get(second & 127, 0)
    size = 2 + more + (4 if second & 128 else 0)
    header = Header(bool(first & 128), bool(first & 64), first & 15, second & 127, b"")
    _check(header, first)
    yield from side.have(size + (header.length if header.opcode >= CLOSE else 0))
    raw = side.cut(size)
    length = int.from_bytes(raw[2 : 2 + more], "big") if more else header.length
    return header._replace(length=length, key=raw[2 + more :]), raw


def _check(header: Header, first: int) -> None:
    control = header.opcode in (CLOSE, PING, PONG)
    if not (control or header.opcode in (CONTINUED, *MESSAGES)) or first & 0x30:
        raise Unknown
    if control and (not header.last or header.compressed or header.length > LONGEST_CONTROL):
        raise Unknown


def _carry(side: Side, header: Header) -> Reading[None]:
    """A frame's payload, however long, into the draft."""
    at = 0
    while at < header.length:
        yield from side.have(1)
        data = side.cut(min(len(side.rest), header.length - at))
        side.draft.add("payload", unmasked(data, header.key, at))
        at += len(data)


def unmasked(data: bytes, key: bytes, at: int) -> bytes:
    """What was masked by that key, `at` bytes from the payload's beginning."""
    if not key:
        return data
    mask = (key * (len(data) // 4 + 2))[at % 4 : at % 4 + len(data)]
    return (int.from_bytes(data, "big") ^ int.from_bytes(mask, "big")).to_bytes(len(data), "big")


def _tell_message(side: Side, title: str, note: str) -> None:
    if not side.draft.size.payload:
        side.tell("alive", "an empty message", note=note)
    else:
        side.tell_content(title, note)


def _note(header: Header, *, compressed: bool) -> str:
    said = ("compressed: what it carries can't be read here" * compressed, "masked; shown unmasked" * bool(header.key))
    return ", ".join(filter(None, said))


def _tell_control(side: Side, header: Header, raw: bytes) -> None:
    """It may come in the middle of a message, and is protocol from end to end."""
    content = unmasked(side.cut(header.length), header.key, 0)
    message, side.draft = side.draft, Draft()
    code = 2 if header.opcode == CLOSE else len(content)
    side.draft.add("framing", raw + content[:code], "hex")
    side.draft.add("framing", content[code:])
    note = _note(header, compressed=False)
    if header.opcode == CLOSE:
        why = str(int.from_bytes(content[:2], "big")) if len(content) > 1 else "without a code"
        side.tell("close", f"close {why} {content[2:].decode('utf-8', 'replace')}".strip(), note=note)
    elif header.opcode == PING:
        side.tell("ping", "ping", note=note)
    else:
        side.tell("pong", "pong", note=note)
    side.draft = message
