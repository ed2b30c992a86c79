"""`/password_reset`: asking for a one-time link by mail, and the form behind one, where a password is chosen."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from tbot_bot.api.errors import ApiError, Problem
from tbot_bot.api.lifecycle import Phase
from tbot_bot.api.permissions import Permission
from tbot_bot.api.users import (
    AskLink,
    AskReset,
    ChoosePassword,
    ConfirmEmail,
    EmailConfirmed,
    LinkHolder,
    LinkKind,
    LinkWays,
    PasswordChosen,
)
from tbot_web.support import cookies
from tbot_web.support.csrf_protection import renew_token
from tbot_web.support.page import Page
from tbot_web.support.runner_client import runner
from tbot_web.support.sealed import call_sealed

PAGE = Page(
    slug="password_reset_request",
    title="Lost password",
    purpose="A link to choose another one.",
    prefix="/password_reset",
    permission=Permission.PUBLIC,
    phases=frozenset({Phase.REGISTRATION, Phase.MAIN}),
)
FORM_PAGE = Page(
    "password_reset_form",
    "Choose a password",
    "Yours alone: nobody else here ever sees it.",
    "/password_reset/form",
    Permission.PUBLIC,
    PAGE.phases,
)
ADDRESS_PAGE = Page(
    "confirm_address", "Confirm your mail address", "", "/password_reset/address", Permission.PUBLIC, PAGE.phases
)
blueprint = Blueprint("password_reset", __name__)
_LENGTH_MAX = 1024
_TOKEN_LENGTH_MAX = 180
_NAME_LENGTH_MAX = 320
_REFUSED = frozenset({400, 401, 409, 422})


@blueprint.get("/")
def ask() -> str:
    """The form that asks for a link, or what an administrator can do where no mail is sent."""
    return _request_page(None)


@blueprint.post("/")
def ask_for_link() -> tuple[str, int] | str:
    """Have a link mailed, and say the same whoever was named."""
    name = request.form.get("name", "").strip()[:_NAME_LENGTH_MAX]
    try:
        runner().call("link.ask_reset", AskReset(name=name))
    except ApiError as error:
        if error.problem.status != HTTPStatus.TOO_MANY_REQUESTS:
            raise
        return _request_page(error.problem), error.problem.status
    return _request_page(None, asked=True)


@blueprint.get("/link/<any(invitation,reset,email):kind>")
def open_link(kind: str) -> AnyResponse:
    """Trade the token in the address for a cookie, and go to an address without it."""
    leads_to = "password_reset.show_address" if kind == LinkKind.EMAIL else "password_reset.show"
    response = redirect(url_for(leads_to), 303)
    cookies.put(response, cookies.LINK, f"{kind}.{request.args.get('token', '')[:_TOKEN_LENGTH_MAX]}")
    return response


@blueprint.get("/form")
def show() -> Response:
    """The form, for whoever holds a link that can be used."""
    return _form(None)


@blueprint.post("/form")
def choose() -> AnyResponse:
    """Set the password; recovery codes are shown in the same answer, for they exist nowhere else."""
    kind, token = _held()
    secret = {name: request.form.get(name, "")[:_LENGTH_MAX] for name in ("password", "confirm_password")}
    try:
        chosen: PasswordChosen = call_sealed(
            "link.choose_password", ChoosePassword, secret | {"token": token}, kind=kind
        )
    except ApiError as error:
        if error.problem.status not in _REFUSED:
            raise
        return _form(error.problem)
    renew_token()
    response = make_response(render_template("password_reset_form.html", page=FORM_PAGE, chosen=chosen))
    cookies.drop(response, cookies.LINK)
    return response


@blueprint.get("/address")
def show_address() -> Response:
    """Ask whether the address is to be confirmed: opening a link alone changes nothing."""
    return _address_page(None)


@blueprint.post("/address")
def confirm_address() -> AnyResponse:
    """Make the address that the link was mailed to the person's own."""
    try:
        _, token = _held()
        done: EmailConfirmed = call_sealed("link.confirm_email", ConfirmEmail, {"token": token})
    except ApiError as error:
        if error.problem.status not in _REFUSED:
            raise
        return _address_page(error.problem)
    response = make_response(render_template("confirm_address.html", page=ADDRESS_PAGE, done=done))
    cookies.drop(response, cookies.LINK)
    return response


def _address_page(refused: Problem | None) -> Response:
    page = render_template("confirm_address.html", page=ADDRESS_PAGE, done=None, problem=refused)
    return make_response(page, refused.status if refused else 200)


def _request_page(problem: Problem | None, *, asked: bool = False) -> str:
    ways: LinkWays = runner().call("link.ways")
    return render_template("password_reset_request.html", by_mail=ways.by_mail, asked=asked, problem=problem)


def _form(problem: Problem | None) -> Response:
    """The form, or why there is none."""
    holder, refused = None, problem
    try:
        kind, token = _held()
        found: LinkHolder = runner().call("link.holder", AskLink(kind=kind, token=token))
        holder = found.username
    except ApiError as error:
        if error.problem.status not in _REFUSED:
            raise
        refused = error.problem
    page = render_template(
        "password_reset_form.html",
        page=FORM_PAGE,
        chosen=None,
        holder=holder,
        problem=refused,
        errors=problem.fields if problem else {},
    )
    return make_response(page, refused.status if refused else 200)


def _held() -> tuple[LinkKind, str]:
    """The kind and token of the link that was opened in this browser."""
    kind, dot, token = (cookies.read(cookies.LINK) or "").partition(".")
    if not dot or kind not in list(LinkKind):
        raise ApiError.of(
            401,
            "no_link",
            "A link is needed here",
            "It comes from an administrator, or by mail, and works once.",
            "Open the link that you were given once more, or ask for another.",
        )
    return LinkKind(kind), token
