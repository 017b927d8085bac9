"""The issuers of cards are read from the files that the settings name, and every mistake in them is told."""

import datetime
import subprocess
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from edge.cli.check_config import check_config
from edge.config import EXIT_CONFIG
from edge.config import load as load_settings
from edge.errors import ConfigInvalid
from edge.events import Event
from edge.piv.issuer import Algorithm, Holder, Issuer, new_key
from edge.piv.trusted import LARGEST_FILE, MOST_IN_A_FILE, load, out_of_date
from edge.readers.fitting import fitted_prover
from edge.settings import CardSettings
from protocol.decision import CardAuthentication
from tests.support.gate import gate
from tests.support.terminal_process import SETTINGS

pytestmark = pytest.mark.feature("F05")

ROOT = Issuer.created("Root of all cards")
ISSUER = Issuer.created("ID06 on trial", above=ROOT)
OLD = Issuer.created(
    "ID06 of old",
    (datetime.datetime(2010, 1, 1, tzinfo=datetime.UTC), datetime.datetime(2015, 1, 1, tzinfo=datetime.UTC)),
)
CARDS_OWN = ISSUER.certify(new_key(Algorithm.P256).public_key(), Holder.of(bytes(range(16))))
NOW = 1_781_092_800_000_000  # 2026-06-10


def written(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def card_pem() -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    return x509.load_der_x509_certificate(CARDS_OWN).public_bytes(Encoding.PEM)


def test_a_file_may_hold_an_issuer_and_those_above_it(tmp_path: Path) -> None:
    loaded = load([written(tmp_path, "both.pem", ISSUER.pem + ROOT.pem)])
    assert loaded.problems == ()
    from cryptography import x509

    chain = loaded.issuers.above(x509.load_der_x509_certificate(CARDS_OWN))
    assert chain == (ISSUER.certificate, ROOT.certificate)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "it is no certificate in PEM, which begins with -----BEGIN CERTIFICATE-----"),
        (CARDS_OWN, "it is no certificate in PEM, which begins with -----BEGIN CERTIFICATE-----"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "it is no certificate in PEM"),
        (b"x" * (LARGEST_FILE + 1), f"it is larger than {LARGEST_FILE} bytes"),
        (ISSUER.pem * (MOST_IN_A_FILE + 1), f"it holds more than {MOST_IN_A_FILE} certificates"),
        (card_pem(), "who may not issue others: name the issuer's certificate, not a card's"),
    ],
    ids=["empty", "DER", "broken", "too large", "too many", "a card's own"],
)
def test_a_file_that_is_wrong_is_told_and_keeps_no_other_out(tmp_path: Path, content: bytes, told: str) -> None:
    wrong, right = written(tmp_path, "wrong.pem", content), written(tmp_path, "right.pem", ISSUER.pem)
    loaded = load([wrong, right])
    (problem,) = loaded.problems
    assert str(wrong) in problem
    assert told in problem
    assert loaded.issuers


def test_a_file_that_is_not_there_is_told_by_its_name(tmp_path: Path) -> None:
    (problem,) = load([tmp_path / "id06.pem"]).problems
    assert problem == f"cards.issuers: {tmp_path / 'id06.pem'} cannot be read: No such file or directory"


def test_an_issuer_out_of_date_is_a_warning_and_no_mistake(tmp_path: Path) -> None:
    path = written(tmp_path, "two.pem", OLD.pem + ISSUER.pem)
    assert load([path]).problems == ()
    (said,) = out_of_date([path], NOW)
    assert "CN=ID06 of old is valid from 2010-01-01 until 2015-01-01" in said


def test_check_config_tells_wrong_issuers_together_with_all_other_mistakes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = '[cards]\nissuers = ["id06.pem", "card.pem"]\n[lights]\n'
    path = written(tmp_path, "terminal.toml", (SETTINGS + wrong).encode())
    written(tmp_path, "card.pem", card_pem())
    with pytest.raises(ConfigInvalid) as told:
        check_config(path, {}, as_json=False)
    assert len(told.value.problems) == 3
    assert "id06.pem cannot be read" in str(told.value)
    assert "may not issue others" in str(told.value)
    assert "[lights] is no section" in str(told.value)
    assert check_config(path, {}, as_json=True) == EXIT_CONFIG


def test_check_config_warns_of_an_issuer_out_of_date(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, "terminal.toml", (SETTINGS + '[cards]\nissuers = ["old.pem"]\n').encode())
    written(tmp_path, "old.pem", OLD.pem)
    assert check_config(path, {}, as_json=False) == 0
    assert "its cards are refused at other times" in capsys.readouterr().out


def test_a_daemon_starts_without_the_issuers_that_it_cannot_read(tmp_path: Path) -> None:
    """Registering never stops: what is missing is said, and cards of that issuer cannot prove themselves."""
    path = written(tmp_path, "terminal.toml", (SETTINGS + '[cards]\nissuers = ["id06.pem"]\n').encode())
    cards = load_settings(path, {}).cards
    with gate(tmp_path) as here, capture_logs() as said:
        assert fitted_prover(cards, here.tables) is None
    assert [line["event"] for line in said] == [Event.ISSUER_REFUSED]


def test_cards_are_asked_while_the_binding_says_so(tmp_path: Path) -> None:
    with gate(tmp_path) as here:
        prover = fitted_prover(CardSettings(issuers=(written(tmp_path, "id06.pem", ISSUER.pem),)), here.tables)
        assert prover is not None
        assert not prover.asks
        asked = []
        for policy in (CardAuthentication.PREFER, CardAuthentication.REQUIRE, CardAuthentication.OFF):
            here.cloud.bind(card_authentication=policy)
            asked.append(prover.asks)
    assert asked == [True, True, False]


def test_a_terminal_without_issuers_loads_no_x509() -> None:
    asked = "import sys, edge.readers.fitting, edge.readers.pcsc.pcsc; sys.exit('cryptography.x509' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], check=False).returncode == 0
