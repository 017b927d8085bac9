"""What is done with blocked cards; one identity of a card blocks all that are known of it."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.audit.service import NOBODY, Action, record
from cloud.blocklist.models import Block
from cloud.errors import NotAllowed, NotFound
from cloud.people.models import CardIdentity
from cloud.scope import Scope
from cloud.sync.tables import drop, head_of, put
from protocol.cards import CardId
from protocol.decision import BlockReason
from protocol.tables import BLOCK_KEY_BYTES, EVERYBODY, Table, block_key, encode_value


def block(session: Session, scope: Scope, now: datetime, card: CardId, reason: BlockReason) -> Block:
    """Block a card everywhere; staff only, since it counts for every customer. Raises NotAllowed.

    A card that is blocked already takes the new reason.
    """
    _staff_only(scope)
    name = str(card)
    found = session.scalar(select(Block).where(Block.customer_id.is_(None), Block.card == name))
    account = scope.account if scope.account != NOBODY else None
    held = found or Block(card=name, created_at=now, account_id=account)
    held.reason = reason.value
    session.add(held)
    session.flush()
    _put(session, dict.fromkeys(_all_of(session, [name]), reason))
    record(session, scope, now, Action.CARD_BLOCKED, held.id, {"card": card.masked, "reason": reason.value})
    return held


def unblock(session: Session, scope: Scope, now: datetime, card: CardId) -> None:
    """Lift the block of a card; what another block still covers stays blocked. Raises NotAllowed, NotFound."""
    _staff_only(scope)
    name = str(card)
    held = session.scalar(select(Block).where(Block.customer_id.is_(None), Block.card == name))
    if held is None:
        raise NotFound("block of card", card.masked)
    session.delete(held)
    session.flush()
    touched = _all_of(session, [name])
    others = _blocks_of(session, touched)
    drop(session, Table.BLOCKLIST, EVERYBODY, _keys(session, touched - others.keys()))
    _put(session, others)
    record(session, scope, now, Action.CARD_UNBLOCKED, held.id, {"card": card.masked})


def extend(session: Session, identities: Iterable[str]) -> None:
    """A card became known by these identities: where one of them is blocked, all are."""
    _put(session, _blocks_of(session, set(identities)))


def _staff_only(scope: Scope) -> None:
    if scope.customer is not None:
        raise NotAllowed("block cards everywhere", "our staff")


def _blocks_of(session: Session, identities: set[str]) -> dict[str, BlockReason]:
    """Those of the identities that a block reaches, directly or by another identity of the same card."""
    reached: dict[str, BlockReason] = {}
    known = _all_of(session, identities)
    found = select(Block.card, Block.reason).where(Block.customer_id.is_(None), Block.card.in_(known))
    for card, reason in session.execute(found.order_by(Block.created_at)):
        for identity in _all_of(session, [card]) & identities:
            reached.setdefault(identity, BlockReason(reason))
    return reached


def _all_of(session: Session, identities: Iterable[str]) -> set[str]:
    """These identities, and all others of the cards that have one of them, at any customer."""
    asked = set(identities)
    cards = select(CardIdentity.card_id).where(CardIdentity.identity.in_(asked))
    return asked | set(session.scalars(select(CardIdentity.identity).where(CardIdentity.card_id.in_(cards))))


def _put(session: Session, blocks: dict[str, BlockReason]) -> None:
    if blocks:
        keys = _keys(session, blocks)
        put(session, Table.BLOCKLIST, EVERYBODY, dict(zip(keys, map(encode_value, blocks.values()), strict=True)))


def _keys(session: Session, identities: Iterable[str]) -> list[bytes]:
    """The rows' keys: the blocklist's epoch is their salt."""
    salt = head_of(session, Table.BLOCKLIST, EVERYBODY).epoch
    return [
        block_key(salt, CardId.parse(identity)).to_bytes(BLOCK_KEY_BYTES, "big", signed=True) for identity in identities
    ]
