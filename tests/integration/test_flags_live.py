"""The folder that the portal may write: whatever lies there, the runner consumes it, says so, and stays as it was."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import SPEED
from tests.integration.evidence import audited, logged
from tests.integration.homes import copy_of, running, set_up_home
from tests.support.running import RunningHome, wait_for


@pytest.fixture(scope="module")
def stopped(template_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHome]:
    """A runner that has nothing to do; no test here may make it start trading."""
    home = copy_of(set_up_home(template_base, {"SIM_SPEED": SPEED}), tmp_path_factory.mktemp("flags") / "home")
    with running(home):
        yield home


def garbage(path: Path) -> None:
    path.write_bytes(os.urandom(200))


def huge(path: Path) -> None:
    path.write_bytes(b"x" * 1_000_000)


def empty(path: Path) -> None:
    path.touch()


def a_list(path: Path) -> None:
    path.write_text("[1, 2]")


def a_number_as_id(path: Path) -> None:
    path.write_text('{"request_id": 7}')


def nested(path: Path) -> None:
    path.write_text("[" * 3000)


def a_malformed_id(path: Path) -> None:
    path.write_text(json.dumps({"request_id": "../../etc/passwd\x00"}))


def an_unknown_id(path: Path) -> None:
    path.write_text(json.dumps({"request_id": "a" * 32}))


def a_link_out(path: Path) -> None:
    secret = path.parent.parent / "secret.json"
    secret.write_text(json.dumps({"request_id": "a" * 32}))
    path.symlink_to(secret)


def a_dangling_link(path: Path) -> None:
    path.symlink_to("/nowhere/at/all")


def a_second_name(path: Path) -> None:
    other = path.parent.parent / "other.json"
    other.write_text(json.dumps({"request_id": "a" * 32}))
    os.link(other, path)


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_folder(path: Path) -> None:
    path.mkdir()
    (path / "inside").touch()


HOSTILE = [
    *(garbage, huge, empty, a_list, a_number_as_id, nested, a_malformed_id, an_unknown_id),
    *(a_link_out, a_dangling_link, a_second_name, a_pipe, a_folder),
]


@pytest.mark.parametrize("name", ["control_start.flag", "provision.flag"])
@pytest.mark.parametrize("put", HOSTILE)
def test_a_hostile_flag_is_refused_consumed_and_audited(
    stopped: RunningHome, put: Callable[[Path], None], name: str
) -> None:
    refused = len(audited(stopped.home, "flag.refuse"))
    path = stopped.home.flags / name
    put(path)
    wait_for(lambda: not os.path.lexists(path), 10)
    wait_for(lambda: len(audited(stopped.home, "flag.refuse")) == refused + 1, 10)
    record = audited(stopped.home, "flag.refuse")[-1]
    assert (record["target"], record["result"]) == (name, "refused")
    assert record["reason"]
    assert stopped.state() == "stopped"
    for kept in ("secret.json", "other.json"):
        (stopped.home.control / kept).unlink(missing_ok=True)


@pytest.mark.parametrize("put", [garbage, huge, empty, a_dangling_link, a_pipe, a_folder])
def test_stop_needs_no_content_and_changes_nothing_in_a_stopped_bot(
    stopped: RunningHome, put: Callable[[Path], None]
) -> None:
    stops = len(audited(stopped.home, "control.stop"))
    path = stopped.home.flags / "control_stop.flag"
    put(path)
    wait_for(lambda: len(audited(stopped.home, "control.stop")) == stops + 1, 10)
    assert not os.path.lexists(path)
    assert stopped.state() == "stopped"


def test_a_request_id_is_for_its_own_flag_only(stopped: RunningHome) -> None:
    request_id = stopped.ask("control.issue_start")["request_id"]
    refused = len(audited(stopped.home, "flag.refuse"))
    stopped.raise_flag("provision.flag", request_id)
    wait_for(lambda: len(audited(stopped.home, "flag.refuse")) == refused + 1, 10)
    assert stopped.state() == "stopped"


def test_what_is_refused_does_not_pile_up(stopped: RunningHome) -> None:
    path = stopped.home.flags / "control_start.flag"
    for _ in range(70):
        path.write_text("junk")
        wait_for(lambda: not path.exists(), 10)
    assert len(list((stopped.home.flags / "rejected").iterdir())) <= 50


def test_an_edited_state_file_is_put_right_within_two_seconds_and_changes_nothing(stopped: RunningHome) -> None:
    for content in (b"trading\n", b"", b"\xff\xfe", b"x" * 100_000):
        healed = len(audited(stopped.home, "lifecycle.heal"))
        began = time.monotonic()
        stopped.home.bot_state.write_bytes(content)
        wait_for(lambda: stopped.home.bot_state.read_bytes() == b"stopped\n", 2)
        assert time.monotonic() - began < 2
        wait_for(lambda count=healed: len(audited(stopped.home, "lifecycle.heal")) == count + 1, 2)
        assert stopped.ask("control.state")["state"] == "stopped"
    stopped.home.bot_state.unlink()
    wait_for(stopped.home.bot_state.exists, 2)
    assert logged(stopped.home, "bot_state.txt was changed by someone else")


def test_start_is_obeyed_once(new_home: Callable[[], RunningHome]) -> None:
    home = new_home()
    with running(home):
        first, second = (home.ask("control.issue_start")["request_id"] for _ in range(2))
        home.raise_flag("control_start.flag", first)
        wait_for(lambda: home.state() != "stopped", 10)
        for used, reason in ((first, "used"), (second, "cannot go from")):
            refused = len(audited(home.home, "flag.refuse"))
            home.raise_flag("control_start.flag", used)
            wait_for(lambda count=refused: len(audited(home.home, "flag.refuse")) == count + 1, 10)
            assert reason in audited(home.home, "flag.refuse")[-1]["reason"]
    assert len([record for record in audited(home.home, "control.start") if record["phase"] == "event"]) == 1
