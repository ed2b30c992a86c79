"""Every path of a home is below it, and none is used twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tbot_bot.config.paths import Home
from tbot_bot.domain.ids import BotIdentity

IDENTITY = BotIdentity("RIGD", "US", "SIM", "001")
HOME = Home(Path("/srv/bot"))


@pytest.mark.parametrize(
    ("environment", "root"),
    [
        ({"TBOT_HOME": "/srv/bot"}, Path("/srv/bot")),
        ({"TBOT_HOME": "relative"}, Path.cwd() / "relative"),
        ({"TBOT_HOME": ""}, Path.cwd() / "var"),
        ({}, Path.cwd() / "var"),
    ],
)
def test_the_root_comes_from_the_environment(environment: dict[str, str], root: Path) -> None:
    assert Home.from_environment(environment).root == root


def test_this_processs_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TBOT_HOME", "/srv/other")
    assert Home.from_environment().root == Path("/srv/other")


def test_the_paths_that_others_rely_on() -> None:
    of_bot = {
        "output": HOME.output(IDENTITY),
        "status": HOME.status_document(IDENTITY),
        "logs": HOME.bot_logs(IDENTITY),
        "ledger": HOME.ledger_database(IDENTITY),
    }
    assert {name: str(path.relative_to(HOME.root)) for name, path in of_bot.items()} == {
        "output": "output/RIGD_US_SIM_001",
        "status": "output/RIGD_US_SIM_001/status.json",
        "logs": "output/RIGD_US_SIM_001/logs",
        "ledger": "output/RIGD_US_SIM_001/ledgers/LEDGER.db",
    }
    plain = {name: getattr(HOME, name) for name, kind in vars(Home).items() if isinstance(kind, property)}
    assert {name: str(path.relative_to(HOME.root)) for name, path in plain.items()} == {
        "control": "control",
        "flags": "control/flags",
        "bot_state": "control/bot_state.txt",
        "epoch": "control/epoch",
        "setup_token": "control/setup_token",
        "runner_lock": "control/runner.lock",
        "runner_socket": "control/runner.sock",
        "venue_socket": "control/venue.sock",
        "storage": "storage",
        "users_database": "storage/SYSTEM_USERS.db",
        "audit_database": "storage/AUDIT.db",
        "control_database": "storage/CONTROL.db",
        "backups": "storage/backups",
        "restore": "storage/restore",
        "venue": "venue",
        "system_logs": "logs/system",
        "web_logs": "logs/web",
    }


def test_only_the_flags_are_the_portals_to_write() -> None:
    kept = [HOME.bot_state, HOME.epoch, HOME.setup_token, HOME.runner_lock, HOME.runner_socket, HOME.venue_socket]
    assert [path for path in kept if path.is_relative_to(HOME.flags)] == []
