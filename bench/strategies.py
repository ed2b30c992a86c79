"""A day of minute bars for fifty symbols through three strategies and the market, as fast as it goes, on one core."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from random import Random

import structlog

from bench.measurement import Measurement
from tbot_bot.domain.market import Bar, Session
from tbot_bot.domain.money import Money, Price, Quantity
from tbot_bot.venue.feed import BarFeed
from tbot_bot.venue.in_process import InProcessBroker
from tests.unit.trading_bot.direct import Day
from tests.unit.trading_bot.scene import SESSION, instrument, minute

SYMBOLS = tuple(f"S{number:02}" for number in range(50))
#: Stops trail, so that their part is in the figure as well.
TRAILING = {f"{name}_TRAIL": "range" for name in ("OPEN", "MID", "CLOSE")}


def main(*, quick: bool) -> list[Measurement]:
    """Play the day (`quick`: of ten symbols), counting the processor's time so that other work does not."""
    symbols = SYMBOLS[:10] if quick else SYMBOLS
    feed = BarFeed([instrument(symbol) for symbol in symbols], [SESSION], walk(symbols, SESSION))
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    day = Day(InProcessBroker(feed, Money.of(100_000)), TRAILING)
    began = time.process_time()
    day.play(SESSION)
    taken = time.process_time() - began
    structlog.reset_defaults()
    trades = f"{len(day.books.entries)} trades, {len(day.books.reasons)} reasons against others"
    if day.market.positions() or not day.books.entries:
        raise RuntimeError(f"this was no day of trading: {trades}, {day.market.positions()} left")
    return [Measurement(f"a day of {len(symbols)} symbols through 3 strategies ({trades})", taken, "s", goal_max=5)]


def walk(symbols: tuple[str, ...], session: Session) -> Iterator[Bar]:
    """Prices in whole cents that wander, each symbol by a seed of its own; half of them with a drift."""
    for number, symbol in enumerate(symbols):
        random = Random(symbol)
        last, drift = random.randrange(2_000, 20_000), number % 4 - 1.5
        for at in range((session.close_at - session.open_at) // timedelta(minutes=1)):
            cents = [last]
            for _ in range(4):
                cents.append(max(600, cents[-1] + round(random.gauss(drift / 2, last / 4000))))
            prices = [
                Price.of(Decimal(price).scaleb(-2)) for price in (cents[1], max(cents[1:]), min(cents[1:]), cents[4])
            ]
            yield Bar(symbol, minute(at, session), *prices, Quantity.of(random.randrange(2_000, 60_000)))
            last = cents[4]
