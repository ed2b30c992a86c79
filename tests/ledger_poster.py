"""A process that books fills for ever and says after each which one is durable; the crash test kills it."""

from __future__ import annotations

import sys
from pathlib import Path

from tbot_bot.domain.orders import OrderRequest
from tbot_bot.domain.trades import AppliedExecution
from tbot_bot.storage.ledger_database import LedgerDatabase
from tbot_bot.trading.trade_logger import TradeLogger
from tests.ledger_books import DAY, OPEN_AT, WALL, execution, request


def order(number: int) -> OrderRequest:
    """The order of the `number`th fill: sizes that open, close and cross."""
    return request(number, "buy" if number % 3 else "sell", str(1 + number % 4))


def book(trades: TradeLogger, number: int) -> AppliedExecution:
    """Record the order and book its fill; safe to repeat."""
    trades.record_intent(order(number), strategy="open", at=OPEN_AT, recorded_at=WALL)
    fill = execution(number, order(number), f"{100 + number % 7}.25", "0.35")
    return trades.apply_execution(fill, session_day=DAY, recorded_at=WALL)


def main() -> None:
    trades = TradeLogger(LedgerDatabase.open(Path(sys.argv[1])))
    number = trades.execution_cursor()
    while True:
        number += 1
        book(trades, number)
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
