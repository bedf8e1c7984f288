"""Waiting for what nothing tells of."""

import asyncio
from collections.abc import Callable


async def until(there: Callable[[], object], seconds: float = 20) -> None:
    """Wait for it; that it never comes is a failure."""
    async with asyncio.timeout(seconds):
        while not there():
            await asyncio.sleep(0.002)
