"""The price plot of a trade: what is drawn, said and listed, and what is shown without an answer."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest

from tbot_bot.api.errors import ApiError
from tbot_bot.api.trades import TradeDetail
from tbot_web.support.trade_plot import MARGIN, TradePlot, trade_plot
from tests.unit.web.canned import CannedRunner
from tests.unit.web.pages import Browser
from tests.unit.web_dashboard import documents

OPENED = "2010-11-19T15:10:11Z"


def plotted(detail: TradeDetail | None = None, *, whole: bool = False) -> TradePlot:
    return trade_plot(detail or documents.detail(), documents.bars(), whole=whole)


def still_open() -> TradeDetail:
    found = documents.detail()
    changes = {"closed_at": None, "exit_price": None, "unrealised_pnl": None}
    return found.model_copy(update={"trade": found.trade.model_copy(update=changes), "fills": found.fills[:1]})


def test_the_surroundings_of_the_trade_or_the_whole_session() -> None:
    around, whole = plotted(), plotted(whole=True)
    assert (len(whole.minutes), whole.is_whole) == (len(documents.bars().bars), True)
    assert not around.is_whole
    before = [minute for minute in around.minutes if minute.bar.at < documents.detail().trade.opened_at]
    assert MARGIN - 1 <= len(before) <= MARGIN + 1
    assert len(plotted(still_open()).minutes) > len(around.minutes)


def test_each_minute_tells_where_the_stop_stood_and_what_happened() -> None:
    minutes = plotted().minutes
    told = [(minute.events, minute.stop) for minute in minutes if minute.events]
    assert [events for events, _ in told] == [
        ("in 24 at 167.2700", "stop to 166.8000"),
        ("stop to 167.1000",),
        ("out 24 at 167.9100",),
    ]
    assert (minutes[0].stop, told[0][1], told[1][1], minutes[-1].stop) == (None, "166.8", "167.1", None)


def test_what_is_drawn_is_what_is_listed() -> None:
    found = plotted()
    drawn = json.loads(found.drawn)
    assert [bar[0] for bar in drawn["bars"]] == [minute.bar.at for minute in found.minutes]
    assert [bar[5] for bar in drawn["bars"]] == [minute.stop for minute in found.minutes]
    marks = [(mark["what"], found.minutes[mark["bar"]].events[0][: len(mark["what"])]) for mark in drawn["marks"]]
    assert marks == [("in", "in"), ("out", "out")]
    assert (drawn["entry"], drawn["exit"], drawn["target"], drawn["gains"]) == ("167.27", "167.91", "168.2", True)


def test_parts_of_an_order_in_one_minute_are_one_mark() -> None:
    detail = documents.detail()
    twice = detail.model_copy(update={"fills": [detail.fills[0], detail.fills[0], detail.fills[1]]})
    assert len(json.loads(plotted(twice).drawn)["marks"]) == 2


def test_a_fill_in_the_minute_that_runs_is_marked_at_the_end_and_one_before_the_first_is_not() -> None:
    detail, bars = documents.detail(), documents.bars()
    left = [bar for bar in bars.bars if detail.trade.opened_at < bar.at < (detail.trade.closed_at or "")][:-1]
    found = trade_plot(detail, bars.model_copy(update={"bars": left}), whole=True)
    assert [(mark["what"], mark["bar"]) for mark in json.loads(found.drawn)["marks"]] == [("out", len(left) - 1)]


def test_a_result_that_is_not_known_has_no_colour() -> None:
    assert json.loads(plotted(still_open()).drawn)["gains"] is None


def test_the_sentence_tells_the_way_and_how_far_it_went() -> None:
    sentence = plotted().sentence
    assert re.match(r"Long 24 IBM, in at 167\.2700 at [\d:]+, out at 167\.9100 at [\d:]+ \(.+\)\. While", sentence)
    assert sentence.endswith("at worst.")
    assert "+0.34% at best" in sentence
    assert "out at" not in plotted(still_open()).sentence


def test_a_short_trade_gains_when_the_price_falls() -> None:
    detail = documents.detail()
    short = detail.model_copy(update={"trade": detail.trade.model_copy(update={"side": "short"})})
    assert "\N{MINUS SIGN}0.34% at worst" in plotted(short).sentence


def test_without_bars_there_is_a_sentence_and_nothing_to_draw() -> None:
    none = documents.bars().model_copy(update={"bars": [], "stops": []})
    found = trade_plot(documents.detail(), none, whole=False)
    assert found.minutes == ()
    assert found.sentence.endswith(").")


class TestPage:
    def test_the_plot_its_words_and_its_table(self, admin: Browser) -> None:
        page = admin.get("/trades/T-20101119-0008").text
        drawn = re.search(r'data-plot="trade" data-points="([^"]+)"', page)
        assert drawn is not None
        assert json.loads(unescape(drawn.group(1)))["marks"]
        assert all(
            part in page for part in ("While it was held", "stop to 167.1000", 'type="range"', "Around the trade")
        )
        whole = admin.get("/trades/T-20101119-0008?view=session").text
        assert whole.count("<tr>") > page.count("<tr>")
        assert len(admin.get("/trades/api/T-20101119-0008/bars").json()["stops"]) == 2

    def test_a_broker_that_does_not_answer_takes_nothing_else_away(self, runner: CannedRunner, admin: Browser) -> None:
        runner.special["trades.bars"] = ApiError.of(503, "broker_unanswered", "The broker did not answer", "", "Later.")
        page = admin.get("/trades/T-20101119-0008").text
        assert "The broker did not answer" in page
        assert "Ledger postings behind it" in page
        assert 'data-plot="trade"' not in page

    def test_no_prices_are_said_so(self, runner: CannedRunner, admin: Browser) -> None:
        runner.special["trades.bars"] = lambda *_: documents.bars().model_copy(update={"bars": []})
        assert "No prices of that day" in admin.get("/trades/T-20101119-0008").text

    @pytest.mark.parametrize("is_open", [False, True])
    def test_a_refresh_asks_again_only_for_an_open_trade(
        self, runner: CannedRunner, admin: Browser, *, is_open: bool
    ) -> None:
        asked: list[object] = []
        runner.special["trades.bars"] = lambda *_: asked.append(1) or documents.bars()
        runner.special["trades.detail"] = lambda *_: still_open() if is_open else documents.detail()
        page = admin.poll("/trades/T-20101119-0008").text
        assert len(asked) == int(is_open)
        assert ('id="price" data-live' in page) is is_open
