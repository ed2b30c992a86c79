"""Every verb in every state for every kind of caller, judged by real sessions against the two tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tbot_bot.api.errors import ApiError
from tbot_bot.api.permissions import ROLE_PERMISSIONS, Permission, Role
from tbot_bot.api.sessions import SessionStatus
from tbot_bot.api.verbs import VERBS, Call, Verb
from tbot_bot.control.judge import CallJudge
from tbot_bot.domain.lifecycle import PHASES, Phase, State
from tests.unit.control.backstage import Backstage, furnished

USERS = tuple(Role)


@dataclass(frozen=True)
class Kind:
    """A kind of caller: what they carry and, by the tables alone, who they are."""

    name: str
    session: str | None = None
    setup_session: str | None = None
    role: Role | None = None
    setup: bool = False


@dataclass(frozen=True)
class Scene:
    backstage: Backstage
    kinds: list[Kind]


def expected(verb: Verb, state: State, kind: Kind) -> str:
    """What the tables say: `ok`, or the code of the refusal."""
    if state not in verb.states:
        return "wrong_phase"
    if verb.permission is Permission.PUBLIC:
        return "ok"
    if verb.permission is Permission.SETUP:
        return "ok" if kind.setup else "no_setup_session"
    if kind.role is None:
        return "not_signed_in"
    return "ok" if verb.permission in ROLE_PERMISSIONS[kind.role] else "not_allowed"


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A home with people in every condition."""
    made = furnished(tmp_path_factory.mktemp("judge") / "home")
    before_expiry = made.sign_in("admin")
    made.clock.move(minutes=31)
    locked, ended, others = made.sign_in("admin"), made.sign_in("admin"), made.sign_in("operator")
    made.foundation.sessions.lock(locked)
    made.foundation.sessions.log_out(ended)
    made.foundation.sessions.log_out(others)
    kinds = [Kind(str(role), session=made.sign_in(str(role)), role=role) for role in USERS]
    kinds += [
        Kind("nobody"),
        Kind("stranger", session="not-a-session"),
        Kind("empty session", session=""),
        Kind("expired", session=before_expiry),
        Kind("locked", session=locked),
        Kind("logged out", session=ended),
        Kind("another's ended session", session=others),
        Kind("setup after registration", setup_session="not-a-setup-session"),
    ]
    return Scene(made, kinds)


@pytest.fixture(scope="module")
def unregistered(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A home that waits for its first administrator."""
    made = Backstage(tmp_path_factory.mktemp("judge") / "home")
    earlier, present = made.setup_session(), made.setup_session()
    kinds = [
        Kind("nobody"),
        Kind("setup session", setup_session=present, setup=True),
        Kind("setup session replaced by another", setup_session=earlier),
        Kind("setup session as a login", session=present),
    ]
    return Scene(made, kinds)


def judged(judge: CallJudge, verb: Verb, kind: Kind) -> str:
    try:
        judge.judge(Call(session=kind.session, setup_session=kind.setup_session), verb)
    except ApiError as error:
        return error.problem.code
    return "ok"


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("scene", ["registered", "unregistered"])
def test_every_verb_is_judged_as_the_tables_say(state: State, scene: str, request: pytest.FixtureRequest) -> None:
    made: Scene = request.getfixturevalue(scene)
    made.backstage.put(state)
    wrong = [
        (verb.name, kind.name, found, wanted)
        for verb in VERBS.values()
        for kind in made.kinds
        if (found := judged(made.backstage.judge, verb, kind)) != (wanted := expected(verb, state, kind))
    ]
    assert wrong == []


def test_the_tables_say_what_the_specification_says() -> None:
    """Read from the page of acts, not from the code."""
    everyone = {"status.document", "trades.open", "trades.closed", "trades.detail", "logs.read", "account.view"}
    control = {"control.issue_start", "control.pause", "control.resume", "control.cancel_closing", "control.record_act"}
    admin_only = {"control.reset", "control.sign_residuals", "configuration.view"}
    may = {role: {verb.name for verb in VERBS.values() if verb.permission in ROLE_PERMISSIONS[role]} for role in USERS}
    assert all(everyone <= may[role] for role in USERS)
    assert [role for role in USERS if control <= may[role]] == [Role.ADMIN, Role.OPERATOR]
    assert [role for role in USERS if control & may[role]] == [Role.ADMIN, Role.OPERATOR]
    assert [role for role in USERS if admin_only & may[role]] == [Role.ADMIN]
    assert not any(Permission.SETUP in ROLE_PERMISSIONS[role] for role in USERS)


def test_verbs_exist_in_the_phases_they_belong_to() -> None:
    phases = {verb.name: {PHASES[state] for state in verb.states} for verb in VERBS.values()}
    live = {Phase.MAIN, Phase.CLOSING}
    assert phases["configuration.submit"] == {Phase.CONFIGURATION}
    assert phases["register.first_admin"] == {Phase.REGISTRATION}
    assert VERBS["control.issue_start"].states == {State.STOPPED}
    assert VERBS["control.reset"].states == {State.STOPPED, State.ERROR}
    assert phases["control.cancel_closing"] == {Phase.CLOSING}
    assert phases["session.log_in"] == live | {Phase.ERROR}
    assert all(phases[name] == live for name in phases if name.startswith(("trades.", "logs.", "status.")))
    reading = {verb.name for verb in VERBS.values() if not verb.changes}
    assert not reading & {"control.pause", "control.reset", "configuration.submit", "session.step_up", "session.end"}


def test_a_verdict_tells_who_it_is_and_until_when(house: Backstage) -> None:
    session = house.sign_in("operator")
    verdict = house.judge.verdict(Call(session=session), touch=False)
    assert (verdict.status, verdict.username, verdict.role) == (SessionStatus.ACTIVE, "Operator", Role.OPERATOR)
    assert verdict.permissions == ROLE_PERMISSIONS[Role.OPERATOR]
    assert verdict.expires_at == "2026-03-02T09:30:00Z"
    assert verdict.absolute_expires_at == "2026-03-02T21:00:00Z"
    assert verdict.stepped_up_until is None


def test_only_a_persons_act_keeps_a_session_alive(house: Backstage) -> None:
    session, polled = house.sign_in("viewer"), house.sign_in("viewer")
    verb = VERBS["session.verdict"]
    for _ in range(4):
        house.clock.move(minutes=10)
        house.judge.judge(Call(session=session, params={"touch": True}), verb)
        house.judge.judge(Call(session=polled, params={"touch": False}), verb)
    assert house.judge.verdict(Call(session=session), touch=False).status is SessionStatus.ACTIVE
    assert house.judge.verdict(Call(session=polled), touch=False).status is SessionStatus.EXPIRED


def test_a_session_and_the_setup_session_are_judged_apart(tmp_path: Path) -> None:
    made = Backstage(tmp_path / "home")
    setup = made.setup_session()
    verdict = made.judge.verdict(Call(session="nonsense", setup_session=setup), touch=True)
    assert verdict.setup
    assert verdict.status is SessionStatus.NONE
    assert verdict.permissions == frozenset()
