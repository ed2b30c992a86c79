"""How passwords are judged, hashed and compared.

bcrypt reads 72 bytes at most, so it is given a digest of fixed length that depends on every character:

    "bcrypt-sha256-v1:" + bcrypt(base64(SHA-256("tbot-password-v1" || 0 || the password, NFC, UTF-8)))
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import unicodedata

import bcrypt

from tbot_bot.identity.common_passwords import is_common

LENGTH_MIN = 8
LENGTH_MAX = 256
_SCHEME = "bcrypt-sha256-v1:"


class PasswordHasher:
    """Hashes passwords at a bcrypt cost; tests inject a lower one."""

    def __init__(self, cost: int = 12) -> None:
        self._cost = cost
        self._nobody = self.hash(secrets.token_urlsafe())

    def hash(self, password: str) -> str:
        """The text to store."""
        return _SCHEME + bcrypt.hashpw(_digest(password), bcrypt.gensalt(self._cost)).decode("ascii")

    def matches(self, password: str, stored: str | None) -> bool:
        """Whether it is the stored password; none, for nobody or an invited person, takes as long and never matches."""
        expected = stored or self._nobody
        scheme, separator, hashed = expected.partition(":")
        if scheme + separator != _SCHEME:
            raise ValueError("a stored password hash has a scheme that this version does not know")
        return bcrypt.checkpw(_digest(password), hashed.encode("ascii")) and bool(stored)


def password_problem(password: str, username: str, email: str) -> str | None:
    """Why this cannot be the person's password, in a sentence that says what can; None if it can."""
    normal = unicodedata.normalize("NFC", password)
    if not LENGTH_MIN <= len(normal) <= LENGTH_MAX:
        return f"A password has {LENGTH_MIN} to {LENGTH_MAX} characters of any kind; this one has {len(normal)}."
    if normal.casefold() in {username.casefold(), email.casefold()}:
        return "The password must differ from the username and from the email address."
    if is_common(normal):
        return "This password is among the first that are tried. Take a few unrelated words, or a generated one."
    return None


def _digest(password: str) -> bytes:
    # A lone surrogate is no character, but a sign-in must answer "wrong", not fail.
    text = unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
    return base64.b64encode(hashlib.sha256(b"tbot-password-v1\0" + text).digest())
