"""Judges what the daemon knows of the cloud: whether it hears it, where it is bound, and which tables it has."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from edge.doctor import Finding, bad, doubtful, good, unknown
from edge.settings import CardSettings, DoorSettings
from edge.words import _
from protocol.decision import CardAuthentication

CLOUD: Final = "cloud"
BINDING: Final = "binding"
TABLES: Final = "tables"
PATIENCE: Final = timedelta(minutes=10)
"""A receipt takes seconds; an entry that waits for so long while there is a link waits for somebody."""

Told = Mapping[str, Any]
"""The daemon's own status."""


def judge_cloud(told: Told | None) -> Iterator[Finding]:
    """Whether it is heard and takes what is sent; `told` is the daemon's status, None where it gave none."""
    if told is None:
        yield unknown(CLOUD, _("only the daemon knows, and it gave no answer"))
        return
    yield _judge_link(told)
    if told["ledger"]["behind"]:
        found = _("{count} entries of damaged ledgers are still to be sent").format(count=told["ledger"]["behind"])
        yield doubtful(CLOUD, found, _("keep the terminal connected; they go by themselves"))


def _judge_link(told: Told) -> Finding:
    waiting, oldest = told["queue"]["depth"], told["queue"]["oldest_unsent"]
    words = _("{count} entries wait for their receipt").format(count=waiting) if waiting else _("all entries receipted")
    if oldest is not None:
        words = _("{words}, the oldest of {time}").format(words=words, time=oldest[:16].replace("T", " "))
    if not told["link"]["online"]:
        found = _("offline; {words}").format(words=words)
        return bad(CLOUD, found, _("taps are recorded and sent later; the broker's line here says what is wrong"))
    if oldest is not None and datetime.fromisoformat(told["clock"]["utc"]) - datetime.fromisoformat(oldest) > PATIENCE:
        found = _("connected, and no receipt comes: {words}").format(words=words)
        return bad(CLOUD, found, _("the cloud takes nothing in: tell its staff; nothing is lost here meanwhile"))
    silent = told["link"]["silent_seconds"]
    if silent is None:
        found = _("connected, and nothing was heard that the cloud has signed; {words}").format(words=words)
        return doubtful(CLOUD, found, _("wait a minute; else compare link.signing_keys with the key in the portal"))
    heard = _("heard {ago} ago").format(ago=_span(silent))
    return good(CLOUD, _("connected, {heard}; {words}").format(heard=heard, words=words))


def judge_binding(bound: Told | None, doors: Sequence[DoorSettings]) -> Iterator[Finding]:
    """Where it is bound, and whether binding and settings mean the same doors."""
    if bound is None:
        found = _("not bound to a project: it refuses every tap and blinks red")
        yield bad(BINDING, found, _("bind it in the portal, under the project's terminals"))
        return
    words = f"{bound['project_name']}, {bound['place']} ({bound['mode']})"
    if bound["ended"]:
        yield doubtful(
            BINDING, _("{words}: the project has ended").format(words=words), _("bind it to another project")
        )
    else:
        yield good(BINDING, words)
    here, named = {door.name for door in doors}, set(bound["doors"])
    for name in sorted(named - here):
        found = _("the portal lets taps open door {name}, which this terminal does not have").format(name=name)
        yield bad(BINDING, found, _('add [[door]] with name = "{name}", or correct it in the portal').format(name=name))
    for name in sorted(here - named):
        found = _("no tap opens door {name}: the binding does not name it").format(name=name)
        yield doubtful(BINDING, found, _("name it in the portal, or take it out of the settings"))


def judge_proof(bound: Told | None, cards: CardSettings) -> Iterator[Finding]:
    """Whether cards can be asked for the proof that the project wants."""
    if bound is None or bound["card_authentication"] == CardAuthentication.OFF or cards.issuers:
        return
    advice = _("put the certificate of who issues the cards on this terminal, and name it in [cards] issuers")
    if bound["card_authentication"] == CardAuthentication.REQUIRE:
        found = _("the project admits only cards that prove themselves, and no issuer is named here: nobody comes in")
        yield bad(BINDING, found, advice)
    else:
        found = _("the project asks cards to prove themselves, and no issuer is named here: none is asked")
        yield doubtful(BINDING, found, advice)


def judge_tables(versions: Mapping[str, int], lacking: Sequence[str]) -> Finding:
    """Whether everything has come that the binding names."""
    words = ", ".join(f"{name} {version}" for name, version in sorted(versions.items())) or _("none")
    if lacking:
        found = _("not here yet: {names} (here: {words})").format(names=", ".join(lacking), words=words)
        return bad(TABLES, found, _("they are asked for every few seconds while there is a link; see broker and cloud"))
    return good(TABLES, words)


def _span(seconds: float) -> str:
    if seconds < 120:
        return _("{number} s").format(number=round(seconds))
    if seconds < 7200:
        return _("{number} min").format(number=round(seconds / 60))
    return _("{number} h").format(number=round(seconds / 3600))
