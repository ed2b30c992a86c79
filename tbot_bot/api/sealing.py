"""Sealed secrets: what a person types is closed to the runner's public key as soon as the form is parsed.

The sealed box hides the secret but proves nothing about its sender, so it also names the one request it belongs to:
request id, verb, hash of the other parameters, and an expiry. Whether the request id was seen before is for the
caller to check.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox

from tbot_bot.domain.canonical import canonical_json
from tbot_bot.domain.time import from_micros, to_micros

#: How long a sealed secret may travel.
LIFETIME = timedelta(seconds=60)
#: How long it may stand on a page that asks a person whether to go on.
REVIEW = timedelta(minutes=10)


class SealRefusal(StrEnum):
    """Why a sealed secret was not taken."""

    UNREADABLE = "unreadable"  # damaged, or sealed to a key that is no longer accepted
    OTHER_REQUEST = "other_request"  # made for another request, verb or set of parameters
    EXPIRED = "expired"  # outside its 60 seconds


_SENTENCES = {
    SealRefusal.UNREADABLE: "The secret in this form could not be opened",
    SealRefusal.OTHER_REQUEST: "The secret in this form belongs to another request",
    SealRefusal.EXPIRED: "The secret in this form was sealed too long ago",
}


class SealRefusedError(Exception):
    """The sealed secret was not taken and nothing was changed; `reason` says why."""

    def __init__(self, reason: SealRefusal) -> None:
        super().__init__(f"{_SENTENCES[reason]}. Nothing was changed; open the form again and send it once more.")
        self.reason = reason


def public_key_of(private_key: str) -> str:
    """Return the public half of a sealing key; both are 32 bytes in URL-safe base64."""
    return base64.urlsafe_b64encode(bytes(_private(private_key).public_key)).decode()


def seal(
    public_key: str,
    *,
    request_id: str,
    verb: str,
    params: Mapping[str, object],
    secret: Mapping[str, str],
    now: datetime,
    lifetime: timedelta = LIFETIME,
) -> str:
    """Close `secret` to `public_key` for this one request, good for `lifetime`; the answer is URL-safe base64."""
    content = {
        "request_id": request_id,
        "verb": verb,
        "params_sha256": _digest(params),
        "expires_us": to_micros(now + lifetime),
        "secret": dict(secret),
    }
    box = SealedBox(PublicKey(base64.urlsafe_b64decode(public_key)))
    return base64.urlsafe_b64encode(box.encrypt(canonical_json(content))).decode()


def unseal(
    private_keys: Sequence[str],
    text: str,
    *,
    request_id: str,
    verb: str,
    params: Mapping[str, object],
    now: datetime,
    lifetime: timedelta = LIFETIME,
) -> dict[str, str]:
    """Open a sealed secret with the first of `private_keys` that fits (the newest comes first).

    Raises SealRefusedError when it cannot be opened, was made for another request, or is out of its time.
    """
    content = _open(private_keys, text)
    bound = (content["request_id"], content["verb"], content["params_sha256"])
    if bound != (request_id, verb, _digest(params)):
        raise SealRefusedError(SealRefusal.OTHER_REQUEST)
    if not now <= from_micros(content["expires_us"]) <= now + lifetime:
        raise SealRefusedError(SealRefusal.EXPIRED)
    secret: dict[str, str] = content["secret"]
    return secret


def _open(private_keys: Sequence[str], text: str) -> dict[str, Any]:
    try:
        sealed = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise SealRefusedError(SealRefusal.UNREADABLE) from error
    for private_key in private_keys:
        try:
            opened = SealedBox(_private(private_key)).decrypt(sealed)
        except CryptoError:
            continue  # perhaps sealed to an older key
        return _checked(opened)
    raise SealRefusedError(SealRefusal.UNREADABLE)


def _checked(opened: bytes) -> dict[str, Any]:
    # Anybody can seal to a public key, so what comes out is as untrusted as any input.
    try:
        content = json.loads(opened)
    except (ValueError, RecursionError) as error:
        raise SealRefusedError(SealRefusal.UNREADABLE) from error
    shape = {"request_id": str, "verb": str, "params_sha256": str, "expires_us": int, "secret": dict}
    fits = (
        isinstance(content, dict)
        and content.keys() == shape.keys()
        and all(type(content[name]) is kind for name, kind in shape.items())
        and all(isinstance(value, str) for value in content["secret"].values())
        and 0 <= content["expires_us"] < 2**55  # below the year 3112, so that it is a time
    )
    if not fits:
        raise SealRefusedError(SealRefusal.UNREADABLE)
    checked: dict[str, Any] = content
    return checked


def _digest(params: Mapping[str, object]) -> str:
    return hashlib.sha256(canonical_json(params)).hexdigest()


def _private(text: str) -> PrivateKey:
    return PrivateKey(base64.urlsafe_b64decode(text))
