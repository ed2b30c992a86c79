"""`/account`: one's own data, password and sessions."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request
from werkzeug.wrappers import Response

from tbot_bot.api.errors import ApiError, Problem
from tbot_bot.api.lifecycle import Phase
from tbot_bot.api.model import Message, Nothing
from tbot_bot.api.permissions import Permission
from tbot_bot.api.sessions import Account, ChangePassword, EndSession, NewFactor, OwnSessions, ProveFactor, Rotated
from tbot_bot.api.users import ChangeEmail
from tbot_web.support.page import PEOPLE, Page
from tbot_web.support.qr_code import as_path
from tbot_web.support.runner_client import runner
from tbot_web.support.sealed import call_sealed
from tbot_web.support.step_up import prove_again
from tbot_web.support.utils_web import attempt

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
FACTOR_PAGE = Page("second_factor", "Second factor", "", "/account", Permission.ACCOUNT_SELF, PAGE.phases, panel=True)
blueprint = Blueprint("account", __name__)
_PASSWORD_MAX, _CODE_MAX, _ADDRESS_MAX, _EMAIL_MAX = 1024, 40, 210, 320
_NOTHING = Nothing()


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


@blueprint.post("/email")
def change_email() -> Response | tuple[str, int]:
    """Have a link mailed to another address of one's own."""
    email = request.form.get("email", "").strip()[:_EMAIL_MAX]
    done = attempt(lambda: _proven("account.change_email", ChangeEmail(email=email)))
    if isinstance(done, Problem):
        return _page(done.fields, done), done.status
    flash(f"A link was sent to {email}. The address counts once it was used.")
    return redirect("/account/", 303)


@blueprint.get("/second_factor")
def ask_factor() -> str:
    """Ask for the password before a secret is shown."""
    return _factor_page(None, None)


@blueprint.post("/second_factor")
def begin_factor() -> str | tuple[str, int]:
    """Show a new secret, which counts once a code proves it."""
    begun = attempt(_begin_factor)
    if isinstance(begun, Problem):
        return _factor_page(None, begun), begun.status
    return _factor_page(begun, None)


@blueprint.post("/second_factor/prove")
def prove_factor() -> Response | tuple[str, int]:
    """Turn the second factor on."""
    code = request.form.get("code", "").strip()[:_CODE_MAX]
    done = attempt(lambda: call_sealed("account.enrol_second_factor", ProveFactor, {"code": code}))
    if isinstance(done, Problem):
        shown = NewFactor(secret=request.form.get("secret", ""), address=request.form.get("address", "")[:_ADDRESS_MAX])
        return _factor_page(shown if shown.address.isascii() else None, done), done.status
    flash(f"From now on you give a code when you sign in; your other sessions ended. Generation {done.generation}.")
    return redirect("/account/", 303)


@blueprint.post("/second_factor/remove")
def remove_factor() -> Response | tuple[str, int]:
    """Turn the second factor off."""
    done = attempt(lambda: _proven("account.remove_second_factor"))
    if isinstance(done, Problem):
        return _page({}, done), done.status
    flash(f"No code is asked for any more; your other sessions ended. Generation {done.generation}.")
    return redirect("/account/", 303)


@blueprint.post("/recovery_codes")
def renew_codes() -> str | tuple[str, int]:
    """Show new recovery codes in the same answer: they exist nowhere else."""
    done = attempt(lambda: _proven("account.renew_recovery_codes"))
    if isinstance(done, Problem):
        return _page({}, done), done.status
    return render_template("account.html", codes=done)


def _begin_factor() -> NewFactor:
    begun: NewFactor = _proven("account.begin_second_factor")
    return begun


def _proven(verb: str, asked: Message = _NOTHING) -> Any:
    password = request.form.get("password", "")[:_PASSWORD_MAX]
    if password:
        prove_again(password)
    return runner().call(verb, asked)


def _factor_page(begun: NewFactor | None, problem: Problem | None) -> str:
    width, path = as_path(begun.address) if begun else (0, "")
    return render_template("second_factor.html", page=FACTOR_PAGE, begun=begun, width=width, path=path, problem=problem)


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
