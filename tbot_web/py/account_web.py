"""`/account`: one's own data, password and sessions."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request
from werkzeug.wrappers import Response

from tbot_bot.api.errors import ApiError, Problem
from tbot_bot.api.lifecycle import Phase
from tbot_bot.api.permissions import Permission
from tbot_bot.api.sessions import Account, ChangePassword, EndSession, OwnSessions, Rotated
from tbot_web.support.page import PEOPLE, Page
from tbot_web.support.runner_client import runner
from tbot_web.support.sealed import call_sealed

PAGE = Page(
    slug="account",
    title="Account",
    purpose="Your own data, password and sessions.",
    prefix="/account",
    permission=Permission.ACCOUNT_SELF,
    phases=frozenset({Phase.MAIN}),
    group=PEOPLE,
    shortcut="a",
    panel=True,
)
blueprint = Blueprint("account", __name__)
_PASSWORD_MAX = 1024


@blueprint.get("/")
def show() -> str:
    """The page."""
    return _page({}, None)


@blueprint.post("/password")
def change_password() -> Response | tuple[str, int]:
    """Change the password; every key and secret of the system is renewed with it."""
    form = request.form
    errors = _errors()
    if errors:
        return _page(errors, None), 400
    try:
        secret = {"current": form["current_password"], "new": form["new_password"]}
        rotated: Rotated = call_sealed("account.change_password", ChangePassword, secret)
    except ApiError as error:
        if error.problem.status not in {400, 403, 409, 422, 429}:
            raise
        return _page(_by_form_field(error.problem), error.problem), error.problem.status
    flash(f"Your password was changed and every key and secret renewed: generation {rotated.generation}.")
    return redirect("/account/", 303)


@blueprint.post("/sessions/end")
def end_session() -> Response:
    """End one session by its handle, or all but this one."""
    handle = request.form.get("handle") or None
    runner().call("session.end", EndSession(handle=handle))
    flash("The session was ended." if handle else "Every other session was ended.")
    return redirect("/account/", 303)


def _errors() -> dict[str, str]:
    form = request.form
    errors = {
        name: f"Fill this in, at most {_PASSWORD_MAX} characters."
        for name in ("current_password", "new_password")
        if not 0 < len(form.get(name, "")) <= _PASSWORD_MAX
    }
    if form.get("new_password", "") != form.get("confirm_password", ""):
        errors["confirm_password"] = "The two passwords differ; type the same one twice."  # noqa: S105 - a message
    return errors


def _by_form_field(problem: Problem) -> dict[str, str]:
    """The runner's messages under the names that this form uses."""
    names = {"current": "current_password", "new": "new_password", "password": "new_password"}
    return {names.get(name, name): text for name, text in problem.fields.items()}


def _page(errors: dict[str, str], problem: Problem | None) -> str:
    account: Account = runner().call("account.view")
    sessions: OwnSessions = runner().call("session.list")
    return render_template(
        "account.html",
        account=account,
        sessions=sessions.items,
        errors=errors,
        problem=problem,
    )
