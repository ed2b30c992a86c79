"""A market on which much is traded: recorded bars made from a seed, and limits that let the bot take part in them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from random import Random

from tbot_bot.api.trading_settings import TradingSettings
from tbot_bot.config.paths import Home
from tbot_bot.config.secret_creation import write_trading_settings
from tbot_bot.control.clock import WallClock
from tbot_bot.control.foundation import Foundation
from tbot_bot.domain.time import NEW_YORK

HEADER = "symbol,timestamp,open,high,low,close,volume"
SETTINGS = TradingSettings.model_validate(
    {
        "MAX_OPEN_POSITIONS": 100,
        "MAX_TRADES": 1000,
        "MAX_RISK_PER_TRADE": "0.001",
        "TOTAL_ALLOCATION": "1",
        "DAILY_LOSS_LIMIT": "1",
        "strategies": {"open": {"OPEN_BREAKOUT_MINUTES": "360", "OPEN_EXIT_MINUTES": "385"}},
    }
)
_OPEN = time(9, 30)
#: The minutes of a session, of its opening range, and those in which a symbol may leave it.
_MINUTES, _RANGE, _BREAKOUTS = 390, 15, range(16, 350)
#: How long a symbol moves after its breakout; apart from that it has a bar every so many minutes.
_MOVES, _REST = 15, 8
#: Cents: half the opening range, the step beyond it, and the steps after it, a range of them for each kind of day.
_HALF, _BEYOND = 25, 15
_STEPS = ((10, 25), (-25, -10), (-3, 3))


def trading_days(count: int) -> list[date]:
    """The first days of a year, without weekends; the calendar's holidays are among none of the first hundred."""
    days = (date(2013, 2, 19) + timedelta(days=number) for number in range(count * 2))
    return [day for day in days if day.weekday() < 5 and day != date(2013, 3, 29)][:count]


def write_bars(folder: Path, symbols: int, days: int) -> Path:
    """One file a day; each symbol leaves its opening range once, up or down, and wins, loses or lingers."""
    folder.mkdir(parents=True)
    for day in trading_days(days):
        lines = [line for number in range(symbols) for line in _rows(day, number)]
        (folder / f"{day}.csv").write_text("\n".join([HEADER, *lines]) + "\n")
    return folder


def _rows(day: date, number: int) -> Iterator[str]:
    random = Random(day.toordinal() * 1000 + number)
    base = 5_000 + 100 * number
    breakout, side, steps = random.choice(_BREAKOUTS), random.choice((1, -1)), random.choice(_STEPS)
    open_at = datetime.combine(day, _OPEN, NEW_YORK).astimezone(UTC)
    close = base
    for minute in range(_MINUTES):
        is_moving = breakout <= minute < breakout + _MOVES
        if not (minute < _RANGE or is_moving or minute % _REST == 0):
            continue
        before = close
        if minute < breakout:
            close = base + (_HALF if minute % 2 else -_HALF)
        elif minute == breakout:
            close = base + side * (_HALF + _BEYOND)
        elif is_moving:
            close += side * random.randint(*steps)
        prices = (before, max(before, close), min(before, close), close)
        text = ",".join(f"{cents // 100}.{cents % 100:02}" for cents in prices)
        at = open_at + timedelta(minutes=minute)
        yield f"B{number:02},{at:%Y-%m-%dT%H:%M:%SZ},{text},{200_000 if minute >= breakout else 100_000}"


def change_settings(home: Home, settings: TradingSettings = SETTINGS) -> None:
    """Put trading settings into the secrets of a home without a runner."""
    foundation = Foundation(home, WallClock(), state=str, password_cost=4)
    foundation.rotation.rotate(
        lambda present: write_trading_settings(present, settings), request_id="settings", reason="test", actor="test"
    )
    foundation.close()
