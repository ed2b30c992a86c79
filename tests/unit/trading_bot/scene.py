"""What the bot's tests stand on: bars written as text, books that answer like the runner, a broker that can fail."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from tbot_bot.api.bot_protocol import (
    FROM_BOT,
    Answer,
    AskIntent,
    FromBot,
    Run,
    TellExecution,
    TellMarket,
    TellNoTrade,
    TellOrder,
    TellSession,
    TellSubmission,
    ToBot,
    WireTrade,
)
from tbot_bot.api.model import Message
from tbot_bot.api.trading_settings import TradingSettings
from tbot_bot.api.wire import execution_from_wire, intent_from_wire, order_from_wire, text_or_none
from tbot_bot.control.bot_link import LineChannel, RunnerLink
from tbot_bot.control.bot_loop import BotLoop
from tbot_bot.domain.broker import BrokerEvent, BrokerUnavailableError
from tbot_bot.domain.intents import GateRefusal, OrderIntent
from tbot_bot.domain.market import Bar, Instrument, Session
from tbot_bot.domain.money import Money, Price, Quantity
from tbot_bot.domain.open_trades import OpenTrade
from tbot_bot.domain.orders import Execution, Order, OrderRequest, OrderRole, role_of
from tbot_bot.domain.slippage import SlippageLimits
from tbot_bot.domain.time import to_rfc3339
from tbot_bot.strategies.base import StrategyParameters
from tbot_bot.strategies.registry import in_sequence, parse_parameters
from tbot_bot.trading.strategy_router import StrategyRouter
from tbot_bot.venue.faults import Fault, Scenario
from tbot_bot.venue.feed import BarFeed
from tbot_bot.venue.in_process import InProcessBroker

DAY = date(2024, 5, 7)
OPEN_AT = datetime(2024, 5, 7, 13, 30, tzinfo=UTC)  # 09:30 in New York
SESSION = Session(DAY, OPEN_AT, OPEN_AT + timedelta(minutes=390))
FLOAT = Money.of(50_000)
RULES = TradingSettings().candidate_rules
SLIPPAGE = TradingSettings().slippage_limits


def by_strategy(settings: dict[str, str]) -> dict[str, StrategyParameters]:
    """Parameters by strategy, found by the first word of each setting's name."""
    sorted_out: dict[str, dict[str, str]] = {}
    for name, value in settings.items():
        sorted_out.setdefault(name.partition("_")[0].lower(), {})[name] = value
    return parse_parameters(sorted_out)


def instrument(symbol: str, *, shortable: bool = True, inverse_of: str | None = None) -> Instrument:
    return Instrument(symbol, f"{symbol} Inc.", Price.of("0.01"), shortable, inverse_of)


def minute(number: float, session: Session = SESSION) -> datetime:
    """The moment `number` minutes after the open."""
    return session.open_at + timedelta(minutes=number)


def bars(symbol: str, table: str, session: Session = SESSION) -> list[Bar]:
    """Read lines of `minute open high low close volume`; text after # is for people."""
    rows = [line.partition("#")[0].split() for line in table.strip().splitlines()]
    return [
        Bar(
            symbol,
            minute(int(number), session),
            Price.of(opened),
            Price.of(high),
            Price.of(low),
            Price.of(close),
            Quantity.of(volume),
        )
        for number, opened, high, low, close, volume in (row for row in rows if row)
    ]


def quiet_range(low: str = "99.00", high: str = "101.00", volume: int = 10_000, minutes: int = 15) -> str:
    """The first minutes of a day that draws the range `low` to `high`."""
    middle = Price.of((Decimal(low) + Decimal(high)) / 2)
    return "\n".join(f"{number} {middle} {high} {low} {middle} {volume}" for number in range(minutes))


def flat(price: str, first: int, last: int, volume: int = 10_000) -> str:
    """Minutes in which nothing moves."""
    return "\n".join(f"{number} {price} {price} {price} {price} {volume}" for number in range(first, last + 1))


def make_broker(
    tables: dict[str, str],
    instruments: Sequence[Instrument] | None = None,
    sessions: Sequence[Session] = (SESSION,),
    faults: Sequence[Fault] = (),
) -> InProcessBroker:
    known = instruments or [instrument(symbol) for symbol in tables]
    history = [bar for symbol, table in tables.items() for bar in bars(symbol, table)]
    scenario = Scenario(0, tuple(faults))
    return InProcessBroker(BarFeed(known, sessions, history), Money.of(100_000), scenario=scenario)


class FaultyBroker:
    """A broker behind a bad line: `fail` says of each call if it is lost `before` or `after` the broker acted."""

    code = "SIM"

    def __init__(self, inner: InProcessBroker) -> None:
        self.inner = inner
        self.fail: Callable[[str], str | None] = lambda _name: None
        self.extra: list[BrokerEvent] = []
        self.submitted: list[OrderRequest] = []
        self.cancelled: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., object]:
        method = getattr(self.inner, name)

        def call(*arguments: object) -> object:
            lost = self.fail(name)
            if lost == "before":
                raise BrokerUnavailableError(f"{name}: no answer")
            result = method(*arguments)
            if lost == "after":
                raise BrokerUnavailableError(f"{name}: the answer is lost")
            return result

        return call

    def submit(self, request: OrderRequest) -> Order:
        self.submitted.append(request)
        return self.__getattr__("submit")(request)  # type: ignore[return-value]

    def cancel(self, client_order_id: str) -> None:
        self.cancelled.append(client_order_id)
        self.__getattr__("cancel")(client_order_id)

    def events(self, timeout_s: float) -> Sequence[BrokerEvent]:
        happened: Sequence[BrokerEvent] = self.__getattr__("events")(timeout_s)  # type: ignore[assignment]
        extra, self.extra = self.extra, []
        return [*extra, *happened]


@dataclass
class Books:
    """The runner's part: intents on record, trades made of the fills it was told."""

    intents: dict[str, OrderIntent] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    executions: dict[str, Execution] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    submissions: list[tuple[str, str]] = field(default_factory=list)
    refuse: Callable[[OrderIntent], GateRefusal | None] = lambda _intent: None
    unrecordable: Callable[[str], bool] = lambda _kind: False

    def ask_intent(self, intent: OrderIntent) -> GateRefusal | None:
        self.asked.append(intent.client_order_id)
        if intent.client_order_id in self.intents:
            return GateRefusal("on_record", "on record already")
        self.intents[intent.client_order_id] = intent
        return self.refuse(intent)

    def tell_submission(self, client_order_id: str, *, order: Order | None = None, refused: str | None = None) -> None:
        outcome = refused or ("unknown" if order is None else "accepted")
        self.submissions.append((client_order_id, outcome))

    def tell_order(self, order: Order) -> None:
        self.orders[order.client_order_id] = order

    def tell_execution(self, execution: Execution) -> Sequence[OpenTrade]:
        self.executions.setdefault(execution.execution_id, execution)
        return self.trades()

    def filled(self, trade: OrderIntent, *roles: OrderRole) -> Quantity:
        """What the trade's orders in these roles have filled."""
        base = trade.client_order_id.removesuffix("E")
        parts = [
            fill.quantity * (1 if fill.busts is None else -1)
            for fill in self.executions.values()
            if fill.client_order_id.startswith(base) and role_of(fill.client_order_id) in roles
        ]
        return sum(parts, Quantity.zero())

    def open_quantity(self, trade: OrderIntent) -> Quantity:
        """What was entered less what was closed; negative would be sold too much."""
        closed = self.filled(trade, OrderRole.STOP_LOSS, OrderRole.TAKE_PROFIT, OrderRole.EXIT)
        return self.filled(trade, OrderRole.ENTRY) - closed

    @property
    def entries(self) -> list[OrderIntent]:
        return [intent for intent in self.intents.values() if intent.role is OrderRole.ENTRY]

    @property
    def exits(self) -> list[OrderIntent]:
        return [intent for intent in self.intents.values() if intent.role is OrderRole.EXIT]

    def trades(self) -> list[OpenTrade]:
        return [self._trade(entry) for entry in self.entries if self.open_quantity(entry)]

    def _trade(self, entry: OrderIntent) -> OpenTrade:
        fills = [fill for fill in self.executions.values() if fill.client_order_id == entry.client_order_id]
        return OpenTrade(
            trade_id=f"T-{entry.symbol}-{entry.session_day}",
            symbol=entry.symbol,
            strategy=entry.strategy,
            side=entry.side,
            quantity=self.open_quantity(entry),
            entry_price=fills[0].price,
            stop_price=entry.stop_price,
            target_price=entry.target_price,
            number=entry.number,
            session_day=entry.session_day,
            opened_at=fills[0].at,
        )

    def fills(self) -> list[str]:
        """The fills as text: role, side, quantity, price, minute after the open."""
        return [
            f"{role_of(fill.client_order_id)} {fill.side} {fill.quantity} {fill.price} "
            f"{(fill.at - OPEN_AT) / timedelta(minutes=1):g}"
            for fill in sorted(self.executions.values(), key=lambda one: one.sequence)
        ]


def wire_trade(trade: OpenTrade) -> WireTrade:
    return WireTrade(
        trade_id=trade.trade_id,
        symbol=trade.symbol,
        strategy=trade.strategy,
        side=trade.side,
        quantity=str(trade.quantity),
        entry_price=str(trade.entry_price),
        stop_price=text_or_none(trade.stop_price),
        target_price=text_or_none(trade.target_price),
        number=trade.number,
        session_day=trade.session_day.isoformat(),
        opened_at=to_rfc3339(trade.opened_at),
    )


class RunnerEnd:
    """The other end of the bot's line: a thread that answers from the books, as the runner does."""

    def __init__(self, connection: socket.socket, books: Books) -> None:
        self.books = books
        self.told: list[FromBot] = []
        self.before_answer: Callable[[FromBot], None] = lambda _told: None
        self._connection = connection
        self._writing = threading.Lock()
        self._heard = threading.Condition()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def tell(self, message: ToBot) -> None:
        with self._writing:
            self._connection.sendall(message.model_dump_json().encode() + b"\n")

    def wait_until_heard(self, count: int) -> None:
        """Wait until so many lines have come in."""
        with self._heard:
            assert self._heard.wait_for(lambda: len(self.told) >= count, 10), "the runner's end has died"

    def hang_up(self) -> None:
        self._connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._connection.close()

    def of(self, kind: type[FromBot]) -> list[FromBot]:
        return [told for told in self.told if isinstance(told, kind)]

    @property
    def reasons(self) -> list[tuple[str, str]]:
        return [(told.symbol, told.check) for told in self.told if isinstance(told, TellNoTrade)]

    @property
    def windows(self) -> list[str]:
        """Each window in turn, as the heartbeats name it."""
        seen: list[str] = []
        for told in self.told:
            if isinstance(told, TellMarket) and told.window not in seen[-1:]:
                seen.append(told.window)
        return seen

    @property
    def sessions(self) -> list[str]:
        return [told.what for told in self.told if isinstance(told, TellSession)]

    def _serve(self) -> None:
        # hanging up in the middle of a line or an answer ends the talk, as it does in the runner
        with contextlib.suppress(OSError), self._connection.makefile("rb") as lines:
            for line in lines:
                told = FROM_BOT.validate_json(line)
                self.before_answer(told)
                answer = self._answer(told)
                with self._heard:
                    self.told.append(told)
                    self._heard.notify_all()
                self.tell(answer)

    def _answer(self, told: FromBot) -> Answer:
        if self.books.unrecordable(told.kind):
            return Answer(id=told.id, refused="could not be recorded")
        match told:
            case AskIntent():
                refusal = self.books.ask_intent(intent_from_wire(told.intent))
                return (
                    Answer(id=told.id, refused=refusal.reason, check=refusal.check) if refusal else Answer(id=told.id)
                )
            case TellSubmission():
                order = None if told.order is None else order_from_wire(told.order)
                self.books.tell_submission(told.client_order_id, order=order, refused=told.refused)
            case TellOrder():
                self.books.tell_order(order_from_wire(told.order))
            case TellExecution():
                trades = self.books.tell_execution(execution_from_wire(told.execution))
                return Answer(id=told.id, trades=[wire_trade(trade) for trade in trades])
        return Answer(id=told.id)


class CountingChannel(LineChannel):
    """The bot's channel; it counts what went out, so that a test can wait until all of it was heard."""

    sent = 0

    def send(self, message: Message) -> None:
        super().send(message)
        self.sent += 1


class Stopwatch:
    """A monotonic clock moved by hand."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Scene:
    """A whole bot in this process: its loop, the market, and a runner at the other end of a socket."""

    def __init__(
        self,
        market: InProcessBroker,
        settings: dict[str, str] | None = None,
        names: Sequence[str] = ("open",),
        slippage: SlippageLimits = SLIPPAGE,
    ) -> None:
        self.market = market
        self._slippage = slippage
        self._names = names
        self.broker = FaultyBroker(market)
        self.books = Books()
        self.watch = Stopwatch()
        self.armed = True
        self._ours, theirs = socket.socketpair()
        self._channel = CountingChannel(self._ours)
        self.runner = RunnerEnd(theirs, self.books)
        self.link = RunnerLink(self._channel, self.watch)
        self.loop = self.new_loop(settings or {})

    def new_loop(self, settings: dict[str, str]) -> BotLoop:
        return BotLoop(
            self.broker,  # type: ignore[arg-type]
            self.link,
            StrategyRouter(in_sequence(self._names), by_strategy(settings), RULES),
            lambda: self.armed,
            self.watch,
            cursor=0,
            risk_fraction=Decimal("0.01"),
            positions_max=5,
            slippage=self._slippage,
        )

    def run(self, *, paused: bool = False) -> None:
        """Say Run, with the trades that the books have."""
        counts = {f"{one.session_day}/{one.strategy}/{one.symbol}": one.number for one in self.books.entries}
        trades = [wire_trade(trade) for trade in self.books.trades()]
        self.say(Run(paused=paused, trades=trades, counts=counts, float_allocation=str(FLOAT), trades_today=0))

    def say(self, message: ToBot) -> None:
        """Tell the bot, and let it hear."""
        self.runner.tell(message)
        self.link.poll(5.0)

    def step(self, times: int = 1) -> None:
        """Let the bot take turns, a second of wall time apart."""
        for _ in range(times):
            self.watch.now_s += 1.0
            self.loop.step(0.0)
        self.runner.wait_until_heard(self._channel.sent)

    def play(self, last: int, first: int = 0, each: Iterable[float] = (0.0, 0.25, 0.5, 0.75)) -> None:
        """Let the market run from minute `first` to `last`, the bot taking two turns at each tick."""
        for number in range(first, last + 1):
            for part in each:
                self.market.advance_to(OPEN_AT + timedelta(minutes=number + part))
                self.step(2)

    def close(self) -> None:
        self.runner.hang_up()
        self._ours.close()
