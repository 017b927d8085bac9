"""Knocks at the broker as the terminal would, step by step, and says at which step it ended and why."""

import secrets
import socket
import ssl
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from edge.clock.clock import Clock
from edge.doctor import Finding, bad, good, unknown
from edge.errors import LinkUnprepared
from edge.link.tls import tls_context
from edge.settings import LinkSettings
from edge.words import _

PART: Final = "broker"
PATIENCE: Final = 5.0

ACCEPTED: Final = 0
NOT_ALLOWED: Final = (4, 5)  # MQTT 3.1.1, table 3.1: bad user name or password, not authorised
NO_ANSWER: Final = -1
CONNACK: Final = b"\x20\x02"  # section 3.2.1

EXPIRED: Final = 10  # X509_V_ERR_CERT_HAS_EXPIRED, and the others of openssl/x509_vfy.h
NOT_YET: Final = 9
OTHER_NAME: Final = (62, 64)
OTHER_AUTHORITY: Final = (2, 18, 19, 20, 21)

OF_OURS: Final = {
    "CERTIFICATE_EXPIRED",
    "CERTIFICATE_REVOKED",
    "UNKNOWN_CA",
    "CERTIFICATE_REQUIRED",
    "BAD_CERTIFICATE",
    "CERTIFICATE_UNKNOWN",
    "ACCESS_DENIED",
}
"""The ends of OpenSSL's names for the alerts (RFC 8446, 6.2) by which a broker refuses our certificate."""


class Step(Enum):
    """How far it came; the last one that was begun."""

    PAPERS = auto()
    NAME = auto()
    TCP = auto()
    TLS = auto()
    MQTT = auto()
    DONE = auto()


@dataclass(frozen=True, slots=True)
class Knock:
    """One attempt: the step it ended at, `why` in the words of the machine, and the code of TLS or MQTT for it."""

    step: Step
    why: str = ""
    code: int = 0
    forbidden: bool = False


def knock(link: LinkSettings, clock: Clock) -> Knock:
    """Connect under a name of its own, so that the daemon's connection stays, say good-bye, and publish nothing."""
    try:
        context = tls_context(link, clock)
    except LinkUnprepared as fault:
        return Knock(Step.PAPERS, fault.reason, forbidden=isinstance(fault.__cause__, PermissionError))
    try:
        socket.getaddrinfo(link.host, link.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        return Knock(Step.NAME, getattr(exc, "strerror", None) or str(exc))
    try:
        raw = socket.create_connection((link.host, link.port), timeout=PATIENCE)
    except OSError as exc:
        return Knock(Step.TCP, exc.strerror or str(exc))
    with raw:
        return _speak(raw, context, link.host)


def _speak(raw: socket.socket, context: ssl.SSLContext, host: str) -> Knock:
    try:
        opened = context.wrap_socket(raw, server_hostname=host)
    except (OSError, ValueError) as exc:
        return Knock(Step.TLS, _reason(exc), getattr(exc, "verify_code", 0))
    with opened:
        try:
            opened.sendall(connect(f"doctor-{secrets.token_hex(6)}"))
            code = connack(opened.recv(4))
            if code == ACCEPTED:
                opened.sendall(b"\xe0\x00")  # DISCONNECT, section 3.14
        except OSError as exc:  # with TLS 1.3 a broker refuses our certificate only now
            return Knock(Step.MQTT, _reason(exc), NO_ANSWER)
    return Knock(Step.DONE) if code == ACCEPTED else Knock(Step.MQTT, "", code)


def connect(name: str) -> bytes:
    """The packet CONNECT of MQTT 3.1.1 (section 3.1): a clean session, no will, nothing kept."""
    body = b"\x00\x04MQTT\x04\x02\x00\x14" + len(name).to_bytes(2, "big") + name.encode("ascii")
    return b"\x10" + bytes([len(body)]) + body


def connack(answer: bytes) -> int:
    """The return code of a CONNACK (section 3.2); NO_ANSWER for anything else."""
    return answer[3] if len(answer) == 4 and answer.startswith(CONNACK) else NO_ANSWER


def judge_knock(tried: Knock, link: LinkSettings, *, online: bool) -> Finding:
    """Whether the broker lets this terminal in, and else who has to do what. `online`: the daemon says it is."""
    where = f"{link.host}:{link.port}"
    match tried.step:
        case Step.DONE:
            return good(PART, _("{where} lets this terminal in").format(where=where))
        case Step.PAPERS if tried.forbidden and online:
            return good(PART, _("the daemon is connected to {where}; only root may try it anew").format(where=where))
        case Step.PAPERS if tried.forbidden:
            return unknown(PART, _("not tried: you may not read the key"), _("ask as root"))
        case Step.PAPERS:
            found = _("not tried: the files of [link] cannot be used")
            return unknown(PART, found, _("first put right what is said of the certificate"))
        case Step.NAME:
            found = _("the name {host} is not known here: {why}").format(host=link.host, why=tried.why)
            return bad(
                PART,
                found,
                _("is there a network? `ip address`, `resolvectl query {host}`; compare link.host").format(
                    host=link.host
                ),
            )
        case Step.TCP:
            found = _("{where} does not answer: {why}").format(where=where, why=tried.why)
            return bad(
                PART, found, _("does a firewall let TCP port {port} out? is link.port right?").format(port=link.port)
            )
        case Step.TLS:
            return _judge_tls(tried, where, link)
        case _:
            return _judge_mqtt(tried, where)


def _judge_tls(tried: Knock, where: str, link: LinkSettings) -> Finding:
    if tried.code in OTHER_AUTHORITY:
        found = _("{where} shows a certificate of another authority than `ca`").format(where=where)
        return bad(
            PART, found, _("use the authority of this cloud; or somebody in between looks into TLS: ask the site")
        )
    if tried.code in OTHER_NAME:
        found = _("{where} shows a certificate for another name").format(where=where)
        return bad(PART, found, _("write the broker's own name after link.host, not its address or another name"))
    if tried.code == EXPIRED or "has expired" in tried.why:
        found = _("the certificate of {where} has expired, by the clock here").format(where=where)
        return bad(PART, found, _("compare the clock with a watch; if it is right, the cloud must renew it"))
    if tried.code == NOT_YET:
        found = _("the certificate of {where} is not valid yet, by the clock here").format(where=where)
        return bad(PART, found, _("the clock here is probably slow: see the clock"))
    if "WRONG_VERSION" in tried.why or "RECORD_LAYER" in tried.why:
        found = _("{where} does not speak TLS").format(where=where)
        return bad(PART, found, _("is link.port the one for mutual TLS (8883)?"))
    if _refuses_ours(tried.why):
        return _refused(tried, where)
    found = _("no TLS with {where}: {why}").format(where=where, why=tried.why)
    return bad(PART, found, _("is port {port} really the broker's? a firewall may cut TLS").format(port=link.port))


def _judge_mqtt(tried: Knock, where: str) -> Finding:
    if tried.code in NOT_ALLOWED:
        found = _("{where} knows this certificate and does not let it in (code {code})")
        found = found.format(where=where, code=tried.code)
        return bad(PART, found, _("was the terminal revoked, or never joined to this cloud? see the portal"))
    if tried.code == NO_ANSWER:
        return _refused(tried, where)
    found = _("{where} does not take connections now (code {code})").format(where=where, code=tried.code)
    return bad(PART, found, _("the cloud's staff must look at the broker; taps are recorded meanwhile"))


def _refused(tried: Knock, where: str) -> Finding:
    found = _("{where} refuses this terminal's certificate: {why}").format(where=where, why=tried.why or _("no word"))
    return bad(PART, found, _("is it expired, revoked, or of another cloud? see the certificate and the portal"))


def _refuses_ours(why: str) -> bool:
    return "ALERT" in why and any(each in why for each in OF_OURS)


def _reason(exc: OSError | ValueError) -> str:
    """OpenSSL's short name of what happened, else the words of whoever raised it."""
    named = getattr(exc, "reason", None)
    told = getattr(exc, "verify_message", None)
    return str(told or named or getattr(exc, "strerror", None) or exc)
