"""Deny by default: no view without a permission, and each exists in its phases only."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Blueprint, Flask, Response, jsonify

from tbot_bot.api.lifecycle import PHASES, Phase, State
from tbot_bot.api.permissions import Permission, Role
from tbot_web.py import discover
from tbot_web.py.dispatch import Dispatcher
from tbot_web.py.portal_web_main import Portal, create_app
from tbot_web.support import security_users
from tbot_web.support.home import Home
from tbot_web.support.security_users import UndeclaredPermissionError, needed, needs
from tbot_web.support.session_manager import verified_recently
from tests.unit.web.canned import RUNNER_GONE, CannedRunner, MovingClock
from tests.unit.web.conftest import Served

PHASES_OF_APPS = (None, *Phase)
OPEN = {
    "static",
    "system.healthz",
    "system.readyz",
    "entrance.start",
    "waiting.wait",
    "login.show",
    "login.sign_in",
    "login.sign_out",
    "login.give_code",
    "login.lock",
    "login.unlock",
    "setup.show",
    "setup.give_token",
    "error.show",
    "backups.back",
    "recovery.show",
    "recovery.give_token",
    "password_reset.ask",
    "password_reset.ask_for_link",
    "password_reset.open_link",
    "password_reset.show",
    "password_reset.choose",
    "password_reset.show_address",
    "password_reset.confirm_address",
}


@pytest.mark.parametrize("phase", PHASES_OF_APPS)
def test_every_view_has_a_permission_and_few_are_open(phase: Phase | None, runner: CannedRunner, web: Served) -> None:
    app = create_app(phase, web.portal)
    for endpoint in app.view_functions:
        need = needed(app, endpoint)
        if need is not None and need.permission is Permission.PUBLIC:
            assert endpoint in OPEN


@pytest.mark.parametrize("phase", Phase)
def test_only_the_pages_of_the_phase_are_loaded(phase: Phase, web: Served) -> None:
    app = create_app(phase, web.portal)
    loaded = {module.blueprint.name for module in discover() if phase in module.page.phases}
    core = {"system", "entrance"} if phase in {Phase.CONFIGURATION, Phase.REGISTRATION} else {"system"}
    assert set(app.blueprints) == loaded | core


def test_a_view_without_permission_stops_the_making_of_the_app() -> None:
    app = Flask("bare")
    app.add_url_rule("/secret", "secret", lambda: "")
    with pytest.raises(UndeclaredPermissionError, match="secret"):
        security_users.install(app, Phase.MAIN, {})


@pytest.mark.parametrize(
    ("state", "path", "status"),
    [
        ("initialize", "/configuration/wait", 303),
        ("stopped", "/configuration/wait", 404),
        ("registration", "/configuration/wait", 404),
        ("initialize", "/register", 404),
        ("registration", "/register", 303),
        ("stopped", "/register", 404),
        ("initialize", "/login", 404),
        ("stopped", "/login", 200),
        ("error", "/login", 200),
        ("initialize", "/account/", 404),
        ("error", "/account/", 404),
        ("stopped", "/metrics", 401),
        ("graceful_closing_positions", "/metrics", 404),
        ("error", "/configuration", 404),
    ],
)
def test_what_a_stranger_meets(web: Served, runner: CannedRunner, state: str, path: str, status: int) -> None:
    runner.publish(state)
    assert web.browser().get(path).status_code == status


@pytest.mark.parametrize("state", State)
def test_the_start_page_leads_somewhere_in_every_state(web: Served, runner: CannedRunner, state: State) -> None:
    runner.publish(state)
    answer = web.browser().get("/")
    expected = {
        Phase.CONFIGURATION: (303, "/configuration"),
        Phase.REGISTRATION: (303, "/register"),
        Phase.MAIN: (303, "/login?next=/"),
        Phase.CLOSING: (303, "/login?next=/"),
        Phase.ERROR: (503, None),
    }[PHASES[state]]
    assert (answer.status_code, answer.headers.get("Location")) == expected


def test_a_program_gets_a_problem_and_a_person_the_login(web: Served) -> None:
    stranger = web.browser()
    page = stranger.get("/account/?tab=sessions")
    assert page.status_code == 303
    assert page.headers["Location"] == "/login?next=/account/?tab%3Dsessions"
    problem = stranger.get("/account/", Accept="application/json")
    assert problem.status_code == 401
    assert problem.json()["code"] == "not_signed_in"


def test_a_frame_never_shows_a_login_form(web: Served) -> None:
    answer = web.browser().get("/account/", Sec_Fetch_Dest="iframe")
    assert answer.status_code == 401
    assert "signed_out.js" in answer.text
    assert "password" not in answer.text
    assert "frame-ancestors 'self'" in answer.headers["Content-Security-Policy"]


@pytest.fixture
def emergency(runner: CannedRunner, clock: MovingClock, monkeypatch: pytest.MonkeyPatch) -> tuple[Dispatcher, Portal]:
    """A portal with one view that must work without the runner, and one that must not."""
    blueprint = Blueprint("emergency", __name__)

    @blueprint.get("/emergency")
    @needs(Permission.TRADING_CONTROL, even_without_runner=True)
    def pull() -> Response:
        return jsonify(recent=verified_recently() is not None)

    @blueprint.get("/careful")
    @needs(Permission.TRADING_CONTROL)
    def careful() -> Response:
        return jsonify(done=True)

    monkeypatch.setattr("tbot_web.py.portal_web_main.system_web.blueprint", _joined(blueprint), raising=True)
    portal = Portal.of(Home(runner.root), clock)
    return Dispatcher(portal), portal


def _joined(extra: Blueprint) -> Blueprint:
    both = Blueprint("core", __name__)
    both.register_blueprint(extra)
    return both


def test_the_portal_judges_by_itself_before_it_asks_for_anything(
    emergency: tuple[Dispatcher, Portal], runner: CannedRunner
) -> None:
    dispatcher, portal = emergency
    served = Served(portal, dispatcher)
    try:
        answers = {role: served.browser(tbot_session=runner.sign_in(role)).get("/careful") for role in Role}
        allowed = {role for role, answer in answers.items() if answer.status_code == 200}
        assert allowed == {Role.ADMIN, Role.OPERATOR}
        assert {answer.status_code for answer in answers.values()} == {200, 403}
    finally:
        served.close()


@RUNNER_GONE
def test_a_session_verified_lately_may_act_without_the_runner(
    emergency: tuple[Dispatcher, Portal], runner: CannedRunner, clock: MovingClock
) -> None:
    dispatcher, portal = emergency
    served = Served(portal, dispatcher)
    try:
        admin, stranger = served.browser(tbot_session=runner.sign_in()), served.browser(tbot_session="other")
        assert admin.get("/emergency").json() == {"recent": True}
        runner.stop()
        clock.move(timedelta(minutes=15))
        assert admin.get("/emergency").json() == {"recent": True}
        assert admin.get("/careful").status_code == 503
        assert stranger.get("/emergency").status_code == 503
        clock.move(timedelta(seconds=1))
        assert admin.get("/emergency").status_code == 503
    finally:
        served.close()
