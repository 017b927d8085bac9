"""Asks the kernel about the GPIO lines of this board; asking changes no line."""

import fcntl
import os
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DEVICES: Final = Path("/dev")
CHIP_QUESTION: Final = 0x8044B401  # GPIO_GET_CHIPINFO_IOCTL of linux/gpio.h
LINE_QUESTION: Final = 0xC100B405  # GPIO_V2_GET_LINEINFO_IOCTL
CHIP: Final = struct.Struct("=32s32sI")
LINE: Final = struct.Struct("=32s32sIIQ176x")
USED: Final = 1  # GPIO_V2_LINE_FLAG_USED

HEADER: Final = "pinctrl-"
"""How the label of the chip begins that has the header's pins: pinctrl-bcm2835, -bcm2711 or -rp1."""


@dataclass(frozen=True, slots=True)
class Chip:
    """A chip of GPIO lines; `users` says who holds a line, by its number. `why`: what kept us from asking it."""

    path: Path
    label: str = ""
    users: tuple[tuple[int, str], ...] = ()
    why: str = ""


def look_at_chips() -> list[Chip]:
    """Every chip of the board, as far as we may ask it."""
    return [_asked(path) for path in sorted(DEVICES.glob("gpiochip*"))]


def label_in(answer: bytes) -> tuple[str, int]:
    """A chip's label and how many lines it has, from struct gpiochip_info."""
    _, label, lines = CHIP.unpack(answer)
    return _text(label), lines


def user_in(answer: bytes) -> str | None:
    """Who holds a line, from struct gpio_v2_line_info; None where nobody does."""
    _, user, _, _, flags = LINE.unpack(answer)
    return (_text(user) or "?") if flags & USED else None


def _asked(path: Path) -> Chip:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as exc:
        return Chip(path, why=exc.strerror or str(exc))
    try:
        label, lines = label_in(fcntl.ioctl(descriptor, CHIP_QUESTION, bytes(CHIP.size)))
        users = []
        for number in range(min(lines, 64)):
            with suppress(OSError):
                question = LINE.pack(b"", b"", number, 0, 0)
                user = user_in(fcntl.ioctl(descriptor, LINE_QUESTION, question))
                users += [] if user is None else [(number, user)]
    except OSError as exc:
        return Chip(path, why=exc.strerror or str(exc))
    finally:
        os.close(descriptor)
    return Chip(path, label, tuple(users))


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode(errors="replace")
