"""Names and numbers reach the terminals of the projects that know them: sealed, whole, and nobody else's."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from cloud import migrate
from cloud.app import bring_up_to_date
from cloud.audit.models import Audit
from cloud.customers import service as customers
from cloud.database import Database, new_id
from cloud.errors import FieldInvalid, NotFound
from cloud.people.models import Card, Company, Person
from cloud.people.names import UNKNOWN_COUNTRY, tell, tell_everybody
from cloud.people.service import Identity, add_company, add_person, change_company, change_person, enrol, withdraw
from cloud.projects.service import ProjectDraft
from cloud.projects.service import create as create_project
from cloud.scope import Scope
from cloud.sync.batches import Batch
from cloud.sync.ingest import Ingest
from cloud.sync.models import TableHead, TableRow
from cloud.sync.publish import Publisher
from cloud.sync.recipients import Recipient
from cloud.sync.tables import changes, head_of, put
from cloud.units.models import Unit
from cloud.units.service import Placement, bind, keep_certificate
from protocol.entries import Outcome, encode_payload
from protocol.errors import SealForeign, TerminalId
from protocol.sealing import Sealer, key_id, open_sealed, row_context
from protocol.tables import Holder, Named, Table, decode_holder, decode_named, encode_value, is_sealed_for
from tests.cloud.chains import Chain, tap
from tests.cloud.site import STAFF, Site, make_card, make_site
from tests.cloud.test_migrations import FILLED_AT_0001
from tests.cloud.wire import SIGNER, Listening, Wire
from tests.support.certificates import CertificateAuthority
from tests.support.moved_clock import START, MovedClock

ONE, TWO = TerminalId("kvarnen-1"), TerminalId("kvarnen-2")
UID, OTHER = "uid:04A1B2C3D4E5F6", "uid:04FFFFFFFFFFFF"
ANNA = Named("Anna Lindqvist", "189304121230")
EL = Named("El AB", "5561034249")


@dataclass
class Keyed:
    """A terminal's side, with its key; what it holds of people is opened as a command at it does."""

    certificate: bytes
    private: EllipticCurvePrivateKey
    listening: Listening

    def opened(self) -> dict[str, Named]:
        """Everybody it can name."""
        return {key: decode_named(plain) for key, plain in self._plain() if ":" not in key}

    def holders(self) -> dict[str, Holder]:
        """Whose the cards are that were only seen."""
        return {key: decode_holder(plain) for key, plain in self._plain() if ":" in key}

    def _plain(self) -> Iterator[tuple[str, bytes]]:
        held = self.listening.tables["people"]
        for key, value in held.rows.items():
            yield key.decode(), open_sealed(self.private, value, row_context(Table.PEOPLE, held.scope, key))


@dataclass
class Names:
    """A project with two terminals bound to it, and its publisher."""

    database: Database
    site: Site
    publisher: Publisher
    wire: Wire
    authority: CertificateAuthority

    def keyed(self, terminal: TerminalId, days: float = -1) -> Keyed:
        """A new key and certificate for a terminal; not shown to the cloud yet."""
        issued = self.authority.issue(terminal, days=(days, 7))
        der = load_pem_x509_certificate(issued.certificate.read_bytes()).public_bytes(Encoding.DER)
        private = load_pem_private_key(issued.key.read_bytes(), None)
        assert isinstance(private, EllipticCurvePrivateKey)
        return Keyed(der, private, Listening(terminal))

    def show(self, keyed: Keyed) -> Keyed:
        """The cloud has taken the certificate."""
        with self.database.transaction() as session:
            keep_certificate(session, keyed.listening.terminal, keyed.certificate)
        return keyed

    def enrolled(self, *identities: str, name: str = ANNA.name) -> Card:
        with self.database.transaction() as session:
            card = make_card(session, self.site, *identities, name=name)
            enrol(session, STAFF, START, self.site.project, card.id)
        return card

    def publish(self, *terminals: Keyed) -> list[tuple[str, bytes]]:
        """Send what changed; these terminals hear it."""
        self.publisher.changed()
        sent = self.wire.taken()
        for each in terminals:
            each.listening.hear(*sent)
        return sent

    def rows(self) -> dict[str, Named]:
        """The table as it lies here, in plain."""
        with self.database.reading() as session:
            found = select(TableRow.key, TableRow.value).filter_by(name="people", scope=self.site.project)
            rows = {key.decode(): value or b"" for key, value in session.execute(found)}
            return {key: decode_named(value) for key, value in rows.items() if ":" not in key}


@pytest.fixture
def names(database: Database, clock: MovedClock, tmp_path: Path) -> Names:
    with database.transaction() as session:
        site = make_site(session, ONE, TWO)
        for terminal in (ONE, TWO):
            bind(session, STAFF, START, terminal, Placement(site.project, "Grinden", ()))
    wire = Wire()
    publisher = Publisher(database, SIGNER, wire.send, clock)
    return Names(database, site, publisher, wire, CertificateAuthority(tmp_path / "ca"))


def test_who_is_enrolled_is_named_at_the_terminal_that_showed_its_certificate(names: Names) -> None:
    one = names.show(names.keyed(ONE))
    card = names.enrolled(UID)
    sent = names.publish(one)
    assert one.opened() == {card.person_id: ANNA, card.company_id: EL}
    lying = b"".join(envelope for _, envelope in sent)
    for secret in ("Lindqvist", "189304121230", "5561034249"):
        assert secret.encode() not in lying


def test_the_binding_names_the_site_and_its_developer(names: Names) -> None:
    """What a control visit asks for first is known without network."""
    with names.database.transaction() as session:
        customer = customers.create(session, STAFF, START, "Kvarnholmen AB", "5592440001")
        project = create_project(session, STAFF, START, ProjectDraft(customer.id, "Huset", "B7EX4MP3L2026"))
        session.get_one(Unit, ONE).customer_id = customer.id
        bind(session, STAFF, START, ONE, Placement(project.id, "Grinden", ()))
    one = names.keyed(ONE)
    names.publish(one)
    binding = one.listening.binding
    assert binding is not None
    assert (binding.site_id, binding.developer, binding.developer_number) == (
        "B7EX4MP3L2026",
        "Kvarnholmen AB",
        "5592440001",
    )


def test_without_a_certificate_nobody_is_named_and_nothing_else_is_missing(names: Names) -> None:
    one, two = names.keyed(ONE), names.show(names.keyed(TWO))
    names.enrolled(UID)
    names.publish(one, two)
    assert set(one.listening.tables) == {"binding", "roster", "blocklist", "presence"}
    assert "people" in two.listening.tables
    names.publisher.catch_up(ONE, one.listening.held(), asked=True)
    assert names.wire.taken() == []


def test_the_names_come_as_soon_as_the_certificate_is_known(names: Names) -> None:
    one = names.keyed(ONE)
    card = names.enrolled(UID)
    names.publish(one)
    names.show(one)
    names.publish(one)
    assert one.opened() == {card.person_id: ANNA, card.company_id: EL}
    names.show(one)
    assert names.publish() == []


def test_another_terminals_key_opens_nothing(names: Names) -> None:
    one, two = names.show(names.keyed(ONE)), names.show(names.keyed(TWO))
    names.enrolled(UID)
    names.publish(one, two)
    assert one.opened() == two.opened()
    two.private = one.private
    with pytest.raises(SealForeign):
        two.opened()


def test_the_same_row_never_looks_alike_to_two_terminals_or_twice(names: Names) -> None:
    """Nobody sees by the bytes that two are the same person."""
    one, two = names.show(names.keyed(ONE)), names.show(names.keyed(TWO))
    card = names.enrolled(UID)
    names.publish(one, two)
    key = card.person_id.encode()
    first = one.listening.tables["people"].rows[key]
    names.publisher.catch_up(ONE, (), asked=True)
    one.listening.tables.clear()
    one.listening.hear(*names.wire.taken())
    assert len({first, one.listening.tables["people"].rows[key], two.listening.tables["people"].rows[key]}) == 3
    assert one.opened()[card.person_id] == ANNA


def test_a_renewed_key_has_the_names_sent_anew(names: Names) -> None:
    """By the epoch, as any other table: the old rows fit no version, whether it hears the news or asks."""
    before = names.show(names.keyed(ONE))
    card = names.enrolled(UID)
    names.publish(before)
    after = names.keyed(ONE)
    after.listening = before.listening
    names.show(after)
    names.publish(after)
    epoch = after.listening.tables["people"].epoch
    assert is_sealed_for(key_id(after.private.public_key()), epoch)
    assert after.listening.binding is not None
    assert epoch in {each.epoch for each in after.listening.binding.tables}
    assert after.opened() == {card.person_id: ANNA, card.company_id: EL}
    with pytest.raises(SealForeign):
        before.opened()


def test_a_renewed_certificate_for_the_same_key_changes_nothing(names: Names) -> None:
    one = names.show(names.keyed(ONE))
    names.enrolled(UID)
    names.publish(one)
    again = load_pem_x509_certificate(names.authority.renew(ONE).certificate.read_bytes()).public_bytes(Encoding.DER)
    assert again != one.certificate
    with names.database.transaction() as session:
        keep_certificate(session, ONE, again)
    assert names.publish(one) == []


def test_a_changed_name_reaches_every_project_that_knows_it(names: Names) -> None:
    one = names.show(names.keyed(ONE))
    card = names.enrolled(UID)
    names.publish(one)
    with names.database.transaction() as session:
        change_person(session, names.site.scope, START, card.person_id, Identity("Anna Berg", ANNA.number))
        change_company(session, names.site.scope, START, card.company_id, Identity("El & Co AB", EL.number))
    sent = names.publish(one)
    assert one.opened() == {
        card.person_id: Named("Anna Berg", ANNA.number),
        card.company_id: Named("El & Co AB", EL.number),
    }
    assert [change.from_version > 0 for change in one.listening.heard[-1:]] == [True]
    assert len(sent) == 1
    with names.database.reading() as session:
        said = session.scalars(select(Audit.details).where(Audit.action == "person.changed")).all()
    assert said == [{}]


def test_somebody_elses_people_cannot_be_renamed(names: Names) -> None:
    card = names.enrolled(UID)
    stranger = Scope("", "another customer")
    with names.database.transaction() as session:
        with pytest.raises(NotFound):
            change_person(session, stranger, START, card.person_id, Identity("Eve", ""))
        with pytest.raises(NotFound):
            change_company(session, stranger, START, card.company_id, Identity("Eve AB", ""))
    assert names.rows()[card.person_id] == ANNA


def test_a_name_outlives_the_enrolment(names: Names) -> None:
    """The ledger still names who was there."""
    one = names.show(names.keyed(ONE))
    card = names.enrolled(UID)
    with names.database.transaction() as session:
        withdraw(session, STAFF, START, names.site.project, card.id)
    names.publish(one)
    assert one.opened()[card.person_id] == ANNA


def test_who_missed_changes_converges_by_asking(names: Names) -> None:
    """A lost message and a lost connection leave nothing behind."""
    one = names.show(names.keyed(ONE))
    card = names.enrolled(UID)
    names.publish(one)
    with names.database.transaction() as session:
        change_person(session, STAFF, START, card.person_id, Identity("Anna Berg", ""))
    names.publish()
    newer = names.enrolled(OTHER, name="Boris Ek")
    names.publish(one)
    assert one.listening.misfits == 1
    names.publisher.catch_up(ONE, one.listening.held(), asked=True)
    one.listening.hear(*names.wire.taken())
    assert one.opened()[card.person_id] == Named("Anna Berg", "")
    assert one.opened()[newer.person_id].name == "Boris Ek"


def test_a_thousand_names_come_in_parts_that_fit(names: Names) -> None:
    """A snapshot and, for who has the beginning, the same as changes; `Wire` measures every envelope."""
    one, late = names.show(names.keyed(ONE)), names.show(names.keyed(TWO))
    names.publish(one)
    with names.database.transaction() as session:
        add_company(session, STAFF, START, names.site.customer, Identity(EL.name, EL.number))
        ids = [add_person(session, STAFF, START, names.site.customer, Identity("A", "")).id for _ in range(2_000)]
        tell(session, names.site.project, ids, ())
    names.publish(one)
    names.publisher.catch_up(TWO, (), asked=True)
    late.listening.hear(*names.wire.taken())
    for each in (one, late):
        assert each.opened() == dict.fromkeys(ids, Named("A", ""))
    assert max(change.chunks for change in late.listening.heard) > 1


STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "look", "renew"]), st.integers(0, 6), st.integers(0, 2)), min_size=4, max_size=25
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=STEPS)
def test_whatever_was_missed_and_renewed_all_end_with_the_same_names(
    database: Database, steps: list[tuple[str, int, int]]
) -> None:
    """Terminals that look now and then, and are given new keys between, open every name and nothing of before."""
    scope, wanted = new_id(), dict[str, Named]()
    terminals = [Keyed(b"", generate_private_key(SECP256R1()), Listening(ONE)) for _ in range(3)]

    def look(terminal: Keyed) -> None:
        public = terminal.private.public_key()
        recipient = Recipient(Sealer(public), key_id(public))
        held = next(iter(terminal.listening.held()), None)
        with database.reading() as session:
            for told in changes(session, Table.PEOPLE, scope, held, recipient):
                terminal.listening.apply(told)

    for act, number, which in steps:
        if act == "put":
            wanted[f"person{number}"] = Named(f"Name {number} {which}", "")
            with database.transaction() as session:
                put(session, Table.PEOPLE, scope, {f"person{number}".encode(): encode_value(wanted[f"person{number}"])})
        elif act == "renew":
            terminals[which].private = generate_private_key(SECP256R1())
        else:
            look(terminals[which])
    with database.transaction() as session:
        head_of(session, Table.PEOPLE, scope)
    for terminal in terminals:
        look(terminal)
        assert terminal.opened() == wanted
        assert terminal.listening.misfits == 0


def test_a_card_that_is_seen_tells_who_it_is(names: Names, clock: MovedClock) -> None:
    """In open mode somebody comes in who is not enrolled; the customer knows them, and a control visit asks."""
    one = names.show(names.keyed(ONE))
    with names.database.transaction() as session:
        known, refused = make_card(session, names.site, UID), make_card(session, names.site, OTHER, name="Boris Ek")
    seen: dict[str, object] = {"project": names.site.project, "person": None, "company": None}
    chain = Chain(ONE)
    chain.add(encode_payload(tap(1, card=UID, **seen)))
    chain.add(encode_payload(tap(2, card=OTHER, outcome=Outcome.DENIED, **seen)))
    chain.add(encode_payload(tap(3, card="uid:04000000000001", **seen)))
    Ingest(names.database, clock).take([Batch.open(ONE, chain.packed(1, 3))])
    names.publish(one)
    assert one.opened() == {known.person_id: ANNA, known.company_id: EL}
    assert one.holders() == {UID: Holder(known.person_id, known.company_id)}
    assert refused.person_id not in names.rows()


def test_somebody_who_becomes_known_after_the_tap_is_told_of_too(names: Names, clock: MovedClock) -> None:
    """The list of cards without a person is worked off; the gate's ledger has the tap already."""
    one = names.show(names.keyed(ONE))
    seen: dict[str, object] = {"project": names.site.project, "person": None, "company": None}
    chain = Chain(ONE).add(encode_payload(tap(1, card=UID, **seen)))
    Ingest(names.database, clock).take([Batch.open(ONE, chain.packed(1, 1))])
    names.publish(one)
    assert one.opened() == {}
    with names.database.transaction() as session:
        card = make_card(session, names.site, UID)
    names.publish(one)
    assert one.opened() == {card.person_id: ANNA, card.company_id: EL}
    assert one.holders() == {UID: Holder(card.person_id, card.company_id)}


def test_a_terminal_cannot_ask_for_anybody_elses_names(names: Names) -> None:
    """Neither people of another customer by id, nor by telling of a project that is not its own."""
    with names.database.transaction() as session:
        other = make_site(session, name="Annan AB")
        card = make_card(session, other, UID)
        tell(session, names.site.project, [card.person_id], [card.company_id])
    assert names.rows() == {}


def test_after_an_upgrade_everybody_is_told_of_once(names: Names, clock: MovedClock) -> None:
    """Who is enrolled, who is in the ledger though withdrawn since, and whose card alone was seen."""
    enrolled = names.enrolled(UID)
    gone, seen = names.enrolled("uid:04000000000002", name="Cai"), "uid:04000000000003"
    with names.database.transaction() as session:
        known = make_card(session, names.site, seen, name="Dag")
    about: dict[str, object] = {"project": names.site.project, "company": gone.company_id}
    chain = Chain(ONE)
    chain.add(encode_payload(tap(1, person=gone.person_id, **about)))
    chain.add(encode_payload(tap(2, card=seen, **(about | {"person": None, "company": None}))))
    Ingest(names.database, clock).take([Batch.open(ONE, chain.packed(1, 2))])
    with names.database.transaction() as session:
        withdraw(session, STAFF, START, names.site.project, gone.id)
        session.execute(delete(TableRow).where(TableRow.name == "people"))
        session.execute(delete(TableHead).where(TableHead.name == "people"))
    for _ in range(2):
        with names.database.transaction() as session:
            tell_everybody(session)
    people = {enrolled.person_id, gone.person_id, known.person_id}
    assert names.rows().keys() == people | {enrolled.company_id, gone.company_id, known.company_id}


def test_what_was_taken_in_before_it_was_checked_can_be_read(names: Names) -> None:
    """A terminal would refuse the whole row otherwise."""
    card = names.enrolled(UID)
    with names.database.transaction() as session:
        person, company = session.get_one(Person, card.person_id), session.get_one(Company, card.company_id)
        person.name, person.country, person.personal_number = "Anna\x1b[2J" + "a" * 300, "sverige", None
        company.country = "sv"
        session.flush()
        tell(session, names.site.project, [card.person_id], [card.company_id])
    assert names.rows()[card.person_id].name.startswith("Anna [2Jaaa")
    assert len(names.rows()[card.person_id].name) == 200
    assert {names.rows()[key].country for key in (card.person_id, card.company_id)} == {UNKNOWN_COUNTRY}


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (Identity("", "1"), "name"),
        (Identity("a" * 201, "1"), "name"),
        (Identity("Anna\x1b", "1"), "name"),
        (Identity("Anna", "1" * 61), "number"),
        (Identity("Anna", "1\n2"), "number"),
        (Identity("Anna", "1", "Sverige"), "country"),
        (Identity("Anna", "1", "se"), "country"),
    ],
)
def test_a_name_that_no_terminal_could_show_is_refused(names: Names, wrong: Identity, field: str) -> None:
    with names.database.transaction() as session, pytest.raises(FieldInvalid) as refused:
        add_person(session, STAFF, START, names.site.customer, wrong)
    assert refused.value.field == field


def test_an_upgrade_tells_terminals_of_their_names(tmp_path: Path) -> None:
    """From the first program's database to this one's, in one go."""
    database = Database(f"sqlite:///{tmp_path / 'cloud.db'}")
    migrate.upgrade(database, to="0001")
    with database.engine.begin() as connection:
        for statement in FILLED_AT_0001:
            connection.exec_driver_sql(statement)
    bring_up_to_date(database)
    with database.reading() as session:
        found = select(TableRow.key, TableRow.value).filter_by(name="people", scope="p").order_by(TableRow.key)
        rows = {row.key: row.value for row in session.execute(found)}
    database.close()
    assert rows == {b"a": encode_value(Named("Anna", "")), b"f": encode_value(Named("El AB", "1"))}
