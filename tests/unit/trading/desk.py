"""A runner's trading desk for tests: real books, a small simulated market, and a line to it that can fail."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from tbot_bot.domain.broker import BrokerEvent, BrokerUnavailableError, OrderRefusedError
from tbot_bot.domain.gate import GateConditions, RiskLimits
from tbot_bot.domain.intents import OrderIntent
from tbot_bot.domain.lifecycle import State
from tbot_bot.domain.market import Bar, Instrument, MarketClock, Quote, Session
from tbot_bot.domain.money import Money, Price, Quantity
from tbot_bot.domain.orders import (
    Book,
    BrokerAccount,
    BrokerPosition,
    Execution,
    Order,
    OrderRequest,
    OrderRole,
    OrderStatus,
    OrderType,
    Side,
)
from tbot_bot.domain.trades import order_of
from tbot_bot.trading.closing import Closing, ClosingKind
from tbot_bot.trading.order_service import OrderService
from tbot_bot.venue.faults import Fault, Scenario
from tbot_bot.venue.feed import BarFeed
from tbot_bot.venue.in_process import InProcessBroker
from tests.ledger_books import WALL, Books, books

MINUTES = 40
CENT = Price.of("0.01")


def session(day: date) -> Session:
    """A session of MINUTES minutes from 13:30 UTC."""
    open_at = datetime(day.year, day.month, day.day, 13, 30, tzinfo=UTC)
    return Session(day, open_at, open_at + timedelta(minutes=MINUTES))


FRIDAY, MONDAY = session(date(2013, 10, 4)), session(date(2013, 10, 7))
DAY = FRIDAY.day


def wavy_bars(symbol: str, price: str, volume: str, wave: str) -> Iterator[Bar]:
    """Every minute of both sessions: at `price`, `wave` above it, at it, `wave` below it, and again."""
    for each in (FRIDAY, MONDAY):
        for minute in range(MINUTES):
            start_at = each.open_at + timedelta(minutes=minute)
            at = Price.of(price) + Price.of(wave) * (0, 1, 0, -1)[minute % 4]
            yield Bar(symbol, start_at, at, at, at, at, Quantity.of(volume))


def market(
    prices: dict[str, str], volume: str, wave: str, cash: str = "100000", faults: Sequence[Fault] = ()
) -> InProcessBroker:
    """A market that has been open for a minute."""
    instruments = [Instrument(symbol, symbol, CENT) for symbol in prices]
    bars = [bar for symbol, price in prices.items() for bar in wavy_bars(symbol, price, volume, wave)]
    feed = BarFeed(instruments, [FRIDAY, MONDAY], bars)
    broker = InProcessBroker(feed, Money.of(cash), scenario=Scenario(0, tuple(faults)))
    broker.advance_to(FRIDAY.open_at + timedelta(minutes=1))
    return broker


class CrashError(Exception):
    """The process ends here."""


@dataclass
class Line:
    """The broker port over a line that can be cut, lose an answer on its way back, or hear refusals."""

    inner: InProcessBroker
    code: str = "SIM"
    down: bool = False
    #: Each submission takes the next word: "lost" never arrives, "unheard" arrives but is not answered,
    #: "refuse", "reject" is taken first and rejected afterwards, "crash" kills the caller before it could send.
    submissions: list[str] = field(default_factory=list)
    #: Each call takes the next word: "out" is an outage, "crash" kills the caller.
    answers: list[str] = field(default_factory=list)
    submitted: list[str] = field(default_factory=list)
    rejected: dict[str, Order] = field(default_factory=dict)
    forgotten: set[str] = field(default_factory=set)
    strange: list[Order] = field(default_factory=list)
    extra_cash: Money = field(default_factory=Money.zero)
    extra: dict[str, Quantity] = field(default_factory=dict)
    withheld: set[str] = field(default_factory=set)
    #: Cancels take effect only when time passes: the order may fill meanwhile.
    slow: bool = False
    cancelling: list[str] = field(default_factory=list)
    calls: int = 0

    def _call(self) -> None:
        self.calls += 1
        word = self.answers.pop(0) if self.answers else "ok"
        if word == "crash":
            raise CrashError
        if self.down or word == "out":
            raise BrokerUnavailableError("no answer")

    def clock(self) -> MarketClock:
        self._call()
        return self.inner.clock()

    def account(self) -> BrokerAccount:
        self._call()
        account = self.inner.account()
        return replace(account, cash=account.cash + self.extra_cash)

    def instruments(self) -> Sequence[Instrument]:
        self._call()
        return self.inner.instruments()

    def positions(self) -> Sequence[BrokerPosition]:
        self._call()
        held = {position.symbol: position for position in self.inner.positions()}
        for symbol, quantity in self.extra.items():
            known = held.get(symbol, BrokerPosition(symbol, Quantity.zero(), Price.of(1)))
            held[symbol] = replace(known, quantity=known.quantity + quantity)
        return [position for position in held.values() if position.quantity]

    def quotes(self, symbols: Sequence[str]) -> Sequence[Quote]:
        self._call()
        return self.inner.quotes(symbols)

    def bars(self, symbol: str, start_at: datetime, end_at: datetime) -> Sequence[Bar]:
        self._call()
        return self.inner.bars(symbol, start_at, end_at)

    def open_orders(self) -> Sequence[Order]:
        self._call()
        ours = [order for order in self.inner.open_orders() if order.client_order_id not in self.forgotten]
        return [*ours, *self.strange]

    def order(self, client_order_id: str) -> Order | None:
        self._call()
        if client_order_id in self.forgotten:
            return None
        return self.rejected.get(client_order_id) or self.inner.order(client_order_id)

    def executions(self, after_sequence: int) -> Sequence[Execution]:
        self._call()
        return [one for one in self.inner.executions(after_sequence) if one.execution_id not in self.withheld]

    def submit(self, request: OrderRequest) -> Order:
        self._call()
        self.submitted.append(request.client_order_id)
        fate = self.submissions.pop(0) if self.submissions else "ok"
        if fate == "lost":
            raise BrokerUnavailableError("the line broke")
        if fate == "crash":
            raise CrashError
        if fate == "refuse":
            raise OrderRefusedError("not today")
        if fate == "reject":
            taken = order_of(request, self.inner.clock().now)
            taken = replace(taken, broker_order_id=f"R-{len(self.submitted)}", status=OrderStatus.ACCEPTED)
            self.rejected[request.client_order_id] = replace(taken, status=OrderStatus.REJECTED, reason="halted")
            return taken
        order = self.inner.submit(request)
        if fate == "unheard":
            raise BrokerUnavailableError("the answer was lost")
        return order

    def cancel(self, client_order_id: str) -> None:
        self._call()
        if client_order_id in {order.client_order_id for order in self.strange}:
            self.strange = [order for order in self.strange if order.client_order_id != client_order_id]
        elif self.slow:
            self.cancelling.append(client_order_id)
        else:
            self.inner.cancel(client_order_id)

    def deliver_cancels(self) -> None:
        """Let the cancels asked for take effect."""
        names, self.cancelling = self.cancelling, []
        for name in names:
            self.inner.cancel(name)

    def events(self, timeout_s: float) -> Sequence[BrokerEvent]:
        self._call()
        return self.inner.events(timeout_s)

    def close(self) -> None:
        self.inner.close()


@dataclass
class Desk:
    """Books, market and order service together."""

    books: Books
    line: Line
    conditions: GateConditions

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget everything in memory, as after a crash of the runner."""
        self.orders = OrderService(self.books.database, lambda: self.conditions, self.books.clock)

    def pass_time(self, seconds: int = 15) -> None:
        """Let wall and market time go by."""
        self.books.clock.at += timedelta(seconds=seconds)
        now = self.line.inner.clock().now
        self.line.inner.advance_to(now + timedelta(seconds=seconds))
        self.line.deliver_cancels()

    def at(self, moment: datetime) -> None:
        """Move market time alone."""
        self.line.inner.advance_to(moment)

    def enter(self, symbol: str, side: str, quantity: str, *, number: int = 1, bracket: bool = True) -> OrderIntent:
        """Ask for, submit and report an entry as the bot does."""
        entry = entry_intent(symbol, side, quantity, number=number, bracket=bracket)
        refused = self.orders.accept(entry)
        if refused is not None:
            raise AssertionError(refused)
        order = self.line.inner.submit(entry.to_request())
        self.orders.submission(entry.client_order_id, order=order)
        return entry

    def hold(self, symbol: str, side: str, quantity: str) -> None:
        """Trade in the holdings book until filled and booked."""
        made = replace(entry_intent(symbol, side, quantity, bracket=False), book=Book.HOLDINGS, strategy="core")
        if (refused := self.orders.accept(made)) is not None:
            raise AssertionError(refused)
        self.orders.submission(made.client_order_id, order=self.line.inner.submit(made.to_request()))

    def closing(self, kind: ClosingKind = ClosingKind.STOP) -> Closing:
        """Begin, or begin again, to close."""
        clock = self.books.clock
        return Closing(kind, self.line, self.orders, self.books.ledger, clock, started_at=clock.at)

    def strategy_quantities(self) -> dict[str, str]:
        """What the strategy book holds, as text."""
        held = self.orders.records.book_positions()
        return {symbol: str(quantity) for (book, symbol), quantity in held.items() if book is Book.STRATEGY}


def entry_intent(symbol: str, side: str, quantity: str, *, number: int = 1, bracket: bool = True) -> OrderIntent:
    """An entry at about 100 with legs at 90 and 110."""
    low, high = Price.of(90), Price.of(110)
    is_buy = side == "buy"
    return OrderIntent(
        book=Book.STRATEGY,
        strategy="open",
        symbol=symbol,
        side=Side(side),
        quantity=Quantity.of(quantity),
        role=OrderRole.ENTRY,
        type=OrderType.MARKET,
        session_day=DAY,
        number=number,
        reason="breakout",
        decided_at=FRIDAY.open_at + timedelta(minutes=1),
        stop_price=(low if is_buy else high) if bracket else None,
        target_price=(high if is_buy else low) if bracket else None,
    )


def strange_order(client_order_id: str) -> Order:
    """A working order that is on no record of ours."""
    return Order(
        client_order_id=client_order_id,
        broker_order_id="O-77",
        symbol="CCC",
        side=Side.BUY,
        quantity=Quantity.of(10),
        type=OrderType.LIMIT,
        status=OrderStatus.ACCEPTED,
        filled=Quantity.zero(),
        limit_price=Price.of(50),
        stop_price=None,
        updated_at=FRIDAY.open_at,
    )


def exit_intent(symbol: str, side: str, quantity: str, *, number: int = 1, attempt: int = 1) -> OrderIntent:
    """A market exit of trade `number` of the day."""
    entry = entry_intent(symbol, side, quantity, number=number, bracket=False)
    return replace(entry, role=OrderRole.EXIT, reason="time", attempt=attempt)


def conditions(symbols: Sequence[str] = ("AAA", "BBB", "CCC"), **changes: object) -> GateConditions:
    """A trading moment with generous limits."""
    usual: dict[str, object] = {
        "state": State.TRADING,
        "armed": True,
        "killed": False,
        "paused": False,
        "market_day": DAY,
        "instruments": {symbol: Instrument(symbol, symbol, CENT) for symbol in symbols},
        "marks": {symbol: Price.of(100) for symbol in symbols},
        "limits": RiskLimits(max_open_positions=5, max_trades=10),
        "float_allocation": Money.of(100000),
    }
    return GateConditions(**{**usual, **changes})  # type: ignore[arg-type]  # a test's way to name what it changes


@contextmanager
def desk(folder: Path, *, volume: str = "100000", wave: str = "0") -> Iterator[Desk]:
    """A desk with 100,000 in cash and three symbols at 100."""
    with books(folder) as made:
        made.clock.at = WALL
        line = Line(market(dict.fromkeys(("AAA", "BBB", "CCC"), "100"), volume, wave))
        yield Desk(made, line, conditions())
