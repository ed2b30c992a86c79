"""The SQL of orders in doubt."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, text

from tbot_bot.domain.time import from_micros, to_micros
from tbot_bot.domain.unresolved import Doubt, UnresolvedOrder
from tbot_bot.storage.trading_store import order_of_row

_NOTE = text("""
    INSERT INTO unresolved_order (client_order_id, kind, since_us, asked) VALUES (:id, :kind, :at_us, 0)
    ON CONFLICT (client_order_id) DO UPDATE SET
        kind = excluded.kind, since_us = CASE WHEN resolved_us IS NULL THEN since_us ELSE excluded.since_us END,
        resolved_us = NULL, resolution = NULL, resolved_by = NULL
""")
_ASKED = text("""
    UPDATE unresolved_order SET asked = asked + 1, asked_us = :at_us WHERE client_order_id = :id AND resolved_us IS NULL
""")
_OPEN = text("""
    SELECT trade_order.*, kind, since_us, asked, asked_us FROM unresolved_order JOIN trade_order USING (client_order_id)
    WHERE resolved_us IS NULL ORDER BY since_us, client_order_id
""")
_RESOLVE = text("""
    UPDATE unresolved_order SET resolved_us = :at_us, resolution = :resolution, resolved_by = :by
    WHERE client_order_id = :id AND resolved_us IS NULL
""")


class SqlUnresolved:
    """Orders in doubt, inside one transaction of the database."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def note(self, client_order_id: str, doubt: Doubt, at: datetime) -> None:
        self._connection.execute(_NOTE, {"id": client_order_id, "kind": doubt.value, "at_us": to_micros(at)})

    def asked(self, client_order_id: str, at: datetime) -> None:
        self._connection.execute(_ASKED, {"id": client_order_id, "at_us": to_micros(at)})

    def open(self) -> Sequence[UnresolvedOrder]:
        return [
            UnresolvedOrder(
                order_of_row(row),
                Doubt(row.kind),
                from_micros(row.since_us),
                row.asked,
                None if row.asked_us is None else from_micros(row.asked_us),
            )
            for row in self._connection.execute(_OPEN)
        ]

    def resolve(self, client_order_id: str, at: datetime, resolution: str, by: str) -> bool:
        values = {"id": client_order_id, "at_us": to_micros(at), "resolution": resolution, "by": by}
        return self._connection.execute(_RESOLVE, values).rowcount > 0
