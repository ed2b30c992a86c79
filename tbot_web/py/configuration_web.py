"""`/configuration` once the bot is set up: what stands in each category, a change and its review, a test, rotation."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, flash, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from tbot_bot.api.configuration import (
    TESTABLE,
    AskCategory,
    Category,
    CategoryView,
    Changed,
    ChangePreview,
    ConfigurationView,
    ConnectionTest,
    FieldChange,
    RotateSecrets,
    SubmitChange,
    settings_of,
)
from tbot_bot.api.errors import ApiError, Problem
from tbot_bot.api.lifecycle import Phase
from tbot_bot.api.permissions import Permission
from tbot_bot.api.sealing import LIFETIME, REVIEW
from tbot_bot.api.sessions import Rotated
from tbot_bot.domain.ids import is_request_id
from tbot_bot.domain.time import to_rfc3339
from tbot_web.support.configuration_form import Settings, Typed
from tbot_web.support.openapi import documented
from tbot_web.support.page import SET_UP, Page
from tbot_web.support.requests import expected_version
from tbot_web.support.runner_client import idempotency_key, new_request_id, runner
from tbot_web.support.security_users import needs
from tbot_web.support.session_manager import caller
from tbot_web.support.step_up import prove_again
from tbot_web.support.utils_web import Answer, attempt, failed_panel, json_answer

_MAIN = frozenset({Phase.MAIN})
PAGE = Page(
    slug="configuration",
    title="Configuration",
    purpose="Who this bot is, which market it trades on, how it sends mail, whom it tells of what happens.",
    prefix="/configuration",
    permission=Permission.CONFIGURATION_VIEW,
    phases=frozenset({Phase.MAIN, Phase.CLOSING}),
    group=SET_UP,
    panel=True,
    start="",
)
blueprint = Blueprint("configuration", __name__)
_CATEGORY = f"<any({','.join(Category)}):category>"
#: Refusals that belong on the form; anything else concerns the whole page.
_ON_THE_FORM = frozenset({400, 403, 409, 412, 422, 429})


@blueprint.get("", strict_slashes=False)
def show() -> Answer:
    """Every category, with a form where it can be changed."""
    return _page()


@blueprint.post(f"/{_CATEGORY}")
@needs(Permission.CONFIGURATION_EDIT, _MAIN)
def review(category: str) -> Answer | AnyResponse:
    """Show what would change and ask whether to go on; or, for the other button, test it."""
    typed = Typed.of_form(Category(category))
    if request.form.get("act") == "test":
        return _tested(typed)
    preview = attempt(lambda: _preview(typed))
    if isinstance(preview, Problem):
        return _refused(typed, preview)
    if not preview.changes:
        flash("Nothing differs from what is stored, so there is nothing to save.")
        return redirect("/configuration", 303)
    request_id = new_request_id()
    return render_template(
        "configuration_review.html",
        category=typed.category,
        title=settings_of(typed.category)[0].group,
        changes=[_named(change) for change in preview.changes],
        follows=preview.follows,
        change=typed.change(request_id, REVIEW),
        request_id=request_id,
    )


@blueprint.post(f"/{_CATEGORY}/save")
@needs(Permission.CONFIGURATION_EDIT, _MAIN)
def save(category: str) -> Answer | AnyResponse:
    """Make the change that was reviewed."""
    typed = Typed.of_form(Category(category))
    submitted = SubmitChange(**{**typed.preview().model_dump(exclude={"given"}), "sealed": request.form.get("sealed")})
    request_id = request.form.get("request_id", "")
    done = attempt(lambda: _change(submitted, request_id if is_request_id(request_id) else new_request_id()))
    if isinstance(done, Problem):
        return _refused(typed, done)
    flash(done.message)
    return redirect("/configuration", 303)


@blueprint.get("/rotate")
@needs(Permission.CONFIGURATION_EDIT, _MAIN)
def ask_rotate() -> Answer:
    """Ask for the reason and the password before every key and secret is renewed."""
    return _rotation("", None)


@blueprint.post("/rotate")
@needs(Permission.CONFIGURATION_EDIT, _MAIN)
def rotate() -> Answer | AnyResponse:
    """Renew every key and secret."""
    reason = request.form.get("reason", "").strip()[:500]
    done = attempt(lambda: _rotate(reason))
    if isinstance(done, Problem):
        return _rotation(reason, done)
    flash(f"Every key and secret was renewed: generation {done.generation}.")
    return redirect("/configuration", 303)


@blueprint.get("/api")
@documented("Every category of the configuration, secrets masked.", answer=ConfigurationView)
def document() -> Response:
    """The configuration as JSON."""
    return json_answer(_view())


@blueprint.get(f"/api/{_CATEGORY}")
@documented(
    "One category of the configuration, secrets masked; its ETag is its version.",
    answer=CategoryView,
    address=AskCategory,
)
def one(category: str) -> Response:
    """A category as JSON."""
    found = next(item for item in _view().items if item.category == category)
    answer = json_answer(found)
    answer.set_etag(str(found.version))
    return answer


@blueprint.put(f"/api/{_CATEGORY}")
@documented(
    "Change a category whose ETag is that of If-Match; one change renews every key and secret.",
    answer=Changed,
    address=AskCategory,
    body=Settings,
    repeatable=True,
)
@needs(Permission.CONFIGURATION_EDIT, _MAIN)
def put(category: str) -> Response:
    """Change a category at once: who sends a document has reviewed it."""
    request_id = idempotency_key()
    typed = Typed.of_json(Category(category), expected_version("category"))
    done = _change(typed.change(request_id, LIFETIME), request_id)
    answer = json_answer(done)
    if done.changes:
        answer.set_etag(str(done.generation))
    return answer


@blueprint.post(f"/api/{_CATEGORY}/test")
@documented(
    "Test the connection with these values, saving nothing; a secret left out is the stored one.",
    answer=ConnectionTest,
    address=AskCategory,
    body=Settings,
)
@needs(Permission.CONFIGURATION_EDIT, _MAIN)
def test(category: str) -> Response:
    """Test a category's connection."""
    return json_answer(_test(Typed.of_json(Category(category), 0)))


def _view() -> ConfigurationView:
    view: ConfigurationView = runner().call("configuration.view")
    return view


def _preview(typed: Typed) -> ChangePreview:
    preview: ChangePreview = runner().call("configuration.preview", typed.preview())
    return preview


def _change(submitted: SubmitChange, request_id: str) -> Changed:
    changed: Changed = runner().call("configuration.change", submitted, request_id=request_id)
    return changed


def _test(typed: Typed) -> ConnectionTest:
    request_id = new_request_id()
    result: ConnectionTest = runner().call("configuration.test", typed.test(request_id), request_id=request_id)
    return result


def _rotate(reason: str) -> Rotated:
    password = request.form.get("password", "")
    if password:
        prove_again(password)
    rotated: Rotated = runner().call("secrets.rotate", RotateSecrets(reason=reason))
    return rotated


def _tested(typed: Typed) -> Answer:
    """The page with the result of a test, and with what was typed, secrets excepted."""
    result = attempt(lambda: _test(typed))
    return _refused(typed, result) if isinstance(result, Problem) else _page(typed)


def _refused(typed: Typed, problem: Problem) -> Answer:
    if problem.status not in _ON_THE_FORM:
        raise ApiError(problem)
    return _page(typed, problem)


def _page(typed: Typed | None = None, problem: Problem | None = None) -> Answer:
    """The page; with what was typed in one category in place of what stands there, and what was wrong with it."""
    view = attempt(_view)
    if isinstance(view, Problem):
        return failed_panel(PAGE, view)
    page = render_template(
        "configuration.html",
        view=view,
        fields={item.category: settings_of(item.category) for item in view.items},
        names=_choice_names(view),
        testable=TESTABLE,
        typed=typed,
        problem=problem,
        now=to_rfc3339(current_app.extensions["clock"].now()),
        editable=current_app.config["PHASE"] in _MAIN and Permission.CONFIGURATION_EDIT in caller().permissions,
    )
    return (page, problem.status) if problem else page


def _rotation(reason: str, problem: Problem | None) -> Answer:
    page = render_template("configuration_rotate.html", reason=reason, refused=problem)
    return (page, problem.status) if problem else page


def _choice_names(view: ConfigurationView) -> dict[str, dict[str, str]]:
    """What a person reads for each choice, by setting."""
    found = {field.name: field.names for category in Category for field in settings_of(category)}
    return found | {"BROKER_CODE": {one.code: f"{one.name} ({one.code})" for one in view.brokers}}


def _named(change: FieldChange) -> FieldChange:
    field = next(field for category in Category for field in settings_of(category) if field.name == change.name)
    before, after = (
        field.names.get(value, f"{value} {field.unit}".rstrip() if value else "empty")
        for value in (change.before, change.after)
    )
    return change.model_copy(update={"before": before, "after": after})
