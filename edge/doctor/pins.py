"""Judges the pins for lights and locks: whether there are any, who else holds them, and what they do at boot."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from edge.doctor import Finding, bad, doubtful, good, unknown
from edge.doctor.cautions import at_boot, used_pins
from edge.doctor.chips import HEADER, Chip, look_at_chips
from edge.doctor.overlays import taken_pins
from edge.settings import Settings
from edge.words import _

PART: Final = "gpio"
OURS: Final = "lg"
"""The name under which lgpio, and so our daemon, holds lines."""

BOOT_SETTINGS: Final = (Path("/boot/firmware/config.txt"), Path("/boot/config.txt"))


@dataclass(frozen=True, slots=True)
class Board:
    """The pins that the settings use, the chips that there are, and what config.txt gives to others.

    `simulated`: why there are no real pins, in words. `held`: whether the daemon holds the lines.
    """

    used: Mapping[int, str]
    chips: Sequence[Chip] = ()
    taken: Mapping[int, str] = field(default_factory=dict)
    at_boot: Sequence[str] = ()
    simulated: str = ""
    held: bool = False


def look_at_board(settings: Settings, *, runs: bool, simulate: bool) -> Board:
    """`runs`: the daemon does; `simulate`: under --simulate."""
    simulated = ""
    if settings.signals.kind == "simulated":
        simulated = _('simulated, by kind = "simulated" in [signals]')
    elif simulate:
        simulated = _("simulated, by --simulate")
    held = runs and not simulated
    return Board(used_pins(settings), look_at_chips(), taken_pins(_boot_settings()), at_boot(settings), simulated, held)


def judge_board(board: Board) -> Iterator[Finding]:
    """Whether lights and locks have pins, and then what may disturb each."""
    if board.simulated:
        yield good(PART, _("{why}: no light and no lock is moved").format(why=board.simulated))
        return
    yield _judge_chips(board)
    users = {pin: user for chip in board.chips if chip.label.startswith(HEADER) for pin, user in chip.users}
    for pin, what in sorted(board.used.items()):
        user = users.get(pin)
        if user is not None and not (user == OURS and board.held):
            found = _("GPIO {pin} ({what}) is held by {user!r}").format(pin=pin, what=what, user=user)
            yield bad(PART, found, _("end that program or overlay, or give {what} another pin").format(what=what))
        elif pin in board.taken:
            found = _("GPIO {pin} ({what}) is given away by `{line}` in config.txt")
            found = found.format(pin=pin, what=what, line=board.taken[pin])
            yield doubtful(
                PART, found, _("take that line out and reboot, or give {what} another pin").format(what=what)
            )
    for sentence in board.at_boot:
        found, _colon, advice = sentence.rpartition(": ")
        yield doubtful(PART, found, advice)


def _judge_chips(board: Board) -> Finding:
    header = [chip for chip in board.chips if chip.label.startswith(HEADER)]
    if header:
        words = _("{path} ({label}) has the {count} pins that are used")
        return good(PART, words.format(path=header[0].path, label=header[0].label, count=len(board.used)))
    if board.held:
        return good(PART, _("the daemon holds the {count} pins that are used").format(count=len(board.used)))
    refused = [chip for chip in board.chips if chip.why]
    if refused:
        found = _("{path} may not be asked: {why}").format(path=refused[0].path, why=refused[0].why)
        return unknown(PART, found, _("ask as root, or as a member of the group gpio"))
    if board.chips:
        labels = ", ".join(chip.label for chip in board.chips)
        found = _("no GPIO chip has a header's pins; there are {labels}").format(labels=labels)
    else:
        found = _("this computer has no GPIO pins")
    advice = _('lights and locks need a Raspberry Pi; to try without: kind = "simulated" in [signals]')
    return bad(PART, found, advice)


def _boot_settings() -> str:
    for path in BOOT_SETTINGS:
        with suppress(OSError):
            return path.read_text(encoding="utf-8", errors="replace")
    return ""
