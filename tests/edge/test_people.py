"""A command opens the names that the daemon only keeps, and says plainly why where it cannot."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from edge.errors import NamesUnreadable
from edge.tables.people import People
from edge.tables.tables import Effect, Tables
from protocol.decision import TableName
from protocol.messages import TableVersion
from protocol.sealing import Sealer, row_context
from protocol.tables import Holder, Named, Row, Table, encode_value
from tests.support.changes import EPOCH, PROJECT, binding, binding_row, change, parts

TERMINAL = "gate-1"
ASA, BYGG = Named("Åsa Öberg", "19811218-9876"), Named("Bygg & Söner AB", "556677-8899")
PEOPLE = TableName(Table.PEOPLE, PROJECT, EPOCH)


@pytest.fixture
def key() -> EllipticCurvePrivateKey:
    return generate(SECP256R1())


@pytest.fixture
def key_path(tmp_path: Path, key: EllipticCurvePrivateKey) -> Path:
    return written(tmp_path, key)


@pytest.fixture
def tables(tmp_path: Path) -> Iterator[Tables]:
    """A daemon's, bound to a project whose names count."""
    with closing(Tables.open(tmp_path / "tables.db")) as found:
        assert found.apply(change(Table.BINDING, TERMINAL, (0, 1), [binding_row(binding(PEOPLE))])) is Effect.APPLIED
        yield found


def written(
    folder: Path,
    key: EllipticCurvePrivateKey | Ed25519PrivateKey,
    how: KeySerializationEncryption | None = None,
) -> Path:
    path = folder / "terminal.key"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how or NoEncryption()))
    return path


def sealed(key: EllipticCurvePrivateKey, names: dict[str, Named], scope: str = PROJECT) -> list[Row]:
    """Rows as the cloud sends them to who has this key."""
    sealer = Sealer(key.public_key())
    return [
        (each.encode(), sealer.seal(encode_value(named), row_context(Table.PEOPLE, scope, each.encode())))
        for each, named in names.items()
    ]


def send(tables: Tables, versions: tuple[int, int], rows: list[Row]) -> None:
    assert tables.apply(change(Table.PEOPLE, PROJECT, versions, rows)) is Effect.APPLIED


def test_names_open_beside_the_daemon_that_holds_them_sealed(
    tables: Tables, key: EllipticCurvePrivateKey, key_path: Path
) -> None:
    """And what changes while the command runs is seen at the next question."""
    people = People(tables.path, key_path)
    assert (people.are_there(), people.named("p1")) == (False, None)
    send(tables, (0, 1), sealed(key, {"p1": ASA, "c1": BYGG}))
    assert people.are_there()
    assert (people.named("p1"), people.named("c1"), people.named("p2")) == (ASA, BYGG, None)
    married = Named("Åsa Lind", ASA.number)
    send(tables, (1, 2), sealed(key, {"p1": married}))
    assert (people.named("p1"), people.named("c1")) == (married, BYGG)


def test_whose_a_card_is_that_was_only_seen_opens_too(
    tables: Tables, key: EllipticCurvePrivateKey, key_path: Path
) -> None:
    card, sealer = "uid:04A1B2C3D4E5F6", Sealer(key.public_key())
    value = sealer.seal(encode_value(Holder("p1", "c1")), row_context(Table.PEOPLE, PROJECT, card.encode()))
    send(tables, (0, 1), [(card.encode(), value), *sealed(key, {"p1": ASA})])
    people = People(tables.path, key_path)
    assert people.holder(card) == Holder("p1", "c1")
    assert people.holder("uid:04000000000000") is None


def test_names_open_when_the_daemon_is_gone(tables: Tables, key: EllipticCurvePrivateKey, key_path: Path) -> None:
    send(tables, (0, 1), sealed(key, {"p1": ASA}))
    tables.close()
    assert People(tables.path, key_path).named("p1") == ASA


def test_nothing_of_names_and_numbers_lies_on_the_disk(tables: Tables, key: EllipticCurvePrivateKey) -> None:
    """Neither in the file nor in its write-ahead log, before and after a large snapshot."""
    send(tables, (0, 1), sealed(key, {"p1": ASA, "c1": BYGG}))
    many = sealed(key, {f"p{number}": ASA for number in range(2_000)})
    for part in parts(Table.PEOPLE, PROJECT, 2, many, 2):
        tables.apply(part)
    assert tables.versions[Table.PEOPLE] == 2
    lying = b"".join(path.read_bytes() for path in tables.path.parent.glob("tables.db*"))
    for secret in ("Öberg", "19811218-9876", "Söner", "556677"):
        assert secret.encode() not in lying


def test_names_go_with_the_project_and_stay_through_a_new_epoch(
    tables: Tables, key: EllipticCurvePrivateKey, key_path: Path
) -> None:
    """A renewed key begins a new epoch: until its rows are here the old ones stay, and cannot be opened by the new."""
    people = People(tables.path, key_path)
    send(tables, (0, 7), sealed(key, {"p1": ASA}))
    renewed = TableName(Table.PEOPLE, PROJECT, b"n" * 16)
    tables.apply(change(Table.BINDING, TERMINAL, (1, 2), [binding_row(binding(renewed))]))
    assert tables.held()[-1] == TableVersion(Table.PEOPLE, PROJECT, renewed.epoch, 0)
    assert tables.lacking
    assert people.named("p1") == ASA
    elsewhere = TableName(Table.PEOPLE, "other project", EPOCH)
    tables.apply(change(Table.BINDING, TERMINAL, (2, 3), [binding_row(binding(elsewhere, project="other project"))]))
    assert not people.are_there()


def test_no_light_waits_for_names(tables: Tables, key: EllipticCurvePrivateKey) -> None:
    """Nothing that is shown depends on them."""
    shown: list[str] = []
    tables.on_change = lambda: shown.append("changed")
    send(tables, (0, 1), sealed(key, {"p1": ASA}))
    assert not shown


# --- what cannot be opened --------------------------------------------------------------------------------------------


def test_without_the_key_it_says_where_to_look(tables: Tables, tmp_path: Path) -> None:
    with pytest.raises(NamesUnreadable, match=r"nokey.*No such file.*run this as root"):
        People(tables.path, tmp_path / "nokey")


@pytest.mark.parametrize(
    "key", [Ed25519PrivateKey.generate(), generate(SECP384R1())], ids=["a signing key", "another curve"]
)
def test_a_key_of_another_kind_is_refused(
    tables: Tables, tmp_path: Path, key: EllipticCurvePrivateKey | Ed25519PrivateKey
) -> None:
    with pytest.raises(NamesUnreadable, match="not one that names are sealed to"):
        People(tables.path, written(tmp_path, key))


def test_a_key_that_cannot_be_read_is_refused(tables: Tables, tmp_path: Path, key: EllipticCurvePrivateKey) -> None:
    for path in (written(tmp_path, key, BestAvailableEncryption(b"secret")), tables.path):
        with pytest.raises(NamesUnreadable, match="cannot be used"):
            People(tables.path, path)


def test_names_for_another_key_say_so(tables: Tables, key_path: Path) -> None:
    """The disk of another terminal, or a key that was renewed a moment ago."""
    send(tables, (0, 1), sealed(generate(SECP256R1()), {"p1": ASA}))
    people = People(tables.path, key_path)
    with pytest.raises(NamesUnreadable, match=r"another key than.*terminal\.key; let the daemon connect"):
        people.named("p1")


def test_a_row_that_was_exchanged_or_changed_is_not_believed(
    tables: Tables, key: EllipticCurvePrivateKey, key_path: Path
) -> None:
    """Who can write the disk cannot give one person another's number, nor a row of another project."""
    rows = dict(sealed(key, {"p1": ASA, "c1": BYGG}))
    elsewhere = dict(sealed(key, {"p3": ASA}, scope="other project"))
    bent = bytearray(rows[b"p1"])
    bent[-1] ^= 1
    swapped = [(b"p1", rows[b"c1"]), (b"p2", bytes(bent)), (b"p3", elsewhere[b"p3"]), (b"c1", rows[b"c1"])]
    send(tables, (0, 1), swapped)
    people = People(tables.path, key_path)
    for wrong in ("p1", "p2", "p3"):
        with pytest.raises(NamesUnreadable, match=r"tables\.db is damaged"):
            people.named(wrong)
    assert people.named("c1") == BYGG


def test_a_newer_programs_names_ask_for_an_upgrade(
    tables: Tables, key: EllipticCurvePrivateKey, key_path: Path
) -> None:
    ((name, value),) = sealed(key, {"p1": ASA})
    send(tables, (0, 1), [(name, b"\x02" + value[1:])])
    with pytest.raises(NamesUnreadable, match="upgrade"):
        People(tables.path, key_path).named("p1")


@pytest.mark.parametrize("content", [None, b"", b"no database at all" * 100])
def test_a_file_without_tables_says_so(tmp_path: Path, key_path: Path, content: bytes | None) -> None:
    """None at all, an empty one, one that is none."""
    path = tmp_path / "other.db"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(NamesUnreadable, match=r"other\.db: .*grindvakt status"):
        People(path, key_path).named("p1")


def test_a_file_with_wild_values_says_so(tables: Tables, key: EllipticCurvePrivateKey, key_path: Path) -> None:
    send(tables, (0, 1), sealed(key, {"p1": ASA}))
    tables.close()
    with closing(sqlite3.connect(tables.path)) as damaging, damaging:
        damaging.execute("UPDATE held SET scope = CAST(x'ff' AS TEXT) WHERE name = 'people'")
    with pytest.raises(NamesUnreadable, match="damaged"):
        People(tables.path, key_path).named("p1")
