"""Says in words what a setting is for and what it may be; messages and the reference page use the same words."""

from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from msgspec import Meta

from edge.words import _, msgid

WORDS: Final = {
    bool: msgid("true or false"),
    Path: msgid("a path"),
    str: msgid("text"),
    int: msgid("a whole number"),
    float: msgid("a number"),
}


def meaning(hint: Any) -> str:
    """The setting's description."""
    return " ".join(_(note.description) for note in _notes(hint) if note.description)


def is_list(hint: Any) -> bool:
    """Says whether it takes several values; in the environment they are separated by commas."""
    return get_origin(_bare(hint)) is tuple


def form(hint: Any) -> str:
    """What may be written there, e.g. `a whole number from 1 to 65535`."""
    for note in _notes(hint):
        if note.extra and "form" in note.extra:
            return _(str(note.extra["form"]))
    bare = _bare(hint)
    if get_origin(bare) in {Union, UnionType}:
        return form(next(each for each in get_args(bare) if each is not NoneType))
    if get_origin(bare) is tuple:
        return _("a list, each {form}").format(form=form(get_args(bare)[0]))
    choices = get_args(bare) if get_origin(bare) is Literal else () if bare in WORDS else tuple(bare)
    if choices:
        return _(" or ").join(str(choice) for choice in choices)
    return _(WORDS[bare]) + "".join(_range(note) for note in _notes(hint))


def _range(note: Meta) -> str:
    if note.ge is None or note.le is None:
        return ""
    return _(" from {least} to {most}").format(least=note.ge, most=note.le)


def _notes(hint: Any) -> list[Meta]:
    return [note for note in getattr(hint, "__metadata__", ()) if isinstance(note, Meta)]


def _bare(hint: Any) -> Any:
    bare = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    return getattr(bare, "__supertype__", bare)
