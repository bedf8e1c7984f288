from collections.abc import AsyncIterator

from lab import Cursor, Options, get_lines


def events(base: str, cursor: Cursor, options: Options) -> AsyncIterator[str]:
    hold = options.get("hold", 25) if options["greeted"] else 0
    return get_lines(f"{base}/events?cursor={cursor}&hold={hold}")
