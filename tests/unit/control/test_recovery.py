"""The desk that opens in place of a damaged home: what it answers, to whom, and that it leaves nothing behind."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tbot_bot.api.backups import Finding
from tbot_bot.api.sessions import SessionStatus, Verdict
from tbot_bot.api.verbs import VERBS
from tbot_bot.config.paths import Home
from tbot_bot.control.backups import open_backups
from tbot_bot.control.damage import HomeDamagedError
from tbot_bot.control.exit_codes import START_AGAIN
from tbot_bot.control.main import open_home
from tbot_bot.control.recovery import RecoveryDesk, closed_desk
from tbot_bot.control.system_api import Caller
from tbot_bot.domain.lifecycle import State
from tests.support.damages import DAMAGES, EVERYTHING, fill_the_users
from tests.unit.audit.parts import HandClock
from tests.unit.control.backstage import ADDRESS, Backstage, Client, call, furnished, wait_until
from tests.unit.control.conftest import own_logging

FINDING = Finding(
    subject="Keys and secrets", what="A byte differs.", next_step="Restore them.", found_at="2026-11-22T08:00:00Z"
)
OPEN = {"web.keys", "session.verdict", "control.state", "setup.exchange"}
DESK = {"recovery.view", "recovery.verify", "recovery.preview", "recovery.restore"}
PARAMS: dict[str, dict[str, object]] = {
    "recovery.verify": {"id": "generation-000001"},
    "recovery.preview": {"id": "generation-000001", "parts": ["secrets"]},
    "recovery.restore": {"id": "generation-000001", "parts": ["secrets"], "digest": ""},
}


class Serving:
    """The desk in a thread, and the portal's way to it."""

    def __init__(self, root: Path) -> None:
        self.home = Home(root)
        self.clock = HandClock()
        self.setup_session: str | None = None
        self.code: int | None = None
        self.desk = RecoveryDesk(self.home, self.clock, [FINDING])
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        wait_until(self.home.runner_socket.exists, "the socket is there")
        self.client = Client(self.home.runner_socket)

    def _run(self) -> None:
        self.code = self.desk.run()

    def ask(self, verb: str, **params: Any) -> tuple[int, dict[str, Any]]:
        envelope = {"setup_session": self.setup_session, "session": "s", "address": ADDRESS}
        answer = self.client.ask(verb, **envelope, request_id=secrets.token_urlsafe(12), params=params)
        return answer.status_code, answer.json()

    def token(self) -> str:
        return self.home.setup_token.read_text().strip()

    def open(self) -> None:
        self.setup_session = self.ask("setup.exchange", token=self.token())[1]["setup_session"]

    def end(self) -> None:
        self.client.close()
        self.desk.stop()
        self._thread.join(20)
        assert not self._thread.is_alive()


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    home = furnished(tmp_path / "home").home
    with own_logging(lambda _record: None):
        made = Serving(home.root)
        yield made
        made.end()


def test_a_damaged_home_gets_the_desk_and_a_word_at_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = furnished(tmp_path / "home").home
    victim = next((home.storage / "current" / "secrets").iterdir())
    victim.write_bytes(victim.read_bytes()[:-1])
    with own_logging(lambda _record: None):
        desk = open_home(home)
        assert isinstance(desk, RecoveryDesk)
        desk._api.stop()
    said = capsys.readouterr().err
    assert said.startswith(f"The home {home.root} is damaged and was not opened:\n  - Keys and secrets: ")
    assert victim.name in said


@pytest.mark.parametrize(("damage", "parts"), [*((each, EVERYTHING) for each in DAMAGES), (fill_the_users, ["users"])])
def test_whatever_was_damaged_is_restored_and_the_next_start_opens(
    tmp_path: Path, damage: Callable[[Home], None], parts: list[str]
) -> None:
    made = furnished(tmp_path / "home")
    snapshot = with_a_snapshot(made)
    damage(made.home)
    with pytest.raises(HomeDamagedError) as found:
        Backstage(made.home.root)
    desk = RecoveryDesk(made.home, made.clock, found.value.findings)
    verbs, caller = desk._handlers(), Caller(Verdict(status=SessionStatus.NONE, setup=True), None, "s", ADDRESS, "r-1")
    assert call(verbs, "recovery.verify", caller, id=snapshot).problem == ""
    seen = call(verbs, "recovery.preview", caller, id=snapshot, parts=parts)
    assert (seen.refusal, [one.part for one in seen.parts]) == ("", parts)
    with pytest.raises(Exception, match="has changed since"):
        call(verbs, "recovery.restore", caller, id=snapshot, parts=parts, digest="0" * 64, reason="found damaged")
    with pytest.raises(Exception, match="A reason is needed"):
        call(verbs, "recovery.restore", caller, id=snapshot, parts=parts, digest=seen.digest)
    assert desk._exit_code == 0
    call(verbs, "recovery.restore", caller, id=snapshot, parts=parts, digest=seen.digest, reason="found damaged")
    assert desk._exit_code == START_AGAIN
    again = Backstage(made.home.root)
    again.sign_in()
    (record,) = again.audited("restore.commit")
    assert (record.actor, record.target, record.detail["why"]) == ("recovery", snapshot, "found damaged")
    assert again.foundation.audit.verify().ok
    assert again.foundation.generation > 1  # the one in the snapshot


def with_a_snapshot(made: Backstage) -> str:
    """A snapshot, and a rotation after it."""
    foundation = made.foundation
    backups = open_backups(made.home, made.clock, foundation.secrets, foundation.audit, lambda _s: None)
    name = backups.make(actor="ada", reason="before the damage", request_id="make-0001").id
    foundation.rotation.rotate(dict, request_id="later-001", reason="test", actor="test")
    return name


def test_it_publishes_the_error_and_heals_what_others_write(serving: Serving) -> None:
    state = serving.home.bot_state
    assert state.read_text() == "error\n"
    state.write_text("idle\n")
    wait_until(lambda: state.read_text() == "error\n", "it is put right")
    state.unlink()
    wait_until(state.exists, "it is there again")


def test_strangers_are_told_that_the_home_is_damaged_and_nothing_else(serving: Serving) -> None:
    for name in VERBS:
        status, answer = serving.ask(name, **PARAMS.get(name, {}))
        if name in OPEN:
            continue
        if name in DESK:
            assert (status, answer["code"]) == (401, "no_setup_session"), name
        else:
            # a malformed question is told to be one before anything else is looked at
            assert (status, answer["code"]) in {(503, "home_damaged"), (400, "bad_request")}, name
    state = serving.ask("control.state")[1]
    assert (state["state"], state["recovery"], state["findings"], state["acts"]) == ("error", True, [], [])
    verdict = serving.ask("session.verdict")[1]
    assert (verdict["status"], verdict["setup"], verdict["permissions"]) == ("none", False, [])


def test_the_token_opens_it_once(serving: Serving) -> None:
    token = serving.token()
    assert serving.home.setup_token.stat().st_mode & 0o777 == 0o600
    assert serving.ask("setup.exchange", token="guess")[1]["code"] == "setup_token_refused"
    serving.open()
    assert not serving.home.setup_token.exists()
    assert serving.ask("setup.exchange", token=token)[0] == 401
    assert serving.ask("session.verdict")[1]["setup"]
    view = serving.ask("recovery.view")[1]
    assert view["findings"] == [FINDING.model_dump()]
    assert [one["id"] for one in view["backups"]["items"]] == ["generation-000001", "generation-000000"]
    assert serving.ask("control.state")[1]["findings"] == view["findings"]
    # no one who holds it is more than that
    assert serving.ask("status.document")[1]["code"] == "home_damaged"


def test_guessing_is_slowed_down(serving: Serving) -> None:
    answers = [serving.ask("setup.exchange", token="guess")[0] for _ in range(6)]
    assert answers == [401] * 5 + [429]


def test_after_an_hour_there_is_another_token(serving: Serving) -> None:
    serving.open()
    serving.clock.move(hours=1)
    wait_until(serving.home.setup_token.exists, "a new token is there")
    assert serving.ask("recovery.view")[0] == 401
    serving.open()
    assert serving.ask("recovery.view")[0] == 200


def test_verify_says_how_a_backup_is(serving: Serving) -> None:
    serving.open()
    assert serving.ask("recovery.verify", id="generation-000001")[1]["health"] == "whole"
    assert serving.ask("recovery.verify", id="generation-000099")[0] == 404


def test_its_keys_are_its_own_and_are_written_nowhere(serving: Serving) -> None:
    keys = serving.ask("web.keys")[1]
    assert keys["generation"] is None
    serving.open()
    kept = [serving.desk._signing_key, serving.desk._sealing_key, str(serving.setup_session)]
    for path in serving.home.root.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not any(key.encode() in content for key in kept), path


def test_it_leaves_neither_token_nor_socket_behind(serving: Serving) -> None:
    serving.desk.stop()
    wait_until(lambda: serving.code is not None, "it has ended")
    assert serving.code == 0
    assert not serving.home.setup_token.exists()
    assert not serving.home.runner_socket.exists()
    assert serving.home.bot_state.read_text() == "error\n"


def test_the_kill_switch_stays_what_it_is(serving: Serving) -> None:
    flags = serving.home.flags
    (flags / "kill_armed").write_text("armed")
    assert serving.ask("control.state")[1]["kill_armed"]
    (flags / "kill_armed").rename(flags / "control_kill.flag")
    state = serving.ask("control.state")[1]
    assert (state["kill_armed"], state["kill_triggered"]) == (False, True)
    assert (flags / "control_kill.flag").exists()
    (flags / "control_kill.flag").unlink()
    flags.rmdir()
    flags.write_text("a file is in the way")
    assert serving.ask("control.state")[1]["kill_triggered"]
    flags.unlink()


def test_where_the_home_was_opened_there_is_no_desk(tmp_path: Path) -> None:
    stage = furnished(tmp_path / "home")
    stage.put(State.ERROR)
    assert closed_desk().keys() == DESK
    for name in DESK:
        with pytest.raises(Exception, match="opened as always"):
            call(closed_desk(), name, stage.caller(), **PARAMS.get(name, {}))
