"""Keeps defense mode: looks for what calls for it, remembers it over restarts, and tells when it begins or ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from tbot_bot.api.status import ApiHealth
from tbot_bot.control.floor import Floor
from tbot_bot.control.foundation import Foundation
from tbot_bot.control.market_view import Seen
from tbot_bot.control.trading_day import DayFigures
from tbot_bot.domain.audit import AuditPhase, AuditResult
from tbot_bot.domain.defense import Cause, Defense, DefenseFacts, advance, ended_by_hand, losing_run
from tbot_bot.monitoring.log_book import LogBook

log = structlog.get_logger("defense")
LOOK_EVERY = timedelta(seconds=1)
_UNSCALED = Decimal(1)
_RUNNER = "runner"
#: Name of the fact in the runner's record.
_FACT = "defense"


class DefenseKeeper:
    """Owns whether defense mode stands. `changed` is called after it began or ended."""

    def __init__(self, foundation: Foundation, log_book: LogBook, floor: Floor, changed: Callable[[], None]) -> None:
        self._audit = foundation.audit
        self._record = foundation.record
        self._clock = foundation.clock
        self._log_book = log_book
        self._floor = floor
        self._rules = floor.settings.defense_rules
        self._setting = floor.settings.DEFENSE_MODE_ACTIVE
        self._changed = changed
        self._looked_at: datetime | None = None
        self._api_unwell_since: datetime | None = None
        self.state = _from_text(self._record.fact(_FACT))
        self._tag()

    @property
    def factor(self) -> Decimal:
        """What float and limits are scaled by now."""
        return self._rules.factor if self.state.is_active else _UNSCALED

    def look(self, figures: Callable[[Seen], DayFigures], *, api: ApiHealth, broken: bool, running: bool) -> None:
        """Look whether something calls for it, at most every LOOK_EVERY; the interface counts while the bot runs."""
        now = self._clock.now()
        if self._looked_at is not None and now - self._looked_at < LOOK_EVERY:
            return
        self._looked_at = now
        seen = self._floor.view.seen
        health = api if running else ApiHealth.UNKNOWN
        facts = self._facts(figures(seen), self._api_unwell_for(health, now), broken=broken)
        self._become(advance(self.state, facts, self._rules, now=now, market_time=seen.market_time), _RUNNER)

    def begin(self, reason: str, actor: str) -> None:
        """A person calls for it: it stands until a person ends it."""
        now = self._clock.now()
        by_hand = f"{reason} ({actor})"
        causes = {**self.state.causes, Cause.BY_HAND: by_hand}
        self._become(Defense(causes, self.state.since or now, None, self.state.waived, by_hand), actor)

    def end(self, actor: str) -> None:
        """A person ends it; what calls for it now does so again only after it has been gone."""
        self._become(ended_by_hand(self.state), actor)

    def _facts(self, figures: DayFigures, api_unwell_for: timedelta | None, *, broken: bool) -> DefenseFacts:
        newest = self._floor.records.closed_trades(self._rules.losing_trades).items
        return DefenseFacts(
            by_hand=self.state.by_hand,
            setting=self._setting,
            loss_share=figures.loss_share,
            losing_run=None if figures.day is None else losing_run(newest, figures.day),
            api_unwell_for=api_unwell_for,
            broken=broken,
        )

    def _api_unwell_for(self, health: ApiHealth, now: datetime) -> timedelta | None:
        if health is ApiHealth.UNKNOWN:
            return None
        self._api_unwell_since = None if health is ApiHealth.HEALTHY else self._api_unwell_since or now
        return timedelta(0) if self._api_unwell_since is None else now - self._api_unwell_since

    def _become(self, state: Defense, actor: str) -> None:
        before = self.state
        if state == before:
            return
        self._record.set_fact(_FACT, _to_text(state))
        self.state = state
        if state.is_active == before.is_active:
            return
        self._tag()
        what = "begin" if state.is_active else "end"
        why = "; ".join(state.causes.values())
        log.warning("defense mode", what=what, by=actor, why=why)
        self._changed()
        if actor == _RUNNER:  # what a person does is recorded as an act
            self._audit.record(
                verb=f"defense.{what}", phase=AuditPhase.EVENT, actor=actor, result=AuditResult.OK, reason=why
            )

    def _tag(self) -> None:
        self._log_book.tags = {"defense": True} if self.state.is_active else {}


def _to_text(state: Defense) -> str:
    return json.dumps(
        {
            "causes": dict(state.causes),
            "since": _text(state.since),
            "calm_since": _text(state.calm_since),
            "waived": sorted(state.waived),
            "by_hand": state.by_hand,
        }
    )


def _from_text(text: str | None) -> Defense:
    if text is None:
        return Defense()
    kept = json.loads(text)
    return Defense(
        causes={Cause(name): words for name, words in kept["causes"].items()},
        since=_moment(kept["since"]),
        calm_since=_moment(kept["calm_since"]),
        waived=frozenset(map(Cause, kept["waived"])),
        by_hand=kept["by_hand"],
    )


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
