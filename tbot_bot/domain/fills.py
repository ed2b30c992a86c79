"""What one fill does: entries, lots, trades and results, worked out before anything is written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

from tbot_bot.domain.accounts import CASH_FLOAT, FEES_OF, POSITIONS_OF, RESULT_OF
from tbot_bot.domain.close_reasons import CloseReason
from tbot_bot.domain.entries import Entry, EventDraft, Posting
from tbot_bot.domain.money import Money, allocate
from tbot_bot.domain.order_facts import execution_facts
from tbot_bot.domain.orders import Book, Execution, OrderRole, role_of
from tbot_bot.domain.positions import Match
from tbot_bot.domain.trades import OrderRecord, Result, Trade


@dataclass(frozen=True, slots=True)
class TradeEffects:
    """The trades that a fill touched, and what it adds to the results of its session."""

    closed: Trade | None
    touched: Trade | None
    result: Result

    @property
    def trades(self) -> tuple[Trade, ...]:
        """Every trade to be stored, the closed one first."""
        return tuple(trade for trade in (self.closed, self.touched) if trade is not None)

    @property
    def latest_id(self) -> str | None:
        """The trade that the fill last touched."""
        return self.trades[-1].trade_id if self.trades else None


NO_TRADE = TradeEffects(closed=None, touched=None, result=Result())


def fill_event(execution: Execution) -> EventDraft:
    """The event of a fill or bust, keyed by the broker's execution id."""
    return EventDraft(
        kind="fill" if execution.busts is None else "bust",
        source="broker",
        idempotency_key=f"fill:{execution.execution_id}",
        actor="system",
        facts=execution_facts(execution),
        external_id=execution.execution_id,
    )


def fill_posting(match: Match, execution: Execution, book: Book) -> Posting:
    """The balanced transaction of a fill.

    Positions move at cost lot by lot, the float pays or receives price x quantity and the fee, the fee is an expense
    of its book, and the difference between cash and cost is the realised result (income is a credit).
    """
    sign = execution.side.sign
    symbol, positions = execution.symbol, POSITIONS_OF[book]
    entries = [Entry(positions, -c.cost, symbol, -c.quantity, c.lot.lot_id) for c in match.closings]
    if match.opened is not None:
        lot = match.opened
        entries.append(Entry(positions, lot.cost, symbol, lot.quantity, lot.lot_id))
    gross = match.closed_value + match.opened_value
    entries += [
        entry
        for entry in (
            Entry(CASH_FLOAT, gross * -sign - execution.fee),
            Entry(FEES_OF[book], execution.fee),
            Entry(RESULT_OF[book], -match.realised),
        )
        if entry.value
    ]
    memo = f"{execution.side.value} {execution.quantity} {symbol} at {execution.price}"
    if execution.busts is not None:
        memo = f"Bust of {execution.busts}: {memo}"
    return Posting(book=book, effective_at=execution.at, memo=memo, entries=tuple(entries))


def trade_effects(
    match: Match,
    record: OrderRecord,
    execution: Execution,
    trade: Trade | None,
    *,
    new: Trade,
    reason: str | None,
    cause: CloseReason,
) -> TradeEffects:
    """Fold a fill of the strategy book into the round trips of its symbol.

    `trade` is the open one, None when flat; `new` is the trade to begin if this fill opens one. A fill that crosses
    through zero ends one and begins the next, its fee split by quantity. `new.session_day` is the fill's session.
    """
    closing_fee, opening_fee = _split_fee(match, execution.fee)
    closed = None
    if match.closings and trade is not None:
        trade = replace(
            trade,
            exit_quantity=trade.exit_quantity + match.closed_quantity,
            exit_value=trade.exit_value + match.closed_value,
            realised=trade.realised + match.realised,
            fees=trade.fees + closing_fee,
        )
        if match.is_flat_between:
            closed = replace(
                trade,
                closed_at=execution.at,
                closed_day=new.session_day,
                close_reason=reason or record.role.value,
                closed_by=cause,
            )
            trade = None
    if match.opened is not None:
        trade = trade or new
        trade = replace(
            trade,
            entry_quantity=trade.entry_quantity + match.opened_quantity,
            entry_value=trade.entry_value + match.opened_value,
            fees=trade.fees + opening_fee,
        )
    result = Result(
        realised=match.realised,
        fees=execution.fee,
        trades_closed=0 if closed is None else 1,
        wins=1 if closed is not None and closed.is_win else 0,
    )
    return TradeEffects(closed=closed, touched=trade, result=result)


def new_trade(trade_id: str, session_day: date, record: OrderRecord, execution: Execution) -> Trade:
    """Begin a round trip; stop and target are those of the bracket that the opening order carries."""
    legs = {role_of(leg.client_order_id): leg for leg in record.request.bracket}
    stop, target = legs.get(OrderRole.STOP_LOSS), legs.get(OrderRole.TAKE_PROFIT)
    return Trade(
        trade_id=trade_id,
        session_day=session_day,
        symbol=execution.symbol,
        strategy=record.strategy,
        side=execution.side,
        opened_at=execution.at,
        stop_price=stop.stop_price if stop else None,
        target_price=target.limit_price if target else None,
    )


def _split_fee(match: Match, fee: Money) -> tuple[Money, Money]:
    closing, opening = allocate(fee, [match.closed_quantity.units, match.opened_quantity.units])
    return closing, opening
