"""The comparison finds every difference of cash or quantity, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from tbot_bot.domain.money import Money, Quantity
from tbot_bot.domain.orders import Book
from tbot_bot.domain.reconcile import TieOut, compare

AT = datetime(2026, 1, 5, tzinfo=UTC)
BY_BOOK = st.dictionaries(
    st.tuples(st.sampled_from(Book), st.sampled_from(["AAA", "BBB", "CCC"])),
    st.integers(-5, 5).map(Quantity),
)


def summed(by_book: dict[tuple[Book, str], Quantity]) -> dict[str, Quantity]:
    result: dict[str, Quantity] = {}
    for (_, symbol), quantity in by_book.items():
        result[symbol] = result.get(symbol, Quantity.zero()) + quantity
    return result


def tie(
    broker: dict[str, Quantity],
    books: dict[tuple[Book, str], Quantity],
    ledger: dict[tuple[Book, str], Quantity],
    cash: tuple[str, str] = ("100", "100"),
) -> TieOut:
    at_broker, in_ledger = cash
    rows = compare(
        broker_cash=Money.of(at_broker), ledger_cash=Money.of(in_ledger), broker=broker, books=books, ledger=ledger
    )
    return TieOut(AT, rows)


@settings(deadline=None)
@given(books=BY_BOOK)
def test_what_agrees_is_clean(books: dict[tuple[Book, str], Quantity]) -> None:
    made = tie(summed(books), books, books)
    assert made.clean
    assert made.differences == ()
    assert [row.name for row in made.rows] == ["cash", *sorted(summed(books))]


@settings(deadline=None)
@given(
    books=BY_BOOK,
    side=st.sampled_from(["broker", "books", "ledger"]),
    symbol=st.sampled_from(["AAA", "BBB", "DDD"]),
    book=st.sampled_from(Book),
    off=st.integers(-3, 3).filter(bool),
)
def test_any_planted_quantity_is_found(
    books: dict[tuple[Book, str], Quantity], side: str, symbol: str, book: Book, off: int
) -> None:
    broker, ledger = summed(books), dict(books)
    if side == "broker":
        broker[symbol] = broker.get(symbol, Quantity.zero()) + Quantity(off)
    else:
        chosen = books if side == "books" else ledger
        chosen[(book, symbol)] = chosen.get((book, symbol), Quantity.zero()) + Quantity(off)
    made = tie(broker, books, ledger)
    assert [(row.name, abs(row.difference.units)) for row in made.differences] == [(symbol, abs(off))]


@settings(deadline=None)
@given(books=BY_BOOK, off=st.integers(-3, 3).filter(bool))
def test_a_quantity_in_the_wrong_book_is_found(books: dict[tuple[Book, str], Quantity], off: int) -> None:
    ledger = dict(books)
    for book, sign in ((Book.STRATEGY, 1), (Book.HOLDINGS, -1)):
        ledger[(book, "AAA")] = ledger.get((book, "AAA"), Quantity.zero()) + Quantity(off * sign)
    names = [row.name for row in tie(summed(books), books, ledger).differences]
    assert names == ["AAA (strategy)", "AAA (holdings)"]


def test_cash_is_compared_to_the_last_unit_and_told_in_words() -> None:
    made = tie({}, {}, {}, cash=("100.00000001", "100"))
    assert not made.clean
    assert made.differences[0].difference == Money(1)
    assert made.differences[0].sentence == "cash: broker 100.00000001, ledger 100"
    shares = tie({"AAA": Quantity.of(5)}, {}, {}).differences[0]
    assert shares.sentence == "AAA: broker 5, books 0, ledger 0"


def test_what_was_not_read_is_never_clean() -> None:
    assert not TieOut(AT, failure="no answer").clean
