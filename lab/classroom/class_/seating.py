"""Who is in a class: a seat for each device, and what is known of it."""

import hashlib
import re
import unicodedata
from dataclasses import dataclass

LONGEST_NAME = 24

TESTED = frozenset({"chromium", "firefox"})
"""Engines in which the lab is tested; a device with another may take part, and is labelled so."""


@dataclass
class Seat:
    """A device's place: it stays when the device leaves.

    Attributes:
        number: from 1 on. hash: of the key that only the device has.
        name: as it was given; empty = anonymous. engine: by its own word. browser: the same, with its version.
        transport: the subject by which it follows. engines and transports are told to pages as they are.
        removed: by the teacher; it doesn't come back.
    """

    number: int
    hash: str
    name: str
    engine: str
    browser: str
    transport: str
    removed: bool = False

    @property
    def shown(self) -> str:
        return self.name or f"Device {self.number}"

    @property
    def tested(self) -> bool:
        return self.engine in TESTED


def hashed(key: str) -> str:
    """What is kept of a seat's key: enough to know it again, useless to whoever reads the files."""
    return hashlib.sha256(key.encode()).hexdigest()


def cleaned(name: str, most: int = LONGEST_NAME) -> str:
    """A text from a page, fit to be shown: one line, no control or invisible characters, not too long."""
    plain = unicodedata.normalize("NFC", name)
    seen = "".join(
        " " if one.isspace() else one for one in plain if one.isspace() or unicodedata.category(one)[0] != "C"
    )
    return " ".join(seen.split())[:most].rstrip()


BROWSERS = (  # every browser of iOS is WebKit, whatever its name; each names those that it wants to be taken for
    (re.compile(r"FxiOS|CriOS|EdgiOS|iP(?:hone|ad|od)"), "webkit", "iOS browser"),
    (re.compile(r"Firefox/(\d+)"), "firefox", "Firefox"),
    (re.compile(r"Chrom(?:e|ium)/(\d+)"), "chromium", "Chromium"),
    (re.compile(r"Version/(\d+)[\d.]* .*Safari"), "webkit", "Safari"),
    (re.compile(r"AppleWebKit"), "webkit", "WebKit"),
)


def engine_of(agent: str) -> tuple[str, str]:
    """The engine and the browser with its version that a User-Agent header tells: "firefox", "Firefox 128"."""
    for pattern, engine, browser in BROWSERS:
        if found := pattern.search(agent):
            return engine, f"{browser} {found[1]}" if found.lastindex else browser
    return "other", "unknown browser"
