"""What an OSDP bus brings in: frames to libosdp, a card's bits, and the file of keys that somebody may have changed."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from edge.errors import ReaderKeysUnusable
from edge.readers.osdp.cards import card_of
from edge.readers.osdp.keys import Keys, ReaderKeys
from edge.readers.osdp.library import CardRead, Panel, Peer
from tests.fuzz.target import Target

ADDRESS: Final = 1
_READER: Final = 0x80
_PDID: Final = b"\x45" + bytes(12)
_PDCAP: Final = b"\x46\x09\x01\x01\x04\x01\x01"


class _Wire:
    """A line that gives what it is given, and knows the number of the packet that waits for an answer."""

    def __init__(self) -> None:
        self.waiting = b""
        self.sequence = 0

    def read(self, most: int) -> bytes:
        """For libosdp."""
        taken, self.waiting = self.waiting[:most], self.waiting[most:]
        return taken

    def write(self, packet: bytes) -> int:
        """For libosdp."""
        self.sequence = packet[packet.find(0x53) + 4] & 3
        return len(packet)

    def answer(self, body: bytes) -> None:
        """A whole packet around whatever body, as the reader that is asked would send it (OSDP 2.2, packet format)."""
        size = len(body) + 7
        packet = bytes([0x53, ADDRESS | _READER, size & 0xFF, size >> 8, 0x04 | self.sequence]) + body
        self.waiting = packet + _crc(packet).to_bytes(2, "little")


def _crc(packet: bytes) -> int:
    """CRC-16 as OSDP has it: polynomial 0x1021, begun with 0x1D0F."""
    crc = 0x1D0F
    for byte in packet:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


_wire: Final = _Wire()
_panel: Final = Panel([Peer(ADDRESS, bytes(16), secure=False)], _wire)


def _turn(times: int) -> None:
    for _ in range(times):
        _panel.refresh()


def _bus(given: bytes) -> None:
    """A reader that answers so many questions well, and then this; nothing it says outside of a channel is believed."""
    _panel.disable(ADDRESS)
    _turn(3)
    _panel.enable(ADDRESS)
    _turn(2)
    for well in (_PDID, _PDCAP)[: given[0] % 3 if given else 0]:
        _wire.answer(well)
        _turn(4)
    if given and given[0] & 0x80:
        _wire.waiting = given[1:]
    else:
        _wire.answer(given[1:200])
    _turn(4)
    _panel.found(ADDRESS)
    assert ADDRESS not in _panel.secure()


def _card(given: bytes) -> None:
    bits = int.from_bytes(given[:2], "big")
    card = card_of(CardRead(bits, given[2:]), reversed_bytes=bool(bits & 1))
    assert isinstance(card, str) or len(card.value) * 4 == bits


_folder: Final = tempfile.TemporaryDirectory()
_store: Final = ReaderKeys(Path(_folder.name), {})
_store.put("in", Keys(bytes(16), bytes(16)))
_KEYS: Final = _store.path.read_bytes()


def _keys(given: bytes) -> None:
    _store.path.write_bytes(given)
    _store.of("in")


OSDP: Final[Mapping[str, Target]] = {
    "osdp-bus": Target(
        _bus,
        (),
        tuple(bytes([number]) + body for number in (0, 1, 2, 0x80) for body in (_PDID, _PDCAP, b"\x41\x06", b"\x76")),
        share=8,
    ),
    "osdp-card": Target(_card, (), (b"\x00\x20\x04\xa1\xb2\xc3", b"\x00\x1a\x04\xa1\xb2\x40")),
    "reader-keys": Target(_keys, (ReaderKeysUnusable,), (_KEYS, b""), share=16),
}
