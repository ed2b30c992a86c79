"""`make run`: starts the runner and the portal, keeps both up, and stops both; systemd does the same in its place.

The runner looks after the venue and the bot. Each process holds the lifeline of those below it, so that ending any
one of them, by any signal, leaves nothing behind.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path

from tbot_bot.config.paths import Home
from tbot_bot.control.child import Child, Keeper, start_child
from tbot_bot.control.clock import WallClock
from tbot_bot.control.exit_codes import UNHELPABLE
from tbot_bot.domain.lifecycle import State
from tbot_bot.monitoring.log_book import RotatingLines, set_up

TICK_S = 0.2
STOP_TIMEOUT_S = 20.0
PORT_MAX = 65535
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def say(text: str) -> None:
    """Tell the person at the terminal."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class Launch:
    """The runner and the portal of one home, side by side."""

    def __init__(self, home: Home, environment: Mapping[str, str]) -> None:
        self._home = home
        self.host = environment.get("TBOT_WEB_HOST") or "127.0.0.1"
        self.port = int(environment.get("TBOT_WEB_PORT") or "8080")
        self._environment = dict(environment) | {"TBOT_HOME": str(home.root)}
        self._web_log = RotatingLines(home.web_logs / "web.log")
        self._stopping = threading.Event()
        self._runner = Keeper("runner", self._start_runner)
        self._web = Keeper("web", self._start_web)
        self._has_answered = False
        self._recovery = ""  # the token that was said last
        self._starts = 0  # of the runner, when it was said

    def run(self) -> int:
        """Run until a signal asks to stop or restarting cannot help; return the exit code."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: self._stopping.set())
        code = 0
        while not self._stopping.wait(TICK_S):
            if self._unhelpable():
                code = 1
                break
            for keeper in (self._runner, self._web):
                reason = keeper.poll(time.monotonic())
                if reason:
                    say(f"{reason}.")
            self._say_address_when_up()
        say("Stopping: working entries are cancelled, protective orders stay at the broker.")
        self._web.stop(STOP_TIMEOUT_S)
        self._runner.stop(STOP_TIMEOUT_S)
        say("Stopped.")
        return code

    def _unhelpable(self) -> bool:
        """Whether a child ended for a reason that starting it again cannot mend.

        A portal that has answered before only lost its port for a while: that is no reason to stop a bot that trades.
        """
        keepers = (self._runner,) if self._has_answered else (self._runner, self._web)
        children = [keeper.child for keeper in keepers if keeper.child]
        return any(child.process.poll() == UNHELPABLE for child in children)

    def _start_runner(self) -> Child:
        command = [sys.executable, "-m", "tbot_bot.control.main"]
        return start_child("runner", command, now_s=time.monotonic(), on_line=say, environment=self._environment)

    def _start_web(self) -> Child:
        command = [sys.executable, "-m", "tbot_web.py.run_web"]
        return start_child(
            "web", command, now_s=time.monotonic(), on_line=self._web_line, environment=self._environment
        )

    def _web_line(self, line: str) -> None:
        self._web_log.append(line)
        if not line.startswith("{"):
            say(line)

    def _say_address_when_up(self) -> None:
        """Say the address once everything answers; again when the recovery opens, and when it is over."""
        if not self._address_is_news() or not self._answers():
            return
        # Only a runner that answers has put its token there: what was read before may be older.
        token = self._setup_token()
        recovery = self._recovery_token()
        self._has_answered, self._recovery, self._starts = True, recovery, self._runner.starts
        base = f"http://{self.host}:{self.port}"
        if recovery:
            say(
                "\nRestore it here (the link opens the recovery once, within an hour; then a new one is made):\n\n"
                f"    {base}/recovery/?setup={recovery}\n\nCtrl-C stops everything."
            )
        elif token:
            say(
                f"\nRIGD TradeBot is up. Set it up here (the link works until an administrator exists):\n\n"
                f"    {base}/configuration?setup={token}\n\nCtrl-C stops everything."
            )
        else:
            say(f"\nRIGD TradeBot is up:\n\n    {base}/\n\nCtrl-C stops everything.")

    def _address_is_news(self) -> bool:
        is_over = bool(self._recovery) and not self._setup_token() and self._runner.starts != self._starts
        return not self._has_answered or is_over or self._recovery_token() not in {"", self._recovery}

    def _recovery_token(self) -> str:
        """The token that opens the recovery, empty while there is none."""
        return (self._setup_token() or "") if self._state() is State.ERROR else ""

    def _answers(self) -> bool:
        try:
            with closing(HTTPConnection(self.host, self.port, timeout=2)) as connection:
                connection.request("GET", "/readyz")
                return connection.getresponse().status == HTTPStatus.OK
        except OSError:
            return False

    def _state(self) -> State | None:
        """The published state, None while there is none."""
        try:
            return State(self._home.bot_state.read_text("ascii").strip())
        except (OSError, ValueError):
            return None

    def _setup_token(self) -> str | None:
        try:
            return self._home.setup_token.read_text().strip() or None
        except OSError:
            return None


def refusal(home: Home, environment: Mapping[str, str]) -> str | None:
    """Why we cannot start at all, with what to do; None when nothing stands in the way."""
    port = environment.get("TBOT_WEB_PORT") or "8080"
    if not port.isdecimal() or not 0 < int(port) <= PORT_MAX:
        return f"TBOT_WEB_PORT is {port!r}; it must be a port number from 1 to 65535."
    host = environment.get("TBOT_WEB_HOST") or "127.0.0.1"
    if host not in LOOPBACK:
        return (
            f"TBOT_WEB_HOST is {host!r}. The portal speaks plain HTTP and answers on this machine only: use 127.0.0.1 "
            "and reach it through an SSH tunnel."
        )
    if environment.get("TBOT_DATABASE_URL"):
        return "TBOT_DATABASE_URL is set, but this version keeps its ledger in SQLite under TBOT_HOME. Unset it."
    try:
        home.root.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as error:
        return f"TBOT_HOME {home.root} cannot be made: {error.strerror}. Choose a folder you may write to."
    if not os.access(home.root, os.R_OK | os.W_OK | os.X_OK):
        return f"TBOT_HOME {home.root} may not be written by this user. Choose a folder you may write to."
    return _port_refusal(host, int(port))


def _port_refusal(host: str, port: int) -> str | None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return (
                f"Port {port} on {host} is not free ({error.strerror}). Stop what uses it, or choose another: "
                f"TBOT_WEB_PORT={port + 1} make run"
            )
    return None


def main() -> int:
    """Start everything; 1 when something outside stands in the way, said in one sentence."""
    home = Home.from_environment()
    environment = dict(os.environ)
    if reason := refusal(home, environment):
        sys.stderr.write(f"Cannot start: {reason}\n")
        return 1
    launch_log = RotatingLines(home.system_logs / "launch.log")
    set_up(lambda record: launch_log.append(str(record)), WallClock(), "launch")
    os.chdir(Path(__file__).resolve().parents[2])
    return Launch(home, environment).run()


if __name__ == "__main__":
    sys.exit(main())
