"""`/audit/journal/`: the ledger as an auditor reads it, each transaction traced to the event and the fill behind it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from flask import Blueprint, Response, render_template, request

from tbot_bot.api.errors import Problem
from tbot_bot.api.journal import AskJournal, JournalPage, TrialBalance
from tbot_bot.api.lifecycle import Phase
from tbot_bot.api.permissions import Permission
from tbot_bot.domain.time import to_rfc3339
from tbot_web.support import journal_view
from tbot_web.support.openapi import documented
from tbot_web.support.page import CHECK, Page
from tbot_web.support.requests import whole_number
from tbot_web.support.runner_client import runner
from tbot_web.support.utils_web import Answer, attempt, failed_panel, json_answer, message_of, now, silence

PAGE = Page(
    slug="journal",
    title="Journal",
    purpose="Every posting of the ledger, what caused it, and the proof that all of it balances.",
    prefix="/audit/journal",
    permission=Permission.AUDIT_VIEW,
    phases=frozenset({Phase.MAIN}),
    group=CHECK,
    shortcut="j",
    panel=True,
    place=35,
)
blueprint = Blueprint("journal", __name__)

_PAGE, _PAGE_MAX = 50, 200


@dataclass(frozen=True, slots=True)
class Filter:
    """What the address says to show."""

    asked: AskJournal

    @classmethod
    def of_request(cls) -> Filter:
        """Read the query; what cannot be a filter is refused with what is allowed."""
        limit = whole_number("limit", _PAGE, 1, _PAGE_MAX)
        given = {name: value.strip() for name, value in request.args.items() if value.strip()}
        known = {name: value for name, value in given.items() if name in AskJournal.model_fields}
        return cls(message_of(AskJournal, known | {"limit": limit}))

    @property
    def narrows(self) -> bool:
        """Whether it leaves anything out."""
        return bool(self._given())

    def address(self, **changed: str | None) -> str:
        """The page's address with this filter, changed so."""
        query = urlencode({name: value for name, value in (self._given() | changed).items() if value})
        return f"{PAGE.address}{'?' if query else ''}{query}"

    def _given(self) -> dict[str, str | None]:
        return self.asked.model_dump(exclude={"cursor", "limit"}, exclude_none=True)


@blueprint.get("/")
def show() -> Answer:
    """The panel."""
    chosen = attempt(Filter.of_request)
    if isinstance(chosen, Problem):
        return failed_panel(PAGE, chosen)
    found, balance = attempt(lambda: _list(chosen)), attempt(_balance)
    if (silent := silence(found, balance)) is not None:
        return failed_panel(PAGE, silent)
    return render_template(
        "journal.html",
        page=PAGE,
        chosen=chosen,
        view=journal_view,
        found=found,
        balance=balance,
        as_of=to_rfc3339(now()),
    )


@blueprint.get("/api")
@documented("Transactions of the ledger, the last posted first.", answer=JournalPage, address=AskJournal)
def rows() -> Response:
    """Transactions, the last posted first."""
    return json_answer(_list(Filter.of_request()))


@blueprint.get("/api/balance")
@documented("The balance of every account that was ever moved, and the proof.", answer=TrialBalance)
def balance() -> Response:
    """The trial balance."""
    return json_answer(_balance())


def _list(chosen: Filter) -> JournalPage:
    found: JournalPage = runner().call("journal.list", chosen.asked)
    return found


def _balance() -> TrialBalance:
    found: TrialBalance = runner().call("journal.balance")
    return found
