"""A terminal's ledger is damaged while it is offline: it goes on at once, and the cloud gets all that is left of it."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from protocol.decision import ReaderDirection
from tests.journeys.conftest import Build
from tests.support.audit import Copy, Row, chain_faults, green_faults, ledger_copy, recorded_taps
from tests.support.site import Site
from tests.support.site_terminal import Plan, SiteTerminal
from tests.support.waiting import until

LOST: Final = 2


@pytest.fixture(scope="module")
def site(build: Build) -> Site:
    return build([Plan("gate-north", direction=ReaderDirection.TOGGLE)])


@pytest.fixture
def north(site: Site) -> SiteTerminal:
    return site.terminal("gate-north")


def damage(terminal: SiteTerminal, rows: list[Row]) -> None:
    """Overwrite a part of each of these payloads, wherever it stands in the file or its log."""
    for path in (terminal.ledger_file, terminal.ledger_file.with_name("ledger.db-wal")):
        raw = path.read_bytes()
        for row in rows:
            raw = raw.replace(row.payload, row.payload[:60] + b"damaged!" + row.payload[68:])
        path.write_bytes(raw)


def conditions(terminal: SiteTerminal) -> set[str]:
    """What the terminal says is wrong."""
    return {each["name"] for each in terminal.status()["conditions"]}


@pytest.mark.feature("F19")
def test_a_ledger_damaged_offline_is_put_aside_and_what_is_left_of_it_reaches_the_cloud(
    site: Site, north: SiteTerminal
) -> None:
    """Pitfall 7: the file is kept, its entries are sent under their own numbers, and what is lost is said."""
    for card in site.cards[:10]:
        assert north.tap(card)["direction"] == "in"
    site.wait_until_sent()
    site.broker.stop()
    for card in site.cards[10:25]:
        assert north.tap(card)["outcome"] == "granted"
    until(lambda: set(north.status()["doors"].values()) == {"locked"}, what="the door to close")
    north.kill()
    before = north.copy()
    greens = list(north.greens)
    unsent = recorded_taps(before)[12:20:4]
    lost = [row for row in before.rows if row.seq in {tap.seq for tap in unsent}]
    assert len(lost) == LOST
    damage(north, lost)

    north.start()
    north.greens.clear()
    assert north.tap(site.cards[0])["direction"] == "out", "who is inside is still known"
    after = north.copy()
    assert after.ledger != before.ledger
    assert "ledger_salvaged" in conditions(north)

    site.broker.start()
    site.wait_until_sent()
    until(lambda: "ledger_salvaged" not in conditions(north), 20, "the light to end once all is sent")
    there = site.cloud.copy("gate-north")
    old, new = there.of(before.ledger), there.of(after.ledger)
    assert old is not None
    assert new is not None
    kept = [row for row in before.rows if row not in lost]
    assert list(old.rows) == kept
    assert list(new.rows) == list(north.copy().rows)
    assert list(chain_faults(new)) == []
    assert there.refused == ()
    assert list(green_faults("gate-north", recorded_taps(new), north.greens)) == []
    numbers = {row.seq for row in lost}
    assert (
        list(green_faults("gate-north", recorded_taps(old), [each for each in greens if each.seq not in numbers])) == []
    )


@pytest.mark.feature("F19")
def test_nothing_of_the_damaged_ledger_is_deleted(site: Site, north: SiteTerminal) -> None:
    state = north.ledger_file.parent
    assert (state / "ledger-1.damaged").exists()
    assert "write-ahead log" in (state / "ledger-1.why").read_text(encoding="utf-8")
    drain = drained(state / "ledger-1.drain")
    old = site.cloud.copy("gate-north").of(drain.ledger)
    assert old is not None
    assert list(old.rows) == list(drain.rows)


def drained(path: Path) -> Copy:
    """What the drain holds that can be sent; it has the shape of a ledger."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as file:
        ledger, terminal = file.execute("SELECT ledger, terminal FROM origin").fetchone()
        query = "SELECT entry.seq, digest, hash, bytes FROM entry JOIN payload USING (seq) ORDER BY seq"
        return Copy("the drain", terminal, ledger, tuple(Row(*row) for row in file.execute(query)))


def test_after_a_restart_it_is_as_if_nothing_had_been(site: Site, north: SiteTerminal) -> None:
    """No second salvage, nothing told or sent again."""
    north.stop()
    stood = ledger_copy(north.ledger_file)
    north.start()
    assert north.tap(site.cards[5])["outcome"] == "granted"
    site.wait_until_sent()
    assert north.copy().ledger == stood.ledger
    assert not (north.ledger_file.parent / "ledger-2.damaged").exists()
    assert "ledger_salvaged" not in conditions(north)
    assert site.cloud.copy("gate-north").refused == ()
