"""Every failure becomes a page, or a problem document: what happened, what still works, what to do next."""

from __future__ import annotations

import secrets

import structlog
from flask import Flask, Response, current_app, make_response, redirect, render_template, request, url_for
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from tbot_bot.api.control import ControlState
from tbot_bot.api.errors import ApiError, Problem
from tbot_bot.api.lifecycle import Phase
from tbot_bot.api.permissions import Permission
from tbot_web.support.csrf_protection import csrf_problem
from tbot_web.support.page import Page
from tbot_web.support.requests import is_framed, wants_json

log = structlog.get_logger("web")
ERROR_PAGE = Page("error", "Error", "", "/", Permission.PUBLIC, frozenset(Phase))
_START_PAGE = "Open the start page; it leads to what can be done now."
_SENTENCES = {
    400: ("The request is malformed", "Nothing was changed.", "Go back and try again."),
    403: ("This is not allowed", "Nothing was changed.", _START_PAGE),
    404: ("There is no such page", "It does not exist, or not in the present state of the bot.", _START_PAGE),
    405: ("This address does not take that method", "Nothing was changed.", _START_PAGE),
    413: ("That is too large", "The portal did not read it; nothing was changed.", "Send less at once."),
}


def install(app: Flask) -> None:
    """Answer every failure of `app`."""
    app.register_error_handler(ApiError, lambda error: respond(error.problem))
    app.register_error_handler(CSRFError, lambda error: respond(csrf_problem(error)))
    app.register_error_handler(HTTPException, _from_http)
    app.register_error_handler(Exception, _unexpected)


def respond(problem: Problem, standing: ControlState | None = None) -> AnyResponse:
    """Show a problem in the form that the request asks for; `standing` is where the bot stands, if that is shown."""
    if wants_json():
        return _document(problem)
    if problem.code == "not_signed_in" and "login" in current_app.blueprints:
        return _to_login()
    if problem.code == "no_setup_session":
        return redirect("/configuration" if "setup" in current_app.blueprints else "/", 303)
    page = render_template("error.html", problem=problem, page=ERROR_PAGE, standing=standing)
    return _headed(make_response(page, problem.status), problem)


def _document(problem: Problem) -> Response:
    body = problem.model_dump_json(exclude_none=True)
    return _headed(Response(body, problem.status, mimetype="application/problem+json"), problem)


def _headed(response: Response, problem: Problem) -> Response:
    if problem.retry_after_s is not None:
        response.headers["Retry-After"] = str(problem.retry_after_s)
    elif problem.status == 503:  # noqa: PLR2004 - the runner comes back within seconds
        response.headers["Retry-After"] = "2"
    return response


def _to_login() -> AnyResponse:
    """To the login page and back; a frame instead asks the shell to go there, for no login is typed in a frame."""
    if is_framed():
        return make_response(render_template("signed_out.html", page=ERROR_PAGE), 401)
    target = request.full_path.rstrip("?") if request.method == "GET" else None
    return redirect(url_for("login.show", next=target), 303)


def _from_http(error: HTTPException) -> AnyResponse | HTTPException:
    code = error.code or 500
    if code < 400:  # noqa: PLR2004 - a redirect, not a failure
        return error
    title, detail, next_step = _SENTENCES.get(code, (error.name, "Nothing was changed.", _START_PAGE))
    answer = respond(Problem(status=code, code=f"http_{code}", title=title, detail=detail, next_step=next_step))
    for name, value in error.get_headers():
        if name in {"Allow", "Retry-After"}:
            answer.headers[name] = value
    return answer


def _unexpected(error: Exception) -> AnyResponse:
    """The last resort: whoever asked gets an id to quote, the log gets the traceback."""
    error_id = secrets.token_hex(4)
    log.error("request failed", path=request.path, error_id=error_id, exc_info=error)
    return respond(
        Problem(
            status=500,
            code="internal",
            title="Something went wrong in the portal",
            detail="The bot goes on by itself; what was recorded before stands.",
            next_step="Try again. If it stays, look for the error id in the portal's log.",
            error_id=error_id,
        )
    )
