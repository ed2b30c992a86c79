"""Recorded bars made by a formula, in both layouts: each symbol breaks out of its opening range."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zipfile import ZipFile

from tbot_bot.domain.time import NEW_YORK

DAYS = (date(2013, 10, 4), date(2013, 10, 7))
SYMBOLS = ("AIG", "BAC", "SPY")
MINUTES = 390
CSV_HEADER = "symbol,timestamp,open,high,low,close,volume"
_OPEN = time(9, 30)
#: Prices in ten-thousandths of a dollar.
_RANGE, _STEP, _TOP = 2_000, 1_000, 30_000
#: Late enough for a bot that was started with the market, early enough to enter.
_BREAKOUT = 45


def _middle(number: int, minute: int, *, is_flat: bool) -> int:
    """Quiet at first, then up in steps; then slowly down, or flat for the rest of the day."""
    base = 1_000_000 + 100_000 * number
    if minute < _BREAKOUT:
        return base + (_RANGE // 2 if minute % 2 else 0)
    if is_flat:
        return base + _RANGE
    climbed = min((minute - _BREAKOUT + 1) * _STEP, _TOP)
    return base + max(climbed - max(0, minute - 120) * _STEP // 4, -_TOP)


def bars(number: int, *, is_flat: bool = False) -> Iterator[tuple[int, int, int, int, int, int]]:
    """Minute, open, high, low, close, volume."""
    before = _middle(number, 0, is_flat=is_flat)
    for minute in range(MINUTES):
        close = _middle(number, minute, is_flat=is_flat)
        high, low = max(before, close) + 300, min(before, close) - 300
        yield minute, before, high, low, close, 100_000 if minute < _BREAKOUT else 400_000
        before = close


def write_zips(folder: Path, days: tuple[date, ...] = DAYS) -> Path:
    """`<symbol>/<yyyymmdd>_trade.zip`."""
    for number, symbol in enumerate(SYMBOLS):
        (folder / symbol.lower()).mkdir(parents=True, exist_ok=True)
        for day in days:
            rows = [f"{(570 + minute) * 60_000},{','.join(map(str, rest))}" for minute, *rest in bars(number)]
            with ZipFile(folder / symbol.lower() / f"{day:%Y%m%d}_trade.zip", "w") as archive:
                archive.writestr(f"{day:%Y%m%d}_{symbol.lower()}_minute_trade.csv", "\n".join(rows))
    return folder


def write_csv(folder: Path, days: tuple[date, ...] = DAYS, *, is_flat: bool = False) -> Path:
    """One file with all rows, by symbol."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [CSV_HEADER]
    for number, symbol in enumerate(SYMBOLS):
        for day in days:
            open_at = datetime.combine(day, _OPEN, NEW_YORK).astimezone(UTC)
            for minute, *prices, volume in bars(number, is_flat=is_flat):
                at = open_at + timedelta(minutes=minute)
                texts = [f"{price // 10_000}.{price % 10_000:04d}" for price in prices]
                rows.append(f"{symbol},{at:%Y-%m-%dT%H:%M:%SZ},{','.join(texts)},{volume}")
    (folder / "bars.csv").write_text("\n".join(rows) + "\n")
    return folder
