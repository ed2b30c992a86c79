"""The broker port over the simulated market's socket."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from tbot_bot.brokers.sim.connection import Connection
from tbot_bot.brokers.sim.wire import WireError, decode, decode_event, encode
from tbot_bot.domain.broker import BrokerEvent, BrokerUnavailableError, GapDetected
from tbot_bot.domain.market import Bar, Instrument, MarketClock, Quote
from tbot_bot.domain.money import Price
from tbot_bot.domain.orders import BrokerAccount, BrokerPosition, Execution, Order, OrderRequest

T = TypeVar("T")


class SimBroker:
    """The simulated market's client: one connection for calls, one for events; safe for several threads.

    It connects on the first call and again on the first call after a failure, and then reports GapDetected. Each new
    connection for calls ends the one before at the market too, so a call that timed out cannot take effect later.
    An answer says of what market time it is; one from before what was known when the call was made is no answer.
    """

    code = "SIM"

    def __init__(self, socket_path: Path, *, timeout_s: float = 5.0) -> None:
        self._path = socket_path
        self._timeout_s = timeout_s
        self._client = secrets.token_hex(8)
        self._calls: Connection | None = None
        self._stream: Connection | None = None
        self._calls_lock = Lock()
        self._stream_lock = Lock()
        self._epoch: str | None = None
        self._newest: tuple[str, datetime] | None = None
        self._seen = 0
        self._lost: str | None = None

    def clock(self) -> MarketClock:
        return self._one(MarketClock, "clock", {})

    def account(self) -> BrokerAccount:
        return self._one(BrokerAccount, "account", {})

    def instruments(self) -> Sequence[Instrument]:
        return self._many(Instrument, "instruments", {})

    def positions(self) -> Sequence[BrokerPosition]:
        return self._many(BrokerPosition, "positions", {})

    def quotes(self, symbols: Sequence[str]) -> Sequence[Quote]:
        return self._many(Quote, "quotes", {"symbols": list(symbols)})

    def bars(self, symbol: str, start_at: datetime, end_at: datetime) -> Sequence[Bar]:
        return self._many(Bar, "bars", {"symbol": symbol, "start_at": encode(start_at), "end_at": encode(end_at)})

    def open_orders(self) -> Sequence[Order]:
        return self._many(Order, "open_orders", {})

    def order(self, client_order_id: str) -> Order | None:
        found = self._many(Order, "order", {"client_order_id": client_order_id})
        return found[0] if found else None

    def executions(self, after_sequence: int) -> Sequence[Execution]:
        return self._many(Execution, "executions", {"after_sequence": after_sequence})

    def submit(self, request: OrderRequest) -> Order:
        return self._one(Order, "submit", {"request": encode(request)})

    def cancel(self, client_order_id: str) -> None:
        self._call("cancel", {"client_order_id": client_order_id})

    def replace_stop(self, client_order_id: str, stop_price: Price) -> Order:
        return self._one(Order, "replace_stop", {"client_order_id": client_order_id, "stop_price": encode(stop_price)})

    def events(self, timeout_s: float) -> Sequence[BrokerEvent]:
        with self._stream_lock:
            if self._stream is None:
                self._stream = self._connect("events")
            if self._lost is not None:
                reason, self._lost = self._lost, None
                return [GapDetected(reason)]
            arguments = {"epoch": self._epoch, "after": self._seen, "timeout_ms": int(timeout_s * 1000)}
            try:
                answer = self._ask(self._stream, "events", arguments, wait_s=timeout_s)
                events = [decode_event(item) for item in answer["events"]]
                self._epoch, self._seen = answer["epoch"], answer["next"]
            except BrokerUnavailableError as error:
                self._drop_stream(str(error))
                raise
            except (WireError, TypeError, KeyError) as error:
                self._drop_stream(str(error))
                raise BrokerUnavailableError(f"the simulated market sent an unreadable event: {error}") from error
            return events

    def close(self) -> None:
        for connection in (self._calls, self._stream):
            if connection is not None:
                connection.close()
        self._calls = self._stream = None

    def _connect(self, channel: str) -> Connection:
        """Connect, and let events begin where this client first met the market."""
        connection = Connection(self._path, self._client, channel, self._timeout_s)
        if self._epoch is None:
            self._epoch, self._seen = connection.greeting["epoch"], connection.greeting["latest"]
        return connection

    def _drop_stream(self, reason: str) -> None:
        if self._stream is not None:
            self._stream.close()
        self._stream = None
        self._lost = reason

    def _call(self, call: str, arguments: Mapping[str, Any]) -> Any:
        with self._calls_lock:
            if self._calls is None:
                self._calls = self._connect("calls")
            try:
                return self._ask(self._calls, call, arguments)
            except BrokerUnavailableError as error:
                self._calls = None
                self._lost = str(error)
                raise

    def _ask(self, connection: Connection, call: str, arguments: Mapping[str, Any], wait_s: float = 0.0) -> Any:
        """Ask, and see that the answer is not older than what was known before; a restarted market begins anew."""
        before, epoch = self._newest, str(connection.greeting["epoch"])
        result = connection.ask(call, arguments, wait_s)
        as_of = connection.as_of
        if as_of is not None:
            if before is not None and before[0] == epoch and as_of < before[1]:
                connection.close()
                raise BrokerUnavailableError(f"the simulated market's answer to {call} is older than one before it")
            now = self._newest
            self._newest = max(now, (epoch, as_of)) if now is not None and now[0] == epoch else (epoch, as_of)
        return result

    def _one(self, kind: type[T], call: str, arguments: Mapping[str, Any]) -> T:
        answer = self._call(call, arguments)
        try:
            return decode(kind, answer)
        except WireError as error:
            raise BrokerUnavailableError(f"the simulated market's answer to {call} is unreadable: {error}") from error

    def _many(self, kind: type[T], call: str, arguments: Mapping[str, Any]) -> list[T]:
        answer = self._call(call, arguments)
        try:
            return [decode(kind, item) for item in answer]
        except (WireError, TypeError) as error:
            raise BrokerUnavailableError(f"the simulated market's answer to {call} is unreadable: {error}") from error
