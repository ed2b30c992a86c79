"""Names a device by what its browser says of itself, for a person to recognise; nothing depends on it."""

from __future__ import annotations

# The first that is found counts: most browsers also claim to be others.
_BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
)
_SYSTEMS = (
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def describe_device(user_agent: str) -> str:
    """Such as `Firefox on Linux`; what is not recognised is said to be unknown."""
    browser = _first(_BROWSERS, user_agent, "unknown browser")
    return f"{browser} on {_first(_SYSTEMS, user_agent, 'unknown system')}"


def _first(marks: tuple[tuple[str, str], ...], user_agent: str, otherwise: str) -> str:
    return next((name for mark, name in marks if mark in user_agent), otherwise)
