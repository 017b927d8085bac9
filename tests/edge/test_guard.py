"""One holding of a card counts once; the guard forgets in time and stays small."""

from hypothesis import given
from hypothesis import strategies as st

from edge.guard import NANOSECONDS, RepeatGuard
from protocol.cards import CardId

CARD, OTHER = CardId.parse("uid:04A1B2C3"), CardId.parse("uid:11223344")


def at(seconds: float) -> int:
    return 10**15 + int(seconds * NANOSECONDS)


def test_the_same_card_at_the_same_reader_within_three_seconds_gets_its_last_answer() -> None:
    guard = RepeatGuard[str]()
    assert guard.repeated("gate", CARD, at(0)) is None
    guard.note("gate", CARD, "admitted", at(0))
    assert guard.repeated("gate", CARD, at(2.999)) == "admitted"


def test_after_three_seconds_away_it_counts_again() -> None:
    guard = RepeatGuard[str]()
    guard.note("gate", CARD, "admitted", at(0))
    assert guard.repeated("gate", CARD, at(3)) is None


def test_a_card_that_keeps_coming_back_stays_a_repeat() -> None:
    """Otherwise somebody who fumbles for ten seconds goes in, out and in again (pitfall 15)."""
    guard = RepeatGuard[str]()
    guard.note("gate", CARD, "admitted", at(0))
    assert [guard.repeated("gate", CARD, at(2 * n)) for n in range(1, 6)] == ["admitted"] * 5


def test_another_card_and_another_reader_count_at_once() -> None:
    guard = RepeatGuard[str]()
    guard.note("gate", CARD, "admitted", at(0))
    assert guard.repeated("gate", OTHER, at(1)) is None
    assert guard.repeated("exit", CARD, at(1)) is None


def test_a_tap_that_was_not_recorded_is_no_repeat_when_it_is_tried_again() -> None:
    guard = RepeatGuard[str]()
    assert guard.repeated("gate", CARD, at(0)) is None
    assert guard.repeated("gate", CARD, at(1)) is None


def test_an_answer_that_no_longer_holds_is_not_given_again() -> None:
    """Who was refused is asked anew at once when the reason may be gone; who was admitted is not flipped to out."""
    guard = RepeatGuard[str]()
    guard.note("gate", CARD, "refused", at(0))
    guard.note("gate", OTHER, "admitted", at(0))
    guard.forget(lambda answer: answer == "refused")
    assert guard.repeated("gate", CARD, at(1)) is None
    assert guard.repeated("gate", OTHER, at(1)) == "admitted"


def test_what_is_over_is_forgotten() -> None:
    guard = RepeatGuard[str]()
    for n in range(100):
        guard.note("gate", CardId.parse(f"uid:{n:08X}"), "admitted", at(n / 100))
    guard.note("gate", CARD, "admitted", at(10))
    assert len(guard) == 1


def test_without_a_window_every_tap_counts() -> None:
    """`repeat_seconds = 0` is a setting that somebody may choose."""
    guard = RepeatGuard[str](seconds=0)
    guard.note("gate", CARD, "admitted", at(0))
    assert guard.repeated("gate", CARD, at(0)) is None
    assert len(guard) == 0


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 1000)), max_size=200))
def test_memory_is_bounded_whatever_comes(taps: list[tuple[int, int]]) -> None:
    guard = RepeatGuard[int](most=8)
    now = at(0)
    for number, pause_ms in taps:
        now += pause_ms * 1_000_000
        guard.note("gate", CardId.parse(f"uid:{number:08X}"), number, now)
        assert len(guard) <= 8
        assert guard.repeated("gate", CardId.parse(f"uid:{number:08X}"), now) == number
