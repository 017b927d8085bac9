"""Opens the ledger at start; one that is damaged is put aside, and a new one that follows it begins at once."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from edge.clock.clock import Clock
from edge.errors import LedgerDamaged, LedgerUnusable
from edge.events import Event
from edge.ledger.aside import Aside, asides, condemn, is_condemned, put_aside
from edge.ledger.carving import carve_ends
from edge.ledger.ledger import Ledger
from edge.storage import log_left_alone, sync_folder
from protocol.entries import Tap, decode_payload, digest, genesis
from protocol.errors import ChainBroken, ProtocolError, TerminalId

NAME: Final = "ledger.db"
MOST_ASIDE: Final = 100  # a disk that damages every ledger is not filled with them
YOUNG: Final = 5_000
"""Entries after which a ledger tells by itself who is inside, at all but the busiest gates."""

_log = structlog.get_logger()


def open_ledger(folder: Path, terminal: TerminalId, clock: Clock) -> Ledger:
    """The ledger of a state folder, ready for the first tap. Raises LedgerUnusable, LedgerForeign, FileTooNew."""
    path = folder / NAME
    try:
        if (why := _condemned(path)) is not None:
            _put_aside(path, why)
        try:
            ledger = _open(path, terminal, clock)
        except (LedgerDamaged, ChainBroken) as damage:
            _put_aside(path, str(damage))
            ledger = _begun_anew(path, terminal, clock)
        _running_mark(path).touch(mode=0o600)
        sync_folder(folder)
    except OSError as exc:
        raise LedgerUnusable(path, exc.strerror or str(exc)) from exc
    return ledger


def open_for_one_entry(folder: Path, terminal: TerminalId, clock: Clock) -> Ledger:
    """The ledger that is there, for a command while no daemon runs: nothing starts, and damage is left as it lies.

    Raises LedgerFault, ChainBroken, OSError.
    """
    path = folder / NAME
    if (why := _condemned(path)) is not None:
        raise LedgerDamaged(path, why)
    if not path.exists():
        raise LedgerUnusable(path, "there is none yet", "it begins when the daemon starts")
    ledger = Ledger.open(path, terminal, clock, starts=False)
    _running_mark(path).touch(mode=0o600)
    return ledger


def close_ledger(ledger: Ledger) -> None:
    """Let the ledger go in order: its write-ahead log goes with that, unless it may be wanted. Raises LedgerFault."""
    if is_condemned(ledger.path):
        with log_left_alone(ledger.path):
            ledger.close()
    else:
        _running_mark(ledger.path).unlink(missing_ok=True)
        with suppress(OSError):  # the log must not be gone while the mark is there
            sync_folder(ledger.path.parent)
        ledger.close()


def condemned_by(ledger: Ledger, damage: LedgerDamaged) -> bool:
    """See to it that the next start puts the ledger aside; False where not even that can be written down."""
    try:
        condemn(ledger.path, damage.reason)
    except OSError as exc:
        _log.error(Event.LEDGER_FAILED, why=str(exc), then="the daemon goes on with what is left of the ledger")
        return not ledger.path.exists()
    return True


def taps_before(folder: Path, ledger: Ledger) -> Iterator[Tap]:
    """The newest taps of the ledger put aside last, while the new one is too young to tell who is inside."""
    put = asides(folder)
    if not put or ledger.last_seq > YOUNG:
        return
    carved = carve_ends(put[-1].database, put[-1].log)
    known = {(seq, entry_digest) for seq, entry_digest, _ in carved.entries}
    for seq, payload in sorted(carved.payloads):
        if (seq, digest(payload)) in known:
            with suppress(ProtocolError):
                found = decode_payload(payload)
                if isinstance(found, Tap):
                    yield found


def _condemned(path: Path) -> str | None:
    """Why a ledger must not even be opened: that alone could lose what is left of it."""
    log = path.with_name(f"{path.name}-wal")
    if is_condemned(path):
        return "it was found damaged before"
    if path.exists() and path.stat().st_size == 0:
        return "its file is empty"
    if not path.exists():
        return "its file is gone and its write-ahead log is there" if _is_filled(log) else None
    if _running_mark(path).exists() and not log.exists():
        return "it was not closed in order, and its write-ahead log is gone"
    return None


def _begun_anew(path: Path, terminal: TerminalId, clock: Clock) -> Ledger:
    """Raises LedgerUnusable: a disk that damages what was just written has no room for another try at once."""
    try:
        return _open(path, terminal, clock)
    except (LedgerDamaged, ChainBroken) as damage:
        raise LedgerUnusable(path, f"a new one is damaged at once ({damage})") from damage


def _put_aside(path: Path, why: str) -> None:
    if len(asides(path.parent)) >= MOST_ASIDE:
        raise LedgerUnusable(path, f"{MOST_ASIDE} damaged ones lie beside it already, and now {why}")
    aside = put_aside(path, why)
    _log.error(
        Event.LEDGER_DAMAGED, why=aside.why, kept_as=str(aside.database), then="a new ledger begins, this one is read"
    )
    _running_mark(path).unlink(missing_ok=True)


def _open(path: Path, terminal: TerminalId, clock: Clock) -> Ledger:
    return Ledger.open(path, terminal, clock, _followed(path.parent, terminal))


def _followed(folder: Path, terminal: TerminalId) -> Callable[[], dict[str, str]]:
    def tell() -> dict[str, str]:
        put = asides(folder)
        return _origin(put[-1], terminal) if put else {}

    return tell


def _origin(aside: Aside, terminal: TerminalId) -> dict[str, str]:
    """What a new ledger says of the one before it, as far as a quick look at that tells."""
    carved = carve_ends(aside.database, aside.log, tail=0)
    if not carved.ledgers:
        return {"after": "unknown", "receipted": "0", "receipted_hash": "", "why": aside.why[:400]}
    ledger, _ = carved.ledgers[-1]
    upto, upto_hash = carved.receipts[-1] if carved.receipts else (0, genesis(terminal, ledger))
    return {
        "after": ledger.hex(),
        "receipted": str(upto),
        "receipted_hash": upto_hash.hex(),
        "why": aside.why[:400],
    }


def _is_filled(log: Path) -> bool:
    return log.exists() and log.stat().st_size > 0


def _running_mark(path: Path) -> Path:
    """There while a daemon has the ledger open: without its log, it would be short and not look so."""
    return path.with_name("ledger.running")
