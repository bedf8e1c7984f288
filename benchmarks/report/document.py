"""What all reports that stand alone have in common: how their templates are filled, and what they may run."""

import base64
import hashlib
import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from benchmarks.report import figures

HERE = Path(__file__).parent


def environment() -> Environment:
    """Fills templates; whatever is put into them is text, unless it is said to be markup."""
    made = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    made.filters |= {"prose": prose, "wrapped": wrapped, "number": figures.number, "sentence": figures.sentence}
    return made


def fingerprint(code: str) -> str:
    """As a content security policy names a script or a style that may be used."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"


def prose(text: str) -> Markup:
    """Escaped, with what stands in `backticks` as names, and limits on one line."""
    parts = re.split("`([^`]*)`", text)
    return Markup("").join(
        Markup("<b class=name>{}</b>").format(part) if nth % 2 else _unbroken(part) for nth, part in enumerate(parts)
    )


def _unbroken(text: str) -> Markup:
    """A line may end after a dash, but not within "(0.484–0.789)"."""
    parts = re.split(r"(\([^()]*\d–\d[^()]*\))", text)
    return Markup("").join(
        Markup("<span class=limits>{}</span>").format(part) if nth % 2 else escape(part)
        for nth, part in enumerate(parts)
    )


def wrapped(name: str) -> Markup:
    """A name that may be broken after its joints."""
    return Markup("<wbr>").join(re.split(r"(?<=[:_])", name))
