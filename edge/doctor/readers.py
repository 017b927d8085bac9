"""Judges each reader of the settings, and finds those that are plugged in and stand in no settings."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.doctor import Finding, Verdict, bad, doubtful, good, unknown
from edge.doctor.accounts import Account
from edge.doctor.ports import Port, Trouble, judge_port, look_at_port, plugged_in
from edge.doctor.smartcards import Smartcards, judge_smartcards, judge_wanted, look_at_smartcards
from edge.settings import ReaderSettings
from edge.words import _


@dataclass(frozen=True, slots=True)
class Readers:
    """All that can be seen of readers. `told` is what the daemon says of each, None where it does not run."""

    settings: tuple[ReaderSettings, ...]
    told: dict[str, Any] | None = None
    ports: dict[Path, Port] = field(default_factory=dict)
    smartcards: Smartcards | None = None
    plugged_in: tuple[Path, ...] = ()
    daemon: int | None = None


def look_at_readers(
    settings: Sequence[ReaderSettings], told: dict[str, Any] | None, account: Account | None, daemon: int | None
) -> Readers:
    """Look at the ports and at pcscd; no card and no reader notices."""
    devices = {each.device for each in settings if each.device is not None}
    ports = {device: look_at_port(device, account) for device in devices}
    return Readers(tuple(settings), told, ports, look_at_smartcards(), tuple(plugged_in()), daemon)


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
        return doubtful(part, *trouble[1:]) if trouble and trouble[0] is Verdict.DOUBTFUL else good(part, words)
    why = told.get("why") or _("it does not answer")
    if trouble is not None and trouble[0] is Verdict.BAD:
        return bad(part, _("lost: {why}").format(why=trouble[1]), trouble[2])
    found = _("lost: {why}").format(why=why)
    return bad(part, found, _("look at plug, cable and supply; it is tried again each second by itself"))


def _trouble(reader: ReaderSettings, seen: Readers) -> Trouble | None:
    if reader.kind == "pcsc":
        return None if seen.smartcards is None else judge_wanted(seen.smartcards, reader.pcsc or "")
    port = None if reader.device is None else seen.ports.get(reader.device)
    return None if port is None else judge_port(port, seen.daemon)


def _device(reader: ReaderSettings) -> str:
    return str(reader.device) if reader.device is not None else _("PC/SC")


def _strangers(seen: Readers) -> Iterator[Finding]:
    """What is plugged in and nobody reads: mostly the reader that somebody forgot to configure."""
    for name in _unread(seen):
        found = _("the PC/SC reader {name!r} is plugged in and not configured").format(name=name)
        advice = _('add it: [[reader]] with name, kind = "pcsc" and pcsc = "{name}"; or unplug it').format(name=name)
        yield doubtful("readers", found, advice)
    configured = {port.path.resolve() for port in seen.ports.values()}
    for path in seen.plugged_in:
        if path.resolve() not in configured:
            found = _("{path} is plugged in and not configured").format(path=path)
            advice = _('if it is a reader, add [[reader]] with name, kind = "serial" and that device')
            yield doubtful("readers", found, advice)
    if not any(each.kind == "pcsc" for each in seen.settings) and seen.smartcards is not None:
        yield from _silent_socket(seen.smartcards)


def _silent_socket(smartcards: Smartcards) -> Iterator[Finding]:
    """A reader is there, and pcscd, which nobody asked for yet, could not say so."""
    trouble = judge_smartcards(smartcards)
    if trouble is not None and smartcards.plugged_in:
        found = _("a chip card reader is plugged in and not configured; {why}").format(why=trouble[1])
        yield doubtful("readers", found, trouble[2])


def _unread(seen: Readers) -> Iterable[str]:
    """The PC/SC readers that no settings mean; each of the settings takes the first that fits, as the daemon does."""
    if seen.smartcards is None or seen.smartcards.pcscd is None:
        return ()
    known = seen.smartcards.pcscd.readers
    wanted = [reader.pcsc or "" for reader in seen.settings if reader.kind == "pcsc"]
    read = {each if each in known else next((name for name in known if each in name), "") for each in wanted}
    return [name for name in known if name not in read]
