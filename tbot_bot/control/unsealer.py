"""Opens the secrets that the portal sealed: each box for one verb and one request, once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from tbot_bot.api.errors import ApiError
from tbot_bot.api.sealing import LIFETIME, SealRefusedError, unseal
from tbot_bot.control.foundation import Foundation
from tbot_bot.control.requests import Requests
from tbot_bot.control.system_api import Caller


class Unsealer:
    """Opens sealed secrets; a request id opens one box, once."""

    def __init__(self, foundation: Foundation, requests: Requests) -> None:
        self._foundation = foundation
        self._requests = requests

    def open(
        self,
        caller: Caller,
        verb: str,
        sealed: str,
        params: Mapping[str, object],
        *,
        lifetime: timedelta = LIFETIME,
    ) -> dict[str, str]:
        """Return the secret fields; raises ApiError when the box is not for this request."""
        now = self._foundation.clock.now()
        with self._foundation.secrets.current() as pinned:
            keys = pinned.sealing_keys()
        try:
            opened = unseal(
                keys, sealed, request_id=caller.request_id, verb=verb, params=params, now=now, lifetime=lifetime
            )
        except SealRefusedError as error:
            raise ApiError.of(400, "seal_refused", "The form was not accepted", str(error)) from error
        if not self._requests.first_use(caller.request_id, now):
            raise ApiError.of(409, "request_repeated", "This form was sent before", "", "Open the form again.")
        return opened
