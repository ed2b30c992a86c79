"""Users, sessions, failed tries and the setup token in their SQLite file, sealed against other hands.

Whatever reads or changes a row that is not what was written raises `domain.integrity.TamperedError`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine, TextClause, text

from tbot_bot.domain.identity import (
    Attempts,
    NewLink,
    NewUser,
    Session,
    SetupAccess,
    User,
    UserChange,
    UserStatus,
)
from tbot_bot.domain.time import from_micros, to_micros
from tbot_bot.storage.engine import reading
from tbot_bot.storage.factor_store import FACTOR_TABLES, SqliteFactorStore, forget_factor
from tbot_bot.storage.link_store import LINK_TABLES, SqliteLinkStore, available, forget_links, put_link
from tbot_bot.storage.seals import SealedDatabase, SealedTable

SUBJECT = "Users"
_TABLES = (
    SealedTable(
        "user",
        ("id",),
        (
            "id",
            "effect_id",
            "username",
            "display",
            "email",
            "role",
            "status",
            "password_hash",
            "created_us",
            "changed_us",
            "password_changed_us",
            "generation",
        ),
    ),
    SealedTable("recovery_code", ("user_id", "code_hash"), ("user_id", "code_hash", "used_us")),
    # When a session was last used changes all the time and is left out: its absolute limit bounds it.
    SealedTable(
        "session",
        ("handle",),
        ("handle", "user_id", "created_us", "address", "user_agent", "locked", "stepped_up_until_us"),
    ),
    SealedTable("setup", ("one",), ("one", "token_hash", "issued_us", "session_hash")),
    SealedTable("sign_in", ("user_id",), ("user_id", "at_us")),
    *LINK_TABLES,
    *FACTOR_TABLES,
)

_USERS = "SELECT * FROM user "
_SESSIONS = "SELECT * FROM session "
_USER_BY_ID = text(_USERS + "WHERE id = :id")
_USER_BY_NAME = text(_USERS + "WHERE username = :username")
_USER_BY_EFFECT = text(_USERS + "WHERE effect_id = :effect_id")
_ADMIN_EXISTS = text("SELECT EXISTS (SELECT 1 FROM user WHERE role = 'admin')")
_ADD_USER = text(
    "INSERT INTO user (effect_id, username, display, email, role, status, password_hash, "
    "created_us, changed_us, password_changed_us, generation) "
    "SELECT :effect_id, :username, :display, :email, :role, 'active', :password_hash, "
    ":created_us, :created_us, :created_us, :generation "
    "WHERE NOT :only_first_admin OR NOT EXISTS (SELECT 1 FROM user WHERE role = 'admin') "
    "ON CONFLICT (username) DO NOTHING RETURNING id"
)
_ADD_CODE = text("INSERT INTO recovery_code (user_id, code_hash) VALUES (:user_id, :code_hash)")
_CHANGE_PASSWORD = text(
    "UPDATE user SET password_hash = :password_hash, changed_us = :at, password_changed_us = :at, "
    "generation = :generation WHERE id = :id AND generation < :generation"
)
#: Whether a user can be changed by this generation without leaving nobody behind who can sign in as administrator.
_MAY_CHANGE = text(
    "SELECT EXISTS (SELECT 1 FROM user WHERE id = :id AND generation < :generation AND (:stays_admin "
    "OR role <> 'admin' OR status <> 'active' OR password_hash = '' OR EXISTS (SELECT 1 FROM user AS other "
    "WHERE other.id <> :id AND other.role = 'admin' AND other.status = 'active' AND other.password_hash <> '')))"
)
_CHANGE_USER = text(
    "UPDATE user SET email = :email, role = :role, status = :status, changed_us = :at, generation = :generation "
    "WHERE id = :id"
)
_SET_PASSWORD = text(
    "UPDATE user SET password_hash = :password_hash, changed_us = :at, password_changed_us = :at, "
    "generation = :generation WHERE id = :id"
)
_DELETE_USER = text("DELETE FROM user WHERE id = :user_id")
_USERS_BY_NAME = text(_USERS + "ORDER BY username")
_CODES_OF_USER = text("DELETE FROM recovery_code WHERE user_id = :user_id")
_SIGNED_IN = text("INSERT OR REPLACE INTO sign_in (user_id, at_us) VALUES (:user_id, :at)")
_LAST_SIGN_IN = text("SELECT * FROM sign_in WHERE user_id = :user_id")
_FORGET_SIGN_IN = text("DELETE FROM sign_in WHERE user_id = :user_id")

_USE_CODE = text(
    "UPDATE recovery_code SET used_us = :at WHERE user_id = :user_id AND code_hash = :code_hash AND used_us IS NULL"
)
_CODES_LEFT = text("SELECT COUNT(*) FROM recovery_code WHERE user_id = :user_id AND used_us IS NULL")

_ADD_SESSION = text(
    "INSERT INTO session (handle, user_id, created_us, last_seen_us, address, user_agent, locked, stepped_up_until_us) "
    "VALUES (:handle, :user_id, :created_us, :last_seen_us, :address, :user_agent, :locked, :stepped_up_until_us)"
)
_FORGET_SESSIONS = text("DELETE FROM session WHERE created_us < :before")
_SESSION_BY_HANDLE = text(_SESSIONS + "WHERE handle = :handle")
_SESSIONS_OF = text(_SESSIONS + "WHERE user_id = :user_id ORDER BY created_us DESC, handle")
_TOUCH = text("UPDATE session SET last_seen_us = :at WHERE handle = :handle")
_LOCK = text("UPDATE session SET locked = 1, stepped_up_until_us = NULL WHERE handle = :handle")
_END = text("DELETE FROM session WHERE handle = :handle")
_END_OF_USER = text("DELETE FROM session WHERE user_id = :user_id AND handle = :handle")
_END_ALL = text("DELETE FROM session")
_END_OTHERS = text("DELETE FROM session WHERE user_id = :user_id AND handle IS NOT :keep")

_FORGET_ATTEMPTS = text("DELETE FROM attempt WHERE last_us < :before")
_ATTEMPTS = text("SELECT failures, last_us FROM attempt WHERE key = :key")
_PUT_ATTEMPTS = text("INSERT OR REPLACE INTO attempt (key, failures, last_us) VALUES (:key, :failures, :last_us)")
_FORGIVE = text("DELETE FROM attempt WHERE key = :key")

_SETUP = text("SELECT * FROM setup")
_PUT_SETUP = text(
    "INSERT OR REPLACE INTO setup (one, token_hash, issued_us, session_hash) "
    "SELECT 1, :token_hash, :issued_us, :session_hash WHERE NOT EXISTS (SELECT 1 FROM user WHERE role = 'admin')"
)
_OPEN_SETUP = text("UPDATE setup SET session_hash = :session_hash WHERE token_hash = :token_hash")
_END_SETUP = text("DELETE FROM setup")


class SqliteUserStore:
    """Implements the stores of `domain.identity` on the database that `migrate(engine, "users")` made."""

    def __init__(self, engine: Engine, key: bytes) -> None:
        """`key` seals the rows."""
        self._engine = engine
        self._reader = reading(engine)
        self.seal = SealedDatabase(engine, key, "users", SUBJECT, _TABLES)
        self.links = SqliteLinkStore(self._reader, self.seal)
        self.factors = SqliteFactorStore(self._reader, self.seal, partial(self._change_of, stays_admin=True))

    def inspect(self) -> None:
        """See that everything in the file is as it was written; raises TamperedError."""
        with available(), self.seal.inspecting():
            pass

    # users

    def user(self, user_id: int) -> User | None:
        return self._one_user(_USER_BY_ID, id=user_id)

    def user_named(self, username: str) -> User | None:
        return self._one_user(_USER_BY_NAME, username=username)

    def created_by(self, effect_id: str) -> User | None:
        return self._one_user(_USER_BY_EFFECT, effect_id=effect_id)

    def admin_exists(self) -> bool:
        with available():
            self.seal.check()  # an administrator whose row was changed or removed must not reopen the set-up
        with self._snapshot() as connection:
            return bool(connection.execute(_ADMIN_EXISTS).scalar_one())

    def users(self) -> Sequence[User]:
        with self._snapshot() as connection:
            return [self._user(row) for row in connection.execute(_USERS_BY_NAME)]

    def last_sign_in(self, user_id: int) -> datetime | None:
        with self._snapshot() as connection:
            row = connection.execute(_LAST_SIGN_IN, {"user_id": user_id}).one_or_none()
        return None if row is None else from_micros(self.seal.genuine("sign_in", row).at_us)

    def create_user(
        self, user: NewUser, code_hashes: Sequence[str], *, only_first_admin: bool, link: NewLink | None = None
    ) -> bool:
        values = {**asdict(user), "created_us": to_micros(user.created_at), "only_first_admin": only_first_admin}
        del values["created_at"]
        with self._write() as connection:
            user_id = connection.execute(_ADD_USER, values).scalar_one_or_none()
            if user_id is None:
                return False
            for code_hash in code_hashes:
                connection.execute(_ADD_CODE, {"user_id": user_id, "code_hash": code_hash})
            if user.role == "admin":
                connection.execute(_END_SETUP)
            if link is not None:
                put_link(connection, user_id, link, user.created_at)
        return True

    def change_password(
        self, user_id: int, password_hash: str, at: datetime, generation: int, keep_session: str | None
    ) -> bool:
        values = {"id": user_id, "password_hash": password_hash, "at": to_micros(at), "generation": generation}
        with self._write() as connection:
            if connection.execute(_CHANGE_PASSWORD, values).rowcount == 0:
                return False
            connection.execute(_END_OTHERS, {"user_id": user_id, "keep": keep_session})
            forget_links(connection, user_id)
        return True

    def change_user(self, user_id: int, change: UserChange, at: datetime, generation: int) -> bool:
        stays_admin = change.role == "admin" and change.status is UserStatus.ACTIVE
        with self._change_of(user_id, generation, stays_admin=stays_admin) as connection:
            if connection is None:
                return False
            before = connection.execute(_USER_BY_ID, {"id": user_id}).one()
            values = {**asdict(change), "id": user_id, "at": to_micros(at), "generation": generation}
            connection.execute(_CHANGE_USER, values)
            if (before.role, before.status) != (change.role, change.status):
                connection.execute(_END_OTHERS, {"user_id": user_id, "keep": None})
            if change.status is UserStatus.DISABLED or before.email != change.email:
                forget_links(connection, user_id)  # where they were sent counts no more
        return True

    def delete_user(self, user_id: int, generation: int) -> bool:
        with self._change_of(user_id, generation) as connection:
            if connection is None:
                return False
            connection.execute(_END_OTHERS, {"user_id": user_id, "keep": None})
            forget_links(connection, user_id)
            forget_factor(connection, user_id)
            for statement in (_CODES_OF_USER, _FORGET_SIGN_IN, _DELETE_USER):
                connection.execute(statement, {"user_id": user_id})
        return True

    def reset_password(self, user_id: int, link: NewLink, at: datetime, generation: int) -> bool:
        with self._change_of(user_id, generation) as connection:
            if connection is None:
                return False
            values = {"id": user_id, "password_hash": "", "at": to_micros(at), "generation": generation}
            connection.execute(_SET_PASSWORD, values)
            connection.execute(_END_OTHERS, {"user_id": user_id, "keep": None})
            forget_links(connection, user_id)
            put_link(connection, user_id, link, at)
        return True

    def choose_password(
        self, user_id: int, password_hash: str, code_hashes: Sequence[str], at: datetime, generation: int
    ) -> bool:
        with self._change_of(user_id, generation, stays_admin=True) as connection:
            if connection is None:
                return False
            values = {"id": user_id, "password_hash": password_hash, "at": to_micros(at), "generation": generation}
            connection.execute(_SET_PASSWORD, values)
            connection.execute(_END_OTHERS, {"user_id": user_id, "keep": None})
            forget_links(connection, user_id)
            if code_hashes:
                connection.execute(_CODES_OF_USER, {"user_id": user_id})
            for code_hash in code_hashes:
                connection.execute(_ADD_CODE, {"user_id": user_id, "code_hash": code_hash})
        return True

    def use_recovery_code(self, user_id: int, code_hash: str, at: datetime) -> bool:
        return self._changed(_USE_CODE, user_id=user_id, code_hash=code_hash, at=to_micros(at)) == 1

    def recovery_codes_left(self, user_id: int) -> int:
        with self._snapshot() as connection:
            return int(connection.execute(_CODES_LEFT, {"user_id": user_id}).scalar_one())

    # sessions

    def add_session(self, session: Session, forget_before: datetime) -> None:
        with self._write() as connection:
            connection.execute(_FORGET_SESSIONS, {"before": to_micros(forget_before)})
            connection.execute(_ADD_SESSION, _session_values(session))
            connection.execute(_SIGNED_IN, {"user_id": session.user_id, "at": to_micros(session.created_at)})

    def session_and_user(self, handle: str) -> tuple[Session, User] | None:
        with self._snapshot() as connection:
            row = connection.execute(_SESSION_BY_HANDLE, {"handle": handle}).one_or_none()
            if row is None:
                return None
            return self._session(row), self._user(connection.execute(_USER_BY_ID, {"id": row.user_id}).one())

    def sessions_of(self, user_id: int) -> Sequence[Session]:
        with self._snapshot() as connection:
            return [self._session(row) for row in connection.execute(_SESSIONS_OF, {"user_id": user_id})]

    def replace_session(self, handle: str, session: Session) -> bool:
        with self._write() as connection:
            if connection.execute(_END, {"handle": handle}).rowcount == 0:
                return False
            connection.execute(_ADD_SESSION, _session_values(session))
        return True

    def touch_session(self, handle: str, at: datetime) -> None:
        with self._unsealed() as connection:
            connection.execute(_TOUCH, {"handle": handle, "at": to_micros(at)})

    def lock_session(self, handle: str) -> None:
        self._changed(_LOCK, handle=handle)

    def end_session(self, user_id: int, handle: str) -> bool:
        return self._changed(_END_OF_USER, user_id=user_id, handle=handle) == 1

    def end_sessions(self, user_id: int, keep: str | None) -> int:
        return self._changed(_END_OTHERS, user_id=user_id, keep=keep)

    def end_all_sessions(self) -> int:
        """End every session of everybody."""
        return self._changed(_END_ALL)

    # failed tries

    def update_attempts(self, key: str, forget_before: datetime, decide: Callable[[Attempts | None], Attempts]) -> None:
        with self._unsealed() as connection:
            connection.execute(_FORGET_ATTEMPTS, {"before": to_micros(forget_before)})
            row = connection.execute(_ATTEMPTS, {"key": key}).one_or_none()
            known = None if row is None else Attempts(row.failures, from_micros(row.last_us))
            attempts = decide(known)
            values = {"key": key, "failures": attempts.failures, "last_us": to_micros(attempts.last_at)}
            connection.execute(_PUT_ATTEMPTS, values)

    def forget_attempts(self, key: str) -> None:
        with self._unsealed() as connection:
            connection.execute(_FORGIVE, {"key": key})

    # the setup token

    def setup_access(self) -> SetupAccess | None:
        with self._snapshot() as connection:
            row = connection.execute(_SETUP).one_or_none()
        if row is None:
            return None
        self.seal.genuine("setup", row)
        return SetupAccess(row.token_hash, from_micros(row.issued_us), row.session_hash)

    def issue_setup_token(self, access: SetupAccess) -> bool:
        issued_us = to_micros(access.issued_at)
        values = {"token_hash": access.token_hash, "issued_us": issued_us, "session_hash": access.session_hash}
        return self._changed(_PUT_SETUP, **values) == 1

    def open_setup_session(self, token_hash: str, session_hash: str) -> bool:
        return self._changed(_OPEN_SETUP, token_hash=token_hash, session_hash=session_hash) == 1

    def _one_user(self, statement: TextClause, **values: object) -> User | None:
        with self._snapshot() as connection:
            row = connection.execute(statement, values).one_or_none()
        return None if row is None else self._user(row)

    def _user(self, row: Any) -> User:
        return _user(self.seal.genuine("user", row))

    def _session(self, row: Any) -> Session:
        return _session(self.seal.genuine("session", row))

    def _changed(self, statement: TextClause, **values: object) -> int:
        with self._write() as connection:
            return connection.execute(statement, values).rowcount

    @contextmanager
    def _snapshot(self) -> Iterator[Connection]:
        with available(), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        with available(), self.seal.writing() as connection:
            yield connection

    @contextmanager
    def _change_of(self, user_id: int, generation: int, *, stays_admin: bool = False) -> Iterator[Connection | None]:
        """A write about one user; None where they may not be changed so."""
        values = {"id": user_id, "generation": generation, "stays_admin": stays_admin}
        with self._write() as connection:
            yield connection if connection.execute(_MAY_CHANGE, values).scalar_one() else None

    @contextmanager
    def _unsealed(self) -> Iterator[Connection]:
        """A write that touches nothing that is sealed."""
        with available(), self._engine.begin() as connection:
            yield connection


def _user(row: Any) -> User:
    return User(
        id=row.id,
        username=row.username,
        display=row.display,
        email=row.email,
        role=row.role,
        status=UserStatus(row.status),
        password_hash=row.password_hash,
        created_at=from_micros(row.created_us),
        changed_at=from_micros(row.changed_us),
        password_changed_at=from_micros(row.password_changed_us),
        generation=row.generation,
    )


def _session(row: Any) -> Session:
    until = row.stepped_up_until_us
    return Session(
        handle=row.handle,
        user_id=row.user_id,
        created_at=from_micros(row.created_us),
        last_seen_at=from_micros(row.last_seen_us),
        address=row.address,
        user_agent=row.user_agent,
        locked=bool(row.locked),
        stepped_up_until=None if until is None else from_micros(until),
    )


def _session_values(session: Session) -> dict[str, object]:
    until = session.stepped_up_until
    return {
        "handle": session.handle,
        "user_id": session.user_id,
        "created_us": to_micros(session.created_at),
        "last_seen_us": to_micros(session.last_seen_at),
        "address": session.address,
        "user_agent": session.user_agent,
        "locked": int(session.locked),
        "stepped_up_until_us": None if until is None else to_micros(until),
    }
