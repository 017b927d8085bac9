"""What is known of one reader on an OSDP bus: whether it answers, under which key, and what it should show."""

import secrets
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from edge.errors import ReaderKeysUnusable
from edge.events import Event
from edge.readers import CardSeen, CardUnread, ReaderBack, ReaderLost, ReaderTampered, Sighting
from edge.readers.osdp.cards import card_of
from edge.readers.osdp.keys import NO_KEYS, Keys, ReaderKeys
from edge.readers.osdp.library import (
    KEY_BYTES,
    Act,
    CardRead,
    Colour,
    Done,
    Found,
    KeysPressed,
    LocalStatus,
    Panel,
    Peer,
)
from edge.signals.reader_lights import DARK, Light
from protocol.cards import CardId

GRACE: Final = 2.5
"""Seconds without an answer in a Secure Channel after which a reader is lost; libosdp alone takes eight."""

STUCK: Final = 1.3
"""Seconds in which libosdp asks a reader again that did not answer; silent for longer, it has given it up for 300."""

SWAP: Final = 2.0
LONGEST_SWAP: Final = 60.0
"""Seconds between two keys that are tried in turn; each turn disturbs the other readers of the bus for a moment."""

RELIT: Final = 1.5
"""Seconds after which what stays lit or sounds is asked for again, before the reader ends it by itself."""

FAILURES: Final = 2
"""Attempts in which a reader answers and no Secure Channel comes about, after which it is its key."""

REFUSALS: Final = 2
"""How often a reader may refuse an act."""

FRESH: Final = 0.3
"""Seconds after a Secure Channel came about in which a reader hands over what it kept while nobody listened."""

LONGEST_FRESH: Final = 3.0
"""Seconds after which it has handed over all of it: sixty cards, one with each poll."""

WHOLE_FOR: Final = 0.3
"""Seconds that a reader must be whole again before it is believed."""

SILENT: Final = "it does not answer: look at its power, A and B, its address and baud"
KEPT: Final = "it was held there before the reader was back: hold it again"
REFUSED: Final = "it answers and does not take our key: run `grindvakt reader provision {name}`"
KEYLESS: Final = "it answers and has no key of ours yet: run `grindvakt reader provision {name}`"
_COLOURS: Final = (Colour.DARK, Colour.RED, Colour.GREEN, Colour.AMBER)

_log = structlog.get_logger()


@dataclass(slots=True)
class _Shown:
    """What the reader was told to show, and when; None: not told yet."""

    colour: Colour | None = None
    lit_at: float = 0.0
    sound: bool | None = None
    sounded_at: float = 0.0


@dataclass
class Seat:
    """One reader of a bus; all but `wanted` and `is_there` is for the bus's thread. Times are monotonic seconds."""

    name: str
    address: int
    store: ReaderKeys
    reversed_bytes: bool = False
    tell: Callable[[Sighting], None] | None = None
    wanted: Light = DARK
    is_there: bool = False
    is_up: bool = False
    is_met_plainly: bool = False
    keys: Keys = NO_KEYS
    key: bytes = b""
    enabled_at: float = 0.0
    up_at: float = 0.0
    _fell_at: float = 0.0
    _fresh_until: float = 0.0
    _rose_at: float = 0.0
    _faulty_store: str = ""
    _why: str = ""
    _failures: int = 0
    _resting: bool = False
    _is_lost: bool = False
    _shown: _Shown = field(default_factory=_Shown)
    _waiting: set[Act] = field(default_factory=set)
    _refusals: Counter[Act] = field(default_factory=Counter)
    _swap_at: float = 0.0
    _swap_pause: float = SWAP
    _tampered: bool = False
    _whole_at: float | None = None
    _lacks_power: bool = False
    _told_of_keys: bool = False

    # --- its key ------------------------------------------------------------------------------------------------------

    def peer(self) -> Peer:
        """How the panel is to meet it."""
        return Peer(self.address, self.key, secure=not self.is_met_plainly)

    def _swaps(self, now: float) -> bool:
        """Try the other key, if it may have two; True when the panel has to be made anew for that."""
        if self.is_met_plainly:
            return False  # it is being given one, and libosdp would give it whichever it is met with
        if len(self.keys.all) < 2 or not self._failures or now < self._swap_at:
            return False
        self.key = next(key for key in self.keys.all if key != self.key)
        self._swap_pause = min(self._swap_pause * 2, LONGEST_SWAP)
        self._swap_at = now + self._swap_pause
        return True

    def settle(self) -> None:
        """It answered under its key: that is its key, and no other."""
        if self.keys.all and self.keys != Keys(self.key):
            try:
                self.store.put(self.name, Keys(self.key))
                self.keys = Keys(self.key)
            except ReaderKeysUnusable as fault:
                _log.error(Event.KEYS_FAILED, reader=self.name, why=str(fault), then="both keys stay known")

    def _load_keys(self) -> None:
        """Take its key from the store; one that has none is met with one that nobody has."""
        try:
            self.keys, self._faulty_store = self.store.of(self.name), ""
        except ReaderKeysUnusable as fault:
            self.keys, self._faulty_store = NO_KEYS, str(fault)
        self.key = next(iter(self.keys.all), secrets.token_bytes(KEY_BYTES))

    # --- whether it is there ------------------------------------------------------------------------------------------

    def start(self, now: float) -> None:
        """It is looked for from now on."""
        self._load_keys()
        self.up_at = now

    def begin(self, now: float) -> None:
        """The panel begins with it now."""
        self.enabled_at, self._resting = now, False
        self._fall(now)

    def looked_at(self, panel: Panel, secure: frozenset[int], asked: float, heard: float) -> bool:
        """Follow what happens with it on the bus; True when the panel has to be made anew for another key."""
        now = time.monotonic()
        if self.address in secure and now - heard < GRACE and not self.is_met_plainly:
            if not self.is_up:
                self._rise(panel, now)
            self.up_at = heard
            if now >= self._fresh_until:
                self._arrive()
        elif self.is_up:
            self._fall(now)
        if not self.is_up and now - self.up_at > GRACE:
            self._miss(heard)
        if self._resting:
            if panel.enable(self.address):
                self.begin(now)
            return False
        if not self.is_up and now - max(asked, self.enabled_at) > STUCK:
            panel.disable(self.address)
            self._resting = True
            self._failures = self._failures + 1 if heard > max(self.enabled_at, self._fell_at) else 0
            return self._swaps(now)
        return False

    def lose(self, why: str) -> None:
        """It is lost, for this reason; said once."""
        self.is_there = False
        if not self._is_lost:
            self._say_lost(why)

    def _miss(self, heard: float) -> None:
        """It is lost, and what it answered says why; said anew when that turns out to be its key."""
        self.is_there = False
        if self._faulty_store:
            self.lose(self._faulty_store)
        elif self._failures >= FAILURES:
            why = (REFUSED if self.keys.all else KEYLESS).format(name=self.name)
            if why != self._why:
                self._say_lost(why)
        elif heard <= max(self.enabled_at, self._fell_at):
            self.lose(SILENT)

    def _say_lost(self, why: str) -> None:
        self.is_there, self._is_lost, self._why = False, True, why
        self._report(ReaderLost(self.name, why))

    def _arrive(self) -> None:
        self.is_there = True
        if self._is_lost:
            self._is_lost = False
            self._report(ReaderBack(self.name))

    def _rise(self, panel: Panel, now: float) -> None:
        self.is_up, self._rose_at, self._fresh_until = True, now, now + FRESH
        self._why, self._faulty_store, self._failures, self._swap_pause = "", "", 0, SWAP
        self._shown, self._waiting = _Shown(), set()
        self.settle()
        if self._can(panel, Act.SHOW) and panel.rest(self.address):
            self._waiting.add(Act.SHOW)
        if self._can(panel, Act.ASK_STATUS) and panel.ask_status(self.address):
            self._waiting.add(Act.ASK_STATUS)

    def _fall(self, now: float) -> None:
        self.is_up, self._fell_at = False, now
        self._whole_at = None

    # --- what it reports ----------------------------------------------------------------------------------------------

    def take(self, found: Found, is_secure: bool, began: int) -> None:
        """Pass on what it reported; `began`: when the first byte of that came, in monotonic nanoseconds."""
        if self.is_met_plainly or not is_secure:
            return  # what comes outside of a Secure Channel is nobody's word
        match found:
            case CardRead(raw=raw):
                card = self._card_of(found)
                took = time.monotonic_ns() - began if began else 0
                if isinstance(card, str):
                    self._report(CardUnread(self.name, card, raw, took))
                else:
                    self._report(CardSeen(card, self.name, raw=raw, took=took))
            case LocalStatus(is_tampered, lacks_power):
                self._note(is_tampered, lacks_power)
            case KeysPressed() if not self._told_of_keys:
                self._told_of_keys = True
                _log.info(Event.KEYS_IGNORED, reader=self.name, then="what is typed there is not read, here or later")

    def _card_of(self, read: CardRead) -> CardId | str:
        """A reader may hand over cards of hours ago when it is back: they are no taps of now, and open nothing."""
        now = time.monotonic()
        if not self.is_up or now < self._fresh_until:
            self._fresh_until = min(now + FRESH, self._rose_at + LONGEST_FRESH)
            return KEPT
        return card_of(read, reversed_bytes=self.reversed_bytes)

    def _note(self, is_tampered: bool, lacks_power: bool) -> None:
        self._whole_at = None if is_tampered else self._whole_at or time.monotonic()
        if is_tampered and not self._tampered:
            self._tampered = True
            self._report(ReaderTampered(self.name, True))
        if lacks_power != self._lacks_power:
            self._lacks_power = lacks_power
            _log.warning(Event.POWER_CHANGED, reader=self.name, lacking=lacks_power)

    def believe(self, now: float) -> None:
        """A reader that has been whole for a moment is whole again."""
        if self._tampered and self._whole_at is not None and now - self._whole_at > WHOLE_FOR:
            self._tampered = False
            self._report(ReaderTampered(self.name, False))

    def _report(self, sighting: Sighting) -> None:
        if (tell := self.tell) is not None:
            tell(sighting)

    # --- what it shows ------------------------------------------------------------------------------------------------

    def shine(self, panel: Panel, now: float) -> None:
        """Ask for what it should show, if it shows something else; the newest, and one thing at a time."""
        if not self.is_up:
            return
        wanted, shown = self.wanted, self._shown
        colour = _COLOURS[wanted.red + 2 * wanted.green]
        stale = colour is not Colour.DARK and now - shown.lit_at > RELIT
        if (colour is not shown.colour or stale) and self._may(panel, Act.SHOW) and panel.show(self.address, colour):
            shown.colour, shown.lit_at = colour, now
            self._waiting.add(Act.SHOW)
        stale = wanted.buzzer and now - shown.sounded_at > RELIT
        turned = wanted.buzzer is not shown.sound or stale
        if turned and self._may(panel, Act.SOUND) and panel.sound(self.address, wanted.buzzer):
            shown.sound, shown.sounded_at = wanted.buzzer, now
            self._waiting.add(Act.SOUND)

    def finish(self, done: Done, asked: float, heard: float) -> None:
        """An act is over. What a reader refuses twice is not asked of it again: each refusal costs the connection."""
        self._waiting.discard(done.act)
        if done.well or heard < asked or done.act is Act.SET_KEY:
            return
        self._refusals[done.act] += 1
        if self._refusals[done.act] == REFUSALS:
            _log.warning(
                Event.READER_REFUSED, reader=self.name, act=done.act.name.lower(), then="it is not asked again"
            )

    def _may(self, panel: Panel, act: Act) -> bool:
        return act not in self._waiting and self._can(panel, act)

    def _can(self, panel: Panel, act: Act) -> bool:
        return self._refusals[act] < REFUSALS and panel.can(self.address, act)
