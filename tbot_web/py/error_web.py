"""`/` while the bot is in error or going down."""

from __future__ import annotations

from flask import Blueprint, make_response, render_template
from werkzeug.wrappers import Response

from tbot_bot.api.control import ControlState
from tbot_bot.api.errors import ApiError, Problem
from tbot_bot.api.lifecycle import Phase, State
from tbot_bot.api.permissions import Permission
from tbot_web.support import problems
from tbot_web.support.home import home
from tbot_web.support.page import Page
from tbot_web.support.requests import wants_json
from tbot_web.support.runner_client import runner
from tbot_web.support.session_manager import caller
from tbot_web.support.utils_web import attempt

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


def home_damaged() -> Problem:
    """The home could not be opened."""
    return Problem(
        status=503,
        code="home_damaged",
        title="The home of this bot is damaged and was not opened",
        detail="Keys, records or databases are not as the system left them, so nothing is served from them and nobody "
        "can sign in. Protective orders stand at the broker. Nothing was repaired or thrown away by itself.",
        next_step="Whoever runs the program on its machine has the recovery token: it was printed at the start and is "
        "in the file control/setup_token of the bot's home.",
    )


def _error_problem(standing: ControlState | None) -> Problem:
    """The reason is shown to whoever may see the bot's state."""
    if standing is not None and standing.recovery:
        return home_damaged()
    reason = standing.error if standing else None
    return Problem(
        status=503,
        code="bot_in_error",
        title=reason or "The bot has stopped and needs an administrator",
        detail="New entries are blocked. Protective orders stand at the broker; books and audit trail are kept.",
        next_step="Sign in as an administrator: backups restore what is damaged, the control page verifies and resets.",
    )


def _control_state() -> ControlState | None:
    attempt(caller)  # whoever looks; the page stands without the runner, too
    try:
        answer: ControlState = runner().call("control.state")
    except ApiError:
        return None  # not for this viewer, or nobody answers: the page itself says that something is wrong
    return answer


def _shutdown_problem() -> Problem:
    return Problem(
        status=503,
        code="shutting_down",
        title="The bot is shutting down",
        detail="Working entries are cancelled; protective orders stay at the broker; everything is recorded.",
        next_step="Start it again to go on. This page comes back by itself when it is up.",
    )
