"""What each strategy achieved and left alone, as the books keep it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tbot_bot.domain.intents import NoTrade, Stage
from tbot_bot.domain.money import Money
from tbot_bot.domain.orders import OrderRole
from tbot_bot.domain.strategy_results import NoTradeFilter, StrategyResult
from tbot_bot.domain.trades import Result
from tbot_bot.storage.ledger_database import LedgerDatabase
from tests.ledger_books import DAY, OPEN_AT, WALL, books, execution, request

NEXT_DAY = date(2013, 10, 7)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Any]:
    with books(tmp_path) as made:
        yield made


def round_trip(desk: Any, number: int, strategy: str, stop: str | None, exit_price: str, day: date = DAY) -> None:
    """Ten bought at 100 and sold again, a fee of 1 each time."""
    legs = [request(number, "sell", "10", role=OrderRole.STOP_LOSS, stop_price=stop)] if stop else []
    entry, way_out = request(number, "buy", "10", bracket=legs), request(number, "sell", "10", role=OrderRole.EXIT)
    for sequence, made, price in ((2 * number - 1, entry, "100"), (2 * number, way_out, exit_price)):
        desk.trades.record_intent(made, strategy=strategy, at=OPEN_AT, recorded_at=WALL)
        fill = execution(sequence, made, price, "1")
        desk.trades.apply_execution(fill, session_day=day, recorded_at=WALL)


def traded(desk: Any) -> None:
    round_trip(desk, 1, "open", "98", "104")  # risks 20, makes 40 less 2: 1.9 R
    round_trip(desk, 2, "open", "95", "97")  # risks 50, loses 30 and 2: -0.64 R
    round_trip(desk, 3, "mid", None, "101")  # no stop, so no R; makes 8
    round_trip(desk, 4, "open", "98", "101", NEXT_DAY)  # risks 20, makes 8: 0.4 R


def test_each_strategy_has_its_own_counters(desk: Any) -> None:
    traded(desk)
    today = desk.trades.strategy_results(DAY)
    assert today == {
        "open": StrategyResult(Result(Money.of(10), Money.of(4), 2, 1), 2, Decimal("1.26")),
        "mid": StrategyResult(Result(Money.of(10), Money.of(2), 1, 1), 0, Decimal(0)),
    }
    assert (today["open"].expectancy, today["open"].average_r) == (Money.of(3), Decimal("0.63"))
    assert (today["mid"].expectancy, today["mid"].average_r) == (Money.of(8), None)
    ever = desk.trades.strategy_results(None)["open"]
    assert (ever.result.trades_closed, ever.expectancy) == (3, Money.of("4.67"))
    assert ever.average_r == Decimal("0.55")  # (1.9 - 0.64 + 0.4) / 3
    assert StrategyResult().expectancy is None
    assert desk.trades.strategy_results(date(2013, 10, 8)) == {}


def test_the_counters_add_up_to_the_sessions_and_a_difference_is_found(desk: Any) -> None:
    traded(desk)
    assert desk.trades.verify_results() == ()
    with desk.database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE strategy_result SET wins = 0 WHERE strategy = 'mid'")
    (difference,) = desk.trades.verify_results()
    assert difference.startswith("Strategies 2013-10-04: kept realised 20, fees 6, 1 of 3 trades won, recomputed")


def test_books_from_before_the_counters_get_them(desk: Any, tmp_path: Path) -> None:
    traded(desk)
    kept = [desk.trades.strategy_results(day) for day in (DAY, NEXT_DAY, None)]
    with desk.database.engine.begin() as connection:
        for what in ("TABLE strategy_result", "TABLE no_trade", "INDEX trade_order_trade"):
            connection.exec_driver_sql(f"DROP {what}")
        for what in ("TRIGGER stop_moved", "TABLE stop_move", "INDEX trade_order_request", "TABLE unresolved_order"):
            connection.exec_driver_sql(f"DROP {what}")
        for column in ("trade_order DROP request_id", "trade_order DROP cause", "trade_order DROP asked_price"):
            connection.exec_driver_sql(f"ALTER TABLE {column}")
        connection.exec_driver_sql("ALTER TABLE trade_order DROP defense")
        connection.exec_driver_sql("ALTER TABLE trade DROP closed_by")
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0002'")
    again = LedgerDatabase.open(Path(str(desk.database.engine.url.database)))
    with again.snapshot() as unit:
        assert [unit.strategies.results(day) for day in (DAY, NEXT_DAY, None)] == kept
    again.close()


def test_what_was_left_alone_is_kept_once_and_found_by_filter(desk: Any) -> None:
    thin, narrow = (NoTrade("SPY", Stage.SIGNAL, check, f"too {check}") for check in ("thin", "narrow"))
    for number, (day, strategy, no_trade) in enumerate(
        [
            (DAY, "open", thin),
            (DAY, "open", narrow),
            (DAY, "open", NoTrade("SPY", Stage.SIGNAL, "thin", "thinner still")),
            (DAY, "mid", NoTrade("IBM", Stage.RISK, "size", "too small")),
            (NEXT_DAY, "open", thin),
        ]
    ):
        desk.trades.record_no_trade(day, strategy, no_trade, OPEN_AT + timedelta(minutes=number))
    page = desk.trades.no_trades(NoTradeFilter(), 10)
    assert [(one.session_day, one.strategy, one.no_trade.reason) for one in page.items] == [
        (NEXT_DAY, "open", "too thin"),
        (DAY, "mid", "too small"),
        (DAY, "open", "too narrow"),
        (DAY, "open", "too thin"),
    ]
    assert page.next is None
    assert page.items[-1].at == OPEN_AT
    assert desk.trades.no_trade_counts(DAY) == {("open", Stage.SIGNAL): 2, ("mid", Stage.RISK): 1}
    first = desk.trades.no_trades(NoTradeFilter(strategy="open", symbol="SPY"), 2)
    rest = desk.trades.no_trades(NoTradeFilter(strategy="open", symbol="SPY"), 2, first.next)
    assert [one.no_trade.check for one in (*first.items, *rest.items)] == ["thin", "narrow", "thin"]
    assert len(desk.trades.no_trades(NoTradeFilter(day="2013-10-07"), 10).items) == 1
    assert desk.trades.no_trades(NoTradeFilter(symbol="XYZ"), 10).items == ()
