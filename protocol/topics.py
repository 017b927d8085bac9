"""The MQTT topics, built and parsed here and nowhere else."""

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum

from protocol.errors import TerminalId, TopicInvalid

_TERMINAL = re.compile(r"[a-z0-9-]{1,40}", re.ASCII)
_UP = re.compile(r"gv1/up/([0-9a-f]{2})/([a-z0-9-]{1,40})/([a-z]+)", re.ASCII)
_DOWN = re.compile(r"gv1/down/([a-z0-9-]{1,40})/([a-z]+)", re.ASCII)

ALL_BLOCKLIST = "gv1/all/blocklist"
EVERY_UP = "gv1/up/+/+/+"
EVERY_ALL = "gv1/all/#"
AUDIENCE_ALL = "all"


class Up(StrEnum):
    """What a terminal publishes."""

    ENTRIES = "entries"
    PULL = "pull"
    STATUS = "status"


class Down(StrEnum):
    """What the cloud publishes; the value is the topic's last segment, which the signature covers."""

    RECEIPT = "receipt"
    TABLE = "table"
    BLOCKLIST = "blocklist"


@dataclass(frozen=True, slots=True)
class UpTopic:
    """A parsed topic of a terminal; the broker's ACL ties `terminal` to its certificate."""

    terminal: TerminalId
    what: Up


def terminal_id(text: str) -> TerminalId:
    """Take a terminal's name from outside. Raises TopicInvalid."""
    if not _TERMINAL.fullmatch(text):
        raise TopicInvalid(text, "names no terminal (a-z, 0-9 and hyphen, at most 40 characters)")
    return TerminalId(text)


def shard(terminal: TerminalId) -> str:
    """One of 64 shards, so that workers can share the terminals between them."""
    return f"{hashlib.sha256(terminal.encode()).digest()[0] & 63:02x}"


def up(terminal: TerminalId, what: Up) -> str:
    """The topic a terminal publishes `what` on."""
    return f"gv1/up/{shard(terminal)}/{terminal}/{what}"


def down(terminal: TerminalId, what: Down) -> str:
    """The topic the cloud publishes `what` for one terminal on."""
    return f"gv1/down/{terminal}/{what}"


def every_down(terminal: TerminalId) -> str:
    """What a terminal subscribes to beside `EVERY_ALL`."""
    return f"gv1/down/{terminal}/#"


def parse_up(topic: str) -> UpTopic:
    """Read a topic the cloud received. Raises TopicInvalid."""
    match = _UP.fullmatch(topic)
    if match is None:
        raise TopicInvalid(topic, "is no topic of a terminal")
    in_shard, terminal = match.group(1), TerminalId(match.group(2))
    try:
        what = Up(match.group(3))
    except ValueError as exc:
        raise TopicInvalid(topic, "ends in a word that is not known") from exc
    if in_shard != shard(terminal):
        raise TopicInvalid(topic, f"is in shard {in_shard}, its terminal belongs to {shard(terminal)}")
    return UpTopic(terminal, what)


def parse_down(topic: str, terminal: TerminalId) -> tuple[str, Down]:
    """Read a topic that `terminal` received: (audience, what). Raises TopicInvalid."""
    if topic == ALL_BLOCKLIST:
        return AUDIENCE_ALL, Down.BLOCKLIST
    match = _DOWN.fullmatch(topic)
    if match is None or match.group(1) != terminal:
        raise TopicInvalid(topic, "is not addressed to this terminal")
    if match.group(2) not in {Down.RECEIPT, Down.TABLE}:
        raise TopicInvalid(topic, "ends in a word that is not known")
    return terminal, Down(match.group(2))
