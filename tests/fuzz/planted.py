"""Parsers with a fault each: a rig that does not find these would find nothing else either."""

import zlib
from collections.abc import Mapping
from typing import Final

from tests.fuzz.target import KIB, Target

WORDS: Final = {number: str(number) for number in range(200)}


def _knows_no_such_byte(given: bytes) -> str:
    """Raises KeyError behind a right beginning, for a byte from 200 on."""
    if given[:2] != b"gv" or len(given) < 3:
        raise ValueError("it begins otherwise")
    return WORDS[given[2]]


def _hidden(given: bytes) -> None:
    """Only who is led from step to step comes to the fault."""
    if given[:1] != b"g":
        return
    if given[1:2] != b"v":
        return
    if given[2:3] != b"1":
        return
    raise KeyError(given)


def _grows(given: bytes) -> bytes:
    """Unpacks whatever it is sent."""
    return zlib.decompress(given)


TARGETS: Final[Mapping[str, Target]] = {
    "planted-byte": Target(_knows_no_such_byte, (ValueError,), (b"gv\x00",)),
    "planted-depth": Target(_hidden, (), (b"0000",)),
    "planted-growth": Target(_grows, (zlib.error,), (zlib.compress(b"x"), zlib.compress(bytes(8 * KIB * KIB)))),
    "planted-none": Target(lambda given: given[:2] == b"gv", (), (b"gv",)),
}
