"""A request id is good for one flag, and a sealed secret for one request, once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tbot_bot.api.errors import ApiError
from tbot_bot.control.requests import LIFETIME, REMEMBERED, Requests
from tests.unit.control.backstage import Backstage

PARAMS = {"username": "ada"}


def test_an_issued_id_is_used_once(empty: Backstage) -> None:
    now = empty.clock.now()
    request_id = empty.requests.issue("control.start", "ada", now)
    assert empty.requests.use(request_id, "control.start", now) == "ada"
    assert empty.requests.use(request_id, "control.start", now) is None


@pytest.mark.parametrize(("after", "actor"), [(LIFETIME, "ada"), (LIFETIME + timedelta(microseconds=1), None)])
def test_an_issued_id_lives_two_minutes(empty: Backstage, after: timedelta, actor: str | None) -> None:
    now = empty.clock.now()
    request_id = empty.requests.issue("control.start", "ada", now)
    assert empty.requests.use(request_id, "control.start", now + after) == actor


def test_an_issued_id_is_for_its_verb_and_outlives_a_restart(empty: Backstage) -> None:
    now = empty.clock.now()
    request_id = empty.requests.issue("control.start", "ada", now)
    again = Requests(empty.foundation.record)
    assert again.use(request_id, "provision", now) is None
    assert again.use("another-id", "control.start", now) is None
    assert again.use(request_id, "control.start", now) == "ada"


def test_a_callers_id_is_remembered_for_longer_than_a_box_lives(empty: Backstage) -> None:
    now = empty.clock.now()
    assert empty.requests.first_use("abcdefgh", now)
    assert not empty.requests.first_use("abcdefgh", now + timedelta(seconds=60))
    assert not empty.requests.first_use("abcdefgh", now + REMEMBERED - timedelta(seconds=1))
    assert empty.requests.first_use("abcdefgh", now + REMEMBERED)


def test_a_sealed_secret_is_opened_once(empty: Backstage) -> None:
    caller = empty.caller()
    box = empty.sealed("session.log_in", caller.request_id, {"password": "x"}, **PARAMS)
    assert empty.unsealer.open(caller, "session.log_in", box, PARAMS) == {"password": "x"}
    with pytest.raises(ApiError) as refused:
        empty.unsealer.open(caller, "session.log_in", box, PARAMS)
    assert refused.value.problem.code == "request_repeated"
    assert refused.value.problem.status == 409


@pytest.mark.parametrize("what", ["request", "verb", "params", "late", "garbage"])
def test_a_box_for_something_else_is_refused_and_uses_nothing_up(empty: Backstage, what: str) -> None:
    caller = empty.caller()
    box = empty.sealed("session.log_in", caller.request_id, {"password": "x"}, **PARAMS)
    asked = empty.caller() if what == "request" else caller
    if what == "late":
        empty.clock.move(seconds=61)
    with pytest.raises(ApiError) as refused:
        empty.unsealer.open(
            asked,
            "session.step_up" if what == "verb" else "session.log_in",
            "garbage" if what == "garbage" else box,
            {} if what == "params" else PARAMS,
        )
    assert (refused.value.problem.status, refused.value.problem.code) == (400, "seal_refused")
    if what != "late":
        assert empty.unsealer.open(caller, "session.log_in", box, PARAMS) == {"password": "x"}


def test_a_box_made_before_a_rotation_still_opens(house: Backstage) -> None:
    caller = house.caller()
    box = house.sealed("session.step_up", caller.request_id, {"password": "x"})
    house.configure()
    assert house.unsealer.open(caller, "session.step_up", box, {}) == {"password": "x"}
