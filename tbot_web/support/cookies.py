"""The portal's cookies: opaque ids that mean something to the runner alone.

Lax rather than strict, so that the setup link and links in mail work from anywhere; every change carries a CSRF token.
Behind TLS each name gets the `__Host-` prefix, which ties the cookie to this host and to TLS.
"""

from __future__ import annotations

from flask import Request, request
from werkzeug.wrappers import Response

SESSION = "tbot_session"
SETUP = "tbot_setup"
#: The one-time link that was opened in this browser.
LINK = "tbot_link"
#: Signed by the portal itself: the CSRF token and one-time notices.
FORM = "tbot_form"
SAME_SITE = "Lax"
_ID_LIMIT = 200


def named(name: str, asked: Request | None = None) -> str:
    """The cookie's name as the browser knows it over this connection."""
    return f"__Host-{name}" if (asked or request).is_secure else name


def read(name: str) -> str | None:
    """The id in the request's cookie; None when there is none or it cannot be one of ours."""
    value = request.cookies.get(named(name))
    return value if value and len(value) <= _ID_LIMIT and value.isascii() and value.isprintable() else None


def put(response: Response, name: str, value: str) -> None:
    """Set a cookie that ends with the browser; the runner decides when the id ends."""
    response.set_cookie(named(name), value, path="/", secure=request.is_secure, httponly=True, samesite=SAME_SITE)


def drop(response: Response, name: str) -> None:
    """Have the browser forget a cookie."""
    response.delete_cookie(named(name), path="/", secure=request.is_secure, httponly=True, samesite=SAME_SITE)
