"""Reads for people: pages of closed trades by filter, and everything behind one trade. Never writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, Row, text

from tbot_bot.domain.entries import Page
from tbot_bot.domain.money import Money, Price, Quantity
from tbot_bot.domain.orders import Side
from tbot_bot.domain.slippage import PricedFill, Slippage, slippage
from tbot_bot.domain.time import from_micros
from tbot_bot.domain.trades import Trade
from tbot_bot.storage.engine import reading
from tbot_bot.storage.trading_store import trade_of


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution of a trade, with its place in the ledger."""

    execution_id: str
    client_order_id: str
    role: str
    side: str
    quantity: Quantity
    price: Price
    fee: Money
    at: datetime


@dataclass(frozen=True, slots=True)
class PostedLine:
    """One line of a ledger transaction, with the account's name."""

    event_seq: int
    txn_id: int
    account: str
    account_name: str
    value: Money
    quantity: Quantity
    commodity: str


@dataclass(frozen=True, slots=True)
class TradeSlippage:
    """What entry and exit of a trade cost more than asked for; None where that is not known, or nothing was filled."""

    entry: Slippage | None
    exit: Slippage | None


class TradeReports:
    """Queries over the database of ledger and trades."""

    def __init__(self, engine: Engine) -> None:
        self._reader = reading(engine)

    def closed_trades(
        self,
        *,
        before: int | None,
        limit: int,
        symbol: str | None,
        strategy: str | None,
        day: str | None,
        reason: str | None = None,
    ) -> Page[Trade]:
        """Return closed trades, the last closed first; what is None does not restrict."""
        query = text(
            "SELECT * FROM trade WHERE closed_event IS NOT NULL AND (:before IS NULL OR closed_event < :before)"
            " AND (:symbol IS NULL OR symbol = :symbol) AND (:strategy IS NULL OR strategy = :strategy)"
            " AND (:day IS NULL OR closed_day = :day) AND (:reason IS NULL OR closed_by = :reason)"
            " ORDER BY closed_event DESC LIMIT :limit"
        )
        values = {
            "before": before,
            "symbol": symbol,
            "strategy": strategy,
            "day": day,
            "reason": reason,
            "limit": limit + 1,
        }
        with self._reader.connect() as connection:
            rows = connection.execute(query, values).all()
        more = rows[limit - 1].closed_event if len(rows) > limit else None
        return Page(tuple(trade_of(row) for row in rows[:limit]), more)

    def entry_reasons(self, trade_ids: Sequence[str]) -> dict[str, str]:
        """Return why each trade was entered, by its id."""
        query = text("SELECT trade_id, why FROM trade_order WHERE trade_id = :trade AND role = 'entry'")
        found: dict[str, str] = {}
        with self._reader.connect() as connection:
            for trade_id in trade_ids:
                row = connection.execute(query, {"trade": trade_id}).first()
                if row is not None:
                    found[trade_id] = row.why
        return found

    def entered_in_defense(self, trade_ids: Sequence[str]) -> set[str]:
        """Return those of the trades whose entry was asked for in defense mode."""
        query = text("SELECT 1 FROM trade_order WHERE trade_id = :trade AND role = 'entry' AND defense = 1")
        with self._reader.connect() as connection:
            return {one for one in trade_ids if connection.execute(query, {"trade": one}).first() is not None}

    def last_stops(self, trade_ids: Sequence[str]) -> dict[str, Price]:
        """Return where each trade's protective stop stands, or stood last, by its id; it may have trailed."""
        query = text(
            "SELECT leg.stop_price FROM trade_order entry JOIN trade_order leg ON leg.parent = entry.client_order_id"
            " WHERE entry.trade_id = :trade AND entry.role = 'entry' AND leg.role = 'stop_loss'"
        )
        found: dict[str, Price] = {}
        with self._reader.connect() as connection:
            for trade_id in trade_ids:
                units = connection.execute(query, {"trade": trade_id}).scalar()
                if units is not None:
                    found[trade_id] = Price(units)
        return found

    def stop_moves(self, trade_id: str) -> list[tuple[datetime, Price]]:
        """Return each move of a trade's protective stops: from when on, and where to, oldest first."""
        query = text(
            "SELECT stop_move.at_us, stop_move.price FROM trade_order entry"
            " JOIN trade_order leg ON leg.parent = entry.client_order_id"
            " JOIN stop_move ON stop_move.client_order_id = leg.client_order_id"
            " WHERE entry.trade_id = :trade AND entry.role = 'entry' AND leg.role = 'stop_loss'"
            " ORDER BY stop_move.number"
        )
        with self._reader.connect() as connection:
            rows = connection.execute(query, {"trade": trade_id}).all()
        return [(from_micros(row.at_us), Price(row.price)) for row in rows]

    def slippages(self, trade_ids: Sequence[str]) -> dict[str, TradeSlippage]:
        """Return what each trade's entry and exit cost against the prices they were decided on, by its id.

        An entry goes by its signal's price; an exit by the price it was sent on, a stop by where it stood, a target by
        its limit.
        """
        query = text(
            "SELECT role = 'entry' AS enters, execution.side, execution.quantity, execution.price,"
            " coalesce(asked_price, trade_order.stop_price, trade_order.limit_price) AS asked"
            " FROM trade_order JOIN execution USING (client_order_id)"
            " WHERE trade_order.trade_id = :trade AND execution.side = trade_order.request ->> 'side'"
        )
        with self._reader.connect() as connection:
            return {one: _slippage_of(connection.execute(query, {"trade": one}).all()) for one in trade_ids}

    def fills(self, trade_id: str) -> list[Fill]:
        """Return the executions of a trade, oldest first."""
        query = text(
            "SELECT execution.*, trade_order.role FROM trade_order JOIN execution USING (client_order_id)"
            " WHERE trade_order.trade_id = :trade ORDER BY execution.event_seq"
        )
        with self._reader.connect() as connection:
            return [_fill(row) for row in connection.execute(query, {"trade": trade_id})]

    def postings(self, trade_id: str) -> list[PostedLine]:
        """Return every ledger line that the fills of a trade made, in the order of posting."""
        query = text(
            "SELECT txn.event_seq, txn.id AS txn_id, entry.account, account.name, entry.value, entry.quantity,"
            " entry.commodity FROM trade_order JOIN execution USING (client_order_id)"
            " JOIN txn ON txn.event_seq = execution.event_seq JOIN entry ON entry.txn_id = txn.id"
            " JOIN account ON account.code = entry.account"
            " WHERE trade_order.trade_id = :trade ORDER BY txn.event_seq, txn.id, entry.line"
        )
        with self._reader.connect() as connection:
            return [
                PostedLine(
                    row.event_seq,
                    row.txn_id,
                    row.account,
                    row.name,
                    Money(row.value),
                    Quantity(row.quantity),
                    row.commodity,
                )
                for row in connection.execute(query, {"trade": trade_id})
            ]


def _fill(row: Row[tuple[object, ...]]) -> Fill:
    return Fill(
        row.execution_id,
        row.client_order_id,
        row.role,
        row.side,
        Quantity(row.quantity),
        Price(row.price),
        Money(row.fee),
        from_micros(row.at_us),
    )


def _slippage_of(rows: Sequence[Row[tuple[object, ...]]]) -> TradeSlippage:
    measured = []
    for enters in (True, False):
        part = [row for row in rows if bool(row.enters) is enters]
        fills = [
            PricedFill(None if row.asked is None else Price(row.asked), Quantity(row.quantity), Price(row.price))
            for row in part
        ]
        measured.append(slippage(Side(part[0].side), fills) if part else None)
    return TradeSlippage(*measured)
