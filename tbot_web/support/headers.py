"""What every answer carries, errors included: nothing foreign runs, nothing is framed or kept that should not be."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, request

from tbot_bot.api.errors import ApiError
from tbot_web.support.binding import LOOPBACK_NAMES
from tbot_web.support.page import Page

BODY_LIMIT_BYTES = 128 * 1024
_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors "
)
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_A_YEAR = "public, max-age=31536000, immutable"


def install(app: Flask, host: str, panels: Mapping[str, Page]) -> None:
    """Answer only to our own names, refuse large bodies, and head every answer; `panels` by their prefix."""
    allowed = LOOPBACK_NAMES | {host.lower()}
    app.config["MAX_CONTENT_LENGTH"] = BODY_LIMIT_BYTES

    def require_own_host() -> None:
        name = _host_name(request.headers.get("Host", ""))
        if name not in allowed:
            raise _foreign_host(name)

    def add_headers(response: Response) -> Response:
        framed_by = "'self'" if _is_panel(panels) else "'none'"
        response.headers.update(_ALWAYS)
        response.headers["Content-Security-Policy"] = _POLICY + framed_by
        response.headers["Cache-Control"] = _keeping(app, response)
        if request.is_secure:
            response.headers["Strict-Transport-Security"] = "max-age=31536000"
        return response

    app.before_request(require_own_host)
    app.after_request(add_headers)
    app.url_defaults(lambda endpoint, values: _add_version(app, endpoint, values))


def _host_name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _foreign_host(name: str) -> ApiError:
    return ApiError.of(
        421,
        "foreign_host",
        "This portal does not answer to that name",
        f"The request was for {name or 'no host'}; the portal answers to its own host names only.",
        "Open it by the address that was printed at the start, for example http://127.0.0.1 with its port.",
    )


def _is_panel(panels: Mapping[str, Page]) -> bool:
    """By address, so that an error in a panel's place is shown in its frame and not swallowed."""
    first = "/" + request.path.removeprefix("/").partition("/")[0]
    return first in panels


def _keeping(app: Flask, response: Response) -> str:
    if request.endpoint != "static" or response.status_code >= 400:  # noqa: PLR2004 - an error is never kept
        return "no-store"
    named = request.args.get("v")
    filename = (request.view_args or {}).get("filename", "")
    return _A_YEAR if named and named == _version(app, filename) else "no-cache"


def _add_version(app: Flask, endpoint: str, values: dict[str, Any]) -> None:
    if endpoint == "static" and "v" not in values and (version := _version(app, values["filename"])):
        values["v"] = version


def _version(app: Flask, filename: str) -> str | None:
    path = Path(app.static_folder or "") / filename
    try:
        return _digest(path, path.stat().st_mtime_ns)
    except OSError:
        return None


@lru_cache(maxsize=256)
def _digest(path: Path, _changed_ns: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
