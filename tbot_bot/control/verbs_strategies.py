"""Verbs of one strategy: hold back its entries, and let it enter again."""

from __future__ import annotations

from collections.abc import Callable

from tbot_bot.api.control import ActOutcome, PauseStrategy
from tbot_bot.api.errors import ApiError
from tbot_bot.audit.trail import AuditTrail
from tbot_bot.control.conductor import Conductor
from tbot_bot.control.system_api import Caller, Handler
from tbot_bot.strategies.registry import STRATEGIES


class StrategyVerbs:
    """The handlers; `conductor` gives the bot once it is configured."""

    def __init__(self, audit: Callable[[], AuditTrail], conductor: Callable[[], Conductor]) -> None:
        self._audit = audit
        self._conductor = conductor

    def handlers(self) -> dict[str, Handler]:
        """The verbs answered here."""
        return {"control.pause_strategy": self._pause}

    def _pause(self, caller: Caller, asked: PauseStrategy) -> ActOutcome:
        if asked.strategy not in {one.name for one in STRATEGIES}:
            raise ApiError.of(404, "no_such_strategy", "There is no such strategy", asked.strategy, "Go back.")
        conductor = self._conductor()
        pauses = conductor.floor.pauses
        reason = (asked.reason or f"paused by {caller.actor}") if asked.paused else None
        with self._audit().act(
            verb="control.pause_strategy" if asked.paused else "control.resume_strategy",
            actor=caller.actor,
            role=caller.verdict.role or "",
            address=caller.address,
            target=asked.strategy,
            request_id=caller.request_id,
        ) as act:
            act.before = {"paused": pauses.reasons().get(asked.strategy)}
            pauses.put(asked.strategy, reason)
            act.after = {"paused": reason}
        told = "makes no new entry; its open trades are managed" if asked.paused else "may enter again"
        return ActOutcome(state=conductor.conditions().state, message=f"Strategy {asked.strategy} {told}.")
