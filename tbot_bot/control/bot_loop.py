"""The bot's loop: market events to strategies, their wishes to orders, and the runner's word above all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

import structlog

from tbot_bot.api.bot_protocol import Halt, Pause, PauseStrategies, Run
from tbot_bot.api.wire import trade_from_wire
from tbot_bot.brokers.measured import MeasuredBroker
from tbot_bot.control.bot_link import RunnerLink, Tell
from tbot_bot.domain.broker import (
    BarClosed,
    Broker,
    BrokerEvent,
    BrokerUnavailableError,
    Executed,
    FeedEnded,
    GapDetected,
    OrderChanged,
    SessionClosed,
    SessionOpened,
)
from tbot_bot.domain.intents import Enter, Exit, NoTrade, Stage, Tighten
from tbot_bot.domain.market import Bar, Session
from tbot_bot.domain.money import Money
from tbot_bot.domain.slippage import SlippageLimits
from tbot_bot.domain.time import to_rfc3339
from tbot_bot.trading.entry_limits import EntryLimits
from tbot_bot.trading.execution import EntryDesk, OrderRecipe
from tbot_bot.trading.execution_exits import ExitDesk
from tbot_bot.trading.execution_port import NotRecordedError, Standing
from tbot_bot.trading.execution_stops import StopDesk
from tbot_bot.trading.execution_view import OrderView, is_strategy_entry
from tbot_bot.trading.strategy_router import StrategyRouter

log = structlog.get_logger("bot")
EVENTS_WAIT_S = 0.2
#: While an exit is worked its orders are looked at this often.
EXIT_WAIT_S = 0.02
HEARTBEAT_S = 1.0
RETRY_PAUSE_S = 0.5
RETRY_PAUSE_S_MAX = 30.0
#: An entry is not decided on a bar that is older than this, in market time.
BAR_AGE_MAX = timedelta(minutes=10)


class BotLoop:
    """One bot at one broker. `step` does what is due and waits a little; the process calls it until told to end."""

    def __init__(
        self,
        broker: Broker,
        link: RunnerLink,
        router: StrategyRouter,
        is_armed: Callable[[], bool],
        monotonic_s: Callable[[], float],
        *,
        cursor: int,
        risk_fraction: Decimal,
        positions_max: int,
        slippage: SlippageLimits,
    ) -> None:
        self._broker = broker = MeasuredBroker(broker, monotonic_s)
        self._link = link
        self._router = router
        self._monotonic_s = monotonic_s
        self._standing = Standing(is_armed)
        self._view = OrderView(broker, link, cursor)
        self._recipe = OrderRecipe(broker, link, self._view, self._standing, monotonic_s)
        self._limits = EntryLimits(broker, self._view, slippage)
        self._entries = EntryDesk(
            self._recipe,
            self._view,
            self._standing,
            self._limits,
            risk_fraction=risk_fraction,
            positions_max=positions_max,
        )
        self._exits = ExitDesk(broker, self._recipe, self._view, lambda: router.marks, monotonic_s)
        self._stops = StopDesk(broker, self._recipe, self._view, self._exits.is_leaving)
        self._now: datetime | None = None
        self._session: Session | None = None
        self._minute: datetime | None = None
        self._bars_at_s = 0.0
        self._newest_bar_at: datetime | None = None
        self._heartbeat_at_s = 0.0
        self._must_catch_up = True
        self._must_cancel_entries = False
        self._retry_at_s = 0.0
        self._retry_pause_s = RETRY_PAUSE_S
        self._trouble: str | None = None
        link.listen(self)

    # --- the runner speaks --------------------------------------------------------------------------------------

    def hear(self, message: Tell) -> None:
        """Take note at once; what it asks of the broker is done in the next step."""
        log.info("runner said", kind=message.kind)
        if isinstance(message, Run):
            self._view.take_over([trade_from_wire(trade) for trade in message.trades])
            self._entries.take_over({_count_key(text): number for text, number in message.counts.items()})
            self._exits.want_nothing()
            self._standing.paused = message.paused
            self._standing.float_allocation = Money.of(message.float_allocation)
            self._standing.running = True
            self._must_catch_up = True
            self._must_cancel_entries = False
        elif isinstance(message, Halt):
            self._standing.running = False
            self._exits.want_nothing()
            self._stops.want_nothing()
            self._must_cancel_entries = message.cancel_entries
        elif isinstance(message, Pause):
            self._standing.paused = message.paused
        elif isinstance(message, PauseStrategies):
            self._standing.paused_strategies = message.reasons
        else:
            self._standing.float_allocation = Money.of(message.float_allocation)

    # --- one turn -----------------------------------------------------------------------------------------------

    def step(self, wait_s: float = EVENTS_WAIT_S) -> None:
        """Hear the runner, take in events, decide, work orders, report; RunnerGoneError when the runner is gone."""
        self._link.poll(0.0)
        left_s = self._retry_at_s - self._monotonic_s()
        if left_s > 0:
            self._link.poll(min(wait_s, left_s))
            return
        try:
            self._turn(wait_s)
        except BrokerUnavailableError as error:
            self._stumble(error, f"the broker does not answer: {error}")
        except NotRecordedError as error:
            self._stumble(error, None)
        else:
            self._recover()

    def _turn(self, wait_s: float) -> None:
        if self._must_cancel_entries:
            self.cancel_entries()
            self._must_cancel_entries = False
        if self._must_catch_up:
            self._catch_up()
            self._must_catch_up = False
        is_urgent = self._exits.is_working and self._is_open
        for event in self._broker.events(min(wait_s, EXIT_WAIT_S) if is_urgent else wait_s):
            self._take(event)
        self._end_minute()
        if self._monotonic_s() >= self._heartbeat_at_s:
            self._read_clock()
            self._tell_market()
            self._decide()
        self._work()

    def cancel_entries(self) -> None:
        """Ask to cancel every working strategy entry at the broker; protective orders are left alone."""
        for order in self._broker.open_orders():
            if is_strategy_entry(order.client_order_id):
                self._broker.cancel(order.client_order_id)

    def _work(self) -> None:
        """Take the next step with every submission in doubt and every exit."""
        self._recipe.resolve_doubts()
        if self._standing.running:
            self._exits.watch_stops()
            self._stops.advance()
        if self._now is not None:
            self._limits.give_up(self._now)
        if self._now is not None and self._is_open:
            self._exits.advance(self._now)

    # --- events -------------------------------------------------------------------------------------------------

    def _take(self, event: BrokerEvent) -> None:
        match event:
            case BarClosed(bar):
                if bar.end_at != self._minute:
                    self._end_minute()
                    self._minute, self._bars_at_s = bar.end_at, self._monotonic_s()
                self._note_bar(bar)
                self._router.on_bar(bar)
            case OrderChanged(order):
                self._view.note_order(order)
            case Executed(execution):
                self._view.note_execution(execution)
                if execution.busts is not None and self._standing.running:
                    self._exits.check_protection()
            case GapDetected(reason):
                log.warning("events were lost", reason=reason)
                self._catch_up()
                if self._now is not None:
                    self._link.tell_session("gap", None, self._now, reason)
            case _:
                self._take_session(event)

    def _take_session(self, event: SessionOpened | SessionClosed | FeedEnded) -> None:
        match event:
            case SessionOpened(session):
                self._begin_session(session)
                self._now = session.open_at if self._now is None else max(self._now, session.open_at)
                self._tell_market()
                self._link.tell_session("opened", session.day, session.open_at)
            case SessionClosed(session):
                self._end_minute()
                self._link.tell_session("closed", session.day, session.close_at)
                self._view.forget_finished()
            case FeedEnded(at, reason):
                self._link.tell_session("ended", None, at, reason)
        log.info("session", what=type(event).__name__)

    def _end_minute(self) -> None:
        """All bars of a minute are in: decide on them."""
        if self._minute is None:
            return
        self._now = self._minute if self._now is None else max(self._now, self._minute)
        self._minute = None
        self._tell_market()
        self._decide()

    # --- decisions ----------------------------------------------------------------------------------------------

    def _decide(self) -> None:
        """Ask the strategies and turn their wishes into orders."""
        session, now = self._router.session, self._now
        if session is None or now is None or not self._standing.running:
            return
        trades = list(self._view.trades.values())
        for strategy, wish in self._router.decide(now, trades, self._entries.taken(session.day)):
            match wish:
                case Enter():
                    refusal = self._enter(strategy, wish, session, now)
                    if refusal is not None:
                        self._keep_reason(session, strategy, refusal, now)
                case Exit():
                    self._exits.want_symbol(strategy, wish)
                case Tighten():
                    self._stops.want(strategy, wish)
                case NoTrade():
                    self._keep_reason(session, strategy, wish, now)

    def _enter(self, strategy: str, wish: Enter, session: Session, now: datetime) -> NoTrade | None:
        self._read_clock()
        if self._now is None or not self._is_open or self._now - now > BAR_AGE_MAX:
            return NoTrade(wish.symbol, Stage.ORDER, "late", f"the bar of {to_rfc3339(now)} is too old to act on")
        no_trade = self._entries.enter(strategy, wish, session.day, now)
        if no_trade is None:
            age_ms = round((self._recipe.submitted_at_s - self._bars_at_s) * 1000, 3)
            log.info("entry sent", strategy=strategy, symbol=wish.symbol, bar_age_ms=age_ms)
        return no_trade

    def _keep_reason(self, session: Session, strategy: str, no_trade: NoTrade, now: datetime) -> None:
        if self._router.keep_reason(strategy, no_trade):
            self._link.tell_no_trade(session.day, strategy, no_trade, now)

    # --- what time it is, and how the broker is -----------------------------------------------------------------

    @property
    def _is_open(self) -> bool:
        session, now = self._session, self._now
        return session is not None and now is not None and session.open_at <= now < session.close_at

    def _begin_session(self, session: Session) -> None:
        self._session = session
        self._router.begin_session(session)

    def _read_clock(self) -> None:
        clock = self._broker.clock()
        self._heartbeat_at_s = self._monotonic_s() + HEARTBEAT_S
        self._now = clock.now if self._now is None else max(self._now, clock.now)
        if clock.session is None:
            self._session = None
        else:
            self._begin_session(clock.session)

    def _tell_market(self) -> None:
        if self._now is None:
            return
        self._link.tell_market(
            self._now,
            self._session,
            self._router.running_at(self._now),
            self._router.marks,
            is_open=self._is_open,
            broker_error=self._trouble,
            calls=self._broker.take(),
            newest_bar_at=self._newest_bar_at,
            missing_minutes=self._router.missing_minutes,
        )

    def _catch_up(self) -> None:
        """Read again all that may have been missed; nothing is decided on the past."""
        if not self._router.symbols:
            instruments = self._broker.instruments()
            self._router.know_instruments(instruments)
            self._limits.know_instruments(instruments)
        self._read_clock()
        if self._session is not None and self._now is not None and self._now > self._session.open_at:
            self._learn_bars(self._router.symbols, self._session.open_at, self._now)
        self._view.catch_up()
        if self._standing.running:
            self._exits.check_protection()

    def _learn_bars(self, symbols: Sequence[str], start_at: datetime, end_at: datetime) -> None:
        for symbol in symbols:
            for bar in self._broker.bars(symbol, start_at, end_at):
                self._note_bar(bar)
                self._router.learn(bar)

    def _note_bar(self, bar: Bar) -> None:
        self._newest_bar_at = bar.end_at if self._newest_bar_at is None else max(self._newest_bar_at, bar.end_at)

    def _stumble(self, error: Exception, trouble: str | None) -> None:
        """Say what is wrong, wait longer each time, and read everything again before going on."""
        log.warning("trouble", error_kind=type(error).__name__, reason=str(error))
        self._must_catch_up = True
        self._minute = None
        self._retry_at_s = self._monotonic_s() + self._retry_pause_s
        self._retry_pause_s = min(self._retry_pause_s * 2, RETRY_PAUSE_S_MAX)
        self._trouble = trouble
        self._link.tell_error(error)
        self._tell_market()

    def _recover(self) -> None:
        if self._trouble is not None:
            log.info("the broker answers again")
            self._trouble = None
            self._tell_market()
        self._retry_pause_s = RETRY_PAUSE_S


def _count_key(text: str) -> tuple[date, str, str]:
    """`session_day/strategy/symbol`."""
    day, strategy, symbol = text.split("/", 2)
    return date.fromisoformat(day), strategy, symbol
