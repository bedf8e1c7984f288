"""How a process is ended whose work ends with its input."""

import asyncio

PATIENCE = 5.0
"""Seconds that it may take to clear all away."""


async def end(process: asyncio.subprocess.Process) -> None:
    """Close its input, and see that it goes: what is still there after that time is killed."""
    assert process.stdin
    process.stdin.close()
    try:
        async with asyncio.timeout(PATIENCE):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
