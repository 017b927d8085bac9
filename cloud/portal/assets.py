"""Style sheets, scripts and pictures: our own, and the few files of npm's packages that pages name."""

import gzip
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request, Response

from cloud.errors import AssetMissing

OWN: Final = Path(__file__).parent / "static"
# name in the address -> path below node_modules; nothing else of node_modules can be asked for
VENDOR: Final = {
    "tabler.css": "@tabler/core/dist/css/tabler.min.css",
    "htmx.js": "htmx.org/dist/htmx.min.js",
    "htmx-sse.js": "htmx-ext-sse/dist/sse.min.js",
    "inter.woff2": "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2",
    "inter-more.woff2": "@fontsource-variable/inter/files/inter-latin-ext-wght-normal.woff2",
}
KINDS: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
PACKED_ALREADY: Final = ".woff2"
FOR_EVER: Final = "public, max-age=31536000, immutable"
A_DAY: Final = "public, max-age=86400"  # for addresses without a version, as a style sheet names its fonts


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is served; `version` changes with its content, so browsers may keep it for ever."""

    kind: str
    content: bytes
    packed: bytes | None
    version: str


class Assets:
    """All files there are to serve, read once."""

    def __init__(self, node_modules: Path) -> None:
        self._files = {name: _read(path) for name, path in _paths(node_modules)}

    def address(self, name: str) -> str:
        """Where a page finds a file."""
        return f"/static/{name}?v={self._files[name].version}"

    def get(self, name: str) -> Asset | None:
        """A file by its name in the address."""
        return self._files.get(name)


router = APIRouter(include_in_schema=False)


@router.get("/static/{name}")
def asset(name: str, request: Request, v: str = "") -> Response:
    """One file, packed where the browser takes it so."""
    found: Asset | None = request.app.state.assets.get(name)
    if found is None:
        return Response(status_code=404)
    headers = {"cache-control": FOR_EVER if v == found.version else A_DAY, "vary": "accept-encoding"}
    if found.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        headers["content-encoding"] = "gzip"
        return Response(found.packed, media_type=found.kind, headers=headers)
    return Response(found.content, media_type=found.kind, headers=headers)


def _paths(node_modules: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(OWN.iterdir()):
        if path.suffix in KINDS:
            yield path.name, path
    for name, below in VENDOR.items():
        yield name, node_modules / below


def _read(path: Path) -> Asset:
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise AssetMissing(path) from exc
    packed = None if path.suffix == PACKED_ALREADY else gzip.compress(content, 6, mtime=0)
    return Asset(KINDS[path.suffix], content, packed, hashlib.sha256(content).hexdigest()[:12])
