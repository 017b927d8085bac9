"""How a sighting and what is odd about it look to an installer: in words, and in the bytes as they came."""

import shutil
import textwrap
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from edge.readers.diagnosis import Hint, Oddity
from edge.readers.told import Told, What
from edge.words import _, msgid
from protocol.cards import CardId, CardKind
from protocol.credentials import Proof

ADVICE: Final = {
    Oddity.RANDOM: msgid("It makes up a new number each time, as phones do: it cannot be enrolled. Take a card."),
    Oddity.TURNED_ON_ROSTER: msgid(
        "The roster has this card with its bytes the other way round, as {card}: write `{setting}` at reader {reader}."
    ),
    Oddity.TURNED_AT_OTHER: msgid(
        "Reader {reader} has the bytes of this card the other way round than reader {other}: write `{setting}` at "
        "reader {reader}, and both read {card}."
    ),
    Oddity.TURNED_BY_MAKER: msgid(
        "Its bytes may be the other way round: as {card} it would begin with 04, as most cards of 7 bytes do. If the "
        "portal or another reader knows it so, write `{setting}` at reader {reader}."
    ),
    Oddity.CUT_AT_OTHER: msgid(
        "Reader {reader} gives only a part of {card}, which reader {other} reads. Let it send the whole number: 13 "
        "decimal digits (10H13D), or all hexadecimal digits."
    ),
    Oddity.CUT_CASCADE: msgid(
        "No number of 4 bytes begins with 88: this is the first part of one of 7. Let reader {reader} send all 7 bytes."
    ),
    Oddity.CUT_BITS: msgid(
        "These are 24 bits of a longer number (Wiegand 26, 6H8D). Let reader {reader} send 13 decimal digits (10H13D) "
        "or all hexadecimal digits."
    ),
    Oddity.DECIMAL: msgid(
        "There are only the digits 0 to 9. If they are printed on the card, they are decimal: write `{setting}` at "
        "reader {reader}, and it is {card}."
    ),
    Oddity.OTHER_PROFILE: msgid("Another profile reads {card}: write `{setting}` at reader {reader}."),
    Oddity.OTHER_RATE: msgid(
        "This is no text: reader {reader} speaks at another rate than `{setting}`, which its manual gives, or its "
        "signal is inverted (RS-232 on a TTL input)."
    ),
    Oddity.NO_END: msgid(
        "The number is whole ({card}), and nothing ends it: let reader {reader} send CR or LF after it (suffix Enter)."
    ),
    Oddity.CHECKSUM: msgid(
        "Bytes were changed on the way: hold the card still; keep the cable of reader {reader} short, and away from "
        "motors and mains."
    ),
    Oddity.HASTY: msgid("It was taken away too soon: hold it flat and still for two seconds."),
}
KINDS: Final = {
    CardKind.UID: msgid("number of a chip, {size} bytes"),
    CardKind.EM: msgid("125 kHz tag"),
    CardKind.PIV: msgid("PIV card"),
    CardKind.ID06: msgid("printed ID06 number"),
}
PROOFS: Final = {
    Proof.GENUINE: msgid("proved genuine"),
    Proof.NO_KEY: msgid("has no key to prove itself with"),
    Proof.COPIED: msgid("COPIED: its key does not fit its certificate"),
    Proof.MISMATCHED: msgid("its certificate is another card's"),
    Proof.FOREIGN: msgid("of no issuer that the settings name"),
}
HAPPENED: Final = {
    What.LOST: msgid("lost: {why}; it comes back by itself"),
    What.BACK: msgid("back"),
    What.TAMPERED: msgid("opened or taken off its wall"),
    What.WHOLE: msgid("closed again"),
}
ROW: Final = 16
MOST_ROWS: Final = 8
INDENT: Final = " " * 10
TWO_SECONDS: Final = msgid(
    "Nothing seen for {seconds:.0f} seconds. Hold the card flat and still against the reader for two seconds, without "
    "purse or other cards around it; it may have to be moved to find its chip. `grindvakt reader list` says which "
    "readers are there."
)


def lines_of(seen: Told, found: Sequence[Hint]) -> Iterator[str]:
    """A sighting in lines of the terminal's width."""
    begin = f"{datetime.fromisoformat(seen.at).astimezone():%H:%M:%S}  "
    yield from wrapped(f"{seen.reader}: {_said(seen)}", begin)
    for each in seen.also:
        yield f"{INDENT}{_('also {card}').format(card=each)}"
    if seen.card is not None:
        yield from wrapped(_known(seen, CardId.parse(seen.card)), INDENT)
    if seen.chip:
        yield f"{INDENT}{_('the reader calls it {chip}').format(chip=seen.chip)}"
    yield from _dump(bytes.fromhex(seen.raw))
    for hint in found:
        yield from wrapped(advice(hint), f"{INDENT}-> ")


def advice(hint: Hint) -> str:
    """What to do about it, in one paragraph."""
    text = _(ADVICE[hint.oddity])
    return text.format(reader=hint.reader, other=hint.other, setting=hint.setting, card=hint.card)


def reason(why: str | None) -> str:
    """The daemon's words for a trouble in the language here, as far as they are not made of names and numbers."""
    return _(why) if why else ""


def wrapped(text: str, begin: str = "") -> list[str]:
    """The text in lines of the terminal's width, the later ones indented like the first."""
    width = max(40, shutil.get_terminal_size().columns)
    return textwrap.wrap(
        text,
        width,
        initial_indent=begin,
        subsequent_indent=" " * len(begin),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _said(seen: Told) -> str:
    if seen.card is not None:
        return seen.card
    if seen.what is What.UNREAD:
        return _("NOT READ: {why}").format(why=reason(seen.why))
    return _(HAPPENED[seen.what]).format(why=reason(seen.why))


def _known(seen: Told, card: CardId) -> str:
    parts = [_(KINDS[card.kind]).format(size=len(card.value) // 2)]
    if seen.proof in PROOFS:
        parts.append(_(PROOFS[seen.proof]))
    if seen.on_roster is not None:
        parts.append(_("on the roster") if seen.on_roster else _("not on the roster"))
    parts.append(_("read in {milliseconds:.1f} ms").format(milliseconds=seen.milliseconds))
    return ", ".join(parts)


def _dump(raw: bytes) -> Iterator[str]:
    """The bytes in hexadecimal, and beside them what of them can be printed."""
    for at in range(0, min(len(raw), ROW * MOST_ROWS), ROW):
        row = raw[at : at + ROW]
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        yield f"{INDENT}{row.hex(' ').upper():<{ROW * 3 - 1}}  {text}"
    if len(raw) > ROW * MOST_ROWS:
        yield INDENT + _("… {size} bytes in all; `--json` gives them").format(size=len(raw))
