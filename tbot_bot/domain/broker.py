"""The port every broker implements, and the ways it can fail.

BrokerError
+-- BrokerUnavailableError   no answer: the outcome is unknown, ask by client order id, never resend
+-- OrderRefusedError        the broker proved that it did not take the order
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tbot_bot.domain.market import Bar, Instrument, MarketClock, Quote, Session
from tbot_bot.domain.money import Price
from tbot_bot.domain.orders import BrokerAccount, BrokerPosition, Execution, Order, OrderRequest


class BrokerError(Exception):
    """Something about the broker went wrong; the message is for the operator."""


class BrokerUnavailableError(BrokerError):
    """The broker gave no usable answer, so what happened is unknown."""


class OrderRefusedError(BrokerError):
    """The broker answered that it did not accept the order; sending it again will not help."""


@dataclass(frozen=True, slots=True)
class BarClosed:
    """A minute is over."""

    bar: Bar


@dataclass(frozen=True, slots=True)
class OrderChanged:
    """An order's status or fill changed."""

    order: Order


@dataclass(frozen=True, slots=True)
class Executed:
    """An order was filled, wholly or in part."""

    execution: Execution


@dataclass(frozen=True, slots=True)
class SessionOpened:
    """Regular trading began."""

    session: Session


@dataclass(frozen=True, slots=True)
class SessionClosed:
    """Regular trading ended; day orders have expired."""

    session: Session


@dataclass(frozen=True, slots=True)
class FeedEnded:
    """No session will follow."""

    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class GapDetected:
    """Events were lost between broker and client: reconcile before relying on order and position state."""

    reason: str


BrokerEvent = BarClosed | OrderChanged | Executed | SessionOpened | SessionClosed | FeedEnded | GapDetected


class Broker(Protocol):
    """One account at one broker. Every method may raise BrokerUnavailableError: unknown, not empty."""

    code: str

    def clock(self) -> MarketClock:
        """Return market time and the current or next session."""
        ...

    def account(self) -> BrokerAccount:
        """Return cash, equity and buying power."""
        ...

    def instruments(self) -> Sequence[Instrument]:
        """Return what can be traded."""
        ...

    def positions(self) -> Sequence[BrokerPosition]:
        """Return every non-zero position."""
        ...

    def quotes(self, symbols: Sequence[str]) -> Sequence[Quote]:
        """Return the latest quote of each symbol that has one."""
        ...

    def bars(self, symbol: str, start_at: datetime, end_at: datetime) -> Sequence[Bar]:
        """Return the finished bars of `symbol` that begin in [start_at, end_at), oldest first."""
        ...

    def open_orders(self) -> Sequence[Order]:
        """Return every order that is not final, bracket legs included."""
        ...

    def order(self, client_order_id: str) -> Order | None:
        """Return the order with this client id, None if the broker has proved that it never got it."""
        ...

    def executions(self, after_sequence: int) -> Sequence[Execution]:
        """Return executions with a greater sequence, oldest first; call again from the last until none come."""
        ...

    def submit(self, request: OrderRequest) -> Order:
        """Submit once. A client id seen before returns that order unchanged: a retry never doubles.

        Raises OrderRefusedError when the broker refused it, BrokerUnavailableError when the outcome is unknown.
        """
        ...

    def cancel(self, client_order_id: str) -> None:
        """Ask to cancel; the outcome comes as OrderChanged. Cancelling a final order does nothing."""
        ...

    def replace_stop(self, client_order_id: str, stop_price: Price) -> Order:
        """Move the price of a working stop order, and nothing else of it: its client id and its bracket stay.

        The old stop protects until the new one does; there is no moment without. Asking for the price that it has
        changes nothing. Raises OrderRefusedError when the order is final, unknown, no stop, or being filled, or when
        the price is impossible; the old stop then stands.
        """
        ...

    def events(self, timeout_s: float) -> Sequence[BrokerEvent]:
        """Wait up to `timeout_s` for events since the last call; oldest first, empty when nothing happened."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
