"""`/trades/`: every round trip in the strategy book, and the fills and postings behind each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal
from urllib.parse import urlencode

from flask import Blueprint, Response, render_template, request
from pydantic import Field

from tbot_bot.api.close_reasons import CloseReason
from tbot_bot.api.errors import Problem
from tbot_bot.api.lifecycle import Phase
from tbot_bot.api.permissions import Permission
from tbot_bot.api.trades import AskNoTrades, AskTrade, AskTrades, NoTradePage, TradeBars, TradeDetail, TradePage
from tbot_bot.domain.time import to_rfc3339
from tbot_web.support import trade_view
from tbot_web.support.openapi import documented
from tbot_web.support.page import WATCH, Page
from tbot_web.support.requests import one_of, refused_filter, whole_number
from tbot_web.support.runner_client import runner
from tbot_web.support.trade_plot import trade_plot
from tbot_web.support.utils_web import Answer, attempt, csv_response, failed_panel, json_answer, now, silence

PAGE = Page(
    slug="trades",
    title="Trades",
    purpose="What was bought and sold, why, and what came of it.",
    prefix="/trades",
    permission=Permission.TRADES_VIEW,
    phases=frozenset({Phase.MAIN}),
    group=WATCH,
    shortcut="t",
    panel=True,
    place=20,
)
blueprint = Blueprint("trades", __name__)

_PAGE, _PAGE_MAX, _EXPORT_MAX = 50, 500, 100_000
#: Rows of the list of trades that were not made; the page is about those that were.
_REASONS = 12


class TradesQuery(AskTrades):
    """What the address of a list may say."""

    state: Literal["open", "closed"] = Field(default="closed", description="Open trades, or closed ones newest first.")
    sort: str = Field(
        default="opened_at",
        description="What open trades are ordered by.",
        json_schema_extra={"enum": list(trade_view.SORTED_BY)},
    )
    order: Literal["asc", "desc"] = Field(default="desc", description="Which way open trades are ordered.")


@dataclass(frozen=True, slots=True)
class Filter:
    """What the address says to show; an empty part shows all."""

    symbol: str | None
    strategy: str | None
    day: str | None
    sort: str
    order: str
    cursor: str | None
    why: str | None
    reason: CloseReason | None

    @classmethod
    def of_request(cls) -> Filter:
        """Read the query; what cannot be a filter is refused with what is allowed."""
        asked = {name: value.strip() for name, value in request.args.items() if value.strip()}
        if not _is_day(asked.get("day")):
            raise refused_filter("day", "day must be a date like 2026-10-03")
        return cls(
            symbol=asked.get("symbol", "").upper() or None,
            strategy=asked.get("strategy"),
            day=asked.get("day"),
            sort=one_of("sort", trade_view.SORTED_BY, "opened_at"),
            order=one_of("order", ("asc", "desc"), "desc"),
            cursor=asked.get("cursor"),
            why=asked.get("why"),
            reason=_reason(),
        )

    @property
    def narrows(self) -> bool:
        """Whether it leaves anything out."""
        return any((self.symbol, self.strategy, self.day, self.reason))

    def address(self, path: str = "", **changed: str | None) -> str:
        """The page's address with this filter, changed so."""
        parts = {"symbol": self.symbol, "strategy": self.strategy, "day": self.day, "sort": self.sort,
                 "order": self.order, "reason": self.reason} | changed  # fmt: skip
        return f"{PAGE.prefix}/{path}?{urlencode({name: value for name, value in parts.items() if value})}"

    def page(self, limit: int) -> AskTrades:
        """What to ask the runner."""
        return AskTrades(
            cursor=self.cursor, limit=limit, symbol=self.symbol, strategy=self.strategy, day=self.day,
            reason=self.reason,
        )  # fmt: skip

    def not_made(self, limit: int, cursor: str | None) -> AskNoTrades:
        """What to ask the runner about trades that were not made."""
        return AskNoTrades(cursor=cursor, limit=limit, symbol=self.symbol, strategy=self.strategy, day=self.day)


@blueprint.get("/")
def show() -> Answer:
    """The panel."""
    chosen = attempt(Filter.of_request)
    if isinstance(chosen, Problem):
        return failed_panel(PAGE, chosen)
    as_of = to_rfc3339(now())
    opened, closed = attempt(lambda: _open(chosen)), attempt(lambda: _closed(chosen, _PAGE))
    not_made = attempt(lambda: _not_made(chosen, _REASONS, chosen.why))
    if (silent := silence(opened, closed, not_made)) is not None:
        return failed_panel(PAGE, silent)
    return render_template(
        "trades.html",
        page=PAGE,
        chosen=chosen,
        trade_view=trade_view,
        as_of=as_of,
        opened=opened,
        closed=closed,
        not_made=not_made,
    )


@blueprint.get("/export.csv")
def export() -> Response:
    """The trades of this view, open ones first, then closed ones newest first."""
    chosen = Filter.of_request()
    found = _open(chosen).items
    asked: AskTrades | None = chosen.page(_PAGE_MAX).model_copy(update={"cursor": None})
    while asked is not None and len(found) < _EXPORT_MAX:
        page: TradePage = runner().call("trades.closed", asked)
        found += page.items
        asked = asked.model_copy(update={"cursor": page.next}) if page.next else None
    return csv_response("trades", trade_view.EXPORTED, map(trade_view.export_row, found))


@blueprint.get("/api")
@documented("Closed trades newest first, or the open ones.", answer=TradePage, address=TradesQuery)
def rows() -> Response:
    """Closed trades newest first, or with `state=open` the open ones."""
    chosen = Filter.of_request()
    limit = whole_number("limit", _PAGE, 1, _PAGE_MAX)
    if one_of("state", ("open", "closed"), "closed") == "open":
        return json_answer(_open(chosen))
    return json_answer(_closed(chosen, limit))


@blueprint.get("/api/no_trades")
@documented("Why symbols were not traded, newest first.", answer=NoTradePage, address=AskNoTrades)
def no_trades() -> Response:
    """Why symbols were not traded: the stage, the check and the figures, once each a session."""
    chosen = Filter.of_request()
    return json_answer(_not_made(chosen, whole_number("limit", _PAGE, 1, _PAGE_MAX), chosen.cursor))


@blueprint.get("/api/<trade_id>")
@documented("One trade with every fill and posting behind its figures.", answer=TradeDetail, address=AskTrade)
def one(trade_id: str) -> Response:
    """One trade with its fills and postings."""
    return json_answer(_detail(trade_id))


@blueprint.get("/api/<trade_id>/bars")
@documented("The minutes of a trade's session, and where its stop stood.", answer=TradeBars, address=AskTrade)
def minutes(trade_id: str) -> Response:
    """The minutes of its session as the broker has them, and where its stop stood."""
    return json_answer(_bars(trade_id))


@blueprint.get("/<trade_id>")
def detail(trade_id: str) -> Answer:
    """One trade, the prices around it, and the proof of its figures; with `view=session` the prices of all its day."""
    found = attempt(lambda: _detail(trade_id))
    if isinstance(found, Problem):
        return failed_panel(PAGE, found)
    whole = request.args.get("view") == "session"
    is_kept = found.trade.closed_at is not None and "X-Poll" in request.headers  # its prices are on the page already
    return render_template(
        "trade.html",
        page=PAGE,
        detail=found,
        trade_view=trade_view,
        transactions=trade_view.transactions(found.postings),
        whole=whole,
        plot=None if is_kept else attempt(lambda: trade_plot(found, _bars(trade_id), whole=whole)),
    )


def _open(chosen: Filter) -> TradePage:
    found: TradePage = runner().call("trades.open")
    kept = trade_view.matching(found.items, chosen.symbol, chosen.strategy)
    if chosen.reason:
        kept = []
    if chosen.day:
        kept = [trade for trade in kept if trade.opened_at.startswith(chosen.day)]
    ordered = trade_view.in_order(kept, chosen.sort, descending=chosen.order == "desc")
    return found.model_copy(update={"items": ordered})


def _closed(chosen: Filter, limit: int) -> TradePage:
    found: TradePage = runner().call("trades.closed", chosen.page(limit))
    return found


def _not_made(chosen: Filter, limit: int, cursor: str | None) -> NoTradePage:
    found: NoTradePage = runner().call("trades.no_trades", chosen.not_made(limit, cursor))
    return found


def _detail(trade_id: str) -> TradeDetail:
    found: TradeDetail = runner().call("trades.detail", AskTrade(trade_id=trade_id))
    return found


def _bars(trade_id: str) -> TradeBars:
    found: TradeBars = runner().call("trades.bars", AskTrade(trade_id=trade_id))
    return found


def _reason() -> CloseReason | None:
    asked = one_of("reason", tuple(CloseReason), None)
    return None if asked is None else CloseReason(asked)


def _is_day(text: str | None) -> bool:
    try:
        return text is None or date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
