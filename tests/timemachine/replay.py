"""Says what a ledger must hold after a month, by the rules of DESIGN 5-7; it knows no part of the product."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from tests.timemachine.happenings import (
    BEGINS,
    HOUR,
    SECOND,
    ZONE,
    Blocked,
    Bound,
    ClockDeserted,
    ClockSet,
    CloudCame,
    CloudWent,
    Enrolled,
    Happening,
    Held,
    Looked,
    ReaderCame,
    ReaderDied,
    Restarted,
    SwitchedOff,
    SwitchedOn,
    TimeArrived,
)

PROGRAM_IS_OF: Final = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * SECOND
PROGRAM_LASTS_UNTIL: Final = int(datetime(2076, 1, 2, tzinfo=UTC).timestamp()) * SECOND
LONGEST_PASS: Final = 13 * HOUR
LOOKED_BACK: Final = 26 * HOUR
GUARDED: Final = 3 * SECOND
OPEN_FOR: Final = 5 * SECOND
NEVER: Final = -(10**18)


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as the month should have left it. `truly` is the true time, in microseconds since the month began."""

    truly: int
    shown: int
    quality: str
    boot: bytes
    since_boot: int
    words: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Went:
    """Where somebody went last: the entry, and which way."""

    entry: Entry
    way: str


class Replay:
    """The gate in few words. Call `of` once."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.now = 0
        self.is_on = False
        self.boots = 0
        self.booted_at = 0
        self.wrong_by = 0
        self.off_at = 0
        self.vouched = False
        self.right_since: int | None = None  # what the clock was wrong by when it was last trusted in this boot
        self.last_right = PROGRAM_IS_OF
        self.said_wrong_by: int | None = None  # what it was wrong by in the last fact on the time
        self.dead: set[str] = set()
        self.reachable = False
        self.news: list[Enrolled | Blocked | Bound] = []
        self.roster: dict[str, tuple[str, str]] = {}
        self.blocked: set[str] = set()
        self.rules: Bound | None = None
        self.versions: dict[str, int] = {}
        self.went: dict[tuple[str, str], Went] = {}
        self.answered: dict[tuple[str, str], tuple[int, str]] = {}
        self.shuts_at: int | None = None

    def of(self, happenings: list[Happening]) -> list[Entry]:
        """Every entry that should be there, in order."""
        for happening in happenings:
            if self.shuts_at is not None and self.shuts_at <= happening.at:
                self.now = self.shuts_at
                self._shut("access_time")
            self.now = happening.at
            self._happen(happening)
        return self.entries

    def _happen(self, happening: Happening) -> None:
        match happening:
            case Held() as held:
                if self.is_on and held.reader not in self.dead:
                    self._tap(held)
            case Enrolled() | Blocked() | Bound():
                self.news.append(happening)
                self._hear()
            case ReaderDied(reader=reader):
                self.dead.add(reader)
            case ReaderCame(reader=reader):
                self.dead.discard(reader)
            case CloudWent():
                self.reachable = False
            case CloudCame():
                self.reachable = True
                self._hear()
            case _:
                self._happen_to_the_machine(happening)

    def _happen_to_the_machine(
        self, happening: SwitchedOff | SwitchedOn | Restarted | TimeArrived | ClockDeserted | ClockSet | Looked
    ) -> None:
        match happening:
            case SwitchedOn(at=at, shows=shows):
                self.boots += 1
                self.booted_at, self.vouched, self.right_since = at, False, None
                stood = self.off_at + self.wrong_by if shows is None else shows - BEGINS
                self.wrong_by = stood - at
                self._begin()
            case SwitchedOff(at=at):
                self._end()
                self.off_at = at
            case Restarted():
                self._end()
                self._begin()
            case TimeArrived(wrong_by=wrong_by):
                self.wrong_by, self.vouched = wrong_by, True
            case ClockDeserted():
                self.vouched = False
            case ClockSet(by=by):
                self.wrong_by += by
                self.vouched = False
            case Looked():
                self._look()

    # --- clock ------------------------------------------------------------------------------------------------------

    def _quality(self) -> str:
        """A vouched-for clock is right; one that was, is held until it is set by more than a second; no other is."""
        shows = BEGINS + self.now + self.wrong_by
        if shows < PROGRAM_IS_OF or shows >= PROGRAM_LASTS_UNTIL:
            return "untrusted"
        if self.vouched:
            quality = "synchronised"
        elif self.right_since is not None and abs(self.wrong_by - self.right_since) <= SECOND:
            quality = "held"
        else:
            return "untrusted"
        self.right_since, self.last_right = self.wrong_by, shows
        return quality

    def _look(self) -> None:
        """A synchronised clock is told once for each start, and again when it was set by more than a second since."""
        if self._quality() != "synchronised":
            return
        if self.said_wrong_by is None or abs(self.wrong_by - self.said_wrong_by) > SECOND:
            self.said_wrong_by = self.wrong_by
            began = BEGINS + self.booted_at + self.wrong_by
            self._write("clock.set", ("began_at", began), ("boot", self._boot().hex()))

    def _boot(self) -> bytes:
        return hashlib.sha256(bytes([self.boots])).digest()[:16]

    def _write(self, *words: object) -> Entry:
        quality = self._quality()
        shown, since_boot = BEGINS + self.now + self.wrong_by, self.now - self.booted_at
        self.entries.append(Entry(self.now, shown, quality, self._boot(), since_boot * 1000, words))
        return self.entries[-1]

    # --- starts and ends --------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """A start forgets what was only in memory; what it knows of clock and people comes from the ledger."""
        self.is_on = True
        self.answered.clear()
        self.said_wrong_by = None
        right = next((entry for entry in reversed(self.entries) if entry.quality != "untrusted"), None)
        self.last_right = PROGRAM_IS_OF if right is None else max(PROGRAM_IS_OF, right.shown)
        if right is not None and right.boot == self._boot():
            self.right_since = right.shown - BEGINS - right.truly
        if not self.entries:
            self._write("ledger.opened")
        self._write("terminal.started")
        self._remember(self.last_right - LOOKED_BACK)
        self._look()
        self._hear()

    def _remember(self, since: int) -> None:
        """Who went where, as far back as an entry of a right clock before that time."""
        recent: list[Entry] = []
        for entry in reversed(self.entries):
            if entry.quality != "untrusted" and entry.shown < since:
                break
            recent.append(entry)
        self.went.clear()
        for entry in reversed(recent):
            if entry.words[0] == "tap":
                self._note(entry)

    def _end(self) -> None:
        if self.shuts_at is not None:
            self._shut("stopped")
        self.is_on = False

    # --- what the cloud says ----------------------------------------------------------------------------------------

    def _hear(self) -> None:
        """News come in order, once terminal and cloud can hear each other; whoever was refused is asked anew."""
        while self.is_on and self.reachable and self.news:
            match self.news.pop(0):
                case Enrolled(card=card, person=person, company=company):
                    self.roster[card] = (person, company)
                    table = "roster"
                case Blocked(card=card):
                    self.blocked.add(card)
                    table = "blocklist"
                case Bound() as rules:
                    self.rules = rules
                    table = "binding"
            self.versions[table] = self.versions.get(table, 0) + 1
            self.answered = {key: known for key, known in self.answered.items() if known[1] != "denied"}

    # --- taps -------------------------------------------------------------------------------------------------------

    def _tap(self, held: Held) -> None:
        card, reader = held.card, held.reader
        self._quality()
        seen, answer = self.answered.get((card, reader), (NEVER, ""))
        if self.now - seen < GUARDED:
            self.answered[card, reader] = (self.now, answer)
            return
        numbers = [number for number in (card, *held.also) if not _wanders(number)]
        known_by = self._known_by(held, numbers)
        person, company = next((self.roster[number] for number in known_by if number in self.roster), (None, None))
        way, outcome, reason = self._decide(held, numbers, person, company)
        project = None if self.rules is None else "00000000000000a1"
        also = tuple(number for number in known_by if number != card)
        who = (card, person, company, reader, also, held.proof)
        entry = self._write("tap", *who, way, outcome, reason, project, tuple(sorted(self.versions.items())))
        self.answered[card, reader] = (self.now, outcome)
        self._note(entry)
        if outcome == "granted":
            if self.shuts_at is None:
                self._write("door", "gate", "unlocked", f"tap {len(self.entries)}")
            self.shuts_at = self.now + OPEN_FOR

    def _known_by(self, held: Held, numbers: list[str]) -> list[str]:
        """The numbers that say who holds it: none of a card that is proved to be another's."""
        if self.rules is None or self.rules.asks == "off":
            return numbers
        if held.proof in {"copied", "mismatched", "foreign"}:
            return []
        return numbers[:1] if self.rules.asks == "require" else numbers

    def _decide(
        self, held: Held, numbers: list[str], person: str | None, company: str | None
    ) -> tuple[str | None, str, str | None]:
        """Way, outcome and reason. Whoever goes out is let out, and what speaks against it is only remarked."""
        if self.rules is None:
            return None, "denied", "unbound"
        is_another = self.rules.asks != "off" and held.proof in {"copied", "mismatched", "foreign"}
        inside = not is_another and self._is_inside(self._who(held.card, person, company))
        way = held.reader if held.reader != "both" else "out" if inside else "in"
        reason = self._what_is_wrong(held)
        if not self.blocked.isdisjoint(numbers):
            reason = "blocked"
        elif reason is None and self.rules.closed and person is None:
            reason = "not_enrolled"
        return way, "denied" if reason and way == "in" else "granted", reason

    def _what_is_wrong(self, held: Held) -> str | None:
        """What speaks against the card itself."""
        assert self.rules is not None
        if _wanders(held.card):
            return "card_random"
        if held.ends is not None and self._quality() != "untrusted" and self.now + self.wrong_by >= held.ends:
            return "card_expired"
        if self.rules.asks != "off" and held.proof in {"copied", "mismatched", "foreign"}:
            return f"card_{held.proof}"
        return "card_unproved" if self.rules.asks == "require" and held.proof != "genuine" else None

    def _is_inside(self, who: tuple[str, str]) -> bool:
        """Whether the last time somebody went through, it was in, and not so long ago that it no longer counts."""
        went = self.went.get(who)
        if went is None or went.way == "out":
            return False
        is_right = self._quality() != "untrusted"
        if went.entry.boot == self._boot():
            age = self.now - went.entry.truly
        elif is_right and went.entry.quality != "untrusted":
            age = BEGINS + self.now + self.wrong_by - went.entry.shown
        else:
            age = self.now - self.booted_at  # nobody can tell more than that it was before the boot
        if age >= LONGEST_PASS:
            return False
        shows = BEGINS + self.now + self.wrong_by
        return not (is_right and self.rules and self.rules.reset and shows - age < _last_reset(self.rules.reset, shows))

    def _note(self, entry: Entry) -> None:
        _, card, person, company, _, _, _, way, outcome, *_ = entry.words
        if outcome != "granted":
            return
        who = self._who(str(card), person, company)
        self.went.pop(who, None)
        self.went[who] = Went(entry, str(way))
        for _ in range(2):  # with each that comes, two of those that are over are forgotten for good, whatever follows
            oldest = next(iter(self.went))
            before = self.went[oldest].entry
            if entry.since_boot - (before.since_boot if before.boot == entry.boot else 0) < LONGEST_PASS * 1000:
                break
            del self.went[oldest]

    def _who(self, card: str, person: object, company: object) -> tuple[str, str]:
        """A person counts for each company apart; of a card without a person nothing is known but the card."""
        return (card, "") if person is None else (str(person), str(company))

    def _shut(self, cause: str) -> None:
        self.shuts_at = None
        self._write("door", "gate", "locked", cause)


def _wanders(number: str) -> bool:
    """Whether a card has this number for one touch only (ISO/IEC 14443-3)."""
    return number.startswith("uid:08") and len(number) == len("uid:08000000")


def _last_reset(reset: str, shows: int) -> int:
    """When it was last that time of day in the project's zone; a time that comes twice counts as its first."""
    hours, minutes = map(int, reset.split(":"))
    local = datetime.fromtimestamp(shows // SECOND, UTC).astimezone(ZoneInfo(ZONE))
    for day in (local.date(), local.date() - timedelta(days=1)):
        at = datetime(day.year, day.month, day.day, hours, minutes, tzinfo=ZoneInfo(ZONE))
        utc = int(at.astimezone(UTC).timestamp()) * SECOND
        if utc <= shows:
            return utc
    raise AssertionError("yesterday is over")
