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
_FIELD_MAX = {"username": 64, "email": 320, "password": 1024}


@blueprint.get("", strict_slashes=False)
def show() -> str:
    """The form."""
    return _form({}, None)


@blueprint.post("")
def register() -> Response | tuple[str, int]:
    """Make the administrator and show the recovery codes in the same answer: they exist nowhere else."""
    errors = _errors()
    if errors:
        return _form(errors, None), 400
    try:
        registered: Registered = call_sealed(
            "register.first_admin",
            RegisterAdmin,
            {"password": request.form["password"]},
            username=request.form["username"].strip(),
            email=request.form["email"].strip(),
        )
    except ApiError as error:
        if not error.problem.fields:
            raise
        return _form(error.problem.fields, error.problem), error.problem.status
    renew_token()
    response = make_response(render_template("register.html", registered=registered))
    cookies.drop(response, cookies.SETUP)
    return response


def _errors() -> dict[str, str]:
    """What is plainly wrong; the rules for names, addresses and passwords are the runner's."""
    form = request.form
    errors = {
        name: f"Fill this in, at most {most} characters."
        for name, most in _FIELD_MAX.items()
        if not 0 < len(form.get(name, "").strip()) <= most
    }
    if form.get("password", "") != form.get("confirm_password", ""):
        errors["confirm_password"] = "The two passwords differ; type the same one twice."  # noqa: S105 - a message
    return errors


def _form(errors: dict[str, str], problem: Problem | None) -> str:
    return render_template("register.html", registered=None, form=request.form, errors=errors, problem=problem)
