"""The commands that look at files and need no daemon: the settings and the ledger."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from edge.cli_ask import console, print_json
from edge.config import EXIT_CONFIG, load
from edge.errors import ConfigInvalid
from edge.ledger_inspection import LedgerInspection
from edge.settings import Settings
from protocol.clock import MICROSECONDS
from protocol.entries import DoorChange, Fact, Payload, Tap
from protocol.errors import ChainBroken

LEDGER: Final = "ledger.db"


def check_config(path: Path, environment: Mapping[str, str], *, as_json: bool) -> int:
    """Say every mistake in the settings, and what is not a mistake but not there yet."""
    try:
        settings = load(path, environment)
    except ConfigInvalid as fault:
        if not as_json:
            raise
        print_json({"problems": fault.problems, "warnings": []})
        return EXIT_CONFIG
    warnings = list(absences(settings))
    if as_json:
        print_json({"problems": [], "warnings": warnings})
        return 0
    readers, doors = len(settings.readers), len(settings.doors)
    print(f"{path} is right: terminal {settings.terminal.id}, {readers} readers, {doors} doors")
    for warning in warnings:
        print(f"  - {warning}")
    return 0


def absences(settings: Settings) -> list[str]:
    """What the settings name and is not there now; the daemon runs without it, and says so."""
    link = settings.link
    files = [link.ca, link.certificate, link.key, *link.signing_key_files]
    missing = [f"{path} is not there yet: no link until it is" for path in files if not path.exists()]
    for reader in settings.readers:
        if reader.device is not None and not reader.device.exists():
            missing.append(f"{reader.device} is not there now: reader {reader.name} waits for it")
    return missing


def ledger_tail(settings: Settings, number: int, *, as_json: bool) -> int:
    """Show the newest entries."""
    with LedgerInspection(settings.terminal.state_dir / LEDGER) as inspection:
        entries = inspection.tail(number)
    if as_json:
        print_json([_plain(seq, payload) for seq, payload in entries])
        return 0
    from rich.table import Table

    table = Table("seq", "when", "what", "where", "answer", "why", box=None)
    for seq, payload in entries:
        table.add_row(str(seq), _local(payload.occurred_at), *_told(payload))
    console().print(table)
    return 0


def ledger_verify(settings: Settings, *, as_json: bool) -> int:
    """Check every link of the chain, with a progress bar, and name the first entry that is wrong."""
    with LedgerInspection(settings.terminal.state_dir / LEDGER) as inspection:
        try:
            verified = _verified(inspection)
        except ChainBroken as broken:
            if not as_json:
                raise
            print_json({"verified": False, "entry": broken.seq, "reason": broken.reason})
            return 1
    answer = {"verified": True, "ledger": inspection.id.hex(), **msgspec.to_builtins(verified)}
    answer["last_hash"] = verified.last_hash.hex()
    if as_json:
        print_json(answer)
        return 0
    print(
        f"ledger {inspection.id.hex()} of terminal {inspection.terminal}: all {verified.entries} entries are as written"
    )
    print(f"{verified.purged} payloads purged after their receipt; the chain ends in {verified.last_hash.hex()}")
    return 0


def _verified(inspection: LedgerInspection) -> Any:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("checking the chain", total=None)
        return inspection.verify(lambda done, every: bar.update(task, completed=done, total=every))


def _plain(seq: int, payload: Payload) -> dict[str, Any]:
    """An entry for programs: bytes as hexadecimal digits, times as they are stored."""
    fields = {name: getattr(payload, name) for name in payload.__struct_fields__}
    shown = {name: value.hex() if isinstance(value, bytes) else value for name, value in fields.items()}
    return {"seq": seq, "kind": payload.__struct_config__.tag, **shown}


def _told(payload: Payload) -> tuple[str, str, str, str]:
    """What, where, answer and why, in words for a table."""
    match payload:
        case Tap():
            way = f" {payload.direction}" if payload.direction else ""
            return payload.card, payload.reader, f"{payload.outcome}{way}", payload.reason or ""
        case DoorChange():
            return "door", payload.door, payload.state, payload.cause
        case Fact():
            return payload.subject, "", "", " ".join(f"{name}={value}" for name, value in payload.details.items())


def _local(at: int) -> str:
    moment = datetime.fromtimestamp(at / MICROSECONDS, UTC).astimezone()
    return f"{moment:%Y-%m-%d %H:%M:%S %Z}"
