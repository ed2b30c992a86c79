"""One-time codes that follow the clock (RFC 6238): SHA-1, six digits, a new one every 30 seconds."""

from __future__ import annotations

import hmac
from datetime import datetime

from tbot_bot.domain.time import to_micros

STEP_S = 30
DIGITS = 6
#: A phone's clock may be a step ahead or behind.
_SKEW = (0, -1, 1)


def step_at(moment: datetime) -> int:
    """The number of the 30 seconds that a moment is in."""
    return to_micros(moment) // (STEP_S * 1_000_000)


def code_of(secret: bytes, step: int) -> str:
    """The code of one step."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), "sha1")
    start = digest[-1] & 0xF
    number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}d}"


def looks_like_code(text: str) -> bool:
    """Whether it can be a code: no password is that short."""
    return len(text) == DIGITS and text.isascii() and text.isdecimal()


def matching_step(secret: bytes, code: str, now: datetime) -> int | None:
    """The step whose code this is, of the present one and its neighbours."""
    if not looks_like_code(code):
        return None
    steps = [step_at(now) + skew for skew in _SKEW]
    found = [step for step in steps if step >= 0 and hmac.compare_digest(code_of(secret, step), code)]
    return found[0] if found else None
