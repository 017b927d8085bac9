"""OSDP readers over a pty with libosdp at both ends: whatever happens on the bus, they come back by themselves."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from edge.readers import CardSeen, CardUnread, ReaderBack, ReaderLost, ReaderTampered
from edge.readers.osdp.keys import Keys
from edge.signals.reader_lights import DARK, Light
from protocol.cards import CardId
from tests.support.osdp_gate import IN, KEYS, OUT, OsdpGate, osdp_gate
from tests.support.waiting import until

UID = bytes.fromhex("04A1B2C3D4E5F6")
CARD = CardId.parse("uid:04A1B2C3D4E5F6")
OTHER_KEY = bytes(range(50, 66))


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[OsdpGate]:
    with osdp_gate(tmp_path) as started:
        yield started


@pytest.mark.feature("F08")
def test_two_readers_on_one_bus_each_report_their_own_cards(gate: OsdpGate) -> None:
    gate.simulator.tap(IN, UID)
    assert gate.next() == CardSeen(CARD, "in")
    gate.simulator.tap(OUT, UID)
    seen = gate.next()
    assert seen == CardSeen(CARD, "out")
    assert isinstance(seen, CardSeen)
    assert (seen.raw, seen.took > 0) == (UID, True)
    assert gate.box(IN).is_secure
    assert gate.box(OUT).is_secure


def test_a_card_that_is_no_identity_says_what_to_change(gate: OsdpGate) -> None:
    gate.simulator.tap(IN, bytes.fromhex("A1B2C340"), bits=26)
    seen = gate.next()
    assert isinstance(seen, CardUnread)
    assert "Wiegand 26" in seen.why
    gate.simulator.tap(IN, UID)
    assert gate.next() == CardSeen(CARD, "in")


def test_what_is_typed_at_a_reader_is_ignored_and_said_once(gate: OsdpGate) -> None:
    with capture_logs() as lines:
        for _ in range(3):
            gate.simulator.press(IN, b"1234")
            gate.simulator.tap(IN, UID)
            assert gate.next() == CardSeen(CARD, "in")
    assert [(line["event"], line["reader"]) for line in lines] == [("keys.ignored", "in")]


@pytest.mark.feature("F08")
def test_a_reader_taken_off_its_wall_is_told_until_it_is_back(gate: OsdpGate) -> None:
    gate.simulator.open_box(OUT, True)
    assert gate.next() == ReaderTampered("out", True)
    gate.simulator.open_box(OUT, False)
    assert gate.next() == ReaderTampered("out", False)


def test_a_reader_opened_while_it_was_away_is_told_when_it_is_back(gate: OsdpGate) -> None:
    gate.simulator.power(OUT, False)
    assert isinstance(gate.next(), ReaderLost)
    gate.simulator.open_box(OUT, True)
    gate.simulator.power(OUT, True)
    assert {gate.next(), gate.next()} == {ReaderBack("out"), ReaderTampered("out", True)}


def test_a_supply_that_sinks_is_logged(gate: OsdpGate) -> None:
    with capture_logs() as lines:
        gate.simulator.starve(IN, True)
        until(lambda: lines, what="the line")
    assert lines[0] == {"event": "power.changed", "log_level": "warning", "reader": "in", "lacking": True}


# --- lights -----------------------------------------------------------------------------------------------------------


@pytest.mark.feature("F08", "F11")
@pytest.mark.parametrize("light", [Light(green=True), Light(red=True), Light(True, True), Light(red=True, buzzer=True)])
def test_a_reader_shows_what_it_is_told(gate: OsdpGate, light: Light) -> None:
    gate[IN].light(light)
    gate.wait_shown(IN, light)
    assert gate.box(OUT).shows == DARK
    gate[IN].light(DARK)
    gate.wait_shown(IN, DARK)


def test_only_the_newest_is_shown_however_fast_it_changes(gate: OsdpGate) -> None:
    before = len(gate.box(IN).heard)
    for number in range(2000):
        gate[IN].light(Light(red=number % 2 == 0))
    gate[IN].light(Light(green=True))
    gate.wait_shown(IN, Light(green=True))
    assert len(gate.box(IN).heard) - before < 99


def test_what_stays_lit_is_lit_anew_and_goes_out_by_itself_without_the_terminal(gate: OsdpGate) -> None:
    gate[IN].light(Light(red=True))
    gate.wait_shown(IN, Light(red=True))
    told = len(gate.box(IN).heard)
    until(lambda: len(gate.box(IN).heard) >= told + 3, what="the light renewed")
    assert gate.box(IN).shows == Light(red=True)
    gate.stop_terminal()
    gate.wait_shown(IN, DARK)


def test_a_reader_that_comes_back_shows_what_holds_now(gate: OsdpGate) -> None:
    gate.simulator.power(IN, False)
    assert isinstance(gate.next(), ReaderLost)
    gate[IN].light(Light(green=True))
    gate.simulator.power(IN, True)
    assert gate.next() == ReaderBack("in")
    gate.wait_shown(IN, Light(green=True))


# --- lost and back ----------------------------------------------------------------------------------------------------


@pytest.mark.feature("F09")
def test_a_reader_without_power_is_lost_and_comes_back_while_the_other_goes_on(gate: OsdpGate) -> None:
    gate.simulator.power(OUT, False)
    lost = gate.next()
    assert lost == ReaderLost("out", "it does not answer: look at its power, A and B, its address and baud")
    assert not gate[OUT].is_there
    gate.simulator.tap(IN, UID)
    assert gate.next() == CardSeen(CARD, "in")
    gate.simulator.power(OUT, True)
    assert gate.next() == ReaderBack("out")
    gate.simulator.tap(OUT, UID)
    assert gate.next() == CardSeen(CARD, "out")


@pytest.mark.feature("F09")
def test_a_reader_that_was_off_the_wires_longer_than_libosdp_waits_comes_back(gate: OsdpGate) -> None:
    """Its Secure Channel is over on its side, and libosdp has given it up for 300 seconds."""
    gate.simulator.wire(IN, False)
    assert isinstance(gate.next(), ReaderLost)
    until(lambda: not gate.box(IN).is_secure, 60, "the reader's end of the channel timing out")
    gate.simulator.wire(IN, True)
    assert gate.next() == ReaderBack("in")


def test_a_card_that_a_reader_kept_while_nobody_listened_is_no_tap_of_now(gate: OsdpGate) -> None:
    gate.simulator.wire(IN, False)
    assert isinstance(gate.next(), ReaderLost)
    for _ in range(3):
        gate.simulator.tap(IN, UID)
    gate.simulator.wire(IN, True)
    kept = gate.until(lambda seen: seen == ReaderBack("in"))
    assert kept[:-1] == [CardUnread("in", "it was held there before the reader was back: hold it again")] * 3
    gate.simulator.tap(IN, UID)
    assert gate.next() == CardSeen(CARD, "in")


@pytest.mark.feature("F09")
@pytest.mark.parametrize("sent", [0, 1, 7, 20])
def test_a_bus_unplugged_in_mid_frame_comes_back_when_it_is_plugged_in(gate: OsdpGate, sent: int) -> None:
    gate.simulator.tap(IN, UID)
    gate.simulator.unplug_after(sent)
    gate.until(lambda seen: isinstance(seen, ReaderLost))
    assert isinstance(gate.next(), ReaderLost)
    gate.simulator.plug()
    gate.wait_for(IN, OUT)
    assert gate.hold(OUT, UID) == CardSeen(CARD, "out")


def test_noise_on_the_wires_invents_no_card_and_loses_no_reader(gate: OsdpGate) -> None:
    for number in range(40):
        gate.simulator.disturb(bytes([0xFF, 0x53, 0x80, number]) + bytes(number))
    assert gate.hold(IN, UID) == CardSeen(CARD, "in")
    assert gate.hold(OUT, UID) == CardSeen(CARD, "out")


def test_a_port_that_is_not_there_is_said_and_waited_for(tmp_path: Path) -> None:
    gate = OsdpGate(tmp_path)
    gate.know_keys()
    gate.start_terminal()
    try:
        assert gate.next() == ReaderLost("in", f"nothing is plugged in as {tmp_path / 'bus'}")
        gate.simulator.start()
        gate.wait_for(IN, OUT)
    finally:
        gate.stop_terminal()
        gate.simulator.stop()


def test_a_port_that_another_program_uses_is_said(gate: OsdpGate) -> None:
    other = OsdpGate(gate.store.folder)
    other.start_terminal()
    try:
        lost = other.next()
        assert isinstance(lost, ReaderLost)
        assert "another program uses" in lost.why
    finally:
        other.stop_terminal()


# --- keys -------------------------------------------------------------------------------------------------------------


@pytest.mark.feature("F08")
def test_a_reader_with_another_key_is_refused_and_says_what_to_do(tmp_path: Path) -> None:
    gate = OsdpGate(tmp_path)
    gate.know_keys()
    gate.store.put("out", Keys(OTHER_KEY))
    gate.start()
    try:
        gate.wait_for(IN)
        lost = gate.next()
        assert lost == ReaderLost("out", "it answers and does not take our key: run `grindvakt reader provision out`")
        gate.simulator.tap(OUT, UID)
        gate.simulator.tap(IN, UID)
        assert gate.next() == CardSeen(CARD, "in")
        assert not gate[OUT].is_there
    finally:
        gate.stop_terminal()
        gate.simulator.stop()


@pytest.mark.feature("F08")
def test_a_reader_in_install_mode_is_not_served_with_the_default_key(tmp_path: Path) -> None:
    with osdp_gate(tmp_path, keyed=False) as gate:
        gate.simulator.reset(IN)
        why = {(seen.reader, seen.why) for seen in (gate.next(), gate.next()) if isinstance(seen, ReaderLost)}
        assert why == {
            (name, f"it answers and has no key of ours yet: run `grindvakt reader provision {name}`")
            for name in ("in", "out")
        }
        gate.simulator.tap(IN, UID)
        assert gate.box(IN).key is None
        assert not gate.box(IN).is_secure
        assert gate.seen.is_empty


def test_a_damaged_store_stops_its_readers_and_says_so(tmp_path: Path) -> None:
    gate = OsdpGate(tmp_path)
    gate.know_keys()
    gate.store.path.write_bytes(b"damaged")
    gate.start()
    try:
        lost = gate.next()
        assert isinstance(lost, ReaderLost)
        assert "provision each OSDP reader anew" in lost.why
    finally:
        gate.stop_terminal()
        gate.simulator.stop()


def test_nothing_is_reported_after_the_stop(gate: OsdpGate) -> None:
    gate.stop_terminal()
    assert not gate[IN].is_there
    gate.simulator.unplug()
    gate.restart_terminal()
    assert isinstance(gate.next(), ReaderLost)


def test_a_light_after_the_stop_goes_into_no_file(gate: OsdpGate, tmp_path: Path) -> None:
    """The number of a closed pipe is the next file's; a byte for the bus must not end up in a ledger."""
    gate.stop_terminal()
    with (tmp_path / "ledger.db").open("wb") as first, (tmp_path / "tables.db").open("wb") as second:
        gate[IN].light(Light(green=True))
        gate.bus.wake()
        assert first.fileno() != second.fileno()
    assert [(tmp_path / name).stat().st_size for name in ("ledger.db", "tables.db")] == [0, 0]


def test_the_keys_are_those_that_were_given(gate: OsdpGate) -> None:
    assert {address: gate.box(address).key for address in KEYS} == KEYS
