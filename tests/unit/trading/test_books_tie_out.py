"""Whatever is filled, in whatever order: ledger, books and results agree to the last unit."""

import tempfile
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tbot_bot.domain.money import Money, Price, Quantity, total
from tbot_bot.domain.orders import Book, OrderRole, Side
from tests.ledger_books import DAY, Books, books


@dataclass(frozen=True)
class Fill:
    side: Side
    symbol: str
    book: Book
    quantity: int
    price: int
    fee: int
    days: int


FILLS = st.lists(
    st.builds(
        Fill,
        side=st.sampled_from(Side),
        symbol=st.sampled_from(["SPY", "IBM"]),
        book=st.sampled_from(Book),
        quantity=st.one_of(st.integers(1, 5).map(lambda shares: shares * 10**9), st.integers(1, 10**12)),
        price=st.one_of(st.integers(1, 4).map(lambda dollars: dollars * 10**8), st.integers(1, 10**11)),
        fee=st.integers(-(10**7), 10**9),
        days=st.integers(0, 2),
    ),
    min_size=1,
    max_size=14,
)


def apply(desk: Books, fill: Fill) -> None:
    desk.fill(
        fill.side.value,
        str(Quantity(fill.quantity)),
        str(Price(fill.price)),
        str(Money(fill.fee)),
        symbol=fill.symbol,
        book=fill.book,
        role=OrderRole.ENTRY,
        day=DAY + timedelta(days=fill.days),
    )


def flatten(desk: Books) -> list[Fill]:
    closing = []
    for (book, symbol), quantity in desk.trades.book_positions().items():
        side = Side.SELL if quantity.sign > 0 else Side.BUY
        closing.append(Fill(side, symbol, book, abs(quantity.units), 7 * 10**8, 10**6, 2))
    return closing


def paid(fill: Fill) -> Money:
    """Cash of a fill, worked out without lots."""
    return (Price(fill.price) * Quantity(fill.quantity)) * -fill.side.sign - Money(fill.fee)


def held(fills: list[Fill]) -> dict[tuple[Book, str], Quantity]:
    sums: dict[tuple[Book, str], int] = {}
    for fill in fills:
        key = (fill.book, fill.symbol)
        sums[key] = sums.get(key, 0) + fill.side.sign * fill.quantity
    return {key: Quantity(units) for key, units in sums.items() if units}


def round_trips(fills: list[Fill]) -> int:
    """Times that a symbol of the strategy book came back to zero or crossed it."""
    position: dict[str, int] = {}
    count = 0
    for fill in fills:
        if fill.book is Book.STRATEGY:
            before = position.get(fill.symbol, 0)
            position[fill.symbol] = before + fill.side.sign * fill.quantity
            count += before != 0 and before * position[fill.symbol] <= 0
    return count


def require_agreement(desk: Books, fills: list[Fill]) -> None:
    trial = desk.ledger.trial_balance()
    assert trial.balanced
    assert total(line.balance for line in trial.lines) == Money(0)
    assert desk.ledger.ledger_cash() == Money.of("100000") + total(paid(fill) for fill in fills)
    assert desk.ledger.ledger_positions() == desk.trades.book_positions() == held(fills)
    assert desk.ledger.recompute() == ()
    assert desk.trades.verify_results() == ()
    assert desk.ledger.verify_chain().is_intact
    lifetime = desk.trades.lifetime().result
    assert lifetime.trades_closed == round_trips(fills)
    days: list[date] = sorted({DAY + timedelta(days=fill.days) for fill in fills if fill.book is Book.STRATEGY})
    assert total(desk.trades.results(day).result.pnl for day in days) == lifetime.pnl


@settings(deadline=None, max_examples=40)
@given(FILLS)
def test_ledger_books_and_results_agree(fills):
    with tempfile.TemporaryDirectory() as folder, books(Path(folder)) as desk:
        for fill in fills:
            apply(desk, fill)
        require_agreement(desk, fills)
        closing = flatten(desk)
        for fill in closing:
            apply(desk, fill)
        require_agreement(desk, fills + closing)
        assert desk.trades.book_positions() == {}
        own = [fill for fill in fills + closing if fill.book is Book.STRATEGY]
        closed = desk.trades.closed_trades(100).items
        assert desk.trades.lifetime().result.pnl == total(paid(fill) for fill in own)
        assert total(trade.realised_pnl for trade in closed) == total(paid(fill) for fill in own)
        assert desk.trades.lifetime().result.wins == sum(trade.is_win for trade in closed)
