"""Pages of closed trades, and what stands behind one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from tbot_bot.domain.money import Money, Price, Quantity, total
from tbot_bot.domain.orders import OrderRole
from tbot_bot.domain.trades import Trade
from tbot_bot.storage.trade_reports import TradeReports
from tests.ledger_books import DAY, Books, books

NEXT_DAY = date(2013, 10, 7)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Books]:
    with books(tmp_path) as made:
        yield made


def round_trip(desk: Books, symbol: str, entry: str, out: str, *, day: date = DAY, reason: str = "") -> str:
    """Buy 10 and sell them; the trade's id."""
    opened = desk.fill("buy", "10", entry, "0.5", symbol=symbol, day=day, reason=reason)
    desk.fill("sell", "10", out, "0.25", symbol=symbol, day=day, role=OrderRole.EXIT)
    assert opened.trade_id is not None
    return opened.trade_id


def page(desk: Books, before: int | None = None, limit: int = 50, **filters: str) -> tuple[list[Trade], int | None]:
    wish = dict.fromkeys(("symbol", "strategy", "day")) | filters
    found = TradeReports(desk.database.engine).closed_trades(before=before, limit=limit, **wish)
    return list(found.items), found.next


def test_open_trades_are_not_among_them(desk: Books) -> None:
    desk.fill("buy", "10", "100", symbol="SPY")
    assert page(desk) == ([], None)


def test_the_last_closed_comes_first_by_pages(desk: Books) -> None:
    made = [round_trip(desk, symbol, "100", "101") for symbol in ("SPY", "IBM", "AIG", "BAC", "XOM")]
    seen: list[str] = []
    before: int | None = None
    sizes = []
    while True:
        trades, before = page(desk, before, 2)
        sizes.append(len(trades))
        seen += [trade.trade_id for trade in trades]
        if before is None:
            break
    assert seen == made[::-1]
    assert sizes == [2, 2, 1]
    assert page(desk, limit=5)[1] is None


def test_a_trade_that_closes_between_two_pages_repeats_none(desk: Books) -> None:
    made = [round_trip(desk, symbol, "100", "101") for symbol in ("SPY", "IBM", "AIG")]
    first, cursor = page(desk, limit=2)
    round_trip(desk, "BAC", "100", "101")
    second, _ = page(desk, cursor, 2)
    assert [trade.trade_id for trade in [*first, *second]] == made[::-1]


def test_filters_are_exact(desk: Books) -> None:
    spy, ibm = round_trip(desk, "SPY", "100", "101"), round_trip(desk, "IBM", "100", "99")
    later = round_trip(desk, "SPY", "102", "103", day=NEXT_DAY)

    def ids(**filters: str) -> list[str]:
        return [trade.trade_id for trade in page(desk, **filters)[0]]

    assert ids(symbol="SPY") == [later, spy]
    assert ids(symbol="SP") == ids(symbol="spy") == ids(symbol="%") == []
    assert ids(day="2013-10-04") == [ibm, spy]
    assert ids(day="2013-10-07", symbol="SPY") == [later]
    assert ids(strategy="open") == [later, ibm, spy]
    assert ids(strategy="mid") == []
    assert ids(symbol="' OR 1=1 --") == []


def test_what_a_trade_achieved(desk: Books) -> None:
    round_trip(desk, "SPY", "100", "101.5")
    (trade,), _ = page(desk)
    assert (trade.realised_pnl, trade.fees) == (Money.of("14.25"), Money.of("0.75"))
    assert (trade.entry_price, trade.exit_price) == (Price.of(100), Price.of("101.5"))


def test_why_each_was_entered(desk: Books) -> None:
    first, second = (round_trip(desk, symbol, "100", "101", reason=f"{symbol} broke out") for symbol in ("SPY", "IBM"))
    reports = TradeReports(desk.database.engine)
    assert reports.entry_reasons([first, "no such trade", second]) == {first: "SPY broke out", second: "IBM broke out"}
    assert reports.entry_reasons([]) == {}


def test_its_fills_oldest_first(desk: Books) -> None:
    trade_id = round_trip(desk, "SPY", "100", "101")
    round_trip(desk, "IBM", "100", "101")
    entry, out = TradeReports(desk.database.engine).fills(trade_id)
    assert (entry.role, entry.side, entry.quantity, entry.price, entry.fee) == (
        "entry",
        "buy",
        Quantity.of(10),
        Price.of(100),
        Money.of("0.5"),
    )
    assert (out.role, out.side, out.price) == ("exit", "sell", Price.of(101))
    assert entry.at < out.at
    assert entry.client_order_id != out.client_order_id
    assert entry.execution_id != out.execution_id


def test_its_postings_balance_and_bear_names(desk: Books) -> None:
    trade_id = round_trip(desk, "SPY", "100", "101")
    round_trip(desk, "IBM", "100", "101")
    lines = TradeReports(desk.database.engine).postings(trade_id)
    by_txn: dict[int, list[Money]] = {}
    for line in lines:
        assert line.account_name
        by_txn.setdefault(line.txn_id, []).append(line.value)
    assert len({line.event_seq for line in lines}) == 2
    assert all(total(values) == Money.zero() for values in by_txn.values())
    assert sum(line.quantity.units for line in lines if line.commodity == "SPY") == 0
    assert [line.event_seq for line in lines] == sorted(line.event_seq for line in lines)


def test_there_is_nothing_behind_an_unknown_trade(desk: Books) -> None:
    reports = TradeReports(desk.database.engine)
    assert (reports.fills("T-0"), reports.postings("T-0")) == ([], [])
