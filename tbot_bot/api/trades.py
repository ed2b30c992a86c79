"""Trades: round trips in the strategy book."""

from __future__ import annotations

from pydantic import Field

from tbot_bot.api.model import Message, Page


class TradeRow(Message):
    """One trade; `mark`, `unrealised_pnl` are None where the price is unknown. Times are market time, UTC."""

    trade_id: str
    symbol: str
    strategy: str
    side: str
    quantity: str
    entry_price: str | None
    exit_price: str | None
    mark: str | None
    stop_price: str | None
    target_price: str | None
    fees: str
    realised_pnl: str
    unrealised_pnl: str | None
    opened_at: str
    closed_at: str | None
    entry_reason: str
    close_reason: str | None


class AskTrades(Message):
    """A page of closed trades, newest first; filters are exact."""

    cursor: str | None = None
    limit: int = Field(default=50, ge=1, le=500)
    symbol: str | None = None
    strategy: str | None = None
    day: str | None = None


class TradePage(Page):
    items: list[TradeRow]


class AskTrade(Message):
    trade_id: str


class FillRow(Message):
    """One execution of a trade."""

    execution_id: str
    client_order_id: str
    role: str
    side: str
    quantity: str
    price: str
    fee: str
    at: str


class PostingRow(Message):
    """One leg of a ledger transaction."""

    event_seq: int
    txn_id: int
    account: str
    account_name: str
    value: str
    quantity: str | None
    commodity: str | None


class TradeDetail(Message):
    """A trade with every fill and posting behind its figures; the postings of each transaction sum to zero."""

    trade: TradeRow
    fills: list[FillRow]
    postings: list[PostingRow]
