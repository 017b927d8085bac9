"""The guide to cards says what a reader really asks, and its commands make the cards that it promises."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509

from edge.piv.applet import Applet, PivCard
from edge.piv.exchange import carried
from edge.piv.issuer import Issuer
from edge.piv.kept import Kept, take
from edge.piv.proof import Prover
from edge.piv.trusted import Issuers
from edge.readers.pcsc.contactless import GET_UID, identified
from protocol.decision import CardAuthentication, Proof

GUIDE: Final = (Path(__file__).parents[2] / "docs" / "cards.md").read_text(encoding="utf-8")
ISSUER: Final = Issuer.created("guided")
GET_RESPONSE: Final = "00C00000"


def asked() -> list[str]:
    """The commands that a genuine card gets where proof is asked, without those for the rest of an answer."""
    applet, heard = Applet(PivCard.issued(bytes(range(16)), ISSUER)), list[str]()

    def transmit(command: bytes) -> bytes:
        heard.append(command.hex().upper())
        return bytes.fromhex("04A1B2C39000") if command == GET_UID else applet.answer(command)

    prover = Prover(Issuers([ISSUER.certificate]), lambda: True)
    found = carried(identified(prover, is_reversed=False), transmit)
    assert found.credential.proof is Proof.GENUINE
    return [command for command in heard if not command.startswith(GET_RESPONSE)]


def test_the_steps_are_those_that_a_reader_takes() -> None:
    rows = re.findall(r"^\| [A-Z][^|]+ \| `([0-9A-F]+)`(?: with `([0-9A-F]+)`)? \|", GUIDE, re.MULTILINE)
    commands = asked()
    assert len(rows) == len(commands)
    for (head, inner), command in zip(rows, commands, strict=True):
        assert command.startswith(head)
        assert inner in command


def test_every_policy_is_told() -> None:
    told = re.findall(r"^\| `(\w+)` \|", GUIDE.partition("What the proof proves")[2], re.MULTILINE)
    assert told == list(CardAuthentication)


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the guide's commands have made."""
    folder = tmp_path_factory.mktemp("guide")
    commands = re.findall(r"^python (-m edge\.piv .+)$", GUIDE, re.MULTILINE)
    assert len(commands) == 5
    for command in commands:
        subprocess.run([sys.executable, *shlex.split(command)], check=True, cwd=folder)
    return folder / "cards"


@pytest.mark.parametrize(
    ("name", "proof"),
    [
        ("anna", Proof.GENUINE),
        ("stranger", Proof.FOREIGN),
        ("alone", Proof.FOREIGN),
        ("copied", Proof.COPIED),
        ("bare", Proof.NO_KEY),
    ],
)
def test_the_commands_make_cards_that_are_judged_as_their_names_say(cards: Path, name: str, proof: Proof) -> None:
    issuer = x509.load_pem_x509_certificate((cards / "issuer" / "certificate.pem").read_bytes())
    assert judged(take(cards / name), Issuers([issuer])) is proof


def judged(kept: Kept, issuers: Issuers) -> Proof:
    applet = Applet(kept.card)

    def transmit(command: bytes) -> bytes:
        return (kept.uid or b"") + b"\x90\x00" if command == GET_UID else applet.answer(command)

    return carried(identified(Prover(issuers, lambda: True), is_reversed=False), transmit).credential.proof
