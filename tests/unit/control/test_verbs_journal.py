"""The ledger as an auditor reads it, of a day that was traded."""

from __future__ import annotations

from typing import Any

import pytest

from tbot_bot.api.errors import ApiError
from tbot_bot.api.permissions import Permission
from tbot_bot.api.verbs import VERBS
from tbot_bot.control.verbs_journal import JournalVerbs
from tbot_bot.domain.lifecycle import State
from tbot_bot.domain.money import Money, total
from tests.unit.control.backstage import call
from tests.unit.control.stage import Stage


def ask(stage: Stage, verb: str, **params: object) -> Any:
    return call(JournalVerbs(lambda: stage.conductor).handlers(), verb, stage.backstage.caller(), **params)


def traded(stage: Stage) -> None:
    """Enter two symbols, then stop: everything is closed."""
    stage.trade()
    for symbol in ("AAA", "BBB"):
        stage.enter(symbol)
    stage.conductor.stop("test")
    stage.ticks_until(State.STOPPED)


def test_it_is_the_auditors() -> None:
    for name in ("journal.list", "journal.balance"):
        assert VERBS[name].permission is Permission.AUDIT_VIEW
        assert not VERBS[name].changes


def test_each_posting_is_traced_to_its_fill_and_sums_to_nothing(stage: Stage) -> None:
    traded(stage)
    rows = ask(stage, "journal.list", limit=200).items
    assert [row.txn_id for row in rows] == sorted((row.txn_id for row in rows), reverse=True)
    for row in rows:
        assert total(Money.of(entry.value) for entry in row.entries) == Money.zero()
        assert len(row.hash) == 64
    opening, *fills = reversed(rows)
    assert (opening.execution_id, opening.trade_id) == (None, None)
    assert {row.execution_id is not None and row.trade_id is not None for row in fills} == {True}
    assert {entry.commodity for row in fills for entry in row.entries if entry.quantity} >= {"AAA", "BBB"}
    balance = ask(stage, "journal.balance")
    assert balance.balanced
    assert balance.debit == balance.credit
    assert balance.transactions == rows[0].txn_id
    assert total(Money.of(one.debit) for one in balance.items if one.debit) == Money.of(balance.debit)


def test_each_part_of_the_filter_narrows(stage: Stage) -> None:
    traded(stage)
    rows = ask(stage, "journal.list").items
    first = rows[-1]
    assert ask(stage, "journal.list", account="3").items == [first]
    assert ask(stage, "journal.list", account="3.10.10").items == [first]
    assert ask(stage, "journal.list", account="3.1").items == []
    assert ask(stage, "journal.list", book="strategy").items == rows
    assert ask(stage, "journal.list", book="holdings").items == []
    day = first.effective_at[:10]
    assert ask(stage, "journal.list", from_day=day, to_day=day).items == rows
    assert ask(stage, "journal.list", to_day="2000-01-01").items == []
    assert ask(stage, "journal.list", from_day="2100-01-01").items == []
    with pytest.raises(ApiError) as refused:
        ask(stage, "journal.list", from_day="2011-02-31")
    assert refused.value.problem.fields == {"from_day": "There is no such day."}


def test_pages_follow_one_another(stage: Stage) -> None:
    traded(stage)
    whole, found, cursor = ask(stage, "journal.list").items, [], None
    while True:
        page = ask(stage, "journal.list", limit=2, cursor=cursor)
        found += page.items
        if (cursor := page.next) is None:
            break
    assert found == whole
