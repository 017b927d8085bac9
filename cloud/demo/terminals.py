"""The demonstration's three terminals: what each is fed by, and the settings its daemon is started with."""

import base64
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

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
    """The files that tie a terminal to its cloud."""

    ca: Path
    certificate: Path
    key: Path
    signing_key: bytes


@dataclass(frozen=True, slots=True)
class Folders:
    """Where a terminal keeps its state and its socket; a socket's path must be short."""

    state: Path
    runtime: Path


def settings(terminal: DemoTerminal, folders: Folders, credentials: Credentials, broker: int, reader: str) -> str:
    """The text of its terminal.toml; `reader` is the serial port's path or a part of the PC/SC reader's name."""
    source = {Feed.SERIAL: f'device = "{reader}"\nprofile = "line-hex"', Feed.PCSC: f'pcsc = "{reader}"'}
    return f"""
[terminal]
id = "{terminal.id}"
state_dir = "{folders.state}"
runtime_dir = "{folders.runtime}"
battery_clock = true

[link]
host = "127.0.0.1"
port = {broker}
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

[[door]]
name = "grind"
kind = "relay"
pin = 23
access_seconds = 3
"""
