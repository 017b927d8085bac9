"""The broker is verified whatever the clock shows, and a wrong clock keeps no terminal from its cloud (pitfall 17)."""

import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest
from paho.mqtt.client import Client, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from edge.errors import LinkUnprepared
from edge.link.tls import NO_CHECK_TIME, begins, tls_context
from edge.settings import LinkSettings
from protocol.clock import MICROSECONDS, ClockQuality
from tests.support.certificates import LOOPBACK, VALID, CertificateAuthority, Days
from tests.support.gate import HandClock
from tests.support.mosquitto import Mosquitto

DAY: Final = 86_400 * MICROSECONDS
EXPIRED: Final[Days] = (-9, -2)
NOT_YET: Final[Days] = (2, 9)
TRUSTED, UNTRUSTED = ClockQuality.HELD, ClockQuality.UNTRUSTED


@dataclass
class Meeting:
    """A terminal with a clock of this quality and floor (in days from now), and the broker it is sent to."""

    quality: ClockQuality = UNTRUSTED
    floor: float = 0
    broker: Days = VALID
    authority: Days = VALID
    names: tuple[str, ...] = LOOPBACK
    pinned: str = "the broker's"
    stack: ExitStack = field(default_factory=ExitStack)

    def connect(self, folder: Path) -> None:
        """Come as far as the first packet. Raises SSLError, LinkUnprepared."""
        authority = CertificateAuthority(folder / "authority", days=self.authority)
        pinned = authority if self.pinned == "the broker's" else CertificateAuthority(folder / "other", "other")
        own = authority.issue("gate-1")
        broker = self.stack.enter_context(Mosquitto(folder / "broker", authority, self.names, self.broker))
        settings = LinkSettings(
            host="127.0.0.1", port=broker.port, ca=pinned.certificate, certificate=own.certificate, key=own.key
        )
        client = Client(CallbackAPIVersion.VERSION2, "gate-1", protocol=MQTTv311)
        client.tls_set_context(tls_context(settings, clock(self.quality, self.floor)))
        client.connect("127.0.0.1", broker.port)
        client.disconnect()


def clock(quality: ClockQuality, floor: float) -> HandClock:
    """A clock that shows when its floor was, and how far that is to be trusted."""
    made = HandClock(time.time_ns() // 1000 + int(floor * DAY))
    made.quality = quality
    return made


@pytest.fixture
def meeting() -> Iterator[Meeting]:
    made = Meeting()
    with made.stack:
        yield made


@pytest.mark.feature("F16")
@pytest.mark.parametrize("quality", [TRUSTED, UNTRUSTED])
def test_a_valid_broker_is_met_by_any_clock(meeting: Meeting, tmp_path: Path, quality: ClockQuality) -> None:
    meeting.quality = quality
    meeting.connect(tmp_path)


@pytest.mark.feature("F16")
@pytest.mark.parametrize("floor", [-300, 0])
def test_a_certificate_that_begins_later_than_a_wrong_clock_shows_is_no_reason_to_refuse(
    meeting: Meeting, tmp_path: Path, floor: float
) -> None:
    """What a clock in 1970 makes of every certificate: OpenSSL's own clock is right here, so the dates are ahead."""
    meeting.broker, meeting.floor = NOT_YET, floor
    meeting.connect(tmp_path)


@pytest.mark.feature("F16")
def test_a_certificate_that_ended_after_the_time_was_last_known_is_no_reason_to_refuse(
    meeting: Meeting, tmp_path: Path
) -> None:
    """What a clock in 2099 makes of every certificate: to OpenSSL's own clock these have expired."""
    meeting.broker, meeting.authority, meeting.floor = EXPIRED, (-9, 7), -3
    meeting.connect(tmp_path)


@pytest.mark.parametrize("dates", [EXPIRED, NOT_YET])
def test_by_a_trusted_clock_dates_are_what_they_always_are(meeting: Meeting, tmp_path: Path, dates: Days) -> None:
    meeting.quality, meeting.broker = TRUSTED, dates
    with pytest.raises(ssl.SSLCertVerificationError, match=r"expired|not yet valid"):
        meeting.connect(tmp_path)


@pytest.mark.feature("F16")
def test_a_broker_that_had_expired_when_the_time_was_last_known_is_refused(meeting: Meeting, tmp_path: Path) -> None:
    meeting.broker = EXPIRED
    with pytest.raises(ssl.SSLCertVerificationError, match=r"has expired: on .*when last known"):
        meeting.connect(tmp_path)


def test_an_authority_that_had_expired_when_the_time_was_last_known_is_refused(
    meeting: Meeting, tmp_path: Path
) -> None:
    meeting.authority = EXPIRED
    with pytest.raises(LinkUnprepared, match="authority has expired before"):
        meeting.connect(tmp_path)


@pytest.mark.parametrize("quality", [TRUSTED, UNTRUSTED])
@pytest.mark.parametrize(("names", "pinned"), [(("broker.example",), "the broker's"), (LOOPBACK, "another")])
def test_another_name_or_authority_is_refused_by_any_clock(
    meeting: Meeting, tmp_path: Path, quality: ClockQuality, names: tuple[str, ...], pinned: str
) -> None:
    meeting.quality, meeting.names, meeting.pinned = quality, names, pinned
    with pytest.raises(ssl.SSLCertVerificationError, match="certificate verify failed"):
        meeting.connect(tmp_path)


@pytest.mark.parametrize("quality", [TRUSTED, UNTRUSTED])
def test_verification_is_never_switched_off(tmp_path: Path, quality: ClockQuality) -> None:
    own = CertificateAuthority(tmp_path).issue("gate-1")
    settings = LinkSettings(host="localhost", ca=own.ca, certificate=own.certificate, key=own.key)
    context = tls_context(settings, clock(quality, 0))
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert bool(context.verify_flags & NO_CHECK_TIME) is (quality is UNTRUSTED)


@pytest.mark.parametrize("quality", [TRUSTED, UNTRUSTED])
@pytest.mark.parametrize(
    "content", [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----"]
)
def test_an_authority_that_cannot_be_read_is_named(tmp_path: Path, quality: ClockQuality, content: bytes) -> None:
    own = CertificateAuthority(tmp_path).issue("gate-1")
    own.ca.write_bytes(content)
    settings = LinkSettings(host="localhost", ca=own.ca, certificate=own.certificate, key=own.key)
    with pytest.raises(LinkUnprepared, match=r"ca\.pem"):
        tls_context(settings, clock(quality, 0))


def test_when_a_certificate_begins_is_read_where_it_can_be(tmp_path: Path) -> None:
    issued = CertificateAuthority(tmp_path).issue("gate-1")
    begun = begins(issued.certificate)
    assert begun is not None
    assert abs(begun - (time.time_ns() // 1000 - DAY)) < 60 * MICROSECONDS
    assert begins(tmp_path / "none.pem") is None
    assert begins(issued.key) is None
