"""`/` while the bot is in error or going down."""

from __future__ import annotations

from flask import Blueprint, make_response, render_template
from werkzeug.wrappers import Response

from tbot_bot.api.control import ControlState
from tbot_bot.api.errors import ApiError, Problem
from tbot_bot.api.lifecycle import Phase, State
from tbot_bot.api.permissions import Permission
from tbot_bot.api.sessions import SessionStatus
from tbot_web.support import problems
from tbot_web.support.home import home
from tbot_web.support.page import Page
from tbot_web.support.requests import wants_json
from tbot_web.support.runner_client import runner
from tbot_web.support.session_manager import caller

PAGE = Page(
    slug="error",
    title="The bot needs attention",
    purpose="",
    prefix="/",
    permission=Permission.PUBLIC,
    phases=frozenset({Phase.ERROR}),
)
SHUTDOWN_PAGE = Page("shutdown", "Shutting down", "", "/", Permission.PUBLIC, frozenset({Phase.ERROR}))
blueprint = Blueprint("error", __name__)


@blueprint.get("/")
def show() -> Response:
    """What happened, what still works, and what to do; 503, for the console is not there."""
    state = home().state()
    if state is State.ERROR or state is None:
        standing = _control_state()
        return problems.respond(_error_problem(standing), standing)
    if wants_json():
        return problems.respond(_shutdown_problem())
    page = render_template("shutdown.html", problem=_shutdown_problem(), page=SHUTDOWN_PAGE, state=state)
    return make_response(page, 503, {"Retry-After": "2"})


def _error_problem(standing: ControlState | None) -> Problem:
    """The reason is shown to whoever may see the bot's state."""
    reason = standing.error if standing else None
    return Problem(
        status=503,
        code="bot_in_error",
        title=reason or "The bot has stopped and needs an administrator",
        detail="New entries are blocked. Protective orders stand at the broker; books and audit trail are kept.",
        next_step="Sign in as an administrator and open the control page: it verifies and resets.",
    )


def _control_state() -> ControlState | None:
    try:
        if Permission.STATUS_VIEW not in caller().permissions or caller().status is not SessionStatus.ACTIVE:
            return None
        answer: ControlState = runner().call("control.state")
    except ApiError:
        return None  # the page itself says that something is wrong
    return answer


def _shutdown_problem() -> Problem:
    return Problem(
        status=503,
        code="shutting_down",
        title="The bot is shutting down",
        detail="Working entries are cancelled; protective orders stay at the broker; everything is recorded.",
        next_step="Start it again to go on. This page comes back by itself when it is up.",
    )
