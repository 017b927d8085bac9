"""The words of the commands in the language of whoever reads them: gettext's catalogues, and English without one.

The language is what the environment asks for, as everywhere else: LANGUAGE, LC_ALL, LC_MESSAGES or LANG (GNU gettext
manual, section 2.3). The catalogues are `translations/LANGUAGE.po`; installing compiles them.
"""

import gettext
from pathlib import Path
from typing import Final

DOMAIN: Final = "grindvakt"
FOLDER: Final = Path(__file__).parent / "translations"

_ = gettext.gettext
"""The text in the reader's language; give it a literal, and fill in its fields with `.format` afterwards."""


def msgid(text: str) -> str:
    """Mark a text that is translated later, where it is shown; the test of the catalogue looks for this call."""
    return text


def speak() -> None:
    """Speak the language that the environment asks for, from here on; argparse's own words too."""
    gettext.bindtextdomain(DOMAIN, FOLDER)
    gettext.textdomain(DOMAIN)


def speak_plainly() -> None:
    """Speak English from here on: a log is read by us and by programs."""
    gettext.textdomain("messages")
