"""`/login` and `/logout`."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request
from werkzeug.wrappers import Response

from tbot_bot.api.errors import ApiError, Problem
from tbot_bot.api.lifecycle import Phase
from tbot_bot.api.permissions import Permission
from tbot_bot.api.sessions import LoggedIn, LogIn, SessionStatus
from tbot_web.support import cookies
from tbot_web.support.auth_web import LoginForm, safe_next
from tbot_web.support.csrf_protection import renew_token
from tbot_web.support.page import Page
from tbot_web.support.runner_client import runner
from tbot_web.support.sealed import call_sealed
from tbot_web.support.session_manager import caller, forget_caller

PAGE = Page(
    slug="index",
    title="Sign in",
    purpose="The operations console of this bot.",
    prefix="/",
    permission=Permission.PUBLIC,
    phases=frozenset({Phase.MAIN, Phase.CLOSING, Phase.ERROR}),
)
blueprint = Blueprint("login", __name__)
_USER_AGENT_MAX = 512


@blueprint.get("/login")
def show() -> Response | str:
    """The form, unless one is signed in already; `with=code` asks for a recovery code."""
    if caller().status is SessionStatus.ACTIVE:
        return redirect(safe_next(request.args.get("next")), 303)
    return _form("", {}, None)


@blueprint.post("/login")
def sign_in() -> Response | tuple[str, int]:
    """Start a session and go where one wanted to go."""
    form = LoginForm.of(request.form)
    if form.errors:
        return _form(form.username, form.errors, None), 400
    agent = request.user_agent.string[:_USER_AGENT_MAX]
    secret = {form.secret_name: form.secret}
    try:
        answer: LoggedIn = call_sealed("session.log_in", LogIn, secret, username=form.username, user_agent=agent)
    except ApiError as error:
        if error.problem.status not in {400, 401, 403, 429}:
            raise
        return _form(form.username, error.problem.fields, error.problem), error.problem.status
    renew_token()
    response = redirect(safe_next(request.form.get("next")), 303)
    cookies.put(response, cookies.SESSION, answer.session)
    return response


@blueprint.post("/logout")
def sign_out() -> Response:
    """End the session here and at the runner."""
    runner().call("session.log_out")
    forget_caller()
    renew_token()
    response = redirect("/login", 303)
    cookies.drop(response, cookies.SESSION)
    return response


def _form(username: str, errors: dict[str, str], problem: Problem | None) -> str:
    return render_template(
        "index.html",
        username=username,
        errors=errors,
        problem=problem,
        with_code="recovery_code" in request.form or request.args.get("with") == "code",
        next=safe_next(request.values.get("next")),
    )
