"""The overview tells how each reader is and what it saw, after the tap was answered, and keeps no more than it must."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from edge.errors import TablesUnusable
from edge.readers import CardSeen, CardUnread, ReaderBack, ReaderLost, ReaderTampered, Sighting
from edge.readers.overview import KEPT, Overview
from edge.readers.simulated import SimulatedReader
from edge.readers.told import LONGEST_RAW
from protocol.cards import CardId
from protocol.credentials import Credential, Proof
from protocol.decision import Enrolment
from tests.support.gate import ANNA, BORIS, HandClock

T = TypeVar("T")
TURNED = CardId.parse("uid:F6E5D4C3B2A104")


def enrolled(card: CardId) -> Enrolment | None:
    """A roster of one."""
    return Enrolment("anna", "bygg") if card == ANNA else None


def looking(
    visit: Callable[[Overview, Callable[[Sighting], None]], Coroutine[Any, Any, T]],
    look_up: Callable[[CardId], Enrolment | None] = enrolled,
) -> T:
    """What a visit finds at an overview of two readers, of which `in` is started."""

    async def begun() -> T:
        readers = [SimulatedReader("in"), SimulatedReader("out")]
        kinds = {"in": "serial", "out": "pcsc"}
        overview = Overview(asyncio.get_running_loop(), HandClock(), readers, kinds, look_up)
        take = overview.before(lambda _sighting: None)
        readers[0].start(take)
        return await visit(overview, take)

    return asyncio.run(begun())


async def seen(overview: Overview) -> list[dict[str, Any]]:
    """All that is kept, once the loop has noted it."""
    await asyncio.sleep(0)
    answer: list[dict[str, Any]] = (await overview.since(None))["sightings"]
    return answer


@pytest.mark.feature("F09")
def test_a_reader_says_since_when_and_why_it_is_lost_until_it_is_back() -> None:
    async def visit(overview: Overview, take: Callable[[Sighting], None]) -> list[dict[str, Any]]:
        states = [overview.states()["out"]]
        for sighting in (ReaderLost("out", "it was unplugged"), ReaderTampered("out", True), ReaderBack("out")):
            take(sighting)
            await asyncio.sleep(0)
            states.append(overview.states()["out"])
        return states

    fresh = {"there": False, "kind": "pcsc", "why": None, "lost_at": None, "tampered": False}
    lost = {**fresh, "why": "it was unplugged", "lost_at": "2026-06-10T12:00:00.000+00:00"}
    assert looking(visit) == [fresh, lost, {**lost, "tampered": True}, {**fresh, "tampered": True}]


def test_what_a_reader_that_is_there_said_when_it_was_lost_is_not_told_any_more() -> None:
    async def visit(overview: Overview, take: Callable[[Sighting], None]) -> dict[str, Any]:
        take(ReaderLost("in", "it was unplugged"))
        await asyncio.sleep(0)
        state: dict[str, Any] = overview.states()["in"]
        return state

    assert looking(visit) == {"there": True, "kind": "serial", "why": None, "lost_at": None, "tampered": False}


def test_a_sighting_is_told_whole_and_compared_with_the_roster() -> None:
    async def visit(overview: Overview, take: Callable[[Sighting], None]) -> list[dict[str, Any]]:
        take(CardSeen(ANNA, "in", (BORIS,), Credential(Proof.GENUINE), b"\x01\x02", 1_500_000, "MIFARE Classic 1K"))
        take(CardSeen(TURNED, "out"))
        take(CardUnread("in", "the line broke off", b"04A1"))
        return await seen(overview)

    first, second, third = looking(visit)
    assert first == {
        "number": 1,
        "at": "2026-06-10T12:00:00.000+00:00",
        "reader": "in",
        "what": "card",
        "card": str(ANNA),
        "also": (str(BORIS),),
        "proof": "genuine",
        "raw": "0102",
        "chip": "MIFARE Classic 1K",
        "why": None,
        "milliseconds": 1.5,
        "on_roster": True,
        "turned_on_roster": False,
    }
    assert (second["on_roster"], second["turned_on_roster"]) == (False, True)
    assert (third["what"], third["why"], third["raw"], third["on_roster"]) == (
        "unread",
        "the line broke off",
        "30344131",
        None,
    )


def test_a_roster_that_cannot_be_read_says_nothing() -> None:
    def unusable(card: CardId) -> Enrolment | None:
        raise TablesUnusable(Path("tables.db"), str(card))

    async def visit(overview: Overview, take: Callable[[Sighting], None]) -> list[dict[str, Any]]:
        take(CardSeen(ANNA, "in"))
        return await seen(overview)

    (told,) = looking(visit, unusable)
    assert (told["on_roster"], told["turned_on_roster"]) == (None, None)


def test_whoever_waits_gets_the_next_sighting_and_none_twice() -> None:
    async def visit(overview: Overview, take: Callable[[Sighting], None]) -> list[list[int]]:
        take(CardSeen(ANNA, "in"))
        await asyncio.sleep(0)
        newest = (await overview.since(None))["newest"]
        waiting = [asyncio.create_task(overview.since(newest)) for _ in range(2)]
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        take(CardSeen(BORIS, "in"))
        answers = await asyncio.wait_for(asyncio.gather(*waiting), 5)
        return [[each["number"] for each in answer["sightings"]] for answer in answers]

    assert looking(visit) == [[2], [2]]


def test_whoever_waits_in_vain_is_answered_with_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.readers.overview.MOST_PATIENT", 0.05)

    async def visit(overview: Overview, take: Callable[[Sighting], None]) -> dict[str, Any]:
        take(CardSeen(ANNA, "in"))
        await asyncio.sleep(0)
        return await overview.since(1)

    answer = looking(visit)
    assert (answer["newest"], answer["sightings"], set(answer["readers"])) == (1, [], {"in", "out"})


def test_whoever_knows_numbers_of_a_daemon_before_gets_all_of_this_one() -> None:
    async def visit(overview: Overview, take: Callable[[Sighting], None]) -> list[int]:
        take(CardSeen(ANNA, "in"))
        await asyncio.sleep(0)
        return [each["number"] for each in (await overview.since(4711))["sightings"]]

    assert looking(visit) == [1]


def test_no_more_is_kept_than_the_newest_and_no_answer_of_a_card_grows_without_end() -> None:
    async def visit(overview: Overview, take: Callable[[Sighting], None]) -> list[dict[str, Any]]:
        for _ in range(KEPT + 10):
            take(CardUnread("in", "noise", bytes(10 * LONGEST_RAW)))
        return await seen(overview)

    told = looking(visit)
    assert [each["number"] for each in told] == list(range(11, KEPT + 11))
    assert {len(each["raw"]) for each in told} == {2 * LONGEST_RAW}


def test_the_tap_goes_before_whoever_looks_on() -> None:
    async def visit(overview: Overview, _take: Callable[[Sighting], None]) -> tuple[list[Sighting], int, int]:
        passed: list[Sighting] = []
        take = overview.before(passed.append)
        take(CardSeen(ANNA, "in"))
        at_once = (await overview.since(None))["newest"]
        return passed, at_once, len(await seen(overview))

    assert looking(visit) == ([CardSeen(ANNA, "in")], 0, 1)
