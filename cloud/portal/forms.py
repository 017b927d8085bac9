"""What a form brought, as text of bounded length."""

from typing import Annotated, Final

from fastapi import Depends, Request
from starlette.datastructures import FormData

LARGEST: Final = 64 * 1024  # bytes of any request to the portal; the application enforces it
MOST_FIELDS: Final = 100
UNREADABLE: Final = "\N{REPLACEMENT CHARACTER}"  # for NUL, which PostgreSQL has no place for


class Posted:
    """The fields of a form; what is missing or is a file counts as empty."""

    def __init__(self, fields: FormData | None = None) -> None:
        self._fields = fields or FormData()

    def text(self, name: str, longest: int = 1000) -> str:
        """A field, cut at what anybody could mean."""
        return next(iter(self.texts(name, longest)), "")

    def texts(self, name: str, longest: int = 1000) -> list[str]:
        """All fields of a name, as tick boxes send them."""
        values = (value for value in self._fields.getlist(name) if isinstance(value, str))
        return [value[:longest].replace("\0", UNREADABLE) for value in values]


async def posted(request: Request) -> Posted:
    """The form of this request, read once; a GET has none."""
    if request.method != "POST":
        return Posted()
    return Posted(await request.form(max_files=0, max_fields=MOST_FIELDS))


PostedForm = Annotated[Posted, Depends(posted)]
