"""A journal as a runner would list it: an opening balance and fills of one trade after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tbot_bot.api.journal import AskJournal, JournalEntry, JournalPage, JournalRow, TrialBalance, TrialRow

COUNT = 70


def entry(account: str, name: str, value: str, quantity: str | None = None, commodity: str = "USD") -> JournalEntry:
    return JournalEntry(
        account=account, account_name=name, value=value, commodity=commodity, quantity=quantity,
        lot="T-20101119-0008" if quantity else None,
    )  # fmt: skip


def row(number: int) -> JournalRow:
    """Transaction `number`: the opening balance first, then fills."""
    opening = number == 1
    entries = (
        [entry("1.10.10", "Trading float", "100000"), entry("3.10.10", "Contributed capital", "-100000")]
        if opening
        else [
            entry("1.20.10", "Strategy positions", "7412.55", "98", "SPY"),
            entry("5.10.10", "Commission and regulatory fees, strategy", "0.4925"),
            entry("1.10.10", "Trading float", "-7413.0425"),
        ]
    )
    return JournalRow(
        txn_id=number,
        event_seq=number + 1,
        kind="opening" if opening else "fill",
        source="provisioning" if opening else "broker",
        external_id=None if opening else f"E-{number}",
        actor="system",
        hash=f"{number:064x}",
        book="strategy",
        effective_at=f"2010-11-19T15:{number % 60:02}:00Z",
        recorded_at="2026-11-22T07:00:00Z",
        version_of=number,
        version_no=1,
        reverses=None,
        memo="" if opening else "bought 98 SPY",
        execution_id=None if opening else f"E-{number}",
        trade_id=None if opening else "T-20101119-0008",
        entries=entries,
    )


def page(_caller: Any, asked: AskJournal) -> JournalPage:
    """The page that matches, the last posted first."""
    found = [
        one
        for one in map(row, range(int(asked.cursor or COUNT + 1) - 1, 0, -1))
        if asked.book in (None, one.book)
        and (asked.account is None or any(f"{each.account}.".startswith(f"{asked.account}.") for each in one.entries))
        and (asked.from_day is None or one.effective_at[:10] >= asked.from_day)
        and (asked.to_day is None or one.effective_at[:10] <= asked.to_day)
    ]
    shown = found[: asked.limit]
    return JournalPage(items=shown, next=str(shown[-1].txn_id) if len(found) > asked.limit else None)


def balance(**changes: Any) -> TrialBalance:
    """A balanced ledger."""
    return TrialBalance(
        items=[
            TrialRow(account="1.10.10", account_name="Trading float", debit="92586.9575", credit=None),
            TrialRow(account="1.20.10", account_name="Strategy positions", debit="7412.55", credit=None),
            TrialRow(account="3.10.10", account_name="Contributed capital", debit=None, credit="100000"),
            TrialRow(account="5.10.10", account_name="Commission and regulatory fees, strategy", debit="0.4925",
                     credit=None),
        ],
        debit="100000", credit="100000", balanced=True, transactions=COUNT,
    ).model_copy(update=changes)  # fmt: skip


def answers() -> dict[str, Callable[..., Any]]:
    """What the journal page is answered."""
    return {"journal.list": page, "journal.balance": lambda *_: balance()}
