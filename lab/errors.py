"""What the lab says when its user was mistaken."""


class UserError(ValueError):
    """One clear sentence: the value that was wrong, and what would be right.

    Raised where the mistake is found; turned into exit code 2 or HTTP 400 at the edge.
    """


SHOWN = 80
"""Characters of a wrong value that a message repeats."""


def shown(text: str | bytes) -> str:
    """What was given, for a sentence: quoted, and not endless."""
    text = text.decode(errors="replace") if isinstance(text, bytes) else text
    text = text.rstrip("\r\n")
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "…")
