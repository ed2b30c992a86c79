"""`/login` and `/logout`."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request
from werkzeug.wrappers import Response

from tbot_bot.api.errors import ApiError, Problem
from tbot_bot.api.lifecycle import Phase
from tbot_bot.api.permissions import Permission
from tbot_bot.api.sessions import GiveCode, LoggedIn, LogIn, SessionStatus, SteppedUp, StepUp
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
_CODE_MAX, _PROOF_MAX = 100, 1024


@blueprint.get("/login")
def show() -> Response | str:
    """The form, unless one is signed in already: by password or, `with=code`, recovery code; or to unlock a session."""
    verdict = caller()
    if verdict.status is SessionStatus.ACTIVE:
        return redirect(safe_next(request.args.get("next")), 303)
    return _form("", {}, None, locked=_locked_user())


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
    return _signed_in(answer)


@blueprint.post("/login/code")
def give_code() -> Response | tuple[str, int]:
    """The second half, for someone with a second factor: a code, or a recovery code after the password."""
    agent = request.user_agent.string[:_USER_AGENT_MAX]
    half_way = request.form.get("half_way", "")[:_CODE_MAX]
    secret = {"half_way": half_way, "code": request.form.get("code", "").strip()[:_CODE_MAX]}
    try:
        answer: LoggedIn = call_sealed("session.give_code", GiveCode, secret, user_agent=agent)
    except ApiError as error:
        if error.problem.status not in {400, 401, 409, 429}:
            raise
        again = half_way if error.problem.code != "sign_in_over" else None
        return _form("", {}, error.problem, half_way=again), error.problem.status
    return _signed_in(answer)


@blueprint.post("/lock")
def lock() -> Response:
    """Let this session do nothing until its person proves to be back."""
    runner().call("session.lock")
    forget_caller()
    return redirect("/login", 303)


@blueprint.post("/login/unlock")
def unlock() -> Response | tuple[str, int]:
    """Go on with a locked session."""
    proof = request.form.get("password", "")[:_PROOF_MAX]
    try:
        stepped: SteppedUp = call_sealed("session.unlock", StepUp, {"password": proof})
    except ApiError as error:
        if error.problem.status not in {400, 401, 409, 429}:
            raise
        return _form("", {}, error.problem, locked=_locked_user()), error.problem.status
    forget_caller()
    response = redirect(safe_next(request.form.get("next")), 303)
    cookies.put(response, cookies.SESSION, stepped.session)
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


def _signed_in(answer: LoggedIn) -> Response | tuple[str, int]:
    """On to where one wanted to go, or to the code that is still to follow."""
    if answer.session is None:
        return _form(answer.username, {}, None, half_way=answer.half_way), 200
    renew_token()
    response = redirect(safe_next(request.form.get("next")), 303)
    cookies.put(response, cookies.SESSION, answer.session)
    return response


def _locked_user() -> str | None:
    """Whose session is locked in this browser."""
    verdict = caller()
    return verdict.username if verdict.status is SessionStatus.LOCKED else None


def _form(
    username: str,
    errors: dict[str, str],
    problem: Problem | None,
    *,
    half_way: str | None = None,
    locked: str | None = None,
) -> str:
    return render_template(
        "index.html",
        username=username,
        half_way=half_way,
        locked=locked,
        errors=errors,
        problem=problem,
        with_code="recovery_code" in request.form or request.args.get("with") == "code",
        next=safe_next(request.values.get("next")),
    )
