"""What readers report from their threads is answered in the loop, and the resting light tells what is wrong."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import pytest
from structlog.testing import capture_logs

from edge.answers import Answer
from edge.readers import CardSeen, CardUnread, ReaderBack, ReaderLost, ReaderTampered
from edge.sightings import Sightings
from edge.signals.patterns import Pattern
from edge.signals.resting import Resting
from tests.support.gate import ANNA, Gate, gate

T = TypeVar("T")


def at(site: Gate) -> Sightings:
    """What takes the sightings of a gate into the running loop."""
    loop, signals = asyncio.get_running_loop(), site.terminal.signals
    return Sightings(loop, site.terminal, signals, Resting(signals), site.tables, site.link.wake)


def watching(folder: Path, watch: Callable[[Gate, Sightings], T]) -> T:
    """What `watch` finds, at a gate whose sightings come through a real loop."""

    async def visit() -> T:
        with gate(folder) as site:
            sightings = at(site)
            sightings.rest()
            return watch(site, sightings)

    return asyncio.run(visit())


def test_a_sighting_from_another_thread_is_answered_in_the_loop(tmp_path: Path) -> None:
    async def visit() -> tuple[Answer, list[str]]:
        with gate(tmp_path) as site:
            sightings = at(site)
            awaited = sightings.answer_to(CardSeen(ANNA, "in"))
            reader = threading.Thread(target=sightings.hand_over, args=[CardSeen(ANNA, "in")])
            reader.start()
            answer = await asyncio.wait_for(awaited, 5)
            reader.join()
            return answer, [tap.card for tap in site.taps]

    answer, recorded = asyncio.run(visit())
    assert answer.seq is not None
    assert recorded == [str(ANNA)]


def test_without_a_binding_the_light_rests_on_unbound_and_a_binding_ends_that(tmp_path: Path) -> None:
    def watch(site: Gate, sightings: Sightings) -> list[Pattern]:
        before = site.terminal.signals.shown
        site.tables.on_change = sightings.rest
        site.cloud.bind()
        return [before, site.terminal.signals.shown]

    assert watching(tmp_path, watch) == [Pattern.UNBOUND, Pattern.READY]


def test_a_lost_reader_is_shown_until_it_is_back_and_the_cloud_is_told_both_times(tmp_path: Path) -> None:
    def watch(site: Gate, sightings: Sightings) -> list[Pattern]:
        site.cloud.bind()
        shown = []
        for sighting in (
            ReaderLost("in", "unplugged"),
            ReaderLost("out", "unplugged"),
            ReaderBack("in"),
            ReaderBack("out"),
        ):
            sightings.take(sighting)
            shown.append(site.terminal.signals.shown)
        assert site.link.woken == 4
        return shown

    with capture_logs() as lines:
        assert watching(tmp_path, watch) == [Pattern.READER_FAULT] * 3 + [Pattern.READY]
    events = [line["event"] for line in lines if line["event"].startswith("reader.")]
    assert events == ["reader.lost", "reader.lost", "reader.returned", "reader.returned"]


@pytest.mark.feature("F11")
def test_an_opened_reader_is_shown_until_all_are_whole_again_and_the_cloud_is_told(tmp_path: Path) -> None:
    """Taps go on: who opened it may be the installer, and nobody is shut out for it."""

    def watch(site: Gate, sightings: Sightings) -> list[Pattern]:
        site.cloud.bind()
        shown = []
        for sighting in (
            ReaderTampered("in", on=True),
            ReaderTampered("out", on=True),
            ReaderTampered("in", on=False),
            ReaderTampered("out", on=False),
        ):
            sightings.take(sighting)
            shown.append(site.terminal.signals.shown)
        assert site.link.woken == 4
        sightings.take(ReaderTampered("in", on=True))
        assert sightings.tampered == {"in"}
        sightings.take(CardSeen(ANNA, "in"))
        assert [tap.outcome for tap in site.taps] == ["granted"]
        return shown

    with capture_logs() as lines:
        assert watching(tmp_path, watch) == [Pattern.READER_TAMPER] * 3 + [Pattern.READY]
    told = [(line["reader"], line["on"]) for line in lines if line["event"] == "reader.tampered"]
    assert told == [("in", True), ("out", True), ("in", False), ("out", False), ("in", True)]


def test_an_unread_card_is_asked_to_hold_still_and_leaves_no_entry(tmp_path: Path) -> None:
    def watch(site: Gate, sightings: Sightings) -> Pattern:
        sightings.take(CardUnread("in", "the card was taken away"))
        assert site.taps == []
        return site.terminal.signals.shown

    with capture_logs() as lines:
        assert watching(tmp_path, watch) is Pattern.UNREAD
    assert lines[-1] == {
        "event": "card.unread",
        "log_level": "warning",
        "reader": "in",
        "why": "the card was taken away",
    }


def test_a_failed_ledger_is_shown_until_a_tap_is_on_disk_again(tmp_path: Path) -> None:
    def watch(site: Gate, sightings: Sightings) -> list[Pattern]:
        site.cloud.bind()
        with closing(sqlite3.connect(site.folder / "ledger.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            sightings.take(CardSeen(ANNA, "in"))
        site.loop.advance(4)
        failed = site.terminal.signals.shown
        sightings.take(CardSeen(ANNA, "in"))
        site.loop.advance(4)
        return [failed, site.terminal.signals.shown]

    assert watching(tmp_path, watch) == [Pattern.LEDGER_FAULT, Pattern.READY]


def test_a_card_refused_a_moment_ago_is_admitted_as_soon_as_the_terminal_is_bound(tmp_path: Path) -> None:
    """Nobody has to wait for the double-read guard after the reason for the refusal is gone."""

    async def visit() -> list[Answer]:
        with gate(tmp_path) as site:
            sightings = at(site)
            site.tables.on_change = sightings.tables_changed
            answers = []
            for bind_first in (False, True):
                if bind_first:
                    site.cloud.bind()
                    await asyncio.sleep(0)
                awaited = sightings.answer_to(CardSeen(ANNA, "in"))
                sightings.take(CardSeen(ANNA, "in"))
                answers.append(await asyncio.wait_for(awaited, 5))
            return answers

    refused, admitted = asyncio.run(visit())
    assert refused.outcome == "denied"
    assert admitted.outcome == "granted"
