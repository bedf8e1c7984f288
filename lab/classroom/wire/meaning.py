"""What a payload says, found by looking for the lab's own lines in it, whatever carries them."""

import json
import re
from collections.abc import Sequence
from typing import NamedTuple

from lab.classroom.wire.step import Id, Kind

EVENT = re.compile(rb'\{"epoch":(\d{1,16}),"id":(\d{1,16}),"due":')
HERE = re.compile(rb'\{"cursor":"([^"]{0,40})"\}')
GAP = re.compile(rb'\{"gap":\{"epoch":\d+,"from":(\d+),"to":(\d+|null),"why":"(\w+)"')


class Meaning(NamedTuple):
    """carried: the stretches of the payload that are events, where there is something around them."""

    kind: Kind
    title: str
    events: Sequence[Id] = ()
    carried: Sequence[tuple[int, int]] = ()


def meaning(payload: bytes, otherwise: str) -> Meaning:
    """What it says; `otherwise` is the title where it's none of the lab's lines."""
    if event := EVENT.match(payload):
        return Meaning("event", f"event {int(event[2])}", [_id(event)])
    if here := HERE.match(payload):
        return Meaning("piece", f"you stand at {here[1].decode('utf-8', 'replace')}")
    if gap := GAP.match(payload):
        return Meaning("piece", f"gap from {int(gap[1])} on: {gap[3].decode()}")
    if found := list(_within(payload)):
        ids = [one for one, _, _ in found]
        numbers = str(ids[0][1]) if len(ids) == 1 else f"{ids[0][1]} … {ids[-1][1]}"
        title = f"event{'s' * (len(ids) > 1)} {numbers}"
        return Meaning("event", title, ids, [(start, end) for _, start, end in found])
    return Meaning("piece", otherwise)


def _id(event: re.Match[bytes]) -> Id:
    return int(event[1]), int(event[2])


def _within(payload: bytes) -> Sequence[tuple[Id, int, int]]:
    """Events with something around them: each, and from where to where it goes."""
    found, at = [], 0
    text = payload.decode("latin-1")  # a character for each byte
    while event := EVENT.search(payload, at):
        at = _end(text, event.start())
        found.append((_id(event), event.start(), at))
    return found


def _end(text: str, start: int) -> int:
    """Where the JSON ends that begins there; the text's own end, if it doesn't."""
    try:
        return json.JSONDecoder().raw_decode(text, start)[1]
    except (ValueError, RecursionError):
        return len(text)
