"""Shows live what the readers see: through the daemon, or with the readers opened here where none runs."""

import json
import queue
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import msgspec

from edge.cli.ask import reader_words
from edge.cli.reader_words import TWO_SECONDS, advice, lines_of, wrapped
from edge.clock.clock import SystemClock
from edge.errors import DaemonUnreachable
from edge.local import FILE_NAME, AskSightings, ask
from edge.readers import Sighting
from edge.readers.diagnosis import hints
from edge.readers.overview import KEPT
from edge.readers.told import Told, told
from edge.settings import Settings
from edge.words import _
from protocol.clock import MICROSECONDS

QUIET: Final = 15.0
"""Seconds without a card after which it is said how to hold one."""

AGAIN: Final = 1.0
"""Seconds between two looks for a daemon that went away."""

Sightings = Iterator[list[Told]]
"""What was seen since the last look, from time to time nothing."""


def reader_watch(settings: Settings, seconds: float | None, *, as_json: bool) -> int:
    """Show sightings for so many seconds, or until Ctrl-C. Raises DaemonUnreachable if one hangs, SocketForbidden."""
    say = partial(print, flush=True, file=sys.stderr if as_json else sys.stdout)
    with ExitStack() as stack:
        source, earlier = _source(settings, say, stack)
        shown = _Shown(settings, say, as_json, earlier)
        end = None if seconds is None else time.monotonic() + seconds
        try:
            for seen in source:
                shown.take(seen)
                if end is not None and time.monotonic() >= end:
                    break
        except KeyboardInterrupt:
            say("")
        shown.end()
    return 0


def _source(settings: Settings, say: Callable[[str], None], stack: ExitStack) -> tuple[Sightings, list[Told]]:
    path = settings.terminal.runtime_dir / FILE_NAME
    try:
        first = ask(path, AskSightings())
    except DaemonUnreachable as fault:
        if fault.hangs:  # it runs, holds the readers and says nothing
            raise
        return _opened_here(settings, say, stack), []
    for name, state in first["readers"].items():
        for line in wrapped(_("reader {name}: {state}").format(name=name, state=reader_words(state)[0])):
            say(line)
    for line in wrapped(_("Hold a card against a reader; each also counts as a tap. Ctrl-C ends.")):
        say(line)
    return _from_daemon(settings, first["newest"], say), [_told(each) for each in first["sightings"]]


def _from_daemon(settings: Settings, newest: int, say: Callable[[str], None]) -> Sightings:
    gone = False
    while True:
        try:
            answer = ask(settings.terminal.runtime_dir / FILE_NAME, AskSightings(newest))
        except DaemonUnreachable:
            if not gone:
                say(_("The daemon went away; waiting for it."))
            gone = True
            time.sleep(AGAIN)
            yield []
            continue
        if gone:
            say(_("The daemon is back."))
        gone, newest = False, answer["newest"]
        yield [_told(each) for each in answer["sightings"]]


def _opened_here(settings: Settings, say: Callable[[str], None], stack: ExitStack) -> Sightings:
    """The readers of the settings in this process. Those that a program holds alone are told as lost."""
    import edge.log

    edge.log.configure(2)  # what is shown stands alone on standard output
    from edge.readers.fitting import fitted_reader
    from edge.readers.osdp.buses import Buses

    for line in wrapped(
        _(
            "The daemon does not run: the readers are opened here, no tap is recorded, and nothing is compared "
            "with the roster. Hold a card against a reader. Ctrl-C ends."
        )
    ):
        say(line)
    reported: queue.SimpleQueue[Sighting] = queue.SimpleQueue()
    buses = Buses(settings.terminal.state_dir)
    for each in settings.readers:
        if each.kind == "simulated":
            say(_("reader {name} is simulated: only a daemon has it").format(name=each.name))
            continue
        reader = fitted_reader(each, buses)
        reader.start(reported.put)
        stack.callback(reader.stop)
    return _reported(reported)


def _reported(reported: "queue.SimpleQueue[Sighting]") -> Sightings:
    clock, number = SystemClock(), 0
    while True:
        try:
            sighting = reported.get(timeout=AGAIN)
        except queue.Empty:
            yield []
            continue
        number += 1
        at = datetime.fromtimestamp(clock.read().utc / MICROSECONDS, UTC)
        yield [told(sighting, number, at.isoformat(timespec="milliseconds"))]


class _Shown:
    """Prints sightings with what is odd about them, and says how to hold a card where none comes."""

    def __init__(self, settings: Settings, say: Callable[[str], None], as_json: bool, earlier: list[Told]) -> None:
        self._readers = {each.name: each for each in settings.readers}
        self._say = say
        self._as_json = as_json
        self._earlier = deque(earlier, maxlen=2 * KEPT)
        self._began = time.monotonic()
        self._is_advised = False

    def take(self, seen: list[Told]) -> None:
        """Show these, or after a while that there are none."""
        for each in seen:
            self._show(each)
        if not self._is_advised and time.monotonic() - self._began >= QUIET:
            self.end()

    def end(self) -> None:
        """Say how to hold a card, unless one was seen or it was said."""
        if not self._is_advised:
            self._is_advised = True
            for line in wrapped(_(TWO_SECONDS).format(seconds=time.monotonic() - self._began)):
                self._say(line)

    def _show(self, seen: Told) -> None:
        found = hints(seen, self._readers, list(self._earlier))
        self._earlier.append(seen)
        self._is_advised = self._is_advised or seen.card is not None
        if self._as_json:
            odd: list[dict[str, Any]] = [{**asdict(hint), "words": advice(hint)} for hint in found]
            print(json.dumps({**msgspec.to_builtins(seen), "hints": odd}, ensure_ascii=False), flush=True)
            return
        for line in lines_of(seen, found):
            self._say(line)


def _told(answer: dict[str, Any]) -> Told:
    return msgspec.convert(answer, Told)
