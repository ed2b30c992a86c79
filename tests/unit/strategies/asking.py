"""A strategy asked once, about bars written as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tbot_bot.domain.intents import Wish
from tbot_bot.domain.market import Instrument, Session
from tbot_bot.domain.open_trades import OpenTrade
from tbot_bot.strategies.base import Context, Strategy, StrategyParameters
from tests.unit.trading_bot.scene import SESSION, bars, instrument, minute


def ask(
    strategy: Strategy[Any, Any],
    tables: dict[str, str],
    params: StrategyParameters,
    *,
    at: int | None = None,
    instruments: Sequence[Instrument] = (),
    taken: frozenset[str] = frozenset(),
    trades: Sequence[OpenTrade] = (),
    session: Session = SESSION,
    left_out: frozenset[str] = frozenset(),
) -> Sequence[Wish]:
    """Feed every bar, and ask once after the last one (or at minute `at`)."""
    history = {symbol: bars(symbol, table, session) for symbol, table in tables.items()}
    features = {symbol: strategy.features(session, params) for symbol in history}
    for symbol, own in history.items():
        for bar in own:
            features[symbol].add(bar)
    last = {symbol: own[-1] for symbol, own in history.items()}
    now = max(bar.end_at for bar in last.values()) if at is None else minute(at, session)
    listed = {one.symbol: one for one in (instruments or [instrument(symbol) for symbol in tables])}
    candidates = frozenset(last) - left_out
    return strategy.decide(Context(session, now, last, features, listed, trades, taken, candidates, params))


def only(wishes: Sequence[Wish]) -> Wish:
    assert len(wishes) == 1, wishes
    return wishes[0]
