"""A real runner on a real home, driven as the portal drives it: verbs over the socket, flags in the folder."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, ClassVar, Self

import httpx2

from tbot_bot.api.sealing import seal
from tbot_bot.api.unix_socket import SocketAddress
from tbot_bot.config.paths import Home

REPOSITORY = Path(__file__).resolve().parents[2]
#: A busy machine takes its time, and waiting longer costs nothing when things go well.
PATIENCE = 3
PASSWORD = "correct horse battery staple"


def wait_for(what: Callable[[], Any], timeout_s: float = 30.0, describe: Callable[[], str] = str) -> Any:
    """Return the first true answer of `what`; fail after `timeout_s`."""
    deadline = time.monotonic() + timeout_s * PATIENCE
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited {timeout_s} s in vain: {describe()}")


class Refused(Exception):  # noqa: N818 - reads as what happened in a test
    """The runner answered with a problem."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(json.dumps(problem))
        self.problem = problem


class RunningHome:
    """Starts and ends a runner; the home outlives it. `started` knows the homes of all runners by process id.

    `module` is what is run.
    """

    started: ClassVar[dict[int, Path]] = {}

    def __init__(self, root: Path, module: str = "tbot_bot.control.main") -> None:
        self.home = Home(root)
        self.module = module
        self.process: subprocess.Popen[bytes] | None = None
        self.session: str | None = None
        self.setup_session: str | None = None
        self._client: httpx2.Client | None = None
        self._address: SocketAddress | None = None
        self._said: IO[bytes] | None = None
        self.said_at_the_end = ""

    # life

    def start(self, *, wait: bool = True) -> RunningHome:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `end`
        self.process = subprocess.Popen(
            [sys.executable, "-m", self.module],
            cwd=REPOSITORY,
            env=os.environ | {"TBOT_HOME": str(self.home.root)},
            stdin=subprocess.PIPE,
            stderr=self._said,
            start_new_session=True,
        )
        self.started[self.process.pid] = self.home.root
        if wait:
            wait_for(self._answers, 40, self.said)
        return self

    def said(self) -> str:
        """What the runner has written to standard error."""
        assert self._said is not None
        self._said.seek(0)
        return self._said.read().decode()

    def _answers(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"the runner ended: {self.said()}")
        return self.home.runner_socket.exists() and self._listens() and bool(self.ask("web.keys"))

    def _listens(self) -> bool:
        """Whether someone is behind the socket: one that was killed leaves its name behind."""
        with SocketAddress(self.home.runner_socket) as address, socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(address.short) == 0

    def end(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> int:
        """Wait for the end and let go of what belonged to the process; its exit code."""
        assert self.process is not None
        code = self.process.wait(30)
        if self._said is not None and not self._said.closed:
            self.said_at_the_end = self.said()
        for stream in (self.process.stdin, self._said):
            with contextlib.suppress(BrokenPipeError):
                stream.close()
        self.hang_up()
        return code

    def hang_up(self) -> None:
        """Let go of the connection to the runner."""
        if self._client is not None and self._address is not None:
            self._client.close()
            self._address.close()
            self._client = self._address = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self.process is not None:
            if self.process.poll() is None:
                self.process.terminate()
            self.ended()

    # asking

    def ask(self, verb: str, /, request_id: str | None = None, **params: Any) -> dict[str, Any]:
        if self._client is None:
            self._address = SocketAddress(self.home.runner_socket)
            self._client = httpx2.Client(
                transport=httpx2.HTTPTransport(uds=self._address.short), base_url="http://runner", timeout=30
            )
        body = {
            "session": self.session,
            "setup_session": self.setup_session,
            "address": "127.0.0.1",
            "request_id": request_id or secrets.token_urlsafe(16),
            "params": params,
        }
        answer = self._client.post(f"/v1/{verb}", json=body)
        if answer.status_code != 200:
            raise Refused(answer.json())
        return answer.json()

    def ask_sealed(self, verb: str, secret: dict[str, str], **params: Any) -> dict[str, Any]:
        request_id = secrets.token_urlsafe(16)
        key = self.ask("web.keys")["sealing_public_key"]
        box = seal(key, request_id=request_id, verb=verb, params=params, secret=secret, now=datetime.now(UTC))
        return self.ask(verb, request_id=request_id, **params, sealed=box)

    def raise_flag(self, name: str, request_id: str | None = None) -> None:
        content = json.dumps({"request_id": request_id}) if request_id else ""
        temporary = self.home.flags / f".{name}"
        temporary.write_text(content)
        temporary.rename(self.home.flags / name)

    # the way to a trading bot

    def configure(self, **values: str) -> None:
        token = self.home.setup_token.read_text().strip()
        self.setup_session = self.ask("setup.exchange", token=token)["setup_session"]
        submitted = self.ask("configuration.submit", values=values)
        self.raise_flag("provision.flag", submitted["request_id"])
        wait_for(lambda: self.state() == "registration", 60, lambda: str(self.ask("provision.progress")))

    def register(self, username: str = "ada") -> list[str]:
        made = self.ask_sealed(
            "register.first_admin", {"password": PASSWORD}, username=username, email=f"{username}@example.org"
        )
        return made["recovery_codes"]

    def log_in(self, username: str = "ada", password: str = PASSWORD) -> None:
        opened = self.ask_sealed("session.log_in", {"password": password}, username=username, user_agent="test")
        self.session = opened["session"]

    def start_trading(self) -> None:
        self.raise_flag("control_start.flag", self.ask("control.issue_start")["request_id"])

    def state(self) -> str:
        return self.home.bot_state.read_text().strip()

    def status(self) -> dict[str, Any]:
        return self.ask("status.document")
