"""Tie-out: the broker's figures against those of the books and of the ledger, row by row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tbot_bot.domain.money import Money, Quantity
from tbot_bot.domain.orders import Book

CASH = "cash"
_NONE = Quantity.zero()


@dataclass(frozen=True, slots=True)
class TieRow:
    """One figure as broker, books and ledger have it.

    `books` is None for cash, which only the ledger keeps; `broker` is None where a symbol is split over the books,
    of which the broker knows nothing. `difference` is broker less books, or books less ledger where those two agree:
    zero only if all agree.
    """

    name: str
    broker: Money | Quantity | None
    books: Money | Quantity | None
    ledger: Money | Quantity
    difference: Money | Quantity

    @property
    def agrees(self) -> bool:
        return not self.difference

    @property
    def sentence(self) -> str:
        """The row in words."""
        sides = (("broker", self.broker), ("books", self.books), ("ledger", self.ledger))
        return f"{self.name}: " + ", ".join(f"{side} {figure}" for side, figure in sides if figure is not None)


@dataclass(frozen=True, slots=True)
class TieOut:
    """One comparison at a wall time; `failure` says why there are no rows, and then nothing is known."""

    at: datetime
    rows: tuple[TieRow, ...] = ()
    failure: str | None = None

    @property
    def clean(self) -> bool:
        """Everything was read and everything agrees."""
        return self.failure is None and all(row.agrees for row in self.rows)

    @property
    def differences(self) -> tuple[TieRow, ...]:
        return tuple(row for row in self.rows if not row.agrees)


def compare(
    *,
    broker_cash: Money,
    ledger_cash: Money,
    broker: Mapping[str, Quantity],
    books: Mapping[tuple[Book, str], Quantity],
    ledger: Mapping[tuple[Book, str], Quantity],
) -> tuple[TieRow, ...]:
    """Compare cash, then every symbol that any side has, by name; quantities are signed and absent ones are zero.

    The broker's position is the sum of the books. A symbol whose sums agree gets one more row for each book in which
    books and ledger do not.
    """
    rows = [TieRow(CASH, broker_cash, None, ledger_cash, broker_cash - ledger_cash)]
    for symbol in sorted(broker.keys() | {symbol for _, symbol in (*books, *ledger)}):
        held, in_books, in_ledger = broker.get(symbol, _NONE), _sum(books, symbol), _sum(ledger, symbol)
        rows.append(TieRow(symbol, held, in_books, in_ledger, (held - in_books) or (in_books - in_ledger)))
        if in_books == in_ledger:
            rows += _split_rows(symbol, books, ledger)
    return tuple(rows)


def _sum(by_book: Mapping[tuple[Book, str], Quantity], symbol: str) -> Quantity:
    return sum((by_book.get((book, symbol), _NONE) for book in Book), _NONE)


def _split_rows(
    symbol: str, books: Mapping[tuple[Book, str], Quantity], ledger: Mapping[tuple[Book, str], Quantity]
) -> list[TieRow]:
    figures = [(book, books.get((book, symbol), _NONE), ledger.get((book, symbol), _NONE)) for book in Book]
    return [
        TieRow(f"{symbol} ({book})", None, in_book, in_ledger, in_book - in_ledger)
        for book, in_book, in_ledger in figures
        if in_book != in_ledger
    ]
