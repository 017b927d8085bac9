"""Finds what is plugged in and stands in no settings: serial ports by their lasting names, and readers of pcscd."""

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from edge.settings import ReaderSettings

LASTING: Final = (Path("/dev/serial/by-id"), Path("/dev/serial/by-path"))
"""By its own number; two readers without one share a name there, and only the socket they are in tells them apart."""

FLEETING: Final = re.compile(r"/dev/tty(USB|ACM)\d+")
PATIENCE: Final = 3.0
"""Seconds that pcscd has to answer; one that hangs would never."""


@dataclass(frozen=True, slots=True)
class Other:
    """What could be a reader; `lines` of the settings would make it one."""

    kind: str
    name: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plugged:
    """What is plugged in beside the settings; `why_no_pcsc` where pcscd could not be asked."""

    others: tuple[Other, ...]
    why_no_pcsc: str | None


def plugged_beside(readers: Sequence[ReaderSettings]) -> Plugged:
    """Look; nothing is opened, and no card is touched."""
    known, why = _known_to_pcscd()
    number = len(readers)
    found = [*_ports(readers), *_smartcards(known, readers)]
    others = tuple(Other(kind, name, _lines(number + n, kind, name)) for n, (kind, name) in enumerate(found, 1))
    return Plugged(others, why)


def is_fleeting(device: Path) -> bool:
    """Says whether a port is named by the order of plugging in, so that another may have its name tomorrow."""
    return FLEETING.fullmatch(str(device)) is not None


def _links() -> Iterator[Path]:
    for folder in LASTING:
        with suppress(OSError):
            yield from sorted(folder.iterdir())


def _ports(readers: Sequence[ReaderSettings]) -> Iterator[tuple[str, str]]:
    seen = {reader.device.resolve() for reader in readers if reader.device is not None}
    for link in _links():
        if (port := link.resolve()) not in seen:
            seen.add(port)
            yield "serial", str(link)


def _smartcards(known: Sequence[str], readers: Sequence[ReaderSettings]) -> Iterator[tuple[str, str]]:
    """Each reader of the settings takes the first that fits, as the daemon does."""
    wanted = [reader.pcsc or "" for reader in readers if reader.kind == "pcsc"]
    taken = {each if each in known else next((name for name in known if each in name), "") for each in wanted}
    yield from (("pcsc", name) for name in known if name not in taken)


def _lines(number: int, kind: str, name: str) -> tuple[str, ...]:
    begin = ("[[reader]]", f'name = "reader-{number}"', f'kind = "{kind}"')
    if kind == "pcsc":
        return (*begin, f'pcsc = "{_without_place(name)}"')
    return (*begin, f'device = "{name}"', 'profile = "line-hex"  # or line-dec, id-12, rdm6300')


def _without_place(name: str) -> str:
    """pcscd ends a name in two numbers that change with the order of plugging in."""
    return re.sub(r" [0-9A-F]{2} [0-9A-F]{2}$", "", name)


def _known_to_pcscd() -> tuple[Sequence[str], str | None]:
    """Its readers, or why it gives none: asked in a thread of its own, since a pcscd that hangs never answers."""
    if find_spec("smartcard") is None:
        return (), "the part for PC/SC is not installed"
    from edge.readers.pcsc.pcscd import Pcscd, ask_pcscd

    answers: list[Pcscd] = []
    asker = threading.Thread(target=lambda: answers.append(ask_pcscd()), name="question to pcscd", daemon=True)
    asker.start()
    asker.join(PATIENCE)
    if not answers:
        return (), f"it has not answered for {PATIENCE:g} seconds: `systemctl restart pcscd`"
    return answers[0].readers, answers[0].why or None
