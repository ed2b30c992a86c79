"""Feeds the session's bars to the strategies, asks for their wishes, and knows which of them is running."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tbot_bot.domain.candidates import Candidate, CandidateRules, Drop, drop_of
from tbot_bot.domain.intents import NoTrade, Stage, Window, Wish
from tbot_bot.domain.market import Bar, Instrument, Session
from tbot_bot.domain.money import Price, Quantity
from tbot_bot.domain.open_trades import OpenTrade
from tbot_bot.strategies.base import Context, Features, Strategy, StrategyParameters

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Running:
    """The strategy whose window is open, if any, and the window."""

    strategy: str | None
    window: Window


@dataclass(slots=True)
class _Seat:
    """One strategy with its parameters and what it remembers of this session."""

    strategy: Strategy[Any, Any]
    params: StrategyParameters
    features: dict[str, Features] = field(default_factory=dict)


@dataclass(slots=True)
class _Traded:
    """What a symbol traded in this session, and why the filters leave it out, if they do."""

    volume: int = 0
    minutes: int = 0
    drop: Drop | None = None


class StrategyRouter:
    """Runs the strategies in their order; what it holds concerns one session and can be rebuilt from its bars.

    `rules` say which symbols the strategies may enter.
    """

    def __init__(
        self,
        strategies: Sequence[Strategy[Any, Any]],
        parameters: Mapping[str, StrategyParameters],
        rules: CandidateRules,
    ) -> None:
        self._seats = [_Seat(strategy, parameters[strategy.name]) for strategy in strategies]
        self._rules = rules
        self._traded: dict[str, _Traded] = {}
        self._minutes: set[datetime] = set()
        self._instruments: dict[str, Instrument] = {}
        self._fresh: dict[str, Bar] = {}
        self._last: dict[str, Bar] = {}
        self._reasons: dict[tuple[str, str, Stage, str], NoTrade] = {}
        self.session: Session | None = None

    def know_instruments(self, instruments: Iterable[Instrument]) -> None:
        """Say what can be traded; bars of anything else are ignored."""
        self._instruments = {instrument.symbol: instrument for instrument in instruments}

    @property
    def symbols(self) -> Sequence[str]:
        """What can be traded."""
        return tuple(self._instruments)

    @property
    def marks(self) -> Mapping[str, Price]:
        """The latest close of each symbol that had a bar since the process began."""
        return {symbol: bar.close for symbol, bar in self._last.items()}

    def begin_session(self, session: Session) -> None:
        """Start over for another session; the same one again changes nothing."""
        if session == self.session:
            return
        self.session = session
        self._fresh = {}
        for seat in self._seats:
            seat.features = {}
        self._reasons = {}
        self._traded = {}
        self._minutes = set()

    @property
    def missing_minutes(self) -> int:
        """How many minutes of this session before the newest came without a bar of any symbol."""
        if self.session is None or not self._minutes:
            return 0
        return (max(self._minutes) - self.session.open_at) // MINUTE + 1 - len(self._minutes)

    def learn(self, bar: Bar) -> bool:
        """Take in a bar of this session without deciding on it; False for one already known or of another time."""
        session, last = self.session, self._last.get(bar.symbol)
        if session is None or bar.symbol not in self._instruments or (last and bar.start_at <= last.start_at):
            return False
        self._last[bar.symbol] = bar
        if not session.open_at <= bar.start_at < session.close_at:
            return False
        self._judge(bar)
        self._minutes.add(bar.start_at)
        for seat in self._seats:
            if bar.symbol not in seat.features:
                seat.features[bar.symbol] = seat.strategy.features(session, seat.params)
            seat.features[bar.symbol].add(bar)
        return True

    def on_bar(self, bar: Bar) -> None:
        """Take in a bar that closed just now; the next `decide` is about it."""
        if self.learn(bar):
            self._fresh[bar.symbol] = bar

    def decide(
        self, now: datetime, trades: Iterable[OpenTrade], taken: Mapping[str, AbstractSet[str]]
    ) -> list[tuple[str, Wish]]:
        """Ask every strategy, first to last; the answer names the strategy with each wish.

        `taken` maps a strategy's name to the symbols that had their trade in this session. Outside the session
        nothing is wished.
        """
        session, fresh = self.session, self._fresh
        self._fresh = {}
        if session is None or not session.open_at <= now < session.close_at:
            return []
        held = tuple(trades)
        drops = {symbol: traded.drop for symbol, traded in self._traded.items() if traded.drop is not None}
        candidates = self._traded.keys() - drops.keys()
        wishes: list[tuple[str, Wish]] = []
        for seat in self._seats:
            name = seat.strategy.name
            if seat.strategy.window_at(session, now, seat.params) is Window.TRADING:
                wishes += [
                    (name, NoTrade(symbol, Stage.FILTER, drop.check, drop.reason))
                    for symbol, drop in drops.items()
                    if symbol in fresh
                ]
            context = Context(
                session=session,
                now=now,
                bars=fresh,
                features=seat.features,
                instruments=self._instruments,
                trades=[trade for trade in held if trade.strategy == name],
                taken=taken.get(name, frozenset()),
                candidates=candidates,
                params=seat.params,
            )
            wishes += [(name, wish) for wish in seat.strategy.decide(context)]
        return wishes

    def _judge(self, bar: Bar) -> None:
        """Count what the bar's symbol traded, and say whether the filters leave it out now."""
        traded = self._traded.setdefault(bar.symbol, _Traded())
        traded.volume += bar.volume.units
        traded.minutes += 1
        volume = Quantity(traded.volume // traded.minutes)
        traded.drop = drop_of(Candidate(self._instruments[bar.symbol], bar.close, volume), self._rules)

    def keep_reason(self, strategy: str, no_trade: NoTrade) -> bool:
        """Keep why a symbol is not traded; False when the same check stopped it before in this session."""
        key = (strategy, no_trade.symbol, no_trade.stage, no_trade.check)
        is_new = key not in self._reasons
        self._reasons.setdefault(key, no_trade)
        return is_new

    def running_at(self, now: datetime) -> Running:
        """Say which strategy runs at `now`: the first that may enter, else the first whose window is open."""
        if self.session is None:
            return Running(None, Window.IDLE)
        at_work = [
            Running(seat.strategy.name, window)
            for seat in self._seats
            if (window := seat.strategy.window_at(self.session, now, seat.params)) is not Window.IDLE
        ]
        entering = (each for each in at_work if each.window is Window.TRADING)
        return next(entering, at_work[0] if at_work else Running(None, Window.IDLE))
