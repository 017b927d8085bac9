"""Waits for what other processes and threads do, never longer than a deadline."""

import asyncio
import time
from collections.abc import Callable
from typing import Final, TypeVar

PAUSE: Final = 0.01

T = TypeVar("T")


def until(condition: Callable[[], T], seconds: float = 10.0, what: str = "") -> T:
    """Ask again and again until the answer is true, and give it. Raises TimeoutError with the last answer."""
    end = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds:g} s: {what or condition} (last answer: {answer!r})")
        time.sleep(PAUSE)
    return answer


async def until_async(condition: Callable[[], T], seconds: float = 10.0, what: str = "") -> T:
    """The same inside an event loop, which goes on meanwhile. Raises TimeoutError with the last answer."""
    end = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds:g} s: {what or condition} (last answer: {answer!r})")
        await asyncio.sleep(PAUSE)
    return answer
