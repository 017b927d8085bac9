"""Builds the portal: an ASGI application that writes rows and shows them, and knows nothing of broker and keys."""

from fastapi import FastAPI

from cloud.accounts import routes as accounts
from cloud.attendance import routes as attendance
from cloud.clock import Clock
from cloud.config import Settings
from cloud.database import Database
from cloud.people import routes as people
from cloud.portal import assets, health
from cloud.portal.cookies import Cookies
from cloud.portal.faults import answer_faults
from cloud.portal.forms import LARGEST
from cloud.portal.headers import SecurityHeaders, security_headers
from cloud.portal.pages import Pages
from cloud.portal.streams import Pace, Streams
from cloud.portal.visits import Portal
from cloud.units import routes as units
from cloud.wakeups import Wakeups


def build_web(
    config: Settings, database: Database, wakeups: Wakeups, clock: Clock, pace: Pace | None = None
) -> FastAPI:
    """The portal. Before its server stops, end the open pages with `app.state.portal.streams.close()`.

    Raises AssetMissing.
    """
    https = config.base_url.startswith("https://")
    files = assets.Assets(config.node_modules)
    app = FastAPI(title="Grindvakt", docs_url=None, redoc_url=None, max_body_size=LARGEST)
    app.state.assets = files
    app.state.portal = Portal(config, database, clock, Cookies(https), Pages(files), Streams(wakeups, pace))
    app.add_middleware(SecurityHeaders, headers=security_headers(https=https))
    for subject in (assets, health, accounts, attendance, people, units):
        app.include_router(subject.router)
    answer_faults(app)
    return app
