"""What can be wrong with bytes and words from outside, each named, each saying what to do."""

from typing import Final, NewType

import msgspec

TerminalId = NewType("TerminalId", str)
"""A terminal's lasting name: the CN of its certificate and its level in every topic, `[a-z0-9-]{1,40}`."""

UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises on bytes that are not what they should be; on lists within lists within lists the last."""


class ProtocolError(ValueError):
    """Bytes or words from outside that this product does not accept."""


class CardIdInvalid(ProtocolError):
    """A card's identity that is not in the canonical form (DESIGN 4)."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"not a card id: {reason}; write kind:VALUE, for example uid:04A1B2C3D4E5F6")


class TopicInvalid(ProtocolError):
    """A topic that is none of the product's, or that names a terminal in the wrong shard."""

    def __init__(self, topic: str, reason: str) -> None:
        self.topic = topic[:200]
        self.reason = reason
        super().__init__(f"topic {self.topic!r} {reason}; look at the broker's ACL and who publishes there")


class MessageMalformed(ProtocolError):
    """Bytes that are not the message they should be."""

    def __init__(self, what: str, reason: str) -> None:
        self.what = what
        self.reason = reason
        super().__init__(f"{what} cannot be read: {reason}; the sender has a fault, keep the bytes and report it")


class MessageTooLarge(ProtocolError):
    """A message over the limit for its kind, packed or unpacked."""

    def __init__(self, what: str, limit: int) -> None:
        self.what = what
        self.limit = limit
        super().__init__(f"{what} is larger than {limit} bytes; send it in smaller parts")


class MessageFromFuture(ProtocolError):
    """A message of a version this program does not know yet."""

    def __init__(self, what: str, version: int, known: int) -> None:
        self.what = what
        self.version = version
        super().__init__(f"{what} is of version {version}, this program knows up to {known}; upgrade this side")


class SignatureInvalid(ProtocolError):
    """A message down whose signature, key or audience does not hold: it is not obeyed."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"message refused: {reason}; nothing was changed, look for who writes to the broker")


class SealForeign(ProtocolError):
    """A value that was sealed to another terminal's key, or to an earlier one of this terminal."""

    def __init__(self, recipient: bytes, here: bytes) -> None:
        self.recipient = recipient
        super().__init__(
            f"this is sealed to key {recipient.hex()}, the one here is {here.hex()}; "
            "let the terminal connect, and the cloud sends it again for this key"
        )


class SealBroken(ProtocolError):
    """A sealed value that does not open: its bytes, or what it is said to belong to, are not what was sealed."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"a sealed value does not open: {reason}; let the cloud send it again")


class ChainBroken(ProtocolError):
    """Entries that do not continue the chain they claim to continue."""

    def __init__(self, seq: int, reason: str) -> None:
        self.seq = seq
        self.reason = reason
        super().__init__(f"the chain breaks at entry {seq}: {reason}; keep the file and run `grindvakt ledger verify`")


class ExportInvalid(ProtocolError):
    """A file that is not, or not in this line, an exported ledger."""

    def __init__(self, line: int, reason: str) -> None:
        self.line = line
        self.reason = reason
        super().__init__(f"line {line} of the export: {reason}; export the ledger again, or copy the file again")


class ExportCutOff(ExportInvalid):
    """An exported ledger whose end is missing: the disk was full, or the copy was interrupted."""

    def __init__(self, line: int, held: int, expected: int) -> None:
        self.held = held
        super().__init__(line, f"it was cut off after entry {held} of {expected}")
