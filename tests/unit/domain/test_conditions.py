"""Each named condition from the facts that make it, and none from what is unknown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbot_bot.domain.conditions import (
    CLOCK_OFF_MAX,
    MISSING_MINUTES_MAX,
    ClockWatch,
    ConditionFacts,
    ConditionName,
    conditions,
    split_factor,
)
from tbot_bot.domain.money import Money, Quantity
from tbot_bot.domain.reconcile import TieRow

AT = datetime(2013, 10, 4, 14, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def row(broker: str, books: str, ledger: str = "", name: str = "AAA") -> TieRow:
    held, ours = Quantity.of(broker), Quantity.of(books)
    return TieRow(name, held, ours, Quantity.of(ledger or books), held - ours)


CASH = TieRow("cash", Money.of(5), None, Money.of(4), Money.of(1))
TABLE = [
    (ConditionFacts(), None, False),
    (ConditionFacts(clock_off=timedelta(minutes=6)), ConditionName.CLOCK_OFF, True),
    (ConditionFacts(restricted="pattern day trading"), ConditionName.ACCOUNT_RESTRICTED, True),
    (ConditionFacts(differences=[row("200", "100")]), ConditionName.SPLIT, False),
    (ConditionFacts(differences=[row("200", "100"), CASH]), None, False),
    (ConditionFacts(differences=[row("107", "100")]), None, False),
    (ConditionFacts(delisted={"AAA": Quantity.of(-5)}), ConditionName.DELISTED, False),
    (ConditionFacts(missing_minutes=MISSING_MINUTES_MAX), None, False),
    (ConditionFacts(missing_minutes=MISSING_MINUTES_MAX + 1), ConditionName.HISTORY_HOLES, False),
    (ConditionFacts(buying_power=Money.of(9), slice=Money.of(10)), ConditionName.INSUFFICIENT_CASH, False),
    (ConditionFacts(buying_power=Money.of(10), slice=Money.of(10)), None, False),
    (ConditionFacts(buying_power=Money.of(9)), None, False),
    (ConditionFacts(slice=Money.of(10)), None, False),
    (ConditionFacts(is_open=False, opens_at=AT), ConditionName.MARKET_CLOSED, False),
    (ConditionFacts(is_open=False), ConditionName.MARKET_CLOSED, False),
    (ConditionFacts(is_open=True, opens_at=AT), None, False),
]


@pytest.mark.parametrize(("facts", "name", "blocks"), TABLE)
def test_each_has_its_facts_a_sentence_and_a_way_out(
    facts: ConditionFacts, name: ConditionName | None, blocks: bool
) -> None:
    found = conditions(facts)
    assert [(one.name, one.blocks) for one in found] == ([] if name is None else [(name, blocks)])
    assert all(one.sentence.endswith(".") and one.next_step.endswith(".") for one in found)


def test_what_blocks_comes_first() -> None:
    found = conditions(ConditionFacts(is_open=False, missing_minutes=9, restricted="x", delisted={"A": Quantity.of(1)}))
    assert [one.blocks for one in found] == [True, False, False, False]
    assert found[0].name is ConditionName.ACCOUNT_RESTRICTED


@pytest.mark.parametrize(
    ("found", "factor"),
    [
        (row("200", "100"), Fraction(2)),
        (row("-300", "-100"), Fraction(3)),
        (row("10", "100"), Fraction(1, 10)),
        (row("150", "100"), None),
        (row("-100", "100"), None),
        (row("100", "0"), None),
        (row("0", "100"), None),
        (row("200", "100", "50"), None),
        (row("10100", "100"), None),
        (CASH, None),
    ],
)
def test_a_split_multiplies_by_a_whole_number_or_divides_by_one(found: TieRow, factor: Fraction | None) -> None:
    assert split_factor(found) == factor


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-20, 20)), max_size=40))
def test_a_clock_is_not_believed_after_three_new_minutes_against_it(course: list[tuple[int, int]]) -> None:
    watch, bar, run, seen = ClockWatch(), 0, 0, False
    for step, ahead in course:
        bar += step
        watch.see(AT + (bar + ahead) * MINUTE, AT + bar * MINUTE)
        if step or not seen:
            run = run + 1 if ahead * MINUTE >= CLOCK_OFF_MAX else 0
        seen = True
        assert (watch.off > timedelta(0)) is (run >= 3)


def test_without_a_minute_nothing_is_known_of_the_clock() -> None:
    watch = ClockWatch()
    for _ in range(9):
        watch.see(AT, None)
    assert watch.off == timedelta(0)
