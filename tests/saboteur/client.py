from collections.abc import AsyncIterator

from lab import Cursor, Options, get_lines


def events(base: str, cursor: Cursor, _options: Options) -> AsyncIterator[str]:
    return get_lines(f"{base}/events?cursor={cursor}")
