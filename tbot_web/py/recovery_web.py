"""`/recovery/`: the way back while the home is damaged, for whoever holds the recovery token."""

from __future__ import annotations

from flask import Blueprint, current_app, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from tbot_bot.api.backups import AskBackup, Backups, RecoveryView
from tbot_bot.api.control import ControlState
from tbot_bot.api.errors import ApiError, Problem
from tbot_bot.api.lifecycle import Phase
from tbot_bot.api.permissions import Permission
from tbot_bot.api.setup import ExchangeToken, SetupSession
from tbot_bot.domain.time import Clock, to_rfc3339
from tbot_web.py.error_web import PAGE as ERROR_PAGE
from tbot_web.py.error_web import home_damaged
from tbot_web.support import backup_view, cookies
from tbot_web.support.page import Page
from tbot_web.support.restoring import PATIENCE_S, Restoring
from tbot_web.support.runner_client import runner
from tbot_web.support.security_users import needs
from tbot_web.support.session_manager import caller
from tbot_web.support.utils_web import Answer, attempt, failed_panel, message_of

PAGE = Page(
    slug="recovery",
    title="Recovery",
    purpose="The home is damaged and was not opened. Verify a backup, see what it would change, restore it.",
    prefix="/recovery",
    permission=Permission.SETUP,
    phases=frozenset({Phase.ERROR}),
)
blueprint = Blueprint("recovery", __name__)


@blueprint.get("/")
@needs(Permission.PUBLIC)
def show() -> Answer | AnyResponse:
    """What was found, and what can be restored; `?setup=TOKEN` opens it, without a session the start page asks."""
    if "setup" in request.args:
        return _exchange(request.args["setup"])
    if not caller().setup:
        return redirect("/", 303)
    return _page(None)


@blueprint.post("/token")
@needs(Permission.PUBLIC)
def give_token() -> AnyResponse:
    """The recovery token, typed."""
    return _exchange(request.form.get("token", ""))


@blueprint.post("/verify")
def verify() -> Answer | AnyResponse:
    """Check a backup, and say how it is."""
    asked = attempt(lambda: message_of(AskBackup, {"id": request.form.get("id", "")}))
    checked = asked if isinstance(asked, Problem) else attempt(lambda: runner().call(
        "recovery.verify", asked, timeout_s=PATIENCE_S))  # fmt: skip
    if isinstance(checked, Problem):
        return _page(checked)
    return redirect(url_for("recovery.show", checked=checked.id, _anchor="checked"), 303)


@blueprint.get("/restore/<name>")
def restore(name: str) -> Answer:
    """What a restore would change."""
    return _RESTORING.show(name)


@blueprint.post("/restore/<name>")
def carry_out(name: str) -> Answer | AnyResponse:
    """The restore itself; the control process starts again for it."""
    return _RESTORING.carry_out(name)


def _exchange(token: str) -> AnyResponse:
    """Trade the token for a cookie and go to an address without it; a refused one is asked for again."""
    try:
        opened: SetupSession = runner().call("setup.exchange", ExchangeToken(token=token.strip()[:256]))
    except ApiError as error:
        if error.problem.status not in {400, 401, 403, 409, 429}:
            raise
        return make_response(_token_page(error.problem), error.problem.status)
    response = redirect(PAGE.address, 303)
    cookies.put(response, cookies.SETUP, opened.setup_session)
    return response


def _token_page(refused: Problem) -> str:
    known: ControlState = runner().call("control.state")
    return render_template("error.html", page=ERROR_PAGE, problem=home_damaged(), standing=known, refused=refused)


def _page(problem: Problem | None) -> Answer:
    view = attempt(_view)
    if isinstance(view, Problem):
        return failed_panel(PAGE, view)
    clock: Clock = current_app.extensions["clock"]
    asked = request.args.get("checked")
    page = render_template(
        "recovery.html",
        page=PAGE,
        found=view,
        backups=view.backups,
        checked=next((one for one in view.backups.items if one.id == asked), None),
        problem=problem,
        view=backup_view,
        as_of=to_rfc3339(clock.now()),
    )
    return page, problem.status if problem else 200


def _view() -> RecoveryView:
    found: RecoveryView = runner().call("recovery.view")
    return found


def _backups() -> Backups:
    return _view().backups


_RESTORING = Restoring(PAGE, "recovery", proves=False, backups=_backups)
