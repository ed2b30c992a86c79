"""The outbox in the runner's own record: a notice is durable before anything is sent, and so is each try."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, text

from tbot_bot.domain.canonical import canonical_json
from tbot_bot.domain.notices import (
    Channel,
    Delivery,
    DeliveryStatus,
    Notice,
    NoticeEvent,
    NoticeKind,
    new_notice,
)
from tbot_bot.domain.time import from_micros, from_rfc3339, to_micros, to_rfc3339
from tbot_bot.storage.seals import SealedDatabase, SealedTable

#: As many notices are kept; the oldest go first, whether or not they were delivered.
NOTICES_KEPT = 200
NOTICE_TABLES = (
    SealedTable("notice", ("notice_id",), ("notice_id", "kind", "first_us", "due_us", "count", "events", "is_taken")),
    SealedTable(
        "delivery",
        ("notice_id", "channel"),
        ("notice_id", "channel", "status", "tries", "next_us", "tried_us", "error"),
    ),
)
_PUT_NOTICE = text(
    "INSERT INTO notice (notice_id, kind, first_us, due_us, count, events, is_taken)"
    " VALUES (:notice_id, :kind, :first_us, :due_us, :count, :events, :is_taken)"
    " ON CONFLICT (notice_id) DO UPDATE SET count = excluded.count, events = excluded.events,"
    " is_taken = excluded.is_taken"
)
_PUT_DELIVERY = text(
    "INSERT INTO delivery (notice_id, channel, status, tries, next_us, tried_us, error)"
    " VALUES (:notice_id, :channel, :status, :tries, :next_us, :tried_us, :error)"
    " ON CONFLICT (notice_id, channel) DO UPDATE SET status = excluded.status, tries = excluded.tries,"
    " next_us = excluded.next_us, tried_us = excluded.tried_us, error = excluded.error"
)
_LAST_OF_KIND = text("SELECT * FROM notice WHERE kind = :kind ORDER BY due_us DESC, rowid DESC LIMIT 1")
_FORGET = text("DELETE FROM notice WHERE rowid <= (SELECT max(rowid) FROM notice) - :kept")
_NEWEST = text("SELECT * FROM notice ORDER BY rowid DESC LIMIT :limit")
_UNTAKEN = text("SELECT * FROM notice WHERE NOT is_taken AND due_us <= :now ORDER BY rowid")
_WAITING = text(
    "SELECT delivery.* FROM delivery JOIN notice USING (notice_id) WHERE status = 'waiting' AND channel = :channel"
    " AND next_us <= :now ORDER BY tries, notice.rowid LIMIT 1"
)
_ONE = text("SELECT * FROM notice WHERE notice_id = :notice_id")
_DELIVERIES = text("SELECT * FROM delivery ORDER BY channel")
_RETRY_NOW = text("UPDATE delivery SET next_us = :now WHERE status = 'waiting' AND channel = :channel")


class Outbox:
    """Durable: each method that writes is one transaction, synced before it returns."""

    def __init__(self, seal: SealedDatabase, reader: Engine) -> None:
        self._seal = seal
        self._reader = reader

    def add(self, notice_id: str, kind: NoticeKind, event: NoticeEvent) -> None:
        """Put an event into the notice of its kind that still gathers, else into a new one called `notice_id`."""
        with self._seal.writing() as connection:
            row = connection.execute(_LAST_OF_KIND, {"kind": kind}).first()
            last = None if row is None else _notice(row)
            if last is not None and not last.is_taken:
                notice = last.with_event(event)
            else:
                notice = new_notice(notice_id, kind, event, last.due_at if last else None)
            _put(connection, notice)
            connection.execute(_FORGET, {"kept": NOTICES_KEPT})

    def newest(self, limit: int) -> Sequence[Notice]:
        """The newest notices, newest first."""
        with self._reader.connect() as connection:
            rows = connection.execute(_NEWEST, {"limit": limit}).all()
        return [self._genuine(row) for row in rows]

    def due(self, now: datetime) -> Sequence[Notice]:
        """The notices that may be taken now, oldest first."""
        with self._reader.connect() as connection:
            rows = connection.execute(_UNTAKEN, {"now": to_micros(now)}).all()
        return [self._genuine(row) for row in rows]

    def take(self, notice_id: str, channels: Sequence[Channel], now: datetime) -> None:
        """Gather no more into this notice: it goes out through these channels."""
        with self._seal.writing() as connection:
            connection.execute(text("UPDATE notice SET is_taken = 1 WHERE notice_id = :id"), {"id": notice_id})
            for channel in channels:
                _keep(connection, Delivery(notice_id, channel, DeliveryStatus.WAITING, 0, now))

    def next_waiting(self, channel: Channel, now: datetime) -> tuple[Notice, Delivery] | None:
        """The message to be tried next through a channel: the one tried least often, of those the oldest."""
        with self._reader.connect() as connection:
            row = connection.execute(_WAITING, {"channel": channel, "now": to_micros(now)}).first()
            if row is None:
                return None
            notice = connection.execute(_ONE, {"notice_id": row.notice_id}).one()
        return self._genuine(notice), _delivery(self._seal.genuine("delivery", row))

    def keep(self, delivery: Delivery) -> None:
        """Record where a delivery stands."""
        with self._seal.writing() as connection:
            _keep(connection, delivery)

    def retry_now(self, channel: Channel, now: datetime) -> None:
        """Try again at once what waits for this channel: it works again."""
        with self._seal.writing() as connection:
            connection.execute(_RETRY_NOW, {"channel": channel, "now": to_micros(now)})

    def deliveries(self) -> Sequence[Delivery]:
        """Every delivery on record."""
        with self._reader.connect() as connection:
            rows = connection.execute(_DELIVERIES).all()
        return [_delivery(self._seal.genuine("delivery", row)) for row in rows]

    def _genuine(self, row: Any) -> Notice:
        return _notice(self._seal.genuine("notice", row))


def _put(connection: Connection, notice: Notice) -> None:
    events = [{"at": to_rfc3339(one.at), "sentence": one.sentence, "facts": dict(one.facts)} for one in notice.events]
    values = {
        "notice_id": notice.notice_id,
        "kind": notice.kind,
        "first_us": to_micros(notice.first_at),
        "due_us": to_micros(notice.due_at),
        "count": notice.count,
        "events": canonical_json(events).decode(),
        "is_taken": int(notice.is_taken),
    }
    connection.execute(_PUT_NOTICE, values)


def _keep(connection: Connection, delivery: Delivery) -> None:
    values = {
        "notice_id": delivery.notice_id,
        "channel": delivery.channel,
        "status": delivery.status,
        "tries": delivery.tries,
        "next_us": to_micros(delivery.next_at),
        "tried_us": None if delivery.tried_at is None else to_micros(delivery.tried_at),
        "error": delivery.error,
    }
    connection.execute(_PUT_DELIVERY, values)


def _notice(row: Any) -> Notice:
    events = tuple(
        NoticeEvent(from_rfc3339(one["at"]), one["sentence"], one["facts"]) for one in json.loads(row.events)
    )
    first_at, due_at = from_micros(row.first_us), from_micros(row.due_us)
    return Notice(row.notice_id, NoticeKind(row.kind), first_at, due_at, row.count, events, bool(row.is_taken))


def _delivery(row: Any) -> Delivery:
    return Delivery(
        row.notice_id,
        Channel(row.channel),
        DeliveryStatus(row.status),
        row.tries,
        from_micros(row.next_us),
        None if row.tried_us is None else from_micros(row.tried_us),
        row.error,
    )
