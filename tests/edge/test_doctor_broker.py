"""The doctor knocks at real brokers, and each way to be turned away has advice of its own (F20)."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest

from edge.doctor import Verdict
from edge.doctor.broker import ACCEPTED, NO_ANSWER, Knock, Step, connack, connect, judge_knock, knock
from edge.settings import LinkSettings
from protocol.clock import ClockQuality
from tests.edge.test_tls import clock
from tests.support.certificates import LOOPBACK, VALID, CertificateAuthority, Days
from tests.support.gate import HandClock
from tests.support.mosquitto import Mosquitto, free_port


class Site:
    """An authority, a terminal's papers, and brokers that are stopped at the end."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self.authority = CertificateAuthority(folder / "authority")
        self.own = self.authority.issue("gate-1")
        self.broker: Mosquitto | None = None

    def link(self, port: int, host: str = "127.0.0.1") -> LinkSettings:
        """What the settings would say."""
        return LinkSettings(
            host=host, port=port, ca=self.own.ca, certificate=self.own.certificate, key=self.own.key, signing_keys=()
        )

    def start(
        self,
        authority: CertificateAuthority | None = None,
        names: tuple[str, ...] = LOOPBACK,
        days: Days = VALID,
        without: str = "",
    ) -> LinkSettings:
        """A broker, and a link to it; `without` is a line that its configuration lacks."""
        self.broker = Mosquitto(self._folder / "broker", authority or self.authority, names, days)
        config = self._folder / "broker" / "mosquitto.conf"
        config.write_text(config.read_text(encoding="utf-8").replace(without, ""), encoding="utf-8")
        self._stack.enter_context(self.broker)
        return self.link(self.broker.port)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        yield Site(tmp_path, stack)


def judged(link: LinkSettings, by: HandClock | None = None) -> tuple[Verdict, str]:
    """The verdict, and all that is said."""
    finding = judge_knock(knock(link, by or clock(ClockQuality.SYNCHRONISED, 0)), link, online=False)
    return finding.verdict, f"{finding.found} → {finding.advice}"


def test_a_broker_that_lets_it_in_is_good_and_hears_nothing_but_a_hello(site: Site) -> None:
    link = site.start()
    verdict, words = judged(link)
    assert (verdict, words) == (Verdict.GOOD, f"127.0.0.1:{link.port} lets this terminal in → ")
    assert site.broker is not None
    assert "doctor-" in site.broker.log, "under a name of its own, so that the daemon's session stays"
    assert "gate-1 " not in site.broker.log.replace("'gate-1'", "")


def test_a_broker_of_another_authority_is_told_from_all_else(site: Site, tmp_path: Path) -> None:
    link = site.start(CertificateAuthority(tmp_path / "stranger", "stranger"))
    verdict, words = judged(link)
    assert verdict is Verdict.BAD
    assert "another authority than `ca` → use the authority of this cloud" in words


def test_a_broker_whose_certificate_has_expired_is_told_with_the_clock_in_mind(site: Site) -> None:
    verdict, words = judged(site.start(days=(-9, -2)))
    assert verdict is Verdict.BAD
    assert "has expired, by the clock here → compare the clock with a watch" in words


def test_a_broker_whose_certificate_had_expired_when_time_was_last_known_is_told_the_same(site: Site) -> None:
    _, words = judged(site.start(days=(-9, -2)), clock(ClockQuality.UNTRUSTED, 0))
    assert "has expired, by the clock here" in words


def test_a_broker_that_is_not_valid_yet_points_at_the_clock(site: Site) -> None:
    verdict, words = judged(site.start(days=(2, 9)))
    assert verdict is Verdict.BAD
    assert "is not valid yet, by the clock here → the clock here is probably slow" in words


def test_a_broker_of_another_name_points_at_the_host_in_the_settings(site: Site) -> None:
    verdict, words = judged(site.start(names=("broker.example",)))
    assert verdict is Verdict.BAD
    assert "a certificate for another name → write the broker's own name after link.host" in words


def test_a_terminal_that_the_broker_does_not_trust_is_told_to_look_at_its_own_certificate(
    site: Site, tmp_path: Path
) -> None:
    """With TLS 1.3 the refusal comes after the handshake."""
    link = site.start()
    stranger = CertificateAuthority(tmp_path / "stranger", "stranger").issue("gate-1")
    verdict, words = judged(replace(link, certificate=stranger.certificate, key=stranger.key))
    assert verdict is Verdict.BAD
    assert "refuses this terminal's certificate" in words
    assert "is it expired, revoked, or of another cloud?" in words


def test_a_terminal_whose_certificate_has_expired_is_refused_and_told(site: Site) -> None:
    link = site.start()
    old = site.authority.issue("gate-1-old", days=(-9, -2))
    verdict, words = judged(replace(link, certificate=old.certificate, key=old.key))
    assert verdict is Verdict.BAD
    assert "refuses this terminal's certificate" in words


def test_a_terminal_that_is_known_and_not_let_in_is_told_so(site: Site) -> None:
    verdict, words = judged(site.start(without="use_identity_as_username true"))
    assert verdict is Verdict.BAD
    assert "does not let it in (code 5) → was the terminal revoked" in words


def test_nobody_at_the_port_points_at_firewall_and_port(site: Site) -> None:
    link = site.link(free_port())
    verdict, words = judged(link)
    assert verdict is Verdict.BAD
    assert "does not answer: Connection refused → does a firewall let TCP port" in words


def test_a_name_that_nobody_knows_points_at_the_network(site: Site) -> None:
    verdict, words = judged(site.link(8883, "broker.invalid"))
    assert verdict is Verdict.BAD
    assert "the name broker.invalid is not known here" in words
    assert "is there a network?" in words


def test_a_port_that_speaks_no_tls_points_at_the_port(site: Site) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def greet() -> None:
            opened, _ = server.accept()
            with opened:
                opened.recv(1)
                opened.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
                opened.recv(4096)

        greeting = threading.Thread(target=greet, daemon=True)
        greeting.start()
        verdict, words = judged(site.link(server.getsockname()[1]))
        greeting.join(10)
    assert verdict is Verdict.BAD
    assert "does not speak TLS → is link.port the one for mutual TLS (8883)?" in words


def test_a_port_that_takes_connections_and_says_nothing_is_given_up(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.doctor.broker.PATIENCE", 0.2)
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        verdict, words = judged(site.link(server.getsockname()[1]))
    assert verdict is Verdict.BAD
    assert "no TLS with 127.0.0.1:" in words
    assert "timed out" in words


def test_without_papers_nothing_is_tried(site: Site) -> None:
    link = site.link(1)
    link.key.unlink()
    verdict, words = judged(link)
    assert verdict is Verdict.UNKNOWN
    assert "first put right what is said of the certificate" in words


@pytest.mark.parametrize(
    ("tried", "online", "verdict", "words"),
    [
        (Knock(Step.PAPERS, "", forbidden=True), True, Verdict.GOOD, "the daemon is connected"),
        (Knock(Step.PAPERS, "", forbidden=True), False, Verdict.UNKNOWN, "you may not read the key"),
        (Knock(Step.TLS, "TLSV13_ALERT_CERTIFICATE_REQUIRED"), False, Verdict.BAD, "refuses this terminal's"),
        (Knock(Step.TLS, "SSLV3_ALERT_CERTIFICATE_REVOKED"), False, Verdict.BAD, "refuses this terminal's"),
        (Knock(Step.TLS, "UNEXPECTED_EOF_WHILE_READING"), False, Verdict.BAD, "a firewall may cut TLS"),
        (Knock(Step.MQTT, "", 3), False, Verdict.BAD, "does not take connections now (code 3)"),
        (Knock(Step.MQTT, "", 4), False, Verdict.BAD, "was the terminal revoked"),
    ],
)
def test_what_cannot_be_staged_here_is_judged_by_its_code(
    site: Site, tried: Knock, online: bool, verdict: Verdict, words: str
) -> None:
    finding = judge_knock(tried, site.link(8883), online=online)
    assert finding.verdict is verdict
    assert words in f"{finding.found} {finding.advice}"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"\x20\x02\x00\x00", ACCEPTED),
        (b"\x20\x02\x01\x05", 5),
        (b"", NO_ANSWER),
        (b"\x20\x02\x00", NO_ANSWER),
        (b"HTTP", NO_ANSWER),
    ],
)
def test_an_answer_is_read_by_its_standard_and_anything_else_is_none(answer: bytes, code: int) -> None:
    assert connack(answer) == code


def test_the_hello_says_its_own_length() -> None:
    packet = connect("doctor-0123456789ab")
    assert packet[1] == len(packet) - 2
    assert packet.endswith(b"doctor-0123456789ab")
