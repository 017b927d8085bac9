"""Turns templates into pages, in a visitor's language."""

from pathlib import Path
from typing import Final

from babel.support import Translations
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cloud.portal import words
from cloud.portal.assets import Assets
from cloud.portal.languages import OWN_NAMES, Language, translations
from cloud.portal.moments import Moments

TEMPLATES: Final = Path(__file__).parent / "templates"


class Pages:
    """All templates, once for each language. What a template names and nobody gave is an error, not an empty place."""

    def __init__(self, assets: Assets) -> None:
        self._texts = {language: translations(language) for language in Language}
        self._environments = {each: _environment(each, texts, assets) for each, texts in self._texts.items()}

    def render(self, language: Language, template: str, **given: object) -> str:
        """A page, or with a name that starts with _ a fragment of one."""
        return self._environments[language].get_template(template).render(given)

    def say(self, language: Language, text: str) -> str:
        """One text outside a template."""
        return self._texts[language].gettext(text)

    def say_number(self, language: Language, texts: tuple[str, str], number: int) -> str:
        """One text that depends on a number, `%(num)s`."""
        return self._texts[language].ngettext(*texts, number) % {"num": number}


def _environment(language: Language, texts: Translations, assets: Assets) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        extensions=["jinja2.ext.i18n"],
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.install_gettext_translations(texts, newstyle=True)  # type: ignore[attr-defined]
    environment.globals.update(
        asset=assets.address,
        language=language.value,
        languages={each.value: name for each, name in OWN_NAMES.items()},
        moments=Moments(language),
        words=words,
    )
    return environment
