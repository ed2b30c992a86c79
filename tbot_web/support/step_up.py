"""Proof of the person again, before what cannot be taken back."""

from __future__ import annotations

from flask import Response, after_this_request, request
from werkzeug.datastructures import ImmutableMultiDict

from tbot_bot.api.sessions import SteppedUp, StepUp
from tbot_web.support import cookies
from tbot_web.support.sealed import call_sealed
from tbot_web.support.session_manager import forget_caller


def prove_again(password: str) -> None:
    """Have the runner check the password; raises ApiError.

    The session gets a new id, which the rest of this request and the browser go on with.
    """
    stepped: SteppedUp = call_sealed("session.step_up", StepUp, {"password": password})
    forget_caller()
    request.cookies = ImmutableMultiDict({**request.cookies, cookies.named(cookies.SESSION): stepped.session})

    @after_this_request
    def keep(response: Response) -> Response:
        cookies.put(response, cookies.SESSION, stepped.session)
        return response
