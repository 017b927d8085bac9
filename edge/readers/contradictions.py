"""Finds what is right by itself in the readers' settings and wrong together."""

from collections.abc import Iterator, Sequence
from typing import Final

from edge.settings import ReaderSettings
from edge.words import _

AT_A_PORT: Final = ("serial", "osdp")
"""The kinds that need a device; several readers of one OSDP bus share theirs."""


def contradictions(readers: Sequence[ReaderSettings], doors: set[str]) -> Iterator[str]:
    """Each a whole sentence that ends in what to do; `doors` are the names that there are."""
    for reader in readers:
        yield from _of_one(reader, doors)
    for first, second in _pairs(readers):
        if first.device is not None and first.device == second.device and "serial" in (first.kind, second.kind):
            words = _("readers {first} and {second} have the same device {device}: each needs its own")
            yield words.format(first=first.name, second=second.name, device=first.device)
        if first.kind == second.kind == "osdp" and first.device == second.device:
            yield from _of_one_bus(first, second)
        if first.kind == second.kind == "pcsc" and (first.pcsc or "") == (second.pcsc or ""):
            words = _(
                "readers {first} and {second} take the same PC/SC reader: give each `pcsc` a part of the name that "
                "the other does not have (`grindvakt reader list` shows them)"
            )
            yield words.format(first=first.name, second=second.name)


def _of_one(reader: ReaderSettings, doors: set[str]) -> Iterator[str]:
    name, kind = reader.name, reader.kind
    if kind in AT_A_PORT and reader.device is None:
        yield _("reader {name} is {kind} and has no device: give its port, as /dev/serial/by-id/…").format(
            name=name, kind=kind
        )
    if kind not in AT_A_PORT and reader.device is not None:
        words = _("reader {name} is {kind} and has a device: leave it out, or say kind = {kinds}")
        kinds = _(" or ").join(f'"{each}"' for each in AT_A_PORT)
        yield words.format(name=name, kind=kind, kinds=kinds)
    if kind != "osdp" and reader.address:
        words = _('reader {name} is {kind} and has an address: leave it out, or say kind = "osdp"')
        yield words.format(name=name, kind=kind)
    if kind != "pcsc" and reader.pcsc is not None:
        words = _('reader {name} is {kind} and has a pcsc: leave it out, or say kind = "pcsc"')
        yield words.format(name=name, kind=kind)
    for door in sorted(set(reader.doors or ()) - doors):
        yield _("reader {name} stands at door {door}, and there is no [[door]] of that name").format(
            name=name, door=door
        )


def _of_one_bus(first: ReaderSettings, second: ReaderSettings) -> Iterator[str]:
    names = {"first": first.name, "second": second.name, "device": first.device}
    if first.address == second.address:
        words = _("readers {first} and {second} have the same address {address} on {device}: give each its own")
        yield words.format(address=first.address, **names)
    if first.baud != second.baud:
        words = _("readers {first} and {second} are on the same bus {device} and have another baud: give both the same")
        yield words.format(**names)


def _pairs(readers: Sequence[ReaderSettings]) -> Iterator[tuple[ReaderSettings, ReaderSettings]]:
    for number, first in enumerate(readers):
        for second in readers[number + 1 :]:
            yield first, second
