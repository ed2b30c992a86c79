"""The broker's account as it was said last, asked again when that is two seconds old."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from tbot_bot.control.floor import Floor
from tbot_bot.domain.broker import BrokerError
from tbot_bot.domain.orders import BrokerAccount
from tbot_bot.domain.time import Clock

log = structlog.get_logger("account")
ACCOUNT_EVERY = timedelta(seconds=2)


class AccountView:
    """One reading for whoever shows or judges the account; `is_down` says whether the broker is known not to answer."""

    def __init__(self, floor: Floor, clock: Clock, is_down: Callable[[], bool]) -> None:
        self._floor = floor
        self._clock = clock
        self._is_down = is_down
        self._account: BrokerAccount | None = None
        self._asked_at: datetime | None = None

    def now(self) -> BrokerAccount | None:
        """Return the account; None while it is unknown."""
        if not self._floor.broker_is_up or self._is_down():
            return None
        now = self._clock.now()
        if self._asked_at is None or now - self._asked_at >= ACCOUNT_EVERY:
            self._asked_at = now
            try:
                self._account = self._floor.broker.account()
            except BrokerError as error:
                self._account = None
                log.warning("equity is unknown: the broker did not answer", why=str(error))
        return self._account
