"""Verbs of what the dashboard shows: status, equity, trades, metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from prometheus_client import CollectorRegistry, generate_latest

from tbot_bot.api.errors import ApiError
from tbot_bot.api.model import Message, Nothing
from tbot_bot.api.status import (
    AskSeries,
    DayResult,
    DaySeries,
    EquityPoint,
    EquitySeries,
    MetricsText,
    StatusDocument,
)
from tbot_bot.api.trades import (
    AskNoTrades,
    AskTrade,
    AskTrades,
    FillRow,
    NoTradePage,
    NoTradeRow,
    PostingRow,
    TradeBars,
    TradeDetail,
    TradePage,
    TradeRow,
)
from tbot_bot.api.wire import text_or_none
from tbot_bot.control.conductor import Conductor
from tbot_bot.control.status_source import StatusSource
from tbot_bot.control.system_api import Caller, Handler
from tbot_bot.control.trade_plot import trade_bars
from tbot_bot.control.trading_day import trade_unrealised
from tbot_bot.domain.money import Price
from tbot_bot.domain.orders import Side
from tbot_bot.domain.strategy_results import NoTradeFilter
from tbot_bot.domain.time import from_rfc3339, to_rfc3339
from tbot_bot.domain.trades import Trade
from tbot_bot.storage.trade_reports import TradeReports, TradeSlippage

_SIDES = {Side.BUY: "long", Side.SELL: "short"}


class DashboardVerbs:
    """The handlers; `desk` gives conductor, status and reports once the bot is configured."""

    def __init__(
        self,
        desk: Callable[[], tuple[Conductor, StatusSource]],
        metrics: CollectorRegistry,
    ) -> None:
        self._desk = desk
        self._metrics = metrics

    def handlers(self) -> dict[str, Handler]:
        """The verbs answered here."""
        return {
            "status.document": self._document,
            "status.equity": self._equity,
            "status.days": self._days,
            "trades.open": self._open,
            "trades.closed": self._closed,
            "trades.no_trades": self._no_trades,
            "trades.detail": self._detail,
            "trades.bars": self._bars,
            "metrics.text": self._metrics_text,
        }

    def _document(self, _caller: Caller, _nothing: Message) -> StatusDocument:
        return self._desk()[1].document()

    def _equity(self, _caller: Caller, asked: AskSeries) -> EquitySeries:
        conductor, status = self._desk()
        points = conductor.floor.records.whole_equity_curve(asked.limit)
        items = [EquityPoint(at=to_rfc3339(one.at), equity=str(one.equity)) for one in points]
        document = status.document()
        now, equity = document.market_time, document.bots[0].equity
        # the curve ends in the very figure that the page shows beside it
        if now is not None and equity is not None and (not points or from_rfc3339(now) > points[-1].at):
            items.append(EquityPoint(at=now, equity=equity))
        return EquitySeries(items=items)

    def _days(self, _caller: Caller, asked: AskSeries) -> DaySeries:
        conductor, _ = self._desk()
        found = conductor.floor.records.session_results(asked.limit)
        return DaySeries(
            items=[
                DayResult(
                    day=one.day.isoformat(),
                    pnl=str(one.result.pnl),
                    fees=str(one.result.fees),
                    trades=one.result.trades_closed,
                    wins=one.result.wins,
                )
                for one in reversed(found)
            ]
        )

    def _open(self, _caller: Caller, _nothing: Nothing) -> TradePage:
        conductor, _ = self._desk()
        seen = conductor.floor.view.seen
        trades = conductor.floor.records.open_trades()
        return TradePage(items=_rows(trades, conductor, seen.marks), market_time=_moment(seen.market_time))

    def _closed(self, _caller: Caller, asked: AskTrades) -> TradePage:
        conductor, _ = self._desk()
        page = _reports(conductor).closed_trades(
            before=_cursor(asked.cursor),
            limit=asked.limit,
            symbol=asked.symbol,
            strategy=asked.strategy,
            day=asked.day,
            reason=asked.reason,
        )
        return TradePage(items=_rows(page.items, conductor, {}), next=text_or_none(page.next))

    def _no_trades(self, _caller: Caller, asked: AskNoTrades) -> NoTradePage:
        conductor, _ = self._desk()
        wanted = NoTradeFilter(asked.strategy, asked.symbol, asked.day)
        page = conductor.floor.records.no_trades(wanted, asked.limit, _cursor(asked.cursor))
        return NoTradePage(
            items=[
                NoTradeRow(
                    session_day=one.session_day.isoformat(),
                    at=to_rfc3339(one.at),
                    strategy=one.strategy,
                    symbol=one.no_trade.symbol,
                    stage=one.no_trade.stage,
                    check=one.no_trade.check,
                    reason=one.no_trade.reason,
                )
                for one in page.items
            ],
            next=text_or_none(page.next),
        )

    def _detail(self, _caller: Caller, asked: AskTrade) -> TradeDetail:
        conductor, _ = self._desk()
        trade = _trade(conductor, asked.trade_id)
        reports = _reports(conductor)
        return TradeDetail(
            trade=_rows([trade], conductor, conductor.floor.view.seen.marks)[0],
            fills=[
                FillRow(
                    execution_id=one.execution_id,
                    client_order_id=one.client_order_id,
                    role=one.role,
                    side=one.side,
                    quantity=str(one.quantity),
                    price=str(one.price),
                    fee=str(one.fee),
                    at=to_rfc3339(one.at),
                )
                for one in reports.fills(trade.trade_id)
            ],
            postings=[
                PostingRow(
                    event_seq=one.event_seq,
                    txn_id=one.txn_id,
                    account=one.account,
                    account_name=one.account_name,
                    value=str(one.value),
                    quantity=str(one.quantity) if one.quantity else None,
                    commodity=one.commodity,
                )
                for one in reports.postings(trade.trade_id)
            ],
        )

    def _bars(self, _caller: Caller, asked: AskTrade) -> TradeBars:
        conductor, _ = self._desk()
        return trade_bars(conductor, _trade(conductor, asked.trade_id))

    def _metrics_text(self, _caller: Caller, _nothing: Message) -> MetricsText:
        return MetricsText(text=generate_latest(self._metrics).decode())


def _reports(conductor: Conductor) -> TradeReports:
    return TradeReports(conductor.floor.database.engine)


def _trade(conductor: Conductor, trade_id: str) -> Trade:
    trade = conductor.floor.records.trade(trade_id)
    if trade is None:
        raise ApiError.of(404, "no_such_trade", "There is no such trade", trade_id, "Go back to the list.")
    return trade


def _cursor(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdecimal():
        raise ApiError.of(
            400, "bad_cursor", "This page does not exist", "The cursor is not one of ours.", "Start over."
        )
    return int(text)


def _rows(trades: Sequence[Trade], conductor: Conductor, marks: Mapping[str, Price]) -> list[TradeRow]:
    trade_ids = [trade.trade_id for trade in trades]
    reasons, stops = _reports(conductor).entry_reasons(trade_ids), _reports(conductor).last_stops(trade_ids)
    slipped = _reports(conductor).slippages(trade_ids)
    defended = _reports(conductor).entered_in_defense(trade_ids)
    rows = [
        _row(
            trade,
            marks.get(trade.symbol),
            reasons.get(trade.trade_id, ""),
            stops.get(trade.trade_id),
            slipped[trade.trade_id],
        )
        for trade in trades
    ]
    return [row.model_copy(update={"defense": row.trade_id in defended}) for row in rows]


def _moment(at: datetime | None) -> str | None:
    return None if at is None else to_rfc3339(at)


def _row(
    trade: Trade, mark: Price | None, entry_reason: str, last_stop: Price | None, slipped: TradeSlippage
) -> TradeRow:
    is_open = trade.closed_at is None
    quantity = trade.quantity if is_open else trade.entry_quantity
    return TradeRow(
        trade_id=trade.trade_id,
        symbol=trade.symbol,
        strategy=trade.strategy,
        side=_SIDES[trade.side],
        quantity=str(quantity),
        entry_price=str(trade.entry_price),
        exit_price=text_or_none(trade.exit_price),
        mark=text_or_none(mark) if is_open else None,
        stop_price=text_or_none(last_stop or trade.stop_price),
        target_price=text_or_none(trade.target_price),
        fees=str(trade.fees),
        realised_pnl=str(trade.realised_pnl),
        unrealised_pnl=str(trade_unrealised(trade, mark)) if is_open and mark is not None else None,
        opened_at=to_rfc3339(trade.opened_at),
        closed_at=None if trade.closed_at is None else to_rfc3339(trade.closed_at),
        entry_reason=entry_reason,
        close_reason=trade.close_reason,
        closed_by=trade.closed_by,
        entry_slippage=None if slipped.entry is None else str(slipped.entry.cost),
        entry_slippage_bps=None if slipped.entry is None else str(slipped.entry.bps),
        exit_slippage=None if slipped.exit is None else str(slipped.exit.cost),
        exit_slippage_bps=None if slipped.exit is None else str(slipped.exit.bps),
    )
