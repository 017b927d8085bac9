"""What every card reader is to the terminal: it is started, it reports what it sees, it is stopped."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from protocol.cards import CardId
from protocol.decision import PLAIN, Binding, CardAuthentication, Credential
from protocol.entries import MOST_ALSO


@dataclass(frozen=True, slots=True)
class CardSeen:
    """A card came into a reader's field; said once, however long it stays there.

    `also`: other identities of the same card, read in the same presence. `raw`: the bytes as the device gave them.
    `took`: nanoseconds from the card's arrival, or its first byte, until it was known. `chip`: what the reader calls
    it, for people to read.
    """

    card: CardId
    reader: str
    also: tuple[CardId, ...] = ()
    credential: Credential = PLAIN
    raw: bytes = field(default=b"", compare=False, repr=False)
    took: int = field(default=0, compare=False)
    chip: str = field(default="", compare=False)

    @property
    def lasting(self) -> tuple[CardId, ...]:
        """Its identities that are the same at the next touch, each once, its own first; as many as an entry tells."""
        cards = dict.fromkeys(card for card in (self.card, *self.also) if not card.is_random)
        return tuple(cards)[: 1 + MOST_ALSO]

    def believed(self, binding: Binding | None) -> tuple[CardId, ...]:
        """Those by which its holder may be known: none of a card that is proved to be another's, and where proof is
        required the one that is proved and no other.

        Anybody can make a chip that has another's serial number beside a GUID and a key of its own.
        """
        if binding is None or binding.card_authentication is CardAuthentication.OFF:
            return self.lasting
        if self.credential.is_refuted:
            return ()
        return self.lasting[:1] if binding.card_authentication is CardAuthentication.REQUIRE else self.lasting


@dataclass(frozen=True, slots=True)
class CardUnread:
    """Something came into the field and could not be read; `why` is a phrase for log and portal."""

    reader: str
    why: str
    raw: bytes = field(default=b"", compare=False, repr=False)
    took: int = field(default=0, compare=False)
    chip: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class ReaderTampered:
    """Somebody opened the reader or took it off its wall (`on`), or it is whole again."""

    reader: str
    on: bool


@dataclass(frozen=True, slots=True)
class ReaderLost:
    """The reader does not answer any more; it is looked for until it is back."""

    reader: str
    why: str


@dataclass(frozen=True, slots=True)
class ReaderBack:
    """A reader that was lost answers again."""

    reader: str


Sighting = CardSeen | CardUnread | ReaderTampered | ReaderLost | ReaderBack


class Reader(Protocol):
    """A card reader. It reports from a thread of its own, so `seen` must be safe to call from any thread.

    `start` returns at once, also when the reader is not there: that is reported as ReaderLost, and ReaderBack follows.
    After `stop` has returned nothing is reported any more.
    """

    @property
    def name(self) -> str:
        """What the settings call it."""

    @property
    def is_there(self) -> bool:
        """Says whether it answers now."""

    def start(self, seen: Callable[[Sighting], None]) -> None:
        """Begin to watch, and report to `seen`."""

    def stop(self) -> None:
        """End watching and let go of the device."""
