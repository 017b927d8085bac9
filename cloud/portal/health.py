"""Says to whoever watches the service whether it can do its work."""

from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from cloud.errors import DatabaseUnusable
from cloud.portal.visits import portal_of

router = APIRouter()


class Health(BaseModel):
    """Whether the service is up; with status 503 the database is not."""

    status: Literal["ok", "database_unusable"]


@router.get("/health", responses={503: {"model": Health, "description": "The database does not answer"}})
def health(request: Request, response: Response) -> Health:
    """Ask the database whether it is there."""
    try:
        portal_of(request).database.check()
    except DatabaseUnusable as exc:
        response.status_code = exc.status
        return Health(status="database_unusable")
    return Health(status="ok")
