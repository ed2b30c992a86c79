"""The first run: token, configuration, first administrator; each secret opened once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tbot_bot.api.errors import ApiError
from tbot_bot.api.settings import values
from tbot_bot.control.provisioning import Provisioning
from tbot_bot.control.system_api import Handler
from tbot_bot.control.verbs_setup import SetupVerbs
from tbot_bot.domain.audit import AuditPhase
from tbot_bot.domain.lifecycle import State
from tbot_bot.identity.errors import AdminExistsError, InvalidInputError, SetupTokenRefusedError
from tests.unit.control.backstage import PASSWORD, Backstage, call

REPLAY = "symbol,timestamp,open,high,low,close,volume\n" + "\n".join(
    f"SPY,2013-10-04T13:{minute}:00Z,168,168,168,168,1000" for minute in range(30, 60)
)


class FirstRun:
    """The handlers and a setup session."""

    def __init__(self, house: Backstage) -> None:
        self.house = house
        foundation = house.foundation

        def no_floor() -> Any:
            raise AssertionError("no floor is opened by a verb")

        self.provisioning = Provisioning(foundation, house.lifecycle, no_floor)
        self.handlers: Mapping[str, Handler] = SetupVerbs(
            foundation, house.lifecycle, self.provisioning, house.unsealer, house.requests
        ).handlers()
        self.setup = house.setup_session()

    def ask(self, verb: str, **params: object) -> Any:
        return call(self.handlers, verb, self.house.caller(setup=self.setup), **params)

    def ask_sealed(self, verb: str, secret: Mapping[str, str], sealed_for: object = None, **params: object) -> Any:
        caller = self.house.caller(setup=self.setup)
        box = self.house.sealed(verb, caller.request_id, secret, **(sealed_for or params))  # type: ignore[arg-type]
        return call(self.handlers, verb, caller, sealed=box, **params)


@pytest.fixture
def first(empty: Backstage) -> FirstRun:
    return FirstRun(empty)


def refusal(ask: Any, *arguments: Any, **params: Any) -> Any:
    with pytest.raises(ApiError) as error:
        ask(*arguments, **params)
    return error.value.problem


def test_the_portals_keys(first: FirstRun) -> None:
    keys = first.ask("web.keys")
    assert keys.generation == 0
    assert keys.sealing_public_key
    first.house.configure()
    renewed = first.ask("web.keys")
    assert renewed.generation == 1
    assert renewed.signing_keys[0] not in keys.signing_keys
    assert renewed.sealing_public_key != keys.sealing_public_key


def test_a_setup_token_opens_one_session(first: FirstRun) -> None:
    token = first.house.foundation.setup_tokens.issue()
    opened = first.ask("setup.exchange", token=token).setup_session
    assert first.house.caller(setup=opened).verdict.setup
    with pytest.raises(SetupTokenRefusedError):
        first.ask("setup.exchange", token="guess")


def test_the_form_before_and_after_it_is_saved(first: FirstRun) -> None:
    form = first.ask("configuration.form")
    assert (form.saved, form.editable, form.values) == (False, True, {})
    assert [broker.code for broker in form.brokers] == ["SIM"]
    first.house.configure(SMTP_HOST="mail.example.org", SMTP_FROM="bot@example.org")
    first.house.lifecycle.move(State.PROVISIONING, "go")
    form = first.ask("configuration.form")
    assert (form.saved, form.editable, form.generation) == (True, False, 1)
    assert form.values == values(first.house.foundation.configuration())
    assert form.values["SMTP_HOST"] == "mail.example.org"


def test_a_configuration_is_durable_before_it_is_acknowledged(first: FirstRun) -> None:
    submitted = first.ask("configuration.submit", values={"ENTITY_CODE": "ACME", "SIM_SEED": "11"})
    assert submitted.generation == 1
    again = Backstage(first.house.home.root)
    assert again.foundation.configuration().ENTITY_CODE == "ACME"
    assert again.foundation.configuration().SIM_SEED == 11
    assert again.requests.use(submitted.request_id, "provision", again.clock.now()) == "setup"
    assert again.foundation.generation == 1


def test_its_secret_travels_sealed_and_once(first: FirstRun) -> None:
    typed = {"SMTP_HOST": "mail.example.org", "SMTP_FROM": "bot@example.org", "SMTP_USER": "bot"}
    caller = first.house.caller(setup=first.setup)
    box = first.house.sealed("configuration.submit", caller.request_id, {"SMTP_PASSWORD": "hunter2"}, values=typed)
    call(first.handlers, "configuration.submit", caller, values=typed, sealed=box)
    assert first.house.foundation.configuration().SMTP_PASSWORD.get_secret_value() == "hunter2"
    replayed = refusal(call, first.handlers, "configuration.submit", caller, values=typed, sealed=box)
    assert replayed.code == "request_repeated"
    changed = typed | {"SMTP_HOST": "evil.example.org"}
    moved = refusal(first.ask_sealed, "configuration.submit", {"SMTP_PASSWORD": "x"}, {"values": typed}, values=changed)
    assert moved.code == "seal_refused"
    assert first.house.foundation.generation == 1
    assert b"hunter2" not in b"".join(one.read_bytes() for one in first.house.home.storage.rglob("*") if one.is_file())


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"BOT_ID": "no/slash"}, "BOT_ID"),
        ({"SIM_SPEED": "fast"}, "SIM_SPEED"),
        ({"SURPRISE": "1"}, "SURPRISE"),
        ({"BROKER_CODE": "NONE"}, "BROKER_CODE"),
        ({"SIM_FEED": "replay"}, "SIM_REPLAY_DIR"),
        ({"SIM_FEED": "replay", "SIM_REPLAY_DIR": "/no/such/folder"}, "SIM_REPLAY_DIR"),
    ],
)
def test_a_wrong_field_is_marked_and_nothing_is_saved(first: FirstRun, typed: dict[str, str], field: str) -> None:
    problem = refusal(first.ask, "configuration.submit", values=typed)
    assert (problem.status, problem.code) == (422, "form_invalid")
    assert list(problem.fields) == [field]
    assert not first.house.foundation.is_configured()


def test_a_replay_folder_is_kept_by_its_absolute_path(
    first: FirstRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "replay").mkdir()
    (tmp_path / "replay" / "day.csv").write_text(REPLAY + "\n")
    monkeypatch.chdir(tmp_path)
    first.ask("configuration.submit", values={"SIM_FEED": "replay", "SIM_REPLAY_DIR": "replay"})
    saved = first.house.foundation.configuration()
    assert Path(saved.SIM_REPLAY_DIR) == tmp_path / "replay"


def test_progress_and_a_retry(first: FirstRun) -> None:
    first.provisioning.begin()
    first.house.foundation.record.mark_step("keys", "failed", "no disk", first.house.clock.now())
    assert first.ask("provision.progress").failed
    assert not first.provisioning.is_due
    assert not first.ask("provision.retry").failed
    assert first.provisioning.is_due
    phases = {entry.phase for entry in first.house.audited("provision.retry")}
    assert phases == {AuditPhase.INTENT, AuditPhase.OUTCOME}


# the first administrator


@pytest.fixture
def waiting(tmp_path: Path) -> FirstRun:
    """A configured home without an administrator."""
    made = Backstage(tmp_path / "home")
    made.configure()
    made.put(State.REGISTRATION)
    made.foundation.offer_setup_token()
    return FirstRun(made)


def test_the_first_administrator(waiting: FirstRun) -> None:
    made = waiting.ask_sealed("register.first_admin", {"password": PASSWORD}, username="Ada", email="ada@example.org")
    house = waiting.house
    assert (made.username, made.generation) == ("Ada", 2)
    assert len(set(made.recovery_codes)) == len(made.recovery_codes) >= 8
    assert house.lifecycle.state is State.STOPPED
    assert not house.home.setup_token.exists()
    assert not house.caller(setup=waiting.setup).verdict.setup
    assert house.caller(house.sign_in("ada")).verdict.role == "admin"


def test_there_is_only_one_first(waiting: FirstRun) -> None:
    ada = {"username": "ada", "email": "ada@example.org"}
    waiting.ask_sealed("register.first_admin", {"password": PASSWORD}, **ada)
    with pytest.raises(AdminExistsError):
        waiting.ask_sealed("register.first_admin", {"password": PASSWORD}, username="eve", email="eve@example.org")
    assert waiting.house.foundation.generation == 2


def test_two_at_the_same_moment_make_one(waiting: FirstRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second was let in before the first was done: its generation is made, its user is not."""
    users = waiting.house.foundation.users
    late = users.prepare_first_admin("eve", "eve@example.org", PASSWORD)
    waiting.ask_sealed("register.first_admin", {"password": PASSWORD}, username="ada", email="ada@example.org")
    monkeypatch.setattr(users, "prepare_first_admin", lambda *_typed: late)
    with pytest.raises(AdminExistsError):
        waiting.ask_sealed("register.first_admin", {"password": PASSWORD}, username="eve", email="eve@example.org")
    with pytest.raises(Exception, match="do not match an account"):
        waiting.house.sign_in("eve")


def test_a_box_without_a_password_is_no_password(waiting: FirstRun) -> None:
    with pytest.raises(InvalidInputError):
        waiting.ask_sealed("register.first_admin", {}, username="ada", email="ada@example.org")
    assert waiting.house.lifecycle.state is State.REGISTRATION


@pytest.mark.parametrize("change", [{"username": "eve"}, {"email": "eve@example.org"}])
def test_a_sealed_password_is_for_this_name_and_address(waiting: FirstRun, change: dict[str, str]) -> None:
    ada = {"username": "ada", "email": "ada@example.org"}
    problem = refusal(waiting.ask_sealed, "register.first_admin", {"password": PASSWORD}, ada, **(ada | change))
    assert problem.code == "seal_refused"
    assert not waiting.house.foundation.users.admin_exists()
