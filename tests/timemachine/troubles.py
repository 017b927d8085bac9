"""What goes wrong in a month: power, clocks, readers, the cloud, and cards that change while people are inside."""

from collections.abc import Iterator
from random import Random
from typing import Final

from tests.timemachine.crews import Worker, crew, month
from tests.timemachine.happenings import (
    DAY,
    DAYS,
    HOUR,
    MINUTE,
    SECOND,
    Blocked,
    Bound,
    ClockDeserted,
    ClockSet,
    CloudCame,
    CloudWent,
    Enrolled,
    Happening,
    Looked,
    ReaderCame,
    ReaderDied,
    Restarted,
    SwitchedOff,
    SwitchedOn,
    TimeArrived,
)

IN_1970: Final = 12 * SECOND
IN_2099: Final = 4_070_908_800 * SECOND
ENDS: Final = DAYS * DAY
LOOK_AFTER: Final = 700_000  # microseconds until the watcher looks
HELD_PER_WORKER: Final = 93  # in a month, about


def a_month(seed: int, taps: int) -> list[Happening]:
    """Everything that happens at a gate where a card is held about so many times, in order."""
    chance = Random(seed)
    workers = crew(chance, max(taps // HELD_PER_WORKER, 5))
    happenings: list[Happening] = [*_roster(chance, workers), *_power_and_clock(chance), *_readers(chance)]
    happenings += [*_cloud(), *month(chance, workers)]
    return sorted(happenings, key=lambda happening: happening.at)


def _roster(chance: Random, workers: list[Worker]) -> Iterator[Happening]:
    """The binding and its changes, who is enrolled from the beginning or later, and who is blocked."""
    yield Bound(1, closed=False, reset=None)
    yield Bound(5 * DAY, closed=False, reset="03:00")
    yield Bound(12 * DAY + 9 * HOUR, closed=True, reset="03:00")
    yield Bound(15 * DAY + 10 * HOUR, closed=True, reset="03:00", asks="require")
    yield Bound(16 * DAY, closed=True, reset="03:00", asks="prefer")
    yield Bound(19 * DAY, closed=False, reset="02:30", asks="prefer")
    for card in (card for worker in workers for card in worker.cards):
        if card.person is not None:
            late = chance.random() < 0.06
            yield Enrolled(chance.randrange(ENDS) if late else 2, card.enrolled_as, card.person, card.company)
        if chance.random() < 0.05:
            yield Blocked(chance.randrange(DAY, ENDS), chance.choice((card.id, *card.also)))


def _power_and_clock(chance: Random) -> Iterator[Happening]:
    """Boot after boot. Most wait for the time for a while, a few for ever; some are shown a wrong one meanwhile."""
    at, first = 0, True
    while at < ENDS - DAY:
        off = min(at + int(chance.uniform(0.2, 5) * DAY), ENDS - HOUR)
        yield SwitchedOn(at, IN_1970 if first else chance.choice((IN_1970, IN_2099, None)))
        arrives = at + int(chance.choice((10 * SECOND, 3 * MINUTE, 5 * HOUR, 30 * HOUR)) * chance.uniform(0.5, 1.5))
        yield from _restarts(chance, at, off)
        if arrives < off:
            yield from _right_clock(chance, arrives, off)
        elif chance.random() < 0.5:
            yield from _seen(ClockSet(at + (off - at) // 2, int(chance.uniform(-2, 50) * DAY)))
        yield SwitchedOff(off)
        at, first = off + int(chance.choice((MINUTE, 2 * HOUR, 14 * HOUR)) * chance.uniform(0.5, 1.5)), False
    yield SwitchedOn(ENDS - 50 * MINUTE, IN_1970)
    yield from _seen(TimeArrived(ENDS - 20 * MINUTE, 0))


def _restarts(chance: Random, on: int, off: int) -> Iterator[Happening]:
    for _ in range(chance.randint(0, 4)):
        yield Restarted(chance.randrange(on + SECOND, off))


def _right_clock(chance: Random, arrives: int, off: int) -> Iterator[Happening]:
    """From when time arrives: what happens to a clock until it is right for good."""
    yield from _seen(TimeArrived(arrives, 0))
    at = arrives
    while (at := at + int(chance.uniform(0.05, 1.2) * DAY)) < off - 6 * HOUR:
        by = int(chance.choice((0.4, 0.8, 1.5, 90, 7200, 18_000)) * chance.choice((-1, 1)) * SECOND)
        match chance.randrange(3):
            case 0:  # a time server that is wrong, until it is not
                yield from _seen(TimeArrived(at, by))
            case 1:  # the network is away for long
                yield from _seen(ClockDeserted(at))
            case _:  # a hand
                yield from _seen(ClockSet(at, by))
        at += int(chance.uniform(0.01, 5) * HOUR)
        yield from _seen(TimeArrived(at, 0))


def _seen(happening: TimeArrived | ClockDeserted | ClockSet) -> Iterator[Happening]:
    yield happening
    yield Looked(happening.at + LOOK_AFTER)


def _readers(chance: Random) -> Iterator[Happening]:
    for reader in ("in", "out", "both"):
        at = 0
        while (at := at + int(chance.uniform(0.5, 8) * DAY)) < ENDS - 4 * HOUR:
            yield ReaderDied(at, reader)
            at += int(chance.choice((5 * SECOND, 3 * MINUTE, 2 * HOUR)) * chance.uniform(0.5, 1.5))
            yield ReaderCame(at, reader)


def _cloud() -> Iterator[Happening]:
    yield CloudCame(DAY + 6 * HOUR)  # the first to come on Monday meet a gate that is bound to nothing
    for went, came in ((2 * DAY, 2 * DAY + 10 * MINUTE), (6 * DAY, 8 * DAY + 5 * HOUR), (20 * DAY, 26 * DAY)):
        yield CloudWent(went)
        yield CloudCame(came)
