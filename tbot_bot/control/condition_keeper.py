"""Looks after bad input: which named conditions stand, since when, and whether one of them blocks entries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import structlog

from tbot_bot.api.bot_protocol import TellMarket
from tbot_bot.control.account_view import AccountView
from tbot_bot.control.floor import Floor
from tbot_bot.control.market_view import Seen
from tbot_bot.domain.conditions import (
    CLOCK_OFF_MAX,
    ClockWatch,
    Condition,
    ConditionFacts,
    ConditionName,
    conditions,
)
from tbot_bot.domain.gate import RiskLimits
from tbot_bot.domain.money import Money
from tbot_bot.domain.time import Clock, from_rfc3339
from tbot_bot.trading.float_bot import deployed
from tbot_bot.trading.reconciliation import BootReport

log = structlog.get_logger("conditions")
LOOK_EVERY = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Standing:
    """A condition and since when it stands, wall time."""

    condition: Condition
    since: datetime


class ConditionKeeper:
    """Owns the list. `changed` is called when entries are blocked or let in again by it."""

    def __init__(self, floor: Floor, account: AccountView, clock: Clock, changed: Callable[[], None]) -> None:
        self._floor = floor
        self._account = account
        self._clock = clock
        self._changed = changed
        self._clocks = ClockWatch()
        self._missing_minutes = 0
        self._day: date | None = None
        self._looked_at: datetime | None = None
        self.found: tuple[Standing, ...] = ()

    def blocking(self) -> str | None:
        """The first sentence against entries; None when nothing here speaks against them."""
        return next((one.condition.sentence for one in self.found if one.condition.blocks), None)

    def hear(self, told: TellMarket) -> None:
        """Take note of what the bot sees of the market."""
        newest = None if told.newest_bar_at is None else from_rfc3339(told.newest_bar_at)
        self._clocks.see(from_rfc3339(told.market_time), newest)
        self._missing_minutes = told.missing_minutes

    def look(self, report: BootReport | None, limits: RiskLimits, float_in_force: Money | None) -> None:
        """Look what stands, at most every LOOK_EVERY."""
        now = self._clock.now()
        if self._looked_at is not None and now - self._looked_at < LOOK_EVERY:
            return
        self._looked_at = now
        seen = self._floor.view.seen
        if self._floor.broker_is_up and seen.session is not None and seen.session.day != self._day:
            self._day = seen.session.day
            self._floor.refresh_instruments()
        since = {one.condition.name: one.since for one in self.found}
        before = self.blocking()
        found = conditions(self._facts(seen, now, report, limits, float_in_force))
        self.found = tuple(Standing(one, since.get(one.name, now)) for one in found)
        for one in found:
            if one.name not in since and one.name is not ConditionName.MARKET_CLOSED:
                log.warning("condition", name=one.name, what=one.sentence)
        if self.blocking() != before:
            self._changed()

    def _facts(
        self, seen: Seen, now: datetime, report: BootReport | None, limits: RiskLimits, float_in_force: Money | None
    ) -> ConditionFacts:
        account = self._account.now()
        trades = self._floor.records.open_trades()
        listed = self._floor.known_instruments
        held = {trade.symbol: trade.quantity * trade.side.sign for trade in trades}
        used = deployed(held, seen.marks)
        return ConditionFacts(
            clock_off=self._clock_off(seen, now),
            restricted=account.restricted if account else None,
            differences=report.tie.differences if report is not None and not report.signed else (),
            delisted={symbol: quantity for symbol, quantity in held.items() if listed and symbol not in listed},
            missing_minutes=self._missing_minutes,
            buying_power=account.buying_power if account else None,
            slice=_slice(float_in_force, used, len(trades), limits),
            is_open=seen.is_open,
            opens_at=seen.session.open_at if seen.session is not None and not seen.is_open else None,
        )

    def _clock_off(self, seen: Seen, now: datetime) -> timedelta:
        if self._floor.kind.market_is_simulated or seen.market_time is None:
            return self._clocks.off
        off = seen.market_time - now  # a real market's time is the wall's
        return off if off >= CLOCK_OFF_MAX else self._clocks.off


def _slice(float_in_force: Money | None, used: Money | None, positions: int, limits: RiskLimits) -> Money | None:
    """What one more position would take of the float; None if none fits or something is unknown."""
    if float_in_force is None or used is None or positions >= limits.max_open_positions:
        return None
    part = Money(float_in_force.units // limits.max_open_positions)
    return part if used + part <= float_in_force else None
