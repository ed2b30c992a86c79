"""Secrets on their way to the runner: sealed to its public key as soon as the form is parsed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import current_app

from tbot_bot.api.model import Message
from tbot_bot.api.sealing import seal
from tbot_bot.domain.time import Clock
from tbot_web.support.csrf_protection import Keyring
from tbot_web.support.runner_client import new_request_id, runner


def call_sealed(verb: str, request_type: type[Message], secret: Mapping[str, str], **params: object) -> Any:
    """Call `verb` with `params` and with `secret` in its field `sealed`; raises ApiError.

    The box is bound to the request id and to every other parameter as it is sent, defaults included.
    """
    keys: Keyring = current_app.extensions["keys"]
    clock: Clock = current_app.extensions["clock"]
    request_id = new_request_id()
    bare = request_type.model_validate({**params, "sealed": ""}).model_dump(mode="json", exclude={"sealed"})
    sealed = seal(keys.sealing(), request_id=request_id, verb=verb, params=bare, secret=secret, now=clock.now())
    return runner().call(verb, request_type.model_validate({**params, "sealed": sealed}), request_id=request_id)
