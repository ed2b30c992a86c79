"""Short trading sessions through bad days: the real bot, order service, books and closing at the simulated market.

One thread, no processes, no waiting: market and wall move a tick at a time. A session is made from its seed alone, and
what it did is kept as a history to read when it fails. In its last minutes all goes well, so that everything can be
settled; then the books are compared with what is true at the venue.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Any

from tbot_bot.accounting.ledger import Ledger
from tbot_bot.api.bot_protocol import Halt, Pause, Run
from tbot_bot.control.bot_loop import BotLoop
from tbot_bot.domain.broker import BrokerUnavailableError, OrderRefusedError
from tbot_bot.domain.close_reasons import CloseReason
from tbot_bot.domain.gate import GateConditions, RiskLimits
from tbot_bot.domain.intents import Enter, Exit, GateRefusal, NoTrade, OrderIntent, Tighten, Window, Wish
from tbot_bot.domain.lifecycle import State
from tbot_bot.domain.market import Bar, Instrument, Session
from tbot_bot.domain.money import Money, Price, Quantity
from tbot_bot.domain.open_trades import OpenTrade
from tbot_bot.domain.orders import Book, Execution, Order, OrderRequest, OrderRole, OrderType, Side
from tbot_bot.domain.trades import Outcome
from tbot_bot.storage.engine import open_sqlite
from tbot_bot.storage.ledger_database import LedgerDatabase
from tbot_bot.trading.closing import Closing, ClosingKind, ClosingOutcome
from tbot_bot.trading.order_service import OrderService
from tbot_bot.trading.reconciliation import BootReport, reconcile
from tbot_bot.trading.strategy_router import Running
from tbot_bot.venue.faults import CALM as ALL_GOES_WELL
from tbot_bot.venue.faults import Fault, FaultKind, Scenario
from tbot_bot.venue.feed import TICK_LENGTH, BarFeed
from tbot_bot.venue.in_process import InProcessBroker
from tests.ledger_books import StandingClock, template
from tests.unit.trading_bot.scene import SLIPPAGE, wire_trade

OPEN = datetime(2013, 10, 4, 13, 30, tzinfo=UTC)
DAY = date(2013, 10, 4)
#: From the first of these minutes on nothing goes wrong any more; the last ends the session.
CALM, MINUTES = 22, 30
TRADED = Session(DAY, OPEN, OPEN + timedelta(minutes=MINUTES))
SYMBOLS = ("AAA", "BBB", "CCC")
STRATEGIES = ("open", "mid")
CASH = Money.of(100_000)
FLOAT = Money.of(60_000)
#: What the holdings book has before anything goes wrong.
HELD = {"AAA": Quantity.of(25)}
CENT = Price.of("0.01")
RECONCILE_EVERY = timedelta(minutes=5)
_LINE_KINDS = (
    FaultKind.LATENCY,
    FaultKind.LOST_REQUEST,
    FaultKind.LOST_REPLY,
    FaultKind.EMPTY_REPLY,
    FaultKind.STALE_REPLY,
    FaultKind.DISCONNECT,
)
_CALLS = (None, None, "submit", "cancel", "order", "positions", "open_orders", "executions", "events", "replace_stop")


class Act(StrEnum):
    """What happens to the session besides its faults."""

    NOTHING = "nothing"
    KILL = "kill"
    STOP = "stop"
    BOT_CRASH = "bot crash"


def bad_day(random: Random) -> Scenario:
    """A few kinds of faults, each more or less often."""
    start_at, end_at = OPEN + timedelta(minutes=1), OPEN + timedelta(minutes=CALM)

    def fault(kind: FaultKind, per_mille: Sequence[int], seconds: Sequence[int] = (0,), **named: Any) -> Fault:
        chance, length = random.choice(per_mille), random.choice(seconds)
        return Fault(kind, start_at=start_at, end_at=end_at, chance_per_mille=chance, seconds=length, **named)

    reasons = ("not enough funds", "below the minimum size", "no such symbol", "too many requests")
    market = [
        fault(FaultKind.HALT, (10, 60), (30, 300), reason=random.choice((None, "halted"))),
        fault(FaultKind.REFUSAL, (50, 400), reason=random.choice(reasons)),
        fault(FaultKind.PIECES, (100, 400)),
        fault(FaultKind.CANCEL_RACE, (300, 1000)),
        fault(FaultKind.BUST, (50, 300), (0, 20, 200)),
    ]
    reports = [
        fault(FaultKind.DUPLICATE_REPORT, (100, 1000)),
        fault(FaultKind.LATE_REPORT, (100, 600), (15, 40, 600)),
        fault(FaultKind.OUT_OF_ORDER, (100, 600)),
    ]
    line = [
        fault(kind, (20, 100, 400), (1, 20), call=random.choice(_CALLS))
        for kind in random.sample(_LINE_KINDS, random.randrange(4))
    ]
    clock = [fault(FaultKind.CLOCK_SKEW, (200, 1000), (-300, -5, 5, 300))]
    chosen = [one for one in (*market, *reports, *clock) if random.random() < 0.35]
    return Scenario(random.randrange(1 << 30), (*chosen, *line))


def walk(random: Random) -> list[Bar]:
    """Minutes of a walk in whole cents with thin volume, so that orders fill in parts."""
    found = []
    for symbol in SYMBOLS:
        last = random.randrange(3_000, 12_000)
        volume = random.choice((1_000, 4_000, 40_000))
        for number in range(MINUTES):
            steps = [last, *(last + round(random.gauss(0, last / 900)) for _ in range(3))]
            opened, closed = steps[0], steps[3]
            prices = [Price.of(Decimal(cents).scaleb(-2)) for cents in (opened, max(steps), min(steps), closed)]
            found.append(Bar(symbol, OPEN + timedelta(minutes=number), *prices, Quantity.of(volume)))
            last = closed
    return found


class Script:
    """Wishes by chance, in the place of the strategies and their router."""

    missing_minutes = 0

    def __init__(self, random: Random) -> None:
        self._random = random
        self._seen: dict[str, Bar] = {}
        self._fresh: set[str] = set()
        self._instruments: tuple[str, ...] = ()
        self.session: Session | None = None

    def know_instruments(self, instruments: Iterable[Instrument]) -> None:
        self._instruments = tuple(one.symbol for one in instruments)

    @property
    def symbols(self) -> Sequence[str]:
        return self._instruments

    @property
    def marks(self) -> Mapping[str, Price]:
        return {symbol: bar.close for symbol, bar in self._seen.items()}

    def begin_session(self, session: Session) -> None:
        self.session = session

    def learn(self, bar: Bar) -> bool:
        seen = self._seen.get(bar.symbol)
        if seen is not None and bar.start_at <= seen.start_at:
            return False
        self._seen[bar.symbol] = bar
        return True

    def on_bar(self, bar: Bar) -> None:
        if self.learn(bar):
            self._fresh.add(bar.symbol)

    def running_at(self, _now: datetime) -> Running:
        return Running(STRATEGIES[0], Window.TRADING)

    def keep_reason(self, _strategy: str, _no_trade: NoTrade) -> bool:
        return False

    def decide(
        self, now: datetime, trades: Iterable[OpenTrade], _taken: Mapping[str, set[str]]
    ) -> list[tuple[str, Wish]]:
        held = {trade.symbol: trade for trade in trades}
        fresh, self._fresh = sorted(self._fresh), set()
        if now >= OPEN + timedelta(minutes=CALM):
            return []
        return [wish for symbol in fresh if (wish := self._wish(symbol, held.get(symbol))) is not None]

    def _wish(self, symbol: str, trade: OpenTrade | None) -> tuple[str, Wish] | None:
        mark, drawn = self._seen[symbol].close, self._random.random()
        if trade is None:
            strategy = self._random.choice(STRATEGIES)
            if drawn > 0.3:
                return None
            # the holdings book has AAA: selling it short would be refused
            side = Side.BUY if symbol in HELD else self._random.choice(tuple(Side))
            stop = _off(mark, -side.sign * self._random.choice((20, 60, 500)))
            target = _off(mark, side.sign * self._random.choice((20, 100, 900)))
            return strategy, Enter(symbol, side, mark, stop, target, "by chance")
        if drawn < 0.15:
            return trade.strategy, Exit(symbol, "by chance", CloseReason.OTHER)
        if drawn < 0.35:
            return trade.strategy, Tighten(symbol, _off(mark, -trade.side.sign * 15), "by chance")
        return None


def _off(price: Price, basis_points: int) -> Price:
    return Price.of(price.decimal * (10_000 + basis_points) / 10_000).to_tick(CENT)


class WatchedBroker(InProcessBroker):
    """The market, with a list of what was sent and by whom; `sender` says who calls."""

    def __init__(self, feed: BarFeed, scenario: Scenario, history: list[str]) -> None:
        super().__init__(feed, CASH, scenario=scenario)
        self.sender = "bot"
        self.sent: list[tuple[str, str]] = []
        self.refusals: dict[str, str] = {}
        self._history = history

    def submit(self, request: OrderRequest) -> Order:
        """Note each submission and how it ended."""
        self.sent.append((self.sender, request.client_order_id))
        note = f"{self.sender} submits {request.side} {request.quantity} {request.client_order_id}"
        try:
            order = super().submit(request)
        except OrderRefusedError as error:
            self.refusals[request.client_order_id] = str(error)
            self._history.append(f"{note}: refused, {error}")
            raise
        except BrokerUnavailableError:
            self._history.append(f"{note}: no answer")
            raise
        self._history.append(f"{note}: {order.status}")
        return order


@dataclass
class SessionUnderTest:
    """One session from its seed; `run` plays it, `faults_found` says what is not as it must be."""

    folder: Path
    seed: int
    act: Act | None = None
    scenario: Scenario = ALL_GOES_WELL
    history: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        random = Random(self.seed)
        self.act = random.choice(tuple(Act)) if self.act is None else self.act
        self._act_at = OPEN + TICK_LENGTH * random.randrange(8, CALM * 4)
        if self.scenario is ALL_GOES_WELL:
            self.scenario = bad_day(random)
        self._script_seed = random.random()
        instruments = [Instrument(symbol, symbol, CENT) for symbol in SYMBOLS]
        self._instruments = {one.symbol: one for one in instruments}
        self.broker = WatchedBroker(BarFeed(instruments, [TRADED], walk(random)), self.scenario, self.history)
        path = self.folder / f"{self.seed}.db"
        shutil.copy(template(), path)
        self.database = LedgerDatabase(open_sqlite(path))
        self.clock = StandingClock()
        self.ledger = Ledger(self.database, self.clock)
        self.ledger.post_opening_balance(CASH, OPEN, "SIM")
        self.orders = OrderService(self.database, self.conditions, self.clock)
        self.state, self.armed, self.killed, self.paused = State.STARTED, True, False, False
        self.may_trade = self.books_behind = False
        self.reconcile_at = self.clock.at
        self.closing: Closing | None = None
        self.sent_before_kill: int | None = None
        self.last_report: BootReport | None = None
        self._watch_s = 0.0
        self.market_time = OPEN
        self.bot = self.new_bot()

    def new_bot(self) -> BotLoop:
        """A bot process as it comes up."""
        self.script = Script(Random(self._script_seed))
        self._script_seed += 1
        return BotLoop(
            self.broker,
            self,  # type: ignore[arg-type]  # the runner's end of the line, without a line
            self.script,  # type: ignore[arg-type]  # the router's part
            lambda: self.armed,
            lambda: self._watch_s,
            cursor=self.orders.records.execution_cursor(),
            risk_fraction=Decimal("0.01"),
            positions_max=3,
            slippage=SLIPPAGE,
        )

    def conditions(self) -> GateConditions:
        return GateConditions(
            state=self.state,
            armed=self.armed,
            killed=self.killed,
            paused=self.paused,
            market_day=DAY,
            instruments=self._instruments,
            marks=self.script.marks,
            limits=RiskLimits(max_open_positions=3, max_trades=50),
            float_allocation=FLOAT,
        )

    # the play

    def run(self) -> None:
        """Play the session, settle, and let go of the books."""
        self._hold()
        moment = OPEN + timedelta(minutes=1)
        while moment <= TRADED.close_at:
            self.clock.at += TICK_LENGTH
            self._watch_s += TICK_LENGTH.total_seconds()
            self.broker.advance_to(moment)
            self.market_time = moment
            if moment == self._act_at:
                self._do(self.act)
            self._turn_of_bot()
            self._turn_of_runner()
            moment += TICK_LENGTH
        self._settle()

    def close(self) -> None:
        self.database.close()
        for path in self.folder.glob(f"{self.seed}.db*"):
            path.unlink()

    def _hold(self) -> None:
        """Fill the holdings book while nothing goes wrong yet."""
        self.broker.advance_to(OPEN)
        self.state = State.IDLE
        self.broker.sender = "runner"
        for symbol, quantity in HELD.items():
            intent = OrderIntent(
                Book.HOLDINGS,
                "core",
                symbol,
                Side.BUY,
                quantity,
                OrderRole.ENTRY,
                OrderType.MARKET,
                DAY,
                1,
                "core",
                OPEN,
            )
            if (refused := self.orders.accept(intent)) is not None:
                raise AssertionError(refused.reason)
            self.orders.submission(intent.client_order_id, order=self.broker.submit(intent.to_request()))
        self.state = State.STARTED

    def _do(self, act: Act | None) -> None:
        self.history.append(f"{self.market_time:%H:%M:%S} {act}")
        if act in (Act.KILL, Act.STOP):
            self.state, kind = State.GRACEFUL, ClosingKind.STOP
            if act is Act.KILL:
                self.armed, self.killed = False, True
                self.state, kind = State.EMERGENCY, ClosingKind.KILL
            self.sent_before_kill = len(self.broker.sent)
            self.may_trade = False
            self.bot.hear(Halt(reason=kind, cancel_entries=True))
            self.closing = Closing(kind, self.broker, self.orders, self.ledger, self.clock, started_at=self.clock.at)
        elif act is Act.BOT_CRASH:
            self.may_trade = False
            self.bot = self.new_bot()
            self.reconcile_at = self.clock.at

    def _turn_of_bot(self) -> None:
        self.broker.sender = "bot"
        for _ in range(2):
            self._watch_s += 1.0
            self.bot.step(0.0)
        self.broker.sender = "runner"

    def _turn_of_runner(self) -> None:
        if self.closing is not None:
            if self.closing.advance() and self.closing.outcome is ClosingOutcome.FLAT:
                self.history.append(f"{self.market_time:%H:%M:%S} closed, flat")
                self.closing, self.state = None, State.STOPPED
        elif self.sent_before_kill is not None:
            return
        elif self.may_trade and (self.books_behind or self.clock.at >= self.reconcile_at):
            self.books_behind = False
            self._reconcile("timer")
            self.paused = self.last_report is not None and not self.last_report.may_trade
            self.bot.hear(Pause(paused=self.paused, reason="books"))
        elif not self.may_trade and self.clock.at >= self.reconcile_at:
            self._unlock()

    def _unlock(self) -> None:
        if not self._reconcile("boot").may_trade:
            return
        counts: dict[str, int] = {}
        for name in STRATEGIES:
            for symbol in SYMBOLS:
                number = 0
                while self.orders.records.order(f"S-{name}-{symbol}-{DAY:%Y%m%d}-{number + 1}-E") is not None:
                    number += 1
                if number:
                    counts[f"{DAY}/{name}/{symbol}"] = number
        trades = [wire_trade(trade) for trade in self._open_trades()]
        self.state, self.may_trade, self.paused = State.TRADING, True, False
        self.bot.hear(Run(paused=False, trades=trades, counts=counts, float_allocation=str(FLOAT), trades_today=0))

    def _reconcile(self, trigger: str) -> BootReport:
        self.reconcile_at = self.clock.at + RECONCILE_EVERY
        report = reconcile(self.broker, self.orders, self.ledger, self.clock, trigger=trigger)
        self.last_report = report
        if not report.clean:
            self.history.append(f"{self.market_time:%H:%M:%S} {trigger}: {'; '.join(report.sentences)}")
            self.reconcile_at = self.clock.at + timedelta(seconds=15)
        return report

    def _settle(self) -> None:
        """Reconcile as often as it takes an order in doubt to be settled."""
        for _ in range(6):
            self.clock.at += timedelta(seconds=20)
            if self._reconcile("settle").clean:
                return

    # the bot's line to the runner

    def listen(self, _bot: BotLoop) -> None: ...
    def poll(self, _timeout_s: float) -> None: ...
    def tell_market(self, *_told: object, **_more: object) -> None: ...
    def tell_no_trade(self, *_told: object) -> None: ...

    def tell_error(self, error: BaseException) -> None:
        self.history.append(f"{self.market_time:%H:%M:%S} bot: {error}")

    def tell_session(self, what: str, _day: date | None, _at: datetime, _reason: str = "") -> None:
        self.books_behind = self.books_behind or what == "gap"

    def ask_intent(self, intent: OrderIntent) -> GateRefusal | None:
        return self.orders.accept(intent)

    def tell_submission(self, client_order_id: str, *, order: Order | None = None, refused: str | None = None) -> None:
        self.orders.submission(client_order_id, order=order, refused=refused)

    def tell_order(self, order: Order) -> None:
        self.orders.order_changed(order)

    def tell_execution(self, execution: Execution) -> Sequence[OpenTrade]:
        applied = self.orders.execution(execution)
        if applied.outcome is Outcome.QUARANTINED:
            self.history.append(f"not booked yet: {execution}")
            self.books_behind = True
        return self._open_trades()

    def _open_trades(self) -> list[OpenTrade]:
        return [
            OpenTrade(
                trade_id=trade.trade_id,
                symbol=trade.symbol,
                strategy=trade.strategy,
                side=trade.side,
                quantity=trade.quantity,
                entry_price=trade.entry_price,
                stop_price=trade.stop_price,
                target_price=trade.target_price,
                number=self.orders.number_of(trade) or 1,
                session_day=trade.session_day,
                opened_at=trade.opened_at,
            )
            for trade in self.orders.records.open_trades()
        ]
