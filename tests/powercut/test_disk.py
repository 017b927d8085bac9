"""The model of a disk that loses its power: what was synced is always there, and everything else may not be."""

import random
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.powercut.disk import Disk, Image, read_folder, replay
from tests.powercut.file import SECTOR, Style
from tests.powercut.journal import NotFollowed, Op, Record, note, read_journal
from tests.powercut.shim import LIE, Fault, Shim, build

INODE: Final = 7
PAGE: Final = 4096
SEEDS: Final = range(300)


def record(
    op: Op, name: str = "a", *, number: int = 0, data: bytes = b"", other: str = "", inode: int = INODE
) -> Record:
    """Something that happened."""
    return Record(op, name, other, inode, number, 0, data)


def written(data: bytes, at: int = 0, inode: int = INODE) -> Record:
    return record(Op.WRITTEN, number=at, data=data, inode=inode)


def made(name: str = "a", inode: int = INODE) -> Record:
    return record(Op.OPENED, name, number=1, inode=inode)


def synced(name: str = "a", other: str = "") -> list[Record]:
    inode = 1 if name == "." else INODE
    return [record(Op.SYNC_BEGUN, name, inode=inode), record(Op.SYNC_ENDED, name, inode=inode, other=other)]


OPENED: Final = record(Op.OPENED)


def outcomes(records: Iterable[Record], image: Image | None = None) -> list[dict[str, bytes]]:
    """What cuts after these records leave, each way of choosing many times."""
    disk = Disk(image if image is not None else {"a": b""})
    for each in records:
        disk.play(each)
    return [disk.cut(random.Random(seed), style)[0] for seed in SEEDS for style in Style]


def test_what_was_synced_survives_every_cut() -> None:
    content = bytes(range(256)) * 40
    assert all(left == {"a": content} for left in outcomes([OPENED, written(content), *synced()]))


def test_what_was_not_synced_may_be_there_lost_or_torn_at_sectors() -> None:
    old, new = b"o" * 2 * SECTOR, b"n" * 2 * SECTOR
    left = {each["a"] for each in outcomes([OPENED, written(new)], {"a": old})}
    assert left == {old, new, b"o" * SECTOR + b"n" * SECTOR, b"n" * SECTOR + b"o" * SECTOR}


def test_a_later_write_may_be_there_without_an_earlier_one() -> None:
    records = [OPENED, written(b"1" * SECTOR), written(b"2" * SECTOR, PAGE)]
    left = {(each["a"][:1], each["a"][PAGE : PAGE + 1]) for each in outcomes(records, {"a": bytes(PAGE + SECTOR)})}
    assert (b"\0", b"2") in left


def test_a_sector_is_never_what_no_program_ever_saw() -> None:
    records = [OPENED, written(b"12", 0), written(b"34", 2)]
    assert {each["a"] for each in outcomes(records, {"a": b"...."})} == {b"....", b"12..", b"1234"}


def test_a_file_may_have_grown_without_its_data() -> None:
    left = {each["a"] for each in outcomes([OPENED, written(b"x" * SECTOR)])}
    assert {b"", b"x" * SECTOR, bytes(SECTOR)} < left
    assert any(each.strip(b"x\0") for each in left), "it never grows with rubbish"


def test_a_sync_does_not_cover_what_is_written_while_it_runs() -> None:
    begun, ended = synced()
    left = outcomes([OPENED, begun, written(b"late"), ended], {"a": b"old."})
    assert {each["a"] for each in left} == {b"old.", b"late"}


def test_a_new_file_may_lack_its_name_until_its_folder_is_synced() -> None:
    records = [made("b"), written(b"x"), *synced("b")]
    assert {frozenset(each) for each in outcomes(records, {})} == {frozenset(), frozenset({"b"})}
    assert all(each == {"b": b"x"} for each in outcomes([*records, *synced(".")], {}))


def test_a_rename_is_whole_or_not_at_all() -> None:
    records = [record(Op.OPENED, "b", inode=8), record(Op.RENAMED, "b", other="a", inode=0)]
    left = [tuple(sorted(each.items())) for each in outcomes(records, {"a": b"old", "b": b"new"})]
    assert set(left) == {(("a", b"new"),), (("a", b"old"), ("b", b"new"))}


def test_what_was_removed_may_be_back() -> None:
    assert {len(each) for each in outcomes([record(Op.UNLINKED)], {"a": b"x"})} == {0, 1}
    assert {len(each) for each in outcomes([record(Op.UNLINKED), *synced(".")], {"a": b"x"})} == {0}


def test_after_a_failed_sync_a_good_one_proves_nothing() -> None:
    """The kernel takes the pages for clean: they are on the disk only once they are written again."""
    failed = [OPENED, written(b"new."), *synced(other="failed"), *synced()]
    assert {each["a"] for each in outcomes(failed, {"a": b"old."})} == {b"old.", b"new."}
    again = [*failed, written(b"new."), *synced()]
    assert {each["a"] for each in outcomes(again, {"a": b"old."})} == {b"new."}


@given(
    st.lists(
        st.one_of(
            st.builds(written, st.binary(min_size=1, max_size=2000), st.integers(0, 3 * PAGE)),
            st.builds(lambda size: record(Op.TRUNCATED, number=size), st.integers(0, 3 * PAGE)),
        ),
        max_size=12,
    ),
    st.integers(0, 12),
)
def test_everything_surviving_is_what_programs_saw_and_nothing_is_the_last_sync(
    changes: list[Record], before: int
) -> None:
    """Against a plain bytearray."""
    records = [OPENED, *changes[:before], *synced(), *changes[before:]]
    ((_, disk),) = replay({"a": b"begun"}, records, [len(records)])
    assert disk.cut(random.Random(1), Style.EVERYTHING)[0] == disk.contents() == {"a": plain(changes)}
    assert disk.cut(random.Random(1), Style.NOTHING)[0] == {"a": plain(changes[:before])}


def plain(changes: Iterable[Record]) -> bytes:
    content = bytearray(b"begun")
    for each in changes:
        end = each.number + len(each.data)
        content.extend(bytes(max(0, end - len(content))))
        if each.op is Op.TRUNCATED:
            del content[each.number :]
        content[each.number : end] = each.data
    return bytes(content)


# --- the shim -------------------------------------------------------------------------------------------------------


def run(folder: Path, program: str, *standing: Fault) -> tuple[Shim, subprocess.CompletedProcess[str]]:
    """Run some Python in `folder/state` under the shim."""
    state = folder / "state"
    state.mkdir()
    shim = Shim(build(folder), state, folder, standing)
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=state,
        env=dict(shim.environment),
        check=False,
        capture_output=True,
        text=True,
    )
    return shim, done


WRITES: Final = """
import os, sqlite3
database = sqlite3.connect("a.db", isolation_level=None)
for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "CREATE TABLE t(x)"):
    database.execute(statement)
for number in range(50):
    database.execute("INSERT INTO t VALUES (randomblob(9000))")
with open("b", "wb") as file:
    file.write(b"b" * 5000)
    file.seek(100)
    file.write(b"again")
os.replace("b", "c")
os.truncate(os.open("c", os.O_RDWR), 3000)
open("d", "a").close()
os.unlink("d")
os.kill(os.getpid(), 9)
"""


def test_the_journal_holds_all_that_sqlite_and_python_do_to_files(tmp_path: Path) -> None:
    shim, _ = run(tmp_path, WRITES)
    records = read_journal(shim.journal)
    ((_, disk),) = replay({}, records, [len(records)])
    seen = {name: content for name, content in disk.contents().items() if not name.endswith("-shm")}
    assert seen == read_folder(tmp_path / "state")
    assert set(seen) == {"a.db", "a.db-wal", "c"}


def test_what_the_shim_cannot_follow_is_not_passed_over(tmp_path: Path) -> None:
    shim, _ = run(tmp_path, "import os; open('a', 'w').close(); os.link('a', 'b')")
    with pytest.raises(NotFollowed, match="link"):
        read_journal(shim.journal)


def test_a_sync_that_is_a_lie_does_nothing_and_says_it_did(tmp_path: Path) -> None:
    program = "import os; f = os.open('a', os.O_CREAT | os.O_RDWR); os.write(f, b'x'); os.fsync(f); print('synced')"
    shim, done = run(tmp_path, program, Fault("fsync", "a", LIE))
    assert done.stdout == "synced\n"
    assert Op.SYNC_ENDED not in {each.op for each in read_journal(shim.journal)}


def test_a_journal_that_was_cut_off_is_read_up_to_there(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    note(journal, "first")
    note(journal, "second")
    journal.write_bytes(journal.read_bytes()[:-1])
    assert [each.name for each in read_journal(journal)] == ["first"]
