"""The Swedish words for what is stored as a code: text other than names is Swedish (SKVFS 2015:6, 4 §)."""

from typing import Final

from protocol.clock import ClockQuality
from protocol.decision import Reason
from protocol.entries import Source
from protocol.passes import Direction

DENIED: Final = {
    Reason.UNBOUND: "terminalen var inte kopplad till något projekt",
    Reason.PROJECT_ENDED: "projektet var avslutat",
    Reason.BLOCKED: "kortet var spärrat",
    Reason.CARD_RANDOM: "kortet visar ett nytt nummer varje gång",
    Reason.CARD_EXPIRED: "kortets giltighetstid gällde inte",
    Reason.CARD_COPIED: "kortet är en kopia",
    Reason.CARD_MISMATCHED: "kortets certifikat hör till ett annat kort",
    Reason.CARD_FOREIGN: "kortets certifikat är inte från en godkänd utfärdare",
    Reason.CARD_UNPROVED: "kortet kunde inte visa att det är äkta",
    Reason.NOT_ENROLLED: "kortet var inte tillagt i projektet",
    Reason.NO_RIGHT: "personen saknade behörighet till dörrarna",
    Reason.OUT_OF_HOURS: "utanför behörighetens tider",
    Reason.CLOCK_UNTRUSTED: "terminalen visste inte vad klockan var",
    Reason.ANTI_PASSBACK: "samma håll två gånger",
    Reason.OCCUPANCY_LIMIT: "det var fullt",
    Reason.DOORS_EXPIRED: "terminalen hade inte hört av molnet på för länge",
}
"""Why a tap was denied; on a granted one the same words are a remark."""

SOURCES: Final = {
    Source.CARD: "kort",
    Source.PHONE: "telefon",
    Source.MANUAL: "för hand",
    Source.SYSTEM: "systemet",
}

WAYS: Final = {Direction.IN: "in", Direction.OUT: "ut"}

CLOCKS: Final = {
    ClockQuality.SYNCHRONISED: "ställd efter en tidsserver",
    ClockQuality.HELD: "rätt när den senast kontrollerades, ingen har ställt om den sedan dess",
    ClockQuality.UNTRUSTED: "OSÄKER: ingen tidsserver har nåtts",
}


def printable(text: str) -> str:
    """The text without what would move a cursor or begin a line: names and words come from elsewhere."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)


UNKNOWN_PERSON: Final = "okänd person"
UNNAMED: Final = "namn saknas"
"""Of one whose id is known: the portal has the name."""
