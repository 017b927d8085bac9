"""What can go wrong in the cloud: each with its facts, a status for the web, a code for machines, and what to do."""

from collections.abc import Sequence
from pathlib import Path


class CloudError(Exception):
    """The root of everything the cloud itself reports."""

    status = 500
    code = "fault"


# --- the operator's: settings, database, broker ---------------------------------------------------------------------


class ConfigInvalid(CloudError):
    """Settings that cannot be used; `problems` holds every mistake found, each a whole sentence."""

    code = "config_invalid"

    def __init__(self, path: Path, problems: Sequence[str]) -> None:
        self.path = path
        self.problems = tuple(problems)
        lines = "".join(f"\n  - {problem}" for problem in problems)
        super().__init__(f"{path} cannot be used:{lines}\ncorrect it, then start `grindvakt-cloud serve` again")


class DatabaseUnusable(CloudError):
    """The database cannot be reached, or its address is none."""

    status = 503
    code = "database_unusable"

    def __init__(self, shown: str, reason: str) -> None:
        self.reason = reason
        super().__init__(f"database {shown} cannot be used: {reason.strip()}; look at database_url and at the server")


class DatabaseUnmigrated(CloudError):
    """The tables are not those of this program."""

    code = "database_unmigrated"

    def __init__(self, held: str | None, wanted: str) -> None:
        self.held = held
        self.wanted = wanted
        super().__init__(
            f"the database is at {held or 'no version'}, this program needs {wanted}; make a backup, then run "
            "`grindvakt-cloud migrate` (a database from a newer program needs that program)"
        )


class BrokerUnusable(CloudError):
    """The embedded broker cannot run."""

    code = "broker_unusable"


class BrokerUnreachable(CloudError):
    """The broker does not answer or refuses; what terminals hold stays with them until it does."""

    code = "broker_unreachable"

    def __init__(self, address: str, reason: str) -> None:
        self.reason = reason
        super().__init__(f"broker {address} cannot be reached: {reason}; it is tried again by itself")


class AddressTaken(CloudError):
    """The portal cannot listen where it should."""

    code = "address_taken"

    def __init__(self, host: str, port: int, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"the portal cannot listen on {host}:{port}: {reason}; end the program that has the port (`ss -ltnp`), or "
            "set another in the section [listen]"
        )


class WorkerDied(CloudError):
    """A thread of the sync service ended: a fault of ours, so the whole program begins anew."""

    code = "worker_died"

    def __init__(self) -> None:
        super().__init__("a thread of the sync service ended by itself; its stack stands in the log above, report it")


class KeyUnusable(CloudError):
    """A key or certificate file that is missing, damaged or readable by others."""

    code = "key_unusable"

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        super().__init__(f"{path} cannot be used: {reason}; restore it from a backup, or name the right file")


class CertificateRefused(CloudError):
    """A certificate that a terminal showed and that is not taken for its own: it gets no names."""

    code = "certificate_refused"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the certificate is not taken: {reason}; look at who publishes there, or issue it anew")


class LedgerFileUnusable(CloudError):
    """A file that is no ledger, or is not whole; nothing of it was taken in."""

    code = "ledger_file_unusable"

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(
            f"{path}: {reason}; nothing was taken in. Name an export (`grindvakt ledger export`) or a ledger.db"
        )


class LedgerIncomplete(CloudError):
    """A file that goes on after entries which neither it nor the cloud has."""

    code = "ledger_incomplete"

    def __init__(self, path: Path, first: int, last: int) -> None:
        self.first = first
        self.last = last
        super().__init__(
            f"{path}: entries {first} to {last} are neither in it nor here, and the terminal has not declared them "
            "lost; nothing was taken in. Look for a file that has them, or let the terminal send first"
        )


class LedgerNotTaken(CloudError):
    """Entries of a file that the database did not take; what came before them is in."""

    code = "ledger_not_taken"

    def __init__(self, first: int, last: int, outcome: str) -> None:
        super().__init__(
            f"entries {first} to {last} were not taken in: {outcome}; those before them are. Look at the log above, "
            "then run it again: what is here already is passed over"
        )


# --- the demonstration's ---------------------------------------------------------------------------------------------


class DemoImpossible(CloudError):
    """The demonstration cannot begin where it was asked to."""

    code = "demo_impossible"


class ProgramFailed(CloudError):
    """A program of the demonstration's site did not start, or ended."""

    code = "program_failed"

    def __init__(self, name: str, reason: str, last_words: str) -> None:
        self.name = name
        super().__init__(f"{name}: {reason}; it said last:\n{last_words or '(nothing)'}")


# --- the caller's: what was asked cannot be done --------------------------------------------------------------------


class NotFound(CloudError):
    """Nothing of that id within what the account may see."""

    status = 404
    code = "not_found"

    def __init__(self, what: str, key: str) -> None:
        self.what = what
        self.key = key
        super().__init__(f"there is no {what} {key!r} here; look it up in the list again")


class NotAllowed(CloudError):
    """The account may not do this."""

    status = 403
    code = "not_allowed"

    def __init__(self, act: str, who: str) -> None:
        super().__init__(f"this account may not {act}; ask {who}")


class Conflict(CloudError):
    """What was asked does not fit with what is there."""

    status = 409
    code = "conflict"


class FieldInvalid(CloudError):
    """One field of what was asked is wrong; `field` says which, so that it can be marked."""

    status = 400
    code = "field_invalid"

    def __init__(self, field: str, reason: str) -> None:
        self.field = field
        self.reason = reason
        super().__init__(f"{field}: {reason}")


# --- the portal's ---------------------------------------------------------------------------------------------------


class AssetMissing(CloudError):
    """A style sheet or script that the pages need is not on this machine."""

    code = "asset_missing"

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"{path} is missing; run `npm ci` there, or set node_modules to where the packages are")


class LoginNeeded(CloudError):
    """A page for accounts was asked for by nobody, or by a session that has ended."""

    status = 401
    code = "login_needed"

    def __init__(self) -> None:
        super().__init__("nobody is logged in here; log in first")


class FormForged(CloudError):
    """A form without the token of the session it should come from: perhaps another site sent it."""

    status = 403
    code = "form_forged"

    def __init__(self) -> None:
        super().__init__("the form does not carry this session's token; open the page again and send it from there")
