"""What a person does to one trade or order: exit, cancel, re-read. The runner sends by itself, with or without the bot.

An exit joins the bracket of its trade at the broker: stop and target stand for what it leaves open, and all together
never close more than is open. It takes the way of every order: recorded and judged, then submitted once.

ManualOrderRefusedError   a rule, the gate or the broker refused; nothing was changed
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock

import structlog

from tbot_bot.domain.audit import RefusedError
from tbot_bot.domain.broker import Broker, BrokerUnavailableError, OrderRefusedError
from tbot_bot.domain.close_reasons import CloseReason
from tbot_bot.domain.intents import OrderIntent
from tbot_bot.domain.manual_exits import ExitFacts, ExitWish, Refusal, judge_cancel, judge_exit
from tbot_bot.domain.market import Instrument
from tbot_bot.domain.money import Price, Quantity
from tbot_bot.domain.orders import Book, OrderRole, OrderStatus, OrderType, client_order_id
from tbot_bot.domain.time import Clock
from tbot_bot.domain.trades import OrderRecord, Trade
from tbot_bot.trading.order_service import OrderService
from tbot_bot.trading.reconciliation import PullReport, pull

log = structlog.get_logger("manual_orders")
#: While an order of a person is not final the broker is asked after it this often.
FOLLOW_EVERY = timedelta(seconds=2)
REASON = "closed by"


class ManualOrderRefusedError(RefusedError):
    """A rule, the gate or the broker refused; nothing was changed."""

    code = "order_refused"

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.sentence)
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class ExitPlan:
    """An exit as it would be sent now; `mark` is the broker's price of the position, None while it is unknown."""

    trade: Trade
    quantity: Quantity
    limit_price: Price | None
    mark: Price | None
    refusal: Refusal | None

    @property
    def price(self) -> Price | None:
        """What a unit would bring or cost: the limit or the mark."""
        return self.limit_price or self.mark


class ManualOrders:
    """Safe to call from several threads. `broker` and `instruments` are asked for when they are needed.

    Every method may raise BrokerUnavailableError before it has changed anything.
    """

    def __init__(
        self,
        broker: Callable[[], Broker],
        orders: OrderService,
        instruments: Callable[[], dict[str, Instrument]],
        clock: Clock,
    ) -> None:
        self._broker = broker
        self._orders = orders
        self._instruments = instruments
        self._clock = clock
        self._acting = Lock()
        self._follow_at: datetime | None = None

    def plan(self, trade: Trade, wish: ExitWish) -> ExitPlan:
        """Say what an exit would do now, without doing it."""
        mark, facts = self._facts(trade)
        return ExitPlan(facts.trade, facts.quantity(wish), wish.limit_price, mark, judge_exit(wish, facts))

    def exit(self, trade: Trade, wish: ExitWish, *, actor: str, request_id: str) -> OrderRecord:
        """Send the exit, once for each request id; the order as it stands then, PENDING while that is unknown.

        Raises ManualOrderRefusedError.
        """
        with self._acting:
            known = self._orders.records.order_asked_by(request_id)
            if known is not None:
                return _unless_refused(known)
            mark, facts = self._facts(trade)
            refusal = judge_exit(wish, facts)
            if refusal is not None:
                raise ManualOrderRefusedError(refusal)
            intent = self._intent(wish, facts, actor, mark)
            refused = self._orders.accept_closing(intent, request_id)
            if refused is not None:
                raise ManualOrderRefusedError(Refusal(refused, "Look at the working orders, and try again."))
            self._submit(intent)
        return self._record(intent.client_order_id)

    def cancel(self, record: OrderRecord) -> OrderRecord:
        """Ask to cancel a working order, and return it as it then stands. Raises ManualOrderRefusedError."""
        refusal = judge_cancel(record)
        if refusal is not None:
            raise ManualOrderRefusedError(refusal)
        try:
            self._broker().cancel(record.order.client_order_id)
        except OrderRefusedError as error:
            raise ManualOrderRefusedError(Refusal(str(error), "Re-read the order from the broker.")) from error
        return self.reread(record)

    def reread(self, record: OrderRecord) -> OrderRecord:
        """Ask the broker after an order and all fills, and return it as the record then has it."""
        name = record.order.client_order_id
        self._pull()
        found = self._broker().order(name)
        if found is not None:
            self._orders.order_changed(found)
        return self._record(name)

    def follow(self) -> None:
        """While an order of a person is not final, bring orders and fills up to date with the broker now and then."""
        now = self._clock.now()
        if self._follow_at is not None and now < self._follow_at:
            return
        self._follow_at = now + FOLLOW_EVERY
        if any(record.request_id is not None for record in self._orders.records.open_orders()):
            found = pull(self._broker(), self._orders, self._clock)
            if found.failure is not None:
                log.warning("an order cannot be followed; the broker is asked again", why=found.failure)

    def _submit(self, intent: OrderIntent) -> None:
        name = intent.client_order_id
        try:
            order = self._broker().submit(intent.to_request())
        except OrderRefusedError as error:
            self._orders.submission(name, refused=str(error))
            raise ManualOrderRefusedError(Refusal(str(error), "Nothing was sent. The trade is as it was.")) from error
        except BrokerUnavailableError as error:
            log.warning("the broker gave no answer to an order", order=name, reason=str(error))
            self._orders.submission(name)
        else:
            self._orders.submission(name, order=order)

    def _facts(self, trade: Trade) -> tuple[Price | None, ExitFacts]:
        """The mark of the position and what its exit is judged by, read from broker and books now."""
        broker, none = self._broker(), Quantity.zero()
        pulled = self._pull()
        current = self._orders.records.trade(trade.trade_id) or trade
        position = next((one for one in broker.positions() if one.symbol == trade.symbol), None)
        others = self._orders.records.book_positions().get((Book.HOLDINGS, trade.symbol), none)
        instrument = self._instruments().get(trade.symbol)
        return position.mark if position else None, ExitFacts(
            trade=current,
            market=broker.clock(),
            at_broker=(position.quantity if position else none) - others,
            working=[
                record
                for record in self._orders.records.open_orders()
                if (record.book, record.role, record.order.symbol) == (Book.STRATEGY, OrderRole.EXIT, trade.symbol)
            ],
            strange=[order for order in pulled.external if order.symbol == trade.symbol],
            tick=instrument.tick if instrument else None,
        )

    def _intent(self, wish: ExitWish, facts: ExitFacts, actor: str, mark: Price | None) -> OrderIntent:
        trade = facts.trade
        number, attempt = self._orders.number_of(trade) or 1, 1
        entry = client_order_id(Book.STRATEGY, trade.strategy, trade.symbol, trade.session_day, number, OrderRole.ENTRY)
        while True:
            intent = OrderIntent(
                book=Book.STRATEGY,
                strategy=trade.strategy,
                symbol=trade.symbol,
                side=trade.side.opposite,
                quantity=facts.quantity(wish),
                role=OrderRole.EXIT,
                type=OrderType.MARKET if wish.limit_price is None else OrderType.LIMIT,
                session_day=trade.session_day,
                number=number,
                reason=f"{REASON} {actor}",
                decided_at=facts.market.now,
                limit_price=wish.limit_price,
                attempt=attempt,
                trade_id=trade.trade_id,
                cause=CloseReason.OPERATOR,
                asked_price=wish.limit_price or mark,
                joins=entry if self._has_legs(entry) else None,
            )
            if self._orders.records.order(intent.client_order_id) is None:
                return intent
            attempt += 1

    def _has_legs(self, entry: str) -> bool:
        """Whether stop or target of the entry still work."""
        return any(
            record.order.parent_client_order_id == entry and record.role is not OrderRole.EXIT
            for record in self._orders.records.open_orders()
        )

    def _pull(self) -> PullReport:
        pulled = pull(self._broker(), self._orders, self._clock)
        if pulled.failure is not None:
            raise BrokerUnavailableError(pulled.failure)
        return pulled

    def _record(self, name: str) -> OrderRecord:
        record = self._orders.records.order(name)
        if record is None:
            raise LookupError(f"order {name} was on record a moment ago")
        return record


def _unless_refused(record: OrderRecord) -> OrderRecord:
    order = record.order
    if order.status is OrderStatus.REJECTED:
        raise ManualOrderRefusedError(Refusal(order.reason or "The order was refused.", "Ask again for a new order."))
    return record
