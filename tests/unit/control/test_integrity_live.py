"""A runner at work whose home is changed under it: error at once, no reset while it stands, and the way back."""

from __future__ import annotations

import secrets
from pathlib import Path

from tbot_bot.config.paths import Home
from tests.unit.control.backstage import BOT, PASSWORD, furnished_home, wait_until
from tests.unit.control.tampering import sql
from tests.unit.control.test_runner import Running, running

CHANGED = "UPDATE user SET role = 'admin' WHERE username = 'viewer'"


def reset(one: Running) -> tuple[int, str]:
    """Ask for the reset; status and code of the answer."""
    params = {"reason": "seen to", "typed": BOT}
    answer = one._client.ask(
        "control.reset", session=one.session, address="127.0.0.1", request_id=secrets.token_urlsafe(12), params=params
    )
    return answer.status_code, str(answer.json().get("code"))


def signed_in(one: Running) -> None:
    one.session = one.ask("session.log_in", {"password": PASSWORD}, username="admin", user_agent="test")["session"]
    one.session = one.ask("session.step_up", {"password": PASSWORD})["session"]


def test_a_change_while_running_is_error_until_it_is_put_right(tmp_path: Path) -> None:
    home: Home = furnished_home(tmp_path / "home")
    with running(home) as one:
        signed_in(one)
        sql(home.users_database, CHANGED)
        wait_until(lambda: one.state() == "error", "the change was found", 30)
        assert one.audited("integrity.violation") == 1
        shown = one.ask("control.state")
        assert shown["error"].startswith("Users: The row ")
        assert [found["subject"] for found in shown["findings"]] == ["Users"]
        assert reset(one) == (409, "integrity_broken")
        sql(home.users_database, CHANGED.replace("'admin'", "'viewer'"))
        wait_until(lambda: not one.ask("control.state")["findings"], "it was seen to be right", 30)
        assert reset(one)[0] == 200
        assert one.state() == "stopped"
    assert one.code == 0
