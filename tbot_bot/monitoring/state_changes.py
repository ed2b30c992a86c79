"""Each change of what the status page shows as a state goes to a log of its own, `state_changes.log`."""

from __future__ import annotations

import structlog

from tbot_bot.api.status import StatusDocument

log = structlog.get_logger("status")
#: What is shown, its value and why it is so.
Shown = dict[str, tuple[object, str]]


class StateChanges:
    """Compares each document that is published with the one before; moves of the lifecycle are told by who makes them.

    Between two documents there may be several of those.
    """

    def __init__(self) -> None:
        self._last: Shown | None = None

    def look(self, document: StatusDocument) -> None:
        """Tell what changed; of the first document after a start, how everything stands."""
        shown = _shown(document)
        if self._last is None:
            standing = {name: value for name, (value, _) in shown.items()}
            log.info("status at the start", state_change=True, state=document.bots[0].state, **standing)
        else:
            for name, (value, why) in shown.items():
                before = self._last[name][0]
                if value != before:
                    log.info("status changed", state_change=True, shown=name, before=before, after=value, why=why)
        self._last = shown


def _shown(document: StatusDocument) -> Shown:
    bot, summary = document.bots[0], document.summary
    return {
        "overall_status": (summary.overall_status, "; ".join(summary.reasons)),
        "kill_switch_triggered": (bot.kill_switch_triggered, ""),
        "kill_switch_armed": (bot.kill_switch_armed, ""),
        "paused": (bot.paused, bot.pause_reason or ""),
        "defense_mode_active": (bot.defense_mode_active, "; ".join(bot.defense_reasons)),
        "api_status": (bot.api_status, bot.api_reason or ""),
        "holdings_compliance": (bot.holdings_compliance, ""),
        "universe_cache_status": (bot.universe_cache_status, ""),
        "strategy_running": (bot.strategy_running, ""),
    }
