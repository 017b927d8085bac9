"""The cookies of the portal: their names, and what a browser may do with them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from fastapi import Request, Response

ONE_YEAR: Final = 365 * 24 * 3600
ONE_HOUR: Final = 3600
ONE_MINUTE: Final = 60


class Cookie(StrEnum):
    """What is kept in a browser: who is logged in, the token of the login form, the language, a line to show once."""

    SESSION = "session"
    LOGIN_FORM = "login-form"
    LANGUAGE = "language"
    NOTE = "note"


LIFETIMES: Final = {
    Cookie.SESSION: None,  # until the browser closes; the cloud's own time-out comes first
    Cookie.LOGIN_FORM: ONE_HOUR,
    Cookie.LANGUAGE: ONE_YEAR,
    Cookie.NOTE: ONE_MINUTE,
}


@dataclass(frozen=True, slots=True)
class Cookies:
    """Reads and writes them; over https a browser takes them from this very host only (RFC 6265bis, `__Host-`)."""

    https: bool

    def name(self, cookie: Cookie) -> str:
        """What the browser calls it."""
        return f"__Host-grindvakt-{cookie}" if self.https else f"grindvakt-{cookie}"

    def get(self, request: Request, cookie: Cookie) -> str | None:
        """What the browser sent."""
        return request.cookies.get(self.name(cookie))

    def put(self, response: Response, cookie: Cookie, value: str) -> None:
        """Have the browser keep it."""
        response.set_cookie(
            self.name(cookie), value, LIFETIMES[cookie], path="/", secure=self.https, httponly=True, samesite="lax"
        )

    def drop(self, response: Response, cookie: Cookie) -> None:
        """Have the browser forget it."""
        response.delete_cookie(self.name(cookie), path="/", secure=self.https, httponly=True, samesite="lax")
