"""The bot's order recipe: intent acknowledged, then submitted once; in doubt the broker is asked, nothing is resent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum

import structlog

from tbot_bot.domain.broker import Broker, BrokerUnavailableError, OrderRefusedError
from tbot_bot.domain.gate import strategy_paused
from tbot_bot.domain.intents import Enter, NoTrade, OrderIntent, Stage
from tbot_bot.domain.money import Money, Price, Quantity, total
from tbot_bot.domain.orders import Book, OrderRole, OrderType
from tbot_bot.domain.risk import SizingLimits, size_entry
from tbot_bot.trading.entry_limits import EntryLimits
from tbot_bot.trading.execution_port import Runner, Standing
from tbot_bot.trading.execution_view import OrderView

log = structlog.get_logger("execution")
#: The broker says so often that it never got an order before we believe that it is not still on its way.
NOT_FOUND_ANSWERS = 3
DOUBT_PAUSE_S = 0.5


class SendStatus(Enum):
    """What became of an intent. HELD: it was not even asked, so the same one may be tried again."""

    HELD = "held"
    REFUSED = "refused"
    SENT = "sent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Sending:
    """What became of an intent, and where, by which check and why it was stopped."""

    status: SendStatus
    stage: Stage = Stage.ORDER
    check: str = ""
    reason: str = ""


@dataclass(slots=True)
class _Doubt:
    """A submission without an answer, to be asked after at `ask_at_s` (monotonic)."""

    symbol: str
    ask_at_s: float
    not_found: int = 0


class OrderRecipe:
    """Sends what was acknowledged, once, and finds out what became of it."""

    def __init__(
        self, broker: Broker, runner: Runner, view: OrderView, standing: Standing, monotonic_s: Callable[[], float]
    ) -> None:
        self._broker = broker
        self._runner = runner
        self._view = view
        self._standing = standing
        self._monotonic_s = monotonic_s
        self._doubts: dict[str, _Doubt] = {}
        #: When the last order went out, on the monotonic clock.
        self.submitted_at_s = 0.0

    @property
    def is_blocked(self) -> bool:
        """Whether no order at all may be sent now."""
        return self._standing.order_block is not None

    def is_in_doubt(self, client_order_id: str) -> bool:
        """Whether it is still unknown what became of this order."""
        return client_order_id in self._doubts

    def has_doubt_in(self, symbol: str) -> bool:
        """Whether an order in `symbol` has an unknown outcome."""
        return any(doubt.symbol == symbol for doubt in self._doubts.values())

    def send(self, intent: OrderIntent) -> Sending:
        """Have the intent recorded, look whether it may still be sent, submit it once, say what became of it."""
        block = self._block(intent)
        if block is not None:
            return Sending(SendStatus.HELD, Stage.GATE, "held", block)
        refusal = self._runner.ask_intent(intent)
        if refusal is not None:
            return Sending(SendStatus.REFUSED, Stage.GATE, refusal.check, refusal.reason)
        block = self._block(intent)  # the runner may have spoken, or the file gone, while we waited
        if block is not None:
            self._runner.tell_submission(intent.client_order_id, refused=f"not sent: {block}")
            return Sending(SendStatus.REFUSED, Stage.GATE, "held", block)
        return self._submit(intent)

    def _block(self, intent: OrderIntent) -> str | None:
        return self._standing.entry_block if intent.role is OrderRole.ENTRY else self._standing.order_block

    def _submit(self, intent: OrderIntent) -> Sending:
        client_order_id = intent.client_order_id
        self.submitted_at_s = self._monotonic_s()
        try:
            order = self._broker.submit(intent.to_request())
        except OrderRefusedError as error:
            self._runner.tell_submission(client_order_id, refused=str(error))
            return Sending(SendStatus.REFUSED, Stage.ORDER, "broker", str(error))
        except BrokerUnavailableError as error:
            self._doubts[client_order_id] = _Doubt(intent.symbol, self._monotonic_s() + DOUBT_PAUSE_S)
            log.warning("the outcome of an order is unknown", order=client_order_id, reason=str(error))
            self._runner.tell_submission(client_order_id)
            return Sending(SendStatus.UNKNOWN, Stage.ORDER, "broker", str(error))
        self._view.adopt(order)
        self._runner.tell_submission(client_order_id, order=order)
        return Sending(SendStatus.SENT)

    def resolve_doubts(self) -> None:
        """Ask after each submission in doubt that is due; BrokerUnavailableError leaves it in doubt."""
        for client_order_id, doubt in list(self._doubts.items()):
            order = self._view.orders.get(client_order_id)
            if order is None and self._monotonic_s() < doubt.ask_at_s:
                continue
            order = order or self._broker.order(client_order_id)
            if order is not None:
                self._view.adopt(order)
                self._runner.tell_submission(client_order_id, order=order)
                del self._doubts[client_order_id]
                continue
            doubt.not_found += 1
            doubt.ask_at_s = self._monotonic_s() + DOUBT_PAUSE_S * 2**doubt.not_found
            if doubt.not_found >= NOT_FOUND_ANSWERS:
                self._runner.tell_submission(client_order_id, refused="the broker never got the order")
                del self._doubts[client_order_id]


Counts = Mapping[tuple[date, str, str], int]


class EntryDesk:
    """Turns a wish to enter into one sized, acknowledged order; one trade a strategy, symbol and session."""

    def __init__(
        self,
        recipe: OrderRecipe,
        view: OrderView,
        standing: Standing,
        limits: EntryLimits,
        *,
        risk_fraction: Decimal,
        positions_max: int,
    ) -> None:
        self._recipe = recipe
        self._view = view
        self._standing = standing
        self._prices = limits
        self._risk_fraction = risk_fraction
        self._positions_max = positions_max
        self._reference: dict[str, Price] = {}
        self._counts: dict[tuple[date, str, str], int] = {}

    def take_over(self, counts: Counts) -> None:
        """Go on counting from the trades that were made already, by session day, strategy and symbol."""
        self._counts = dict(counts)

    def taken(self, day: date) -> dict[str, set[str]]:
        """By strategy, the symbols that had their trade on `day`."""
        symbols: dict[str, set[str]] = {}
        for counted_day, strategy, symbol in self._counts:
            if counted_day == day:
                symbols.setdefault(strategy, set()).add(symbol)
        return symbols

    def enter(self, strategy: str, wish: Enter, day: date, now: datetime) -> NoTrade | None:
        """Send the entry; returns why not when nothing was sent. `now` is market time."""
        cap = self._prices.cap(wish)
        price = max(wish.reference_price, cap or wish.reference_price)
        sized = self._held_back(strategy, wish) or self._size(wish, price)
        if isinstance(sized, NoTrade):
            return sized
        moved = self._prices.refusal(wish)
        if moved is not None:
            return moved
        key = (day, strategy, wish.symbol)
        intent = OrderIntent(
            book=Book.STRATEGY,
            strategy=strategy,
            symbol=wish.symbol,
            side=wish.side,
            quantity=sized,
            role=OrderRole.ENTRY,
            type=OrderType.MARKET if cap is None else OrderType.LIMIT,
            session_day=day,
            number=self._counts.get(key, 0) + 1,
            reason=wish.reason,
            decided_at=now,
            limit_price=cap,
            stop_price=wish.stop_price,
            target_price=wish.target_price,
            asked_price=wish.reference_price,
        )
        sending = self._recipe.send(intent)
        if sending.status is not SendStatus.HELD:
            self._counts[key] = intent.number
            self._reference[intent.client_order_id] = price
        if sending.status in (SendStatus.HELD, SendStatus.REFUSED):
            return NoTrade(wish.symbol, sending.stage, sending.check, sending.reason)
        return None

    def _held_back(self, strategy: str, wish: Enter) -> NoTrade | None:
        reason = self._standing.paused_strategies.get(strategy)
        return None if reason is None else NoTrade(wish.symbol, Stage.GATE, "paused", strategy_paused(strategy, reason))

    def _size(self, wish: Enter, price: Price) -> Quantity | NoTrade:
        """How many shares to trade at `price`, or why none."""
        block = self._standing.entry_block
        if block is not None:
            return NoTrade(wish.symbol, Stage.GATE, "held", block)
        if self._is_busy(wish.symbol):
            return NoTrade(wish.symbol, Stage.GATE, "busy", "a trade or an order in this symbol is not finished")
        limits = self._limits()
        if limits is None:
            return NoTrade(
                wish.symbol, Stage.RISK, "size", "the float in use is unknown while an entry of unknown price works"
            )
        size = size_entry(price, wish.stop_price, limits)
        return size.quantity or NoTrade(wish.symbol, Stage.RISK, "size", size.too_small_reason)

    def _is_busy(self, symbol: str) -> bool:
        held = {trade.symbol for trade in self._view.trades.values()}
        pending = {order.symbol for order in self._view.pending_entries()}
        return symbol in held | pending or self._recipe.has_doubt_in(symbol)

    def _limits(self) -> SizingLimits | None:
        """What an entry may use now; None when that cannot be known."""
        allocation, deployed = self._standing.float_allocation, self._deployed()
        if allocation is None or deployed is None:
            return None
        return SizingLimits(allocation, deployed, self._risk_fraction, self._positions_max)

    def _deployed(self) -> Money | None:
        """The float in use: open trades at their entry price, pending entries at the price they were decided on."""
        used = [trade.notional for trade in self._view.trades.values()]
        for order in self._view.pending_entries():
            price = self._reference.get(order.client_order_id)
            if price is None:
                return None
            used.append(price * self._view.unbooked(order))
        return total(used)
