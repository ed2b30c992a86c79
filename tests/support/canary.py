"""Looks for a secret in bytes, in every form in which it may have been written down."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus


def forms_of(secret: str) -> dict[str, bytes]:
    """The secret as it may lie somewhere: as it is and in the usual encodings."""
    raw = secret.encode()
    forms = {
        "as it is": raw,
        "hexadecimal": raw.hex().encode(),
        "HEXADECIMAL": raw.hex().upper().encode(),
        "UTF-16, little end first": secret.encode("utf-16-le"),
        "UTF-16, big end first": secret.encode("utf-16-be"),
        "in an address": quote(secret, safe="").encode(),
        "in a form": quote_plus(secret).encode(),
        "in JSON": secret.encode("ascii", "backslashreplace").replace(b"\\x", b"\\u00"),
    }
    for shift in range(3):  # where in a group of three bytes it begins shows in all but the ends
        inner = slice(4 if shift else 0, -4)
        whole = bytes(shift) + raw
        forms[f"base64, {shift} bytes in"] = base64.b64encode(whole)[inner]
        forms[f"base64 for addresses, {shift} bytes in"] = base64.urlsafe_b64encode(whole)[inner]
    return forms


def found_in(data: bytes, secrets: dict[str, str]) -> list[str]:
    """Which of the secrets, by name, lie in these bytes, and in which form."""
    return [
        f"{name} {form}" for name, secret in secrets.items() for form, part in forms_of(secret).items() if part in data
    ]


def found_below(folder: Path, secrets: dict[str, str]) -> Iterator[str]:
    """The same for every file in a folder."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield from (f"{path.relative_to(folder)}: {one}" for one in found_in(path.read_bytes(), secrets))
