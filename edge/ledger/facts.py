"""Facts that the terminal adds to its ledger: what it does itself, as of now."""

import secrets

from edge.clock.clock import Clock
from protocol.entries import SALT_BYTES, VERSION, Fact


def fact(clock: Clock, subject: str, details: dict[str, str]) -> Fact:
    """Something to add to the ledger, as of now."""
    now = clock.read()
    salt = secrets.token_bytes(SALT_BYTES)
    return Fact(VERSION, now.utc, now.quality, now.boot_id, now.monotonic, now.utc, subject, details, salt)
