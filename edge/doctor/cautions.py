"""Finds what is no mistake in the settings and will surprise somebody: files that lack, pins that move at boot."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from edge.doctor.accounts import mode_of
from edge.doctor.ports import lasting_name
from edge.doors.contradictions import FIRST_PULLED_DOWN, pulled_at_boot
from edge.pins.lines import Pull
from edge.readers.plugged import is_fleeting
from edge.settings import DoorSettings, Settings
from edge.words import _

OTHERS: Final = 0o077
PLAIN_MQTT: Final = 1883
SPECIAL: Final = {0: "eeprom", 1: "eeprom", 2: "i2c", 3: "i2c", 14: "console", 15: "console"}
"""Header pins that something else has a claim on (Raspberry Pi documentation, GPIO)."""


def cautions(settings: Settings, now: int) -> list[str]:
    """Each a whole sentence that ends in what to do; `now` is in microseconds UTC."""
    found = [*absences(settings), *_permissions(settings), *_names(settings), *_issuers(settings, now)]
    if settings.signals.kind == "simulated":
        return found
    return [*found, *at_boot(settings), *_claims(settings), *_cut_wires(settings)]


def absences(settings: Settings) -> list[str]:
    """What the settings name and is not there now; the daemon runs without it, and says so."""
    missing = [
        _("{path} is not there yet: no link until it is").format(path=path)
        for path in _files(settings)
        if not os.access(path, os.F_OK)
    ]
    for reader in settings.readers:
        if reader.device is not None and not reader.device.exists():
            words = _("{path} is not there now: reader {name} waits for it")
            missing.append(words.format(path=reader.device, name=reader.name))
    return missing


def at_boot(settings: Settings) -> list[str]:
    """Which locks, lights and buzzers may move while the board boots."""
    if settings.signals.kind == "simulated":
        return []
    lines = [warning for door in settings.doors for warning in pulled_at_boot(door)]
    for name in ("red", "green", "buzzer"):
        pin = getattr(settings.signals, name)
        if pin < FIRST_PULLED_DOWN:
            words = _(
                "signals.{name}: GPIO {pin} is pulled up until the daemon runs, which turns it on: use one of 9 to 27"
            )
            lines.append(words.format(name=name, pin=pin))
    return lines


def used_pins(settings: Settings) -> dict[int, str]:
    """What each pin of the settings is for, by its key there."""
    signals = settings.signals
    used = {signals.red: "signals.red", signals.green: "signals.green", signals.buzzer: "signals.buzzer"}
    for door in settings.doors:
        for key in ("pin", "pin_lock", "contact_pin", "exit_pin", "bolt_pin", "withdrawn_pin", "tamper_pin"):
            if (pin := getattr(door, key)) is not None:
                used[pin] = f"door {door.name} {key}"
    return used


def _files(settings: Settings) -> tuple[Path, ...]:
    link = settings.link
    return (link.ca, link.certificate, link.key, *link.signing_key_files)


def _permissions(settings: Settings) -> Iterator[str]:
    for path in _files(settings):
        if os.access(path, os.F_OK) and not os.access(path, os.R_OK):
            yield _("{path} may not be read by you: look as root, or as the daemon's user").format(path=path)
    key = settings.link.key
    if os.access(key, os.F_OK) and key.stat().st_mode & OTHERS:
        words = _("{path} may be read by others ({mode}): `chmod 600 {path}`")
        yield words.format(path=key, mode=mode_of(key.stat()))


def _names(settings: Settings) -> Iterator[str]:
    for reader in settings.readers:
        better = None if reader.device is None else lasting_name(reader.device)
        if reader.device is not None and better is not None:
            words = _("reader {name}: {path} can have another name after the next plugging in: write {better}")
            yield words.format(name=reader.name, path=reader.device, better=better)
        elif reader.device is not None and is_fleeting(reader.device):
            words = _(
                "reader {name}: {path} can have another name after the next plugging in: `grindvakt reader list` gives "
                "one that lasts"
            )
            yield words.format(name=reader.name, path=reader.device)
    if settings.link.port == PLAIN_MQTT:
        yield _("link.port = 1883 is usually the port without TLS: write the one for certificates, mostly 8883")
    named = {door for reader in settings.readers for door in reader.doors or ()}
    if settings.readers and all(reader.doors is not None for reader in settings.readers):
        for door in settings.doors:
            if door.name not in named:
                words = _("door {name}: no reader stands at it, so no tap opens it: name it in the doors of a reader")
                yield words.format(name=door.name)


def _issuers(settings: Settings, now: int) -> list[str]:
    """Which issuers of cards are of no use now."""
    if not settings.cards.issuers:
        return []
    from edge.piv.trusted import out_of_date

    return out_of_date(settings.cards.issuers, now)


def _claims(settings: Settings) -> Iterator[str]:
    for pin, what in sorted(used_pins(settings).items()):
        match SPECIAL.get(pin):
            case "eeprom":
                words = _("{what}: GPIO {pin} belongs to the EEPROM of an add-on board: use another")
            case "i2c":
                words = _(
                    "{what}: GPIO {pin} has a fixed pull-up of 1.8 kΩ, for I2C: use another, or see docs/hardware.md"
                )
            case "console":
                words = _(
                    "{what}: GPIO {pin} is the serial console until it is turned off: use another, or `raspi-config`"
                )
            case _:
                continue
        yield words.format(what=what, pin=pin)


def _cut_wires(settings: Settings) -> Iterator[str]:
    for door in settings.doors:
        for key in ("contact", "tamper"):
            if getattr(door, f"{key}_pin") is not None and not _notices_a_cut_wire(door, key):
                words = _(
                    "door {name}: when the wire of its {what} is cut, nothing tells: close the switch to ground, with "
                    'input_pull = "up" and {key}_active_high = true'
                )
                what = _("contact") if key == "contact" else _("tamper switch")
                yield words.format(name=door.name, what=what, key=key)


def _notices_a_cut_wire(door: DoorSettings, key: str) -> bool:
    """A wire that is cut reads as the pull says; only where that means open is it told."""
    return door.input_pull is Pull.NONE or getattr(door, f"{key}_active_high") is (door.input_pull is Pull.UP)
