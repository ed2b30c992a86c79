"""Second factors in the users database: who gives codes, and which were used. No secret lies here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime

from sqlalchemy import Connection, Engine, text

from tbot_bot.domain.identity import SecondFactor
from tbot_bot.domain.time import from_micros, to_micros
from tbot_bot.storage.link_store import available
from tbot_bot.storage.seals import SealedDatabase, SealedTable

FACTOR_TABLES = (SealedTable("second_factor", ("user_id",), ("user_id", "secret_id", "since_us", "last_step")),)
_FACTOR = text("SELECT * FROM second_factor WHERE user_id = :user_id")
_PUT = text(
    "INSERT OR REPLACE INTO second_factor (user_id, secret_id, since_us, last_step) "
    "VALUES (:user_id, :secret_id, :at, :step)"
)
_USE_STEP = text("UPDATE second_factor SET last_step = :step WHERE user_id = :user_id AND last_step < :step")
_REMOVE = text("DELETE FROM second_factor WHERE user_id = :user_id")
_TOUCH = text("UPDATE user SET changed_us = :at, generation = :generation WHERE id = :user_id")
_END_OTHERS = text("DELETE FROM session WHERE user_id = :user_id AND handle IS NOT :keep")
_FORGET_CODES = text("DELETE FROM recovery_code WHERE user_id = :user_id")
_ADD_CODE = text("INSERT INTO recovery_code (user_id, code_hash) VALUES (:user_id, :code_hash)")

#: A write about one user at a generation, or None where they may not be changed so.
ChangeOf = Callable[[int, int], AbstractContextManager[Connection | None]]


def forget_factor(connection: Connection, user_id: int) -> None:
    """Remove a user's second factor."""
    connection.execute(_REMOVE, {"user_id": user_id})


class SqliteFactorStore:
    """Implements `domain.identity.FactorStore` in the users database."""

    def __init__(self, reader: Engine, seal: SealedDatabase, change_of: ChangeOf) -> None:
        self._reader = reader
        self._seal = seal
        self._change_of = change_of

    def factor(self, user_id: int) -> SecondFactor | None:
        with available(), self._reader.connect() as connection:
            row = connection.execute(_FACTOR, {"user_id": user_id}).one_or_none()
        if row is None:
            return None
        self._seal.genuine("second_factor", row)
        return SecondFactor(row.user_id, row.secret_id, from_micros(row.since_us))

    def use_step(self, user_id: int, step: int) -> bool:
        with available(), self._seal.writing() as connection:
            return connection.execute(_USE_STEP, {"user_id": user_id, "step": step}).rowcount == 1

    def set_factor(self, factor: SecondFactor, step: int, generation: int, keep_session: str | None) -> bool:
        with self._change_of(factor.user_id, generation) as connection:
            if connection is None:
                return False
            at = to_micros(factor.since)
            values = {"user_id": factor.user_id, "secret_id": factor.secret_id, "at": at, "step": step}
            connection.execute(_PUT, values)
            _touch(connection, factor.user_id, at, generation)
            connection.execute(_END_OTHERS, {"user_id": factor.user_id, "keep": keep_session})
        return True

    def remove_factor(self, user_id: int, at: datetime, generation: int, keep_session: str | None) -> bool:
        with self._change_of(user_id, generation) as connection:
            if connection is None:
                return False
            forget_factor(connection, user_id)
            _touch(connection, user_id, to_micros(at), generation)
            connection.execute(_END_OTHERS, {"user_id": user_id, "keep": keep_session})
        return True

    def renew_codes(self, user_id: int, code_hashes: Sequence[str], at: datetime, generation: int) -> bool:
        with self._change_of(user_id, generation) as connection:
            if connection is None:
                return False
            connection.execute(_FORGET_CODES, {"user_id": user_id})
            for code_hash in code_hashes:
                connection.execute(_ADD_CODE, {"user_id": user_id, "code_hash": code_hash})
            _touch(connection, user_id, to_micros(at), generation)
        return True


def _touch(connection: Connection, user_id: int, at_us: int, generation: int) -> None:
    connection.execute(_TOUCH, {"user_id": user_id, "at": at_us, "generation": generation})
