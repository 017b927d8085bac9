"""Judges each reader of the settings, and finds those that are plugged in and stand in no settings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from edge.doctor import Finding, Verdict, bad, doubtful, good, unknown
from edge.doctor.accounts import Account
from edge.doctor.ports import Port, Trouble, judge_port, look_at_port
from edge.doctor.smartcards import Smartcards, judge_smartcards, judge_wanted, look_at_smartcards
from edge.readers.plugged import Other, plugged_beside
from edge.settings import ReaderSettings
from edge.words import _

PART: Final = "readers"
DENIED: Final = "Access denied"
"""What pcsc-lite calls SCARD_W_SECURITY_VIOLATION (its error.c): polkit lets root in, and the daemon not."""


@dataclass(frozen=True, slots=True)
class Readers:
    """All that can be seen of readers. `told` is what the daemon says of each, None where it does not run."""

    settings: tuple[ReaderSettings, ...]
    told: dict[str, Any] | None = None
    ports: dict[Path, Port] = field(default_factory=dict)
    smartcards: Smartcards | None = None
    others: tuple[Other, ...] = ()
    daemon: int | None = None


def look_at_readers(
    settings: Sequence[ReaderSettings], told: dict[str, Any] | None, account: Account | None, daemon: int | None
) -> Readers:
    """Look at the ports and at pcscd; no card and no reader notices."""
    devices = {each.device for each in settings if each.device is not None}
    ports = {device: look_at_port(device, account) for device in devices}
    others = plugged_beside(settings).others
    return Readers(tuple(settings), told, ports, look_at_smartcards(), others, daemon)


def judge_readers(seen: Readers) -> Iterator[Finding]:
    """Each reader by its name, then what is plugged in and not configured."""
    for reader in seen.settings:
        yield _judge(reader, seen)
    yield from _strangers(seen)


def _judge(reader: ReaderSettings, seen: Readers) -> Finding:
    part, told = f"reader {reader.name}", (seen.told or {}).get(reader.name)
    trouble = _trouble(reader, seen)
    if reader.kind == "simulated":
        return good(part, _("simulated: it takes `grindvakt tap`, and no real card"))
    if told is not None and told.get("tampered"):
        return bad(part, _("its tamper switch says that somebody has opened it"), _("go and look at it"))
    if told is None:
        words = _("{device} is there; nobody talks to it while the daemon does not run").format(device=_device(reader))
        return unknown(part, words) if trouble is None else Finding(part, *trouble)
    if told["there"]:
        words = _("there, by {device}").format(device=_device(reader))
        if reader.kind == "osdp":
            words = _("{words}, over Secure Channel").format(words=words)
        return doubtful(part, *trouble[1:]) if trouble and trouble[0] is Verdict.DOUBTFUL else good(part, words)
    why = told.get("why") or _("it does not answer")
    if trouble is not None and trouble[0] is Verdict.BAD:
        return bad(part, _("lost: {why}").format(why=trouble[1]), trouble[2])
    advice = _("look at plug, cable and supply; it is tried again each second by itself")
    if reader.kind == "pcsc" and DENIED in why:
        advice = _("pcscd lets the daemon not in: put systemd/50-grindvakt.rules into /etc/polkit-1/rules.d")
    if reader.kind == "osdp" and ": " in why:  # what such a reader says of itself ends in what to do
        why, _colon, advice = why.partition(": ")
    return bad(part, _("lost: {why}").format(why=why), advice)


def _trouble(reader: ReaderSettings, seen: Readers) -> Trouble | None:
    if reader.kind == "pcsc":
        return None if seen.smartcards is None else judge_wanted(seen.smartcards, reader.pcsc or "")
    port = None if reader.device is None else seen.ports.get(reader.device)
    return None if port is None else judge_port(port, seen.daemon)


def _device(reader: ReaderSettings) -> str:
    return str(reader.device) if reader.device is not None else _("PC/SC")


def _strangers(seen: Readers) -> Iterator[Finding]:
    """What is plugged in and nobody reads: mostly the reader that somebody forgot to configure."""
    for other in seen.others:
        found = _("{name} is plugged in and stands in no settings").format(name=other.name)
        yield doubtful(PART, found, _("if it is a card reader: `grindvakt reader list` gives the lines to add"))
    if not any(each.kind == "pcsc" for each in seen.settings) and seen.smartcards is not None:
        trouble = judge_smartcards(seen.smartcards)
        if trouble is not None and seen.smartcards.plugged_in:  # nobody asked pcscd for it yet, and it could not say so
            found = _("a chip card reader is plugged in and stands in no settings; {why}").format(why=trouble[1])
            yield doubtful(PART, found, trouble[2])
