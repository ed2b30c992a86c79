"""`/status/`: whether it runs, whether the money is safe, and what needs a person."""

from __future__ import annotations

from dataclasses import asdict

from flask import Blueprint, Response, jsonify, render_template, request

from tbot_bot.api.errors import Problem
from tbot_bot.api.lifecycle import Phase
from tbot_bot.api.permissions import Permission
from tbot_bot.api.status import AskSeries, DayResult, DaySeries, EquitySeries, StatusDocument
from tbot_bot.api.trades import TradePage
from tbot_web.support import plots, risk_view, status_source, status_view, trade_view
from tbot_web.support.answers import EquityCurve, SessionResults
from tbot_web.support.openapi import documented
from tbot_web.support.page import WATCH, Page
from tbot_web.support.plots import Drawdown
from tbot_web.support.runner_client import runner
from tbot_web.support.session_manager import caller
from tbot_web.support.utils_web import Answer, attempt, csv_response, failed_panel, silence

PAGE = Page(
    slug="status",
    title="Status",
    purpose="Is it running, is the money safe, what needs me?",
    prefix="/status",
    permission=Permission.STATUS_VIEW,
    phases=frozenset({Phase.MAIN, Phase.CLOSING}),
    group=WATCH,
    shortcut="s",
    panel=True,
    place=10,
)
blueprint = Blueprint("status", __name__)

#: Rows of the tables beside the plots; the exports have all.
_ROWS = 20
_ALL = AskSeries(limit=100_000)
_PLOTTED = AskSeries()


@blueprint.get("/")
def show() -> Answer:
    """The panel."""
    published = attempt(status_source.published)
    if isinstance(published, Problem):
        return failed_panel(PAGE, published)
    opened = attempt(_open_trades)
    points, days = attempt(lambda: _equity(_PLOTTED)), attempt(lambda: _days(_PLOTTED))
    if (silent := silence(opened, points, days)) is not None:
        return failed_panel(PAGE, silent)
    viewer = caller().status
    bots = [bot.model_copy(update={"user_session_status": viewer}) for bot in published.document.bots]
    return render_template(
        "status.html",
        page=PAGE,
        document=published.document,
        bots=bots,
        view=status_view,
        risk=risk_view,
        may_sign=Permission.SYSTEM_RESET in caller().permissions,
        trade_view=trade_view,
        plots=plots,
        rows=_ROWS,
        opened=opened,
        points=points,
        days=days,
    )


@blueprint.get("/api")
@documented(
    "Everything the console shows of the bot; 304 while its ETag is that of If-None-Match.", answer=StatusDocument
)
def document() -> Response:
    """The status document of the contract, with the viewer's own session in it."""
    body, version = status_source.body(caller().status)
    known = request.if_none_match.contains(version)
    answer = Response(status=304) if known else Response(body, mimetype="application/json")
    answer.set_etag(version)
    return answer


@blueprint.get("/api/equity")
@documented("Equity and drawdown by market time, oldest first.", answer=EquityCurve)
def equity() -> Response:
    """Equity and drawdown by market time, oldest first."""
    return jsonify(items=[asdict(point) for point in _equity(_PLOTTED)], next=None)


@blueprint.get("/api/days")
@documented("Results of the exchange sessions, oldest first.", answer=SessionResults)
def days() -> Response:
    """Results of the exchange sessions, oldest first."""
    return jsonify(items=[day.model_dump() for day in _days(_PLOTTED)], next=None)


@blueprint.get("/equity.csv")
def equity_csv() -> Response:
    """Every recorded point of equity."""
    points = ((point.at, point.equity, point.drawdown_pct) for point in _equity(_ALL))
    return csv_response("equity", ("market_time", "equity_usd", "drawdown_pct"), points)


@blueprint.get("/days.csv")
def days_csv() -> Response:
    """Every exchange session."""
    rows = ((day.day, day.pnl, day.fees, str(day.trades), str(day.wins)) for day in _days(_ALL))
    return csv_response("sessions", ("session", "pnl_usd", "fees_usd", "trades", "wins"), rows)


def _equity(asked: AskSeries) -> list[Drawdown]:
    series: EquitySeries = runner().call("status.equity", asked)
    return plots.drawdowns(series.items)


def _days(asked: AskSeries) -> list[DayResult]:
    series: DaySeries = runner().call("status.days", asked)
    return series.items


def _open_trades() -> TradePage:
    found: TradePage = runner().call("trades.open")
    return found
