"""Makes simulated PIV cards in folders, for the virtual reader: good ones, copies, and others that are wrong."""

import argparse
import secrets
import sys
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from edge.errors import SimulatedCardUnusable
from edge.piv.applet import Manners, PivCard
from edge.piv.issuer import Algorithm
from edge.piv.kept import Kept, issuer_in, keep, take
from protocol.cards import UID_LENGTHS

GUID_SIZE = 16


def main(arguments: list[str] | None = None) -> None:
    """Issue a card, or copy one."""
    asked = _parser().parse_args(arguments)
    try:
        made = _issue(asked) if asked.act == "issue" else _copy(asked)
        keep(made, asked.folder)
    except (SimulatedCardUnusable, OSError) as fault:
        sys.exit(str(fault))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m edge.piv", description=__doc__)
    acts = parser.add_subparsers(dest="act", required=True)
    issue = acts.add_parser("issue", help="a card as an issuer hands it out")
    issue.add_argument("folder", type=Path, help="where the card is kept")
    issue.add_argument("--issuer", type=Path, help="the issuer's folder, made where there is none; none: self-signed")
    issue.add_argument(
        "--guid", type=_guid, default=None, help="32 hexadecimal digits; chance decides where none is named"
    )
    issue.add_argument("--uid", type=_uid, default=b"", help="the chip's serial; none: another at each touch")
    issue.add_argument(
        "--algorithm", type=Algorithm, choices=list(Algorithm), default=Algorithm.P256, help="of the card's key"
    )
    issue.add_argument("--compressed", action="store_true", help="keep the certificate compressed")
    copy = acts.add_parser("copy", help="all that can be read of a card, with a key of the copier's")
    copy.add_argument("original", type=Path, help="the folder of the card")
    copy.add_argument("folder", type=Path, help="where the copy is kept")
    copy.add_argument("--bare", action="store_true", help="the CHUID alone: no certificate and no key")
    return parser


def _guid(text: str) -> bytes:
    return _digits(text, {GUID_SIZE})


def _uid(text: str) -> bytes:
    return _digits(text, UID_LENGTHS)


def _digits(text: str, sizes: Collection[int]) -> bytes:
    expected = " or ".join(str(size * 2) for size in sorted(sizes))
    try:
        given = bytes.fromhex(text)
    except ValueError:
        given = b""
    if len(given) not in sizes:
        raise argparse.ArgumentTypeError(f"{text!r}: expected {expected} hexadecimal digits")
    return given


def _issue(asked: argparse.Namespace) -> Kept:
    guid = asked.guid or secrets.token_bytes(GUID_SIZE)
    issuer = issuer_in(asked.issuer) if asked.issuer else None
    card = PivCard.issued(guid, issuer, asked.algorithm, manners=Manners(compressed=asked.compressed))
    return Kept(card, asked.uid or None)


def _copy(asked: argparse.Namespace) -> Kept:
    original = take(asked.original)
    return replace(original, card=original.card.without_key() if asked.bare else original.card.copied())


if __name__ == "__main__":
    main()
