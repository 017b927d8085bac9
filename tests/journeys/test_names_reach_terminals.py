"""Who is enrolled in the cloud has a name at the gate, for a control visit, and for nobody on the way there."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from edge.errors import NamesUnreadable
from edge.tables.people import People
from protocol.tables import Named
from tests.journeys.conftest import Build
from tests.support.intruder import Intruder
from tests.support.site import Site, card
from tests.support.site_cloud import BUILDER
from tests.support.site_terminal import Plan, SiteTerminal
from tests.support.waiting import until

ZACK: Final = Named("Zacharias Hemligberg", "19811218-9876")
MARRIED: Final = Named("Zacharias Tystnadskog", "19811228-9874")
ADA: Final = Named("Ada Grindvall", "19900101-9802")
SECRETS: Final = ("Hemligberg", "19811218-9876", "Tystnadskog", "19811228-9874")


@pytest.fixture(scope="module")
def site(build: Build) -> Site:
    """Two gates of a project."""
    return build([Plan("gate-1"), Plan("gate-2")])


def people(terminal: SiteTerminal) -> People:
    """As a command at the terminal opens them, the daemon running."""
    return People(terminal.tables_file, terminal.issued.key)


def named(terminal: SiteTerminal, person: str) -> Named | None:
    """What the terminal calls somebody; None also while what it holds is for its key of before."""
    try:
        return people(terminal).named(person)
    except NamesUnreadable:
        return None


def calls(terminals: list[SiteTerminal], person: str, wanted: Named) -> Callable[[], bool]:
    """Whether all of them call somebody so."""
    return lambda: all(named(terminal, person) == wanted for terminal in terminals)


def test_a_name_reaches_every_gate_and_is_readable_there_only(site: Site) -> None:
    """Nothing of name or number lies in plain on the wire, on a terminal's disk or in any log, nor opens elsewhere."""
    with ExitStack() as stack:
        listeners = [Intruder(site.broker.port, terminal.issued) for terminal in site.terminals]
        for listener, terminal in zip(listeners, site.terminals, strict=True):
            stack.enter_context(listener)
            listener.listen(f"gv1/down/{terminal.id}/#")
        observer = stack.enter_context(Intruder(site.broker.port, site.authority.issue("cloud")))
        observer.listen("gv1/up/#")
        person = site.cloud.enrol(card(700_001), ZACK.name, number=ZACK.number)
        until(calls(site.terminals, person, ZACK), 5, "the name is at both gates")
        site.cloud.rename(person, MARRIED.name, MARRIED.number)
        until(calls(site.terminals, person, MARRIED), 5, "the new name is at both gates")
        for terminal in site.terminals:
            assert terminal.tap(card(700_001))["shown"] == "admitted_in"
        site.wait_until_sent()
        said = [message for each in (*listeners, observer) for message in each.heard()]
    assert {topic.rpartition("/")[2] for topic, _ in said} >= {"table", "receipt", "entries", "status"}
    on_wire = b"".join(payload for _, payload in said)
    lying = {path.name: path.read_bytes() for terminal in site.terminals for path in files(terminal.settings.parent)}
    logs = {path.name: path.read_bytes() for path in (site.cloud.program.log, *files(site.broker.folder))}
    assert {"tables.db", "ledger.db", "gate-1.log", "cloud.log"} <= lying.keys() | logs.keys()
    for secret in SECRETS:
        assert secret.encode() not in on_wire
        assert [name for name, content in (lying | logs).items() if secret.encode() in content] == []
    one, two = site.terminals
    with pytest.raises(NamesUnreadable, match="another key"):
        People(one.tables_file, two.issued.key).named(person)


def files(folder: Path) -> list[Path]:
    """Everything in it."""
    return [path for path in folder.rglob("*") if path.is_file()]


def test_the_site_and_its_developer_are_known_at_the_gate(site: Site) -> None:
    """Without network, too; and the company that people work for has its number."""
    gate = site.terminal("gate-1")
    person = site.cloud.enrol(card(700_002), "Ada Ek")
    until(calls([gate], person, Named("Ada Ek", "")), 5, "she is at the gate")
    company = site.cloud.company
    assert people(gate).named(company) == Named(BUILDER.name, BUILDER.number)


def test_a_name_that_changed_while_nobody_could_hear_comes_afterwards(site: Site) -> None:
    """The cloud dies, then the broker: what terminals missed is seen by their versions."""
    person = site.cloud.enrol(card(700_003), "Before")
    until(calls(site.terminals, person, Named("Before", "")), 5, "the name")
    site.cloud.kill()
    site.cloud.rename(person, "While the cloud was dead", "1")
    site.cloud.start()
    until(calls(site.terminals, person, Named("While the cloud was dead", "1")), 40, "the first change")
    site.broker.kill()
    site.cloud.rename(person, "While the broker was dead", "2")
    site.broker.start()
    until(calls(site.terminals, person, Named("While the broker was dead", "2")), 40, "the second change")


def test_a_renewed_key_opens_the_names_a_moment_after_it_connects(site: Site) -> None:
    """The rows for the old key are of another epoch: they are lacking, and come as any table does."""
    gate = site.terminal("gate-1")
    person = site.cloud.enrol(card(700_004), ZACK.name, number=ZACK.number)
    until(calls([gate], person, ZACK), 5, "the name")
    gate.stop()
    site.authority.issue(gate.id)
    with pytest.raises(NamesUnreadable, match="another key"):
        people(gate).named(person)
    gate.start()
    until(calls([gate], person, ZACK), 20, "the name, for the new key")


def test_a_control_visit_sees_names_and_numbers_without_network(site: Site) -> None:
    """Of who is enrolled, and of who came in by a card that the customer alone knows."""
    gate = site.terminal("gate-2")
    person = site.cloud.enrol(card(700_005), ZACK.name, number=ZACK.number)
    until(calls([gate], person, ZACK), 5, "the name")
    gate.tap(card(700_005))
    known = site.cloud.take_in(card(700_006), MARRIED.name, MARRIED.number)
    elsewhere = site.cloud.take_in(card(700_007), ADA.name, ADA.number)
    gate.tap(card(700_006))
    site.terminal("gate-1").tap(card(700_007))
    until(calls([gate], known, MARRIED), 10, "whoever was seen has a name")
    until(calls([gate], elsewhere, ADA), 10, "whoever was seen at the other gate has one")
    site.wait_until_sent()
    site.broker.stop()
    shown = gate.command("inspect", "--json")
    site.broker.start()
    assert shown.returncode == 0, shown.stderr
    told = json.loads(shown.stdout)
    heading = dict(told["heading"])
    assert (heading["Identifikationsnummer"], heading["Byggherre"]) == (
        "B1EX4MP3L2026",
        f"{BUILDER.name} {BUILDER.number}",
    )
    here = {row["card"]: row for row in told["sections"][0]["rows"]}
    for number, who in ((700_005, ZACK), (700_006, MARRIED)):
        row = here.pop(str(card(number)))
        assert row["person"] == {"name": who.name, "number": who.number}
        assert row["company"] == {"name": BUILDER.name, "number": BUILDER.number}
    others = [row["person"]["name"] for row in here.values() if row["source"] == "annan grind"]
    assert others.count(ADA.name) == 1
    assert not {"okänd person", ZACK.name, MARRIED.name} & set(others)
