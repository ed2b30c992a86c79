"""The two steps of a restore: what it would change, exactly; then the act, bound to what was seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flask import flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from tbot_bot.api.backups import AskRestore, Backup, BackupPart, Backups, Restore, Restored, RestorePreview
from tbot_bot.api.errors import ApiError, Problem
from tbot_web.support import backup_view
from tbot_web.support.home import home
from tbot_web.support.page import Page
from tbot_web.support.runner_client import new_request_id, runner
from tbot_web.support.step_up import prove_again
from tbot_web.support.utils_web import Answer, attempt, failed_panel, message_of

#: A snapshot is made before a restore, and a large ledger takes its time.
PATIENCE_S = 120.0
#: Proofs of the preview are only good for what it showed.
_STALE = 409


@dataclass(frozen=True, slots=True)
class Restoring:
    """The steps under one page; `verbs` names whose they are, `proves` whether the password is asked for again."""

    page: Page
    verbs: str
    proves: bool
    backups: Callable[[], Backups]

    def show(self, name: str) -> Answer:
        """The parts to choose from; once chosen, what restoring them would change."""
        backup = attempt(lambda: self._found(name))
        if isinstance(backup, Problem):
            return failed_panel(self.page, backup)
        only = backup.parts if len(backup.parts) == 1 else []  # nothing to choose
        asked = attempt(lambda: _parts(request.args.getlist("part") or only))
        if isinstance(asked, Problem):
            return failed_panel(self.page, asked)
        return self._question(backup, asked, None)

    def carry_out(self, name: str) -> Answer | AnyResponse:
        """Do what was previewed; refused, the question is asked again with what changed since it was seen."""
        backup = attempt(lambda: self._found(name))
        if isinstance(backup, Problem):
            return failed_panel(self.page, backup)
        run = home().run()
        restored = attempt(lambda: self.restore(self._sent(name)))
        if isinstance(restored, Problem):
            return self._question(backup, _parts(request.form.getlist("part")), restored)
        if restored.restarts:
            return redirect(url_for("backups.back", after=run), 303)
        flash(restored.message)
        return redirect(self.page.address, 303)

    def preview(self, asked: AskRestore) -> RestorePreview:
        """What it would change."""
        found: RestorePreview = runner().call(f"{self.verbs}.preview", asked, timeout_s=PATIENCE_S)
        return found

    def restore(self, asked: Restore, request_id: str | None = None, password: str | None = None) -> Restored:
        """Prove the person if a password came with it, then restore; raises ApiError."""
        secret = request.form.get("password") if password is None else password
        if self.proves and secret:
            prove_again(secret)
        chosen = request_id or request.form.get("request_id") or None
        done: Restored = runner().call(f"{self.verbs}.restore", asked, request_id=chosen, timeout_s=PATIENCE_S)
        return done

    def _found(self, name: str) -> Backup:
        found = next((one for one in self.backups().items if one.id == name), None)
        if found is None:
            raise ApiError.of(404, "no_such_backup", "There is no such backup", "", "Choose one from the list.")
        return found

    def _sent(self, name: str) -> Restore:
        form = request.form
        return message_of(
            Restore,
            {
                "id": name,
                "parts": form.getlist("part"),
                "digest": form.get("digest", ""),
                "reason": form.get("reason", "").strip(),
            },
        )

    def _question(self, backup: Backup, parts: list[BackupPart], refused: Problem | None) -> Answer:
        preview = attempt(lambda: self.preview(AskRestore(id=backup.id, parts=parts))) if parts else None
        failure = preview if isinstance(preview, Problem) else None
        seen = request.form.getlist("seen") if refused and refused.status == _STALE else None
        page = render_template(
            "restore.html",
            page=self.page,
            backup=backup,
            parts=parts,
            preview=None if failure else preview,
            failure=failure,
            refused=refused,
            seen=seen,
            proves=self.proves,
            view=backup_view,
            request_id=new_request_id(),
        )
        shown = refused or failure
        return page, shown.status if shown else 200


def _parts(names: list[str] | list[BackupPart]) -> list[BackupPart]:
    return message_of(AskRestore, {"id": "any", "parts": names}).parts if names else []
