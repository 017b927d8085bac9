"""What it costs to seal the names of 50,000 people for one terminal, and the terminal to take them and open one."""

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final, TypeVar

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cloud import migrate
from cloud.database import Database
from cloud.sync.models import TableHead
from cloud.sync.recipients import Recipient
from cloud.sync.tables import put, snapshot
from edge.tables.people import People
from edge.tables.tables import Tables
from protocol.decision import TableName
from protocol.messages import TableChange, encode
from protocol.sealing import Sealer, key_id
from protocol.tables import Named, Row, Table, encode_value
from tests.bench.figures import AT_MOST, Figure, Repetition, Target, Told, compared
from tests.support.changes import PROJECT, binding, binding_row, change

PEOPLE: Final = 50_000
TURNS: Final = 7
OPENED: Final = 2_000
TWICE: Final = Target(3.0, AT_MOST)
US: Final = 1e6

T = TypeVar("T")


def sealing(folder: Path, told: Told) -> list[Figure]:
    """Seconds of a snapshot and bytes of a row, sealed over plain; seconds to take it, microseconds to open a name."""
    key = generate_private_key(SECP256R1())
    told(f"the names of {PEOPLE:,} people in the cloud")
    repetitions, sizes, sealed = _in_the_cloud(folder, key)
    told("the same at the terminal")
    return [
        compared("names: a snapshot of 50,000", "s", repetitions, TWICE),
        compared("names: each of them on the wire", "bytes", [sizes], TWICE),
        *_at_the_terminal(folder, key, sealed),
    ]


def _in_the_cloud(folder: Path, key: EllipticCurvePrivateKey) -> tuple[list[Repetition], Repetition, list[TableChange]]:
    """Snapshots read from the database and packed, sealed and not, in turn."""
    database = Database(f"sqlite:///{folder / 'cloud.db'}")
    migrate.upgrade(database)
    with database.transaction() as session:
        put(session, Table.PEOPLE, PROJECT, dict(map(_row, range(PEOPLE))))
    repetitions = []
    public = key.public_key()
    with database.reading() as session:
        head = session.get_one(TableHead, (Table.PEOPLE.value, PROJECT))
        for _ in range(TURNS):
            bare, plain = _timed(lambda: snapshot(session, head))
            measured, sealed = _timed(lambda: snapshot(session, head, Recipient(Sealer(public), key_id(public))))
            repetitions.append(Repetition(measured, bare))
    database.close()
    return repetitions, Repetition(_bytes_each(sealed), _bytes_each(plain)), sealed


def _at_the_terminal(folder: Path, key: EllipticCurvePrivateKey, sealed: list[TableChange]) -> list[Figure]:
    named = TableName(Table.PEOPLE.value, PROJECT, sealed[0].epoch)
    (folder / "key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with closing(Tables.open(folder / "tables.db")) as tables:
        tables.apply(change(Table.BINDING, "gate", (0, 1), [binding_row(binding(named))]))
        taken, _ = _timed(lambda: [tables.apply(each) for each in sealed])
        people = People(tables.path, folder / "key")
        opened, found = _timed(lambda: [people.named(_id(number)) for number in range(OPENED)])
    if found != [_named(number) for number in range(OPENED)]:
        raise RuntimeError("the terminal does not open what was sealed for it")
    return [
        Figure("names: taken by a terminal", "s", taken),
        Figure("names: one opened by a command", "us", opened / OPENED * US),
    ]


def _timed(act: Callable[[], T]) -> tuple[float, T]:
    began = time.perf_counter()
    found = act()
    return time.perf_counter() - began, found


def _bytes_each(changes: list[TableChange]) -> float:
    return sum(len(encode(each)) for each in changes) / PEOPLE


def _row(number: int) -> Row:
    return _id(number).encode(), encode_value(_named(number))


def _id(number: int) -> str:
    return f"{number:032x}"


def _named(number: int) -> Named:
    """Born before anybody who lives."""
    month, day = number % 12 + 1, number % 28 + 1
    return Named(f"Förnamn{number % 977} Efternamnsson{number % 1013}", f"1890{month:02}{day:02}-{number % 10_000:04}")
