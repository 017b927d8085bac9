"""Takes the certificates that terminals show when they connect, so that names can be sealed to their keys."""

from hashlib import sha256
from pathlib import Path
from typing import Final

import structlog

from cloud.database import Database
from cloud.errors import CertificateRefused, FieldInvalid
from cloud.events import Event
from cloud.joining.certificates import check_certificate, sealing_key
from cloud.units.models import Unit
from cloud.units.service import keep_certificate
from protocol.errors import TerminalId
from protocol.sealing import key_id

REFUSED_REMEMBERED: Final = 10_000

log = structlog.get_logger(__name__)


class Certificates:
    """Used by the thread that takes in; `authorities` is the file of those who issue terminals' certificates."""

    def __init__(self, database: Database, authorities: Path) -> None:
        self._database = database
        self._authorities = authorities
        self._refused: dict[TerminalId, bytes] = {}

    def take(self, terminal: TerminalId, certificate: bytes) -> None:
        """Check a certificate and keep it with the unit. One that is refused is said once: it comes again and again."""
        with self._database.reading() as session:
            unit = session.get(Unit, terminal)
            known = unit is None or unit.certificate == certificate
            held = unit.certificate if unit is not None else None
        if known:
            return
        try:
            check_certificate(certificate, terminal, held, self._authorities)
            with self._database.transaction() as session:
                keep_certificate(session, terminal, certificate)
        except (CertificateRefused, FieldInvalid) as refusal:  # the latter: its binding has no room for one more table
            self._say_refused(terminal, certificate, refusal.reason)
            return
        log.info(Event.CERTIFICATE_TAKEN, terminal=terminal, key=key_id(sealing_key(certificate)).hex())

    def _say_refused(self, terminal: TerminalId, certificate: bytes, why: str) -> None:
        digest = sha256(certificate).digest()
        if self._refused.get(terminal) == digest:
            return
        if len(self._refused) >= REFUSED_REMEMBERED:
            self._refused.clear()
        self._refused[terminal] = digest
        log.warning(Event.CERTIFICATE_REFUSED, terminal=terminal, why=why)
