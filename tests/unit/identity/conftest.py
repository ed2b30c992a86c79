from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tbot_bot.domain.audit import AuditEntry, AuditFilter
from tbot_bot.identity.login import LogIn
from tbot_bot.identity.passwords import PasswordHasher
from tbot_bot.identity.second_factor import SecondFactors
from tbot_bot.identity.sessions import OpenedSession, Sessions
from tbot_bot.identity.setup import SetupTokens
from tbot_bot.identity.throttle import Throttle
from tbot_bot.identity.users import Users
from tbot_bot.storage.engine import migrate, open_sqlite
from tbot_bot.storage.user_store import SqliteUserStore
from tests.unit.audit.parts import KEY, Chain

PASSWORD = "seven quiet herons"
HOME = "192.0.2.7"


class CountingHasher(PasswordHasher):
    """The real thing at the lowest cost, which also says how often it hashed."""

    def __init__(self) -> None:
        super().__init__(cost=4)
        self.compared = 0

    def matches(self, password: str, stored: str | None) -> bool:
        self.compared += 1
        return super().matches(password, stored)


class House:
    """All services of identity on one database and one audit chain."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.chain = Chain(folder).begin()
        self.clock = self.chain.clock
        self.hasher = CountingHasher()
        self.changes = 0
        self.codes: list[str] = []
        self.secrets: dict[str, str] = {}
        self.open()

    def open(self) -> None:
        self.engine = open_sqlite(self.folder / "SYSTEM_USERS.db")
        migrate(self.engine, "users")
        self.store = SqliteUserStore(self.engine, KEY)
        audit, clock = self.chain.trail, self.clock
        self.throttle = Throttle(self.store, clock)
        self.factors = SecondFactors(
            self.store.factors, self.store, self.throttle, audit, clock, secret_of=self.secrets.get, changed=self.count
        )
        accepts = self.factors.accepts
        self.sessions = Sessions(
            self.store, self.hasher, self.throttle, audit, clock, accepts=accepts, changed=self.count
        )
        self.users = Users(self.store, self.hasher, self.throttle, audit, clock, changed=self.count)
        self.login = LogIn(
            self.store, self.sessions, self.hasher, self.throttle, audit, clock, self.store.links, self.factors
        )
        self.setup = SetupTokens(self.store, self.throttle, audit, clock)

    def restart(self) -> None:
        self.engine.dispose()
        self.open()

    def close(self) -> None:
        self.engine.dispose()
        self.chain.close()

    def count(self) -> None:
        self.changes += 1

    def register(self, username: str = "Alice", password: str = PASSWORD) -> list[str]:
        effect, codes = self.users.prepare_first_admin(username, "alice@example.org", password)
        self.users.apply_effect(effect, 1)
        return codes

    def enter(self, password: str = PASSWORD, address: str = HOME, username: str = "alice") -> OpenedSession:
        return self.login.log_in(
            username, password, address=address, user_agent="Mozilla/5.0 (X11; Linux) Firefox/140.0"
        )

    def entries(self, verb: str) -> list[AuditEntry]:
        return [record.entry for record in self.chain.trail.page(AuditFilter(verb=verb)).items]


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.close()


@pytest.fixture
def house(empty: House) -> House:
    """A house with its administrator, alice."""
    empty.codes = empty.register()
    return empty
