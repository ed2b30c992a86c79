"""The second factor as the portal asks for it: its secret in a secrets file alone, one rotation for each change."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tbot_bot.api.errors import ApiError
from tbot_bot.config.secret_creation import SECOND_FACTORS
from tbot_bot.control.letterbox import Letterbox
from tbot_bot.control.verbs_factors import FactorVerbs
from tbot_bot.control.verbs_sessions import SessionVerbs
from tbot_bot.control.verbs_users import UserVerbs
from tbot_bot.domain.totp import code_of, step_at
from tests.unit.control.backstage import PASSWORD, Backstage, call


class Person:
    """Someone at their account page, who has just typed the password again."""

    def __init__(self, house: Backstage, name: str) -> None:
        self.house = house
        self.name = name
        box = Letterbox(house.foundation, "http://portal")
        parts = (
            FactorVerbs(house.foundation, house.unsealer),
            SessionVerbs(house.foundation, house.unsealer),
            UserVerbs(house.foundation, house.unsealer, box),
        )
        self.handlers = {verb: handler for part in parts for verb, handler in part.handlers().items()}
        self.session = house.foundation.sessions.step_up(house.sign_in(name), PASSWORD).session_id
        self.secret = ""

    def ask(self, verb: str, **params: object) -> Any:
        return call(self.handlers, verb, self.house.caller(self.session), **params)

    def ask_sealed(self, verb: str, secret: Mapping[str, str], *, signed_in: bool = True, **params: object) -> Any:
        caller = self.house.caller(self.session if signed_in else None)
        box = self.house.sealed(verb, caller.request_id, secret, **params)
        return call(self.handlers, verb, caller, sealed=box, **params)

    def code(self) -> str:
        self.house.clock.move(seconds=30)
        return code_of(base64.b32decode(self.secret), step_at(self.house.clock.now()))

    def enrol(self) -> Any:
        self.secret = self.ask("account.begin_second_factor").secret
        return self.ask_sealed("account.enrol_second_factor", {"code": self.code()})

    def kept(self) -> list[str]:
        with self.house.foundation.secrets.current() as pinned:
            return list(pinned.read(SECOND_FACTORS).values()) if SECOND_FACTORS in pinned.names else []


@pytest.fixture
def viewer(house: Backstage) -> Person:
    return Person(house, "viewer")


def test_what_the_app_reads_names_the_bot_and_the_person(viewer: Person) -> None:
    begun = viewer.ask("account.begin_second_factor")
    read = urlsplit(begun.address)
    assert (read.scheme, read.netloc, read.path) == ("otpauth", "totp", "/RIGD_US_SIM_001:Viewer")
    assert parse_qs(read.query) == {"secret": [begun.secret], "issuer": ["RIGD_US_SIM_001"]}
    assert len(base64.b32decode(begun.secret)) == 20


def test_the_secret_lies_in_the_secrets_file_alone(viewer: Person) -> None:
    before = viewer.house.foundation.generation
    assert viewer.enrol().generation == before + 1
    assert viewer.kept() == [viewer.secret]
    assert viewer.ask("account.view").second_factor_since is not None
    for path in viewer.house.home.root.rglob("*"):
        if path.is_file():
            assert viewer.secret.encode() not in path.read_bytes(), path
    with pytest.raises(ApiError) as refused:
        viewer.enrol()
    assert refused.value.problem.code == "has_factor"


def test_signing_in_takes_two_steps_and_survives_a_rotation(viewer: Person) -> None:
    viewer.enrol()
    house = viewer.house
    house.foundation.rotation.rotate(dict, request_id="request-1", reason="test", actor="test")
    secret = {"password": PASSWORD}
    half = viewer.ask_sealed("session.log_in", secret, signed_in=False, username="viewer", user_agent="Firefox")
    assert (half.session, half.username) == (None, "Viewer")
    given = {"half_way": half.half_way, "code": viewer.code()}
    opened = viewer.ask_sealed("session.give_code", given, signed_in=False, user_agent="Firefox")
    assert house.caller(opened.session).verdict.status == "active"


def test_a_locked_session_does_nothing_until_its_person_is_back(viewer: Person) -> None:
    viewer.ask("session.lock")
    assert viewer.house.caller(viewer.session).verdict.permissions == frozenset()
    with pytest.raises(Exception, match="password is not right"):
        viewer.ask_sealed("session.unlock", {"password": "guess"})
    viewer.session = viewer.ask_sealed("session.unlock", {"password": PASSWORD}).session
    assert viewer.house.caller(viewer.session).verdict.status == "active"


def test_it_is_removed_with_its_secret(viewer: Person) -> None:
    viewer.enrol()
    viewer.ask("account.remove_second_factor")
    assert viewer.kept() == []
    assert viewer.ask("account.view").second_factor_since is None


def test_an_administrator_removes_what_somebody_lost(viewer: Person) -> None:
    viewer.enrol()
    admin = Person(viewer.house, "admin")
    found = next(one for one in admin.ask("users.list").items if one.username == "Viewer")
    assert found.second_factor
    done = admin.ask("users.remove_second_factor", id=found.id)
    assert not done.person.second_factor
    assert viewer.kept() == []
    assert viewer.house.caller(viewer.session).verdict.status == "none"
    viewer.house.sign_in("viewer")


def test_new_recovery_codes(viewer: Person) -> None:
    made = viewer.ask("account.renew_recovery_codes")
    assert len(set(made.codes)) == 10
    assert made.generation == viewer.house.foundation.generation
    assert viewer.ask("account.view").recovery_codes_left == 10


@pytest.mark.parametrize(
    "verb", ["account.begin_second_factor", "account.remove_second_factor", "account.renew_recovery_codes"]
)
def test_each_needs_the_password_again(viewer: Person, verb: str) -> None:
    viewer.house.clock.move(minutes=11)
    with pytest.raises(ApiError) as refused:
        viewer.ask(verb)
    assert refused.value.problem.code == "step_up_needed"
