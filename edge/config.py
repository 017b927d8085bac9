"""Reads the terminal's settings once, completely: TOML, then the environment, all mistakes answered together."""

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Final, TypeVar, get_type_hints

import msgspec

from edge.doors.contradictions import contradictions, pins_of
from edge.errors import ConfigInvalid
from edge.forms import form, is_list, meaning
from edge.readers.contradictions import contradictions as of_readers
from edge.settings import (
    MOST_OF_A_KIND,
    REPEATED,
    SINGLE,
    CardSettings,
    DoorSettings,
    LinkSettings,
    PanelSettings,
    ReaderSettings,
    Settings,
    SignalSettings,
    TerminalSettings,
)
from edge.words import _
from protocol.cards import CardId
from protocol.errors import CardIdInvalid

DEFAULT_PATH: Final = Path("/etc/grindvakt/terminal.toml")
EXIT_CONFIG: Final = 78  # EX_CONFIG of sysexits.h: systemd does not try again
PREFIX: Final = "GRINDVAKT_"
LARGEST_FILE: Final = 256 * 1024

S = TypeVar(
    "S", TerminalSettings, LinkSettings, SignalSettings, CardSettings, PanelSettings, ReaderSettings, DoorSettings
)


def load(path: Path, environment: Mapping[str, str], *, thorough: bool = False) -> Settings:
    """Read the file and what the environment overrides. Raises ConfigInvalid with every mistake there is.

    `thorough`: files that are wrong are mistakes too; a daemon says so and goes on without them.
    """
    document = _document(path)
    reading = Reading(path.parent.absolute(), dict(_overrides(environment)))
    reading.unknown_words(document)
    terminal = reading.section("terminal", TerminalSettings, document.get("terminal", {}))
    link = reading.section("link", LinkSettings, document.get("link", {}))
    signals = reading.section("signals", SignalSettings, document.get("signals", {}))
    cards = reading.section("cards", CardSettings, document.get("cards", {}))
    panel = reading.section("panel", PanelSettings, document.get("panel", {}))
    readers = reading.sections("reader", ReaderSettings, document.get("reader", []))
    doors = reading.sections("door", DoorSettings, document.get("door", []))
    problems = [*reading.problems, *_contradictions(link, signals, readers, doors)]
    problems += [*_unreadable(panel), *(_untrusted(cards) if thorough else ())]
    if "reader" not in document:
        problems.append(_("[[reader]] is missing: without a reader nobody can tap"))
    if problems or terminal is None or link is None or signals is None or panel is None or cards is None:
        raise ConfigInvalid(path, problems)
    return Settings(path, terminal, link, signals, tuple(readers), tuple(doors), panel, cards)


def _document(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
    except OSError as exc:
        raise ConfigInvalid(path, [_("it cannot be read: {reason}").format(reason=exc.strerror)]) from exc
    if len(raw) > LARGEST_FILE:
        raise ConfigInvalid(
            path, [_("it is larger than {most} bytes, so it is hardly the right file").format(most=LARGEST_FILE)]
        )
    try:
        return tomllib.loads(raw.decode())
    except UnicodeDecodeError as exc:
        raise ConfigInvalid(
            path, [_("it is not UTF-8 text: line {line}").format(line=raw[: exc.start].count(10) + 1)]
        ) from exc
    except (tomllib.TOMLDecodeError, RecursionError) as exc:
        raise ConfigInvalid(path, [_not_toml(raw, str(exc))]) from exc


def _not_toml(raw: bytes, reason: str) -> str:
    """What tomllib says, and the line that it means."""
    named, lines = re.search(r"at line (\d+)", reason), raw.decode(errors="replace").splitlines()
    if named is None or not 0 < int(named[1]) <= len(lines):
        return _("it is not TOML: {reason}").format(reason=reason)
    line = _shortened(lines[int(named[1]) - 1].strip())
    return _("it is not TOML: {reason}, which is {line}").format(reason=reason, line=line)


def _overrides(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """("link.host", value) of every variable written as GRINDVAKT_LINK__HOST; the cloud's sections are not ours."""
    for name, value in sorted(environment.items()):
        section, separator, key = name.removeprefix(PREFIX).lower().partition("__")
        if name.startswith(PREFIX) and separator and difflib.get_close_matches(section, [*SINGLE, *REPEATED], 1, 0.8):
            yield f"{section}.{key}", value


@dataclass(slots=True)
class Reading:
    """One pass over a document: paths are relative to `folder`, mistakes are gathered in `problems`."""

    folder: Path
    overrides: dict[str, str]
    problems: list[str] = field(default_factory=list)

    def unknown_words(self, document: Mapping[str, object]) -> None:
        """Sections nobody reads, and variables that override nothing."""
        for section in sorted(document.keys() - SINGLE.keys() - REPEATED.keys()):
            self.problems.append(
                _("[{section}] is no section{nearest}").format(
                    section=section, nearest=_nearest(section, [*SINGLE, *REPEATED])
                )
            )
        possible = [f"{section}.{each.name}" for section, kind in SINGLE.items() for each in fields(kind)]
        for key in sorted(self.overrides.keys() - set(possible)):
            nearest = _nearest(_variable(key), [_variable(name) for name in possible])
            self.problems.append(
                _("environment {key} overrides nothing{nearest}").format(key=_variable(key), nearest=nearest)
            )

    def sections(self, name: str, kind: type[S], given: object) -> list[S]:
        """All sections [[name]] that are right."""
        if not isinstance(given, list):
            self.problems.append(_("{name} must be written as [[{name}]], once for each").format(name=name))
            return []
        if len(given) > MOST_OF_A_KIND:
            self.problems.append(
                _("[[{name}]] is there {given} times, at most {most} can be served").format(
                    name=name, given=len(given), most=MOST_OF_A_KIND
                )
            )
        read = [self.section(f"{name} {number}", kind, each) for number, each in enumerate(given, 1)]
        return [each for each in read if each is not None]

    def section(self, where: str, kind: type[S], given: object) -> S | None:
        """The section as its dataclass, or None where something in it was wrong."""
        if not isinstance(given, dict):
            self.problems.append(_("{where} must be a section, written as [{where}]").format(where=where))
            return None
        before = len(self.problems)
        hints = get_type_hints(kind, include_extras=True)
        for key in sorted(given.keys() - hints.keys()):
            self.problems.append(
                _("{where}.{key} is no setting{nearest}").format(where=where, key=key, nearest=_nearest(key, hints))
            )
        values: dict[str, Any] = {}
        for each in fields(kind):
            key, hint = f"{where}.{each.name}", hints[each.name]
            if key in self.overrides:
                text = self.overrides[key]
                values[each.name] = self._value(_variable(key), text.split(",") if is_list(hint) else text, hint, False)
            elif each.name in given:
                values[each.name] = self._value(key, given[each.name], hint, True)
            elif each.default is MISSING:
                self.problems.append(_("{key} is missing: {meaning}").format(key=key, meaning=meaning(hint)))
        return kind(**values) if len(self.problems) == before else None

    def _value(self, label: str, given: object, hint: Any, strict: bool) -> object:
        try:
            return msgspec.convert(given, hint, strict=strict, dec_hook=self._path)
        except (msgspec.ValidationError, NotImplementedError):
            words = _("{label} = {given} does not fit: expected {form}")
            if strict and isinstance(given, str) and self._fits_unquoted(given, hint):
                words = _("{label} = {given} does not fit: expected {form}, without quotation marks")
            self.problems.append(words.format(label=label, given=_shortened(given), form=form(hint)))
            return None

    def _fits_unquoted(self, given: str, hint: Any) -> bool:
        try:
            msgspec.convert(given, hint, strict=False, dec_hook=self._path)
        except (msgspec.ValidationError, NotImplementedError):
            return False
        return True

    def _path(self, kind: type, given: object) -> object:
        if kind is Path and isinstance(given, str) and given:
            return self.folder / given
        raise NotImplementedError


def _variable(key: str) -> str:
    return PREFIX + key.replace(".", "__").upper()


def _nearest(word: str, possible: Iterable[str]) -> str:
    """`; did you mean X?`, or what there is to choose from."""
    known = sorted(possible)
    close = difflib.get_close_matches(word, known, 1)
    if close:
        return _("; did you mean {nearest}?").format(nearest=close[0])
    return _("; there are {known}").format(known=", ".join(known))


def _shortened(given: object) -> str:
    shown = repr(given)
    return shown if len(shown) <= 60 else f"{shown[:59]}…"


def _contradictions(
    link: LinkSettings | None, signals: SignalSettings | None, readers: list[ReaderSettings], doors: list[DoorSettings]
) -> Iterator[str]:
    """What is right by itself and wrong together."""
    if link is not None and not (link.signing_keys or link.signing_key_files):
        yield _("link.signing_keys is missing: without the cloud's public key nothing from it can be believed")
    yield from _twice("reader", "name", [reader.name for reader in readers])
    yield from _twice("door", "name", [door.name for door in doors])
    lights = [] if signals is None else [signals.red, signals.green, signals.buzzer]
    yield from _twice("signals and door", "pin", [*lights, *(pin for door in doors for pin in pins_of(door))])
    for door in doors:
        yield from contradictions(door)
    yield from of_readers(readers, {door.name for door in doors})


def _unreadable(panel: PanelSettings | None) -> Iterator[str]:
    for text in () if panel is None else panel.cards:
        try:
            CardId.parse(text.partition(" ")[0])
        except CardIdInvalid as fault:
            yield _("panel.cards = {text}: {fault}").format(text=_shortened(text), fault=fault)


def _untrusted(cards: CardSettings | None) -> Sequence[str]:
    """What is wrong with the files of issuers; X.509 is loaded only where there are some."""
    if cards is None or not cards.issuers:
        return ()
    from edge.piv.trusted import load as load_issuers

    return load_issuers(cards.issuers).problems


def _twice(section: str, key: str, values: list[Any]) -> Iterator[str]:
    for value in sorted({value for value in values if values.count(value) > 1}):
        yield _("{section}.{key} = {value!r} stands more than once: each needs its own").format(
            section=section, key=key, value=value
        )
