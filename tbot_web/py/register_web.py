"""`/register`: the first administrator, and the recovery codes shown once."""

from __future__ import annotations

from flask import Blueprint, make_response, render_template, request
from werkzeug.wrappers import Response

from tbot_bot.api.errors import ApiError, Problem
from tbot_bot.api.lifecycle import Phase
from tbot_bot.api.permissions import Permission
from tbot_bot.api.setup import RegisterAdmin, Registered
from tbot_web.support import cookies
from tbot_web.support.csrf_protection import renew_token
from tbot_web.support.page import Page
from tbot_web.support.sealed import call_sealed

PAGE = Page(
    slug="register",
    title="First administrator",
    purpose="The person who may change everything here. More people can be added later.",
    prefix="/register",
    permission=Permission.SETUP,
    phases=frozenset({Phase.REGISTRATION}),
)
blueprint = Blueprint("register", __name__)
#: What is longer is cut; the runner's rules refuse it either way.
_LENGTH_MAX = 1024


@blueprint.get("", strict_slashes=False)
def show() -> str:
    """The form."""
    return _form({}, None)


@blueprint.post("")
def register() -> Response | tuple[str, int]:
    """Make the administrator and show the recovery codes in the same answer: they exist nowhere else."""
    try:
        registered: Registered = call_sealed(
            "register.first_admin",
            RegisterAdmin,
            {name: _typed(name) for name in ("password", "confirm_password")},
            username=_typed("username").strip(),
            email=_typed("email").strip(),
        )
    except ApiError as error:
        if not error.problem.fields:
            raise
        return _form(error.problem.fields, error.problem), error.problem.status
    renew_token()
    response = make_response(render_template("register.html", registered=registered))
    cookies.drop(response, cookies.SETUP)
    return response


def _typed(name: str) -> str:
    return request.form.get(name, "")[:_LENGTH_MAX]


def _form(errors: dict[str, str], problem: Problem | None) -> str:
    return render_template("register.html", registered=None, form=request.form, errors=errors, problem=problem)
