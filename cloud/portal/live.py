"""Ties a page's fragment to the stream that keeps it up to date."""

from collections.abc import Callable, Mapping

from fastapi import Response

from cloud.errors import NotFound
from cloud.portal.visits import Visit, visit_of
from cloud.wakeups import Topic


def live(visit: Visit, fragment: str, given: Callable[[Visit], Mapping[str, object]], *topics: Topic) -> Response:
    """Stream a fragment, made from what `given` finds, to who is logged in now and for as long as they are.

    It also ends when there is nothing to find any more; the page is then asked for again and says so.
    """
    portal, request, language = visit.portal, visit.request, visit.language

    def look() -> str | None:
        with portal.database.reading() as rows:
            now = visit_of(portal, request, rows)
            if now.known is None:
                return None
            try:
                return portal.pages.render(language, fragment, now=now.now, **given(now))
            except NotFound:
                return None

    return portal.streams.answer(look, *topics)
