"""Verbs of the ledger for auditors: its journal and its trial balance. Nothing is written here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import date, datetime, timedelta

from tbot_bot.api.errors import ApiError
from tbot_bot.api.journal import AskJournal, JournalEntry, JournalPage, JournalRow, TrialBalance, TrialRow
from tbot_bot.api.model import Nothing
from tbot_bot.api.wire import text_or_none
from tbot_bot.control.conductor import Conductor
from tbot_bot.control.system_api import Caller, Handler
from tbot_bot.domain.orders import Book
from tbot_bot.domain.time import from_rfc3339, to_rfc3339
from tbot_bot.storage.journal_reports import JournalFilter, JournalReports, JournalTransaction

_ONE_DAY = timedelta(days=1)


class JournalVerbs:
    """The handlers; `conductor` has the books open."""

    def __init__(self, conductor: Callable[[], Conductor]) -> None:
        self._conductor = conductor

    def handlers(self) -> Mapping[str, Handler]:
        """The verbs answered here."""
        return {"journal.list": self._list, "journal.balance": self._balance}

    def _list(self, _caller: Caller, asked: AskJournal) -> JournalPage:
        where = JournalFilter(
            account=asked.account,
            book=Book(asked.book) if asked.book else None,
            since=_start(asked.from_day, "from_day"),
            until=_end(asked.to_day),
        )
        before = int(asked.cursor) if asked.cursor else None
        found = self._reports().page(where, before, asked.limit)
        return JournalPage(items=[_row(one) for one in found.items], next=text_or_none(found.next))

    def _balance(self, _caller: Caller, _nothing: Nothing) -> TrialBalance:
        floor = self._conductor().floor
        found = floor.ledger.trial_balance()
        newest = self._reports().page(JournalFilter(), None, 1).items
        return TrialBalance(
            items=[
                TrialRow(
                    account=line.account.code,
                    account_name=line.account.name,
                    debit=str(line.balance) if line.balance.sign > 0 else None,
                    credit=str(-line.balance) if line.balance.sign < 0 else None,
                )
                for line in found.lines
            ],
            debit=str(found.debit),
            credit=str(found.credit),
            balanced=found.balanced,
            transactions=newest[0].txn_id if newest else 0,
        )

    def _reports(self) -> JournalReports:
        return JournalReports(self._conductor().floor.database.engine)


def _row(one: JournalTransaction) -> JournalRow:
    told = {name: value for name, value in asdict(one).items() if name != "lines"}
    times = {"effective_at": to_rfc3339(one.effective_at), "recorded_at": to_rfc3339(one.recorded_at)}
    entries = [
        JournalEntry(
            account=line.account,
            account_name=line.account_name,
            value=str(line.value),
            commodity=line.commodity,
            quantity=str(line.quantity) if line.quantity else None,
            lot=line.lot,
        )
        for line in one.lines
    ]
    return JournalRow(**(told | times), entries=entries)


def _end(day: str | None) -> datetime | None:
    start = _start(day, "to_day")
    return None if start is None else start + _ONE_DAY


def _start(day: str | None, name: str) -> datetime | None:
    try:
        return None if day is None else from_rfc3339(f"{date.fromisoformat(day)}T00:00:00Z")
    except ValueError as error:
        raise ApiError.of(
            400, "bad_filter", "This filter cannot be applied", fields={name: "There is no such day."}
        ) from error
