"""The runner put together: a first run with its real market and bot, driven over the socket and by flags."""

from __future__ import annotations

import json
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from tbot_bot.api.sealing import seal
from tbot_bot.config.paths import Home
from tbot_bot.control.exit_codes import UNHELPABLE
from tbot_bot.control.home_lock import HomeTakenError, take_home
from tbot_bot.control.main import Runner, main
from tbot_bot.control.provisioning import Provisioning
from tbot_bot.domain.audit import AuditFilter
from tbot_bot.domain.lifecycle import RUNNING, State
from tbot_bot.domain.market import Session
from tests.unit.control.backstage import PASSWORD, Backstage, Client, furnished, make_ledger, wait_until
from tests.unit.control.conftest import own_logging


def sessions() -> list[Session]:
    """Forty weeks from 2010 on: more than can be played while we look."""
    days = [date(2010, 1, 4) + timedelta(days=7 * week + day) for week in range(40) for day in range(5)]
    opens = [datetime(day.year, day.month, day.day, 14, 30, tzinfo=UTC) for day in days]
    return [Session(day, at, at + timedelta(hours=6, minutes=30)) for day, at in zip(days, opens, strict=True)]


class Running:
    """A runner in a thread of this process, and the portal's way to it."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.runner = Runner(home, password_cost=4)
        self.code: int | None = None
        self.session: str | None = None
        self.setup_session: str | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        wait_until(home.runner_socket.exists, "the socket is there")
        self._client = Client(home.runner_socket)

    def _run(self) -> None:
        self.code = self.runner.run()

    def ask(self, verb: str, secret: dict[str, str] | None = None, **params: Any) -> dict[str, Any]:
        envelope = {"session": self.session, "setup_session": self.setup_session, "address": "127.0.0.1"}
        request_id = secrets.token_urlsafe(12)
        if secret is not None:
            key = self.ask("web.keys")["sealing_public_key"]
            now = datetime.now(UTC)
            box = seal(key, request_id=request_id, verb=verb, params=params, secret=secret, now=now)
            params = {**params, "sealed": box}
        response = self._client.ask(verb, **envelope, request_id=request_id, params=params)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def raise_flag(self, name: str, request_id: str = "") -> None:
        temporary = self.home.flags / f".{name}"
        temporary.write_text(json.dumps({"request_id": request_id}) if request_id else "")
        temporary.rename(self.home.flags / name)

    def state(self) -> str:
        return self.home.bot_state.read_text().strip()

    def reaches(self, *states: State) -> None:
        wait_until(lambda: self.state() in states, f"the state is one of {states}", 60)

    def audited(self, verb: str) -> int:
        return len(self.runner._foundation.audit.page(AuditFilter(verb=verb)).items)

    def end(self) -> None:
        self._client.close()
        self.runner.stop()
        self._thread.join(30)
        assert not self._thread.is_alive()


@contextmanager
def running(home: Home) -> Iterator[Running]:
    with own_logging(lambda _record: None):
        made = Running(home)
        try:
            yield made
        finally:
            made.end()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home whose set-up has begun; its calendar is there already, for building one takes seconds."""
    made = Backstage(tmp_path / "home")
    made.configure(SIM_SPEED="3600")
    record = made.foundation.record

    def no_floor() -> Any:
        raise AssertionError("not opened here")

    Provisioning(made.foundation, made.lifecycle, no_floor).begin()
    record.replace_calendar(sessions())
    record.mark_step("calendar", "done", "", made.clock.now())
    return made.home


def test_a_first_run_a_day_of_trading_and_a_restart(home: Home) -> None:
    with running(home) as one:
        first_run(one)
        what_others_change_is_healed(one)
        flags_are_obeyed(one)
        reading_a_log_is_noted_once(one)
        one.raise_flag("control_stop.flag")
        one.reaches(State.STOPPED)
        assert one.audited("control.stop") == 1
        status = json.loads(next(home.root.glob("output/*/status.json")).read_text())
        assert status["bots"][0]["trial_balance_ok"] is True
        children = psutil.Process().children(recursive=True)
        assert len(children) == 2
    assert one.code == 0
    assert psutil.wait_procs(children, timeout=10)[1] == []
    assert not home.runner_socket.exists()
    assert one.state() == "shutdown"
    with running(home) as again:
        assert again.state() == "stopped"
        again.session = one.session
        assert again.ask("session.verdict")["username"] == "ada"


def first_run(one: Running) -> None:
    one.reaches(State.REGISTRATION)
    token = one.home.setup_token.read_text().strip()
    one.setup_session = one.ask("setup.exchange", token=token)["setup_session"]
    assert one.ask("provision.progress")["done"]
    one.ask("register.first_admin", {"password": PASSWORD}, username="ada", email="ada@example.org")
    assert one.state() == "stopped"
    assert not one.home.setup_token.exists()
    one.session = one.ask("session.log_in", {"password": PASSWORD}, username="ada", user_agent="test")["session"]


def flags_are_obeyed(one: Running) -> None:
    one.raise_flag("control_start.flag", "not-an-issued-id")
    wait_until(lambda: one.audited("flag.refuse") == 1, "the flag was refused")
    assert one.state() == "stopped"
    issued = one.ask("control.issue_start")["request_id"]
    one.raise_flag("control_start.flag", issued)
    one.reaches(*(RUNNING - {State.STARTED}))
    one.raise_flag("control_start.flag", issued)
    wait_until(lambda: one.audited("flag.refuse") == 2, "the id was used up")
    wait_until(lambda: one.ask("status.document")["bots"][0]["trading_since"], "a session opened", 60)


def what_others_change_is_healed(one: Running) -> None:
    one.home.bot_state.write_text("trading\n")
    wait_until(lambda: one.audited("lifecycle.heal") == 1, "it was noticed")
    assert one.state() == "stopped"
    wait_until(lambda: one.ask("status.document")["bots"][0]["last_error_event"], "it is told")


def reading_a_log_is_noted_once(one: Running) -> None:
    for _ in range(2):
        assert one.ask("logs.read", name="system")["items"]
    assert one.audited("logs.open") == 1
    text = one.ask("metrics.text")["text"]
    assert 'tbot_alerts{level="error"}' in text
    assert "tbot_secrets_generation 2.0" in text


def test_an_administrator_made_just_before_a_crash_ends_the_registration(tmp_path: Path) -> None:
    made = Backstage(tmp_path / "home")
    made.configure()
    make_ledger(made)
    effect, _codes = made.foundation.users.prepare_first_admin("ada", "ada@example.org", PASSWORD)
    made.foundation.users.apply_effect(effect, 1)
    made.put(State.REGISTRATION)
    with running(made.home) as one:
        one.reaches(State.STOPPED)
    assert not made.home.setup_token.exists()


# troubles


def test_a_disk_in_trouble_is_told_once_and_tried_again(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.flags.mkdir(parents=True)
    tries: list[int] = []

    def publish() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise OSError(28, "No space left on device")

    with own_logging(lambda _record: None):
        runner = Runner(home, password_cost=4)
        for _ in range(4):
            runner._attempt(publish)
        with pytest.raises(RuntimeError):
            runner._attempt(lambda: (_ for _ in ()).throw(RuntimeError("a bug")))
    events = [json.loads(line)["event"] for line in (home.system_logs / "system.log").read_text().splitlines()]
    assert [event.partition(";")[0] for event in events if "disk" in event] == [
        "the disk refuses",
        "the disk accepts again",
    ]


def test_the_last_error_outlives_the_runner(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.flags.mkdir(parents=True)
    with own_logging(lambda _record: None):
        Runner(home, password_cost=4)._log_book.write({"level": "error", "event": "broken", "at": "t", "source": "s"})
        again = Runner(home, password_cost=4)
    assert again._errors.last is not None
    assert again._errors.last.message == "broken"
    assert again._errors.counts()["error"] == 0


def test_what_lay_beside_the_secrets_is_told_once(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.flags.mkdir(parents=True)
    told: list[dict[str, Any]] = []
    with own_logging(lambda _record: None):
        first = Runner(home, password_cost=4)
        first._log_book.listen(lambda record: told.append(dict(record)))
        first._tell_recovery()
        assert told == []
        (home.storage / "generations" / "000001").mkdir()
        second = Runner(home, password_cost=4)
        second._log_book.listen(lambda record: told.append(dict(record)))
        second._tell_recovery()
    assert [(one["level"], one["uncommitted"]) for one in told] == [("warning", "1")]
    (noted,) = second._foundation.audit.page(AuditFilter(verb="secrets.recover")).items
    assert (noted.entry.target, dict(noted.entry.before or {})) == ("0", {"uncommitted": "1"})


@pytest.mark.parametrize("when", ["before the start", "while it runs", "before the start, gone"])
def test_with_a_damaged_ledger_the_bot_is_in_error_and_named(tmp_path: Path, when: str) -> None:
    home = furnished(tmp_path / "home").home
    (ledger,) = home.root.glob("output/*/ledgers/*.db")

    def damage() -> None:
        ledger.write_bytes(b"not a database, " * 65536)

    for beside in ("-wal", "-shm"):
        ledger.with_name(ledger.name + beside).unlink(missing_ok=True)
    if when == "before the start":
        damage()
    elif when != "while it runs":
        ledger.unlink()
    with running(home) as one:
        if when == "while it runs":
            one.reaches(State.STOPPED)
            conductor = one.runner._conductor
            assert conductor is not None
            damage()
            conductor.floor.database.engine.dispose()  # what is read next comes from the file, not from memory
        one.reaches(State.ERROR)
        assert one.runner._conductor is None
        (found,) = one.runner._findings
        assert found.subject == "Ledger"
        assert "Restore it from a backup" in found.next_step
        assert one.runner._lifecycle.reason == f"Ledger: {found.what}"
    assert one.code == 0


def test_a_home_has_one_runner(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    held = take_home(home)
    try:
        with pytest.raises(HomeTakenError, match=f"process {os.getpid()}\\) has the home {home.root}"):
            take_home(home)
    finally:
        os.close(held)
    os.close(take_home(home))


@pytest.mark.parametrize("what", ["taken", "unwritable"])
def test_a_refused_start_is_said_in_a_sentence(
    tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Home(tmp_path / "home")
    monkeypatch.setenv("TBOT_HOME", str(home.root))
    held = take_home(home) if what == "taken" else None
    if held is None:
        home.root.write_text("a file is in the way")
    before = os.umask(0o022)
    try:
        code = main()
    finally:
        os.umask(before)
        if held is not None:
            os.close(held)
    said = capsys.readouterr().err
    assert said.startswith("Cannot start: ")
    assert code == (UNHELPABLE if what == "taken" else 1)
    assert "Traceback" not in said
