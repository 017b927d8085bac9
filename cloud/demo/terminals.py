"""The demonstration's three terminals: what each is fed by, and the settings its daemon is started with."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cloud.demo import cast
from protocol.errors import TerminalId


class Feed(StrEnum):
    """What holds cards against a terminal's reader."""

    SERIAL = "serial"
    PCSC = "pcsc"
    SIMULATED = "simulated"


@dataclass(frozen=True, slots=True)
class DemoTerminal:
    """A terminal of the site; without a place it is not bound to the project."""

    id: TerminalId
    name: str
    feed: Feed
    place: str | None


TERMINALS = (
    DemoTerminal(TerminalId("kvarnen-norra"), "Norra grinden", Feed.SERIAL, "Norra grinden"),
    DemoTerminal(TerminalId("kvarnen-hissen"), "Bygghissen", Feed.PCSC, "Bygghissen"),
    DemoTerminal(TerminalId("forradet-1"), "Förrådet", Feed.SIMULATED, None),
)
UNBOUND = TERMINALS[2]


@dataclass(frozen=True, slots=True)
class Credentials:
    """The files that tie a terminal to its cloud, and whose PIV cards it believes."""

    ca: Path
    certificate: Path
    key: Path
    signing_key: bytes
    card_issuer: Path


@dataclass(frozen=True, slots=True)
class Folders:
    """Where a terminal keeps its state and its socket; a socket's path must be short."""

    state: Path
    runtime: Path


@dataclass(frozen=True, slots=True)
class Loopback:
    """The ports of this machine that a terminal uses: its broker's, and its own panel's."""

    broker: int
    panel: int


MOTOR = """
kind = "motor"
pin = 23
pin_lock = 24
bolt_pin = 25
withdrawn_pin = 5
contact_pin = 6
exit_pin = 12
tamper_pin = 13
"""
RELAY = """
kind = "relay"
pin = 23
contact_pin = 6
exit_pin = 12
"""
FRONT_READER = """
[[reader]]
name = "panel"
kind = "simulated"
direction = "toggle"
"""


def settings(terminal: DemoTerminal, folders: Folders, credentials: Credentials, ports: Loopback, reader: str) -> str:
    """The text of its terminal.toml; `reader` is the serial port's path or a part of the PC/SC reader's name.

    Its panel holds cards against a simulated reader; where the first one is something else, that is a second one.
    """
    source = {Feed.SERIAL: f'device = "{reader}"\nprofile = "line-hex"', Feed.PCSC: f'pcsc = "{reader}"'}
    return f"""
[terminal]
id = "{terminal.id}"
state_dir = "{folders.state}"
runtime_dir = "{folders.runtime}"
battery_clock = true

[link]
host = "127.0.0.1"
port = {ports.broker}
ca = "{credentials.ca}"
certificate = "{credentials.certificate}"
key = "{credentials.key}"
signing_keys = ["{base64.b64encode(credentials.signing_key).decode()}"]
retry_max_seconds = 5

[signals]
kind = "simulated"
red = 17
green = 27
buzzer = 22

[[reader]]
name = "grind"
kind = "{terminal.feed}"
direction = "toggle"
{source.get(terminal.feed, "")}

{"" if terminal.feed is Feed.SIMULATED else FRONT_READER}
[cards]
issuers = ["{credentials.card_issuer}"]

[panel]
port = {ports.panel}
cards = {json.dumps(list(_cards()), ensure_ascii=False)}

[[door]]
name = "grind"
{(MOTOR if terminal.feed is Feed.SERIAL else RELAY).strip()}
access_seconds = 4
held_open_seconds = 20
pre_alarm_seconds = 8
"""


def _cards() -> Iterator[str]:
    """Everybody's card by name, the blocked one and one that nobody has enrolled."""
    for each in (*cast.PEOPLE, cast.BLOCKED_PERSON):
        yield f"uid:{each.uid} {each.name} ({each.company.name})"
    yield f"uid:{cast.UNKNOWN_UID} N. N. (okänt kort, unknown card)"
