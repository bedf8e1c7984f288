"""Frames of RFC 6455, after its handshake."""

from collections.abc import Iterable
from typing import NamedTuple

from lab.classroom.wire.inflater import Inflater
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


def frames(side: Side, inflater: Inflater | None = None) -> Reading[None]:
    """For ever. inflater: of what is compressed, if that was agreed."""
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
        inflating = inflater if compressed else None
        yield from _carry(side, header, inflating)
        if header.last:
            if inflating:
                _inflate(side, b"", inflating.end())
            _tell_message(side, MESSAGES[opcode], _note(side.draft, header, compressed=compressed))
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


def _carry(side: Side, header: Header, inflating: Inflater | None) -> Reading[None]:
    """A frame's payload, however long, into the draft."""
    at = 0
    while at < header.length:
        yield from side.have(1)
        data = unmasked(side.cut(min(len(side.rest), header.length - at)), header.key, at)
        at += len(data)
        if inflating:
            _inflate(side, data, inflating.feed(data))
        else:
            side.draft.add("payload", data)


def _inflate(side: Side, data: bytes, said: Iterable[bytes]) -> None:
    """Bytes that passed, and what they say, into the draft."""
    side.draft.size.more("payload", len(data))
    side.draft.inflated = (side.draft.inflated or 0) - len(data)
    for text in said:
        side.draft.inflated += len(text)
        side.draft.keep("payload", text)


def unmasked(data: bytes, key: bytes, at: int) -> bytes:
    """What was masked by that key, `at` bytes from the payload's beginning."""
    if not key:
        return data
    mask = (key * (len(data) // 4 + 2))[at % 4 : at % 4 + len(data)]
    return (int.from_bytes(data, "big") ^ int.from_bytes(mask, "big")).to_bytes(len(data), "big")


def _tell_message(side: Side, title: str, note: str) -> None:
    if not side.draft.said:
        side.tell("alive", "an empty message", note=note)
    else:
        side.tell_content(title, note)


def _note(draft: Draft, header: Header, *, compressed: bool) -> str:
    said = ["masked; shown unmasked"] if header.key else []
    if draft.inflated is not None:
        said.append(f"compressed, {draft.said} bytes to {draft.size.payload}; shown inflated")
    elif compressed:
        said.append("compressed: what it carries can't be read here")
    return ", ".join(said)


def _tell_control(side: Side, header: Header, raw: bytes) -> None:
    """It may come in the middle of a message, and is protocol from end to end."""
    content = unmasked(side.cut(header.length), header.key, 0)
    message, side.draft = side.draft, Draft()
    code = 2 if header.opcode == CLOSE else len(content)
    side.draft.add("framing", raw + content[:code], "hex")
    side.draft.add("framing", content[code:])
    note = _note(side.draft, header, compressed=False)
    if header.opcode == CLOSE:
        why = str(int.from_bytes(content[:2], "big")) if len(content) > 1 else "without a code"
        side.tell("close", f"close {why} {content[2:].decode('utf-8', 'replace')}".strip(), note=note)
    elif header.opcode == PING:
        side.tell("ping", "ping", note=note)
    else:
        side.tell("pong", "pong", note=note)
    side.draft = message
