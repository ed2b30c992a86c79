"""Validation of the login form, and where a login may lead.

Passwords are hashed and judged by the runner alone; here they are only taken off the form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

USERNAME_MAX = 64
SECRET_MAX = 1024


@dataclass(frozen=True, slots=True)
class LoginForm:
    """What was typed: a username, and a password or a recovery code in its place."""

    username: str
    secret_name: str
    secret: str = field(repr=False)
    errors: dict[str, str]

    @classmethod
    def of(cls, form: Mapping[str, str]) -> LoginForm:
        """Read a submitted form; `errors` holds a message for each field that cannot be right."""
        name = "recovery_code" if form.get("recovery_code") else "password"
        username, secret = form.get("username", "").strip(), form.get(name, "")
        errors = {}
        if not 0 < len(username) <= USERNAME_MAX:
            errors["username"] = f"Type your username, at most {USERNAME_MAX} characters."
        if not 0 < len(secret) <= SECRET_MAX:
            errors[name] = f"Type your {name.replace('_', ' ')}, at most {SECRET_MAX} characters."
        return cls(username, name, secret.strip() if name == "recovery_code" else secret, errors)


def safe_next(target: str | None) -> str:
    """Return `target` if it is an address of this portal, else the start page."""
    if target is None or not target.startswith("/") or target.startswith("//"):
        return "/"
    if "\\" in target or any(ord(character) <= ord(" ") for character in target):
        return "/"  # browsers read a backslash as a slash and skip control characters
    parts = urlsplit(target)
    return "/" if parts.scheme or parts.netloc else target
