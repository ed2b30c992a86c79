"""A whole bot and its market in one thread, with books that answer at once: for days in quantity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from tbot_bot.api.bot_protocol import Run
from tbot_bot.control.bot_loop import BotLoop
from tbot_bot.domain.intents import NoTrade
from tbot_bot.domain.market import Session
from tbot_bot.domain.slippage import SlippageLimits
from tbot_bot.strategies.registry import in_sequence
from tbot_bot.trading.strategy_router import StrategyRouter
from tbot_bot.venue.in_process import InProcessBroker
from tests.unit.trading_bot.scene import FLOAT, RULES, SLIPPAGE, Books, Stopwatch, by_strategy

ALL = ("open", "mid", "close")


class DirectLink(Books):
    """The runner without a line to it; reports that nobody waits for are kept or dropped."""

    def __init__(self) -> None:
        super().__init__()
        self.reasons: list[tuple[str, NoTrade, datetime]] = []

    def listen(self, _listener: object) -> None: ...
    def poll(self, _timeout_s: float) -> None: ...
    def tell_market(self, *_told: object, **_more: object) -> None: ...
    def tell_session(self, *_told: object) -> None: ...

    def tell_no_trade(self, _day: date, strategy: str, no_trade: NoTrade, at: datetime) -> None:
        self.reasons.append((strategy, no_trade, at))


class Day:
    """One bot at one market, played through a session."""

    def __init__(
        self,
        market: InProcessBroker,
        settings: Mapping[str, str] | None = None,
        names: Sequence[str] = ALL,
        slippage: SlippageLimits = SLIPPAGE,
    ) -> None:
        self.market = market
        self.books = DirectLink()
        self.watch = Stopwatch()
        self.loop = BotLoop(
            market,
            self.books,  # type: ignore[arg-type]
            StrategyRouter(in_sequence(names), by_strategy(dict(settings or {})), RULES),
            lambda: True,
            self.watch,
            cursor=0,
            risk_fraction=Decimal("0.01"),
            positions_max=5,
            slippage=slippage,
        )
        self.loop.hear(Run(paused=False, trades=[], counts={}, float_allocation=str(FLOAT), trades_today=0))

    def play(self, session: Session, step: timedelta = timedelta(seconds=30)) -> None:
        """Let the market run from the open to the close, the bot taking two turns at each step."""
        moment = session.open_at
        while moment <= session.close_at:
            self.market.advance_to(moment)
            for _ in range(2):
                self.watch.now_s += 1.0
                self.loop.step(0.0)
            moment += step
