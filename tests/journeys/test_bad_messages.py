"""What no terminal should ever send: each gives a named error, nothing is lost, and taps go through afterwards."""

import itertools
import socket
import ssl
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from protocol.entries import follow, genesis
from protocol.errors import TerminalId
from protocol.messages import (
    LARGEST_UNPACKED,
    LARGEST_UP,
    RAW,
    VERSION,
    ZLIB,
    Entries,
    Pull,
    encode,
    pack_up,
)
from protocol.topics import Down, Up, down, shard, up
from tests.journeys.conftest import Build
from tests.support.certificates import CertificateAuthority
from tests.support.intruder import GRANTED, REFUSED, Intruder
from tests.support.site import Site, card
from tests.support.site_terminal import Plan, SiteTerminal
from tests.support.waiting import until

GATE: Final = TerminalId("gate-1")
OTHER: Final = TerminalId("gate-2")
LEDGER: Final = b"another ledger !"
HASH: Final = bytes(32)

_cards = (card(number) for number in itertools.count(300_001))


@pytest.fixture(scope="module")
def site(build: Build) -> Iterator[Site]:
    """Two gates, of which the first is made to tell nonsense; in the end nothing is lost."""
    site = build([Plan(GATE), Plan(OTHER)])
    yield site
    site.wait_until_sent()
    assert not site.faults()


@pytest.fixture
def gate(site: Site) -> Iterator[SiteTerminal]:
    """The first; after each test it still answers."""
    gate = site.terminal(GATE)
    yield gate
    assert gate.tap(next(_cards))["outcome"] == "granted"


@pytest.fixture
def stolen(site: Site, gate: SiteTerminal) -> Iterator[Intruder]:
    """Somebody with the certificate of the gate."""
    with Intruder(site.broker.port, site.authority.issue(GATE)) as intruder:
        yield intruder


def entries(**changed: Any) -> bytes:
    """A batch that would be right for a new ledger, but for what is changed."""
    payload = b"payload"
    right = {"version": VERSION, "ledger": LEDGER, "first": 1, "previous": genesis(GATE, LEDGER)}
    return pack_up(Entries(**{**right, "payloads": (payload,), "last_hash": HASH, **changed}))


BAD_UP: Final = {
    "nothing": (Up.ENTRIES, b"", "MessageMalformed"),
    "malformed": (Up.ENTRIES, RAW + b"\xc1 what is this", "MessageMalformed"),
    "neither packed nor plain": (Up.ENTRIES, b"\x07" + entries()[1:], "MessageMalformed"),
    "cut off": (Up.ENTRIES, ZLIB + zlib.compress(bytes(5000))[:-3], "MessageMalformed"),
    "oversized": (Up.ENTRIES, RAW + bytes(LARGEST_UP), "MessageTooLarge"),
    "oversized when unpacked": (Up.ENTRIES, ZLIB + zlib.compress(bytes(LARGEST_UNPACKED + 1)), "MessageTooLarge"),
    "of a future version": (Up.ENTRIES, entries(version=99), "MessageFromFuture"),
    "of another beginning": (Up.ENTRIES, entries(previous=HASH), "ChainBroken"),
    "of another end": (Up.ENTRIES, entries(), "ChainBroken"),
    "a malformed status": (Up.STATUS, RAW + b"\x91\x01", "MessageMalformed"),
    "a pull of a future version": (Up.PULL, RAW + encode(Pull(99, ())), "MessageFromFuture"),
}


@pytest.mark.parametrize("what", BAD_UP)
def test_a_bad_message_up_is_refused_by_name(site: Site, stolen: Intruder, what: str) -> None:
    topic, payload, kind = BAD_UP[what]
    seen = len(site.cloud.events)
    assert stolen.say(up(GATE, topic), payload) == GRANTED, "the broker cannot know"
    refusal = until(lambda: refusals(site.cloud.events[seen:]), what=f"{what} is refused")[0]
    assert refusal["kind"] == kind
    assert refusal["terminal"] == GATE
    assert refusal["why"]


@pytest.mark.parametrize(
    "topic",
    [
        up(GATE, Up.ENTRIES).replace(f"/{shard(GATE)}/", "/zz/"),
        f"gv1/up/{shard(OTHER)}/{GATE}/entries",
        f"gv1/up/{shard(GATE)}/{GATE}/door",
    ],
    ids=["no shard", "another's shard", "no known word"],
)
def test_a_message_on_a_topic_that_is_none_is_refused_by_name(site: Site, stolen: Intruder, topic: str) -> None:
    seen = len(site.cloud.events)
    assert stolen.say(topic, entries()) == GRANTED
    assert until(lambda: refusals(site.cloud.events[seen:]))[0]["kind"] == "TopicInvalid"


def test_entries_of_a_terminal_that_nobody_has_are_refused(site: Site, gate: SiteTerminal) -> None:
    stranger = TerminalId("stranger-1")
    seen = len(site.cloud.events)
    with Intruder(site.broker.port, site.authority.issue(stranger)) as intruder:
        intruder.say(up(stranger, Up.ENTRIES), valid_batch(stranger))
    assert until(lambda: refusals(site.cloud.events[seen:]))[0]["terminal"] == stranger
    assert not site.cloud.copy(stranger).ledgers


def refusals(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was refused, at the terminal or in the cloud."""
    return [event for event in events if event.get("event") in {"batch.refused", "message.refused"}]


def valid_batch(terminal: TerminalId) -> bytes:
    """A batch whose chain holds, of a ledger that no terminal has."""
    beginning = genesis(terminal, LEDGER)
    return pack_up(Entries(VERSION, LEDGER, 1, beginning, (b"forged",), follow(beginning, 1, [b"forged"])[-1][1]))


# --- across ---------------------------------------------------------------------------------------------------------


@pytest.mark.feature("F33")
def test_a_terminal_reaches_nothing_but_its_own_subtree(site: Site, stolen: Intruder) -> None:
    """Pitfall 20: each terminal has a certificate of its own, and it opens one subtree."""
    seen = len(site.cloud.events)
    for what in Up:
        assert stolen.say(up(OTHER, what), valid_batch(OTHER)) == REFUSED
    for topic in (down(OTHER, Down.TABLE), down(GATE, Down.TABLE), "gv1/all/blocklist", "$SYS/x", "anything"):
        assert stolen.say(topic, b"forged") == REFUSED
    for topic in ("#", "gv1/#", "gv1/up/#", f"gv1/down/{OTHER}/#", "gv1/down/+/+", f"gv1/down/{GATE}/#"):
        stolen.listen(topic)

    for terminal in (OTHER, GATE):
        assert site.terminal(terminal).tap(next(_cards))["outcome"] == "granted"
        site.terminal(terminal).wait_until_sent()
    stolen.wait_for(down(GATE, Down.RECEIPT))
    strange = {topic for topic, _ in stolen.heard() if not topic.startswith((f"gv1/down/{GATE}/", "gv1/all/"))}
    assert not strange, "what belongs to others was delivered"
    assert not refusals(site.cloud.events[seen:]), "what the broker refuses does not come to the cloud"
    assert [copy.ledger for copy in site.cloud.copy(OTHER).ledgers] == [site.terminal(OTHER).copy().ledger]


@pytest.mark.parametrize("brings", ["nothing", "a certificate of another authority"])
def test_nobody_gets_in_without_a_certificate_of_ours(
    site: Site, gate: SiteTerminal, tmp_path: Path, brings: str
) -> None:
    context = ssl.create_default_context(cafile=site.authority.certificate)
    if brings != "nothing":
        forged = CertificateAuthority(tmp_path, "forged authority").issue(GATE)
        context.load_cert_chain(forged.certificate, forged.key)
    with (
        pytest.raises(ssl.SSLError, match="alert"),
        socket.create_connection(("127.0.0.1", site.broker.port)) as line,
        context.wrap_socket(line, server_hostname="127.0.0.1") as wrapped,
    ):
        wrapped.recv(1)  # with TLS 1.3 a server refuses only after the client has finished
