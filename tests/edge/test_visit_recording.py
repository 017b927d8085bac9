"""Every showing is an entry, before anything is shown; where it cannot be one, it is shown all the same and said."""

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from edge.errors import RequestRefused
from edge.visit.recording import MOST_BYTES, Showings, note_without_daemon
from protocol.entries import Fact
from tests.support.gate import TERMINAL, gate
from tests.support.small_disk import SmallDisk
from tests.support.visited import ANNA, BYGG, IN, Visited, at, tap

NOBODY = 65534


@pytest.fixture
def visited(tmp_path: Path) -> Visited:
    found = Visited(tmp_path)
    found.bind()
    found.record(tap(ANNA, BYGG, IN, at("2026-06-10 07:00:00")))
    return found


def test_a_daemon_writes_it_down_and_wakes_the_link(tmp_path: Path) -> None:
    with gate(tmp_path) as here:
        showings = Showings(here.clock, here.ledger, here.link.wake)
        answer = showings.note({"what": "present", "on": "screen"})
        ((seq, newest),) = here.ledger.tail(1)
        assert isinstance(newest, Fact)
        assert (answer, newest.subject, newest.details) == (
            {"seq": seq},
            "ledger.shown",
            {"what": "present", "on": "screen"},
        )
        assert here.link.woken == 1


def test_words_that_no_salvage_would_find_again_are_refused(tmp_path: Path) -> None:
    with gate(tmp_path) as here, pytest.raises(RequestRefused):
        Showings(here.clock, here.ledger, here.link.wake).note({"person": "ö" * MOST_BYTES})


def test_without_a_daemon_the_command_writes_it_down_itself(visited: Visited) -> None:
    shown = visited.seen(
        "history", "--from", "2026-06-10", "--to", "2026-06-11", "--by", "recording", "--person", "anna"
    )
    (fact,) = visited.facts()
    assert fact.details | {"account": ""} == {
        "what": "history",
        "from": "2026-06-10",
        "to": "2026-06-11",
        "by": "recording",
        "company": "",
        "person": "anna",
        "on": "screen",
        "account": "",
    }
    assert fact.details["account"]
    assert dict(shown["heading"])["Visningen"] == "registrerad som post 3"
    assert not (visited.state / "ledger.running").exists()


def test_nothing_starts_by_looking(visited: Visited) -> None:
    visited.inspect()
    visited.inspect()
    with visited.recording() as ledger:
        subjects = [each.subject for _, each in ledger.tail(9) if isinstance(each, Fact)]
    assert subjects == ["ledger.opened", "ledger.shown", "ledger.shown"]


def test_what_root_writes_stays_the_daemons() -> None:
    """As root without a daemon: its next start must be able to open everything."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # everybody gets as far as the state
        visited = Visited(Path(folder) / "site")
        visited.record()
        for path in (visited.state, *visited.state.iterdir()):
            os.chown(path, NOBODY, NOBODY)
        seq = note_without_daemon(visited.state, TERMINAL, visited.clock, {"what": "present"})
        assert seq == 2
        assert os.geteuid() == 0
        assert {path.stat().st_uid for path in visited.state.iterdir()} == {NOBODY}


def test_a_damaged_ledger_is_left_as_it_lies_and_what_it_has_is_shown(visited: Visited) -> None:
    (visited.state / "ledger.condemned").write_text("a page is damaged")
    before = (visited.state / "ledger.db").read_bytes()
    done = visited.inspect("history")
    assert done.returncode == 1
    assert "INTE REGISTRERAD" in done.stdout
    assert "Anna Åkesson" in done.stdout
    assert (visited.state / "ledger.db").read_bytes() == before


def test_a_ledger_whose_log_was_lost_is_not_written_to(visited: Visited) -> None:
    (visited.state / "ledger.running").touch()
    shown = visited.seen("history")
    assert dict(shown["heading"])["Visningen"].startswith("INTE REGISTRERAD")
    assert len(shown["sections"][0]["rows"]) == 1
    assert not (visited.state / "ledger.db-wal").exists()  # the next start has to see that it is gone


def test_a_disk_that_is_read_only_shows_what_it_has(visited: Visited, tmp_path: Path) -> None:
    """What a kernel does with a disk that it no longer trusts: nothing can be written there any more."""
    with SmallDisk(tmp_path / "disk", 4) as disk:
        shutil.copytree(visited.state, disk.folder / "state")
        text = visited.config.read_text(encoding="utf-8")
        visited.config.write_text(text.replace('state_dir = "state"', 'state_dir = "disk/state"'), encoding="utf-8")
        disk.make_read_only(on=True)
        done = visited.inspect("history")
        disk.make_read_only(on=False)
    assert done.returncode == 1
    assert "Anna Åkesson" in done.stdout
    assert "INTE REGISTRERAD" in done.stdout
