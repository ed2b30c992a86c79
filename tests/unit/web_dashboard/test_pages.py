from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tbot_web
from tbot_bot.api import logs, status, trades
from tbot_bot.api.control import Act
from tbot_bot.api.errors import ApiError, not_signed_in, runner_unreachable
from tbot_bot.api.permissions import Role
from tbot_web.support import status_source
from tests.unit.web.canned import CannedRunner
from tests.unit.web.pages import Browser
from tests.unit.web_dashboard import documents

DIFFERS = status.TieOut(
    subject="7", at="2026-11-22T14:01:50Z", verified=True, clean=False, sentences=["BBB: broker 7, books 0."],
    exceptions=["BBB 7"], differences=[
        status.Difference(name="cash", broker="1000", books=None, ledger="990", difference="10"),
        status.Difference(name="BBB", broker="7", books="0", ledger="0", difference="7"),
    ],
)  # fmt: skip
CONDITION = status.ConditionShown(
    name="account_restricted", sentence="The broker restricts the account: day trading.",
    since="2026-11-22T14:00:00Z", next_step="Ask the broker what lifts it.", blocks_entries=True,
)  # fmt: skip
BROKEN = ApiError.of(500, "internal", "The books could not be read", "Nothing was changed.", "Try again.")
BROKEN.problem.error_id = "abcd1234"


@pytest.fixture
def viewer(runner: CannedRunner, web: Any) -> Browser:
    return web.browser(tbot_session=runner.sign_in(Role.VIEWER))


class TestWhatNeedsSomebody:
    def show(self, runner: CannedRunner, browser: Browser, **changes: Any) -> str:
        runner.special["status.document"] = lambda *_: documents.document(as_of=runner.clock.now(), **changes)
        return browser.get("/status/").text

    def test_while_all_is_well_there_is_nothing(self, runner: CannedRunner, admin: Browser) -> None:
        page = self.show(runner, admin)
        assert "tie-out-title" not in page
        assert "conditions-title" not in page

    def test_a_difference_has_its_figures_and_an_admin_may_sign(
        self, runner: CannedRunner, admin: Browser, viewer: Browser
    ) -> None:
        page = self.show(runner, admin, tie_out=DIFFERS)
        assert "No new entry is made until they agree again" in page
        assert "<li>BBB: broker 7, books 0.</li>" in page
        assert "Cash, USD" in page
        assert 'href="/control/confirm/sign_break"' in page
        assert "/control/confirm/sign_break" not in self.show(runner, viewer, tie_out=DIFFERS)

    def test_a_signed_one_says_by_whom_and_is_not_signed_again(self, runner: CannedRunner, admin: Browser) -> None:
        signature = {"signed_by": "Ada", "signed_at": "2026-11-22T14:02:00Z", "signed_reason": "A gift."}
        page = self.show(runner, admin, tie_out=DIFFERS.model_copy(update=signature))
        assert "<strong>Ada</strong> accepted exactly this" in page
        assert "<q>A gift.</q>" in page
        assert "differ as signed" in page
        assert "/control/confirm/sign_break" not in page

    def test_what_could_not_be_compared_cannot_be_signed(self, runner: CannedRunner, admin: Browser) -> None:
        page = self.show(runner, admin, tie_out=DIFFERS.model_copy(update={"verified": False, "differences": []}))
        assert "could not be compared" in page
        assert "/control/confirm/sign_break" not in page

    def test_a_condition_has_its_name_its_way_out_and_what_it_blocks(
        self, runner: CannedRunner, admin: Browser
    ) -> None:
        closed = CONDITION.model_copy(update={"name": "market_closed", "blocks_entries": False})
        page = self.show(runner, admin, conditions=[CONDITION, closed])
        for words in ("no entries", "day trading.", "Ask the broker what lifts it.", "<code>market_closed</code>"):
            assert words in page


class TestShell:
    def test_it_has_controls_banners_and_a_frame_for_each_panel(self, admin: Browser) -> None:
        page = admin.get("/").text
        assert "SIMULATED MARKET" in page
        assert "Simulated market, 60x speed, seed 7" in page
        assert 'href="/control/confirm/kill"' in page
        assert "Kill: flatten 3 positions…" in page
        for slug, title in (("status", "Status"), ("trades", "Trades"), ("logs", "Logs")):
            assert f'<iframe title="{title}" data-panel="{slug}"' in page
        assert page.index('data-panel="status"') < page.index('data-panel="trades"') < page.index('data-panel="logs"')

    def test_the_address_names_the_open_panel(self, admin: Browser) -> None:
        page = admin.get("/?panel=trades").text
        assert 'data-panel="trades" data-src="/trades/" src="/trades/"' in page
        assert 'data-panel="status" data-src="/status/" hidden' in page
        assert 'data-panel="status" data-src="/status/" src="/status/"' in admin.get("/?panel=nonsense").text

    def test_a_viewer_has_no_controls(self, viewer: Browser) -> None:
        assert "/control/confirm/" not in viewer.get("/").text

    def test_a_closing_bot_shows_how_far_it_is(self, runner: CannedRunner, admin: Browser) -> None:
        runner.special["control.state"] = lambda *_: documents.control_state(
            [Act.KILL], state="emergency_closing_positions", closing=documents.closing()
        )
        runner.publish("emergency_closing_positions")
        page = admin.get("/").text
        assert 'data-closing="yes"' in page
        assert "Kill: flattening the strategy book" in page
        assert "Positions flattened" in page
        assert 'data-panel="trades"' not in page

    def test_what_cannot_be_read_is_said_and_kill_stays(self, runner: CannedRunner, admin: Browser) -> None:
        runner.special["control.state"] = BROKEN
        runner.special["status.document"] = BROKEN
        page = admin.get("/").text
        assert "The books could not be read." in page
        assert "Kill: flatten all positions…" in page

    def test_only_extending_counts_as_an_act(self, runner: CannedRunner, admin: Browser) -> None:
        token = admin.token("/")
        touches = runner.touches
        admin.poll("/")
        assert runner.touches == touches
        runner.clock.move(documents.timedelta(seconds=30))
        answer = admin.post("/extend", X_CSRFToken=token)
        assert answer.json()["expires_at"] == "2026-11-22T08:30:30Z"
        assert runner.touches == touches + 1


class TestStatus:
    def test_the_document_has_the_viewers_own_session(self, admin: Browser) -> None:
        found = admin.poll("/status/api").json()
        assert found["bots"][0]["user_session_status"] == "active"
        assert found["bots"][0]["daily_pnl"] == "412.5"
        assert found["bots"][0]["holdings_balance"] is None
        assert status.StatusDocument.model_validate(found)

    def test_it_is_sent_again_only_when_it_changed(self, runner: CannedRunner, admin: Browser) -> None:
        tag = admin.poll("/status/api").headers["ETag"]
        assert admin.get("/status/api", X_Poll="1", If_None_Match=tag).status_code == 304
        runner.special["status.document"] = lambda *_: documents.document(daily_pnl="1")
        assert admin.get("/status/api", X_Poll="1", If_None_Match=tag).status_code == 200

    @pytest.mark.parametrize(("address", "verb"), [("/status/", "status.days"), ("/trades/", "trades.open")])
    def test_a_silent_runner_is_told_once_for_the_whole_panel(
        self, runner: CannedRunner, admin: Browser, address: str, verb: str
    ) -> None:
        runner.special[verb] = runner_unreachable()
        answer = admin.get(address)
        assert answer.status_code == 503
        assert answer.text.count("The control process is not answering") == 1

    def test_a_file_that_stopped_moving_is_not_believed(
        self, tmp_path: Path, runner: CannedRunner, serve: Callable[[], Any]
    ) -> None:
        file = tmp_path / "output" / "RIGD_US_SIM_001" / "status.json"
        file.parent.mkdir(parents=True)
        file.write_text(documents.document(as_of=runner.clock.now()).model_dump_json())
        browser = serve().browser(tbot_session=runner.sign_in())
        assert "Kill: flatten 3 positions…" in browser.get("/").text
        assert "SIMULATED MARKET" in browser.get("/trades/").text
        runner.clock.move(status_source.FRESH_FOR)
        assert browser.poll("/status/api").status_code == 200
        assert runner.asked["status.document"] == 0
        runner.clock.move(documents.timedelta(seconds=1))
        runner.special["status.document"] = BROKEN
        assert browser.poll("/status/api").status_code == 500
        assert browser.get("/status/").text.count("The books could not be read") == 1  # told once
        shell = browser.get("/").text
        assert "RIGD_US_SIM_001" in shell
        assert "flatten 3 positions" not in shell

    def test_the_published_file_serves_without_a_call(
        self, tmp_path: Path, runner: CannedRunner, serve: Callable[[], Any]
    ) -> None:
        file = tmp_path / "output" / "RIGD_US_SIM_001" / "status.json"
        file.parent.mkdir(parents=True)
        file.write_text(documents.document(daily_pnl="7").model_dump_json())
        browser = serve().browser(tbot_session=runner.sign_in())
        first = browser.poll("/status/api")
        assert first.json()["bots"][0]["daily_pnl"] == "7"
        assert browser.get("/status/api", X_Poll="1", If_None_Match=first.headers["ETag"]).status_code == 304
        assert runner.asked["status.document"] == 0
        new = file.with_suffix(".new")
        new.write_text(documents.document(daily_pnl="8").model_dump_json())
        new.replace(file)
        second = browser.poll("/status/api")
        assert second.json()["bots"][0]["daily_pnl"] == "8"
        assert second.headers["ETag"] != first.headers["ETag"]
        file.write_text("{")
        assert browser.poll("/status/api").json()["bots"][0]["daily_pnl"] == "412.5"
        file.unlink()
        assert browser.poll("/status/api").json()["bots"][0]["daily_pnl"] == "412.5"

    def test_the_page_shows_figures_reasons_trades_and_all_fields(self, admin: Browser) -> None:
        page = admin.get("/status/").text
        for words in ("+412.50", "the universe is 26 hours old", "6 of 9 today", "T-…0007", "System status overview",
                      "holdings are not set up", "sums to zero", "deepest drawdown was \u22124.1%"):  # fmt: skip
            assert words in page, words

    def test_a_part_that_fails_does_not_take_the_page_along(self, runner: CannedRunner, admin: Browser) -> None:
        for verb in ("trades.open", "status.equity", "status.days"):
            runner.special[verb] = BROKEN
        answer = admin.get("/status/")
        assert answer.status_code == 200
        assert answer.text.count("The books could not be read") == 3
        assert "abcd1234" in answer.text
        assert "+412.50" in answer.text

    def test_without_a_document_the_panel_says_so_and_tries_again(self, runner: CannedRunner, admin: Browser) -> None:
        runner.special["status.document"] = BROKEN
        answer = admin.get("/status/")
        assert answer.status_code == 500
        assert "data-retry-panel" in answer.text

    def test_nothing_yet(self, runner: CannedRunner, admin: Browser) -> None:
        runner.special |= {
            "status.document": lambda *_: documents.unknown_document(),
            "status.equity": lambda *_: documents.equity(0),
            "status.days": lambda *_: documents.days(0),
            "trades.open": lambda *_: trades.TradePage(items=[]),
        }
        page = admin.get("/status/").text
        for words in ("No curve yet", "No session has ended yet", "No open trade", "No strategy is declared"):
            assert words in page
        runner.special["status.document"] = lambda *_: documents.document().model_copy(update={"bots": []})
        assert "No bot reports yet" in admin.get("/status/").text

    def test_series(self, admin: Browser) -> None:
        points = admin.poll("/status/api/equity").json()
        assert points["next"] is None
        assert points["items"][-1] == {"at": "2010-11-23T08:00:00Z", "equity": "108941.27", "drawdown_pct": "0.00"}
        assert admin.poll("/status/api/days").json()["items"][0]["day"] == "2010-10-04"
        assert admin.get("/status/equity.csv").text.splitlines()[-1] == "2010-11-23T08:00:00Z,108941.27,0.00"
        assert admin.get("/status/days.csv").text.splitlines()[1] == "2010-10-04,-380,2.4,6,0"


class TestTrades:
    def test_open_and_closed_with_pages(self, admin: Browser) -> None:
        page = admin.get("/trades/").text
        assert "T-20101122-0007" in page
        assert "T-20101119-0120" in page
        assert "T-20101119-0070" not in page
        assert 'aria-sort="descending"' in page
        assert "cursor=50" in page
        older = admin.get("/trades/?cursor=50").text
        assert "T-20101119-0070" in older
        assert "T-20101122-0007" not in older

    def test_why_nothing_was_traded_with_pages(self, runner: CannedRunner, admin: Browser) -> None:
        page = admin.get("/trades/").text
        assert "Why nothing was traded" in page
        assert "closed beyond the range at 75.30" in page
        assert "closed beyond the range at 75.18" not in page
        assert "why=12" in page
        older = admin.get("/trades/?why=12").text
        assert "closed beyond the range at 75.18" in older
        assert "closed beyond the range at 75.30" not in older
        assert "choice of symbols" in page
        assert "No reason matches" in admin.get("/trades/?symbol=NONE").text
        runner.special["trades.no_trades"] = lambda *_: trades.NoTradePage(items=[])
        assert "No signal was left alone yet" in admin.get("/trades/").text

    def test_reasons_for_programs(self, admin: Browser) -> None:
        found = admin.get("/trades/api/no_trades?strategy=mid&limit=5").json()
        assert [row["strategy"] for row in found["items"]] == ["mid"] * 5
        assert found["next"] == "5"
        after = admin.get("/trades/api/no_trades?strategy=mid&limit=5&cursor=5").json()
        assert after["items"][0]["at"] < found["items"][-1]["at"]
        assert admin.get("/trades/api/no_trades?day=never").json()["code"] == "bad_filter"

    def test_filter_and_no_match(self, admin: Browser) -> None:
        assert "T-20101119-0119" not in admin.get("/trades/?symbol=spy").text
        page = admin.get("/trades/?symbol=NONE").text
        assert "No open trade matches" in page
        assert "No closed trade matches" in page
        assert "T-20101122-0007" not in admin.get("/trades/?day=2010-11-19").text

    @pytest.mark.parametrize("query", ["sort=secret", "order=up", "day=yesterday"])
    def test_a_wrong_filter_is_refused_with_what_is_allowed(self, admin: Browser, query: str) -> None:
        answer = admin.get(f"/trades/?{query}")
        assert answer.status_code == 400
        assert "must be" in answer.text
        assert admin.get(f"/trades/api?{query}").json()["code"] == "bad_filter"

    def test_sorting_the_open_ones(self, admin: Browser) -> None:
        page = admin.get("/trades/?sort=quantity&order=asc").text
        assert page.index("T-20101122-0007") < page.index("T-20101122-0009")
        page = admin.get("/trades/?sort=quantity&order=desc").text
        assert page.index("T-20101122-0009") < page.index("T-20101122-0007")

    def test_the_export_is_the_whole_view(self, admin: Browser) -> None:
        answer = admin.get("/trades/export.csv?cursor=50")
        assert answer.headers["Content-Disposition"] == 'attachment; filename="trades.csv"'
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        assert len(rows) == 123
        assert rows[0]["closed_at"] == ""
        assert rows[1]["unrealised_pnl"] == "-12.16"
        assert len(list(csv.DictReader(io.StringIO(admin.get("/trades/export.csv?symbol=SPY").text)))) == 41

    def test_a_symbol_cannot_become_a_formula(self, runner: CannedRunner, admin: Browser) -> None:
        row = documents.trade(1, entry_reason="=HYPERLINK(1)")
        runner.special["trades.open"] = lambda *_: trades.TradePage(items=[row])
        assert "'=HYPERLINK(1)" in admin.get("/trades/export.csv").text

    def test_detail_shows_fills_and_the_proof(self, admin: Browser) -> None:
        page = admin.get("/trades/T-20101119-0008").text
        for words in ("X-1", "4,014.48", "Realised result", "each transaction sums to zero"):
            assert words in page
        assert admin.get("/trades/api/T-20101119-0008").json()["fills"][0]["price"] == "167.27"

    def test_a_sum_that_is_not_zero_is_shown_as_wrong(self, runner: CannedRunner, admin: Browser) -> None:
        found = documents.detail()
        wrong = found.model_copy(update={"postings": found.postings[1:]})
        runner.special["trades.detail"] = lambda *_: wrong
        assert "a transaction does not sum to zero" in admin.get("/trades/T-20101119-0008").text

    def test_an_unknown_trade_and_failed_lists(self, runner: CannedRunner, admin: Browser) -> None:
        runner.special["trades.detail"] = ApiError.of(404, "no_such_trade", "There is no such trade")
        assert admin.get("/trades/T-0").status_code == 404
        runner.special |= {"trades.open": BROKEN, "trades.closed": BROKEN}
        assert admin.get("/trades/").text.count("The books could not be read") == 2

    def test_an_open_trade_and_one_without_fills(self, runner: CannedRunner, admin: Browser) -> None:
        bare = trades.TradeDetail(trade=documents.open_trades()[2], fills=[], postings=[])
        runner.special["trades.detail"] = lambda *_: bare
        page = admin.get("/trades/T-20101122-0009").text
        for words in ("No fill yet", "Nothing posted yet", "still open", "realised and unrealised"):
            assert words in page

    def test_json(self, admin: Browser) -> None:
        page = admin.get("/trades/api?limit=2&symbol=SPY").json()
        assert ([row["trade_id"] for row in page["items"]], page["next"]) == (
            ["T-20101119-0120", "T-20101119-0117"],
            "2",
        )
        assert len(admin.get("/trades/api?state=open").json()["items"]) == 3

    @pytest.mark.parametrize(
        ("query", "name", "allowed"),
        [
            ("limit=abc", "limit", "a whole number from 1 to 500"),
            ("limit=501", "limit", "a whole number from 1 to 500"),
            ("limit=0", "limit", "a whole number from 1 to 500"),
            ("limit=1e2", "limit", "a whole number from 1 to 500"),
            ("limit=abc&state=open", "limit", "a whole number from 1 to 500"),
            ("state=both", "state", "one of open, closed"),
            ("order=up", "order", "one of asc, desc"),
        ],
    )
    def test_a_list_names_what_it_cannot_take(self, admin: Browser, query: str, name: str, allowed: str) -> None:
        refused = admin.get(f"/trades/api?{query}")
        assert (refused.status_code, refused.headers["content-type"]) == (400, "application/problem+json")
        assert refused.json()["fields"] == {name: f"{name} must be {allowed}."}


class TestLogs:
    def test_newest_lines_older_lines_and_the_filter(self, admin: Browser) -> None:
        page = admin.get("/logs/").text
        assert 'id="line-899"' in page
        assert 'id="line-699"' not in page
        assert "before=700" in page
        assert 'data-after="900"' in page
        assert 'id="line-699"' in admin.get("/logs/?name=open.log&before=700").text
        filtered = admin.get("/logs/?name=open.log&level=warning&text=price").text
        assert 'id="line-17"' in filtered
        assert "order acknowledged" not in filtered
        assert "No line matches" in admin.get("/logs/?text=nothing-has-this").text

    def test_the_log_of_tracebacks_begins_with_the_errors_counted(self, runner: CannedRunner, admin: Browser) -> None:
        assert "Errors since the start" not in admin.get("/logs/?name=open.log").text
        page = admin.get("/logs/?name=error_tracebacks").text
        assert all(part in page for part in ("Errors since the start", "StoreError", "1,204", "work.py", "bot: failed"))
        runner.special["logs.errors"] = lambda *_: logs.ErrorEntries(items=[])
        assert "No error with a traceback" in admin.get("/logs/?name=error_tracebacks").text
        runner.special["logs.errors"] = BROKEN
        assert "The books could not be read" in admin.get("/logs/?name=error_tracebacks").text

    def test_what_a_log_holds_is_said(self, runner: CannedRunner, admin: Browser) -> None:
        named = logs.LogName(name="mid", title="Strategy mid", holds="decisions and trades", size_bytes=1)
        runner.special["logs.names"] = lambda *_: logs.LogNames(items=[named])
        assert "Decisions and trades" in admin.get("/logs/").text

    def test_the_tail_has_only_what_was_written_since(self, admin: Browser) -> None:
        page = admin.poll("/logs/?name=open.log&after=898").text
        assert 'id="line-898"' in page
        assert 'id="line-897"' not in page

    def test_download_has_every_line_oldest_first(self, admin: Browser) -> None:
        answer = admin.get("/logs/download/open.log")
        lines = answer.text.splitlines()
        assert len(lines) == 899
        assert lines[0] == "2026-11-22T14:02:12Z INFO orders order acknowledged symbol=SPY order=RIGD-open-SPY-1"
        assert answer.headers["Content-Type"].startswith("text/plain")
        assert len(admin.get("/logs/download/open.log?level=warning").text.splitlines()) == 52

    def test_download_pages_through_a_long_log(self, runner: CannedRunner, admin: Browser) -> None:
        lines = [documents.log_line(number) for number in range(1, 2501)]
        runner.special["logs.read"] = lambda _caller, asked: documents.log_page(asked, lines)
        found = admin.get("/logs/download/open.log").text.splitlines()
        assert [line.rpartition("-")[2] for line in (found[0], found[1500], found[-1])] == ["1", "1501", "2500"]
        assert len(found) == 2500

    def test_nothing_yet_and_failures(self, runner: CannedRunner, admin: Browser) -> None:
        runner.special["logs.read"] = lambda _caller, asked: documents.log_page(asked, [])
        assert "Nothing written yet" in admin.get("/logs/").text
        runner.special["logs.read"] = BROKEN
        assert "The books could not be read" in admin.get("/logs/").text
        runner.special["logs.names"] = lambda *_: logs.LogNames(items=[])
        assert "No log can be read yet" in admin.get("/logs/").text
        runner.special["logs.names"] = BROKEN
        assert admin.get("/logs/").status_code == 500

    @pytest.mark.parametrize("query", ["level=loud", "limit=0", "limit=x", "before=x", "after=-1", "text=" + "x" * 201])
    def test_a_wrong_filter_is_refused(self, admin: Browser, query: str) -> None:
        assert admin.get(f"/logs/?{query}").status_code == 400
        assert admin.get(f"/logs/api/open.log?{query}").json()["code"] == "bad_filter"

    def test_json(self, admin: Browser) -> None:
        assert [log["name"] for log in admin.get("/logs/api").json()["items"]] == ["open.log", "system.log"]
        found = admin.get("/logs/api/open.log?limit=2").json()
        assert [line["position"] for line in found["items"]] == [898, 899]
        assert admin.get("/logs/api/" + "x" * 65).status_code == 404

    def test_what_was_logged_is_never_markup(self, runner: CannedRunner, admin: Browser) -> None:
        lines = [documents.log_line(1, message="<script>alert(1)</script>")]
        runner.special["logs.read"] = lambda _caller, asked: documents.log_page(asked, lines)
        page = admin.get("/logs/").text
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert" in page


def test_no_session_no_panel(web: Any) -> None:
    for path in ("/", "/status/", "/trades/", "/logs/", "/control/confirm/kill"):
        assert web.browser().get(path).headers["Location"].startswith("/login")
    assert web.browser().get("/status/api").status_code == 401


def test_a_session_that_ends_within_a_panel_concerns_the_whole_page(runner: CannedRunner, admin: Browser) -> None:
    runner.special["trades.open"] = not_signed_in()
    assert admin.get("/trades/").headers["Location"].startswith("/login")


@pytest.mark.parametrize(
    "name", ["main", "status", "trades", "trade", "logs", "control", "control_acts", "panel_failed"]
)
def test_no_inline_script_or_style(name: str) -> None:
    text = (Path(tbot_web.__file__).parent / "templates" / f"{name}.html").read_text()
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son[a-z]+=", text)
