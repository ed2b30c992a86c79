"""The backups page: the list, checking, making, the two steps of a restore, purging; and the same for programs."""

from __future__ import annotations

import re
from typing import Any

import httpx2
import pytest

from tbot_bot.api.backups import AskSnapshot, BackupPart, Purge, Restore
from tbot_bot.api.errors import ApiError
from tbot_bot.api.permissions import Role
from tbot_bot.api.sessions import SteppedUp
from tests.unit.web.canned import PASSWORD, RUNNER_GONE, CannedRunner
from tests.unit.web.conftest import Served
from tests.unit.web.pages import Browser
from tests.unit.web_dashboard import canned_backups
from tests.unit.web_dashboard.canned_backups import DAMAGED, DIGEST, NEWEST

PREVIEW = f"/backups/restore/{NEWEST}?part=users&part=ledger"
BUTTON = "Restore users and ledger from the snapshot of 22 Nov 2026 02:15"
FORM = {"digest": DIGEST, "part": ["users", "ledger"], "reason": "a bad import", "password": PASSWORD}


@pytest.fixture(autouse=True)
def step_up(runner: CannedRunner) -> None:
    """A password renews the session, as the runner does it."""
    runner.publish("stopped")

    def prove(caller: Any, params: Any) -> SteppedUp:
        if runner.unseal("session.step_up", caller, params) != {"password": PASSWORD}:
            raise ApiError.of(403, "wrong_password", "That is not your password")
        return SteppedUp(session=runner.sign_in(), until="2026-11-22T08:05:00Z")

    runner.special["session.step_up"] = prove


def asked(runner: CannedRunner, verb: str) -> list[Any]:
    return [params for name, _, params in runner.calls if name == verb]


def send(browser: Browser, path: str, form: dict[str, Any]) -> httpx2.Response:
    return browser.http.post(path, data=form | {"csrf_token": browser.token(PREVIEW)})


class TestList:
    def test_figures_rows_and_totals(self, admin: Browser) -> None:
        page = admin.get("/backups/").text
        for text in ("made 47 min ago", "5 h 45 min old", "30 days", "38.2 GB", "8 backups", "14.5 MB", "in use"):
            assert text in page, text
        assert page.count(">Verify</button>") == 8
        # neither what is in use nor what is damaged can be restored
        assert page.count(">Restore…</a>") == 6
        assert f"/backups/restore/{DAMAGED}" not in page
        assert "LEDGER.db is not what was written" in page

    @pytest.mark.parametrize(("kind", "rows"), [("generation", 5), ("snapshot", 3)])
    def test_the_filter_stays_in_the_address(self, admin: Browser, kind: str, rows: int) -> None:
        page = admin.get(f"/backups/?kind={kind}").text
        assert page.count(">Verify</button>") == rows
        assert f'value="{kind}" selected' in page
        assert "5 h 45 min old" in page  # the figures are of all

    def test_what_matches_nothing_and_what_is_no_filter(self, admin: Browser, runner: CannedRunner) -> None:
        runner.special["backups.list"] = lambda *_: canned_backups.backups(items=[])
        assert "No backup yet" in admin.get("/backups/").text
        assert "No snapshot is kept" in admin.get("/backups/?kind=snapshot").text
        assert admin.get("/backups/?kind=tape").status_code == 400

    def test_what_cannot_be_read_is_a_dash_with_its_reason(self, admin: Browser, runner: CannedRunner) -> None:
        lost = canned_backups.snapshot("snapshot-x", "", 1, generation=None, problem="Its manifest is missing.")
        runner.special["backups.list"] = lambda *_: canned_backups.backups(items=[lost], next_snapshot_at=None)
        page = admin.get("/backups/").text
        assert "no generation can be read" in page
        assert "no next one is planned" in page
        assert 'aria-label="Verify the snapshot of an unknown time"' in page

    @pytest.mark.parametrize("role", [Role.OPERATOR, Role.AUDITOR, Role.VIEWER])
    def test_it_is_for_administrators(self, web: Served, runner: CannedRunner, role: Role) -> None:
        browser = web.browser(tbot_session=runner.sign_in(role))
        for path in ("/backups/", PREVIEW, "/backups/purge", "/backups/api"):
            assert browser.get(path).status_code == 403
        assert web.browser().get("/backups/").headers["Location"].startswith("/login")

    @RUNNER_GONE
    def test_without_the_runner_it_says_so(self, admin: Browser, runner: CannedRunner) -> None:
        admin.get("/backups/")
        runner.stop()
        assert admin.get("/backups/").status_code == 503

    def test_a_failure_says_what_and_tries_again(self, admin: Browser, runner: CannedRunner) -> None:
        runner.special["backups.list"] = ApiError.of(503, "backup", "Backups cannot be read")
        page = admin.get("/backups/")
        assert (page.status_code, "data-retry-panel" in page.text) == (503, True)

    def test_in_error_it_can_verify_and_restore_but_not_make_or_purge(
        self, admin: Browser, runner: CannedRunner
    ) -> None:
        runner.publish("error")
        page = admin.get("/backups/").text
        assert ">Restore…</a>" in page
        assert "Make a snapshot" not in page
        assert "Purge" not in page
        assert "data-live" not in page  # nothing to poll there
        assert admin.get("/backups/purge").status_code == 404


class TestVerifyAndMake:
    def test_the_result_stands_on_the_page(self, admin: Browser) -> None:
        answer = admin.send("/backups/verify", {"id": DAMAGED}, seen_on="/backups/")
        assert answer.headers["Location"] == f"/backups/?checked={DAMAGED}#checked"
        page = admin.get(f"/backups/?checked={DAMAGED}").text
        assert "notice-bad" in page
        assert "The snapshot of 20 Nov 2026 02:15: LEDGER.db" in page
        assert "is as it was written" in admin.get(f"/backups/?checked={NEWEST}").text

    def test_a_backup_that_is_gone(self, admin: Browser) -> None:
        answer = admin.send("/backups/verify", {"id": "generation-000099"}, seen_on="/backups/")
        assert (answer.status_code, "There is no such backup" in answer.text) == (404, True)
        assert ">Verify</button>" in answer.text
        assert admin.send("/backups/verify", {"id": "x" * 81}, seen_on="/backups/").status_code == 400

    def test_make_says_what_it_made(self, admin: Browser, runner: CannedRunner) -> None:
        answer = admin.send("/backups/make", {"reason": " before an upgrade "}, seen_on="/backups/")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/backups/")
        assert asked(runner, "backups.make") == [AskSnapshot(reason="before an upgrade")]
        assert "A snapshot was made" in admin.get("/backups/").text

    def test_make_that_fails_says_why_above_the_list(self, admin: Browser, runner: CannedRunner) -> None:
        runner.special["backups.make"] = ApiError.of(503, "no_space", "The disk is full", "", "Free 12 MB.")
        answer = admin.send("/backups/make", {}, seen_on="/backups/")
        assert (answer.status_code, "Free 12 MB." in answer.text) == (503, True)
        assert ">Verify</button>" in answer.text


class TestRestore:
    def test_a_snapshot_asks_for_its_parts_first(self, admin: Browser) -> None:
        page = admin.get(f"/backups/restore/{NEWEST}").text
        assert page.count('type="checkbox"') == 5
        assert "Show what would change" in page
        assert "danger" not in page

    def test_a_generation_has_only_one_part(self, admin: Browser) -> None:
        page = admin.get("/backups/restore/generation-000002").text
        assert "Restore keys and secrets from generation 2 of 19 Nov 2026 09:00" in page
        assert "The control process starts again" not in page

    def test_the_preview_says_exactly_what_changes(self, admin: Browser) -> None:
        page = admin.get(PREVIEW).text
        for text in ("eve is removed", "2 password changes since", "14 events and 3 trades since", BUTTON):
            assert text in page, text
        assert f'class="danger">{BUTTON}</button>' in page
        assert "The control process starts again" in page
        for name in ('name="reason"', 'name="password"', f'value="{DIGEST}"', "autofocus>Cancel"):
            assert name in page

    def test_it_is_carried_out_as_it_was_seen(self, admin: Browser, runner: CannedRunner) -> None:
        runner._replace("epoch", "run1-7")
        answer = send(admin, f"/backups/restore/{NEWEST}", FORM)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/backups/wait?after=run1")
        parts = [BackupPart.USERS, BackupPart.LEDGER]
        assert asked(runner, "backups.restore") == [
            Restore(id=NEWEST, parts=parts, digest=DIGEST, reason="a bad import")
        ]
        assert "tbot_session" in answer.headers["Set-Cookie"]

    def test_without_a_restart_it_goes_back_to_the_list(self, admin: Browser) -> None:
        answer = send(admin, "/backups/restore/generation-000002", FORM | {"part": ["secrets"]})
        assert answer.headers["Location"] == "/backups/"
        assert "Generation 5 is in use now." in admin.get("/backups/").text

    def test_a_stale_preview_is_shown_again_with_what_is_new(self, admin: Browser, runner: CannedRunner) -> None:
        seen = ["users: eve is removed", "ledger: 11 events and 2 trades since"]
        answer = send(admin, f"/backups/restore/{NEWEST}", FORM | {"digest": "0" * 64, "seen": seen})
        assert answer.status_code == 409
        page = answer.text
        assert "What it would do has changed since you looked" in page
        assert "14 events and 3 trades since <span" in page
        assert "eve is removed <span" not in page
        assert "11 events and 2 trades since" in page.partition("No longer so")[2]
        assert 'value="a bad import"' in page
        assert f'class="danger">{BUTTON}</button>' in page

    def test_a_wrong_password_restores_nothing(self, admin: Browser, runner: CannedRunner) -> None:
        answer = send(admin, f"/backups/restore/{NEWEST}", FORM | {"password": "guess"})
        assert (answer.status_code, "That is not your password" in answer.text) == (403, True)
        assert "has changed since you looked" not in answer.text
        assert asked(runner, "backups.restore") == []

    def test_what_is_not_possible_has_no_button(self, admin: Browser, runner: CannedRunner) -> None:
        refusal = "The bot is trading. Stop it first."
        runner.special["backups.preview"] = lambda _caller, asked: canned_backups.previewed(asked, refusal=refusal)
        page = admin.get(PREVIEW).text
        assert refusal in page
        assert "danger" not in page

    def test_a_preview_that_fails(self, admin: Browser, runner: CannedRunner) -> None:
        runner.special["backups.preview"] = ApiError.of(409, "damaged", "This backup cannot be relied on")
        page = admin.get(PREVIEW)
        assert (page.status_code, "This backup cannot be relied on" in page.text) == (409, True)

    @pytest.mark.parametrize(
        ("path", "status"), [("generation-000099", 404), (f"{NEWEST}?part=tape", 400)], ids=["gone", "no such part"]
    )
    def test_what_there_is_not(self, admin: Browser, path: str, status: int) -> None:
        assert admin.get(f"/backups/restore/{path}").status_code == status

    def test_a_form_for_a_backup_that_went(self, admin: Browser) -> None:
        assert send(admin, "/backups/restore/generation-000099", FORM).status_code == 404


class TestWait:
    def test_it_waits_for_another_control_process(self, web: Served, runner: CannedRunner) -> None:
        stranger = web.browser()
        runner._replace("epoch", "run1-7")
        assert "starts again" in stranger.get("/backups/wait?after=run1").text
        runner._replace("epoch", "run1-9")
        assert stranger.get("/backups/wait?after=run1").status_code == 200
        runner._replace("epoch", "run2-1")
        assert stranger.get("/backups/wait?after=run1").headers["Location"] == "/backups/"

    @RUNNER_GONE
    def test_and_until_that_one_answers(self, web: Served, runner: CannedRunner) -> None:
        stranger = web.browser()
        stranger.get("/backups/wait")  # the portal has keys
        runner.publish("shutdown")
        runner._replace("epoch", "run2-1")
        runner.stop()
        assert stranger.get("/backups/wait?after=run1").status_code == 200


class TestPurge:
    def test_first_from_where_on_then_what_goes(self, admin: Browser) -> None:
        page = admin.get("/backups/purge").text
        assert re.findall(r'<option value="(\d+)">', page) == ["4", "3", "2", "1"]
        shown = admin.get("/backups/purge?before=2").text
        assert "2 backups, 36.8 kB" in shown
        assert "RIGD_US_SIM_001" not in shown
        assert 'class="danger">Purge everything before generation 2</button>' in shown

    def test_nothing_to_purge(self, admin: Browser, runner: CannedRunner) -> None:
        only = canned_backups.generation(1, "2026-11-22T07:12:31Z", "made", counts=True)
        runner.special["backups.list"] = lambda *_: canned_backups.backups(items=[only])
        assert "Nothing to purge" in admin.get("/backups/purge").text
        assert "Nothing is older" in admin.get("/backups/purge?before=1").text

    def test_it_asks_for_the_name_and_the_password(self, admin: Browser, runner: CannedRunner) -> None:
        (runner.root / "output" / "RIGD_US_SIM_001").mkdir(parents=True, exist_ok=True)
        form = {"before": "2", "reason": "key revoked", "typed": "RIGD_US_SIM_001", "password": PASSWORD}
        assert send(admin, "/backups/purge", form | {"typed": "rigd"}).status_code == 422
        assert send(admin, "/backups/purge", form | {"before": "x"}).status_code == 400
        assert send(admin, "/backups/purge", form).headers["Location"] == "/backups/"
        assert asked(runner, "backups.purge")[-1] == Purge(before=2, typed="RIGD_US_SIM_001", reason="key revoked")
        assert "Destroyed: 2 generations and 0 snapshots." in admin.get("/backups/").text


class TestForPrograms:
    def post(self, browser: Browser, name: str, body: object) -> httpx2.Response:
        headers = {"X-CSRFToken": browser.token("/backups/"), "Idempotency-Key": "request-0001"}
        return browser.http.post(f"/backups/api/{name}", json=body, headers=headers)

    def test_every_act(self, admin: Browser, runner: CannedRunner) -> None:
        assert len(admin.get("/backups/api").json()["items"]) == 8
        assert self.post(admin, "make", {"reason": "why"}).json()["actor"] == "ada"
        assert self.post(admin, "verify", {"id": NEWEST}).json()["health"] == "whole"
        body = {"id": NEWEST, "parts": ["users"]}
        digest = self.post(admin, "preview", body).json()["digest"]
        done = self.post(admin, "restore", body | {"digest": digest, "reason": "r", "password": PASSWORD})
        assert done.json() == {"generation": None, "restarts": True, "message": "Generation 5 is in use now."}
        purge = {"before": 2, "typed": "RIGD_US_SIM_001", "reason": "r", "password": PASSWORD}
        assert self.post(admin, "purge", purge).json() == {"generations": [0, 1], "snapshots": []}
        for verb in ("make", "restore", "purge"):
            (caller,) = [caller for name, caller, _ in runner.calls if name == f"backups.{verb}"]
            assert caller.request_id == "request-0001"

    def test_what_is_wrong_is_named_and_never_repeated(self, admin: Browser) -> None:
        answer = self.post(admin, "restore", {"id": NEWEST, "parts": ["tape"], "digest": 7, "password": ["hunter2"]})
        assert answer.status_code == 400
        assert {"parts.0", "digest", "password"} <= answer.json()["fields"].keys()
        assert "hunter2" not in answer.text
        assert self.post(admin, "preview", ["x"]).status_code == 400

    def test_a_stale_digest(self, admin: Browser) -> None:
        answer = self.post(admin, "restore", {"id": NEWEST, "parts": ["users"], "digest": "", "password": PASSWORD})
        assert (answer.status_code, answer.json()["code"]) == (409, "preview_stale")

    def test_no_change_without_a_token(self, admin: Browser) -> None:
        for name in ("make", "verify", "preview", "restore", "purge"):
            assert admin.http.post(f"/backups/api/{name}", json={}).json()["code"] == "csrf"
