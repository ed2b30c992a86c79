"""Calls are timed and counted, and pass through unchanged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from tbot_bot.brokers.measured import ANSWERS_MAX, Calls, MeasuredBroker
from tbot_bot.domain.broker import Broker, BrokerUnavailableError, OrderRefusedError
from tests.unit.trading.desk import FRIDAY, Line, entry_intent, market


class Ticking:
    """A clock that goes on by a quarter of a second at each look."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        self.now_s += 0.25
        return self.now_s


@pytest.fixture
def line() -> Line:
    return Line(market({"AAA": "100"}, "100000", "0"))


@pytest.fixture
def measured(line: Line) -> Iterator[MeasuredBroker]:
    made = MeasuredBroker(line, Ticking())
    yield made
    made.close()


ENTRY = entry_intent("AAA", "buy", "10")
REQUEST, ENTRY_ID = ENTRY.to_request(), ENTRY.client_order_id
CALLS: list[Callable[[Broker], object]] = [
    lambda broker: broker.clock(),
    lambda broker: broker.account(),
    lambda broker: broker.instruments(),
    lambda broker: broker.positions(),
    lambda broker: broker.quotes(["AAA"]),
    lambda broker: broker.bars("AAA", FRIDAY.open_at, FRIDAY.open_at + timedelta(minutes=1)),
    lambda broker: broker.open_orders(),
    lambda broker: broker.order(ENTRY_ID),
    lambda broker: broker.executions(0),
    lambda broker: broker.submit(REQUEST),
    lambda broker: broker.cancel(ENTRY_ID),
]


@pytest.mark.parametrize("call", CALLS)
def test_an_answer_is_the_brokers_and_is_timed(
    line: Line, measured: MeasuredBroker, call: Callable[[Broker], object]
) -> None:
    line.inner.submit(REQUEST)
    assert call(measured) == call(line)
    assert measured.take() == Calls((250,), 0)
    assert measured.take() == Calls()


def test_a_call_without_an_answer_is_counted(line: Line, measured: MeasuredBroker) -> None:
    line.down = True
    for call in (*CALLS, lambda broker: broker.events(0)):
        with pytest.raises(BrokerUnavailableError):
            call(measured)
    assert measured.take() == Calls((), len(CALLS) + 1)


def test_a_refusal_is_an_answer(line: Line, measured: MeasuredBroker) -> None:
    line.submissions.append("refuse")
    with pytest.raises(OrderRefusedError):
        measured.submit(REQUEST)
    assert measured.take() == Calls((250,), 0)


def test_waiting_for_events_is_no_latency(measured: MeasuredBroker) -> None:
    assert measured.events(0)
    assert measured.take() == Calls()


def test_memory_is_bounded(measured: MeasuredBroker) -> None:
    for _ in range(ANSWERS_MAX + 5):
        measured.clock()
    assert len(measured.take().answers_ms) == ANSWERS_MAX
