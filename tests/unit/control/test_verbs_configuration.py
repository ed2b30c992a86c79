from __future__ import annotations

import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tbot_bot.api.configuration import Category, SubmitChange
from tbot_bot.api.errors import ApiError
from tbot_bot.api.permissions import Permission, Role, may
from tbot_bot.api.sealing import REVIEW, seal
from tbot_bot.api.settings import Configuration
from tbot_bot.api.trading_settings import TradingSettings
from tbot_bot.api.verbs import VERBS
from tbot_bot.config.secret_creation import create_secrets
from tbot_bot.control.conductor import MarketInUseError
from tbot_bot.control.system_api import Caller
from tbot_bot.control.verbs_configuration import ConfigurationVerbs
from tbot_bot.domain.audit import AuditPhase
from tbot_bot.domain.lifecycle import State
from tests.integration.replays import write_csv
from tests.support import mail
from tests.support.hooks import HookServer
from tests.unit.control.backstage import PASSWORD, Backstage, call
from tests.unit.control.stage import Stage
from tests.unit.trading.desk import FRIDAY

THURSDAY = FRIDAY.day - timedelta(days=1)
MAIL = {"SMTP_HOST": "mail.example.org", "SMTP_FROM": "bot@example.org"}


class Desk:
    """An administrator at the verbs of the configuration."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.house: Backstage = stage.backstage
        self.verbs = ConfigurationVerbs(self.house.foundation, lambda: stage.conductor, self.house.unsealer)
        self.handlers = self.verbs.handlers()
        self.sessions = {"admin": self.house.sign_in("admin")}

    def caller(self, request_id: str = "", name: str = "admin") -> Caller:
        if name not in self.sessions:
            self.house.add_user(Role.ADMIN, name)
            self.sessions[name] = self.house.sign_in(name)
        return self.house.caller(self.sessions[name], request_id=request_id)

    def view(self, category: str) -> Any:
        view = call(self.handlers, "configuration.view", self.caller())
        return next(item for item in view.items if item.category == category)

    def change(
        self,
        category: str,
        values: dict[str, str],
        secret: dict[str, str] | None = None,
        *,
        version: int | None = None,
        cleared: tuple[str, ...] = (),
        caller: Caller | None = None,
    ) -> Any:
        caller = caller or self.caller()
        params: dict[str, Any] = {
            "category": category,
            "version": self.view(category).version if version is None else version,
            "values": values,
            "cleared": list(cleared),
        }
        sealed = self.box(caller, "configuration.change", secret, **params) if secret else None
        return call(self.handlers, "configuration.change", caller, **params, sealed=sealed)

    def test(self, category: str, values: dict[str, str], secret: dict[str, str] | None = None) -> Any:
        caller = self.caller()
        params: dict[str, Any] = {"category": category, "values": values, "cleared": []}
        sealed = self.box(caller, "configuration.test", secret, **params) if secret else None
        return call(self.handlers, "configuration.test", caller, **params, sealed=sealed)

    def box(self, caller: Caller, verb: str, secret: dict[str, str], **params: object) -> str:
        with self.house.foundation.secrets.current() as pinned:
            key = pinned.sealing_public_key()
        now = self.house.clock.now()
        return seal(
            key, request_id=caller.request_id, verb=verb, params=params, secret=secret, now=now, lifetime=REVIEW
        )

    @property
    def generation(self) -> int:
        return self.house.foundation.generation


@pytest.fixture
def desk(stage: Stage) -> Desk:
    return Desk(stage)


def refusal(ask: Any, *arguments: Any, **params: Any) -> Any:
    with pytest.raises(ApiError) as error:
        ask(*arguments, **params)
    return error.value.problem


def test_what_is_shown_holds_no_secret(desk: Desk) -> None:
    desk.change("smtp", MAIL | {"SMTP_USER": "bot"}, {"SMTP_PASSWORD": "hunter2"})
    desk.house.clock.move(minutes=5)
    view = call(desk.handlers, "configuration.view", desk.caller())
    assert "hunter2" not in view.model_dump_json()
    assert (view.generation, view.generation_by) == (desk.generation, "Admin")
    shown = {item.category: item for item in view.items}
    assert shown["smtp"].secrets == {"SMTP_PASSWORD": True}
    assert (shown["smtp"].version, shown["broker"].version) == (2, 1)
    assert shown["smtp"].changed_at == view.generation_at
    assert shown["bot_identity"].locked
    assert [shown[one].locked for one in ("broker", "smtp")] == ["", ""]


def test_one_change_is_one_rotation_and_audited_without_its_secret(desk: Desk) -> None:
    before = desk.generation
    done = desk.change("smtp", MAIL | {"SMTP_USER": "bot"}, {"SMTP_PASSWORD": "hunter2"})
    assert done.generation == desk.generation == before + 1
    assert done.message == f"Saved: generation {before + 1}. The next mail is sent with these values."
    saved = desk.house.foundation.configuration()
    assert (saved.SMTP_HOST, saved.SMTP_PASSWORD.get_secret_value()) == ("mail.example.org", "hunter2")
    outcome, intent = desk.house.audited("configuration.change")
    assert (intent.phase, outcome.phase, outcome.result) == (AuditPhase.INTENT, AuditPhase.OUTCOME, "ok")
    assert (outcome.actor, outcome.role, outcome.target, outcome.generation) == ("Admin", "admin", "smtp", before + 1)
    assert outcome.before == {"SMTP_HOST": "", "SMTP_USER": "", "SMTP_PASSWORD": "not set", "SMTP_FROM": ""}
    assert outcome.after == {
        "SMTP_HOST": "mail.example.org",
        "SMTP_USER": "bot",
        "SMTP_PASSWORD": "changed",
        "SMTP_FROM": "bot@example.org",
    }
    files = (one.read_bytes() for one in desk.house.home.root.rglob("*") if one.is_file())
    assert not any(b"hunter2" in content for content in files)


def test_where_nothing_differs_nothing_is_renewed(desk: Desk) -> None:
    desk.change("smtp", MAIL | {"SMTP_USER": "bot"}, {"SMTP_PASSWORD": "hunter2"})
    before = desk.generation
    same = desk.change("smtp", MAIL, {"SMTP_PASSWORD": "hunter2"})
    assert (same.generation, same.changes, same.message) == (before, [], "Nothing differs, so nothing was renewed.")
    assert desk.generation == before


def test_the_same_request_again_answers_the_same(desk: Desk) -> None:
    version, request_id = desk.view("smtp").version, secrets.token_urlsafe(12)
    caller = desk.caller(request_id)
    params = {"category": "smtp", "version": version, "values": MAIL | {"SMTP_USER": "bot"}, "cleared": []}
    box = desk.box(caller, "configuration.change", {"SMTP_PASSWORD": "hunter2"}, **params)
    first, again = (call(desk.handlers, "configuration.change", caller, **params, sealed=box) for _ in range(2))
    assert first == again
    assert desk.generation == first.generation
    others = refusal(desk.change, "smtp", MAIL, caller=desk.caller(request_id, "eve"))
    assert (others.status, others.code) == (409, "request_repeated")
    elsewhere = refusal(desk.change, "broker", {"SIM_SPEED": "60"}, caller=desk.caller(request_id))
    assert elsewhere.code == "request_repeated"


def test_of_two_at_once_the_second_is_told_what_the_first_did(desk: Desk) -> None:
    seen = desk.view("smtp").version
    desk.change("smtp", MAIL, version=seen)
    before = desk.generation
    problem = refusal(desk.change, "smtp", {"SMTP_PORT": "25"}, version=seen, caller=desk.caller(name="eve"))
    assert (problem.status, problem.code) == (412, "configuration_moved")
    assert problem.detail.startswith("Admin changed it at ")
    assert problem.fields == {
        "SMTP_HOST": "Mail server was changed from empty to mail.example.org.",
        "SMTP_FROM": "Sender address was changed from empty to bot@example.org.",
    }
    assert desk.generation == before
    desk.change("broker", {"SIM_SPEED": "60"})  # another category is not concerned
    params = {"category": "smtp", "version": seen, "values": {}}
    assert refusal(call, desk.handlers, "configuration.preview", desk.caller(), **params).status == 412


def test_a_rotation_in_between_is_no_change_of_the_category(desk: Desk) -> None:
    seen = desk.view("smtp").version
    desk.house.foundation.rotation.rotate(dict, request_id="in-between", reason="test", actor="test")
    assert desk.change("smtp", MAIL, version=seen).changes


def test_what_moved_below_the_check_is_not_overwritten(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another verb rotates between our reading and our rotation."""
    stale = desk.verbs._present()
    moved = Configuration(SMTP_HOST="other.example.org", SMTP_FROM="a@example.org", SMTP_PASSWORD=SecretStr(""))
    desk.house.foundation.rotation.rotate(
        lambda _old: create_secrets(moved, TradingSettings()), request_id="in-between", reason="test", actor="test"
    )
    monkeypatch.setattr(desk.verbs, "_present", lambda: stale)
    before = desk.generation
    assert refusal(desk.change, "smtp", MAIL, version=1).code == "configuration_moved"
    assert desk.generation == before
    assert desk.house.foundation.configuration() == moved


def test_a_preview_tells_the_change_and_makes_none(desk: Desk) -> None:
    before = desk.generation
    params = {"category": "smtp", "version": 1, "values": MAIL | {"SMTP_USER": "bot"}, "given": ["SMTP_PASSWORD"]}
    told = call(desk.handlers, "configuration.preview", desk.caller(), **params)
    assert {one.name: one.after for one in told.changes} == {
        "SMTP_HOST": "mail.example.org",
        "SMTP_USER": "bot",
        "SMTP_PASSWORD": "changed",
        "SMTP_FROM": "bot@example.org",
    }
    assert told.follows == "The next mail is sent with these values."
    wrong = refusal(call, desk.handlers, "configuration.preview", desk.caller(), **(params | {"given": []}))
    assert (wrong.status, list(wrong.fields)) == (422, ["SMTP_PASSWORD"])
    assert desk.generation == before


def test_what_is_fixed_stays(desk: Desk) -> None:
    before = desk.generation
    for category, name in (("bot_identity", "ENTITY_CODE"), ("broker", "SIM_SEED")):
        problem = refusal(desk.change, category, {name: "9"} if name == "SIM_SEED" else {name: "ACME"})
        assert (problem.status, list(problem.fields)) == (422, [name])
    assert desk.generation == before


# the market


def test_a_new_speed_starts_market_and_bot_again(desk: Desk) -> None:
    stage = desk.stage
    stage.tick()
    bots = len(stage.bots)
    done = desk.change("broker", {"SIM_SPEED": "240"})
    assert done.message.endswith("The market and the bot are started again with these values.")
    assert str(stage.floor.configuration.SIM_SPEED) == "120"
    stage.tick()
    stage.tick()
    assert str(stage.floor.configuration.SIM_SPEED) == "240"
    assert len(stage.bots) == bots + 1
    stage.tick()
    assert len(stage.bots) == bots + 1


def test_while_the_bot_runs_the_market_stays_as_it_is(desk: Desk) -> None:
    desk.stage.backstage.lifecycle.move(State.STARTED, "test")
    assert "must be stopped; it is started now" in desk.view("broker").locked
    before = desk.generation
    with pytest.raises(MarketInUseError):
        desk.change("broker", {"SIM_SPEED": "240"})
    assert desk.generation == before
    assert desk.change("smtp", MAIL).generation == before + 1
    desk.stage.tick()
    assert str(desk.stage.floor.configuration.SIM_SPEED) == "120"


def test_a_replay_goes_on_in_a_folder_that_reaches_beyond_the_market(desk: Desk, tmp_path: Path) -> None:
    past, ahead = (str(write_csv(tmp_path / str(day), (day,))) for day in (THURSDAY, FRIDAY.day))
    replay = Configuration(SIM_FEED="replay", SIM_REPLAY_DIR=str(tmp_path))
    desk.house.foundation.rotation.rotate(
        lambda _old: create_secrets(replay, TradingSettings()), request_id="to-replay", reason="test", actor="test"
    )
    desk.stage.tick()
    desk.stage.tell_market()
    wrong = refusal(desk.change, "broker", {"SIM_REPLAY_DIR": str(tmp_path / "nowhere")})
    assert "cannot be replayed" in wrong.fields["SIM_REPLAY_DIR"]
    over = refusal(desk.change, "broker", {"SIM_REPLAY_DIR": past})
    assert f"the market stands at {FRIDAY.day}, and its last session is {THURSDAY}" in over.fields["SIM_REPLAY_DIR"]
    desk.change("broker", {"SIM_REPLAY_DIR": ahead})
    assert ahead == desk.house.foundation.configuration().SIM_REPLAY_DIR
    found = desk.test("broker", {})
    assert (found.ok, found.detail) == (True, f"1 sessions from {FRIDAY.day} to {FRIDAY.day}, 3 symbols.")
    assert not desk.test("broker", {"SIM_REPLAY_DIR": str(tmp_path)}).ok


# tests of connections


def test_a_test_saves_nothing_but_its_result(desk: Desk) -> None:
    before = desk.generation
    with mail.MailServer() as server:
        values = {
            "SMTP_HOST": "localhost",
            "SMTP_PORT": str(server.port),
            "SMTP_SECURITY": "none",
            "SMTP_USER": mail.USER,
            "SMTP_FROM": "bot@example.org",
        }
        good = desk.test("smtp", values, {"SMTP_PASSWORD": mail.PASSWORD})
        assert desk.view("smtp").tested == good
        wrong = desk.test("smtp", values, {"SMTP_PASSWORD": "guess"})
        desk.change("smtp", values, {"SMTP_PASSWORD": mail.PASSWORD})
        stored = desk.test("smtp", {})
    assert (good.ok, good.by, wrong.ok, stored.ok) == (True, "Admin", False, True)
    assert "refused the login" in wrong.detail
    assert desk.generation == before + 1
    events = [(entry.result, entry.target) for entry in desk.house.audited("configuration.test")]
    assert events == [("ok", "smtp"), ("failed", "smtp"), ("ok", "smtp")]
    assert mail.PASSWORD not in str(desk.house.audited("configuration.test"))


def test_there_must_be_something_to_test(desk: Desk) -> None:
    for category in Category:
        assert refusal(desk.test, category, {}).code == "nothing_to_test"
    assert list(refusal(desk.test, "smtp", {"SMTP_PORT": "x"}).fields) == ["SMTP_PORT"]
    assert desk.view("smtp").tested is None


def test_one_test_at_a_time(desk: Desk) -> None:
    with desk.verbs._testing:
        assert refusal(desk.test, "smtp", MAIL).code == "test_under_way"


# rotation by hand


def test_rotation_by_hand_asks_for_reason_and_password(desk: Desk) -> None:
    before = desk.generation
    assert refusal(call, desk.handlers, "secrets.rotate", desk.caller(), reason=" ").code == "reason_missing"
    assert refusal(call, desk.handlers, "secrets.rotate", desk.caller(), reason="leak").code == "step_up_needed"
    assert desk.generation == before
    stepped = desk.house.foundation.sessions.step_up(desk.sessions["admin"], PASSWORD)
    desk.sessions["admin"] = stepped.session_id
    caller = desk.caller()
    versions = {one: desk.view(one).version for one in Category}
    for _ in range(2):
        assert call(desk.handlers, "secrets.rotate", caller, reason="leak").generation == before + 1
    assert {one: desk.view(one).version for one in Category} == versions
    outcome = desk.house.audited("secrets.rotate")[0]
    assert (outcome.result, outcome.generation, outcome.detail) == ("ok", before + 1, {"reason": "leak"})


def test_only_an_administrator_may() -> None:
    verbs = [name for name in VERBS if VERBS[name].permission is Permission.CONFIGURATION_EDIT]
    configuring = ["configuration.change", "configuration.preview", "configuration.test"]
    assert sorted(verbs) == [*configuring, "notifications.test", "secrets.rotate"]
    assert [role for role in Role if may(role, Permission.CONFIGURATION_EDIT)] == [Role.ADMIN]


def test_a_sealed_change_belongs_to_its_values(desk: Desk) -> None:
    caller = desk.caller()
    params: dict[str, Any] = {"category": "smtp", "version": 1, "values": MAIL | {"SMTP_USER": "bot"}, "cleared": []}
    box = desk.box(caller, "configuration.change", {"SMTP_PASSWORD": "x"}, **params)
    moved = params | {"values": MAIL | {"SMTP_USER": "eve"}}
    assert refusal(call, desk.handlers, "configuration.change", caller, **moved, sealed=box).code == "seal_refused"
    desk.house.clock.move(minutes=9)
    asked = SubmitChange.model_validate(params | {"sealed": box})
    assert desk.handlers["configuration.change"](caller, asked).changes  # type: ignore[attr-defined]  # a Changed


def test_a_webhook_is_tried_as_it_will_be_used_and_then_kept(desk: Desk) -> None:
    with HookServer() as hook:
        secret = {"NOTIFY_WEBHOOK_URL": hook.url, "NOTIFY_WEBHOOK_KEY": "sixteen letters!"}
        good = desk.test("notifications", {}, secret)
        assert good.ok
        assert good.detail == "A test message was taken by webhook for 127.0.0.1."
        assert hook.calls[0].json["kind"] == "test"
        hook.status = 302
        bad = desk.test("notifications", {}, secret)
    assert not bad.ok
    assert "redirect (302), which is not followed" in bad.detail
    preview = call(
        desk.handlers,
        "configuration.preview",
        desk.caller(),
        category="notifications",
        version=desk.view("notifications").version,
        values={},
        given=list(secret),
    )
    done = desk.change("notifications", {}, secret)
    assert preview.changes == done.changes
    assert [(one.name, one.after) for one in done.changes] == [
        ("NOTIFY_WEBHOOK_URL", "changed"),
        ("NOTIFY_WEBHOOK_KEY", "changed"),
    ]
    assert desk.view("notifications").secrets["NOTIFY_WEBHOOK_URL"] is True
    assert "abracadabra" not in desk.view("notifications").model_dump_json() + good.detail + bad.detail


@pytest.mark.parametrize(
    ("secret", "field", "words"),
    [
        (
            {"NOTIFY_WEBHOOK_URL": "http://example.org/x", "NOTIFY_WEBHOOK_KEY": "k" * 16},
            "URL",
            "must begin with https",
        ),
        ({"NOTIFY_WEBHOOK_URL": "https://example.org/x"}, "KEY", "at least 16 characters"),
        ({"NOTIFY_WEBHOOK_URL": "https://example.org/x", "NOTIFY_WEBHOOK_KEY": "short"}, "KEY", "at least 16"),
        ({"NOTIFY_WEBHOOK_KEY": "k" * 16}, "URL", "is needed"),
    ],
)
def test_a_webhook_is_set_up_whole_or_not_at_all(desk: Desk, secret: dict[str, str], field: str, words: str) -> None:
    with pytest.raises(ApiError) as error:
        desk.change("notifications", {}, secret)
    ((name, message),) = error.value.problem.fields.items()
    assert name == f"NOTIFY_WEBHOOK_{field}"
    assert words in message


def test_a_home_from_before_there_were_notifications_can_be_changed(desk: Desk) -> None:
    def older(present: Any) -> Any:
        return {name: content for name, content in present.items() if name != "notifications"}

    desk.house.foundation.rotation.rotate(older, request_id="older-1", reason="test", actor="test", target="test")
    view = desk.view("notifications")
    assert (view.values["NOTIFY_MAIL_TO"], view.version) == ("", desk.view("bot_identity").version)
    desk.change("notifications", {"NOTIFY_MAIL_TO": "ada@example.org"})
    assert desk.view("notifications").values["NOTIFY_MAIL_TO"] == "ada@example.org"
    assert desk.view("notifications").version > view.version
