"""`/backups/`: what can be brought back, whether it is whole, and the way back."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, flash, redirect, render_template, request, url_for
from pydantic import Field
from werkzeug.wrappers import Response as AnyResponse

from tbot_bot.api.backups import (
    AskBackup,
    AskRestore,
    AskSnapshot,
    Backup,
    BackupHealth,
    BackupKind,
    Backups,
    Purge,
    Purged,
    Restore,
    Restored,
    RestorePreview,
)
from tbot_bot.api.errors import ApiError, Problem
from tbot_bot.api.lifecycle import Phase
from tbot_bot.api.permissions import Permission
from tbot_bot.api.wording import counted
from tbot_bot.domain.time import Clock, to_rfc3339
from tbot_web.support import backup_view
from tbot_web.support.home import home
from tbot_web.support.openapi import documented
from tbot_web.support.page import CHECK, Page
from tbot_web.support.restoring import PATIENCE_S, Restoring
from tbot_web.support.runner_client import idempotency_key, new_request_id, runner
from tbot_web.support.security_users import needs
from tbot_web.support.step_up import prove_again
from tbot_web.support.utils_web import Answer, attempt, failed_panel, json_answer, message_of

PAGE = Page(
    slug="backups",
    title="Backups",
    purpose="What can be brought back, whether it is whole, and the way back.",
    prefix="/backups",
    permission=Permission.BACKUPS_MANAGE,
    phases=frozenset({Phase.MAIN, Phase.ERROR}),
    group=CHECK,
    shortcut="b",
    panel=True,
    place=40,
)
BACK_PAGE = Page(
    "comeback", "Starting again", "", "/backups/wait", Permission.PUBLIC, frozenset({Phase.MAIN, Phase.ERROR})
)
blueprint = Blueprint("backups", __name__)
_MADE = frozenset({Phase.MAIN})


class RestoreBody(Restore):
    """A restore, and the password that proves the person again."""

    password: str = Field(default="", max_length=1024, description="Proves the person again.")


class PurgeBody(Purge):
    """A purge, and the password that proves the person again."""

    password: str = Field(default="", max_length=1024, description="Proves the person again.")


@blueprint.get("/")
def show() -> Answer:
    """The panel."""
    return _page(None)


@blueprint.post("/make")
@needs(Permission.BACKUPS_MANAGE, _MADE)
def make() -> Answer | AnyResponse:
    """Make a snapshot, and go back to the list with it on top."""
    form = request.form
    asked = {"reason": form.get("reason", "").strip()}
    made = attempt(lambda: _make(message_of(AskSnapshot, asked), form.get("request_id") or new_request_id()))
    if isinstance(made, Problem):
        return _page(made)
    flash(f"A snapshot was made: {made.id}.")
    return redirect(PAGE.address, 303)


@blueprint.post("/verify")
def verify() -> Answer | AnyResponse:
    """Check a backup, and say in its row how it is."""
    checked = attempt(lambda: _verify(message_of(AskBackup, {"id": request.form.get("id", "")})))
    if isinstance(checked, Problem):
        return _page(checked)
    return redirect(url_for("backups.show", checked=checked.id, _anchor="checked"), 303)


@blueprint.get("/restore/<name>")
def restore(name: str) -> Answer:
    """What a restore would change."""
    return _RESTORING.show(name)


@blueprint.post("/restore/<name>")
def carry_out(name: str) -> Answer | AnyResponse:
    """The restore itself."""
    return _RESTORING.carry_out(name)


@blueprint.get("/purge")
@needs(Permission.BACKUPS_MANAGE, _MADE)
def purge() -> Answer:
    """From which generation on to keep, and what would be destroyed."""
    return _purge_question(request.args.get("before", type=int), None)


@blueprint.post("/purge")
@needs(Permission.BACKUPS_MANAGE, _MADE)
def carry_out_purge() -> Answer | AnyResponse:
    """Destroy what was shown."""
    form = request.form
    sent = {name: form.get(name, "").strip() for name in ("before", "typed", "reason")}
    done = attempt(
        lambda: _purge(message_of(Purge, sent), form.get("password", ""), form.get("request_id") or new_request_id())
    )
    if isinstance(done, Problem):
        return _purge_question(form.get("before", type=int), done)
    generations, snapshots = counted(len(done.generations), "generation"), counted(len(done.snapshots), "snapshot")
    flash(f"Destroyed: {generations} and {snapshots}.")
    return redirect(PAGE.address, 303)


@blueprint.get("/wait")
@needs(Permission.PUBLIC, PAGE.phases)
def back() -> Answer | AnyResponse:
    """Shown while the control process starts again; leads back to the list once another one answers."""
    after = request.args.get("after")
    if home().run() != after and _answers():
        return redirect(PAGE.address, 303)
    return render_template("comeback.html", page=BACK_PAGE)


@blueprint.get("/api")
@documented("All backups, newest first, and the rule by which they are kept.", answer=Backups)
def listed() -> Response:
    """The list."""
    return json_answer(_list())


@blueprint.post("/api/make")
@documented("Make a snapshot now.", answer=Backup, body=AskSnapshot, repeatable=True)
@needs(Permission.BACKUPS_MANAGE, _MADE)
def make_one() -> Response:
    """Make a snapshot."""
    return json_answer(_make(message_of(AskSnapshot, request.get_json()), idempotency_key()))


@blueprint.post("/api/verify")
@documented("Check a backup whole, and say how it is.", answer=Backup, body=AskBackup)
def verify_one() -> Response:
    """Check a backup."""
    return json_answer(_verify(message_of(AskBackup, request.get_json())))


@blueprint.post("/api/preview")
@documented("What a restore would change, and the digest that names exactly this.", answer=RestorePreview,
            body=AskRestore)  # fmt: skip
def preview_one() -> Response:
    """What it would change."""
    return json_answer(_RESTORING.preview(message_of(AskRestore, request.get_json())))


@blueprint.post("/api/restore")
@documented("Restore what was previewed.", answer=Restored, body=RestoreBody, repeatable=True)
def restore_one() -> Response:
    """Restore."""
    sent = message_of(RestoreBody, request.get_json())
    asked = Restore.model_validate(sent.model_dump(exclude={"password"}))
    return json_answer(_RESTORING.restore(asked, idempotency_key(), sent.password))


@blueprint.post("/api/purge")
@documented("Destroy every generation, and every snapshot of one, older than a generation.", answer=Purged,
            body=PurgeBody, repeatable=True)  # fmt: skip
@needs(Permission.BACKUPS_MANAGE, _MADE)
def purge_all() -> Response:
    """Destroy old generations."""
    sent = message_of(PurgeBody, request.get_json())
    asked = Purge.model_validate(sent.model_dump(exclude={"password"}))
    return json_answer(_purge(asked, sent.password, idempotency_key()))


def _page(problem: Problem | None) -> Answer:
    found = attempt(_list)
    kind = attempt(_kind)
    if isinstance(found, Problem):
        return failed_panel(PAGE, found)
    if isinstance(kind, Problem):
        return failed_panel(PAGE, kind)
    page = render_template(
        "backups.html",
        page=PAGE,
        backups=found,
        kind=kind,
        checked=_checked(found),
        problem=problem,
        view=backup_view,
        as_of=_now(),
        request_id=new_request_id(),
    )
    return page, problem.status if problem else 200


def _purge_question(before: int | None, refused: Problem | None) -> Answer:
    found = attempt(_list)
    if isinstance(found, Problem):
        return failed_panel(PAGE, found)
    document = home().status_document()
    page = render_template(
        "purge.html",
        page=PAGE,
        backups=found,
        before=before,
        doomed=backup_view.purged(found, before) if before else [],
        bot=document.parent.name if document else "",
        refused=refused,
        view=backup_view,
        request_id=new_request_id(),
    )
    return page, refused.status if refused else 200


def _kind() -> str | None:
    kind = request.args.get("kind") or None
    if kind is not None and kind not in list(BackupKind):
        raise ApiError.of(
            400, "bad_filter", "This filter cannot be applied", fields={"kind": "kind must be generation or snapshot"}
        )
    return kind


def _checked(found: Backups) -> Backup | None:
    """The backup that was just checked."""
    asked = request.args.get("checked")
    return next((one for one in found.items if one.id == asked and one.health is not BackupHealth.UNCHECKED), None)


def _list() -> Backups:
    found: Backups = runner().call("backups.list")
    return found


def _make(asked: AskSnapshot, request_id: str) -> Backup:
    made: Backup = runner().call("backups.make", asked, request_id=request_id, timeout_s=PATIENCE_S)
    return made


def _verify(asked: AskBackup) -> Backup:
    checked: Backup = runner().call("backups.verify", asked, timeout_s=PATIENCE_S)
    return checked


def _purge(asked: Purge, password: str, request_id: str) -> Purged:
    if password:
        prove_again(password)
    done: Purged = runner().call("backups.purge", asked, request_id=request_id, timeout_s=PATIENCE_S)
    return done


def _answers() -> bool:
    try:
        runner().call("web.keys")
    except ApiError:
        return False  # still on its way; the page asks again
    return True


def _now() -> str:
    clock: Clock = current_app.extensions["clock"]
    return to_rfc3339(clock.now())


_RESTORING = Restoring(PAGE, "backups", proves=True, backups=_list)
