"""The skeleton of a broker. Copy the folder, rename the class, replace every refusal, add an entry to `registry`.

Required calls: clock, account, instruments, positions, quotes, bars, open_orders, order, executions, submit, cancel,
events, close. None is optional: the bot reconciles by the questions and trades by the commands. A broker without a
push channel answers `events` by asking `open_orders` and `executions` itself and reporting the differences. A broker
without native brackets keeps the legs in its adapter only if it can restore them after a crash; otherwise it refuses
a request that has a bracket.

Quality checklist, all of it before the broker is offered in the registry:
- the contract suite (`tests/contract/broker_contract.py`) passes against a server that speaks the real wire format;
- every failure to get an answer is BrokerUnavailableError; OrderRefusedError only when the broker proved a refusal;
- `submit` is sent once and never repeated by a retry layer; the client order id reaches the broker unchanged;
- an execution has the broker's own id, the fee it really charged, and a sequence that survives a restart;
- after a lost connection `events` reports GapDetected before anything else;
- amounts are read from text, times are converted to UTC, and an empty answer is never made out of a failed one;
- credentials are taken from the setup, are never logged, and are absent from every message.
"""

# ruff: noqa: ARG002  the skeleton answers nothing, so it reads no argument
from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tbot_bot.brokers.setup import BrokerSetup
from tbot_bot.domain.broker import BrokerError, BrokerEvent
from tbot_bot.domain.market import Bar, Instrument, MarketClock, Quote
from tbot_bot.domain.money import Price
from tbot_bot.domain.orders import BrokerAccount, BrokerPosition, Execution, Order, OrderRequest


class TemplateCallError(BrokerError):
    """The template was called: it trades nowhere."""

    def __init__(self, call: str) -> None:
        super().__init__(f"the template broker trades nowhere and cannot answer {call}; choose another broker")


class TemplateBroker:
    """One account at the broker."""

    code = "TEMPLATE"

    def __init__(self, setup: BrokerSetup) -> None:
        self._setup = setup

    def clock(self) -> MarketClock:
        raise TemplateCallError("clock")

    def account(self) -> BrokerAccount:
        raise TemplateCallError("account")

    def instruments(self) -> Sequence[Instrument]:
        raise TemplateCallError("instruments")

    def positions(self) -> Sequence[BrokerPosition]:
        raise TemplateCallError("positions")

    def quotes(self, symbols: Sequence[str]) -> Sequence[Quote]:
        raise TemplateCallError("quotes")

    def bars(self, symbol: str, start_at: datetime, end_at: datetime) -> Sequence[Bar]:
        raise TemplateCallError("bars")

    def open_orders(self) -> Sequence[Order]:
        raise TemplateCallError("open_orders")

    def order(self, client_order_id: str) -> Order | None:
        raise TemplateCallError("order")

    def executions(self, after_sequence: int) -> Sequence[Execution]:
        raise TemplateCallError("executions")

    def submit(self, request: OrderRequest) -> Order:
        raise TemplateCallError("submit")

    def cancel(self, client_order_id: str) -> None:
        raise TemplateCallError("cancel")

    def replace_stop(self, client_order_id: str, stop_price: Price) -> Order:
        raise TemplateCallError("replace_stop")

    def events(self, timeout_s: float) -> Sequence[BrokerEvent]:
        raise TemplateCallError("events")

    def close(self) -> None:
        """Let go of connections; the template has none."""
