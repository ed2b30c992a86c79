"""One-time tokens as hashes, and the letters by which they are mailed: a letter names no token, each try makes one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from tbot_bot.domain.identity import (
    Letter,
    LetterStatus,
    NewLink,
    OneTimeToken,
    TokenKind,
    UsableToken,
    UsersUnavailableError,
)
from tbot_bot.domain.time import from_micros, to_micros
from tbot_bot.storage.seals import SealedDatabase, SealedTable

LINK_TABLES = (
    SealedTable("token", ("hash",), ("hash", "kind", "user_id", "detail", "issued_us", "expires_us", "used_us")),
    SealedTable(
        "letter",
        ("user_id", "kind"),
        ("user_id", "kind", "detail", "asked_us", "next_us", "tries", "status", "error"),
    ),
)
_PUT_TOKEN = text(
    "INSERT INTO token (hash, kind, user_id, detail, issued_us, expires_us) "
    "VALUES (:hash, :kind, :user_id, :detail, :at, :expires_us)"
)
_FORGET_TOKENS = text("DELETE FROM token WHERE expires_us <= :at OR (user_id = :user_id AND kind = :kind)")
_TOKENS_OF_USER = text("DELETE FROM token WHERE user_id = :user_id")
_TOKEN = text("SELECT * FROM token WHERE hash = :hash AND kind = :kind AND used_us IS NULL AND expires_us > :at")
_USE_TOKEN = text(
    "UPDATE token SET used_us = :at WHERE hash = :hash AND kind = :kind AND used_us IS NULL AND expires_us > :at"
)
_PUT_LETTER = text(
    "INSERT OR REPLACE INTO letter (user_id, kind, detail, asked_us, next_us, tries, status, error) "
    "VALUES (:user_id, :kind, :detail, :asked_us, :next_us, :tries, :status, :error)"
)
_LETTER = text("SELECT * FROM letter WHERE user_id = :user_id AND kind = :kind")
_LETTERS_OF_USER = text("DELETE FROM letter WHERE user_id = :user_id")
_LAST_LETTER = text("SELECT * FROM letter WHERE user_id = :user_id ORDER BY asked_us DESC, kind LIMIT 1")
_NEXT_LETTER = text(
    "SELECT * FROM letter WHERE status = 'waiting' AND next_us <= :at ORDER BY next_us, user_id LIMIT 1"
)


@contextmanager
def available() -> Iterator[None]:
    """Tell a failure of the users database as what it means for people."""
    try:
        yield
    except SQLAlchemyError as error:
        raise UsersUnavailableError(str(error.__cause__ or error)) from error


def put_link(connection: Connection, user_id: int, link: NewLink, at: datetime) -> None:
    """Add a token, or a letter that will carry one, in the place of the user's earlier ones of its kind."""
    if isinstance(link, Letter):
        _put_letter(connection, replace(link, user_id=user_id))
        return
    values = {"kind": link.kind, "user_id": user_id, "at": to_micros(at)}
    connection.execute(_FORGET_TOKENS, values)
    made = {"hash": link.hash, "detail": link.detail, "expires_us": to_micros(link.expires_at)}
    connection.execute(_PUT_TOKEN, values | made)


def forget_links(connection: Connection, user_id: int) -> None:
    """Remove a user's tokens, and the letters that would bring them another."""
    connection.execute(_TOKENS_OF_USER, {"user_id": user_id})
    connection.execute(_LETTERS_OF_USER, {"user_id": user_id})


class SqliteLinkStore:
    """Implements `domain.identity.LinkStore` in the users database."""

    def __init__(self, reader: Engine, seal: SealedDatabase) -> None:
        self._reader = reader
        self._seal = seal

    def put_token(self, user_id: int, token: OneTimeToken, at: datetime) -> None:
        with available(), self._seal.writing() as connection:
            put_link(connection, user_id, token, at)

    def token(self, token_hash: str, kind: TokenKind, at: datetime) -> UsableToken | None:
        values = {"hash": token_hash, "kind": kind, "at": to_micros(at)}
        row = self._one(_TOKEN, values)
        if row is None:
            return None
        self._seal.genuine("token", row)
        return UsableToken(row.user_id, row.detail)

    def use_token(self, token_hash: str, kind: TokenKind, at: datetime) -> bool:
        values = {"hash": token_hash, "kind": kind, "at": to_micros(at)}
        with available(), self._seal.writing() as connection:
            return connection.execute(_USE_TOKEN, values).rowcount == 1

    def put_letter(self, letter: Letter, unless_asked_since: datetime) -> bool:
        with available(), self._seal.writing() as connection:
            row = connection.execute(_LETTER, {"user_id": letter.user_id, "kind": letter.kind}).one_or_none()
            if row is not None and row.asked_us > to_micros(unless_asked_since):
                return False
            _put_letter(connection, letter)
        return True

    def next_letter(self, at: datetime) -> Letter | None:
        row = self._one(_NEXT_LETTER, {"at": to_micros(at)})
        return None if row is None else self._letter(row)

    def last_letter(self, user_id: int) -> Letter | None:
        row = self._one(_LAST_LETTER, {"user_id": user_id})
        return None if row is None else self._letter(row)

    def keep_letter(self, letter: Letter) -> None:
        with available(), self._seal.writing() as connection:
            row = connection.execute(_LETTER, {"user_id": letter.user_id, "kind": letter.kind}).one_or_none()
            if row is not None and row.asked_us == to_micros(letter.asked_at):
                _put_letter(connection, letter)

    def _one(self, statement: Any, values: dict[str, object]) -> Any:
        with available(), self._reader.connect() as connection:
            return connection.execute(statement, values).one_or_none()

    def _letter(self, row: Any) -> Letter:
        self._seal.genuine("letter", row)
        return Letter(
            user_id=row.user_id,
            kind=TokenKind(row.kind),
            asked_at=from_micros(row.asked_us),
            next_at=from_micros(row.next_us),
            detail=row.detail,
            tries=row.tries,
            status=LetterStatus(row.status),
            error=row.error,
        )


def _put_letter(connection: Connection, letter: Letter) -> None:
    values = {
        "user_id": letter.user_id,
        "kind": letter.kind,
        "detail": letter.detail,
        "asked_us": to_micros(letter.asked_at),
        "next_us": to_micros(letter.next_at),
        "tries": letter.tries,
        "status": letter.status,
        "error": letter.error,
    }
    connection.execute(_PUT_LETTER, values)
