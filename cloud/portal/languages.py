"""The portal's languages: texts read from .po files at start, and which language a visitor gets."""

from enum import StrEnum
from io import BytesIO
from pathlib import Path
from typing import Final

from babel import negotiate_locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

FOLDER: Final = Path(__file__).parent / "translations"


class Language(StrEnum):
    """A language the portal is written in; the first one is for visitors who ask for none of them."""

    SWEDISH = "sv"
    ENGLISH = "en"


OWN_NAMES: Final = {Language.SWEDISH: "Svenska", Language.ENGLISH: "English"}


def msgid(text: str) -> str:
    """Mark a text of the code that a template translates later; the test of translations looks for this call."""
    return text


def msgids(one: str, many: str) -> tuple[str, str]:
    """Mark a text that depends on a number, `%(num)s`."""
    return one, many


def translations(language: Language, folder: Path = FOLDER) -> Translations:
    """The texts of a language."""
    with (folder / f"{language}.po").open("rb") as file:
        catalogue = read_po(file, locale=language.value, abort_invalid=True)
    packed = BytesIO()
    write_mo(packed, catalogue)
    packed.seek(0)
    return Translations(packed)


def preferred(chosen: str | None, accept_language: str) -> Language:
    """What the visitor chose before, else what the browser asks for (RFC 9110, 12.5.4), else Swedish."""
    if chosen in set(Language):
        return Language(chosen)
    asked = [tag for tag, _ in sorted(_weighted(accept_language), key=lambda pair: -pair[1])]
    found = negotiate_locale(asked, [language.value for language in Language], sep="-")
    return Language(found) if found else Language.SWEDISH


def _weighted(header: str) -> list[tuple[str, float]]:
    weighted = []
    for part in header[:200].split(","):
        tag, _, weight = part.partition(";q=")
        try:
            weighted.append((tag.strip(), float(weight or 1)))
        except ValueError:
            continue
    return weighted
