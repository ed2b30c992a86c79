"""Orders in doubt are kept, counted and logged until the broker's word or a signature settles them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tbot_bot.domain.orders import OrderStatus
from tbot_bot.domain.unresolved import Doubt
from tbot_bot.trading.reconciliation import pull
from tests.unit.trading.desk import Desk, desk, entry_intent

NAME = "S-open-AAA-20131004-1-E"


@pytest.fixture
def trading(tmp_path: Path) -> Iterator[Desk]:
    with desk(tmp_path) as made:
        yield made


def in_doubt(made: Desk) -> list[tuple[str, Doubt, int]]:
    found = made.orders.unresolved.open()
    return [(one.record.order.client_order_id, one.doubt, one.asked) for one in found]


def look(made: Desk, seconds: int) -> None:
    made.pass_time(seconds)
    assert pull(made.line, made.orders, made.books.clock).failure is None


def test_an_order_without_an_answer_is_asked_after_until_it_proves_never_sent(trading: Desk) -> None:
    told: list[str] = []
    trading.orders.unresolved.told = lambda sentence, facts: told.append(f"{facts['order']}: {sentence}")
    assert trading.orders.accept(entry_intent("AAA", "buy", "10")) is None
    with capture_logs() as logs:
        trading.orders.submission(NAME)
        trading.orders.submission(NAME)
        assert in_doubt(trading) == [(NAME, Doubt.UNKNOWN, 0)]
        look(trading, 5)
        trading.restart()
        look(trading, 5)
        assert in_doubt(trading) == [(NAME, Doubt.UNKNOWN, 2)]
        look(trading, 10)
        assert in_doubt(trading) == []
    assert [one["event"][:10] for one in logs if one.get("unresolved")] == [
        "It is not ", "asked afte", "asked afte", "resolved",
    ]  # fmt: skip
    assert logs[-1]["how"] == "rejected: the order never reached the broker"
    assert told == [f"{NAME}: It is not known whether the broker took the order. It is asked after and not sent again."]


def test_an_order_that_was_only_just_recorded_is_not_in_doubt(trading: Desk) -> None:
    assert trading.orders.accept(entry_intent("AAA", "buy", "10")) is None
    look(trading, 1)
    assert in_doubt(trading) == []
    look(trading, 2)  # as after a crash of whoever was to send it
    assert in_doubt(trading) == [(NAME, Doubt.UNKNOWN, 1)]


def test_the_brokers_word_settles_it(trading: Desk) -> None:
    intent = entry_intent("AAA", "buy", "10")
    assert trading.orders.accept(intent) is None
    trading.line.inner.submit(intent.to_request())
    trading.orders.submission(NAME)
    assert in_doubt(trading) == [(NAME, Doubt.UNKNOWN, 0)]
    look(trading, 1)
    assert in_doubt(trading) == []


def test_a_lost_order_waits_for_a_signature_that_books_nothing(trading: Desk) -> None:
    trading.enter("AAA", "buy", "10", bracket=False)
    trading.line.forgotten.add(NAME)
    look(trading, 1)
    ((name, doubt, _),) = in_doubt(trading)
    assert (name, doubt) == (NAME, Doubt.LOST)
    (lost,) = trading.orders.unresolved.open()
    assert lost.record.order.status is OrderStatus.CANCELLED
    books, trades = trading.orders.records.book_positions(), trading.orders.records.open_trades()
    assert trading.orders.unresolved.sign(lost, actor="ada", reason="the broker was called")
    assert not trading.orders.unresolved.sign(lost, actor="ada", reason="again")
    assert in_doubt(trading) == []
    assert (trading.orders.records.book_positions(), trading.orders.records.open_trades()) == (books, trades)


def test_an_order_in_doubt_that_the_broker_then_loses_stays_in_doubt_since_then(trading: Desk) -> None:
    trading.enter("AAA", "buy", "10", bracket=False)
    trading.orders.unresolved.note(NAME, Doubt.UNKNOWN)
    since = trading.orders.unresolved._clock.now()
    trading.pass_time(5)
    trading.orders.unresolved.note(NAME, Doubt.LOST)
    (lost,) = trading.orders.unresolved.open()
    assert (lost.doubt, lost.since) == (Doubt.LOST, since)
