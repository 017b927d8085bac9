"""Shows the cloud this terminal's certificate, so that names and numbers can be sealed to its key."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from edge.tables.tables import Tables
from protocol.messages import LARGEST_CERTIFICATE
from protocol.tables import Table, is_sealed_for

LARGEST_FILE: Final = 64 * 1024

_BEGINS: Final = "-----BEGIN CERTIFICATE-----"
_ENDS: Final = "-----END CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate as DER, and the id of its key; both empty where there is none to show."""

    der: bytes = b""
    key_id: bytes = b""

    @classmethod
    def read(cls, path: Path) -> Self:
        """The first certificate of a file. One that is missing or unreadable is nobody's fault here: TLS reports it."""
        from cryptography import x509
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

        from protocol.sealing import key_id

        try:
            with path.open("rb") as file:
                text = file.read(LARGEST_FILE).decode("ascii")
            first = text[text.index(_BEGINS) : text.index(_ENDS) + len(_ENDS)]
            der = ssl.PEM_cert_to_DER_cert(first)
            key = x509.load_der_x509_certificate(der).public_key()
        except (OSError, ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
            return cls()
        if len(der) > LARGEST_CERTIFICATE or not isinstance(key, EllipticCurvePublicKey):
            return cls()
        return cls(der, key_id(key))

    def is_known(self, tables: Tables) -> bool:
        """Whether the binding held names people sealed to this key, or there is nothing to show, or nobody to name."""
        binding = tables.binding
        if binding is None or not self.der:
            return True
        return any(each.name == Table.PEOPLE and is_sealed_for(self.key_id, each.epoch) for each in binding.tables)
