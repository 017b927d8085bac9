"""Gives both ends of libosdp, the control panel's and the reader's, types of our own: bytes and acts in, values out.

What the binding (libosdp 3.2.9) needs of whoever uses it stands here: a channel's id is never 0, or readers of one bus
talk at the same time; neither a channel nor a handler raises, or the next call fails with that; an event's dict is
never freed, so it is emptied; and a reader's end loses a reference to None with each command.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Any, Final, Protocol

import osdp

KEY_BYTES: Final = 16
_QUIET: Final = osdp.LogLevel.Emergency
_SHARED_CHANNEL: Final = 1
_AT_ONCE: Final = -1  # for get_event: do not wait
_NUMBER: Final = 0  # of the light and of the reader behind one address: the first
_TEXT: Final = osdp.CardFormat.ASCII

LIT_FOR: Final = 30
"""Tenths of a second after which a light goes out by itself, unless it is lit anew: nobody sees an answer of old."""

SOUNDS_FOR: Final = 20
"""Tenths of a second after which a buzzer stops by itself."""


class Line(Protocol):
    """What packets go over. Nothing here may raise: a fault is remembered, and asked for afterwards."""

    def read(self, most: int) -> bytes:
        """What has come, at most so many bytes; empty when nothing has."""

    def write(self, packet: bytes) -> int:
        """Send these bytes; how many were taken."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A reader on the bus as the panel meets it; only one that is not `secure` may be met with the default key."""

    address: int
    key: bytes
    secure: bool = True


@dataclass(frozen=True, slots=True)
class CardRead:
    """A card's data as the reader gave it: so many bits of `raw`, the first one first; or text."""

    bits: int
    raw: bytes
    is_text: bool = False


@dataclass(frozen=True, slots=True)
class KeysPressed:
    """Somebody typed at a reader with keys; what they typed is nobody's business here."""


@dataclass(frozen=True, slots=True)
class LocalStatus:
    """What a reader says of itself (OSDP 2.2, osdp_LSTATR)."""

    is_tampered: bool
    lacks_power: bool


Found = CardRead | KeysPressed | LocalStatus


class Colour(IntEnum):
    """A light's colour (OSDP 2.2, osdp_LED)."""

    DARK = osdp.CommandLEDColor.Black
    RED = osdp.CommandLEDColor.Red
    GREEN = osdp.CommandLEDColor.Green
    AMBER = osdp.CommandLEDColor.Amber


class Act(Enum):
    """What the panel asks of a reader beyond being there."""

    SHOW = osdp.Command.LED
    SOUND = osdp.Command.Buzzer
    ASK_STATUS = osdp.Command.Status
    SET_KEY = osdp.Command.Keyset


@dataclass(frozen=True, slots=True)
class Done:
    """An act is over: the reader did it, or refused it, or did not answer."""

    address: int
    act: Act
    well: bool


class _Channel:
    """A line as the binding wants it."""

    def __init__(self, line: Line) -> None:
        self.id = _SHARED_CHANNEL
        self.read = line.read
        self.write = line.write

    def flush(self) -> None:
        """Nothing is kept back."""


class Panel:
    """The control panel of one bus; everything here is for one thread, which calls `refresh` again and again."""

    def __init__(self, peers: Sequence[Peer], line: Line) -> None:
        self._places = {peer.address: place for place, peer in enumerate(peers)}
        self._done: list[Done] = []
        channel = _Channel(line)
        told = [osdp.PDInfo(peer.address, channel, scbk=peer.key, flags=_flags(peer)) for peer in peers]
        self._panel: Any = osdp.ControlPanel(told, log_level=_QUIET, command_completion_handler=self._note)

    def close(self) -> None:
        """Forget the keys; the panel and its library hold each other until this."""
        self._panel.ctx = None

    def refresh(self) -> None:
        """Take each exchange on the bus as far as it goes without waiting."""
        self._panel.ctx.refresh()

    def secure(self) -> frozenset[int]:
        """The addresses that answer in a Secure Channel of their own key."""
        return self._those(self._panel.ctx.status() & self._panel.ctx.sc_status())

    def plain(self) -> frozenset[int]:
        """The addresses that answer without one; only one that need not be secure gets so far."""
        return self._those(self._panel.ctx.status() & ~self._panel.ctx.sc_status())

    def found(self, address: int) -> list[Found]:
        """What this reader reported since the last time."""
        found = []
        while (event := self._panel.get_event(address, _AT_ONCE)) is not None:
            if (each := _found(event)) is not None:
                found.append(each)
            event.clear()
        return found

    def done(self) -> list[Done]:
        """The acts that are over since the last time."""
        done, self._done = self._done, []
        return done

    def can(self, address: int, act: Act) -> bool:
        """Says whether the reader has what that needs, as it told when it came up (OSDP 2.2, osdp_PDCAP)."""
        needs = {Act.SHOW: osdp.Capability.LEDControl, Act.SOUND: osdp.Capability.AudibleControl}
        return act not in needs or bool(self._capability(address, needs[act]))

    def can_be_secure(self, address: int) -> bool:
        """Says whether the reader knows AES-128 at all."""
        return bool(self._capability(address, osdp.Capability.CommunicationSecurity) & 1)

    def show(self, address: int, colour: Colour) -> bool:
        """Light the reader, for LIT_FOR; False when it cannot be told now."""
        lit = colour is not Colour.DARK
        steps = {"on_color": int(colour), "off_color": int(colour), "on_count": 1, "off_count": 0}
        control, timer = (2, LIT_FOR) if lit else (1, 0)  # 1 ends what is temporary
        return self._ask(address, Act.SHOW, _led(True, control_code=control, timer_count=timer, **steps))

    def rest(self, address: int) -> bool:
        """Let the reader be dark whenever nothing is shown; False when it cannot be told now."""
        dark = int(Colour.DARK)
        return self._ask(
            address, Act.SHOW, _led(False, control_code=1, on_color=dark, off_color=dark, on_count=1, off_count=0)
        )

    def sound(self, address: int, on: bool) -> bool:
        """Let the reader's buzzer sound, for SOUNDS_FOR, or be silent; False when it cannot be told now."""
        tone = {"control_code": 2 if on else 1, "on_count": SOUNDS_FOR, "off_count": 0, "rep_count": 1}
        return self._ask(address, Act.SOUND, {"reader": _NUMBER, **tone})

    def ask_status(self, address: int) -> bool:
        """Have the reader say how it is itself; False when it cannot be told now."""
        return self._ask(address, Act.ASK_STATUS, {"type": osdp.StatusReportType.Local})

    def set_key(self, address: int, key: bytes) -> bool:
        """Give the reader another key, inside the Secure Channel; the panel then meets it with that one."""
        return self._ask(address, Act.SET_KEY, {"type": 1, "data": key})

    def insist(self, address: int) -> None:
        """Let this reader be met with its own key only, from now on."""
        self._panel.ctx.set_flag(self._places[address], osdp.LibFlag.EnforceSecure)

    def disable(self, address: int) -> None:
        """Stop talking with this reader, as soon as nothing is on the way, and forget what it was to be told."""
        self._panel.ctx.flush_commands(self._places[address])
        self._panel.ctx.disable_pd(self._places[address])

    def enable(self, address: int) -> bool:
        """Begin anew with a reader that is disabled; False while it is not."""
        return bool(self._panel.ctx.enable_pd(self._places[address]))

    def _ask(self, address: int, act: Act, what: dict[str, object]) -> bool:
        return bool(self._panel.ctx.submit_command(self._places[address], {"command": act.value, **what}))

    def _capability(self, address: int, capability: int) -> int:
        compliance, _ = self._panel.ctx.check_capability(self._places[address], capability)
        return int(compliance)

    def _those(self, mask: int) -> frozenset[int]:
        return frozenset(address for address, place in self._places.items() if mask & (1 << place))

    def _note(self, address: int, command: dict[str, Any], status: int) -> None:
        self._done.append(Done(address, Act(command["command"]), status == osdp.CompletionStatus.Ok))


def _flags(peer: Peer) -> list[int]:
    return [osdp.LibFlag.EnforceSecure] if peer.secure else []


def _led(temporary: bool, **steps: int) -> dict[str, object]:
    return {"reader": _NUMBER, "led_number": _NUMBER, "temporary": temporary, **steps}


def _found(event: dict[str, Any]) -> Found | None:
    match event["event"]:
        case osdp.Event.CardRead:
            raw, is_text = bytes(event["data"]), event["format"] == _TEXT
            return CardRead(len(raw) * 8 if is_text else event["length"], raw, is_text)
        case osdp.Event.KeyPress:
            return KeysPressed()
        case osdp.Event.Status if event["type"] == osdp.StatusReportType.Local and len(event["report"]) >= 2:
            return LocalStatus(bool(event["report"][0]), bool(event["report"][1]))
        case _:
            return None


# --- the reader's end -----------------------------------------------------------------------------------------------


class Peripheral:
    """A reader's end, for the simulator; everything here is for one thread, which calls `refresh` again and again.

    Without a key it is in install mode: it takes the default key, and whatever key it is then given. `obey` gets what
    the panel asks, as libosdp tells it; a key given is under "data".
    """

    def __init__(
        self, address: int, key: bytes | None, line: Line, obey: Callable[[Act, dict[str, Any]], None]
    ) -> None:
        self._obey = obey
        self._lost_references: list[None] = []
        flags = [osdp.LibFlag.InstallMode] if key is None else [osdp.LibFlag.EnforceSecure]
        told = osdp.PDInfo(address, _Channel(line), scbk=key, flags=flags)
        abilities = osdp.PDCapabilities(
            [
                (osdp.Capability.CommunicationSecurity, 1, 1),
                (osdp.Capability.LEDControl, 1, 1),
                (osdp.Capability.AudibleControl, 1, 1),
                (osdp.Capability.ContactStatusMonitoring, 1, 1),
            ]
        )
        self._peripheral: Any = osdp.PeripheralDevice(told, abilities, log_level=_QUIET)
        self._peripheral.ctx.set_command_callback(self._told)

    def close(self) -> None:
        """Switch it off."""
        self._peripheral.ctx = None

    def refresh(self) -> None:
        """Answer what has come."""
        self._peripheral.ctx.refresh()

    @property
    def is_secure(self) -> bool:
        """Says whether a Secure Channel stands."""
        return bool(self._peripheral.ctx.is_sc_active())

    def read_card(self, bits: int, raw: bytes) -> None:
        """Report a card at the next poll."""
        card = {"reader_no": _NUMBER, "format": osdp.CardFormat.Unspecified, "direction": 0}
        self._submit(osdp.Event.CardRead, {**card, "length": bits, "data": raw})

    def press_keys(self, keys: bytes) -> None:
        """Report what was typed at the next poll."""
        self._submit(osdp.Event.KeyPress, {"reader_no": _NUMBER, "data": keys})

    def report(self, status: LocalStatus) -> None:
        """Report how it is at the next poll."""
        report = bytes([status.is_tampered, status.lacks_power])
        self._submit(osdp.Event.Status, {"type": osdp.StatusReportType.Local, "nr_entries": 2, "report": report})

    def _submit(self, event: int, what: dict[str, object]) -> None:
        self._peripheral.ctx.submit_event({"event": event, **what})

    def _told(self, command: dict[str, Any]) -> tuple[int, None]:
        self._lost_references.append(None)  # the binding gives one back that it never took
        if command["command"] in {act.value for act in Act}:
            self._obey(Act(command["command"]), dict(command))
        command.clear()
        return 0, None
