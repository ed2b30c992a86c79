"""Each strategy's part of the status document: its window, its results today and ever, and what it left alone."""

from __future__ import annotations

from datetime import date

from tbot_bot.api.status import StrategyStatus
from tbot_bot.api.wire import text_or_none
from tbot_bot.control.floor import Floor
from tbot_bot.control.market_view import Seen
from tbot_bot.domain.intents import Window
from tbot_bot.domain.strategy_results import NoTradeFilter, StrategyResult
from tbot_bot.strategies.registry import STRATEGIES, parse_parameters

_NOTHING = StrategyResult()


def strategy_statuses(floor: Floor, seen: Seen, day: date | None) -> list[StrategyStatus]:
    """One for each strategy there is; `day` is the session that runs or ran last, None before the first."""
    books, windows = floor.records, _windows(floor, seen)
    paused = floor.pauses.reasons()
    held = [trade.strategy for trade in books.open_trades()]
    today = {} if day is None else books.strategy_results(day)
    ever = books.strategy_results(None)
    counts = {} if day is None else books.no_trade_counts(day)
    found = []
    for name, window in windows.items():
        now, all_time = today.get(name, _NOTHING), ever.get(name, _NOTHING)
        stages = {stage.value: count for (strategy, stage), count in counts.items() if strategy == name}
        found.append(
            StrategyStatus(
                name=name,
                enabled=name in floor.settings.sequence,
                window=window,
                paused_because=paused.get(name),
                trades_today=None if day is None else now.result.trades_closed,
                win_rate_pct=text_or_none(now.result.win_rate_pct),
                realised_pnl=None if day is None else str(now.result.pnl),
                open_trades=held.count(name),
                left_alone=None if day is None else sum(stages.values()),
                last_left_alone=_last_left_alone(floor, name, day),
                not_traded=stages,
                expectancy=text_or_none(now.expectancy),
                average_r=text_or_none(now.average_r),
                trades_ever=all_time.result.trades_closed,
                win_rate_ever_pct=text_or_none(all_time.result.win_rate_pct),
                realised_pnl_ever=str(all_time.result.pnl),
                expectancy_ever=text_or_none(all_time.expectancy),
                average_r_ever=text_or_none(all_time.average_r),
            )
        )
    return found


def _windows(floor: Floor, seen: Seen) -> dict[str, Window]:
    """The window of each strategy: the bot's word on the one that runs, the parameters' on the others."""
    parameters = parse_parameters(floor.settings.strategies)
    found = {}
    for one in STRATEGIES:
        found[one.name] = Window.IDLE
        if seen.strategy == one.name:
            found[one.name] = seen.window
        elif seen.session and seen.market_time and one.name in floor.settings.sequence:
            found[one.name] = one.window_at(seen.session, seen.market_time, parameters[one.name])
    return found


def _last_left_alone(floor: Floor, strategy: str, day: date | None) -> str | None:
    if day is None:
        return None
    newest = floor.records.no_trades(NoTradeFilter(strategy=strategy, day=day.isoformat()), 1).items
    return next((f"{one.no_trade.symbol} at {one.at:%H:%M} UTC: {one.no_trade.reason}" for one in newest), None)
