"""The trading day in the runner: float at the open, loss limit at every minute, tie-out at the close."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

import structlog

from tbot_bot.api.bot_protocol import Float, TellSession
from tbot_bot.control.floor import Floor
from tbot_bot.control.market_view import Seen
from tbot_bot.domain.broker import BrokerError
from tbot_bot.domain.gate import RiskLimits
from tbot_bot.domain.market import Session
from tbot_bot.domain.money import Money, Price, Quantity, total
from tbot_bot.domain.time import Clock, from_rfc3339
from tbot_bot.domain.trades import Trade
from tbot_bot.trading.float_bot import float_allocation
from tbot_bot.trading.reconciliation import BootReport, reconcile
from tbot_bot.trading.risk_bot import daily_loss_threshold, limits_in_force, loss_limit_breached, loss_share

log = structlog.get_logger("trading_day")
EQUITY_EVERY = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class DayFigures:
    """The session's figures that risk is judged by; None is unknown."""

    day: date | None
    float_at_open: Money | None
    threshold: Money | None
    realised: Money | None
    unrealised: Money | None

    @property
    def loss_share(self) -> Decimal | None:
        """Which part of the daily loss limit is used up; None while it is unknown."""
        return loss_share(self.realised, self.unrealised, self.threshold)


class TradingDay:
    """Keeps the session's books beside the bot; `on_loss_limit` is called when the limit is breached.

    `factor` says what float and limits are scaled by now.
    """

    def __init__(
        self, floor: Floor, clock: Clock, on_loss_limit: Callable[[str], None], factor: Callable[[], Decimal]
    ) -> None:
        self._floor = floor
        self._clock = clock
        self._on_loss_limit = on_loss_limit
        self._factor = factor
        self._equity_at: datetime | None = None

    def session(self, told: TellSession, seen: Seen) -> BootReport | None:
        """Take note of an opening or a close; a close answers with the reconciliation of that session."""
        if told.what == "opened":
            self._open_once(seen.session)
        elif told.what == "closed" and told.day is not None:
            return self._close(date.fromisoformat(told.day), from_rfc3339(told.at))
        return None

    def minute(self, seen: Seen) -> None:
        """Look at the market's new minute: record equity now and then, and judge the loss limit."""
        if seen.market_time is None or seen.session is None or not seen.is_open:
            return
        self._open_once(seen.session)
        if self._equity_at is None or abs(seen.market_time - self._equity_at) >= EQUITY_EVERY:
            self._record_equity(seen.market_time)
        figures = self.figures(seen)
        if figures.threshold is None or figures.realised is None:
            return
        if loss_limit_breached(figures.realised, figures.unrealised, figures.threshold):
            self._on_loss_limit(f"daily loss limit of {figures.threshold} reached")

    def figures(self, seen: Seen) -> DayFigures:
        """The figures of the session that runs or ran last, from the books and the newest prices."""
        unrealised = unrealised_pnl(self._floor.records.open_trades(), seen.marks)
        if seen.session is None:
            return DayFigures(None, None, None, None, unrealised)
        result = self._floor.records.results(seen.session.day)
        allotted = result.float_at_open
        threshold = None if allotted is None else daily_loss_threshold(allotted, self._floor.settings.DAILY_LOSS_LIMIT)
        return DayFigures(seen.session.day, allotted, threshold, result.result.pnl, unrealised)

    def allotted_float(self, seen: Seen) -> Money | None:
        """The session's float: the open one's, else what the next would get by the equity now."""
        if seen.session is not None:
            kept = self._floor.records.results(seen.session.day).float_at_open
            if kept is not None:
                return kept
        return self._float_now()

    def float_in_force(self, seen: Seen) -> Money | None:
        """What entries may use now: the session's float, scaled where defense mode stands."""
        allotted = self.allotted_float(seen)
        return None if allotted is None else allotted * self._factor()

    def limits(self) -> RiskLimits:
        """The limits in force."""
        settings = self._floor.settings
        return limits_in_force(settings.MAX_OPEN_POSITIONS, settings.MAX_TRADES, self._factor())

    def tell_float(self, seen: Seen) -> None:
        """Tell the bot what entries may use now, if that is known."""
        allotted = self.float_in_force(seen)
        if allotted is not None:
            trades = self._floor.orders.facts().trades_today
            self._floor.bot.tell(Float(float_allocation=str(allotted), trades_today=trades))

    def reconcile(self, trigger: str) -> BootReport:
        """Compare broker, books and ledger now."""
        floor = self._floor
        return reconcile(floor.broker, floor.orders, floor.ledger, self._clock, trigger=trigger)

    def _open_once(self, session: Session | None) -> None:
        if session is None or self._floor.records.session(session.day) is not None:
            return
        allotted, equity = self._float_now(), self._equity_now()
        self._floor.records.record_session_open(session, float_at_open=allotted, equity_at_open=equity)
        self.tell_float(self._floor.view.seen)
        log.info("session opened", day=session.day.isoformat(), float_allocation=str(allotted), equity=str(equity))

    def _close(self, day: date, at: datetime) -> BootReport:
        report = self.reconcile("session close")
        equity = self._equity_now()
        if self._floor.records.session(day) is not None:
            self._floor.records.record_session_close(day, equity_at_close=equity)
        if equity is not None:
            self._floor.records.record_equity(at, equity)
        log.info(
            "session closed", day=day.isoformat(), equity=str(equity), clean=report.clean, found=list(report.sentences)
        )
        return report

    def _record_equity(self, market_time: datetime) -> None:
        equity = self._equity_now()
        if equity is not None:
            self._floor.records.record_equity(market_time, equity)
            self._equity_at = market_time

    def _float_now(self) -> Money | None:
        equity = self._equity_now()
        return None if equity is None else float_allocation(equity, self._floor.settings.TOTAL_ALLOCATION)

    def _equity_now(self) -> Money | None:
        if not self._floor.broker_is_up:
            return None
        try:
            return self._floor.broker.account().equity
        except BrokerError as error:
            log.warning("equity is unknown: the broker did not answer", why=str(error))
            return None


def unrealised_pnl(trades: tuple[Trade, ...], marks: dict[str, Price]) -> Money | None:
    """What closing every open trade at its mark would add to the realised result; None while a mark is unknown."""
    if any(trade.symbol not in marks for trade in trades):
        return None
    return total(trade_unrealised(trade, marks[trade.symbol]) for trade in trades)


def trade_unrealised(trade: Trade, mark: Price) -> Money:
    """The open quantity at its mark against its average entry; fees to come are not in it."""
    quantity: Quantity = trade.quantity * trade.side.sign
    return mark * quantity - trade.entry_price * quantity
