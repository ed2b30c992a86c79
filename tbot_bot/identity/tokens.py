"""Random tokens that are shown to one person and kept here as hashes only."""

from __future__ import annotations

import hashlib
import secrets

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # no I, L, O, U: they are misread
_TYPED_FOR = str.maketrans("ILO", "110", " -")
CODES = 10
_CODE_LENGTH = 16
_GROUP = 4


def new_token() -> str:
    """256 random bits as 43 URL-safe characters."""
    return secrets.token_urlsafe(32)


def hash_token(kind: str, token: str) -> str:
    """SHA-256 in hexadecimal, separate for each kind; enough for random tokens, which cannot be guessed."""
    return hashlib.sha256(f"tbot-{kind}-v1\0{token}".encode("utf-8", "surrogatepass")).hexdigest()


def new_recovery_codes() -> list[str]:
    """Ten codes of 80 random bits each, such as `7K2M-9XQ4-ZB3C-0R8T`."""
    return [_new_code() for _ in range(CODES)]


def hash_recovery_code(code: str) -> str:
    """The hash of a code as typed: case, spaces, hyphens and misread letters do not matter."""
    return hash_token("recovery-code", code.upper().translate(_TYPED_FOR))


def _new_code() -> str:
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(_CODE_LENGTH))
    return "-".join(letters[start : start + _GROUP] for start in range(0, _CODE_LENGTH, _GROUP))
