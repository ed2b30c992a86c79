"""`/configuration` at the first run: who this bot is, which market it trades on; and the wait while it is set up."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

import structlog
from flask import Blueprint, Response, current_app, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from tbot_bot.api.configuration import ADDED_LATER, category_of
from tbot_bot.api.errors import ApiError, Problem
from tbot_bot.api.lifecycle import Phase
from tbot_bot.api.model import Message
from tbot_bot.api.permissions import Permission
from tbot_bot.api.settings import Configuration, FieldDescription, describe, validate
from tbot_bot.api.setup import (
    ConfigurationForm,
    ExchangeToken,
    Progress,
    SetupSession,
    SubmitConfiguration,
    Submitted,
)
from tbot_web.support import cookies
from tbot_web.support.flags import write_flag
from tbot_web.support.home import home
from tbot_web.support.openapi import documented
from tbot_web.support.page import Page
from tbot_web.support.runner_client import runner
from tbot_web.support.sealed import call_sealed
from tbot_web.support.security_users import needs
from tbot_web.support.session_manager import caller

_SETTING_UP = frozenset({Phase.CONFIGURATION, Phase.REGISTRATION})
_FIRST = frozenset({Phase.CONFIGURATION})
PAGE = Page(
    slug="setup",
    title="Configuration",
    purpose="Who this bot is, which market it trades on, how it sends mail.",
    prefix="/configuration",
    permission=Permission.SETUP,
    phases=_SETTING_UP,
)
blueprint = Blueprint("setup", __name__)
log = structlog.get_logger("web")

_WAIT = "/configuration/wait"
_PROVISION = "provision.flag"


@blueprint.get("", strict_slashes=False)
@needs(Permission.PUBLIC)
def show() -> AnyResponse | str:
    """The form, only for a setup session, which `?setup=TOKEN` opens."""
    if "setup" in request.args:
        return _exchange(request.args["setup"])
    if not caller().setup:
        return _token_page(None)
    form: ConfigurationForm = runner().call("configuration.form")
    if current_app.config["PHASE"] in _FIRST and not form.editable:
        return redirect(_WAIT, 303)
    return _page(form, {}, {}, None)


@blueprint.post("/token")
@needs(Permission.PUBLIC)
def give_token() -> AnyResponse:
    """The setup token, typed."""
    return _exchange(request.form.get("token", ""))


@blueprint.post("")
@needs(Permission.SETUP, _FIRST)
def save() -> AnyResponse | tuple[str, int]:
    """Have the input stored, say go, and wait."""
    typed = {field.name: request.form[field.name] for field in _first_settings() if field.name in request.form}
    secrets = {name: typed.pop(name) for name in _secret_names() if name in typed}
    _, errors = validate(Configuration, typed | secrets)
    if errors:
        return _refused(typed, errors, None)
    try:
        submitted = _submit(typed, {name: value for name, value in secrets.items() if value})
    except ApiError as error:
        if not error.problem.fields:
            raise
        return _refused(typed, error.problem.fields, error.problem)
    _say_go(submitted.request_id)
    return redirect(_WAIT, 303)


@blueprint.get("/wait")
@needs(Permission.SETUP, _FIRST)
def wait() -> str:
    """The steps of the set-up as they are taken."""
    return render_template("wait.html", progress=runner().call("provision.progress"), page=WAIT_PAGE)


@blueprint.get("/api/progress")
@documented("The steps of the set-up as they are taken.", answer=Progress)
def progress() -> Response:
    """The steps as JSON."""
    answer: Progress = runner().call("provision.progress")
    return _json(answer)


@blueprint.post("/retry")
@needs(Permission.SETUP, _FIRST)
def retry() -> AnyResponse:
    """Go on at the step that failed."""
    runner().call("provision.retry")
    return redirect(_WAIT, 303)


WAIT_PAGE = Page(
    "wait", "Setting up", "Each step is finished for good before the next one begins.", _WAIT, Permission.SETUP, _FIRST
)


def _exchange(token: str) -> AnyResponse:
    """Trade the token for a cookie and go to an address without it; a refused one is asked for again."""
    try:
        opened: SetupSession = runner().call("setup.exchange", ExchangeToken(token=token.strip()[:256]))
    except ApiError as error:
        if error.problem.status not in {400, 401, 403, 429}:
            raise
        return Response(_token_page(error.problem), error.problem.status)
    response = redirect("/", 303)
    cookies.put(response, cookies.SETUP, opened.setup_session)
    return response


def _submit(values: dict[str, str], secrets: dict[str, str]) -> Submitted:
    if secrets:
        sealed: Submitted = call_sealed("configuration.submit", SubmitConfiguration, secrets, values=values)
        return sealed
    plain: Submitted = runner().call("configuration.submit", SubmitConfiguration(values=values))
    return plain


def _say_go(request_id: str) -> None:
    folder = home().flags
    try:
        write_flag(folder, _PROVISION, {"request_id": request_id})
    except OSError as error:
        log.exception("flag not written", flag=_PROVISION)
        raise ApiError.of(
            503,
            "flag_not_written",
            "The set-up could not be started",
            f"The input is stored, but the go-ahead could not be written to {folder}: {error.strerror}.",
            "Make room on the disk or see that the portal may write there, then go back and save again.",
        ) from error


def _refused(typed: Mapping[str, str], errors: Mapping[str, str], problem: Problem | None) -> tuple[str, int]:
    form: ConfigurationForm = runner().call("configuration.form")
    return _page(form, typed, errors, problem), 400


def _page(form: ConfigurationForm, typed: Mapping[str, str], errors: Mapping[str, str], problem: Problem | None) -> str:
    values = {field.name: field.default for field in _first_settings()} | form.values | dict(typed)
    return render_template(
        "setup.html",
        form=form,
        groups=_groups(form),
        values=values,
        errors=errors,
        problem=problem,
    )


def _token_page(problem: Problem | None) -> str:
    return render_template("setup.html", form=None, problem=problem)


def _groups(form: ConfigurationForm) -> list[tuple[str, list[FieldDescription]]]:
    """The declared fields by group; of the brokers only those that are there."""
    names = {broker.code: f"{broker.name} ({broker.code})" for broker in form.brokers}
    brokers = {"type": "choice", "choices": tuple(names), "names": names}
    fields = [field.model_copy(update=brokers) if field.name == "BROKER_CODE" else field for field in _first_settings()]
    return [(group, list(members)) for group, members in groupby(fields, lambda field: field.group)]


def _first_settings() -> list[FieldDescription]:
    """What the set-up asks for; what is told and kept elsewhere can wait until there is something."""
    return [field for field in describe(Configuration) if category_of(field.name) not in ADDED_LATER]


def _secret_names() -> list[str]:
    return [field.name for field in _first_settings() if field.secret]


def _json(message: Message) -> Response:
    return Response(message.model_dump_json(), mimetype="application/json")
