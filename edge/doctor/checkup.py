"""Looks at every part of a terminal, with and without a running daemon, and changes none of them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from edge.config import load
from edge.doctor import Finding, bad, doubtful, good, unknown
from edge.doctor.accounts import account_of_daemon
from edge.doctor.board import judge_supply, look_at_supply
from edge.doctor.broker import judge_knock, knock
from edge.doctor.cautions import absences, at_boot, cautions
from edge.doctor.certificate import judge_papers, look_at_papers
from edge.doctor.clock import clock_of, judge_clock, look_at_clock
from edge.doctor.cloud import BINDING, CLOUD, TABLES, judge_binding, judge_cloud, judge_proof, judge_tables
from edge.doctor.daemon import Daemon, judge_daemon, look_at_daemon
from edge.doctor.disk import judge_disk, look_at_disk
from edge.doctor.doors import judge_doors, judge_signals, look_at_doors
from edge.doctor.examination import Broken, Late, Look, Progress, examine
from edge.doctor.known import read_known
from edge.doctor.ledger import judge_ledger, look_at_ledger
from edge.doctor.pins import Board, judge_board, look_at_board
from edge.doctor.readers import judge_readers, look_at_readers
from edge.errors import ConfigInvalid
from edge.settings import Settings
from edge.words import _

CONFIGURATION: Final = "configuration"
DAEMON: Final = "daemon"

SHORT: Final = 5.0
USUAL: Final = 10.0
ANSWER: Final = 18.0
"""Seconds: three questions to the daemon and about it, of which the longest waits for 10 s (edge.local.PATIENCE)."""

NETWORK: Final = 25.0
"""Seconds: resolv.conf(5) asks two servers twice for 5 s each, and then connecting may take 5 more."""

Part = Callable[[], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Patient:
    """A terminal whose settings can be read, and what its daemon answered."""

    settings: Settings
    daemon: Daemon

    @property
    def told(self) -> Mapping[str, Any] | None:
        """The daemon's own status; None where it gave none."""
        return self.daemon.status

    @property
    def is_running(self) -> bool:
        """Whether some daemon holds the socket, whatever it answers."""
        return self.daemon.pid is not None or self.daemon.forbidden


def check_up(path: Path, environment: Mapping[str, str], tell: Progress) -> list[Finding]:
    """Every finding, part by part. It takes as long as the slowest part, and at most ANSWER and NETWORK."""
    try:
        settings = load(path, environment)
    except ConfigInvalid as fault:
        return [*_wrong_settings(path, fault), *_each(_without_settings(), tell)]
    asked = examine({DAEMON: Look(ANSWER, lambda: look_at_daemon(settings))}, tell)[DAEMON]
    patient = Patient(settings, asked if isinstance(asked, Daemon) else Daemon(silence=_("it does not answer")))
    first = judge_daemon(asked) if isinstance(asked, Daemon) else _ended_badly(DAEMON, asked)
    own: dict[str, tuple[float, Part]] = {
        CONFIGURATION: (SHORT, lambda: (*_files_that_are_wrong(path, environment), *_settings(patient))),
        DAEMON: (SHORT, lambda: [first]),
    }
    return list(_each(own | _parts(patient), tell))


def _each(parts: Mapping[str, tuple[float, Part]], tell: Progress) -> Iterator[Finding]:
    looks = {name: Look(limit, _listed(part)) for name, (limit, part) in parts.items()}
    for name, outcome in examine(looks, tell).items():
        if isinstance(outcome, Late | Broken):
            yield _ended_badly(name, outcome)
        else:
            yield from outcome


def _listed(part: Part) -> Callable[[], list[Finding]]:
    """What a part finds, taken within its own thread and time."""
    return lambda: list(part())


def _ended_badly(name: str, outcome: Late | Broken) -> Finding:
    match outcome:
        case Late(limit):
            found = _("no answer within {seconds:.0f} s").format(seconds=limit)
            return unknown(name, found, _("try again; if it stays so, something below it hangs: look at `dmesg`"))
        case Broken(why):
            found = _("this check failed itself: {why}").format(why=why)
            return unknown(name, found, _("tell support these words; the other parts were looked at all the same"))


def _parts(patient: Patient) -> dict[str, tuple[float, Part]]:
    """Each part with its limit; none waits for another."""
    settings, told = patient.settings, patient.told
    return {
        "readers": (USUAL, lambda: _readers(patient)),
        "gpio": (SHORT, lambda: judge_board(_board(patient))),
        "signals": (SHORT, lambda: [judge_signals(settings.signals, told)]),
        "doors": (ANSWER, lambda: _doors(patient)),
        "clock": (USUAL, lambda: [judge_clock(look_at_clock(settings, None if told is None else told["clock"]))]),
        "disk": (USUAL, lambda: [judge_disk(look_at_disk(settings.terminal.state_dir))]),
        "ledger": (USUAL, lambda: _ledger(patient)),
        "certificate": (SHORT, lambda: _papers(patient)),
        "broker": (NETWORK, lambda: [_broker(patient)]),
        CLOUD: (SHORT, lambda: judge_cloud(told)),
        BINDING: (SHORT, lambda: _binding(patient)),
        "power": (SHORT, lambda: judge_supply(look_at_supply())),
    }


def _without_settings() -> dict[str, tuple[float, Part]]:
    """What can be looked at while nobody can read the settings."""
    return {
        "disk": (USUAL, lambda: [judge_disk(look_at_disk(Path("/var/lib/grindvakt")))]),
        "power": (SHORT, lambda: judge_supply(look_at_supply())),
    }


def _wrong_settings(path: Path, fault: ConfigInvalid) -> Iterator[Finding]:
    found = "\n".join([_("{path} cannot be used:").format(path=path), *(f"- {each}" for each in fault.problems)])
    yield bad(CONFIGURATION, found, _("correct it; until then little else can be looked at"))


def _files_that_are_wrong(path: Path, environment: Mapping[str, str]) -> Iterator[Finding]:
    """What `check-config` calls a mistake and the daemon goes on without."""
    try:
        load(path, environment, thorough=True)
    except ConfigInvalid as fault:
        for problem in fault.problems:
            yield bad(CONFIGURATION, problem, _("correct it in {path}; the daemon goes on without").format(path=path))


def _settings(patient: Patient) -> Iterator[Finding]:
    """What was read, and what `check-config` notes about it, unless another part says it with more knowledge."""
    settings = patient.settings
    readers, doors = len(settings.readers), len(settings.doors)
    words = _("{path}: terminal {terminal}, readers: {readers}, doors: {doors}")
    words = words.format(path=settings.path, terminal=settings.terminal.id, readers=readers, doors=doors)
    yield good(CONFIGURATION, words)
    said_elsewhere = {*absences(settings), *at_boot(settings)}
    for sentence in cautions(settings, clock_of(settings).read().utc):
        if sentence not in said_elsewhere:
            found, _colon, advice = sentence.rpartition(": ")
            yield doubtful(CONFIGURATION, found, advice)


def _readers(patient: Patient) -> Iterator[Finding]:
    settings, pid = patient.settings, patient.daemon.pid
    account = account_of_daemon(settings.terminal.state_dir, pid)
    told = None if patient.told is None else patient.told["readers"]
    return judge_readers(look_at_readers(settings.readers, told, account, pid))


def _doors(patient: Patient) -> Iterator[Finding]:
    settings = patient.settings
    told = {} if patient.told is None else look_at_doors(settings.doors, settings.terminal.runtime_dir)
    return judge_doors(settings.doors, told)


def _board(patient: Patient) -> Board:
    runs = patient.told is not None
    simulate = patient.told is not None and patient.told["panel"] is not None
    return look_at_board(patient.settings, runs=runs, simulate=simulate)


def _ledger(patient: Patient) -> Iterator[Finding]:
    terminal, told = patient.settings.terminal, patient.told
    book = look_at_ledger(terminal.state_dir, runs=patient.is_running)
    return judge_ledger(book, terminal, None if told is None else told["ledger"])


def _papers(patient: Patient) -> Iterator[Finding]:
    settings = patient.settings
    account = account_of_daemon(settings.terminal.state_dir, patient.daemon.pid)
    papers = look_at_papers(settings.link, account)
    return judge_papers(papers, settings.terminal.id, settings.link.key, clock_of(settings).read())


def _broker(patient: Patient) -> Finding:
    link = patient.settings.link
    online = patient.told is not None and bool(patient.told["link"]["online"])
    return judge_knock(knock(link, clock_of(patient.settings)), link, online=online)


def _binding(patient: Patient) -> Iterator[Finding]:
    doors, cards = patient.settings.doors, patient.settings.cards
    if patient.told is not None:
        yield from judge_binding(patient.told["binding"], doors)
        yield from judge_proof(patient.told["binding"], cards)
        yield judge_tables(patient.told["tables"], patient.told["lacking"])
        return
    known = read_known(patient.settings.terminal.state_dir)
    if known.why:
        for part in (BINDING, TABLES):
            yield unknown(part, _("they cannot be read: {why}").format(why=known.why), _("ask as root"))
        return
    yield from judge_binding(known.binding, doors)
    yield from judge_proof(known.binding, cards)
    yield judge_tables(known.versions, known.lacking)
