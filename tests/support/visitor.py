"""Somebody with a browser that knows no JavaScript: visits pages of the portal, keeps cookies, sends forms."""

import html
import re
from typing import Final

from fastapi.testclient import TestClient
from httpx2 import Response

from tests.support.portal_site import PASSWORD

TOKEN: Final = re.compile(r'name="csrf" value="([^"]+)"')
TAGS: Final = re.compile(r"<(script|style)\b.*?</\1>|<[^>]+>", re.DOTALL)


class Visitor:
    """Visits; redirects are told, not followed, unless `follow` is used."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        client.follow_redirects = False

    def get(self, path: str, **headers: str) -> Response:
        """Ask for a page."""
        return self.client.get(path, headers=headers)

    def follow(self, response: Response) -> Response:
        """Go where an answer leads."""
        assert response.status_code == 303, response.text
        return self.get(response.headers["location"])

    def send(self, path: str, fields: dict[str, str | list[str]], form: str = "") -> Response:
        """Fill in and send the form of a page, by default of the one that has the same address."""
        token = TOKEN.search(self.get(form or path).text)
        assert token, f"{form or path} has no form"
        return self.client.post(path, data={"csrf": token[1], **fields})

    def log_in(self, login: str = "karin", password: str = PASSWORD, to: str = "/") -> Response:
        """Send the login form."""
        return self.send("/login", {"login": login, "password": password, "next": to})

    def log_out(self) -> Response:
        """Send the form of the log-out button."""
        return self.send("/logout", {}, "/")


def words_of(response: Response) -> str:
    """What a page says, without its tags and with single spaces."""
    return " ".join(html.unescape(TAGS.sub(" ", response.text)).split())
