"""`/notifications/`: whom the system tells of what happens, and how far each message came."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, flash, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from tbot_bot.api.errors import Problem
from tbot_bot.api.lifecycle import Phase
from tbot_bot.api.model import Nothing
from tbot_bot.api.notifications import Notifications
from tbot_bot.api.permissions import Permission
from tbot_web.support import notice_view
from tbot_web.support.openapi import documented
from tbot_web.support.page import CHECK, Page
from tbot_web.support.runner_client import idempotency_key, new_request_id, runner
from tbot_web.support.security_users import needs
from tbot_web.support.session_manager import caller
from tbot_web.support.utils_web import Answer, attempt, failed_panel, json_answer

PAGE = Page(
    slug="notifications",
    title="Notifications",
    purpose="Whom the system tells of what happens, and how far each message came.",
    prefix="/notifications",
    permission=Permission.STATUS_VIEW,
    phases=frozenset({Phase.MAIN}),
    group=CHECK,
    shortcut="n",
    panel=True,
    place=35,
)
blueprint = Blueprint("notifications", __name__)


@blueprint.get("/")
def show() -> Answer:
    """The panel."""
    return _page(None)


@blueprint.post("/test")
@needs(Permission.CONFIGURATION_EDIT, PAGE.phases)
def test() -> Answer | AnyResponse:
    """Send a test message, and go back to the list with it on top."""
    done = attempt(lambda: _test(new_request_id()))
    if isinstance(done, Problem):
        return _page(done)
    flash("A test message is on its way through every channel. Reload to see how far it came.")
    return redirect(PAGE.address, 303)


@blueprint.get("/api")
@documented("Every notice that is kept, newest first, and how the channels do.", answer=Notifications)
def listed() -> Response:
    """The outbox as JSON."""
    return json_answer(_list())


@blueprint.post("/api/test")
@documented("Send a test message through every channel.", answer=Nothing, repeatable=True)
@needs(Permission.CONFIGURATION_EDIT, PAGE.phases)
def test_all() -> Response:
    """A test message for programs."""
    return json_answer(_test(idempotency_key()))


def _list() -> Notifications:
    found: Notifications = runner().call("notifications.list")
    return found


def _test(request_id: str) -> Nothing:
    done: Nothing = runner().call("notifications.test", request_id=request_id)
    return done


def _page(problem: Problem | None) -> Answer:
    found = attempt(_list)
    if isinstance(found, Problem):
        return failed_panel(PAGE, found)
    page = render_template(
        "notifications.html",
        page=PAGE,
        found=found,
        view=notice_view,
        kind=request.args.get("kind", ""),
        problem=problem,
        may_set_up=Permission.CONFIGURATION_EDIT in caller().permissions and current_app.config["PHASE"] in PAGE.phases,
    )
    return (page, problem.status) if problem else page
