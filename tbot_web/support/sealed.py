"""Secrets on their way to the runner: sealed to its public key as soon as the form is parsed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from flask import current_app

from tbot_bot.api.model import Message
from tbot_bot.api.sealing import LIFETIME, seal
from tbot_bot.domain.time import Clock
from tbot_web.support.csrf_protection import Keyring
from tbot_web.support.runner_client import new_request_id, runner


def call_sealed(verb: str, request_type: type[Message], secret: Mapping[str, str], **params: object) -> Any:
    """Call `verb` with `params` and with `secret` in its field `sealed`; raises ApiError."""
    request_id = new_request_id()
    bare = request_type.model_validate({**params, "sealed": ""})
    sealed = box(verb, bare, secret, request_id, LIFETIME)
    return runner().call(verb, bare.model_copy(update={"sealed": sealed}), request_id=request_id)


def box(verb: str, bare: Message, secret: Mapping[str, str], request_id: str, lifetime: timedelta) -> str:
    """Seal `secret` for the one request that is `bare` but for its field `sealed`; only the runner opens it, once."""
    keys: Keyring = current_app.extensions["keys"]
    clock: Clock = current_app.extensions["clock"]
    return seal(
        keys.sealing(),
        request_id=request_id,
        verb=verb,
        params=bare.model_dump(mode="json", exclude={"sealed"}),
        secret=secret,
        now=clock.now(),
        lifetime=lifetime,
    )
