"""Trades: round trips in the strategy book."""

from __future__ import annotations

from pydantic import Field

from tbot_bot.api.close_reasons import CloseReason
from tbot_bot.api.model import Message, Page


class TradeRow(Message):
    """One trade; `mark` and `unrealised_pnl` are null where the price is unknown. Times are market time, UTC."""

    trade_id: str = Field(description="Id of the trade.")
    symbol: str = Field(description="What was traded.")
    strategy: str = Field(description="The strategy that opened it.")
    side: str = Field(description="long or short.")
    quantity: str = Field(description="Units held, or that were held.")
    entry_price: str | None = Field(description="Mean price of the entry.")
    exit_price: str | None = Field(description="Mean price of the exit; null while open.")
    mark: str | None = Field(description="Present price; null once closed.")
    stop_price: str | None = Field(description="Where the protective stop stands, or stood last.")
    target_price: str | None = Field(description="Where the profit is taken.")
    fees: str = Field(description="Fees paid so far.")
    realised_pnl: str = Field(description="Result so far, fees taken off.")
    unrealised_pnl: str | None = Field(description="Result of what is still open at the mark.")
    opened_at: str = Field(description="Time of the first fill.")
    closed_at: str | None = Field(description="Time of the last fill; null while open.")
    entry_reason: str = Field(description="Why the strategy wanted it.")
    defense: bool = Field(default=False, description="Whether it was entered in defense mode.")
    close_reason: str | None = Field(description="What closed it, in words; null while open.")
    closed_by: CloseReason | None = Field(default=None, description="What closed it; null while open.")
    entry_slippage: str | None = Field(
        default=None, description="What the entry cost more than at the signal's price; null where that is not known."
    )
    entry_slippage_bps: str | None = Field(default=None, description="The same, in basis points of the signal's price.")
    exit_slippage: str | None = Field(
        default=None,
        description="What the exit cost more than at the price it was decided on; null where that is not known.",
    )
    exit_slippage_bps: str | None = Field(default=None, description="The same, in basis points of that price.")


class AskTrades(Message):
    """A page of closed trades, newest first; filters are exact."""

    cursor: str | None = Field(default=None, description="`next` of the page before.")
    limit: int = Field(default=50, ge=1, le=500, description="Most trades on the page.")
    symbol: str | None = Field(default=None, description="Only this symbol.")
    strategy: str | None = Field(default=None, description="Only this strategy.")
    day: str | None = Field(default=None, description="Only the session of this day, like 2026-10-03.")
    reason: str | None = Field(
        default=None,
        max_length=20,
        description="Only what was closed by this.",
        json_schema_extra={"enum": [reason.value for reason in CloseReason]},
    )


class TradePage(Page):
    items: list[TradeRow] = Field(description="The trades of this page.")
    market_time: str | None = Field(default=None, description="Moment of the prices of open trades, market time.")


class AskNoTrades(Message):
    """A page of trades that were not made, newest first; filters are exact."""

    cursor: str | None = Field(default=None, description="`next` of the page before.")
    limit: int = Field(default=50, ge=1, le=500, description="Most rows on the page.")
    symbol: str | None = Field(default=None, description="Only this symbol.")
    strategy: str | None = Field(default=None, description="Only this strategy.")
    day: str | None = Field(default=None, description="Only the session of this day, like 2026-10-03.")


class NoTradeRow(Message):
    """Why a strategy did not trade a symbol, told once for each check of a session."""

    session_day: str = Field(description="The exchange session.")
    at: str = Field(description="When it was first so, market time.")
    strategy: str = Field(description="The strategy.")
    symbol: str = Field(description="What was not traded.")
    stage: str = Field(description="Where it was stopped: filter, signal, risk, gate or order.")
    check: str = Field(description="The check that stopped it there.")
    reason: str = Field(description="Why, with the figures.")


class NoTradePage(Page):
    items: list[NoTradeRow] = Field(description="The rows of this page.")


class AskTrade(Message):
    trade_id: str = Field(description="Id of the trade.")


class FillRow(Message):
    """One execution of a trade."""

    execution_id: str = Field(description="The broker's id of the execution.")
    client_order_id: str = Field(description="Our id of the order.")
    role: str = Field(description="What the order was for: entry, stop_loss, take_profit or exit.")
    side: str = Field(description="buy or sell.")
    quantity: str = Field(description="Units in this execution.")
    price: str = Field(description="Price of one unit.")
    fee: str = Field(description="Fee of this execution.")
    at: str = Field(description="Time of the execution, market time.")


class PostingRow(Message):
    """One leg of a ledger transaction."""

    event_seq: int = Field(description="Number of the event that was posted.")
    txn_id: int = Field(description="Number of the transaction; its postings sum to zero.")
    account: str = Field(description="Code of the account.")
    account_name: str = Field(description="Name of the account.")
    value: str = Field(description="Signed value: debit above zero, credit below.")
    quantity: str | None = Field(description="Signed units, where the account holds a commodity.")
    commodity: str | None = Field(description="What the units are.")


class TradeDetail(Message):
    """A trade with every fill and posting behind its figures; the postings of each transaction sum to zero."""

    trade: TradeRow = Field(description="The trade.")
    fills: list[FillRow] = Field(description="Its executions, oldest first.")
    postings: list[PostingRow] = Field(description="The ledger's postings of them, in order.")


class BarRow(Message):
    """One minute of trading."""

    at: str = Field(description="Begin of the minute, market time.")
    open: str = Field(description="First price.")
    high: str = Field(description="Highest price.")
    low: str = Field(description="Lowest price.")
    close: str = Field(description="Last price.")
    volume: str = Field(description="Units traded.")


class StopMove(Message):
    """A price of the protective stop, from a moment on."""

    at: str = Field(description="From when on it stood there, market time.")
    price: str = Field(description="Where it stood.")


class TradeBars(Message):
    """The session of a trade as the broker has it, in minutes, and where the trade's stop stood."""

    trade_id: str = Field(description="Id of the trade.")
    symbol: str = Field(description="What was traded.")
    bars: list[BarRow] = Field(description="The minutes of its session so far, oldest first.")
    stops: list[StopMove] = Field(description="Its protective stop: where it began, and each move; empty without one.")
