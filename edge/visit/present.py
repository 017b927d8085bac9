"""Nulägesrapport: who is here now, by what this terminal saw and by what the cloud has told of the other gates."""

from collections.abc import Iterable, Iterator
from typing import Final

from edge.visit.asking import is_meant
from edge.visit.history import Narrowing
from edge.visit.rows import Row
from edge.visit.taps import Progress, Tapped, Taps
from edge.visit.wording import HERE, Wording
from protocol.passes import LONGEST_PASS, Direction, Movement, Pass, Step, is_recent, longest_age, newer
from protocol.tables import Presence, presence_key

LOOKED_BACK: Final = 2 * LONGEST_PASS  # for movements that may still count; a clock may have been set since


def present(taps: Taps, narrowing: Narrowing, floor: int, progress: Progress) -> list[Row]:
    """Everybody who is here, by company and name; `floor` is the last time known to be right, in microseconds UTC."""
    own = {step.who: step for step in _newest(taps, narrowing, floor, progress)}
    rows = [*_of_own(own.values(), narrowing), *_of_others({step.entry.key for step in own.values()}, narrowing)]
    return sorted(rows, key=_order)


def _newest(taps: Taps, narrowing: Narrowing, floor: int, progress: Progress) -> Iterator[Step[Tapped]]:
    for tapped in taps.between(floor - LOOKED_BACK, None, progress):
        step = tapped.step()
        if step is not None and _is_of_the_project(tapped, narrowing):
            yield step


def _is_of_the_project(tapped: Tapped, narrowing: Narrowing) -> bool:
    here = narrowing.wording.told.binding
    return here is None or tapped.tap.project == here.project


def _of_own(steps: Iterable[Step[Tapped]], narrowing: Narrowing) -> Iterator[Row]:
    """Whose newest movement is an IN here, or told of another gate since."""
    wording = narrowing.wording
    for step in steps:
        told = _told_of(step.entry, wording)
        if told is not None and told.at == step.movement.at:
            told = None  # it tells of this very tap
        elsewhere = None if told is None else Movement(told.direction, told.at)
        last = newer(step.movement, elsewhere, wording.now)
        if not _is_in(last, wording) or not narrowing.means(step.entry):
            continue
        if last is step.movement:
            yield wording.of_pass(Pass(step, None), HERE)
        elif told is not None:
            yield wording.of_presence(step.entry.key, told)


def _told_of(tapped: Tapped, wording: Wording) -> Presence | None:
    """What the cloud told of whoever tapped; of somebody who was not known then it tells by the card."""
    if wording.told.binding is None:
        return None
    cards = (tapped.tap.card, *tapped.tap.also) if tapped.is_completed else ()
    keys = (tapped.key, *(presence_key(card, None, None) for card in cards))
    found = [told for key in keys if (told := wording.told.presence(key)) is not None]
    return max(found, key=lambda told: told.at, default=None)


def _of_others(seen_here: set[bytes], narrowing: Narrowing) -> Iterator[Row]:
    """Who came in at another gate and was not seen here lately."""
    wording = narrowing.wording
    if wording.told.binding is None:
        return
    newest: dict[bytes, Presence] = {}
    for told_by, presence in wording.told.came_in():  # the earliest first
        newest[_holders_key(told_by, wording)] = presence
    for key, presence in newest.items():
        movement = Movement(presence.direction, presence.at)
        if key not in seen_here and _is_in(movement, wording) and _is_meant(key, narrowing):
            yield wording.of_presence(key, presence)


def _holders_key(key: bytes, wording: Wording) -> bytes:
    """The key of presence of whoever holds a card by now; that of a person, and of an unknown card, stays."""
    text = key.decode(errors="replace")
    if "\0" in text or ":" not in text:
        return key
    holder = wording.told.holder((text,)) or wording.names.holder((text,))
    return key if holder is None else presence_key(text, holder.person, holder.company)


def _is_meant(key: bytes, narrowing: Narrowing) -> bool:
    person, _, company = key.decode(errors="replace").partition("\0")
    names = narrowing.wording.names
    if not is_meant(narrowing.asked.person, person, names.of(person)):
        return False
    return is_meant(narrowing.asked.company, company or None, names.of(company or None))


def _is_in(last: Movement | None, wording: Wording) -> bool:
    if last is None or last.direction is not Direction.IN:
        return False
    return is_recent(last, _longest(wording), wording.now)


def _longest(wording: Wording) -> int:
    here = wording.told.binding
    return longest_age(None if here is None else here.reset, wording.zone, wording.now)


def _order(row: Row) -> tuple[str, str, int]:
    return row.company.casefold(), row.person.casefold(), row.began.utc if row.began else 0
