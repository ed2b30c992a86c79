"""From a bar in the bot to its order at the broker, through the runner's durable word, with 500 symbols.

Everything is real: runner, bot and market as processes, the ledger with full syncs on the disk of the temporary folder.
Every symbol has a bar every minute, and in each session a hundred of them break out of their opening range, each in a
minute of its own choice: now and then several do in the same one, and the later ones wait for those before them.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from random import Random
from statistics import quantiles

from bench.measurement import Measurement
from tbot_bot.api.trading_settings import TradingSettings
from tbot_bot.config.paths import Home
from tbot_bot.config.secret_creation import write_trading_settings
from tbot_bot.control.clock import WallClock
from tbot_bot.control.foundation import Foundation
from tbot_bot.domain.time import NEW_YORK
from tests.integration.evidence import reconciliations
from tests.integration.homes import running, start_trading
from tests.support.running import RunningHome, wait_for

SYMBOLS = 500
BREAKOUTS = 100
DAYS = tuple(date(2013, 10, day) for day in (4, 7, 8, 9, 10, 11))
#: Minutes that each session has, and those in which symbols break out.
MINUTES, FIRST, LAST = 130, 30, 115
#: A minute takes 0.1 s, or as long as the market has to wait for the bot.
SPEED = "600"
_OPEN = time(9, 30)
#: Cents: half the opening range, how far beyond it a breakout goes, how much is gained in each minute after it.
_HALF, _BEYOND, _STEP = 25, 15, 30
SETTINGS = TradingSettings.model_validate(
    {"MAX_OPEN_POSITIONS": 100, "MAX_TRADES": 1000, "MAX_RISK_PER_TRADE": "0.001", "TOTAL_ALLOCATION": "1"}
)


def main(*, quick: bool) -> list[Measurement]:
    """Trade six sessions (`quick`: one) and read from the log how long each entry took."""
    days = DAYS[:1] if quick else DAYS
    with tempfile.TemporaryDirectory() as folder:
        bars = Path(folder) / "bars"
        bars.mkdir()
        for day in days:
            (bars / f"{day}.csv").write_text("\n".join(rows(day)) + "\n")
        home = RunningHome(Path(folder) / "home")
        with home:
            home.start()
            home.configure(SIM_FEED="replay", SIM_REPLAY_DIR=str(bars), SIM_SPEED=SPEED, SIM_STARTING_CASH="10000000")
            home.register()
            home.log_in()
        allow_many_trades(home.home)
        with running(home):
            start_trading(home)
            wait_for(lambda: home.state() == "stopped", 900, lambda: str(home.status()["bots"][0]))
        taken_ms = sorted(latencies_ms(home.home))
        if [one for one in reconciliations(home.home) if not one["is_clean"]]:
            raise RuntimeError("the books did not agree")
    cuts = quantiles(taken_ms, n=100, method="inclusive")
    name = f"bar to order, {SYMBOLS} symbols, {len(taken_ms)} entries"
    return [
        Measurement(f"{name}: median", cuts[49], "ms"),
        Measurement(f"{name}: 90th percentile", cuts[89], "ms"),
        Measurement(f"{name}: 99th percentile", cuts[98], "ms", goal_max=20),
        Measurement(f"{name}: slowest", taken_ms[-1], "ms"),
    ]


def allow_many_trades(home: Home) -> None:
    """Set limits that let every symbol be entered."""
    foundation = Foundation(home, WallClock(), state=str, password_cost=4)
    foundation.rotation.rotate(
        lambda present: write_trading_settings(present, SETTINGS), request_id="bench", reason="bench", actor="bench"
    )
    foundation.close()


def rows(day: date) -> Iterator[str]:
    """The CSV of one session: symbols are quiet; some, each from its own minute on, rise to their target."""
    yield "symbol,timestamp,open,high,low,close,volume"
    open_at = datetime.combine(day, _OPEN, NEW_YORK).astimezone(UTC)
    random = Random(day.toordinal())
    breakouts = {number: random.randrange(FIRST, LAST) for number in random.sample(range(SYMBOLS), BREAKOUTS)}
    for number in range(SYMBOLS):
        breaks_out = breakouts.get(number, MINUTES)
        before = 5_000 + 10 * number
        for minute in range(MINUTES):
            side = _HALF if minute % 2 else -_HALF
            rise = _HALF + _BEYOND + (minute - breaks_out) * _STEP
            close = 5_000 + 10 * number + (side if minute < breaks_out else min(rise, 300))
            prices = (before, max(before, close), min(before, close), close)
            text = ",".join(f"{cents // 100}.{cents % 100:02}" for cents in prices)
            at = open_at + timedelta(minutes=minute)
            yield f"S{number:03},{at:%Y-%m-%dT%H:%M:%SZ},{text},{400_000 if minute >= breaks_out else 100_000}"
            before = close


def latencies_ms(home: Home) -> Iterator[float]:
    """What the bot said of each entry that it sent."""
    for path in home.system_logs.glob("system.log*"):
        for line in path.read_text().splitlines():
            told = json.loads(line)
            if told.get("event") == "entry sent":
                yield told["bar_age_ms"]
