"""Learns from taps which identities are one card, and which cards nobody is known behind (DESIGN 4 and 6).

A reader tells all identities of a card that it read. Those that no card has yet are added to the card of one that is
known: where that card is blocked or enrolled, so are they. One that is another card's stays there, and is shown.

Anybody can make a chip that tells another card's serial beside a GUID of its own. So where a project of the customer
requires proof, a card is known by its own identity only, which the proof is about; somebody must give it to its holder.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Final

import structlog
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from cloud.audit.service import NOBODY, Action, record
from cloud.blocklist.service import extend
from cloud.events import Event
from cloud.people.models import Card, CardConflict, CardIdentity, UnknownCard, UnknownIdentity
from cloud.projects.models import Project, ProjectPerson
from cloud.projects.policies import Policies
from cloud.scope import Scope
from cloud.sync.tables import put
from protocol.cards import CardId
from protocol.decision import CardAuthentication, Enrolment
from protocol.tables import Table, encode_value

MOST_IDENTITIES: Final = 8
"""Of one card; a chip that tells a new one at each touch would fill every roster it is on."""

_OURSELVES: Final = Scope(NOBODY, None)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Seen:
    """A card as a reader read it: identities that last, its own first; when, at which terminal and on which project.

    `counts`: the tap was granted, so what it tells of a card that is known is believed.
    """

    identities: tuple[str, ...]
    at: datetime
    terminal: str
    reader: str
    project: str | None
    counts: bool


def learn(session: Session, now: datetime, customer: str, seen: Iterable[Seen]) -> None:
    """Take in what the terminals of a customer saw, the earliest first.

    Raises IntegrityError where another transaction learns of the same card at the same moment.
    """
    ordered = sorted(seen, key=lambda each: each.at)
    lesson = _Lesson(session, now, customer, {name for each in ordered for name in each.identities})
    for each in ordered:
        lesson.take(each)


def forget(session: Session, customer: str, identities: Collection[str]) -> None:
    """Somebody is known behind these identities now: no unknown card has them any more."""
    here = select(UnknownIdentity.unknown_card_id).where(
        UnknownIdentity.customer_id == customer, UnknownIdentity.identity.in_(identities)
    )
    _drop_unknown(session, set(session.scalars(here)))


class _Lesson:
    """What is known of some identities of one customer, and what becomes of it."""

    def __init__(self, session: Session, now: datetime, customer: str, names: set[str]) -> None:
        self._session = session
        self._now = now
        self._customer = customer
        held = select(CardIdentity.identity, CardIdentity.card_id).where(
            CardIdentity.customer_id == customer, CardIdentity.identity.in_(names)
        )
        self._cards = {name: card for name, card in session.execute(held)}  # noqa: C416 - rows are no pairs to `dict`
        unknown = select(UnknownIdentity.identity, UnknownIdentity.unknown_card_id).where(
            UnknownIdentity.customer_id == customer, UnknownIdentity.identity.in_(names - self._cards.keys())
        )
        self._unknown: dict[str, str] = {}
        if names - self._cards.keys():
            self._unknown = {name: card for name, card in session.execute(unknown)}  # noqa: C416

    def take(self, seen: Seen) -> None:
        """Add to a card that is known, or list one that is not."""
        known = [name for name in seen.identities if name in self._cards]
        if not known or (known[0] != seen.identities[0] and self._is_strict):
            self._list(replace(seen, identities=tuple(name for name in seen.identities if name not in self._cards)))
        elif seen.counts:
            card = self._cards[known[0]]
            for name in known:
                if self._cards[name] != card:
                    self._say_conflict(card, name, seen.at)
            new = [name for name in seen.identities if name not in self._cards]
            if new:
                self._join(card, new)

    @cached_property
    def _is_strict(self) -> bool:
        """Whether a project of the customer that runs requires proof: then a serial vouches for nothing."""
        running = select(Project.policies).where(Project.customer_id == self._customer, Project.ended_at.is_(None))
        asked = (Policies.load(policies).card_authentication for policies in self._session.scalars(running))
        return CardAuthentication.REQUIRE in asked

    def _join(self, key: str, names: list[str]) -> None:
        """These are identities of a card that is known, and so are all of the unknown cards that had one of them."""
        session = self._session
        card = session.scalars(select(Card).where(Card.id == key).with_for_update()).one()
        merged = {self._unknown.pop(name) for name in names if name in self._unknown}
        if merged:
            of_merged = select(UnknownIdentity.identity).where(UnknownIdentity.unknown_card_id.in_(merged))
            names = list(dict.fromkeys((*names, *session.scalars(of_merged.order_by(UnknownIdentity.identity)))))
            _drop_unknown(session, merged)
        has = session.scalar(select(func.count()).select_from(CardIdentity).where(CardIdentity.card_id == key)) or 0
        added = names[: max(0, MOST_IDENTITIES - has)]
        if len(added) < len(names):
            log.warning(Event.CARD_OVERFILLED, card=key, has=has, then="no more of its identities are taken in")
        if not added:
            return
        rows = [{"card_id": key, "identity": name, "customer_id": self._customer} for name in sorted(added)]
        session.execute(insert(CardIdentity), rows)
        self._cards |= dict.fromkeys(added, key)
        extend(session, added)
        _tell_rosters(session, card, added)
        masked = [CardId.parse(name).masked for name in added]
        record(session, _OURSELVES, self._now, Action.CARD_JOINED, key, {"cards": masked})
        log.info(Event.CARD_JOINED, card=key, cards=masked)

    def _say_conflict(self, card: str, name: str, at: datetime) -> None:
        """Both stay as they are; two cards that somebody has for the same company may tell the same number."""
        session, other = self._session, self._cards[name]
        row = {"card_id": card, "identity": name, "other_card_id": other, "customer_id": self._customer, "seen_at": at}
        held = session.get(CardConflict, (card, name))
        if held is not None:
            held.other_card_id, held.seen_at = other, max(at, held.seen_at)
            return
        holders = select(Card.person_id, Card.company_id).where(Card.id.in_((card, other))).distinct()
        if len(session.execute(holders).all()) == 1:
            return
        session.add(CardConflict(**row))
        session.flush()
        masked = CardId.parse(name).masked
        record(session, _OURSELVES, self._now, Action.CARD_CONFLICTED, card, {"card": masked, "other": other})
        log.warning(Event.CARD_CONFLICTED, card=card, other=other, identity=masked)

    def _list(self, seen: Seen) -> None:
        """Nobody is known behind it: it stands in the list once, with all its identities and where it was last."""
        session = self._session
        found = list(dict.fromkeys(self._unknown[name] for name in seen.identities if name in self._unknown))
        first, others = (found[0], set(found[1:])) if found else (self._new(seen), set())
        if others:
            moved = update(UnknownIdentity).where(UnknownIdentity.unknown_card_id.in_(others))
            session.execute(moved.values(unknown_card_id=first).execution_options(synchronize_session=False))
            _drop_unknown(session, others)
            self._unknown = {name: first if card in others else card for name, card in self._unknown.items()}
        new = [name for name in seen.identities if name not in self._unknown]
        here = UnknownIdentity.unknown_card_id == first
        has = session.scalar(select(func.count()).where(here)) if new and found else 0
        new = new[: max(0, MOST_IDENTITIES - (has or 0))]
        rows = [{"customer_id": self._customer, "identity": name, "unknown_card_id": first} for name in sorted(new)]
        if rows:
            session.execute(insert(UnknownIdentity), rows)
        self._unknown |= dict.fromkeys(new, first)
        later = update(UnknownCard).where(UnknownCard.id == first, UnknownCard.seen_at < seen.at)
        place = {"seen_at": seen.at, "terminal": seen.terminal, "reader": seen.reader, "project": seen.project}
        session.execute(later.values(place).execution_options(synchronize_session=False))

    def _new(self, seen: Seen) -> str:
        place = {"seen_at": seen.at, "terminal": seen.terminal, "reader": seen.reader, "project": seen.project}
        added = UnknownCard(customer_id=self._customer, **place)
        self._session.add(added)
        self._session.flush()
        return added.id


def _tell_rosters(session: Session, card: Card, names: Sequence[str]) -> None:
    """Where the card is enrolled, terminals know it by these too."""
    enrolled = select(ProjectPerson).where(ProjectPerson.card_id == card.id).order_by(ProjectPerson.project_id)
    for each in session.scalars(enrolled).all():
        rights = None if each.rights is None else tuple(each.rights)
        value = encode_value(Enrolment(card.person_id, card.company_id, rights, each.long_access))
        put(session, Table.ROSTER, each.project_id, {name.encode(): value for name in names})


def _drop_unknown(session: Session, cards: Collection[str]) -> None:
    if cards:
        gone = delete(UnknownCard).where(UnknownCard.id.in_(cards))
        session.execute(gone.execution_options(synchronize_session=False))
