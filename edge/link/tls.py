"""Builds the link's TLS: the broker is verified always, and dates by the last right time while the clock is wrong."""

import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from edge.clock.clock import Clock
from edge.errors import LinkUnprepared
from edge.settings import LinkSettings
from protocol.clock import MICROSECONDS, ClockQuality

NO_CHECK_TIME: Final = 0x200000  # X509_V_FLAG_NO_CHECK_TIME of openssl/x509_vfy.h, which the ssl module does not name


def tls_context(settings: LinkSettings, clock: Clock) -> ssl.SSLContext:
    """Mutual TLS whose broker is verified by its authority and its name. Raises LinkUnprepared.

    By an untrusted clock OpenSSL would refuse every certificate, and the time could never arrive (pitfall 17). Only
    then the dates are judged here: what had expired when the time was last known is refused; a certificate that begins
    later than a clock shows which is not right anyway is none the worse for it.
    """
    floor = _moment(clock.floor) if clock.read().quality is ClockQuality.UNTRUSTED else None
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if floor is None:
            context.load_verify_locations(cafile=settings.ca)
        else:
            context.verify_flags |= ssl.VerifyFlags(NO_CHECK_TIME)
            context.load_verify_locations(cadata=_not_expired(settings.ca, floor))
        context.load_cert_chain(settings.certificate, settings.key)
        context.sslsocket_class = _socket_judging_by(floor)
    except (OSError, ValueError) as exc:
        files = f"{settings.ca}, {settings.certificate} and {settings.key}"
        raise LinkUnprepared(f"{exc} (one of {files})") from exc
    return context


def begins(certificate: Path) -> int | None:
    """When a certificate begins to be valid, in microseconds UTC; None where it cannot be read."""
    from cryptography import x509

    try:
        begun = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_before_utc
    except (OSError, ValueError):
        return None
    return int(begun.timestamp()) * MICROSECONDS


def _not_expired(authorities: Path, floor: datetime) -> str:
    """The pinned authorities that had not expired. Raises OSError, ValueError."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    pinned = x509.load_pem_x509_certificates(authorities.read_bytes())
    alive = [each for each in pinned if each.not_valid_after_utc >= floor]
    if not alive:
        raise ValueError(f"the authority has expired before {floor:%Y-%m-%d}, when the time was last known")
    return "".join(each.public_bytes(Encoding.PEM).decode("ascii") for each in alive)


def _socket_judging_by(floor: datetime | None) -> type[ssl.SSLSocket]:
    """A socket for paho, which leaves that of a handshake that failed lying about; this one closes itself."""

    class TidySocket(ssl.SSLSocket):
        """Judges the broker's dates by `floor` before anything is said to it."""

        def do_handshake(self, block: bool = False) -> None:
            """As in ssl, where only the end differs."""
            try:
                super().do_handshake(block)
                if floor is not None:
                    _judge(self.getpeercert(binary_form=True), floor)
            except (OSError, ValueError):
                self.close()
                raise

    return TidySocket


def _judge(certificate: Any, floor: datetime) -> None:
    """Raises SSLCertVerificationError, ValueError."""
    from cryptography import x509

    ended = x509.load_der_x509_certificate(certificate or b"").not_valid_after_utc
    if ended < floor:
        raise ssl.SSLCertVerificationError(
            1, f"certificate has expired: on {ended:%Y-%m-%d}, and the time was {floor:%Y-%m-%d} when last known"
        )


def _moment(utc: int) -> datetime:
    return datetime.fromtimestamp(utc / MICROSECONDS, UTC)
