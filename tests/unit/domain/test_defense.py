"""Defense mode: its truth table, and that it neither flaps nor forgets whatever comes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbot_bot.domain.defense import (
    API_UNWELL_FOR,
    CALM_FOR,
    Cause,
    Defense,
    DefenseFacts,
    DefenseRules,
    advance,
    ended_by_hand,
    losing_run,
    scaled,
)
from tbot_bot.domain.money import Money, Quantity
from tbot_bot.domain.orders import Side
from tbot_bot.domain.trades import Trade

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
MARKET = datetime(2013, 10, 4, 14, tzinfo=UTC)
RULES = DefenseRules(Decimal("0.5"), 3, Decimal("0.5"))
WELL = DefenseFacts("", setting=False, loss_share=Decimal(0), losing_run=0, api_unwell_for=timedelta(0), broken=False)
MINUTE = timedelta(minutes=1)


def look(defense: Defense, minute: int = 0, **changes: Any) -> Defense:
    """Look again after so many minutes; by hand stays as it is unless it is changed."""
    facts = replace(WELL, **({"by_hand": defense.by_hand} | changes))
    return advance(defense, facts, RULES, now=NOW + minute * MINUTE, market_time=MARKET + minute * MINUTE)


#: What the facts say, when it did not call before, and whether it calls while it did.
TABLE = [
    (Cause.BY_HAND, {"by_hand": "news (ada)"}, True, True),
    (Cause.BY_HAND, {"by_hand": ""}, False, False),
    (Cause.SETTING, {"setting": True}, True, True),
    (Cause.SETTING, {"setting": False}, False, False),
    (Cause.LOSS, {"loss_share": Decimal("0.5")}, True, True),
    (Cause.LOSS, {"loss_share": Decimal("0.4999")}, False, True),
    (Cause.LOSS, {"loss_share": Decimal("0.4")}, False, True),
    (Cause.LOSS, {"loss_share": Decimal("0.3999")}, False, False),
    (Cause.LOSS, {"loss_share": None}, False, True),
    (Cause.LOSING_RUN, {"losing_run": 3}, True, True),
    (Cause.LOSING_RUN, {"losing_run": 2}, False, False),
    (Cause.LOSING_RUN, {"losing_run": None}, False, True),
    (Cause.API, {"api_unwell_for": API_UNWELL_FOR}, True, True),
    (Cause.API, {"api_unwell_for": API_UNWELL_FOR - timedelta(microseconds=1)}, False, True),
    (Cause.API, {"api_unwell_for": timedelta(0)}, False, False),
    (Cause.API, {"api_unwell_for": None}, False, True),
    (Cause.BREAK, {"broken": True}, True, True),
    (Cause.BREAK, {"broken": False}, False, False),
    (Cause.BREAK, {"broken": None}, False, True),
]


@pytest.mark.parametrize(("cause", "facts", "calls", "still_calls"), TABLE)
def test_each_cause_has_its_bounds(cause: Cause, facts: dict[str, Any], calls: bool, still_calls: bool) -> None:
    found = look(Defense(), **facts)
    assert found.is_active is calls
    assert set(found.causes) == ({cause} if calls else set())
    stood = Defense({cause: "as it was told"}, NOW)
    again = look(stood, 1, **facts)
    assert again.is_active
    assert (again.calm_since is None) is still_calls
    assert cause in again.causes
    waived = Defense(waived=frozenset({cause}))
    assert (look(waived, **facts) == replace(waived, by_hand=facts.get("by_hand", ""))) is still_calls


def test_the_sentences_have_the_figures() -> None:
    found = look(Defense(), setting=True, loss_share=Decimal("0.614"), losing_run=4, broken=True)
    assert list(found.causes.values()) == [
        "the settings ask for it",
        "61 % of the daily loss limit is used",
        "the last 4 trades of the session were lost",
        "broker, books and ledger disagree",
    ]
    assert look(found, loss_share=None, losing_run=None).causes == {
        Cause.LOSS: found.causes[Cause.LOSS],
        Cause.LOSING_RUN: found.causes[Cause.LOSING_RUN],
    }


def test_it_ends_after_a_calm_and_not_before() -> None:
    begun = look(Defense(), broken=True)
    assert begun.since == NOW
    calm = look(begun, 1)
    assert (calm.is_active, calm.calm_since, calm.causes) == (True, MARKET + MINUTE, begun.causes)
    minutes = CALM_FOR // MINUTE
    assert look(calm, minutes).is_active
    assert look(calm, minutes + 1) == Defense()
    disturbed = look(look(calm, minutes, broken=True), minutes + 1)
    assert (disturbed.is_active, disturbed.since) == (True, NOW)


@pytest.mark.parametrize("market_time", [None, MARKET - MINUTE])
def test_no_calm_is_counted_in_an_unknown_or_earlier_time(market_time: datetime | None) -> None:
    calm = look(look(Defense(), broken=True), 1)
    found = advance(calm, WELL, RULES, now=NOW, market_time=market_time)
    assert (found.is_active, found.calm_since) == (True, market_time)


def test_what_was_ended_by_hand_begins_again_only_after_it_has_been_gone() -> None:
    begun = look(Defense(), loss_share=Decimal("0.6"), by_hand="news (ada)")
    ended = ended_by_hand(begun)
    assert ended == Defense(waived=frozenset({Cause.LOSS}))
    still = look(ended, 1, loss_share=Decimal("0.45"))
    assert not still.is_active
    assert look(still, 2, loss_share=Decimal("0.45"), broken=True).causes.keys() == {Cause.BREAK}
    gone = look(still, 2)
    assert gone == Defense()
    assert look(gone, 3, loss_share=Decimal("0.6")).is_active


def trade(pnl: str, day: int = 4) -> Trade:
    closed = datetime(2013, 10, day, 15, tzinfo=UTC)
    return Trade(
        trade_id=f"T{pnl}", session_day=closed.date(), symbol="AAA", strategy="open", side=Side.BUY,
        opened_at=closed - MINUTE, entry_quantity=Quantity.of(1), entry_value=Money.of(9), realised=Money.of(pnl),
        closed_at=closed, closed_day=closed.date(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("newest_first", "run"),
    [([], 0), (["-1", "-2", "3", "-4"], 2), (["1", "-2"], 0), (["-1", "0", "-1"], 1), (["-1", "-1"], 2)],
)
def test_losses_in_a_row(newest_first: list[str], run: int) -> None:
    assert losing_run([trade(pnl) for pnl in newest_first], MARKET.date()) == run


def test_yesterdays_losses_do_not_count() -> None:
    assert losing_run([trade("-1"), trade("-1", day=3)], MARKET.date()) == 1


def test_scaled_limits_round_down() -> None:
    assert [scaled(limit, Decimal("0.5")) for limit in (5, 2, 1)] == [2, 1, 0]


FACTS = st.builds(
    DefenseFacts,
    by_hand=st.just(""),
    setting=st.booleans(),
    loss_share=st.none() | st.decimals(0, 2, places=2),
    losing_run=st.none() | st.integers(0, 5),
    api_unwell_for=st.none() | st.timedeltas(timedelta(0), timedelta(seconds=20)),
    broken=st.none() | st.booleans(),
)


@settings(deadline=None)
@given(st.lists(st.tuples(FACTS, st.integers(0, 10), st.booleans()), max_size=30))
def test_it_never_ends_by_itself_within_a_calms_length_of_a_cause(
    course: list[tuple[DefenseFacts, int, bool]],
) -> None:
    defense, minute, last_cause = Defense(), 0, None
    for facts, passed, ends in course:
        minute += passed
        before = defense
        at = MARKET + minute * MINUTE
        defense = advance(before, facts, RULES, now=NOW + minute * MINUTE, market_time=at)
        assert defense.is_active or not defense.causes
        assert not defense.waived & (set() if defense.calm_since else defense.causes.keys())
        if defense.is_active and defense.calm_since is None:
            last_cause = at
        if before.is_active and not defense.is_active:
            assert last_cause is not None
            assert at - last_cause >= CALM_FOR
        if before.is_active and defense.is_active:
            assert defense.since == before.since
        if ends:
            defense = ended_by_hand(defense)
            assert advance(defense, facts, RULES, now=NOW, market_time=at).is_active is False
