"""What may be done with customers, accounts, projects, terminals, people and blocks, by whom, and what it leaves."""

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select

from cloud.accounts.models import Account
from cloud.accounts.service import AccountDraft, check_password, verify
from cloud.accounts.service import create as create_account
from cloud.audit.models import Audit
from cloud.audit.service import NOBODY
from cloud.blocklist.models import Block
from cloud.blocklist.service import block, unblock
from cloud.customers import service as customers
from cloud.database import Database
from cloud.errors import Conflict, FieldInvalid, NotAllowed, NotFound
from cloud.people.service import enrol, withdraw
from cloud.projects import service as projects
from cloud.projects.service import ProjectDraft
from cloud.scope import Scope
from cloud.sync.models import TableHead, TableRow
from cloud.units import service as units
from cloud.units.models import Unit
from cloud.units.service import Placement
from protocol.cards import CardId
from protocol.decision import BlockReason, Mode
from protocol.tables import block_key
from tests.cloud.site import STAFF, Site, make_card, make_site
from tests.support.moved_clock import START

UID, PIV = "uid:04A1B2C3D4E5F6", "piv:00112233445566778899AABBCCDDEEFF"
PASSWORD = "Grind-vakt-7"


@pytest.fixture
def site(database: Database) -> Site:
    with database.transaction() as session:
        return make_site(session, "kvarnen-1")


@pytest.fixture
def neighbour(database: Database) -> Site:
    with database.transaction() as session:
        return make_site(session, "skolan-1", name="Granne AB")


def rows(database: Database, table: str, scope: str) -> dict[bytes, bytes | None]:
    with database.reading() as session:
        found = select(TableRow.key, TableRow.value).where(TableRow.name == table, TableRow.scope == scope)
        return {key: value for key, value in session.execute(found) if value is not None}


def actions(database: Database) -> list[str]:
    with database.reading() as session:
        return list(session.scalars(select(Audit.action).order_by(Audit.id)))


# --- accounts -------------------------------------------------------------------------------------------------------


@pytest.mark.feature("E09")
@pytest.mark.parametrize(
    ("password", "is_good"),
    [
        (PASSWORD, True),
        ("Aa1!aaaa", True),
        ("Åsa-1234", True),
        ("Aa1!aaa", False),
        ("aa1!aaaa", False),
        ("Aaa!aaaa", False),
        ("Aa1aaaaa", False),
        ("Aa1 aaaa", False),
        ("", False),
        ("Aa1!" + "a" * 200, False),
    ],
)
def test_a_password_has_eight_characters_a_capital_a_digit_and_a_special_one(password: str, is_good: bool) -> None:
    if is_good:
        check_password(password)
    else:
        with pytest.raises(FieldInvalid):
            check_password(password)


def test_the_right_password_proves_an_account_and_no_other_does(database: Database, site: Site) -> None:
    with database.transaction() as session:
        draft = AccountDraft("  Anna@Example.se ", "Anna", PASSWORD, site.customer)
        account = create_account(session, STAFF, START, draft)
        assert account.login == "anna@example.se"
        assert PASSWORD not in account.password_hash
        proved = verify(session, "ANNA@example.se", PASSWORD)
        assert proved is account
        assert verify(session, "anna@example.se", PASSWORD + "x") is None
        assert verify(session, "anna@example.se", "") is None
        assert verify(session, "nobody", PASSWORD) is None
        account.active = False
        session.flush()
        assert verify(session, "anna@example.se", PASSWORD) is None


def test_a_hash_of_older_settings_is_renewed_at_login(database: Database, site: Site) -> None:
    with database.transaction() as session:
        account = create_account(session, STAFF, START, AccountDraft("anna", "Anna", PASSWORD, site.customer))
        old = account.password_hash = PasswordHasher(time_cost=1, memory_cost=8192).hash(PASSWORD)
        session.flush()
        assert verify(session, "anna", PASSWORD) is account
        assert account.password_hash != old
        assert verify(session, "anna", PASSWORD) is account


@pytest.mark.parametrize("login", ["", "two words", "a;b", "x" * 121])
def test_a_login_is_one_word(database: Database, login: str) -> None:
    with database.transaction() as session, pytest.raises(FieldInvalid):
        create_account(session, STAFF, START, AccountDraft(login, "", PASSWORD, None))


def test_a_login_is_given_once(database: Database) -> None:
    with database.transaction() as session:
        create_account(session, STAFF, START, AccountDraft("anna", "", PASSWORD, None))
        with pytest.raises(Conflict):
            create_account(session, STAFF, START, AccountDraft("Anna", "", PASSWORD, None))


def test_a_customer_creates_accounts_of_its_own_only(database: Database, site: Site, neighbour: Site) -> None:
    with database.transaction() as session:
        with pytest.raises(NotAllowed):
            create_account(session, site.scope, START, AccountDraft("a", "", PASSWORD, None))
        with pytest.raises(NotFound):
            create_account(session, site.scope, START, AccountDraft("a", "", PASSWORD, neighbour.customer))
        mine = create_account(session, site.scope, START, AccountDraft("a", "", PASSWORD, site.customer))
        assert mine.customer_id == site.customer


def test_what_an_account_did_stands_under_its_name(database: Database) -> None:
    with database.transaction() as session:
        account = create_account(session, STAFF, START, AccountDraft("anna", "", PASSWORD, None))
        customers.create(session, Scope(account.id, None), START, "Bygg AB")
    with database.reading() as session:
        lines = session.execute(select(Audit.action, Audit.account_id).order_by(Audit.id)).all()
        assert session.scalars(select(Account.id)).one() == account.id
    assert [tuple(line) for line in lines] == [("account.created", None), ("customer.created", account.id)]
    assert NOBODY == ""


# --- customers and projects -----------------------------------------------------------------------------------------


def test_only_staff_takes_customers_in(database: Database, site: Site) -> None:
    with database.transaction() as session:
        with pytest.raises(NotAllowed):
            customers.create(session, site.scope, START, "Other AB")
        with pytest.raises(FieldInvalid):
            customers.create(session, STAFF, START, "   ")


def test_the_closed_mode_is_for_our_staff_to_set(database: Database, site: Site) -> None:
    draft = ProjectDraft(site.customer, "Skolan", "B2EX4MP3L2026", mode=Mode.CLOSED)
    with database.transaction() as session:
        with pytest.raises(NotAllowed):
            projects.create(session, site.scope, START, draft)
        assert projects.create(session, STAFF, START, draft).mode == "closed"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", " "),
        ("name", "x" * 121),
        ("site_id", "B1EX4MP3L202"),
        ("site_id", "B1EX4MP3L202Å"),
        ("zone", "Europe/Nowhere"),
        ("zone", "../etc/passwd"),
        ("reset", "25:00"),
        ("reset", "3:00"),
        ("reset", "03:00:00"),
    ],
)
def test_a_wrong_field_of_a_project_is_named(database: Database, site: Site, field: str, value: str) -> None:
    fields = {"name": "Skolan", "site_id": "B2EX4MP3L2026"} | {field: value}
    with database.transaction() as session:
        with pytest.raises(FieldInvalid) as caught:
            projects.create(session, STAFF, START, ProjectDraft(site.customer, **fields))  # type: ignore[arg-type]
        assert caught.value.field == field


def test_a_project_ends_once_and_for_its_own_customer(database: Database, site: Site, neighbour: Site) -> None:
    with database.transaction() as session:
        with pytest.raises(NotFound):
            projects.end(session, neighbour.scope, START, site.project)
        assert projects.end(session, site.scope, START, site.project).ended_at == START
        with pytest.raises(Conflict):
            projects.end(session, site.scope, START, site.project)


# --- terminals ------------------------------------------------------------------------------------------------------


def test_a_terminal_begins_unbound_with_a_table_that_says_so(database: Database, site: Site) -> None:
    with database.reading() as session:
        head = session.get(TableHead, ("binding", "kvarnen-1"))
    assert head is not None
    assert (head.version, head.published) == (1, 0)
    assert rows(database, "binding", "kvarnen-1") == {}


@pytest.mark.parametrize("name", ["cloud", "all", "Kvarnen", "", "a/b", "+", "x" * 41])
def test_a_terminal_cannot_be_called_like_somebody_else(database: Database, site: Site, name: str) -> None:
    with database.transaction() as session, pytest.raises(FieldInvalid):
        units.create(session, STAFF, START, name, "", site.customer)


def test_a_terminal_is_taken_in_once(database: Database, site: Site, neighbour: Site) -> None:
    with database.transaction() as session, pytest.raises(Conflict):
        units.create(session, STAFF, START, "kvarnen-1", "", neighbour.customer)


@pytest.mark.feature("A06")
def test_binding_and_releasing_a_terminal(database: Database, site: Site) -> None:
    with database.transaction() as session:
        placement = Placement(site.project, " Norra grinden ", ("grind", "grind", " "))
        unit = units.bind(session, site.scope, START, "kvarnen-1", placement)
        assert (unit.project_id, unit.place, unit.doors, unit.bound_at) == (
            site.project,
            "Norra grinden",
            ["grind"],
            START,
        )
    assert list(rows(database, "binding", "kvarnen-1")) == [b""]
    with database.transaction() as session:
        unit = units.unbind(session, site.scope, START, "kvarnen-1")
        assert (unit.project_id, unit.place, unit.doors, unit.bound_at) == (None, "", [], None)
        units.unbind(session, site.scope, START, "kvarnen-1")
    assert rows(database, "binding", "kvarnen-1") == {}
    assert actions(database)[-2:] == ["unit.bound", "unit.unbound"]


def test_a_terminal_is_bound_within_its_customer_only(database: Database, site: Site, neighbour: Site) -> None:
    with database.transaction() as session:
        for scope, unit, project in (
            (site.scope, "skolan-1", site.project),
            (site.scope, "kvarnen-1", neighbour.project),
            (STAFF, "kvarnen-1", neighbour.project),
            (site.scope, "kvarnen-1", "no such project"),
            (site.scope, "nobody", site.project),
        ):
            with pytest.raises(NotFound):
                units.bind(session, scope, START, unit, Placement(project, "Grinden", ()))
        with pytest.raises(NotFound):
            units.unbind(session, neighbour.scope, START, "kvarnen-1")


@pytest.mark.parametrize(
    ("field", "place", "doors"),
    [
        ("place", "", ()),
        ("place", "x" * 121, ()),
        ("place", "a\nb", ()),
        ("doors", "A", ("x" * 121,)),
        ("doors", "A", tuple("abcdefghijklmnopq")),
    ],
)
def test_a_wrong_field_of_a_binding_is_named(
    database: Database, site: Site, field: str, place: str, doors: tuple[str, ...]
) -> None:
    with database.transaction() as session:
        with pytest.raises(FieldInvalid) as caught:
            units.bind(session, site.scope, START, "kvarnen-1", Placement(site.project, place, doors))
        assert caught.value.field == field


def test_nobody_is_bound_to_a_project_that_has_ended(database: Database, site: Site) -> None:
    with database.transaction() as session:
        projects.end(session, site.scope, START, site.project)
        with pytest.raises(Conflict):
            units.bind(session, site.scope, START, "kvarnen-1", Placement(site.project, "Grinden", ()))


def test_what_is_rolled_back_never_reaches_a_terminal(database: Database, site: Site) -> None:
    def fail() -> None:
        with database.transaction() as session:
            units.bind(session, site.scope, START, "kvarnen-1", Placement(site.project, "Grinden", ()))
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert rows(database, "binding", "kvarnen-1") == {}
    with database.reading() as session:
        assert session.get(Unit, "kvarnen-1").project_id is None  # type: ignore[union-attr]


# --- people and blocks ----------------------------------------------------------------------------------------------


def test_a_card_is_in_the_roster_by_all_its_identities(database: Database, site: Site) -> None:
    with database.transaction() as session:
        card = make_card(session, site, UID, PIV)
        enrol(session, site.scope, START, site.project, card.id)
        enrol(session, site.scope, START, site.project, card.id)
    assert rows(database, "roster", site.project).keys() == {UID.encode(), PIV.encode()}
    with database.transaction() as session:
        withdraw(session, site.scope, START, site.project, card.id)
        with pytest.raises(NotFound):
            withdraw(session, site.scope, START, site.project, card.id)
    assert rows(database, "roster", site.project) == {}


def test_people_are_enrolled_within_their_customer_only(database: Database, site: Site, neighbour: Site) -> None:
    with database.transaction() as session:
        mine, theirs = make_card(session, site, UID), make_card(session, neighbour, UID)
        for scope, project, card in (
            (site.scope, neighbour.project, mine.id),
            (site.scope, site.project, theirs.id),
            (STAFF, site.project, theirs.id),
            (STAFF, neighbour.project, mine.id),
        ):
            with pytest.raises(NotFound):
                enrol(session, scope, START, project, card)


def test_a_card_that_is_not_active_or_a_project_that_ended_takes_nobody(database: Database, site: Site) -> None:
    with database.transaction() as session:
        card = make_card(session, site, UID)
        card.active = False
        with pytest.raises(Conflict):
            enrol(session, STAFF, START, site.project, card.id)
        card.active = True
        projects.end(session, STAFF, START, site.project)
        with pytest.raises(Conflict):
            enrol(session, STAFF, START, site.project, card.id)


def test_one_identity_is_one_card_of_a_customer(database: Database, site: Site, neighbour: Site) -> None:
    with database.transaction() as session:
        make_card(session, site, UID, PIV)
        with pytest.raises(Conflict):
            make_card(session, site, "em:0102030405", PIV)
        make_card(session, neighbour, UID)


def test_a_random_serial_is_never_enrolled(database: Database, site: Site) -> None:
    with database.transaction() as session, pytest.raises(FieldInvalid):
        make_card(session, site, "uid:08A1B2C3")


def blocked(database: Database) -> set[str]:
    """Which of the cards of these tests are in the blocklist."""
    with database.reading() as session:
        head = session.get(TableHead, ("blocklist", "global"))
    held = rows(database, "blocklist", "global")
    assert head is not None
    cards = (UID, PIV, "em:0102030405")
    keys = {card: block_key(head.epoch, CardId.parse(card)).to_bytes(8, "big", signed=True) for card in cards}
    assert len(held) == len([key for key in keys.values() if key in held])
    return {card for card, key in keys.items() if key in held}


def test_a_block_reaches_all_identities_of_the_card_and_goes_as_it_came(database: Database, site: Site) -> None:
    with database.transaction() as session:
        make_card(session, site, UID, PIV)
        block(session, STAFF, START, CardId.parse(PIV), BlockReason.LOST)
    assert blocked(database) == {UID, PIV}
    with database.transaction() as session:
        unblock(session, STAFF, START, CardId.parse(PIV))
        with pytest.raises(NotFound):
            unblock(session, STAFF, START, CardId.parse(PIV))
    assert blocked(database) == set()


def test_what_another_block_covers_stays_blocked(database: Database, site: Site) -> None:
    with database.transaction() as session:
        make_card(session, site, UID, PIV)
        for card in (UID, PIV):
            block(session, STAFF, START, CardId.parse(card), BlockReason.LOST)
        unblock(session, STAFF, START, CardId.parse(UID))
    assert blocked(database) == {UID, PIV}


def test_a_card_that_becomes_known_after_its_block_is_blocked_by_all_its_identities(
    database: Database, site: Site
) -> None:
    with database.transaction() as session:
        block(session, STAFF, START, CardId.parse(UID), BlockReason.LOST)
        make_card(session, site, UID, PIV)
        make_card(session, site, "em:0102030405", name="Somebody Else")
    assert blocked(database) == {UID, PIV}


def test_a_block_takes_the_newest_reason_and_names_no_card_in_the_audit(database: Database) -> None:
    with database.transaction() as session:
        block(session, STAFF, START, CardId.parse(UID), BlockReason.LOST)
        block(session, STAFF, START, CardId.parse(UID), BlockReason.TERMINATED)
    with database.reading() as session:
        assert session.scalars(select(Block.reason)).all() == ["terminated"]
        assert all(UID not in str(details) for details in session.scalars(select(Audit.details)))


def test_only_staff_blocks_for_everybody(database: Database, site: Site) -> None:
    with database.transaction() as session:
        with pytest.raises(NotAllowed):
            block(session, site.scope, START, CardId.parse(UID), BlockReason.LOST)
        with pytest.raises(NotAllowed):
            unblock(session, site.scope, START, CardId.parse(UID))
