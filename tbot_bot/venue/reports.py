"""The way of events from the market to whoever listens: as they happened, unless a scenario disturbs the reports."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tbot_bot.domain.broker import BrokerEvent, Executed, OrderChanged
from tbot_bot.venue.faults import FaultKind, Faults


class Reports:
    """Repeats reports of orders and fills, holds them back, or swaps them with the next, as the faults say.

    What is held back is kept in memory only: after a restart of the market every client learns of a gap anyway.
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._late: list[tuple[datetime, BrokerEvent]] = []
        self._swapped: BrokerEvent | None = None

    def deliver(self, events: Sequence[BrokerEvent], now: datetime) -> list[BrokerEvent]:
        """Return what is told now of what happened now and before."""
        told = [event for at, event in self._late if at <= now]
        self._late = [(at, event) for at, event in self._late if at > now]
        for event in events:
            told += self._told(event, now)
        return told

    def _told(self, event: BrokerEvent, now: datetime) -> list[BrokerEvent]:
        if not isinstance(event, OrderChanged | Executed):
            return [event]
        symbol = event.order.symbol if isinstance(event, OrderChanged) else event.execution.symbol
        late = self._faults.due(FaultKind.LATE_REPORT, now, symbol=symbol)
        if late is not None:
            self._late.append((now + late.delay, event))
            return []
        if self._swapped is None and self._faults.due(FaultKind.OUT_OF_ORDER, now, symbol=symbol):
            self._swapped = event
            return []
        told: list[BrokerEvent] = [event]
        if self._faults.due(FaultKind.DUPLICATE_REPORT, now, symbol=symbol):
            told.append(event)
        if self._swapped is not None:
            told.append(self._swapped)
            self._swapped = None
        return told
