"""What can go wrong at a terminal: each with its facts, whose fault it is, and what to do about it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from edge.words import _

KEEP_IT: Final = "look for a full or failing disk (`df`, `dmesg`) and keep the file"


class TerminalError(Exception):
    """The root of everything the terminal itself reports."""


# --- the installer's: settings and commands -------------------------------------------------------------------------


class ConfigInvalid(TerminalError):
    """Settings that cannot be used; `problems` holds every mistake found, each a whole sentence."""

    def __init__(self, path: Path, problems: Sequence[str]) -> None:
        self.path = path
        self.problems = tuple(problems)
        lines = "".join(f"\n  - {problem}" for problem in problems)
        super().__init__(
            _("{path} cannot be used:{lines}\ncorrect it, then run `grindvakt check-config`").format(
                path=path, lines=lines
            )
        )


class StateInUse(TerminalError):
    """Another daemon already runs on the same state folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        super().__init__(
            _("another daemon already runs on {folder}; stop it first, or give this one its own state_dir").format(
                folder=folder
            )
        )


class StateUnusable(TerminalError):
    """The state or runtime folder cannot be made or written."""

    def __init__(self, folder: Path, reason: str) -> None:
        self.folder = folder
        self.reason = reason
        super().__init__(
            _("{folder} cannot be used: {reason}; give it to the daemon's user, or name another folder").format(
                folder=folder, reason=reason
            )
        )


class DaemonUnreachable(TerminalError):
    """Nobody answers on the local socket; `hangs` where somebody has it and says nothing."""

    def __init__(self, socket: Path, reason: str, *, hangs: bool = False) -> None:
        self.socket = socket
        self.hangs = hangs
        self.reason = reason
        super().__init__(
            _(
                "the daemon does not answer on {socket} ({reason}); start it with `systemctl start "
                "grindvakt`, or by hand with `grindvakt run`"
            ).format(socket=socket, reason=reason)
        )


class SocketForbidden(TerminalError):
    """The daemon may run, but not everybody may ask it."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        super().__init__(
            _("you may not use {socket}; ask as root, or as a member of the daemon's group").format(socket=socket)
        )


class RequestRefused(TerminalError):
    """The daemon understood what was asked on the local socket and refused it."""


# --- the terminal's storage -----------------------------------------------------------------------------------------


class LedgerFault(TerminalError):
    """The ledger cannot be used: nothing turns green until it can."""


class LedgerUnusable(LedgerFault):
    """The ledger's file could not be read or written; what was being recorded is not in it."""

    def __init__(self, path: Path, reason: str, then: str = KEEP_IT) -> None:
        self.path = path
        self.reason = reason
        super().__init__(
            _("the ledger {path} cannot be used: {reason}; {then}").format(path=path, reason=reason, then=then)
        )


class LedgerDamaged(LedgerFault):
    """The ledger's file is not as it was written; it is put aside whole at the next start, and a new one begins."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(
            _(
                "the ledger {path} is damaged: {reason}; it is put aside and what can be read of it is "
                "still sent: look at the disk (`dmesg`), and replace the SD card soon"
            ).format(path=path, reason=reason)
        )


class ExportFailed(TerminalError):
    """A ledger could not be written out; nothing of the file is left."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(_("{path} was not written: {reason}").format(path=path, reason=reason))


# what `grindvakt inspect` says is Swedish always, as the law wants it


class FontMissing(TerminalError):
    """The typeface that pages are written in is not installed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"ingen PDF kan göras: {path} finns inte; installera fonts-dejavu-core")


class ReportTooLong(TerminalError):
    """A report has more rows than one PDF can take."""

    def __init__(self, most: int) -> None:
        self.most = most
        super().__init__(
            f"en PDF rymmer högst {most} rader: välj en kortare period, eller --usb som skriver allt till en tabell"
        )


class StickFault(TerminalError):
    """A report could not be carried to a USB stick; nothing that looks whole is left on it. `reason` is Swedish."""

    def __init__(self, reason: str, advice: str) -> None:
        self.reason = reason
        super().__init__(f"inget är sparat på ett USB-minne: {reason}; {advice}")


class LedgerForeign(LedgerFault):
    """The ledger was begun by a terminal of another name; its chain cannot be continued by this one."""

    def __init__(self, path: Path, owner: str, terminal: str) -> None:
        self.path = path
        self.owner = owner
        super().__init__(
            _(
                "the ledger {path} belongs to terminal {owner}, this one is {terminal}; correct the id "
                "in [terminal], or give this terminal its own state_dir"
            ).format(path=path, owner=owner, terminal=terminal)
        )


class FileTooNew(LedgerFault):
    """A state file written by a later version of this program."""

    def __init__(self, path: Path, version: int, known: int) -> None:
        self.path = path
        self.version = version
        super().__init__(
            _(
                "{path} is of version {version}, this program knows up to {known}; install the version "
                "that wrote it, or a later one"
            ).format(path=path, version=version, known=known)
        )


class TablesUnusable(TerminalError):
    """A change of the tables could not be written; what counted before it still does."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(
            _("the tables {path} cannot be written: {reason}; look for a full or failing disk (`df`, `dmesg`)").format(
                path=path, reason=reason
            )
        )


class NamesUnreadable(TerminalError):
    """Names and numbers of people cannot be opened here: the key is not there or another one, or they are damaged."""

    def __init__(self, reason: str, advice: str) -> None:
        self.reason = reason
        super().__init__(_("the names cannot be read: {reason}; {advice}").format(reason=reason, advice=advice))


# --- the terminal's parts and surroundings --------------------------------------------------------------------------


class ReaderFault(TerminalError):
    """A reader that is not there or does not answer."""


class ReaderGone(ReaderFault):
    """A reader stopped answering, or is not there; it is looked for again by itself."""

    def __init__(self, reader: str, reason: str) -> None:
        self.reader = reader
        self.reason = reason
        super().__init__(
            _("reader {reader} is gone: {reason}; look at its cable and its name in the settings").format(
                reader=reader, reason=reason
            )
        )


class CardFault(ReaderFault):
    """A card could not be read, though its reader works; `why` is a phrase for log and portal."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


class ReaderKeysUnusable(ReaderFault):
    """The file of the OSDP readers' keys cannot be read or written; readers of other kinds go on."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        advice = _("restore it and its secret from a backup, or remove it and provision each OSDP reader anew")
        super().__init__(_("{path} cannot be used: {reason}; {advice}").format(path=path, reason=reason, advice=advice))


class VirtualReaderFault(ReaderFault):
    """The virtual reader of the demonstration and the tests cannot be run or reached."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            _("the virtual reader does not work: {reason}; run deploy/setup for pcscd and vsmartcard-vpcd").format(
                reason=reason
            )
        )


class SimulatedCardUnusable(ReaderFault):
    """A folder does not hold a simulated PIV card, or one that nobody can use."""

    def __init__(self, folder: Path, reason: str) -> None:
        self.folder = folder
        self.reason = reason
        super().__init__(
            _("no card can be taken from {folder}: {reason}; make one with `python -m edge.piv issue`").format(
                folder=folder, reason=reason
            )
        )


class PatternUnknown(TerminalError):
    """No signal has this name."""

    def __init__(self, name: str, nearest: Sequence[str]) -> None:
        self.name = name
        self.nearest = nearest
        meant = f"did you mean {' or '.join(nearest)}? " if nearest else ""
        super().__init__(
            _("no pattern is called {name!r}; {meant}`grindvakt signal list` shows them all").format(
                name=name, meant=meant
            )
        )


class PanelUnavailable(TerminalError):
    """The panel of a simulated terminal found its port taken."""

    def __init__(self, port: int, reason: str) -> None:
        self.port = port
        self.reason = reason
        super().__init__(
            _(
                "the panel cannot listen on port {port} of this machine: {reason}; give [panel] another port, or none"
            ).format(port=port, reason=reason)
        )


class PinsFault(TerminalError):
    """The outputs for lights and locks cannot be used."""


class PinsUnavailable(PinsFault):
    """The pins could not be taken at start."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            _("the pins cannot be used: {reason}; compare the pin numbers of the settings with the wiring").format(
                reason=reason
            )
        )


class PinFailed(PinsFault):
    """A pin that was taken could not be set."""

    def __init__(self, pin: str, reason: str) -> None:
        self.pin = pin
        self.reason = reason
        super().__init__(
            _("pin {pin} was not set: {reason}; restart the daemon, and if it stays so look at the wiring").format(
                pin=pin, reason=reason
            )
        )


class DoorUnguarded(TerminalError):
    """A door is not opened, since nothing would make sure that it closes."""

    def __init__(self, door: str) -> None:
        self.door = door
        super().__init__(_("door {door} stays locked: its guard does not run; restart the daemon").format(door=door))


class LinkFault(TerminalError):
    """The connection to the cloud cannot be made or was lost; taps go on without it."""


class LinkUnprepared(LinkFault):
    """What a connection needs from disk is not there or not usable."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            _("the link has not what it needs: {reason}; compare section [link] with the files that are there").format(
                reason=reason
            )
        )


class BrokerUnreachable(LinkFault):
    """No connection to the broker came about."""

    def __init__(self, host: str, port: int, reason: str) -> None:
        self.host, self.port = host, port
        self.reason = reason
        super().__init__(
            _("no connection to {host} port {port}: {reason}; look at cable, network, clock and certificates").format(
                host=host, port=port, reason=reason
            )
        )


class BrokerRefused(LinkFault):
    """The broker answered, and does not let this terminal do what it must."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            _("the broker refused: {reason}; look at its ACL and at whom this certificate is for").format(reason=reason)
        )


class ConnectionLost(LinkFault):
    """A connection that stood is gone."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(_("the connection was lost: {reason}; it is made again by itself").format(reason=reason))
