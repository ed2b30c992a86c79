"""Defense mode: what calls for it, and when it is over. While it stands, float and limits are scaled down.

A cause calls for it at once. It is over when none has stood for CALM_FOR of market time, so that it does not flap; a
new session's open is such a calm. What cannot be told leaves a cause as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from tbot_bot.domain.money import round_half_even
from tbot_bot.domain.trades import Trade

#: No cause for so long, in market time, ends it.
CALM_FOR = timedelta(minutes=15)
#: The broker's interface is unwell for so long, in wall time, before that counts.
API_UNWELL_FOR = timedelta(seconds=5)
#: A loss calls no longer once it is back under this part of what called.
LOSS_LEAVES_AT = Decimal("0.8")


class Cause(StrEnum):
    """What can call for defense mode."""

    BY_HAND = "by_hand"
    SETTING = "setting"
    LOSS = "loss"
    LOSING_RUN = "losing_run"
    API = "api"
    BREAK = "break"


@dataclass(frozen=True, slots=True)
class DefenseRules:
    """The part of the daily loss limit and the number of losses in a row that call for it; `factor` is what scales."""

    loss_share: Decimal
    losing_trades: int
    factor: Decimal


@dataclass(frozen=True, slots=True)
class DefenseFacts:
    """What it is judged by; None is unknown.

    `by_hand` is why a person called for it, empty if nobody did. `loss_share` is the used part of the daily loss limit,
    `losing_run` the number of losses since the last trade of the session that was none. `broken` means that broker,
    books and ledger disagree.
    """

    by_hand: str
    setting: bool
    loss_share: Decimal | None
    losing_run: int | None
    api_unwell_for: timedelta | None
    broken: bool | None


@dataclass(frozen=True, slots=True)
class Defense:
    """How it stands; not active while `since` (wall time) is None.

    `causes` are those that call for it, each with its sentence, or the last that did once there is a calm:
    `calm_since` is market time. `waived` are causes that a person set aside; each counts again once it has been gone.
    """

    causes: Mapping[Cause, str] = field(default_factory=dict)
    since: datetime | None = None
    calm_since: datetime | None = None
    waived: frozenset[Cause] = frozenset()
    by_hand: str = ""

    @property
    def is_active(self) -> bool:
        return self.since is not None

    def stood(self, cause: Cause) -> bool:
        """Whether the cause stood at the last look, counted or set aside."""
        return cause in self.waived or (cause in self.causes and self.calm_since is None)


def advance(
    defense: Defense, facts: DefenseFacts, rules: DefenseRules, *, now: datetime, market_time: datetime | None
) -> Defense:
    """Return how it stands after a look at `facts`; `now` is wall time."""
    standing = {cause: words for cause, judge in _JUDGES.items() if (words := judge(facts, rules, defense))}
    kept = replace(defense, waived=defense.waived & standing.keys(), by_hand=facts.by_hand)
    causes = {cause: words for cause, words in standing.items() if cause not in kept.waived}
    if causes:
        return replace(kept, causes=causes, since=defense.since or now, calm_since=None)
    if not defense.is_active:
        return kept
    calm_since = defense.calm_since or market_time
    if calm_since is None or market_time is None or market_time < calm_since:
        return replace(kept, calm_since=market_time)
    if market_time - calm_since >= CALM_FOR:
        return Defense(waived=kept.waived)
    return replace(kept, calm_since=calm_since)


def ended_by_hand(defense: Defense) -> Defense:
    """Return how it stands once a person ended it: what calls for it now is set aside until it has been gone."""
    return Defense(waived=(defense.waived | defense.causes.keys()) - {Cause.BY_HAND})


def losing_run(newest_first: Sequence[Trade], day: date) -> int:
    """How many of the session's newest trades were lost in a row; a trade without gain or loss ends the row."""
    run = 0
    for trade in newest_first:
        if trade.closed_day != day or trade.realised_pnl.sign >= 0:
            break
        run += 1
    return run


def scaled(limit: int, factor: Decimal) -> int:
    """A limit in defense mode, rounded down: 1 may become 0, which lets nothing in."""
    return int(limit * factor)


_Judge = Callable[[DefenseFacts, DefenseRules, Defense], str]


def _by_hand(facts: DefenseFacts, _rules: DefenseRules, _defense: Defense) -> str:
    return facts.by_hand


def _setting(facts: DefenseFacts, _rules: DefenseRules, _defense: Defense) -> str:
    return "the settings ask for it" if facts.setting else ""


def _loss(facts: DefenseFacts, rules: DefenseRules, defense: Defense) -> str:
    stood = defense.stood(Cause.LOSS)
    if facts.loss_share is None:
        return defense.causes.get(Cause.LOSS, _LOSS_UNKNOWN) if stood else ""
    bound = rules.loss_share * LOSS_LEAVES_AT if stood else rules.loss_share
    if facts.loss_share < bound:
        return ""
    return f"{round_half_even(facts.loss_share * 100, 0)} % of the daily loss limit is used"


_LOSS_UNKNOWN = "much of the daily loss limit was used when it was last known"


def _losing_run(facts: DefenseFacts, rules: DefenseRules, defense: Defense) -> str:
    if facts.losing_run is None:
        return defense.causes.get(Cause.LOSING_RUN, _RUN_UNKNOWN) if defense.stood(Cause.LOSING_RUN) else ""
    if facts.losing_run < rules.losing_trades:
        return ""
    return f"the last {facts.losing_run} trades of the session were lost"


_RUN_UNKNOWN = "the last trades were lost when that was last known"


def _api(facts: DefenseFacts, _rules: DefenseRules, defense: Defense) -> str:
    stood = defense.stood(Cause.API)
    if facts.api_unwell_for is None:
        unwell = stood
    else:
        unwell = facts.api_unwell_for >= (timedelta(microseconds=1) if stood else API_UNWELL_FOR)
    return "the broker's interface is slow or failing" if unwell else ""


def _break(facts: DefenseFacts, _rules: DefenseRules, defense: Defense) -> str:
    broken = defense.stood(Cause.BREAK) if facts.broken is None else facts.broken
    return "broker, books and ledger disagree" if broken else ""


_JUDGES: Mapping[Cause, _Judge] = {
    Cause.BY_HAND: _by_hand,
    Cause.SETTING: _setting,
    Cause.LOSS: _loss,
    Cause.LOSING_RUN: _losing_run,
    Cause.API: _api,
    Cause.BREAK: _break,
}
