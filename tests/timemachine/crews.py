"""The people of a Swedish building site and their days: shifts, breaks, weekends, Easter, and what they forget."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

from tests.timemachine.happenings import BEGINS, DAY, DAYS, HOUR, MINUTE, SECOND, ZONE, Held

HOLIDAYS: Final = {date(2026, 4, 3), date(2026, 4, 5), date(2026, 4, 6)}
COMPANIES: Final = 9


@dataclass(frozen=True, slots=True)
class Card:
    """What somebody holds; a card without a person is on no roster. It is enrolled under the last of its numbers."""

    id: str
    person: str | None
    company: str
    also: tuple[str, ...] = ()
    proof: str = "not_asked"
    ends: int | None = None

    @property
    def enrolled_as(self) -> str:
        """The number that the roster knows."""
        return (self.id, *self.also)[-1]


@dataclass(frozen=True, slots=True)
class Worker:
    """One card for each company worked for; the habits last for the month."""

    cards: tuple[Card, ...]
    works_nights: bool
    uses_one_reader: bool


def crew(chance: Random, size: int) -> list[Worker]:
    """So many people; every twelfth works for two companies, and a few hold cards that nobody has enrolled."""
    numbers = iter(range(1, 3 * size))
    workers = []
    for number in range(size):
        person = None if chance.random() < 0.04 else f"{number:016x}"
        companies = chance.sample(range(COMPANIES), 2 if chance.random() < 1 / 12 else 1)
        cards = tuple(_card(chance, next(numbers), person, f"{each:016x}") for each in companies)
        workers.append(Worker(cards, chance.random() < 0.15, chance.random() < 0.6))
    return workers


def _card(chance: Random, number: int, person: str | None, company: str) -> Card:
    """A third are cards with a chip that can prove itself, or should; of some the time is over in the month."""
    serial = f"uid:04{number:012X}"
    if chance.random() < 0.67:
        return Card(serial, person, company)
    proof = chance.choices(("genuine", "no_key", "copied", "mismatched", "foreign", "not_asked"), (70, 8, 6, 6, 6, 4))[
        0
    ]
    ends = chance.randrange(DAYS * DAY) if chance.random() < 0.1 else None
    return Card(f"piv:{number:032X}", person, company, (serial,) if chance.random() < 0.5 else (), proof, ends)


def month(chance: Random, workers: list[Worker]) -> Iterator[Held]:
    """Every card that is held against a reader, in no order."""
    for worker in workers:
        for day in range(DAYS - 1):
            today = date(2026, 3, 15) + timedelta(days=day)
            if chance.random() < _likely(today):
                yield from _shift(chance, worker, today)


def _likely(day: date) -> float:
    """How many of a hundred come to work on a day."""
    if day in HOLIDAYS or day.weekday() == 6:
        return 0.04
    return 0.15 if day.weekday() == 5 else 0.92


def _shift(chance: Random, worker: Worker, day: date) -> Iterator[Held]:
    card = chance.choice(worker.cards)
    starts, hours = (21.5, 8.25) if worker.works_nights else (6.75, 9.25)
    begin = _moment(day, starts) + int(chance.gauss(0, 20) * MINUTE)
    length = int(hours * HOUR + chance.gauss(0, 30) * MINUTE)
    if chance.random() < 0.01:
        length = int(chance.uniform(12.5, 15) * HOUR)  # concrete does not wait
    yield from _held(chance, worker, card, begin, "in")
    for share in (0.3, 0.5, 0.8):
        if chance.random() < 0.4:
            out = begin + int(length * share + chance.gauss(0, 8) * MINUTE)
            yield from _held(chance, worker, card, out, "out")
            yield from _held(chance, worker, card, out + int(chance.uniform(5, 45) * MINUTE), "in")
    if chance.random() > 0.03:  # some forget
        yield from _held(chance, worker, card, begin + length, "out")


def _held(chance: Random, worker: Worker, card: Card, at: int, way: str) -> Iterator[Held]:
    """A tap, and what follows when somebody is unsure whether it counted; sometimes a phone comes first."""
    reader = "both" if worker.uses_one_reader else way
    if chance.random() < 0.01:
        yield Held(at - 5 * SECOND, f"uid:08{chance.randrange(16**6):06X}", reader)
    yield Held(at, card.id, reader, card.also, card.proof, card.ends)
    if chance.random() < 0.12:
        for _ in range(chance.randint(1, 3)):
            at += int(chance.uniform(0.3, 3.4) * SECOND)
            yield Held(at, card.id, reader, card.also, card.proof, card.ends)


def _moment(day: date, hours: float) -> int:
    """A local time of a day as microseconds since the month began."""
    local = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(ZONE)) + timedelta(hours=hours)
    return int(local.astimezone(UTC).timestamp()) * SECOND - BEGINS
