"""The minutes around a trade, asked of the broker each time: the prices are kept nowhere here."""

from __future__ import annotations

from tbot_bot.api.errors import ApiError
from tbot_bot.api.trades import BarRow, StopMove, TradeBars
from tbot_bot.control.conductor import Conductor
from tbot_bot.domain.broker import BrokerError
from tbot_bot.domain.market import BAR_LENGTH, Bar
from tbot_bot.domain.time import to_rfc3339
from tbot_bot.domain.trades import Trade
from tbot_bot.storage.trade_reports import TradeReports


def trade_bars(conductor: Conductor, trade: Trade) -> TradeBars:
    """The session of the trade in minutes, and where its stop stood; ApiError while the broker does not answer."""
    floor = conductor.floor
    session = floor.records.session(trade.session_day)
    opens, closes = (session.open_at, session.close_at) if session else (trade.opened_at, trade.opened_at)
    start_at = min(opens, trade.opened_at.replace(second=0, microsecond=0))
    end_at = max(closes, (trade.closed_at or trade.opened_at) + BAR_LENGTH)
    if not floor.broker_is_up or conductor.api.is_down:
        raise _unanswered("the broker's interface is down")
    try:
        bars = floor.broker.bars(trade.symbol, start_at, end_at)
    except BrokerError as error:
        raise _unanswered(str(error)) from error
    moves = TradeReports(floor.database.engine).stop_moves(trade.trade_id)
    first = [] if trade.stop_price is None else [StopMove(at=to_rfc3339(trade.opened_at), price=str(trade.stop_price))]
    return TradeBars(
        trade_id=trade.trade_id,
        symbol=trade.symbol,
        bars=[_row(bar) for bar in bars],
        stops=first + [StopMove(at=to_rfc3339(at), price=str(price)) for at, price in moves],
    )


def _row(bar: Bar) -> BarRow:
    return BarRow(
        at=to_rfc3339(bar.start_at),
        open=str(bar.open),
        high=str(bar.high),
        low=str(bar.low),
        close=str(bar.close),
        volume=str(bar.volume),
    )


def _unanswered(why: str) -> ApiError:
    return ApiError.of(
        503,
        "broker_unanswered",
        "The broker did not answer",
        f"The prices of that day are the broker's: {why}.",
        "The figures of the trade come from the books and stand. Try the plot again later.",
    )
