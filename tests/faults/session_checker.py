"""What must hold after any session, whatever went wrong in it: the books against what is true at the venue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tbot_bot.domain.money import Money, Quantity
from tbot_bot.domain.orders import Book, Execution, OrderRole, OrderStatus, book_of, role_of
from tbot_bot.trading.closing import REFUSALS_MAX, Closing, ClosingOutcome
from tbot_bot.venue.faults import FaultKind
from tests.faults.sessions import HELD, Act, SessionUnderTest

Complaints = Iterator[str]


def violations(played: SessionUnderTest) -> list[str]:
    """Everything that is not as it must be; empty when all holds."""
    checks = (_sent, _fills, _figures, _orders, _kill, _holdings, _report)
    return [complaint for check in checks for complaint in check(played)]


def executions(played: SessionUnderTest) -> list[Execution]:
    """Every execution at the venue."""
    found: list[Execution] = []
    while page := played.broker.venue.executions(found[-1].sequence if found else 0):
        found += page
    return found


def _sent(played: SessionUnderTest) -> Complaints:
    for client_order_id, count in Counter(name for _, name in played.broker.sent).items():
        if count > 1:
            yield f"{client_order_id} was sent {count} times"
        if played.orders.records.order(client_order_id) is None:
            yield f"{client_order_id} was sent without being on record"


def _fills(played: SessionUnderTest) -> Complaints:
    with played.database.snapshot() as unit:
        for execution in executions(played):
            applied = unit.orders.execution(execution.execution_id)
            if applied is None:
                yield f"the fill {execution.execution_id} of {execution.client_order_id} is lost"
            elif applied.execution != execution:
                yield f"the fill {execution.execution_id} was booked otherwise"


def _figures(played: SessionUnderTest) -> Complaints:
    held: dict[tuple[Book | None, str], Quantity] = {}
    for execution in executions(played):
        key = (book_of(execution.client_order_id), execution.symbol)
        held[key] = held.get(key, Quantity.zero()) + execution.quantity * execution.side.sign
    held = {key: quantity for key, quantity in held.items() if quantity}
    for name, kept in (
        ("books", played.orders.records.book_positions()),
        ("ledger", played.ledger.ledger_positions()),
    ):
        if kept != held:
            yield f"the {name} hold {_text(kept)}, the venue {_text(held)}"
    cash = played.broker.venue.market.account().cash
    if played.ledger.ledger_cash() != cash:
        yield f"the ledger has {played.ledger.ledger_cash()} in cash, the venue {cash}"
    trial = played.ledger.trial_balance()
    if not trial.balanced or sum((line.balance for line in trial.lines), Money.zero()):
        yield "the trial balance is not zero"
    yield from played.orders.records.verify_results()
    yield from (str(difference) for difference in played.ledger.recompute())


def _orders(played: SessionUnderTest) -> Complaints:
    for client_order_id in dict.fromkeys(name for _, name in played.broker.sent):
        record = played.orders.records.order(client_order_id)
        if record is None:
            continue
        status, order = record.order.status, played.broker.venue.order(client_order_id)
        reason = played.broker.refusals.get(client_order_id)
        if order is not None and order.status is not status:
            yield f"{client_order_id} is {order.status} at the venue and {status} on record ({record.order.reason})"
        if order is None and status is not OrderStatus.REJECTED:
            yield f"{client_order_id} never reached the venue and is {status} on record"
        if reason is not None and record.order.reason != reason:
            yield f"{client_order_id} was refused ({reason}) and is on record as {status} ({record.order.reason})"


def _kill(played: SessionUnderTest) -> Complaints:
    if played.sent_before_kill is None:
        return
    for sender, client_order_id in played.broker.sent[played.sent_before_kill :]:
        if sender == "bot" or role_of(client_order_id) is not OrderRole.EXIT:
            yield f"{client_order_id} was sent by the {sender} after {played.act}"
    if played.closing is not None:
        yield from _residuals(played, played.closing)
        return
    left = [symbol for (book, symbol) in played.orders.records.book_positions() if book is Book.STRATEGY]
    if left and not any(execution.busts for execution in executions(played)):
        yield f"the strategy book holds {left} after {played.act}"


def _residuals(played: SessionUnderTest, closing: Closing) -> Complaints:
    """What a closing left must be what the broker refused to close, and all of that must be told."""
    report = closing.report()
    told = {line.symbol for line in report.residuals if line.what == "position"}
    left = {trade.symbol for trade in played.orders.records.open_trades()}
    details = str([(step.name, step.detail) for step in report.steps])
    refused = Counter(trade for trade in played.broker.refusals if role_of(trade) is OrderRole.EXIT)
    if closing.outcome is not ClosingOutcome.RESIDUALS or told != left:
        yield f"{played.act} left {left} and tells of {told}: {details}"
    lied = any(fault.kind is FaultKind.EMPTY_REPLY for fault in played.scenario.faults)
    if any(one.busts for one in executions(played)):  # what the market opened again after it was over
        return
    for symbol in left:
        if lied and f"{symbol}: the broker has no such position" in details:
            continue
        if sum(count for name, count in refused.items() if f"-{symbol}-" in name) < REFUSALS_MAX:
            yield f"{played.act} gave up {symbol}: {details}"


def _holdings(played: SessionUnderTest) -> Complaints:
    """Nothing is sold from the holdings book, and nothing sold by the other book is taken from what it holds."""
    done = executions(played)
    if any(one.side.sign < 0 and one.busts is None and book_of(one.client_order_id) is Book.HOLDINGS for one in done):
        yield "the holdings book was sold"
    if any(one.busts for one in done):  # what the market takes back is nobody's mistake
        return
    held = dict.fromkeys(HELD, Quantity.zero())
    for one in done:
        if one.symbol in held:
            held[one.symbol] += one.quantity * one.side.sign
            if one.side.sign < 0 and held[one.symbol] < HELD[one.symbol]:
                yield f"the holdings book was sold for {one.client_order_id}"


def _report(played: SessionUnderTest) -> Complaints:
    report = played.last_report
    if report is None or not report.clean:
        yield f"after all it is not clean: {None if report is None else report.sentences}"
    if played.act is Act.NOTHING and not played.broker.sent:
        yield "nothing was ever sent"


def _text(held: object) -> str:
    return str({str(key): str(value) for key, value in dict(held).items()})  # type: ignore[call-overload]  # a mapping
