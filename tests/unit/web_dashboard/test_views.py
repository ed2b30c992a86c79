from __future__ import annotations

from typing import Any

import pytest

from tbot_bot.api.control import Act
from tbot_bot.api.lifecycle import Phase
from tbot_bot.api.permissions import ROLE_PERMISSIONS, Permission, Role
from tbot_bot.api.status import ApiHealth, EquityPoint, ErrorEvent, Severity
from tbot_web.support import console, plots, status_view, trade_view
from tbot_web.support.figures import MINUS
from tbot_web.support.page import MONEY, WATCH, Page
from tests.unit.web_dashboard.documents import (
    bot,
    closing,
    control_state,
    days,
    detail,
    document,
    equity,
    open_trades,
    trade,
    unknown_document,
)

ADMIN, OPERATOR, VIEWER = (ROLE_PERMISSIONS[role] for role in (Role.ADMIN, Role.OPERATOR, Role.VIEWER))


class TestStatus:
    def test_the_summary_says_whether_it_runs_and_has_the_nine_fields(self) -> None:
        labels = [cell.label for cell in status_view.summary_cells(document())]
        assert labels == [
            "Running", "Overall", "Active strategy", "Open trades", "Bots", "In kill switch", "Defense mode",
            "Universe", "Holdings", "Uptime",
        ]  # fmt: skip

    def test_the_overview_has_the_twenty_two_fields(self) -> None:
        groups = status_view.overview(bot(user_session_status="active"))
        assert sum(len(cells) for _, cells in groups) == 22
        assert len({cell.label for _, cells in groups for cell in cells}) == 22

    def test_what_is_not_known_is_missing_with_a_reason_and_never_zero(self) -> None:
        unknown = unknown_document()
        cells = [cell for _, group in status_view.overview(unknown.bots[0]) for cell in group]
        missing = [cell for cell in cells if cell.shown is None]
        assert len(missing) == 15
        assert all(cell.reason for cell in missing)
        assert all(value is None and reason for _, value, _, reason in status_view.headline(unknown.bots[0]))

    @pytest.mark.parametrize(
        ("severity", "kind"), [(Severity.OK, "ok"), (Severity.WARNING, "warn"), (Severity.CRITICAL, "bad")]
    )
    def test_each_severity_has_its_mark(self, severity: Severity, kind: str) -> None:
        assert status_view.severity_kind(document(summary={"overall_status": severity})) == kind

    @pytest.mark.parametrize(
        ("armed", "triggered", "words", "marks"),
        [
            (True, False, ["yes", "no"], ["", ""]),
            (False, False, ["no", "no"], ["warn", ""]),
            (False, True, ["no", "yes"], ["warn", "bad"]),
            (None, None, [None, None], ["", ""]),
        ],
    )
    def test_the_kill_switch_answers_yes_or_no(
        self, armed: bool | None, triggered: bool | None, words: list[str | None], marks: list[str]
    ) -> None:
        shown = bot(kill_switch_armed=armed, kill_switch_triggered=triggered)
        groups = dict(status_view.overview(shown))
        for cells in (status_view.bot_cells(shown), groups["Risk and limits"]):
            found = [cell for cell in cells if cell.label in ("Kill switch armed", "Kill switch triggered")]
            assert [cell.shown and cell.shown.text for cell in found] == words
            assert [cell.mark for cell in found] == marks
            assert all(cell.reason for cell in found if cell.shown is None)

    @pytest.mark.parametrize(
        ("changes", "words", "mark"),
        [
            ({"state": "stopped"}, "no, stopped", "off"),
            ({"state": "monitoring"}, "yes, monitoring", "ok"),
            ({"state": "idle", "paused": True}, "yes, entries paused in idle", "warn"),
            ({"state": "stopped", "paused": True}, "no, stopped", "off"),
            ({"state": "graceful_closing_positions"}, "graceful closing positions", "warn"),
            ({"state": "error"}, "no, error", "bad"),
            ({"state": "shutdown"}, "no, shutdown", "off"),
        ],
    )
    def test_the_first_word_says_whether_it_runs(self, changes: dict[str, Any], words: str, mark: str) -> None:
        first = status_view.summary_cells(document(**changes))[0]
        assert (first.label, str(first.shown), first.mark) == ("Running", words, mark)

    def test_the_health_light_says_whether_the_books_agree(self) -> None:
        def marks(**changes: object) -> list[str]:
            return [
                cell.mark
                for cell in status_view.bot_cells(bot(**changes))
                if "=" in cell.label or "Trial" in cell.label
            ]

        assert marks() == ["ok", "ok"]
        assert marks(tied_out=False, trial_balance_ok=False) == ["bad", "bad"]
        assert marks(tied_out=None, trial_balance_ok=None) == ["unknown", "unknown"]

    def test_a_strategy_says_what_it_does_and_why_not_more(self) -> None:
        (first, *_), passed = bot().strategies, "TEC at 15:22 UTC: too thin"
        said = {cell.label: cell for cell in status_view.strategy_cells(first)}
        assert str(said["PnL, USD"].shown) == "+396.58"
        assert said["Not traded"].shown is None
        assert "Last of them" not in said
        assert (said["Expectancy, USD"].shown, said["Average R"].shown) == (None, None)
        ever = {"trades_ever": 40, "expectancy_ever": "-3.5", "average_r_ever": "-0.12", "not_traded": {"signal": 1}}
        busy = first.model_copy(update={"left_alone": 1, "last_left_alone": passed, "open_trades": 2, **ever})
        said = {cell.label: cell for cell in status_view.strategy_cells(busy)}
        shown = [str(said[label].shown) for label in ("Not traded", "Last of them", "Open trades")]
        assert shown == ["1 signal left alone (signal 1)", passed, "2"]
        assert str(said["Expectancy, USD"].shown) == f"{MINUS}3.50 over 40 trades"
        assert str(said["Average R"].shown) == f"{MINUS}0.12 R"

    def test_the_market_in_words(self) -> None:
        at = "2010-11-22T15:02:11Z"
        assert status_view.market_words(bot(), at) == "22 Nov 2010 10:02 New York, open, closes in 5 h 57 min"
        closed = bot(market_open=False, session_open_at="2010-11-23T14:30:00Z")
        assert status_view.market_words(closed, at).endswith("closed, opens in 23 h 27 min")
        assert status_view.market_words(bot(market_open=None), at).endswith("session not known")
        assert status_view.market_words(bot(market_open=False, session_open_at=None), at).endswith("closed")
        assert status_view.market_words(bot(), None) == "market time not known"

    def test_the_last_error_and_health(self) -> None:
        error = ErrorEvent(at="2026-11-22T13:00:00Z", kind="timeout", message="no answer")
        groups = dict(status_view.overview(bot(last_error_event=error, api_status=ApiHealth.DOWN, api_latency_ms=None)))
        said = {cell.label: cell for cell in groups["Operation"]}
        assert str(said["Last error event"].shown) == "timeout: no answer (22 Nov 2026 13:00:00 UTC)"
        assert (str(said["API status"].shown), said["API status"].mark) == ("down", "bad")

    def test_what_is_wrong_with_the_interface_and_since_when(self) -> None:
        slow = bot(api_status=ApiHealth.DEGRADED, api_reason="slow", api_since="2026-11-22T13:00:00Z", api_p95_ms=1400)
        said = {cell.label: cell for cell in status_view.bot_cells(slow)}
        assert (said["API status"].mark, said["API status"].reason) == ("warn", "slow")
        assert str(said["API so since, UTC"].shown) == "22 Nov 13:00"
        assert str(said["95 of 100 answers within"].shown) == "1400 ms"
        untold = {cell.label: cell.shown for cell in status_view.bot_cells(bot())}
        assert (untold["API so since, UTC"], untold["95 of 100 answers within"]) == (None, None)


class TestPlots:
    def test_a_drawdown_is_measured_from_the_highest_point_before(self) -> None:
        points = [EquityPoint(at="2026-10-03T00:00:00Z", equity=text) for text in ("100", "120", "90", "150", "0")]
        assert [point.drawdown_pct for point in plots.drawdowns(points)] == [
            "0.00",
            "0.00",
            "-25.00",
            "0.00",
            "-100.00",
        ]

    def test_nothing_yet_and_an_empty_account(self) -> None:
        assert plots.drawdowns([]) == []
        assert plots.drawdowns([EquityPoint(at="2026-10-03T00:00:00Z", equity="0")])[0].drawdown_pct == "0.00"
        assert plots.equity_sentence([]) == "No equity has been recorded yet."
        assert plots.days_sentence([]) == "No session has ended yet."

    def test_the_sentences_say_what_is_drawn(self) -> None:
        said = plots.equity_sentence(plots.drawdowns(equity().items))
        assert "108,941.27 USD; the deepest drawdown was \u22124.1% on 1 Nov 2010" in said
        assert plots.days_sentence(days(1).items) == "1 session: 0 with a profit, 1 with a loss."
        assert plots.days_sentence(days(10).items) == "10 sessions: 5 with a profit, 5 with a loss."


class TestTrades:
    def test_pnl_of_open_trades_is_realised_and_unrealised_and_unknown_without_a_mark(self) -> None:
        assert [trade_view.pnl_text(row) for row in open_trades()] == ["15.36", "-12.4", None]
        assert trade_view.pnl_text(trade(1)) == "15.36"

    def test_a_total_is_unknown_when_one_part_is(self) -> None:
        assert trade_view.pnl_total(open_trades()) is None
        assert str(trade_view.pnl_total(open_trades()[:2])) == "+2.96"
        assert str(trade_view.fees_total(open_trades())) == "1.44"

    def test_sorting_is_by_number_and_keeps_the_unknown_last(self) -> None:
        rows = [*open_trades(), trade(100, quantity="9")]
        assert [row.quantity for row in trade_view.in_order(rows, "quantity", descending=False)] == [
            "9",
            "17",
            "18",
            "19",
        ]
        for descending in (True, False):
            assert trade_view.in_order(rows, "pnl", descending=descending)[-1].symbol == "IBM"
        assert trade_view.in_order(rows, "symbol", descending=True)[0].symbol == "SPY"

    def test_each_transaction_proves_its_sum(self) -> None:
        postings = detail().postings
        assert [(found.txn_id, len(found.postings), str(found.sum)) for found in trade_view.transactions(postings)] == [
            (501, 3, "0"), (502, 4, "0"),
        ]  # fmt: skip
        broken = [postings[0].model_copy(update={"value": "-4014.73"}), *postings[1:]]
        assert str(trade_view.transactions(broken)[0].sum) == "-0.01"

    def test_ids_are_shortened_to_their_last_part(self) -> None:
        assert trade_view.short_id("T-20101122-0009") == "T-…0009"
        assert trade_view.short_id("17") == "17"

    def test_filtering(self) -> None:
        assert [row.symbol for row in trade_view.matching(open_trades(), "BAC", "open")] == ["BAC"]
        assert trade_view.matching(open_trades(), None, "mid") == []
        assert len(trade_view.export_row(trade(1))) == len(trade_view.EXPORTED) == 22


class TestConsole:
    def test_only_acts_that_the_role_may_use_and_the_state_allows(self) -> None:
        state = control_state([Act.START, Act.RESET, Act.KILL])
        assert [found.act for found in console.controls(state, ADMIN, 0)] == [Act.START, Act.RESET, Act.KILL]
        assert [found.act for found in console.controls(state, OPERATOR, 0)] == [Act.START, Act.KILL]
        assert console.controls(state, VIEWER, 0) == []

    def test_without_an_answer_kill_alone_is_left(self) -> None:
        assert [found.label for found in console.controls(None, OPERATOR, None)] == ["Kill: flatten all positions…"]

    @pytest.mark.parametrize(
        ("positions", "label"),
        [(0, "Kill: lock trading…"), (1, "Kill: flatten 1 position…"), (7, "Kill: flatten 7 positions…")],
    )
    def test_kill_says_what_it_would_do(self, positions: int, label: str) -> None:
        assert console.controls(control_state(), OPERATOR, positions)[-1].label == label

    def test_navigation_shows_what_exists_now_and_may_be_seen(self) -> None:
        def page(slug: str, place: int, permission: Permission = Permission.STATUS_VIEW, **more: object) -> Page:
            phases = frozenset({Phase.MAIN})
            return Page(
                slug,
                slug.title(),
                "",
                f"/{slug}",
                permission,
                phases,
                **{"group": WATCH, "panel": True, "place": place} | more,
            )  # type: ignore[arg-type]

        pages = [
            page("b", 20), page("a", 20), page("z", 10), page("money", 1, group=MONEY),
            page("kill", 1, Permission.TRADING_CONTROL), page("loose", 1, panel=False),
        ]  # fmt: skip
        found = console.navigation(pages, VIEWER, Phase.MAIN)
        assert [(group, [member.slug for member in members]) for group, members in found] == [
            (WATCH, ["z", "a", "b"]), (MONEY, ["money"]),
        ]  # fmt: skip
        assert console.navigation(pages, VIEWER, Phase.CLOSING) == []

    def test_banners_say_each_condition(self) -> None:
        state = control_state(
            paused=True, kill_triggered=True, error="the disk is full", last_good_state="idle",
            closing=closing().model_copy(update={"ended_at": "2026-11-22T14:03:00Z"}),
        )  # fmt: skip
        found = console.banners(bot(defense_mode_active=True, pause_reason="by ada"), state)
        assert [banner.look for banner in found] == ["sim", "warn", "warn", "bad", "bad", "warn"]
        said = " ".join(banner.text for banner in found)
        expected = (
            "60x speed, seed 7",
            "Defense mode",
            "paused: by ada",
            "kill switch is triggered",
            "the disk is full. It was last well in state idle.",
            "14:03:00 UTC with 1 position left",
        )
        assert all(words in said for words in expected)
        called = {"defense_mode_active": True, "defense_since": "2026-11-22T14:01:00Z", "defense_reasons": ["a loss"]}
        for calm, over in ((None, ""), ("2010-11-22T15:00:00Z", " That is over; it ends by itself if it stays so.")):
            (_, defense) = console.banners(bot(**called, defense_calm_since=calm), None)
            assert "UTC: a loss." + over + " New entries are smaller" in defense.text
        ended = console.banners(bot(market_note="the replay has no session after 2013-10-09"), None)[1]
        assert (ended.look, ended.text.partition(":")[0]) == ("info", "The replay has no session after 2013-10-09")
        assert console.banners(None, None) == []
        assert console.banners(bot(simulated=False), control_state()) == []
        assert "not armed" in console.banners(None, control_state(kill_armed=False))[0].text


@pytest.mark.parametrize(
    ("reason", "shown"),
    [("stop_loss", "stopped out"), ("take_profit", "target reached"), ("time exit", "time exit"), (None, "")],
)
def test_the_reason_of_a_close_is_told_in_words(reason, shown):
    assert trade_view.closed_by(trade(1, close_reason=reason)) == shown
