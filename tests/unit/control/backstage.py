"""What the runner holds beside its processes: a real home, real people, and a clock that is moved by hand."""

from __future__ import annotations

import atexit
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import httpx2

from tbot_bot.accounting.coa_utils_ledger import create_chart
from tbot_bot.accounting.ledger import Ledger
from tbot_bot.api.model import Message
from tbot_bot.api.permissions import Role
from tbot_bot.api.sealing import seal
from tbot_bot.api.settings import Configuration
from tbot_bot.api.trading_settings import TradingSettings
from tbot_bot.api.unix_socket import SocketAddress
from tbot_bot.api.verbs import VERBS, Call
from tbot_bot.config.paths import Home
from tbot_bot.config.secret_creation import create_secrets
from tbot_bot.control.foundation import Foundation
from tbot_bot.control.judge import CallJudge
from tbot_bot.control.lifecycle import Lifecycle
from tbot_bot.control.requests import Requests
from tbot_bot.control.system_api import Caller, Handler, SystemApi
from tbot_bot.control.unsealer import Unsealer
from tbot_bot.domain.audit import AuditEntry, AuditFilter
from tbot_bot.domain.identity import NewUser
from tbot_bot.domain.lifecycle import State
from tbot_bot.domain.money import Money
from tbot_bot.identity.passwords import PasswordHasher
from tbot_bot.storage.control_store import LifecycleRecord
from tbot_bot.storage.ledger_database import LedgerDatabase
from tests.unit.audit.parts import HandClock
from tests.unit.trading.desk import FRIDAY

PASSWORD = "seven quiet herons"
ADDRESS = "192.0.2.7"
BOT = "RIGD_US_SIM_001"


def wait_until(condition: Callable[[], object], what: str, timeout_s: float = 20.0) -> None:
    """Fail when `condition` does not come true in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.005)


class Backstage:
    """One home as the runner has it open; `clock` goes on from an earlier opening."""

    def __init__(self, root: Path, clock: HandClock | None = None) -> None:
        self.home = Home(root)
        self.home.flags.mkdir(parents=True, exist_ok=True)
        self.clock = clock or HandClock()
        self.changes: list[tuple[State, State]] = []
        self.foundation = Foundation(self.home, self.clock, state=lambda: "test", password_cost=4)
        self.requests = Requests(self.foundation.record)
        self.unsealer = Unsealer(self.foundation, self.requests)
        self.restart()

    def restart(self) -> None:
        """Read the state anew."""
        self.lifecycle = Lifecycle(
            self.foundation.record, self.home, self.clock, lambda source, target: self.changes.append((source, target))
        )
        self.judge = CallJudge(self.foundation, self.lifecycle)

    def put(self, state: State) -> None:
        """Be in `state`, however one gets there."""
        self.foundation.record.append_lifecycle(LifecycleRecord(state, "put", "test", self.clock.now()))
        self.restart()

    # people

    def configure(self, request_id: str = "configuration-1", **changes: Any) -> None:
        """Save a configuration; once for each request id."""
        chosen = Configuration(**changes)
        self.foundation.rotation.rotate(
            lambda _present: create_secrets(chosen, TradingSettings()),
            request_id=request_id,
            reason="test",
            actor="test",
            target="configuration",
        )

    def add_user(self, role: Role, name: str | None = None) -> None:
        """Make a user of this role, called like it."""
        name = name or str(role)
        made = NewUser(
            effect_id=f"test-{name}",
            username=name,
            display=name.title(),
            email=f"{name}@example.org",
            role=role,
            password_hash=PasswordHasher(cost=4).hash(PASSWORD),
            created_at=self.clock.now(),
            generation=0,
        )
        assert self.foundation.people.create_user(made, ["code-hash"], only_first_admin=False)

    def sign_in(self, name: str = "admin") -> str:
        """Open a session; its id."""
        opened = self.foundation.log_in.log_in(name, PASSWORD, address=ADDRESS, user_agent="test")
        return opened.session_id

    def setup_session(self) -> str:
        """Exchange a fresh setup token."""
        return self.foundation.setup_tokens.exchange(self.foundation.setup_tokens.issue(), ADDRESS)

    # asking

    def caller(self, session: str | None = None, setup: str | None = None, request_id: str = "") -> Caller:
        """Who is behind these sessions, by the judge's own word."""
        verdict = self.judge.verdict(Call(session=session, setup_session=setup), touch=False)
        return Caller(verdict, session, setup, ADDRESS, request_id or secrets.token_urlsafe(12))

    def sealed(self, verb: str, request_id: str, secret: Mapping[str, str], **params: object) -> str:
        """Close a secret as the portal does."""
        with self.foundation.secrets.current() as pinned:
            key = pinned.sealing_public_key()
        return seal(key, request_id=request_id, verb=verb, params=params, secret=secret, now=self.clock.now())

    def audited(self, verb: str) -> list[AuditEntry]:
        """What the audit trail says of a verb."""
        return [record.entry for record in self.foundation.audit.page(AuditFilter(verb=verb)).items]


def call(handlers: Mapping[str, Handler], verb: str, caller: Caller, /, **params: object) -> Any:
    """Answer a verb as the system API does once the caller was judged."""
    return handlers[verb](caller, VERBS[verb].request.model_validate(params))


@cache
def _template() -> Path:
    """A configured home with a user of every role, made once for each test process."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    made = Backstage(folder / "home")
    made.configure()
    for role in Role:
        made.add_user(role)
    made.put(State.STOPPED)
    make_ledger(made)
    made.foundation.close()  # so that no file comes or goes while the home is copied
    return folder / "home"


def make_ledger(made: Backstage) -> None:
    """The ledger as provisioning leaves it."""
    identity = made.foundation.configuration().identity
    database = LedgerDatabase.open(made.home.ledger_database(identity))
    create_chart(database, made.clock, entity=identity.entity, jurisdiction=identity.jurisdiction)
    market_time = FRIDAY.open_at + timedelta(minutes=1)
    Ledger(database, made.clock).post_opening_balance(Money.of("100000"), market_time, str(identity))
    database.close()


def furnished_home(root: Path) -> Home:
    """The home of `furnished`, with nothing open in it."""
    shutil.copytree(_template(), root, symlinks=True)
    return Home(root)


def furnished(root: Path) -> Backstage:
    """A home that is configured, stopped, and has a user of every role, called like it."""
    return Backstage(furnished_home(root).root)


class Client:
    """Asks a system API over its socket."""

    def __init__(self, path: Path) -> None:
        self._address = SocketAddress(path)
        transport = httpx2.HTTPTransport(uds=self._address.short)
        self.http = httpx2.Client(transport=transport, base_url="http://runner", timeout=10)

    def ask(self, verb: str, **envelope: object) -> httpx2.Response:
        return self.http.post(f"/v1/{verb}", json=envelope)

    def close(self) -> None:
        self.http.close()
        self._address.close()


@contextmanager
def serving(api: SystemApi, path: Path) -> Iterator[Client]:
    """Serve in a thread while the block runs."""
    api.prepare()
    thread = threading.Thread(target=api.serve)
    thread.start()
    client = Client(path)
    try:
        yield client
    finally:
        client.close()
        api.stop()
        thread.join(10)
        assert not thread.is_alive()


def handlers_with(**answers: Callable[[Caller, Any], Message]) -> dict[str, Handler]:
    """A handler for every verb: those given (`_` for the dot), and one that must not be reached."""

    def unreachable(_caller: Caller, _asked: Any) -> Message:
        raise AssertionError("this handler was not to be reached")

    return dict.fromkeys(VERBS, unreachable) | {name.replace("_", ".", 1): do for name, do in answers.items()}
