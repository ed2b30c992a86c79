"""Strategies that a person holds back one by one: kept over restarts, told to the bot, obeyed by the gate."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping

from tbot_bot.api.bot_protocol import PauseStrategies
from tbot_bot.storage.control_store import ControlStore

#: The name of the fact in the runner's record.
_PAUSED = "paused_strategies"


class StrategyPauses:
    """Why each paused strategy is paused, by its name; `tell` hands the bot what holds now."""

    def __init__(self, record: ControlStore, tell: Callable[[PauseStrategies], object]) -> None:
        self._record = record
        self._tell = tell
        self._lock = threading.Lock()

    def reasons(self) -> Mapping[str, str]:
        """Return why each strategy that is paused makes no entry."""
        kept = self._record.fact(_PAUSED)
        return {} if kept is None else json.loads(kept)

    def put(self, strategy: str, reason: str | None) -> None:
        """Pause a strategy for a reason, or with None let it enter again; durable when this returns."""
        with self._lock:
            reasons = {name: why for name, why in self.reasons().items() if name != strategy}
            if reason is not None:
                reasons[strategy] = reason
            self._record.set_fact(_PAUSED, json.dumps(reasons, sort_keys=True) if reasons else None)
        self.tell()

    def tell(self) -> None:
        """Say to the bot what holds now."""
        self._tell(PauseStrategies(reasons=dict(self.reasons())))
