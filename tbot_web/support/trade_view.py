"""Trades as the pages show and export them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby

from tbot_bot.api.close_reasons import CloseReason
from tbot_bot.api.trades import FillRow, NoTradeRow, PostingRow, TradeRow
from tbot_bot.domain.money import Money, Price, Quantity, to_decimal, total
from tbot_web.support import figures
from tbot_web.support.figures import Shown

#: The columns of the export, in the words of the interface.
EXPORTED = (
    "trade_id", "symbol", "strategy", "side", "quantity", "entry_price", "exit_price", "mark", "stop_price",
    "target_price", "fees", "realised_pnl", "unrealised_pnl", "opened_at", "closed_at", "entry_reason", "close_reason",
    "closed_by", "entry_slippage", "entry_slippage_bps", "exit_slippage", "exit_slippage_bps",
)  # fmt: skip
#: How a bracket leg's role reads as the reason of a close; other reasons are sentences already.
_CLOSED_BY = {"stop_loss": "stopped out", "take_profit": "target reached"}
#: What closed a trade, as the filter names it.
CLOSED_BY = {
    CloseReason.STOP: "stop",
    CloseReason.TRAIL: "trailed stop",
    CloseReason.TARGET: "target",
    CloseReason.TIME_EXIT: "time exit",
    CloseReason.HELD_OVER: "held over",
    CloseReason.UNPROTECTED: "no stop stood",
    CloseReason.OPERATOR: "a person",
    CloseReason.STOP_ACT: "Stop",
    CloseReason.KILL: "Kill",
    CloseReason.SHUTDOWN: "shutdown",
    CloseReason.BUST: "undone by the broker",
    CloseReason.OTHER: "another order",
}
#: Where a trade that was not made was stopped.
_STAGES = {
    "filter": "choice of symbols",
    "signal": "signal",
    "risk": "position size",
    "gate": "gate",
    "order": "order",
}
_BY_NUMBER = frozenset({"quantity", "fees", "pnl"})
SORTED_BY = ("trade_id", "symbol", "strategy", "side", "quantity", "pnl", "fees", "opened_at")


@dataclass(frozen=True, slots=True)
class Transaction:
    """One ledger transaction of a trade; its postings sum to `sum`, which is nothing."""

    txn_id: int
    event_seq: int
    postings: list[PostingRow]
    sum: Money


def pnl_text(trade: TradeRow) -> str | None:
    """The result so far: realised for a closed trade; realised and unrealised for an open one, None without a mark."""
    if trade.closed_at is not None:
        return trade.realised_pnl
    if trade.unrealised_pnl is None:
        return None
    return str(Money.of(trade.realised_pnl) + Money.of(trade.unrealised_pnl))


def pnl(trade: TradeRow) -> Shown | None:
    """`pnl_text` as it is shown."""
    return figures.money(pnl_text(trade), sign=True)


def pnl_total(trades: Sequence[TradeRow]) -> Shown | None:
    """The sum of the results; None when one of them is unknown."""
    amounts = [pnl_text(trade) for trade in trades]
    known = [Money.of(amount) for amount in amounts if amount is not None]
    return figures.money(str(total(known)), sign=True) if len(known) == len(amounts) else None


def fees_total(trades: Sequence[TradeRow]) -> Shown | None:
    """The sum of the fees."""
    return figures.money(str(total(Money.of(trade.fees) for trade in trades)))


def closed_by(trade: TradeRow) -> str:
    """Why the trade was closed, in words; nothing while it is open."""
    return _CLOSED_BY.get(trade.close_reason or "", trade.close_reason or "")


def entry_slipped(trade: TradeRow) -> str | None:
    """What the entry cost more than at the signal's price, with its share; None where that is not known."""
    return _slipped(trade.entry_slippage, trade.entry_slippage_bps)


def exit_slipped(trade: TradeRow) -> str | None:
    """What the exit cost more than at the price it was decided on, with its share; None where that is not known."""
    return _slipped(trade.exit_slippage, trade.exit_slippage_bps)


def stopped_at(row: NoTradeRow) -> str:
    """The stage at which a trade was stopped, in words."""
    return _STAGES[row.stage]


def short_id(trade_id: str) -> str:
    """The last part of an id that is long."""
    head, _, tail = trade_id.rpartition("-")
    return f"{head[:2]}…{tail}" if head else trade_id


def in_order(trades: Sequence[TradeRow], key: str, *, descending: bool) -> list[TradeRow]:
    """Sort by a column; rows whose value is unknown come last either way."""
    known = [trade for trade in trades if _value(trade, key) is not None]
    unknown = [trade for trade in trades if _value(trade, key) is None]
    return sorted(known, key=lambda trade: _comparable(key, _value(trade, key)), reverse=descending) + unknown


def matching(trades: Sequence[TradeRow], symbol: str | None, strategy: str | None) -> list[TradeRow]:
    """The trades with that symbol and strategy; None matches all."""
    return [
        trade for trade in trades if symbol in (None, trade.symbol) and strategy in (None, trade.strategy)
    ]  # fmt: skip


def transactions(postings: Sequence[PostingRow]) -> list[Transaction]:
    """Group postings by their transaction, in their order, with the proof that each sums to nothing."""
    grouped = groupby(sorted(postings, key=lambda posting: posting.txn_id), key=lambda posting: posting.txn_id)
    found = []
    for txn_id, group in grouped:
        legs = list(group)
        found.append(Transaction(txn_id, legs[0].event_seq, legs, total(Money.of(leg.value) for leg in legs)))
    return found


def fill_value(fill: FillRow) -> str:
    """Price times quantity."""
    return str(Price.of(fill.price) * Quantity.of(fill.quantity))


def export_row(trade: TradeRow) -> list[str | None]:
    """The columns of EXPORTED."""
    values = trade.model_dump()
    return [values[name] for name in EXPORTED]


def _slipped(cost: str | None, bps: str | None) -> str | None:
    shown = figures.money(cost, sign=False)
    return None if shown is None else f"{shown.text} ({bps} bp)"


def _value(trade: TradeRow, key: str) -> str | None:
    if key == "pnl":
        return pnl_text(trade)
    value: str | None = getattr(trade, key)
    return value


def _comparable(key: str, value: str | None) -> tuple[Decimal, str]:
    text = value or ""
    return (to_decimal(text), "") if key in _BY_NUMBER else (Decimal(0), text)
