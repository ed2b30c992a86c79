"""A broker that is timed: how long each answer took, and how many calls had none."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from tbot_bot.domain.broker import Broker, BrokerEvent, BrokerUnavailableError, OrderRefusedError
from tbot_bot.domain.market import Bar, Instrument, MarketClock, Quote
from tbot_bot.domain.money import Price
from tbot_bot.domain.orders import BrokerAccount, BrokerPosition, Execution, Order, OrderRequest

T = TypeVar("T")
#: More answers between two looks than these tell nothing new.
ANSWERS_MAX = 100
_MS_PER_S = 1000


@dataclass(frozen=True, slots=True)
class Calls:
    """What became of the calls since the last look: each answer's latency in ms, oldest first, and the lost ones."""

    answers_ms: tuple[int, ...] = ()
    unanswered: int = 0


class MeasuredBroker:
    """Passes every call on to `inner`. A refusal is an answer; waiting for events is no latency, losing them counts."""

    def __init__(self, inner: Broker, monotonic_s: Callable[[], float]) -> None:
        self.code = inner.code
        self._inner = inner
        self._monotonic_s = monotonic_s
        self._answers_ms: deque[int] = deque(maxlen=ANSWERS_MAX)
        self._unanswered = 0

    def take(self) -> Calls:
        """Return what was counted since the last call of this."""
        taken = Calls(tuple(self._answers_ms), self._unanswered)
        self._answers_ms.clear()
        self._unanswered = 0
        return taken

    def clock(self) -> MarketClock:
        return self._timed(self._inner.clock)

    def account(self) -> BrokerAccount:
        return self._timed(self._inner.account)

    def instruments(self) -> Sequence[Instrument]:
        return self._timed(self._inner.instruments)

    def positions(self) -> Sequence[BrokerPosition]:
        return self._timed(self._inner.positions)

    def quotes(self, symbols: Sequence[str]) -> Sequence[Quote]:
        return self._timed(lambda: self._inner.quotes(symbols))

    def bars(self, symbol: str, start_at: datetime, end_at: datetime) -> Sequence[Bar]:
        return self._timed(lambda: self._inner.bars(symbol, start_at, end_at))

    def open_orders(self) -> Sequence[Order]:
        return self._timed(self._inner.open_orders)

    def order(self, client_order_id: str) -> Order | None:
        return self._timed(lambda: self._inner.order(client_order_id))

    def executions(self, after_sequence: int) -> Sequence[Execution]:
        return self._timed(lambda: self._inner.executions(after_sequence))

    def submit(self, request: OrderRequest) -> Order:
        return self._timed(lambda: self._inner.submit(request))

    def cancel(self, client_order_id: str) -> None:
        self._timed(lambda: self._inner.cancel(client_order_id))

    def replace_stop(self, client_order_id: str, stop_price: Price) -> Order:
        return self._timed(lambda: self._inner.replace_stop(client_order_id, stop_price))

    def events(self, timeout_s: float) -> Sequence[BrokerEvent]:
        try:
            return self._inner.events(timeout_s)
        except BrokerUnavailableError:
            self._unanswered += 1
            raise

    def close(self) -> None:
        self._inner.close()

    def _timed(self, call: Callable[[], T]) -> T:
        asked_s = self._monotonic_s()
        try:
            answer = call()
        except BrokerUnavailableError:
            self._unanswered += 1
            raise
        except OrderRefusedError:
            self._note(asked_s)
            raise
        self._note(asked_s)
        return answer

    def _note(self, asked_s: float) -> None:
        self._answers_ms.append(round((self._monotonic_s() - asked_s) * _MS_PER_S))
