"""The live page: the newest taps, as they happen."""

from typing import Final

from fastapi import APIRouter, Response

from cloud.attendance.queries import newest_taps
from cloud.portal.live import live
from cloud.portal.visits import Reading, Visit, Watching
from cloud.wakeups import Topic

MOST: Final = 50

router = APIRouter(include_in_schema=False)


@router.get("/")
def taps_page(visit: Reading) -> Response:
    """The page with the taps of now; the stream takes over from there."""
    return visit.page("live.html", {"most": MOST, **_given(visit)})


@router.get("/live/taps")
def taps_stream(visit: Watching) -> Response:
    """The same fragment, whenever an entry came in."""
    return live(visit, "_taps.html", _given, Topic.ENTRIES)


def _given(visit: Visit) -> dict[str, object]:
    return {"taps": newest_taps(visit.rows, visit.account.scope, MOST)}
