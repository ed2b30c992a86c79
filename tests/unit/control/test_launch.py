"""What stands in the way of a start is said in one sentence, before anything is started."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tbot_bot.config.paths import Home
from tbot_bot.control.launch import Launch, main, refusal


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "deep" / "home")


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def test_nothing_stands_in_the_way(home: Home, free_port: int) -> None:
    for host in ("", "127.0.0.1", "localhost", "::1"):
        assert refusal(home, {"TBOT_WEB_PORT": str(free_port), "TBOT_WEB_HOST": host}) is None
    assert home.root.is_dir()
    assert home.root.stat().st_mode & 0o007 == 0


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http", "80.5", "8080 ", "0x50", "²"])
def test_a_port_is_a_number_from_1_to_65535(home: Home, port: str) -> None:
    said = refusal(home, {"TBOT_WEB_PORT": port})
    assert said == f"TBOT_WEB_PORT is {port!r}; it must be a port number from 1 to 65535."
    assert not home.root.exists()


def test_a_busy_port_is_named_with_a_way_out(home: Home, busy_port: int) -> None:
    said = refusal(home, {"TBOT_WEB_PORT": str(busy_port)})
    assert said is not None
    assert said.startswith(f"Port {busy_port} on 127.0.0.1 is not free (Address already in use).")
    assert said.endswith(f"TBOT_WEB_PORT={busy_port + 1} make run")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "example.org", "192.0.2.1", "127.0.0.2", "localhost.example.org"])  # noqa: S104 - refused
def test_only_this_machine_is_served(home: Home, free_port: int, host: str) -> None:
    said = refusal(home, {"TBOT_WEB_PORT": str(free_port), "TBOT_WEB_HOST": host})
    assert said is not None
    assert repr(host) in said
    assert "SSH tunnel" in said


@pytest.mark.parametrize("url", ["postgresql://u:hunter2@db/x", "sqlite:///x"])
def test_a_database_elsewhere_is_refused_without_repeating_its_password(home: Home, free_port: int, url: str) -> None:
    said = refusal(home, {"TBOT_WEB_PORT": str(free_port), "TBOT_DATABASE_URL": url})
    assert said is not None
    assert "Unset it" in said
    assert "hunter2" not in said


def test_a_home_that_cannot_be_made(tmp_path: Path, free_port: int) -> None:
    (tmp_path / "file").write_text("in the way")
    said = refusal(Home(tmp_path / "file" / "home"), {"TBOT_WEB_PORT": str(free_port)})
    assert said == f"TBOT_HOME {tmp_path}/file/home cannot be made: Not a directory. Choose a folder you may write to."


@pytest.mark.parametrize("depth", ["", "deeper/home"])
def test_a_home_that_may_not_be_written(free_port: int, depth: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        said = as_an_ordinary_user(lambda: refusal(Home(Path(folder) / depth), {"TBOT_WEB_PORT": str(free_port)}))
        Path(folder).chmod(0o755)
    assert said.startswith(f"TBOT_HOME {Path(folder) / depth} ")
    assert said.endswith("Choose a folder you may write to.")


def as_an_ordinary_user(ask: Callable[[], str | None]) -> str:
    """What `ask` says in a process of its own, which is not root's whoever we are."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setuid(65534)
            os.write(writing, (ask() or "").encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return said


def test_without_a_word_it_is_port_8080_of_this_machine(home: Home) -> None:
    launch = Launch(home, {})
    launch._web_log.close()
    assert (launch.host, launch.port) == ("127.0.0.1", 8080)


def test_a_refused_start_ends_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TBOT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TBOT_WEB_PORT", "none")
    assert main() == 1
    assert capsys.readouterr().err.startswith("Cannot start: TBOT_WEB_PORT is 'none'")


def test_a_token_that_was_put_there_while_the_portal_was_asked_is_said(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    class Portal(BaseHTTPRequestHandler):
        """Answers at the moment at which the runner has put its token there."""

        def do_GET(self) -> None:
            home.setup_token.write_text("late-token\n")
            self.send_response(HTTPStatus.OK)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    home.control.mkdir(parents=True)
    home.bot_state.write_text("initialize\n")
    with HTTPServer(("127.0.0.1", 0), Portal) as portal:
        threading.Thread(target=portal.handle_request, daemon=True).start()
        launch = Launch(home, {"TBOT_WEB_PORT": str(portal.server_port)})
        launch._say_address_when_up()
        launch._web_log.close()
    assert "/configuration?setup=late-token" in capsys.readouterr().out
