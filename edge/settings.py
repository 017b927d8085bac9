"""Everything a terminal can be told: the sections of terminal.toml, with bounds, defaults and meaning."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, Literal

from msgspec import Meta

from edge.doors.rules import Relock
from edge.pins.lines import Pull
from edge.readers.serial.profiles import Profile
from protocol.decision import ReaderDirection
from protocol.errors import TerminalId

Name = Annotated[str, Meta(pattern="^[a-z0-9-]{1,40}$", extra={"form": "a-z, 0-9 and hyphen, at most 40 characters"})]
Pin = Annotated[int, Meta(ge=0, le=27)]
LongSeconds = Annotated[float, Meta(ge=0.5, le=300)]
OpenSeconds = Annotated[float, Meta(ge=1, le=3600)]
WarningSeconds = Annotated[float, Meta(ge=1, le=600)]
PublicKey = Annotated[bytes, Meta(min_length=32, max_length=32, extra={"form": "base64 of the 32 raw bytes"})]
PanelCard = Annotated[
    str,
    Meta(
        pattern="^[a-z0-9]{2,8}:[0-9A-F]{2,64} [^\\s(][^(]{0,59}([(].{1,60}[)])?$",
        extra={"form": "uid:04A1… Name (Company)"},
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalSettings:
    """Section [terminal]: what this terminal is called and where it keeps its state."""

    id: Annotated[
        TerminalId,
        Meta(
            pattern="^[a-z0-9-]{1,40}$",
            extra={"form": "a-z, 0-9 and hyphen, at most 40 characters"},
            description="the terminal's lasting name, the same as in its certificate",
        ),
    ]
    state_dir: Annotated[Path, Meta(description="folder of ledger and tables")] = Path("/var/lib/grindvakt")
    runtime_dir: Annotated[Path, Meta(description="folder of the local socket")] = Path("/run/grindvakt")
    repeat_seconds: Annotated[
        float, Meta(ge=0, le=60, description="how long the same card at the same reader counts as the same tap")
    ] = 3.0
    retain_days: Annotated[
        int,
        Meta(ge=1, le=3650, description="days an entry stays after the cloud has it, and longer while there is room"),
    ] = 90
    battery_clock: Annotated[
        bool, Meta(description="a clock with a battery keeps the time while the power is off (docs/clock.md)")
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSettings:
    """Section [link]: how to reach the broker, and whose word counts. The files may come later than the daemon."""

    host: Annotated[str, Meta(min_length=1, max_length=253, description="the broker's name or address")]
    port: Annotated[int, Meta(ge=1, le=65535, description="the broker's port for mutual TLS")] = 8883
    ca: Annotated[Path, Meta(description="certificate of the authority that the broker must be signed by")]
    certificate: Annotated[Path, Meta(description="this terminal's certificate")]
    key: Annotated[Path, Meta(description="the private key of that certificate")]
    signing_keys: Annotated[
        tuple[PublicKey, ...], Meta(max_length=4, description="the cloud's public Ed25519 keys, in base64")
    ] = ()
    signing_key_files: Annotated[
        tuple[Path, ...], Meta(max_length=4, description="files that hold such keys, in base64")
    ] = ()
    retry_max_seconds: Annotated[
        float, Meta(ge=1, le=3600, description="the longest pause between two attempts to connect")
    ] = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderSettings:
    """Section [[reader]], once for each: what cards are held against."""

    name: Annotated[Name, Meta(description="what the reader is called in ledger, log and portal")]
    kind: Annotated[Literal["pcsc", "serial", "osdp", "simulated"], Meta(description="what it speaks")]
    direction: Annotated[ReaderDirection, Meta(description="which way it is mounted for")] = ReaderDirection.TOGGLE
    doors: Annotated[
        Annotated[tuple[Name, ...], Meta(max_length=32)] | None,
        Meta(description="the doors it stands at; without it all of them"),
    ] = None
    device: Annotated[
        Path | None, Meta(description="serial, osdp: the port, by its stable name in /dev/serial/by-id")
    ] = None
    pcsc: Annotated[str | None, Meta(description="pcsc: the reader's name or a part of it; none takes the first")] = (
        None
    )
    profile: Annotated[Profile, Meta(description="serial: what its bytes look like")] = Profile.LINE_HEX
    baud: Annotated[
        Literal[1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200],
        Meta(description="serial, osdp: how fast it speaks"),
    ] = 9600
    reversed: Annotated[bool, Meta(description="its bytes come least significant first")] = False
    address: Annotated[int, Meta(ge=0, le=126, description="osdp: its address on the bus, as set at the reader")] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorSettings:
    """Section [[door]], once for each: a way through with a lock."""

    name: Annotated[Name, Meta(description="what the door is called in ledger, log and portal")]
    kind: Annotated[Literal["relay", "motor"], Meta(description="what moves the lock")] = "relay"
    pin: Annotated[Pin, Meta(description="GPIO number (BCM) of the relay, or of the drive that withdraws the bolt")]
    pin_lock: Annotated[Pin | None, Meta(description="motor: GPIO number of the drive that throws the bolt")] = None
    active_high: Annotated[bool, Meta(description="whether a high level energises `pin` and `pin_lock`")] = True
    fail: Annotated[
        Literal["secure", "safe"], Meta(description="relay, without power: secure stays shut, safe lets people go")
    ] = "secure"
    motor_seconds: Annotated[
        float, Meta(ge=0.5, le=15, description="motor: the longest that a drive runs; by then the bolt must be there")
    ] = 5.0
    access_seconds: Annotated[float, Meta(ge=0.5, le=60, description="how long a granted tap keeps it unlocked")] = 5.0
    long_access_seconds: Annotated[
        LongSeconds | None, Meta(description="the same for people with long access time; none: three times that")
    ] = None
    relock: Annotated[
        Relock, Meta(description="what ends an access before its time: nothing, the door closing, or its opening")
    ] = Relock.CLOSED
    held_open_seconds: Annotated[
        OpenSeconds | None, Meta(description="how long it may stand open before it alarms; none: for ever")
    ] = None
    pre_alarm_seconds: Annotated[
        WarningSeconds | None, Meta(description="how long before that alarm the buzzer warns; none: not at all")
    ] = None
    contact_pin: Annotated[Pin | None, Meta(description="input that tells whether the door is open")] = None
    contact_active_high: Annotated[bool, Meta(description="whether a high level means open")] = True
    exit_pin: Annotated[Pin | None, Meta(description="input of the exit button")] = None
    exit_active_high: Annotated[bool, Meta(description="whether a high level means pressed")] = False
    bolt_pin: Annotated[Pin | None, Meta(description="motor: input that tells whether the bolt is thrown")] = None
    bolt_active_high: Annotated[bool, Meta(description="whether a high level means thrown")] = False
    withdrawn_pin: Annotated[
        Pin | None, Meta(description="motor: input that tells whether the bolt is withdrawn, where there is one")
    ] = None
    withdrawn_active_high: Annotated[bool, Meta(description="whether a high level means withdrawn")] = False
    tamper_pin: Annotated[Pin | None, Meta(description="input of the box's tamper switch")] = None
    tamper_active_high: Annotated[bool, Meta(description="whether a high level means tampered with")] = True
    input_pull: Annotated[Pull, Meta(description="what holds the inputs' level while no switch does")] = Pull.UP
    debounce_seconds: Annotated[
        float, Meta(ge=0.005, le=0.5, description="how long an input must be quiet before it is believed")
    ] = 0.05

    @property
    def long_seconds(self) -> float:
        """The long access time in seconds, whether or not it was given."""
        return self.access_seconds * 3 if self.long_access_seconds is None else self.long_access_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalSettings:
    """Section [signals]: the lights and the buzzer."""

    kind: Annotated[Literal["gpio", "simulated"], Meta(description="real pins, or a file of them in state_dir")]
    red: Annotated[Pin, Meta(description="the red light's GPIO number (BCM)")] = 17
    green: Annotated[Pin, Meta(description="the green light's GPIO number (BCM)")] = 27
    buzzer: Annotated[Pin, Meta(description="the buzzer's GPIO number (BCM)")] = 22


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelSettings:
    """Section [panel]: the page of a simulated terminal; without --simulate it is not there."""

    port: Annotated[int, Meta(ge=0, le=65535, description="its port on this machine; 0 takes one that is free")] = 0
    cards: Annotated[
        tuple[PanelCard, ...], Meta(max_length=32, description="cards to hold against a simulated reader, by name")
    ] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CardSettings:
    """Section [cards]: whose PIV cards are believed, where the project asks them to prove themselves."""

    issuers: Annotated[
        tuple[Path, ...],
        Meta(
            max_length=32, description="files with the certificates (PEM) of who issued the cards, and of who is above"
        ),
    ] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a terminal is told; `path` is the file it came from."""

    path: Path
    terminal: TerminalSettings
    link: LinkSettings
    signals: SignalSettings
    readers: tuple[ReaderSettings, ...]
    doors: tuple[DoorSettings, ...]
    panel: PanelSettings = field(default_factory=PanelSettings)
    cards: CardSettings = field(default_factory=CardSettings)


SINGLE: Final = {
    "terminal": TerminalSettings,
    "link": LinkSettings,
    "signals": SignalSettings,
    "cards": CardSettings,
    "panel": PanelSettings,
}
REPEATED: Final = {"reader": ReaderSettings, "door": DoorSettings}
MOST_OF_A_KIND: Final = 32  # a status message carries at most so many
