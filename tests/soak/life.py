"""Lives with a real daemon: cards, unplugged readers, a broker that dies, new tables, and a cloud that answers."""

import base64
import itertools
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from random import Random
from typing import Final

import psutil

from edge.clock.clock import SystemClock
from edge.clock.trust import Trust
from edge.ledger.ledger import Ledger
from edge.local import AskTap, ask
from edge.readers.simulated import SerialSimulator
from protocol.cards import CardId, CardKind
from protocol.clock import ClockQuality
from protocol.entries import follow, genesis
from protocol.messages import VERSION, Entries, Receipt, unpack_up
from protocol.tables import EVERYBODY, Row, Table
from protocol.topics import Up, parse_up
from tests.soak.samples import Sample
from tests.support.certificates import CertificateAuthority
from tests.support.changes import PROJECT, binding, binding_row, block_row, change, roster_row
from tests.support.cloud_end import CloudEnd
from tests.support.entries import tap
from tests.support.gate import TERMINAL
from tests.support.mosquitto import CLOUD, Mosquitto
from tests.support.terminal_process import SETTINGS, TerminalProcess
from tests.support.waiting import until

CARDS: Final = 300
BEFORE: Final = 10_000
READERS: Final = ("both", "second")
TICK: Final = 0.25
_MORE: Final = """
[[reader]]
name = "second"
kind = "simulated"

[[reader]]
name = "port"
kind = "serial"
device = "port"
"""


class SmallCloud:
    """Keeps of a ledger only how far it goes and the hash there, so that it may live for years too."""

    def __init__(self, end: CloudEnd) -> None:
        self._end = end
        self._ledger = b""
        self._upto = 0
        self._hash = b""

    def answer(self) -> None:
        """Take what came up since the last time, and receipt it."""
        told = False
        while self._end.heard:
            heard = self._end.heard.pop(0)
            if parse_up(heard.topic).what is Up.ENTRIES:
                self._take(unpack_up(Entries, heard.payload))
                told = True
        if told:
            self._end.tell(TERMINAL, Receipt(VERSION, self._ledger, self._upto, self._hash))

    def _take(self, entries: Entries) -> None:
        if not self._ledger:
            self._ledger, self._hash = entries.ledger, genesis(TERMINAL, entries.ledger)
        assert entries.ledger == self._ledger
        hashes = [
            entries.previous,
            *(hashed for _, hashed in follow(entries.previous, entries.first, [*entries.payloads])),
        ]
        if entries.first <= self._upto + 1 <= entries.last:
            assert hashes[self._upto + 1 - entries.first] == self._hash, "the chain continues what is here"
            self._upto, self._hash = entries.last, hashes[-1]


class Life:
    """A daemon in a folder, and everything that happens to it. A tick is a quarter of a second."""

    def __init__(self, process: TerminalProcess, broker: Mosquitto, cloud: CloudEnd) -> None:
        self._process = process
        self._daemon = psutil.Process(process.pid)
        self._chance = Random(1)
        self._broker = broker
        self._end = cloud
        self._cloud = SmallCloud(cloud)
        self._port = SerialSimulator(process.folder / "port")
        self._versions = {Table.ROSTER: 0, Table.BLOCKLIST: 0}
        self._cards = [CardId.parse(f"uid:04{number:012X}") for number in range(1, CARDS + 1)]
        self._is_cut = False
        self._taps = 0

    def live(self, seconds: float, rate: float) -> Iterator[Sample]:
        """So long, at most so many taps a second; what the daemon takes of the machine, tick by tick."""
        began = time.monotonic()
        self._end.tell(TERMINAL, change(Table.BINDING, TERMINAL, (0, 1), [binding_row(binding())]))
        self._tell_all_tables()
        self._port.plug()
        try:
            for tick in itertools.count(1):
                self._trouble(tick)
                if not self._is_cut:
                    self._cloud.answer()
                self._tap_until(began + tick * TICK, int(rate * TICK))
                yield self._look(time.monotonic() - began)
                if time.monotonic() >= began + seconds:
                    return
        finally:
            self._port.unplug()

    def _trouble(self, tick: int) -> None:
        """Something is always being unplugged, cut off or changed."""
        match tick % 40:
            case 20:
                self._is_cut = True
                self._end.disconnect()
                self._broker.kill()
            case 24:
                self._broker.start()
                self._end.connect()
                self._is_cut = False
                self._tell_all_tables()
            case 6 | 18 | 30:
                self._port.unplug()
            case 9 | 21 | 33:
                self._port.plug()
            case number if number % 4 == 1 and not self._is_cut:
                self._change_a_table()
            case _:
                self._port.send(self._chance.randbytes(7).hex().upper().encode() + b"\r\n")

    def _tap_until(self, ends: float, most: int) -> None:
        """Cards of people, now and then one of nobody, and the same card again before it has left the field."""
        for _ in range(max(most, 1)):
            if time.monotonic() > ends:
                return
            stranger = self._chance.random() < 0.05
            card = (
                CardId.from_bytes(CardKind.UID, b"\x05" + self._chance.randbytes(6)) if stranger else self._somebody()
            )
            for _ in range(1 + (self._chance.random() < 0.1)):
                ask(self._process.socket, AskTap(str(card), self._chance.choice(READERS)))
                self._taps += 1
        time.sleep(max(ends - time.monotonic(), 0))

    def _change_a_table(self) -> None:
        table = self._chance.choice((Table.ROSTER, Table.BLOCKLIST))
        held = self._versions[table]
        self._versions[table] = held + 1
        card = self._somebody()
        if table is Table.ROSTER:
            self._end.tell(TERMINAL, change(table, PROJECT, (held, held + 1), [_row(card)]))
        elif self._chance.random() < 0.5:
            self._end.tell_all(change(table, EVERYBODY, (held, held + 1), [block_row(card)]))
        else:
            self._end.tell_all(change(table, EVERYBODY, (held, held + 1), drops=[block_row(card)[0]]))

    def _tell_all_tables(self) -> None:
        """Whole tables, as the cloud sends them to whoever was away."""
        for table in self._versions:
            self._versions[table] += 1
        roster, blocklist = self._versions[Table.ROSTER], self._versions[Table.BLOCKLIST]
        self._end.tell(TERMINAL, change(Table.ROSTER, PROJECT, (0, roster), [_row(card) for card in self._cards]))
        blocked = [block_row(card) for card in self._cards[:10]]
        self._end.tell(TERMINAL, change(Table.BLOCKLIST, EVERYBODY, (0, blocklist), blocked))

    def _somebody(self) -> CardId:
        return self._chance.choice(self._cards)

    def _look(self, seconds: float) -> Sample:
        ledger = self._process.state.glob("ledger.db*")
        with self._daemon.oneshot():
            rss = self._daemon.memory_info().rss / 1024
            files, threads = self._daemon.num_fds(), self._daemon.num_threads()
        entries = int(self._process.status()["ledger"]["last_seq"])
        return Sample(seconds, self._taps, rss, files, threads, entries, sum(file.stat().st_size for file in ledger))


def _row(card: CardId) -> Row:
    return roster_row(card, f"{int(str(card)[-8:], 16):016x}")


def _fill(state: Path) -> None:
    """Entries of a past, so that the pages SQLite keeps are soon as many as they will ever be."""
    state.mkdir()
    clock = SystemClock(Trust(battery=True))
    with closing(Ledger.open(state / "ledger.db", TERMINAL, clock)) as ledger:
        now = clock.read().utc
        for number in range(BEFORE):
            ledger.append(tap(number % CARDS, at=now, quality=ClockQuality.HELD))


@contextmanager
def life(folder: Path, fault: str = "") -> Iterator[Life]:
    """A running daemon with its broker and cloud; `fault` names a planted bug of `tests.support.planted`."""
    authority = CertificateAuthority(folder / "certificates")
    own = authority.issue(TERMINAL)
    with ExitStack() as stack:
        broker = stack.enter_context(Mosquitto(folder / "broker", authority))
        cloud = stack.enter_context(CloudEnd(broker, authority.issue(CLOUD)))
        settings = SETTINGS + _MORE
        for old, new in (
            ("battery_clock = true", "battery_clock = true\nrepeat_seconds = 0.2"),
            (r"access_seconds = \d+", "access_seconds = 0.5"),
            (r"port = 1\b", f"port = {broker.port}\nretry_max_seconds = 1"),
            ('"ca.pem"', f'"{own.ca}"'),
            ('"terminal.pem"', f'"{own.certificate}"'),
            ('"terminal.key"', f'"{own.key}"'),
            (r"signing_keys = .*", f'signing_keys = ["{base64.b64encode(cloud.pinned).decode()}"]'),
        ):
            settings, count = re.subn(old, new, settings)
            assert count == 1, old
        process = stack.enter_context(TerminalProcess(folder, settings, fault))
        _fill(process.state)
        process.start()
        until(lambda: process.status()["link"]["online"], what="the link")
        yield Life(process, broker, cloud)
        assert process.stop() == 0
