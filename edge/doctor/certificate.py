"""Looks at the papers for the link: the terminal's certificate and key, the authority, and the cloud's signing keys."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edge.doctor import Finding, bad, doubtful, good, unknown
from edge.doctor.accounts import Account, mode_of
from edge.errors import LinkUnprepared
from edge.link.downlink import pinned_keys
from edge.settings import LinkSettings
from edge.words import _
from protocol.clock import MICROSECONDS, ClockReading

if TYPE_CHECKING:
    from cryptography import x509

PART: Final = "certificate"
SOON: Final = timedelta(days=14)
OTHERS: Final = 0o077
"""Mode bits of whoever is not the owner."""


@dataclass(frozen=True, slots=True)
class Papers:
    """What the files say. `missing` and `forbidden`: those that are not there, and that we may not read.

    `fits`: whether the key is that of the certificate; `chained`: whether the authority has signed it; None: not known.
    `shut_out`: the daemon's account, where it may not read the key; `open_key`: the key's mode, where others may.
    """

    missing: tuple[Path, ...] = ()
    forbidden: tuple[Path, ...] = ()
    wrong: str = ""
    name: str = ""
    begins: datetime | None = None
    ends: datetime | None = None
    authority_ends: datetime | None = None
    fits: bool | None = None
    chained: bool | None = None
    shut_out: str = ""
    open_key: str = ""
    signing: str = ""


def look_at_papers(link: LinkSettings, account: Account | None) -> Papers:
    """Read every file that the link needs."""
    files = (link.ca, link.certificate, link.key, *link.signing_key_files)
    missing = tuple(each for each in files if not os.access(each, os.F_OK))
    forbidden = tuple(each for each in files if each not in missing and not os.access(each, os.R_OK))
    if link.certificate in (*missing, *forbidden):
        return Papers(missing, forbidden)
    try:
        return _read(link, account, missing, forbidden)
    except (OSError, ValueError) as fault:
        return Papers(missing, forbidden, wrong=str(fault))


def _read(
    link: LinkSettings, account: Account | None, missing: tuple[Path, ...], forbidden: tuple[Path, ...]
) -> Papers:
    from cryptography import x509

    own = x509.load_pem_x509_certificate(link.certificate.read_bytes())
    names = own.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    absent = {*missing, *forbidden}
    authorities = [] if link.ca in absent else x509.load_pem_x509_certificates(link.ca.read_bytes())
    kept = None if link.key in missing else link.key.stat()
    may_read = kept is None or account is None or account.may(kept, os.R_OK)
    return Papers(
        missing,
        forbidden,
        name=str(names[0].value) if names else "",
        begins=own.not_valid_before_utc,
        ends=own.not_valid_after_utc,
        authority_ends=max((each.not_valid_after_utc for each in authorities), default=None),
        fits=None if link.key in absent else _fits(link.key, own),
        chained=any(_signed(own, each) for each in authorities) if authorities else None,
        shut_out="" if may_read or account is None else account.name,
        open_key="" if kept is None or not kept.st_mode & OTHERS else mode_of(kept),
        signing="" if absent.intersection(link.signing_key_files) else _signing(link),
    )


def judge_papers(papers: Papers, terminal: str, key: Path, now: ClockReading) -> Iterator[Finding]:
    """Whether the broker will let this terminal in; dates count only by a clock that can be trusted."""
    if papers.missing:
        names = ", ".join(map(str, papers.missing))
        found = _("not there: {names}").format(names=names)
        yield bad(PART, found, _("put the files of the cloud where [link] names them; until then taps stay here"))
    if papers.forbidden:
        names = ", ".join(map(str, papers.forbidden))
        yield unknown(PART, _("you may not read {names}").format(names=names), _("ask as root"))
    if papers.wrong:
        found = _("the certificate or its authority cannot be read: {why}").format(why=papers.wrong)
        yield bad(PART, found, _("they must be PEM files, as the cloud gave them"))
    if papers.begins is not None and papers.ends is not None:
        yield _judge_own(papers, terminal, (papers.begins, papers.ends), now)
    if papers.shut_out:
        found = _("{account} may not read the key {key}").format(account=papers.shut_out, key=key)
        yield bad(PART, found, _("`chown {account} {key}`").format(account=papers.shut_out, key=key))
    elif papers.open_key:
        found = _("others may read the key {key} ({mode})").format(key=key, mode=papers.open_key)
        yield doubtful(PART, found, _("`chmod 600 {key}`: who has it can pass for this terminal").format(key=key))
    if papers.signing:
        yield bad(PART, papers.signing, _("nothing from the cloud is believed: take its public key from the portal"))


def _judge_own(papers: Papers, terminal: str, span: tuple[datetime, datetime], now: ClockReading) -> Finding:
    if papers.name != terminal:
        found = _("the certificate is for {name}, and this terminal is {terminal}")
        found = found.format(name=papers.name, terminal=terminal)
        return bad(PART, found, _("correct `id` in [terminal], or use this terminal's own certificate"))
    if papers.fits is False:
        return bad(PART, _("the key is not that of the certificate"), _("use the two files that were made together"))
    if papers.chained is False:
        found = _("the authority in `ca` did not sign the certificate")
        return bad(PART, found, _("use certificate and authority of the same cloud"))
    return _judge_dates(papers, span, now)


def _judge_dates(papers: Papers, span: tuple[datetime, datetime], now: ClockReading) -> Finding:
    begins, ends = span
    at = datetime.fromtimestamp(now.utc / MICROSECONDS, UTC)
    words = _("{name}, valid until {end}").format(name=papers.name, end=f"{ends:%Y-%m-%d}")
    if not now.is_trusted:
        return good(PART, _("{words}; not compared with a clock that is wrong").format(words=words))
    renew = _("the cloud must give it a new one; `openssl x509 -enddate -noout -in FILE` shows the date of a file")
    if ends < at:
        return bad(PART, _("expired on {end}").format(end=f"{ends:%Y-%m-%d}"), renew)
    if papers.authority_ends is not None and papers.authority_ends < at:
        found = _("the authority in `ca` expired on {end}").format(end=f"{papers.authority_ends:%Y-%m-%d}")
        return bad(PART, found, _("take the cloud's new one"))
    if begins > at:
        found = _("not valid before {begin}").format(begin=f"{begins:%Y-%m-%d %H:%M}")
        return bad(
            PART, found, _("compare the clock with a watch; if it is right, ask the cloud for another certificate")
        )
    return doubtful(PART, words, renew) if ends - at < SOON else good(PART, words)


def _fits(key: Path, own: "x509.Certificate") -> bool:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return load_pem_private_key(key.read_bytes(), None).public_key() == own.public_key()


def _signed(own: "x509.Certificate", authority: "x509.Certificate") -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        own.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _signing(link: LinkSettings) -> str:
    try:
        pinned_keys(link)
    except LinkUnprepared as fault:
        return fault.reason
    return ""
