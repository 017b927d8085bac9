"""Runs every look at the same time, each with a limit of its own, so that no part keeps the others waiting for ever."""

import queue
import threading
import time
import traceback
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, TypeVar

T = TypeVar("T")

TELL_EVERY: Final = 0.2


@dataclass(frozen=True, slots=True)
class Look(Generic[T]):
    """Something that takes time; after `limit` seconds nobody waits for it any more."""

    limit: float
    take: Callable[[], T]


@dataclass(frozen=True, slots=True)
class Late:
    """A look had not ended at its limit, in seconds; its thread is left behind and ends with the program."""

    limit: float


@dataclass(frozen=True, slots=True)
class Broken:
    """A look ended in a fault of our own; `why` names it and where it happened, for support."""

    why: str


Progress = Callable[[list[str]], None]
"""Is told what is still being waited for."""


def examine(looks: Mapping[str, Look[T]], tell: Progress) -> dict[str, T | Late | Broken]:
    """What each look gave, in their order. Takes as long as the slowest look or its limit, whichever comes first."""
    ended: queue.Queue[tuple[str, T | Late | Broken]] = queue.Queue()
    with _faults_go_to(ended, looks.keys()):
        for name, look in looks.items():
            # a daemon thread: one that hangs in the kernel or in a resolver must not keep the program from its end
            threading.Thread(target=_take, args=(name, look, ended), name=name, daemon=True).start()
        outcomes = _gather(looks, ended, tell)
    return {name: outcomes[name] for name in looks}


def _take(name: str, look: Look[T], ended: "queue.Queue[tuple[str, T | Late | Broken]]") -> None:
    ended.put((name, look.take()))


def _gather(
    looks: Mapping[str, Look[T]], ended: "queue.Queue[tuple[str, T | Late | Broken]]", tell: Progress
) -> dict[str, T | Late | Broken]:
    began = time.monotonic()
    outcomes: dict[str, T | Late | Broken] = {}
    while waiting := [name for name in looks if name not in outcomes]:
        tell(waiting)
        next_limit = min(looks[name].limit for name in waiting) - (time.monotonic() - began)
        try:
            name, outcome = ended.get(timeout=max(0.0, min(TELL_EVERY, next_limit)))
        except queue.Empty:
            passed = time.monotonic() - began
            outcomes |= {name: Late(looks[name].limit) for name in waiting if looks[name].limit <= passed}
        else:
            outcomes[name] = outcome
    return outcomes


@contextmanager
def _faults_go_to(ended: "queue.Queue[tuple[str, T | Late | Broken]]", names: Container[str]) -> Iterator[None]:
    """What a look raises is its outcome and not a traceback on the screen; other threads keep their hook."""
    before = threading.excepthook

    def tell(told: threading.ExceptHookArgs) -> None:
        name = told.thread.name if told.thread else ""
        if name in names and told.exc_value is not None:
            ended.put((name, Broken(_named(told.exc_value))))
        else:
            before(told)

    threading.excepthook = tell
    try:
        yield
    finally:
        threading.excepthook = before


def _named(fault: BaseException) -> str:
    """The fault and the last line of ours that it came through."""
    words = f"{type(fault).__name__}: {fault}"
    places = [frame for frame in traceback.extract_tb(fault.__traceback__) if "edge" in Path(frame.filename).parts]
    return f"{words} ({Path(places[-1].filename).name}:{places[-1].lineno})" if places else words
