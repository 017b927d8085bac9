"""The control visit: whatever lies in a terminal's state folder, a report is written and nothing is changed."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from edge.visit.sticks import Machine, sticks
from protocol.clock import MICROSECONDS, ClockQuality
from tests.fuzz.target import KIB, Target
from tests.support.visited import ANNA, BORIS, BYGG, EL, IN, OUT, Visited, at, clock_set, denied, history, tap

NOW: Final = at("2026-06-12 12:00:00")
NAMES: Final = ("ledger.db", "tables.db")


FOLDER: Final = TemporaryDirectory(prefix="fuzz-visit-")


def _furnished() -> Visited:
    visited = Visited(Path(FOLDER.name) / "site")
    visited.bind()
    untrusted = {"clock_quality": ClockQuality.UNTRUSTED, "boot_id": b"x" * 16}
    visited.record(
        tap(ANNA, BYGG, IN, at("2026-06-10 07:00:00")),
        denied(BORIS, EL, at("2026-06-10 08:00:00")),
        tap(ANNA, BYGG, OUT, at("2026-06-10 15:00:00")),
        tap(BORIS, EL, IN, 9 * MICROSECONDS, **untrusted),
        clock_set(b"x" * 16, at("2026-06-11 07:00:00"), at("2026-06-11 08:00:00")),
    )
    visited.tell(BORIS, EL, OUT, at("2026-06-11 09:00:00"))
    return visited


VISITED: Final = _furnished()
LEDGER, TABLES = ((VISITED.state / name).read_bytes() for name in NAMES)


def _shown(given: bytes) -> None:
    """The first byte says which of the two files is another one."""
    which = NAMES[given[0] % 2] if given else NAMES[0]
    for name, whole in zip(NAMES, (LEDGER, TABLES), strict=True):
        (VISITED.state / name).write_bytes(given[1:] if name == which else whole)
    for asked in (history(denied=True), history("2026-06-10", person="anna", every_project=True)):
        VISITED.read(asked, NOW)
    report = VISITED.report(history("2026-06-10"), NOW)
    with closing(report.told), closing(report.sources):
        for source in report.sources.all:
            first, last = report.span(source)
            assert 1 <= first <= last + 1
    assert (VISITED.state / which).read_bytes() == given[1:]


def _plugged(given: bytes) -> None:
    """What the kernel says is mounted where, with any bytes in the names."""
    mounts = VISITED.folder / "mountinfo"
    mounts.write_bytes(given)
    sticks(Machine(VISITED.folder / "sys", VISITED.folder / "dev", mounts), VISITED.state)


TARGETS: Final[Mapping[str, Target]] = {
    "visit": Target(_shown, (), (b"\x00" + LEDGER, b"\x01" + TABLES, b""), 64 * KIB, slack=64 * KIB * KIB, share=200),
    "mounts": Target(
        _plugged, (), (b"36 35 8:17 / /media/a\\040stick rw,nosuid shared:1 - vfat /dev/sdb1 rw\n", b"1 2 x / \\777\n")
    ),
}
