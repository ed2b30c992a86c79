"""The first run by verbs: setup token, configuration, provisioning, registration, login, sessions."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

from tbot_bot.api.settings import Configuration, describe
from tbot_bot.config.paths import Home
from tbot_bot.control.clock import WallClock
from tbot_bot.control.foundation import Foundation
from tbot_bot.domain.lifecycle import State
from tbot_bot.storage.control_store import ControlStore, LifecycleRecord
from tbot_bot.storage.engine import open_sqlite
from tests.integration.conftest import HomeMaker
from tests.integration.evidence import IDENTITY, assert_audit_is_whole, audited, states
from tests.integration.homes import all_gone, processes_of, running
from tests.integration.replays import CSV_HEADER, DAYS, write_csv, write_zips
from tests.support.running import PASSWORD, Refused, RunningHome, wait_for

SECRET_INPUT = "hunter2-do-not-echo"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHome]:
    """A runner on an empty home whose setup token was exchanged; nothing in this module configures it."""
    home = RunningHome(tmp_path_factory.mktemp("fresh") / "home")
    with running(home):
        home.setup_session = home.ask("setup.exchange", token=token_of(home))["setup_session"]
        yield home


def token_of(home: RunningHome) -> str:
    return home.home.setup_token.read_text().strip()


def submit(home: RunningHome, **values: str) -> dict[str, str]:
    """The messages by field of a refused configuration, after making sure that nothing was changed."""
    before = home.ask("web.keys")["generation"]
    with pytest.raises(Refused) as refused:
        home.ask("configuration.submit", values=values)
    assert home.ask("web.keys")["generation"] == before
    assert not home.ask("configuration.form")["saved"]
    assert home.state() == "initialize"
    problem = refused.value.problem
    assert (problem["status"], problem["code"]) == (422, "form_invalid")
    return problem["fields"]


# the setup token


def test_the_token_is_the_runner_users_alone(fresh: RunningHome) -> None:
    assert fresh.home.setup_token.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("token", ["", "wrong", "x" * 256, "☃", "\x00\n"])
def test_a_wrong_token_is_refused_and_says_where_the_right_one_is(fresh: RunningHome, token: str) -> None:
    with pytest.raises(Refused) as refused:
        fresh.ask("setup.exchange", token=token)
    assert refused.value.problem["code"] in ("setup_token_refused", "too_many_attempts")
    assert "setup_token" in refused.value.problem["detail"] or refused.value.problem["retry_after_s"]


def test_without_a_setup_session_the_pages_only_ask_for_it(fresh: RunningHome) -> None:
    stranger = RunningHome(fresh.home.root)
    for verb in ("configuration.form", "provision.progress", "provision.retry"):
        with pytest.raises(Refused) as refused:
            stranger.ask(verb)
        assert refused.value.problem["code"] == "no_setup_session"
        assert "control/setup_token" in refused.value.problem["next_step"]
    stranger.hang_up()


def test_a_token_that_is_not_text_or_too_long_is_malformed(fresh: RunningHome) -> None:
    for token in ("x" * 257, 7, None, ["a"]):
        with pytest.raises(Refused) as refused:
            fresh.ask("setup.exchange", token=token)
        assert refused.value.problem["code"] == "bad_request"


# hostile values

HOSTILE = {
    "ten kilobytes": "A" * 10_240,
    "control characters": "A\x00B\x07",
    "a line break": "A\nB",
    "another script": "\uff21\uff22\uff23",
    "an emoji": "💥",
    "right to left": "\u202eABC",
    "markup": "<script>alert(1)</script>",
    "a path": "../../etc/passwd",
    "a statement": "'; DROP TABLE entry; --",
    "empty": "",
}


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("field", ["ENTITY_CODE", "BOT_ID", "SIM_SPEED", "SIM_SEED", "SIM_FEED", "BROKER_CODE"])
def test_a_hostile_value_is_told_at_its_field_and_not_repeated(fresh: RunningHome, field: str, value: str) -> None:
    fields = submit(fresh, **{field: value})
    assert set(fields) == {field}
    titles = {one.name: one.title for one in describe(Configuration)}
    assert fields[field].startswith(f"{titles[field]} must be")
    assert value == "" or value not in fields[field]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"SIM_STARTING_CASH": "1e9"}, "SIM_STARTING_CASH"),
        ({"SIM_STARTING_CASH": "0.1"}, "SIM_STARTING_CASH"),
        ({"SIM_SPEED": "NaN"}, "SIM_SPEED"),
        ({"SIM_SPEED": "36001"}, "SIM_SPEED"),
        ({"SIM_SEED": "1.5"}, "SIM_SEED"),
        ({"BROKER_CODE": "ALPACA"}, "BROKER_CODE"),
        ({"SIM_FEED": "replay"}, "SIM_REPLAY_DIR"),
        ({"SIM_FEED": "replay", "SIM_REPLAY_DIR": "relative/folder"}, "SIM_REPLAY_DIR"),
        ({"SMTP_HOST": "mail.example.org"}, "SMTP_FROM"),
        ({"SMTP_PORT": "65536"}, "SMTP_PORT"),
        ({"UNKNOWN_FIELD": "x"}, "UNKNOWN_FIELD"),
        ({"entity_code": "RIGD"}, "entity_code"),
    ],
)
def test_each_wrong_field_is_named(fresh: RunningHome, values: dict[str, str], field: str) -> None:
    assert field in submit(fresh, **values)


def test_several_wrong_fields_are_told_at_once(fresh: RunningHome) -> None:
    fields = submit(fresh, ENTITY_CODE="no", SIM_SPEED="fast", SMTP_FROM="nobody")
    assert {"ENTITY_CODE", "SIM_SPEED", "SMTP_FROM"} <= set(fields)


def test_a_wrong_secret_is_never_repeated(fresh: RunningHome) -> None:
    with pytest.raises(Refused) as refused:
        fresh.ask_sealed("configuration.submit", {"SMTP_PASSWORD": SECRET_INPUT}, values={"ENTITY_CODE": "no"})
    assert SECRET_INPUT not in str(refused.value)
    assert SECRET_INPUT not in (fresh.home.system_logs / "system.log").read_text()


# replay folders


def hole(folder: Path) -> tuple[Path, str]:
    write_zips(folder)
    (folder / "bac" / f"{DAYS[1]:%Y%m%d}_trade.zip").unlink()
    return folder, f"there is no {DAYS[1]:%Y%m%d}_trade.zip"


def truncated(folder: Path) -> tuple[Path, str]:
    write_zips(folder)
    path = folder / "spy" / f"{DAYS[0]:%Y%m%d}_trade.zip"
    path.write_bytes(path.read_bytes()[:-200])
    return folder, f"spy/{DAYS[0]:%Y%m%d}_trade.zip"


def a_bad_row_in_a_zip(folder: Path) -> tuple[Path, str]:
    write_zips(folder)
    with ZipFile(folder / "aig" / f"{DAYS[0]:%Y%m%d}_trade.zip", "w") as archive:
        archive.writestr("day.csv", "34200000,1,2,1,1,5\n34260000,oops,2,1,1,5\n")
    return folder, f"aig/{DAYS[0]:%Y%m%d}_trade.zip:2"


def a_bad_row_in_a_csv(folder: Path) -> tuple[Path, str]:
    write_csv(folder)
    lines = (folder / "bars.csv").read_text().splitlines()
    lines[41] = lines[41].replace(",", ";")
    (folder / "bars.csv").write_text("\n".join(lines))
    return folder, "bars.csv:42"


def nothing_in_it(folder: Path) -> tuple[Path, str]:
    folder.mkdir()
    return folder, "neither symbol folders nor CSV files"


def not_there(folder: Path) -> tuple[Path, str]:
    return folder / "missing", "No such file or directory"


def a_file(folder: Path) -> tuple[Path, str]:
    folder.write_text(CSV_HEADER)
    return folder, "Not a directory"


@pytest.mark.parametrize(
    "make", [hole, truncated, a_bad_row_in_a_zip, a_bad_row_in_a_csv, nothing_in_it, not_there, a_file]
)
def test_a_replay_folder_that_cannot_be_played_says_where_it_is_wrong(
    fresh: RunningHome, tmp_path: Path, make: object
) -> None:
    folder, place = make(tmp_path / "bars")  # type: ignore[operator]  # one of the functions above
    fields = submit(fresh, SIM_FEED="replay", SIM_REPLAY_DIR=str(folder))
    assert set(fields) == {"SIM_REPLAY_DIR"}
    assert place in fields["SIM_REPLAY_DIR"]


# the whole way, with what can go wrong on it


def progress_of(home: RunningHome) -> dict[str, str]:
    return {step["name"]: step["status"] for step in home.ask("provision.progress")["steps"]}


def exchange(home: RunningHome) -> None:
    home.setup_session = home.ask("setup.exchange", token=token_of(home))["setup_session"]


def test_a_failed_step_is_told_and_done_again_also_after_a_restart(tmp_path: Path) -> None:
    home = RunningHome(tmp_path / "home")
    ledgers = home.home.ledger_database(IDENTITY).parent
    with running(home):
        exchange(home)
        ledgers.parent.mkdir(parents=True)
        ledgers.write_text("in the way")  # a file where the folder of the ledger must be
        submitted = home.ask("configuration.submit", values={})
        assert set(progress_of(home).values()) == {"waiting"}
        home.raise_flag("provision.flag", submitted["request_id"])
        wait_for(lambda: home.ask("provision.progress")["failed"])
        told = next(step for step in home.ask("provision.progress")["steps"] if step["status"] == "failed")
        assert (told["name"], home.state()) == ("folders", "provisioning")
        assert "ledgers" in told["detail"]
        home.ask("provision.retry")
        wait_for(lambda: home.ask("provision.progress")["failed"])  # as long as nothing was mended
    with running(home):
        assert progress_of(home)["folders"] == "failed"  # still shown
        ledgers.unlink()
        home.ask("provision.retry")
        wait_for(lambda: progress_of(home)["calendar"] == "running", 10)
        home.end(9)  # in the middle of bootstrapping
    all_gone(home.home.root)
    with running(home):
        wait_for(lambda: home.state() == "registration", 60, lambda: str(home.ask("provision.progress")))
        assert set(progress_of(home).values()) == {"done"}
        assert {"runner", "venue", "bot"} == set(processes_of(home.home.root))
        register_and_log_in(home)
    assert_audit_is_whole(home.home)
    assert [state for state, _ in states(home.home)] == [
        *("initialize", "provisioning", "bootstrapping", "registration"),
        *("stopped", "shutdown_triggered", "shutdown"),
    ]


def register_and_log_in(home: RunningHome) -> None:
    """Register with everything that can be wrong first, then sign in and out in every way there is."""
    with pytest.raises(Refused) as short:
        home.ask_sealed("register.first_admin", {"password": "short"}, username="ada", email="ada@example.org")
    assert set(short.value.problem["fields"]) == {"password"}
    with pytest.raises(Refused) as wrong:
        home.ask_sealed("register.first_admin", {"password": PASSWORD}, username="a b\x00", email="nobody")
    assert {"username", "email"} <= set(wrong.value.problem["fields"])
    assert home.state() == "registration"
    token = token_of(home)
    codes = home.register()
    assert home.state() == "stopped"
    assert not home.home.setup_token.exists()
    with pytest.raises(Refused) as dead:
        home.ask("setup.exchange", token=token)
    assert dead.value.problem["code"] in ("wrong_phase", "admin_exists")
    with pytest.raises(Refused) as over:
        home.ask("provision.progress")
    assert over.value.problem["code"] == "no_setup_session"
    home.setup_session = None

    with pytest.raises(Refused) as refused:
        home.log_in(password="not the password")
    with pytest.raises(Refused) as stranger:
        home.log_in(username="nobody")
    assert refused.value.problem == stranger.value.problem  # never said which of the two was wrong
    home.log_in()
    first = home.session
    opened = home.ask_sealed("session.log_in", {"recovery_code": codes[0]}, username="ada", user_agent="test")
    with pytest.raises(Refused):
        home.ask_sealed("session.log_in", {"recovery_code": codes[0]}, username="ada", user_agent="test")
    sessions = home.ask("session.list")["items"]
    assert len(sessions) == 2
    other = next(one["handle"] for one in sessions if not one["current"])
    home.ask("session.end", handle=other)
    home.session = opened["session"]
    with pytest.raises(Refused) as ended:
        home.ask("account.view")
    assert ended.value.problem["code"] == "not_signed_in"
    home.session = first
    assert home.ask("account.view")["recovery_codes_left"] == len(codes) - 1
    home.ask("session.log_out")
    with pytest.raises(Refused):
        home.ask("account.view")


def test_a_runner_that_ended_between_registering_and_saying_so_comes_up_stopped(new_home: HomeMaker) -> None:
    home = new_home()
    engine = open_sqlite(home.home.control_database)
    key = Foundation(home.home, WallClock(), state=str, password_cost=4)._key
    ControlStore(engine, key).append_lifecycle(
        LifecycleRecord(State.REGISTRATION, "set up", "runner", WallClock().now())
    )
    engine.dispose()
    with running(home):
        assert home.state() == "stopped"
        assert home.ask("account.view")["username"] == "ada"


def test_a_lost_setup_token_is_made_anew_at_the_next_start(tmp_path: Path) -> None:
    home = RunningHome(tmp_path / "home")
    with running(home):
        old = token_of(home)
        home.home.setup_token.unlink()
    with running(home):
        with pytest.raises(Refused):
            home.ask("setup.exchange", token=old)
        exchange(home)
    assert audited(home.home, "setup.issue_token")


def test_a_home_that_was_tampered_with_is_not_served(new_home: HomeMaker) -> None:
    home = new_home()
    generation = (home.home.storage / "current").resolve()
    victim = next((generation / "secrets").iterdir())
    shutil.copyfile(next((generation / "keys").iterdir()), victim)
    with home:
        home.start()
        assert home.state() == "error"
        assert "is damaged and was not opened" in home.said()
        with pytest.raises(Refused) as refused:
            home.ask("configuration.view")
        assert refused.value.problem["code"] == "home_damaged"


def test_the_home_is_never_served_from_another_place_than_its_root(tmp_path: Path) -> None:
    assert Home.from_environment({}).root == Path("var").absolute()
    assert Home.from_environment({"TBOT_HOME": str(tmp_path)}).flags == tmp_path / "control" / "flags"
