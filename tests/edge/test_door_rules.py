"""The rules of a door are total and keep a bolt inside while its hole is not before it."""

from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.doors.rules import Happening, Leaf, LockState, Order, Relock, Standing, follows

STANDING: Final = Standing(
    leaf=Leaf.CLOSED,
    lock=LockState.LOCKED,
    relock=Relock.CLOSED,
    waits=False,
    access=False,
    owed=False,
    exit_pressed=False,
)
STANDINGS: Final = st.builds(
    Standing,
    leaf=st.sampled_from(Leaf),
    lock=st.sampled_from(LockState),
    relock=st.sampled_from(Relock),
    waits=st.booleans(),
    access=st.booleans(),
    owed=st.booleans(),
    exit_pressed=st.booleans(),
)


@given(what=st.sampled_from(Happening), now=STANDINGS)
def test_a_bolt_is_thrown_into_a_closed_door_only(what: Happening, now: Standing) -> None:
    leaf, order = follows(what, now)
    assert not (now.waits and leaf is not Leaf.CLOSED and order is Order.LOCK)


@given(what=st.sampled_from(Happening), now=STANDINGS)
def test_only_who_asks_or_a_bolt_in_the_way_unlocks(what: Happening, now: Standing) -> None:
    _, order = follows(what, now)
    thrown_beside = what is Happening.OPENED and now.lock is LockState.LOCKING
    assert (order is Order.UNLOCK) is (what is Happening.ASKED or thrown_beside)


@given(what=st.sampled_from(Happening), now=STANDINGS)
def test_a_door_is_forced_when_it_opens_while_locked_and_never_otherwise(what: Happening, now: Standing) -> None:
    leaf, _ = follows(what, now)
    broken_in = what is Happening.OPENED and now.lock is LockState.LOCKED and not now.exit_pressed
    assert (leaf is Leaf.FORCED and now.leaf is not Leaf.FORCED) is (broken_in and now.leaf is not Leaf.FORCED)


@given(now=STANDINGS)
def test_a_closed_door_is_locked_unless_somebody_may_still_come_in(now: Standing) -> None:
    leaf, order = follows(Happening.CLOSED, now)
    assert leaf is Leaf.CLOSED
    assert order is (Order.NOTHING if now.access and (now.owed or now.relock is Relock.TIME) else Order.LOCK)


@pytest.mark.parametrize(
    ("relock", "waits", "expected"),
    [
        (Relock.TIME, False, Order.NOTHING),
        (Relock.CLOSED, False, Order.NOTHING),
        (Relock.OPENED, False, Order.LOCK),
        (Relock.OPENED, True, Order.NOTHING),
    ],
)
def test_an_access_is_cancelled_by_opening_only_where_it_is_set_so(
    relock: Relock, waits: bool, expected: Order
) -> None:
    now = replace(STANDING, lock=LockState.UNLOCKED, relock=relock, waits=waits, access=True)
    assert follows(Happening.OPENED, now) == (Leaf.OPEN, expected)
