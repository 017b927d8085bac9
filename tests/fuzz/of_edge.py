"""The parsers of `edge`: readers, broker, local socket, panel, settings, and files that somebody may have changed."""

import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final

from edge.config import load
from edge.doctor.board import flags_in
from edge.doctor.broker import connack
from edge.doctor.known import read_known
from edge.doctor.ledger import look_at_ledger
from edge.doctor.overlays import taken_pins
from edge.doctor.ports import consoles
from edge.doctor.unit import unit_in
from edge.doors.sections import read_doors
from edge.errors import ConfigInvalid, LedgerFault, RequestRefused, TablesUnusable
from edge.ledger.carving import carve
from edge.ledger.inspection import LedgerInspection
from edge.ledger.ledger import Ledger
from edge.ledger.start import open_ledger
from edge.link.certificate import Certificate
from edge.link.downlink import open_down
from edge.local import decode_request
from edge.panel.questions import QuestionRefused, check_origin, parse_head
from edge.pins.history import read_pin_history
from edge.readers import CardSeen, CardUnread, Sighting
from edge.readers.diagnosis import hints
from edge.readers.pcsc.virtual_card import VirtualCard, obey
from edge.readers.serial.frames import LONGEST, Frame, Noise
from edge.readers.serial.profiles import Profile, frames_of, spoken
from edge.readers.told import told
from edge.settings import ReaderSettings
from edge.tables.tables import Tables
from protocol.errors import ProtocolError
from protocol.messages import TableChange, decode, encode
from protocol.signatures import Verifier
from protocol.topics import ALL_BLOCKLIST, AUDIENCE_ALL, Down, down
from tests.bench.gate import cards, furnish
from tests.fuzz.of_osdp import OSDP
from tests.fuzz.target import KIB, Target
from tests.protocol.examples import MESSAGES, SIGNER, TERMINAL
from tests.support.entries import tap
from tests.support.gate import HandClock
from tests.support.terminal_process import SETTINGS

NESTED_TOML: Final = b"a = " + b"[" * 2000
IN_MEMORY: Final = Path("/dev/shm")
VERIFIER: Final = Verifier.of(SIGNER.private.public_key())


class _Folder:
    """A folder of this process, for parsers that read files; it goes with the process."""

    def __init__(self) -> None:
        self._made = tempfile.TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.is_dir() else None)
        self.path = Path(self._made.name)

    def holding(self, name: str, read: Callable[[Path], object]) -> Callable[[bytes], object]:
        """A parser of bytes made of one that reads a file."""
        path = self.path / name

        def parse(given: bytes) -> object:
            path.write_bytes(given)
            return read(path)

        return parse


_folder: Final = _Folder()


def _frames(profile: Profile, given: bytes) -> None:
    """However a stream is chopped, it gives the same values, and nothing is kept beyond a line."""
    size, stream = given[0] % 7 + 1 if given else 1, given[1:]
    frames, found = frames_of(profile), list[Frame | Noise]()
    for at in range(0, len(stream), size):
        found += frames.feed(stream[at : at + size])
        assert len(frames) <= LONGEST
    whole = frames_of(profile)
    assert found == whole.feed(stream)
    assert frames.idle() == whole.idle()
    assert all(len(each.raw) <= LONGEST for each in found)


def _frames_target(profile: Profile) -> Target:
    said = spoken(profile, bytes.fromhex("0102B0A5FD"))
    return Target(
        partial(_frames, profile),
        (),
        (b"\x00" + said, b"\x03" + said + b"00688,42493\r" + said[:5], b"\x06" + b"A" * 200 + b"\n"),
        longest=512,
        share=16,
    )


def _diagnosed(given: bytes) -> None:
    """Whatever a reader sends, what is odd about it is found or not, in words of a setting that there is."""
    profiles = list(Profile)
    reader = ReaderSettings(name="in", kind="serial", profile=profiles[given[0] % len(profiles) if given else 0])
    for each in frames_of(reader.profile).feed(given[1:] + b"\r\n\x03"):
        seen = told(_sighting(each), 1, "")
        for hint in hints(seen, {"in": reader}, [seen]):
            assert hint.reader == "in"


def _sighting(found: Frame | Noise) -> Sighting:
    match found:
        case Frame(card, raw):
            return CardSeen(card, "in", raw=raw)
        case Noise(why, raw):
            return CardUnread("in", why, raw)


def _signed(given: bytes) -> object:
    """What a cloud that lost its mind signs: everything behind the signature."""
    what, topic, audience = (
        (Down.RECEIPT, down(TERMINAL, Down.RECEIPT), TERMINAL),
        (Down.TABLE, down(TERMINAL, Down.TABLE), TERMINAL),
        (Down.BLOCKLIST, ALL_BLOCKLIST, AUDIENCE_ALL),
    )[given[0] % 3 if given else 0]
    return open_down(topic.encode(), SIGNER.seal(audience, what, given[1:]), TERMINAL, VERIFIER)


def _topic_and_envelope(given: bytes) -> object:
    topic, _, sealed = given.partition(b"\n")
    return open_down(topic, sealed, TERMINAL, VERIFIER)


def _applied(given: bytes) -> None:
    """A change that is well-formed as a message, applied to tables that hold something."""
    change = decode(TableChange, given)
    with closing(Tables.open(_folder.path / "tables.db")) as tables:
        tables.apply(change)


def _question(given: bytes) -> None:
    check_origin(parse_head(given))


def _unheard(words: str) -> None:
    """Nobody listens to complaints."""


def _obeyed(given: bytes) -> None:
    """`insert` would call the virtual reader: its port is one that nobody listens on."""
    obey(VirtualCard(1), given.decode(errors="replace"), _unheard)


def _silent(done: int, every: int) -> None:
    """Nobody waits."""


def _ledger(path: Path) -> None:
    with LedgerInspection(path) as ledger:
        ledger.tail(3)
        ledger.verify(_silent)


def _started(given: bytes) -> None:
    """A start over a ledger that somebody or something changed: it is used or put aside, and a tap is recorded."""
    folder = _folder.path / "start"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "ledger.db").write_bytes(given)
    with closing(open_ledger(folder, TERMINAL, HandClock())) as ledger:
        assert ledger.append(tap(2)) == ledger.last_seq


def _examined(given: bytes) -> None:
    """What the doctor reads of the machine around it."""
    text = given.decode(errors="replace")
    connack(given)
    unit_in(text)
    consoles(text)
    flags_in(text)
    assert all(0 <= pin <= 27 for pin in taken_pins(text))


def _doctored(given: bytes) -> None:
    """The doctor looks into files that something changed, and leaves them so."""
    folder = _folder.path / "doctor"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in ("ledger.db", "tables.db"):
        (folder / name).write_bytes(given)
    look_at_ledger(folder, runs=False)
    read_known(folder)
    assert [path.read_bytes() for path in sorted(folder.iterdir())] == [given, given]


def _tables_started(given: bytes) -> None:
    """A start over tables that something changed: they are used or begun anew, and looked up."""
    folder = _folder.path / "tables"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "tables.db").write_bytes(given)
    with closing(Tables.open(folder / "tables.db")) as tables:
        tables.enrolment(CARD)
        tables.blocked(CARD)
        tables.held()


def _tables_bytes() -> bytes:
    path = _folder.path / "seed-tables.db"
    with closing(Tables.open(path)) as tables:
        furnish(tables, cards(20))
    return path.read_bytes()


def _ledger_bytes() -> bytes:
    path = _folder.path / "seed.db"
    with closing(Ledger.open(path, TERMINAL, HandClock())) as ledger:
        ledger.append(tap(1))
    return path.read_bytes()


CARD: Final = cards(1)[0]
TABLES_FILE: Final = _tables_bytes()
LEDGER_FILE: Final = _ledger_bytes()
ROW: Final = LEDGER_FILE.index(b"tableentryentry")
WILD: Final = tuple(LEDGER_FILE[: ROW - n] + b"\xff" * 4 + LEDGER_FILE[ROW - n + 4 :] for n in range(5, 14))
"""The schema's row of a table says that it is of any size: SQLite asks for that much memory."""


TARGETS: Final[Mapping[str, Target]] = {
    **{f"frames-{profile}": _frames_target(profile) for profile in Profile},
    "diagnosis": Target(
        _diagnosed,
        (),
        tuple(bytes([reads]) + spoken(speaks, bytes.fromhex("0102B0A5FD")) for reads in range(4) for speaks in Profile),
        longest=512,
        share=16,
    ),
    **OSDP,
    "down-signed": Target(
        _signed,
        (ProtocolError,),
        tuple(bytes([number]) + encode(each) for each in MESSAGES.values() for number in range(3)),
        share=4,
    ),
    "down": Target(
        _topic_and_envelope,
        (ProtocolError,),
        (
            down(TERMINAL, Down.RECEIPT).encode()
            + b"\n"
            + SIGNER.seal(TERMINAL, Down.RECEIPT, encode(MESSAGES["receipt"])),
        ),
    ),
    "doctor": Target(
        _examined,
        (),
        (
            b"\x20\x02\x00\x05",
            b"LoadState=loaded\nNRestarts=3\nExecMainStatus=78\n",
            b"console=serial0,115200 console=tty1",
            b"throttled=0x50005",
            b"dtparam=spi=on,i2c_arm=on\ndtoverlay=w1-gpio,gpiopin=4\nenable_uart=1\n",
        ),
        longest=KIB,
    ),
    "doctor-files": Target(_doctored, (), (LEDGER_FILE, TABLES_FILE, *WILD), 64 * KIB, slack=64 * KIB * KIB, share=40),
    "request": Target(
        decode_request,
        (RequestRefused,),
        (
            b'{"ask":"status"}',
            b'{"ask":"tap","card":"uid:04A1B2C3","reader":"in"}',
            b'{"ask":"signal","pattern":"blocked","seconds":5}',
            b'{"ask":"sightings","after":63}',
            b'{"ask":"status","x":' + b"[" * 3000,
        ),
    ),
    "question": Target(
        _question,
        (QuestionRefused,),
        (
            b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n",
            b"POST /tap HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nSec-Fetch-Site: none\r\n\r\n",
        ),
    ),
    "settings": Target(
        _folder.holding("terminal.toml", lambda path: load(path, {})),
        (ConfigInvalid,),
        (SETTINGS.encode(), NESTED_TOML, b"[[door]]\nname = 1979-05-27T07:32:00Z\npin = nan\n"),
        growth=400,
        share=8,
    ),
    "doors": Target(
        _folder.holding("doors.toml", lambda path: read_doors(path, {})),
        (ConfigInvalid,),
        (SETTINGS.encode(), NESTED_TOML, b"[[door]]\nname = 'a'\npin = 5\n[door]\n[["),
        growth=400,
        share=8,
    ),
    "own-certificate": Target(
        _folder.holding("terminal.pem", Certificate.read),
        (),
        (b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",),
        share=4,
    ),
    "pins-log": Target(
        _folder.holding("pins.log", read_pin_history), (), (b"", b'{"at":1,"pin":"red","level":1}\n'), growth=400
    ),
    "virtual-card": Target(_obeyed, (), (b"insert 04A1B2C3", b"remove", b"\n")),
    "carving": Target(carve, (), (LEDGER_FILE,), 32 * KIB, growth=1200, share=8),
    "ledger-file": Target(
        _folder.holding("ledger.db", _ledger), (LedgerFault, ProtocolError), (LEDGER_FILE, *WILD), 40 * KIB, share=8
    ),
    "ledger-start": Target(_started, (LedgerFault,), (LEDGER_FILE, *WILD), 40 * KIB, slack=64 * KIB * KIB, share=80),
    "tables-start": Target(
        _tables_started, (TablesUnusable,), (TABLES_FILE,), 64 * KIB, slack=64 * KIB * KIB, share=40
    ),
    "table-applied": Target(
        _applied,
        (ProtocolError, TablesUnusable),
        tuple(encode(each) for each in MESSAGES.values()),
        slack=48 * KIB * KIB,
        share=8,
    ),
}
