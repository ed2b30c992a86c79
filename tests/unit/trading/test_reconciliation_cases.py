"""What can have happened while nobody looked, case by case: what becomes of it, whether it blocks, what is said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tbot_bot.domain.broker import BrokerUnavailableError
from tbot_bot.domain.money import Money, Price, Quantity
from tbot_bot.domain.orders import Execution, Order, OrderStatus, OrderType
from tbot_bot.trading.reconciliation import SUBMIT_GRACE, BootReport, reconcile_at_boot
from tests.unit.trading.desk import MONDAY, Desk, Line, desk, entry_intent, strange_order

ENTRY, STOP, TARGET = (f"S-open-AAA-20131004-1-{letter}" for letter in "EST")
Arrange = Callable[[Desk], None]


@dataclass
class Told(Line):
    """A broker that also tells fills of its own, in the place of the true ones or after them."""

    instead: dict[str, Execution] = field(default_factory=dict)
    later: list[Execution] = field(default_factory=list)
    unlisted: bool = False
    no_fills: bool = False

    def executions(self, after_sequence: int) -> Sequence[Execution]:
        if self.no_fills:
            raise BrokerUnavailableError("no answer")
        told = [self.instead.get(one.execution_id, one) for one in super().executions(after_sequence)]
        return [*told, *(one for one in self.later if one.sequence > after_sequence)]

    def open_orders(self) -> Sequence[Order]:
        return [] if self.unlisted else super().open_orders()


@dataclass(frozen=True)
class Case:
    """What happened; what the next boot makes of it, and the one after that if nothing else happens."""

    name: str
    arrange: Arrange
    held: dict[str, str] = field(default_factory=dict)
    status: dict[str, OrderStatus] = field(default_factory=dict)
    exceptions: tuple[str, ...] = ()
    says: str = ""
    verified: bool = True
    clean_again: bool = True
    volume: str = "100000"


def told(made: Desk) -> Told:
    assert isinstance(made.line, Told)
    return made.line


def bought(made: Desk, quantity: str = "10", *, bracket: bool = False) -> None:
    made.enter("AAA", "buy", quantity, bracket=bracket)
    made.pass_time()


def booked(made: Desk) -> Execution:
    """Buy, and have the fill on record."""
    bought(made)
    (fill,) = made.line.inner.executions(0)
    made.orders.execution(fill)
    return fill


def undone(fill: Execution) -> Execution:
    return replace(
        fill,
        execution_id="B1",
        sequence=fill.sequence + 1,
        side=fill.side.opposite,
        fee=-fill.fee,
        busts=fill.execution_id,
    )


def taken_back(made: Desk, fill: Execution) -> None:
    """The broker undoes a fill."""
    line = told(made)
    line.later = [undone(fill)]
    line.extra = {"AAA": -fill.quantity}
    line.extra_cash = fill.price * fill.quantity + fill.fee


def busted(made: Desk) -> None:
    taken_back(made, booked(made))


def busted_unseen(made: Desk) -> None:
    bought(made)
    taken_back(made, made.line.inner.executions(0)[0])


def busted_before_it_is_told(made: Desk) -> None:
    busted_unseen(made)
    told(made).withheld = {made.line.inner.executions(0)[0].execution_id}


def working(made: Desk) -> None:
    made.enter("AAA", "buy", "10")


def external(made: Desk) -> None:
    made.line.strange = [strange_order("somebody")]


def external_in_our_name(made: Desk) -> None:
    made.line.strange = [strange_order("S-open-CCC-20131004-9-E")]


def recorded(made: Desk) -> None:
    assert made.orders.accept(entry_intent("AAA", "buy", "10")) is None


def never_sent(made: Desk) -> None:
    recorded(made)
    made.books.clock.at += SUBMIT_GRACE


def unheard(made: Desk) -> None:
    recorded(made)
    made.line.inner.submit(entry_intent("AAA", "buy", "10").to_request())
    made.pass_time()


def lost(made: Desk) -> None:
    made.enter("AAA", "buy", "10", bracket=False)
    made.line.forgotten = {ENTRY}


def partly_filled(made: Desk) -> None:
    bought(made, "100")


def partly_filled_then_cancelled(made: Desk) -> None:
    partly_filled(made)
    made.line.inner.cancel(ENTRY)


def cancelled(made: Desk) -> None:
    working(made)
    made.line.inner.cancel(ENTRY)


def expired(made: Desk) -> None:
    bought(made, bracket=True)
    made.at(MONDAY.open_at)


def rejected_afterwards(made: Desk) -> None:
    made.line.submissions = ["reject"]
    intent = entry_intent("AAA", "buy", "10", bracket=False)
    assert made.orders.accept(intent) is None
    made.orders.submission(intent.client_order_id, order=made.line.submit(intent.to_request()))


def closed_by_its_stop(made: Desk) -> None:
    bought(made, bracket=True)
    made.line.inner.replace_stop(STOP, Price.of("99.99"))
    made.line.inner.replace_stop(STOP, Price.of("100.50"))
    made.pass_time()


def stop_moved(made: Desk) -> None:
    bought(made, bracket=True)
    made.line.inner.replace_stop(STOP, Price.of(95))


def sold_short(made: Desk) -> None:
    made.enter("BBB", "sell", "4", bracket=False)
    made.pass_time()


def in_both_books(made: Desk) -> None:
    made.hold("AAA", "buy", "7")
    bought(made)


def told_twice(made: Desk) -> None:
    fill = booked(made)
    told(made).later = [fill]


def known_here_and_not_listed(made: Desk) -> None:
    told(made).withheld = {booked(made).execution_id}


def missing_fill(made: Desk) -> None:
    bought(made)
    told(made).withheld = {made.line.inner.executions(0)[0].execution_id}


def passed_over(made: Desk) -> None:
    bought(made)
    made.enter("BBB", "buy", "5", bracket=False)
    made.pass_time()
    made.orders.execution(made.line.inner.executions(0)[1])


def external_fill(made: Desk) -> None:
    stranger = replace(entry_intent("AAA", "buy", "10", bracket=False), strategy="other")
    made.line.inner.submit(stranger.to_request())
    made.pass_time()


def position_without_orders(made: Desk) -> None:
    made.line.extra = {"CCC": Quantity.of(3)}


def position_gone(made: Desk) -> None:
    booked(made)
    made.line.extra = {"AAA": Quantity.of(-10)}


def cash_differs(made: Desk) -> None:
    made.line.extra_cash = Money(-1)


def told_otherwise(made: Desk) -> None:
    fill = booked(made)
    told(made).instead = {fill.execution_id: replace(fill, price=Price.of(99))}
    made.line.extra_cash = Money(5)  # so that everything is read again


def told_on_the_wrong_side(made: Desk) -> None:
    fill = booked(made)
    made.enter("BBB", "buy", "5", bracket=False)
    made.pass_time()
    second = made.line.inner.executions(fill.sequence)[0]
    told(made).later = [replace(fill, execution_id="W", sequence=second.sequence + 1, side=fill.side.opposite)]


def unlisted(made: Desk) -> None:
    working(made)
    told(made).unlisted = True


def down(made: Desk) -> None:
    made.line.down = True


def fills_unreadable(made: Desk) -> None:
    bought(made)
    told(made).no_fills = True


P = OrderStatus
TEN = {"AAA": "10"}
TWENTY = {"AAA": "20"}
CASES = (
    # matched: pulled, booked once, and trading goes on
    Case("nothing happened", lambda _made: None),
    Case("an order works on", working, status={ENTRY: P.ACCEPTED, STOP: P.ACCEPTED}),
    Case("an order works on, the list is empty", unlisted, status={ENTRY: P.ACCEPTED, STOP: P.ACCEPTED}),
    Case("a submission was not heard of", unheard, TEN, {ENTRY: P.FILLED}),
    Case("filled", bought, TEN, {ENTRY: P.FILLED}),
    Case("filled in part", partly_filled, TWENTY, {ENTRY: P.PARTIALLY_FILLED}, volume="400"),
    Case("filled in part, then cancelled", partly_filled_then_cancelled, TWENTY, {ENTRY: P.CANCELLED}, volume="400"),
    Case("cancelled", cancelled, status={ENTRY: P.CANCELLED, STOP: P.CANCELLED, TARGET: P.CANCELLED}),
    Case("expired", expired, TEN, {ENTRY: P.FILLED, STOP: P.EXPIRED, TARGET: P.EXPIRED}),
    Case("taken, then rejected", rejected_afterwards, status={ENTRY: P.REJECTED}),
    Case("closed by its stop", closed_by_its_stop, status={STOP: P.FILLED, TARGET: P.CANCELLED}),
    Case("its stop was moved", stop_moved, TEN, {STOP: P.ACCEPTED}),
    Case("sold short", sold_short, {"BBB": "-4"}),
    Case("held in both books", in_both_books, TEN),
    Case("told twice", told_twice, TEN),
    Case("known here and not listed there", known_here_and_not_listed, TEN),
    Case("passed over", passed_over, {"AAA": "10", "BBB": "5"}),
    Case("undone", busted, status={ENTRY: P.FILLED}),
    Case("filled and undone", busted_unseen, status={ENTRY: P.FILLED}),
    Case("never sent", never_sent, status={ENTRY: P.REJECTED, STOP: P.REJECTED}, says="never reached the broker"),
    # lost: ended on our record, told once
    Case(
        "forgotten by the broker",
        lost,
        status={ENTRY: P.CANCELLED},
        exceptions=(f"lost order {ENTRY}",),
        says="no longer knows order",
    ),
    # external: nothing is invented, and it blocks until it is gone or signed
    Case(
        "an order of somebody",
        external,
        exceptions=("external order O-77",),
        says="an order that is not ours",
        clean_again=False,
    ),
    Case(
        "an order that only bears our name",
        external_in_our_name,
        exceptions=("external order O-77",),
        says="an order that is not ours",
        clean_again=False,
    ),
    Case(
        "a fill of somebody",
        external_fill,
        exceptions=("cash -1001.1", "AAA 10", "external fill SIM-X1"),
        says="filled an order that is not ours",
        clean_again=False,
    ),
    Case(
        "a position without orders",
        position_without_orders,
        exceptions=("CCC 3",),
        says="CCC: broker 3, books 0, ledger 0",
        clean_again=False,
    ),
    Case(
        "a position that is gone",
        position_gone,
        TEN,
        exceptions=("AAA -10",),
        says="AAA: broker 0, books 10, ledger 10",
        clean_again=False,
    ),
    Case(
        "cash by the smallest unit",
        cash_differs,
        exceptions=("cash -0.00000001",),
        says="cash: broker 99999.99999999",
        clean_again=False,
    ),
    Case(
        "a fill that is not listed",
        missing_fill,
        status={ENTRY: P.FILLED},
        exceptions=("cash -1001.1", "AAA 10"),
        says="AAA: broker 10, books 0",
        clean_again=False,
    ),
    Case(
        "undone before it is told",
        busted_before_it_is_told,
        exceptions=("external fill B1",),
        says="The broker undid a fill that is not on record, SIM-X1",
        clean_again=False,
    ),
    Case(
        "a fill told again otherwise",
        told_otherwise,
        TEN,
        exceptions=("cash 0.00000005", "contradicted fill SIM-X1"),
        says="The broker contradicts what is on record",
        clean_again=False,
    ),
    Case(
        "a fill on the wrong side, and a good one beside it",
        told_on_the_wrong_side,
        {"AAA": "10", "BBB": "5"},
        exceptions=("contradicted fill W",),
        says="not in the symbol and side of its order",
        clean_again=False,
    ),
    # unverifiable: nothing is assumed, and it is asked again
    Case("on its way", recorded, status={ENTRY: P.PENDING}, says="may still be on its way", verified=False),
    Case("no answer", down, says="could not be verified", verified=False),
    Case(
        "no answer about fills",
        fills_unreadable,
        status={ENTRY: P.FILLED},
        says="could not be verified",
        verified=False,
    ),
)


def boot(made: Desk) -> BootReport:
    made.restart()
    return reconcile_at_boot(made.line, made.orders, made.books.ledger, made.books.clock)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_becomes_of_it(tmp_path: Path, case: Case) -> None:
    with desk(tmp_path, volume=case.volume) as made:
        made.line = Told(made.line.inner)
        case.arrange(made)
        report = boot(made)
        assert (report.verified, report.exceptions) == (case.verified, case.exceptions)
        assert report.may_trade is (case.verified and not case.exceptions)
        assert case.says in " ".join(report.sentences)
        assert bool(report.sentences) is bool(case.says)
        assert made.strategy_quantities() == case.held
        for client_order_id, status in case.status.items():
            record = made.orders.records.order(client_order_id)
            assert record is not None
            assert record.order.status is status
        kept = made.orders.records.last_reconciliation()
        assert (kept is not None) is case.verified
        if case.verified:
            assert boot(made).clean is case.clean_again
            assert made.strategy_quantities() == case.held
        assert made.orders.records.verify_results() == ()
        assert made.books.ledger.trial_balance().balanced


@pytest.mark.parametrize("arrange", [missing_fill, busted_before_it_is_told])
def test_it_is_clean_once_the_fill_is_told(tmp_path: Path, arrange: Arrange) -> None:
    with desk(tmp_path) as made:
        made.line = Told(made.line.inner)
        arrange(made)
        assert not boot(made).may_trade
        made.line.withheld = set()
        assert boot(made).clean


def test_a_moved_stop_is_on_record(tmp_path: Path) -> None:
    with desk(tmp_path) as made:
        stop_moved(made)
        boot(made)
        record = made.orders.records.order(STOP)
        assert record is not None
        assert (record.order.type, record.order.stop_price) == (OrderType.STOP, Price.of(95))
