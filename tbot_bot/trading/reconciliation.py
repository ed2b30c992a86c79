"""What the broker knows against what we know: orders and fills are pulled, then cash and positions are tied out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

from tbot_bot.domain.broker import Broker, BrokerUnavailableError
from tbot_bot.domain.money import Money, Quantity
from tbot_bot.domain.orders import Book, Execution, Order, OrderRole, OrderStatus
from tbot_bot.domain.positions import FillError
from tbot_bot.domain.reconcile import TieOut, TieRow, compare
from tbot_bot.domain.time import Clock, exchange_day, to_rfc3339
from tbot_bot.domain.trades import AppliedExecution, ExecutionConflictError, OrderRecord, Outcome, Reconciliation
from tbot_bot.domain.unresolved import Doubt
from tbot_bot.trading.order_service import OrderService

#: A recorded order may still be on its way for this long; after that "the broker never got it" is final.
SUBMIT_GRACE = timedelta(seconds=15)
#: An order that the broker does not know this long after it was recorded is one in doubt.
ON_ITS_WAY = timedelta(seconds=2)
#: Fills may come in while figures are read; then they are read again, this many times in all.
_READINGS = 3


class LedgerFigures(Protocol):
    """What the ledger says the broker holds for us."""

    def ledger_cash(self) -> Money:
        """Return the sum of the cash accounts that the broker holds."""
        ...

    def ledger_positions(self) -> Mapping[tuple[Book, str], Quantity]:
        """Return the quantity of each book and symbol, from its entries."""
        ...


@dataclass(frozen=True, slots=True)
class PullReport:
    """What one pull found. With a `failure` it is incomplete: the rest is unverifiable, and nothing was assumed.

    `at_broker` are the broker's open orders, `external` those among them that are not on our record. Of our own open
    orders the broker did not list: `unsettled` may still be on their way, `never_sent` and `lost` (taken once, now
    unknown to the broker) were ended on our record. `contradicted` are fills
    that cannot be booked beside what is on record, by execution id, each with the reason.
    """

    at_broker: tuple[Order, ...] = ()
    external: tuple[Order, ...] = ()
    unsettled: tuple[OrderRecord, ...] = ()
    never_sent: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    applied: tuple[AppliedExecution, ...] = ()
    contradicted: Mapping[str, str] = field(default_factory=dict)
    failure: str | None = None

    @property
    def quarantined(self) -> tuple[AppliedExecution, ...]:
        """Fills of orders that are not ours; not booked."""
        return tuple(applied for applied in self.applied if applied.outcome is Outcome.QUARANTINED)


@dataclass(frozen=True, slots=True)
class BootReport:
    """Whether trading may be unlocked.

    `verified`: everything was read and no order is on its way. `exceptions` name each difference in a form that stays
    the same from run to run. `record` is None for a run that verified nothing.
    """

    verified: bool
    sentences: tuple[str, ...]
    rows: tuple[TieRow, ...]
    exceptions: tuple[str, ...]
    pulled: PullReport
    tie: TieOut
    record: Reconciliation | None

    @property
    def clean(self) -> bool:
        return self.verified and not self.exceptions

    @property
    def signed(self) -> bool:
        """An admin has accepted exactly these exceptions."""
        return self.record is not None and self.record.signed_by is not None

    @property
    def may_trade(self) -> bool:
        """Everything agrees, or an admin has accepted what does not."""
        return self.clean or self.signed


def pull(broker: Broker, orders: OrderService, clock: Clock, *, after_sequence: int | None = None) -> PullReport:
    """Bring orders, then fills, up to date with the broker.

    Orders come first, so that every fill an order reports is at the broker when fills are asked for. Fills are read
    after the last one known, or after `after_sequence`; repeats change nothing.
    """
    found = _Findings()
    failure = None
    try:
        _pull_orders(broker, orders, clock.now(), found)
        _pull_executions(broker, orders, after_sequence, found)
    except BrokerUnavailableError as error:
        failure = str(error) or "the broker gave no answer"
    return PullReport(
        at_broker=tuple(found.at_broker),
        external=tuple(found.external),
        unsettled=tuple(found.unsettled),
        never_sent=tuple(found.never_sent),
        lost=tuple(found.lost),
        applied=tuple(found.applied),
        contradicted=found.contradicted,
        failure=failure,
    )


def tie_out(broker: Broker, orders: OrderService, ledger: LedgerFigures, clock: Clock) -> TieOut:
    """Compare the broker's cash and positions with books and ledger at a moment when no fill is on its way."""
    try:
        for _ in range(_READINGS):
            cursor = orders.records.execution_cursor()
            account = broker.account()
            held = {position.symbol: position.quantity for position in broker.positions()}
            books = orders.records.book_positions()
            ledger_cash, in_ledger = ledger.ledger_cash(), ledger.ledger_positions()
            found = _Findings()
            for execution in broker.executions(cursor):
                _book(orders, execution, found)
            if not found.applied and orders.records.execution_cursor() == cursor:
                rows = compare(
                    broker_cash=account.cash, ledger_cash=ledger_cash, broker=held, books=books, ledger=in_ledger
                )
                return TieOut(clock.now(), rows)
    except BrokerUnavailableError as error:
        return TieOut(clock.now(), failure=str(error) or "the broker gave no answer")
    return TieOut(clock.now(), failure="fills kept coming in while the figures were read")


def reconcile(broker: Broker, orders: OrderService, ledger: LedgerFigures, clock: Clock, *, trigger: str) -> BootReport:
    """Pull, classify, tie out, and record what was verified, durably; `trigger` says what asked for it.

    A difference, or a fill in quarantine, is looked into once more by reading every fill from the first, so a fill that
    was never announced is found. A run with the very exceptions of the last one stands on that record, and on its
    signature.
    """
    pulled = pull(broker, orders, clock)
    tie = tie_out(broker, orders, ledger, clock)
    if tie.differences or orders.records.quarantine():
        pulled = _joined(pulled, pull(broker, orders, clock, after_sequence=0))
        tie = tie_out(broker, orders, ledger, clock)
    waiting = orders.records.quarantine()
    exceptions = _exceptions(pulled, waiting, tie)
    verified = pulled.failure is None and not pulled.unsettled and tie.failure is None
    sentences = _sentences(pulled, waiting, tie)
    report = BootReport(verified, sentences, tie.rows, exceptions, pulled, tie, record=None)
    return _recorded(report, broker, orders, clock, trigger) if verified else report


def reconcile_at_boot(broker: Broker, orders: OrderService, ledger: LedgerFigures, clock: Clock) -> BootReport:
    """Reconcile before trading is unlocked."""
    return reconcile(broker, orders, ledger, clock, trigger="boot")


@dataclass(slots=True)
class _Findings:
    """A pull under way; what was found before a failure counts."""

    at_broker: list[Order] = field(default_factory=list)
    external: list[Order] = field(default_factory=list)
    unsettled: list[OrderRecord] = field(default_factory=list)
    never_sent: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    applied: list[AppliedExecution] = field(default_factory=list)
    contradicted: dict[str, str] = field(default_factory=dict)


def _pull_orders(broker: Broker, orders: OrderService, now: datetime, found: _Findings) -> None:
    found.at_broker += broker.open_orders()
    for order in found.at_broker:
        if orders.order_changed(order) is None:
            found.external.append(order)
    listed = {order.client_order_id for order in found.at_broker}
    for open_record in orders.records.open_orders():
        client_order_id = open_record.order.client_order_id
        if client_order_id in listed:
            continue
        order_now = broker.order(client_order_id)
        if order_now is not None:
            orders.order_changed(order_now)
            continue
        record = orders.records.order(client_order_id)
        if record is not None and not record.order.status.is_final:
            _settle_unknown(record, orders, now, found)


def _settle_unknown(record: OrderRecord, orders: OrderService, now: datetime, found: _Findings) -> None:
    """End an order that the broker has proved not to have, unless it may still be on its way."""
    client_order_id = record.order.client_order_id
    if record.order.status is not OrderStatus.PENDING or record.order.broker_order_id:
        orders.end_lost(client_order_id, "the broker no longer knows the order")
        found.lost.append(client_order_id)
    elif now - record.recorded_at < SUBMIT_GRACE:
        found.unsettled.append(record)
        if now - record.recorded_at >= ON_ITS_WAY and record.role in (OrderRole.ENTRY, OrderRole.EXIT):  # legs follow
            orders.unresolved.note(client_order_id, Doubt.UNKNOWN)
            orders.unresolved.asked(client_order_id)
    else:
        orders.end_unsent(client_order_id, "the order never reached the broker")
        found.never_sent.append(client_order_id)


def _pull_executions(broker: Broker, orders: OrderService, after_sequence: int | None, found: _Findings) -> None:
    cursor = orders.records.execution_cursor() if after_sequence is None else after_sequence
    while fresh := broker.executions(cursor):
        for execution in fresh:
            _book(orders, execution, found)
        cursor = fresh[-1].sequence


def _book(orders: OrderService, execution: Execution, found: _Findings) -> None:
    """Book a fill; one that contradicts the record is left out and told, and does not hold up the others."""
    try:
        applied = orders.execution(execution)
    except (ExecutionConflictError, FillError) as error:
        found.contradicted[execution.execution_id] = str(error)
    else:
        if not applied.is_repeat:
            found.applied.append(applied)


def _joined(first: PullReport, second: PullReport) -> PullReport:
    return replace(
        second,
        never_sent=first.never_sent + second.never_sent,
        lost=first.lost + second.lost,
        applied=first.applied + second.applied,
        contradicted={**first.contradicted, **second.contradicted},
    )


def _exceptions(pulled: PullReport, waiting: Sequence[AppliedExecution], tie: TieOut) -> tuple[str, ...]:
    return (
        *(f"{row.name} {row.difference}" for row in tie.differences),
        *(f"external order {order.broker_order_id}" for order in pulled.external),
        *(f"external fill {applied.execution.execution_id}" for applied in waiting),
        *(f"lost order {client_order_id}" for client_order_id in pulled.lost),
        *(f"contradicted fill {execution_id}" for execution_id in pulled.contradicted),
    )


def _sentences(pulled: PullReport, waiting: Sequence[AppliedExecution], tie: TieOut) -> tuple[str, ...]:
    sentences = [f"{row.sentence}." for row in tie.differences]
    sentences += [
        f"The broker has an order that is not ours: {order.side} {order.quantity} {order.symbol} "
        f"({order.client_order_id or order.broker_order_id})."
        for order in pulled.external
    ]
    sentences += [_not_booked(applied.execution) for applied in waiting]
    sentences += [f"The broker no longer knows order {name}, which it had taken." for name in pulled.lost]
    sentences += [f"The broker contradicts what is on record: {reason}" for reason in pulled.contradicted.values()]
    sentences += [f"Order {name} was recorded but never reached the broker." for name in pulled.never_sent]
    sentences += [
        f"Order {record.order.client_order_id} may still be on its way; the broker is asked again."
        for record in pulled.unsettled
    ]
    sentences += [f"Orders and fills could not be verified: {pulled.failure}."] if pulled.failure else []
    sentences += [f"Cash and positions could not be verified: {tie.failure}."] if tie.failure else []
    return tuple(sentences)


def _not_booked(fill: Execution) -> str:
    what = f"{fill.side} {fill.quantity} {fill.symbol} at {fill.price} ({fill.execution_id}); it is not booked."
    if fill.busts is not None:
        return f"The broker undid a fill that is not on record, {fill.busts}: {what}"
    return f"The broker filled an order that is not ours: {what}"


def _recorded(report: BootReport, broker: Broker, orders: OrderService, clock: Clock, trigger: str) -> BootReport:
    last = orders.records.last_reconciliation()
    if report.exceptions and last is not None and json.loads(last.document)["exceptions"] == list(report.exceptions):
        return replace(report, record=last)
    try:
        market_time = broker.clock().now
    except BrokerUnavailableError:  # unverified after all: there is no market time to file the run under
        return replace(report, verified=False)
    record = orders.records.record_reconciliation(
        exchange_day(market_time),
        at=market_time,
        recorded_at=clock.now(),
        trigger=trigger,
        document=_document(report),
        is_clean=report.clean,
    )
    return replace(report, record=record)


def _document(report: BootReport) -> str:
    rows = [
        {
            "name": row.name,
            "broker": _text(row.broker),
            "books": _text(row.books),
            "ledger": str(row.ledger),
            "difference": str(row.difference),
        }
        for row in report.rows
    ]
    return json.dumps(
        {
            "tied_out_at": to_rfc3339(report.tie.at),
            "exceptions": list(report.exceptions),
            "sentences": list(report.sentences),
            "rows": rows,
        }
    )


def _text(figure: Money | Quantity | None) -> str | None:
    return None if figure is None else str(figure)
