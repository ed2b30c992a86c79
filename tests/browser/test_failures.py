"""What the browser shows when sessions end and processes die, and that it goes on by itself afterwards."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Frame, Page, expect

from tbot_bot.domain.time import from_rfc3339
from tests.browser import journey
from tests.browser.conftest import Visit
from tests.browser.launched import Launched
from tests.browser.watched import Watched, look, look_again, panel_frame
from tests.support.running import PASSWORD, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("registered")]
RUNNER, WEB = "tbot_bot.control.main", "tbot_web.py.run_web"
NEW_PASSWORD = "another battery, another horse"
#: What the browser says of answers that fail while a process is down.
DOWN = (r"status of (404|50\d)", r"net::ERR_")


def test_a_session_that_ended_never_asks_for_a_password_in_a_frame(ada: Watched, visit: Visit) -> None:
    page = ada.page
    framed: list[str] = []

    def went(frame: Frame) -> None:
        if frame.parent_frame is not None:
            framed.append(frame.url)

    page.on("framenavigated", went)
    elsewhere = visit(signed_in=True).page
    elsewhere.goto("/account/")
    elsewhere.get_by_role("button", name="End all others").click()
    expect(elsewhere.get_by_text("Every other session was ended.")).to_be_visible()
    with ada.excusing("status of 401"):
        page.locator("nav a[data-open=trades]").click()
        page.wait_for_url("**/login**")
    expect(page.get_by_label("Password")).to_be_visible()
    assert framed
    assert not [url for url in framed if "/login" in url]


def test_a_form_made_before_a_rotation_is_still_taken(ada: Watched) -> None:
    before, page = ada.new_page(), ada.page
    before.goto("/account/")
    generation = journey.bot(page)["generation"]
    for present, new in ((PASSWORD, NEW_PASSWORD), (NEW_PASSWORD, PASSWORD)):
        page.goto("/account/")
        page.get_by_label("Present password").fill(present)
        page.get_by_label("New password", exact=True).fill(new)
        page.get_by_label("New password again").fill(new)
        page.get_by_role("button", name="Change the password").click()
        expect(page.get_by_text("every key and secret renewed")).to_be_visible()
        if new == NEW_PASSWORD:
            before.get_by_role("button", name="End all others").click()
            expect(before.get_by_text("Every other session was ended.")).to_be_visible()
    wait_for(lambda: journey.bot(page)["generation"] == generation + 2, 10)


def test_a_wrong_password_form_keeps_its_place(ada: Watched) -> None:
    page = ada.page
    page.goto("/account/")
    with ada.excusing("status of 4"):
        page.get_by_label("Present password").fill("not my password")
        page.get_by_label("New password", exact=True).fill(NEW_PASSWORD)
        page.get_by_label("New password again").fill("something else entirely")
        page.get_by_role("button", name="Change the password").click()
        expect(page.get_by_label("New password again")).to_have_attribute("aria-invalid", "true")
    wrong = look(page, "account-refused")
    assert not wrong, "\n".join(wrong)


def test_signing_out_ends_it_and_back_shows_nothing(ada: Watched) -> None:
    page = ada.page
    cookies = ada.context.cookies()
    page.goto("/trades/")
    page.goto("/")
    page.locator("#account-menu summary").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/login")
    for _ in range(2):
        page.go_back()
        expect(page.get_by_label("Password")).to_be_visible()
        expect(page.locator("#shell, table")).to_have_count(0)
    ada.context.add_cookies(cookies)  # the runner ended it, not only this browser
    assert page.request.get("/status/api").status == 401


def test_the_control_process_dies_and_the_pages_recover_by_themselves(ada: Watched, running: Launched) -> None:
    page = ada.page
    alone = ada.new_page()
    alone.goto("/trades/")
    page.goto("/")
    panel_frame(page, "status")
    with ada.excusing(*DOWN):
        with running.held_still():
            running.child(RUNNER).kill()
            wrong = []
            page.reload()
            expect(page.locator("[data-unreachable]")).to_be_visible()
            expect(page.locator("#controls .act-kill")).to_have_text(
                "Kill: flatten all positions…", use_inner_text=True
            )
            wrong += look(page, "main-runner-down", full=False)
            dialog = journey.ask_for(page, "kill")
            expect(dialog).to_contain_text("The control process is not answering")
            wrong += look(page, "confirm-kill-runner-down", full=False)
            page.keyboard.press("Escape")
            alone.reload()
            expect(alone.get_by_role("alert").first).to_contain_text("control process")
            wrong += look(alone, "trades-runner-down")

            (running.home / "control" / "bot_state.txt").write_text("error\n")
            alone.goto("/")
            expect(alone.get_by_role("alert")).to_contain_text("needs an administrator")
            wrong += look(alone, "error")
            (running.home / "control" / "bot_state.txt").write_text("stopped\n")
        expect(page.locator("[data-unreachable]")).to_be_hidden(timeout=60_000)
        expect(panel_frame(page, "status").locator("html")).not_to_have_attribute("data-stale", "")
        expect(page.locator("#controls .act-start")).to_be_visible()
        expect(alone.locator("#shell")).to_be_visible()
    assert not wrong, "\n".join(wrong)


def test_figures_are_stale_as_soon_as_nobody_answers(ada: Watched, running: Launched) -> None:
    page = ada.page
    page.goto("/")
    frame = panel_frame(page, "status")
    expect(frame.locator("#summary .mark").first).not_to_contain_text("stale", use_inner_text=True)
    with ada.excusing(*DOWN):
        with running.held_still():
            running.child(RUNNER).kill()
            before = frame.locator("#freshness time").get_attribute("datetime")
            wait_for(lambda: says_no_answer(page), 30)
            told = page.locator("[data-unreachable]")
            expect(told.locator("time")).to_have_text(re.compile(r"\d\d:\d\d:\d\d"))
            assert before is not None
            # the page knows the server's clock to the second
            assert told.locator("time").inner_text() >= f"{from_rfc3339(before) - timedelta(seconds=2):%H:%M:%S}"
            expect(frame.locator("#summary .mark").first).to_contain_text("stale", use_inner_text=True)
            expect(frame.locator("#figures-1")).to_contain_text("Stale", use_inner_text=True)
            expect(frame.locator("#freshness")).to_contain_text("stale")
            expect(frame.get_by_role("alert")).to_have_count(0)  # it is told once, by the console
            expect(page.locator("#controls .act-kill")).to_have_text(
                "Kill: flatten all positions…", use_inner_text=True
            )
            wrong = look(page, "main-stale", full=False)
        expect(told).to_be_hidden(timeout=60_000)
        expect(frame.locator("html")).not_to_have_attribute("data-stale", "")
    assert not wrong, "\n".join(wrong)


def test_a_shutdown_says_so_and_the_page_comes_back(ada: Watched, running: Launched) -> None:
    page = ada.page
    with ada.excusing(*DOWN):
        with running.held_still():
            running.child(RUNNER).terminate()
            wait_for(lambda: (running.home / "control" / "bot_state.txt").read_text() == "shutdown\n")
            page.goto("/")
            expect(page.get_by_role("heading", name="The bot is shut down")).to_be_visible()
            wrong = look(page, "shutdown")
        expect(page.locator("#shell")).to_be_visible(timeout=30_000)
    assert not wrong, "\n".join(wrong)


def test_the_portal_dies_and_the_page_goes_on(ada: Watched, running: Launched) -> None:
    page = ada.page
    page.goto("/")
    panel_frame(page, "status")
    with ada.excusing(*DOWN):
        first = running.child(WEB)
        first.kill()
        wait_for(lambda: says_no_answer(page), 20)
        expect(page.locator("[data-unreachable]")).to_be_hidden(timeout=60_000)
        assert running.child(WEB).pid != first.pid
        page.locator("nav a[data-open=logs]").click()
        expect(panel_frame(page, "logs").locator("h1")).to_have_text("Logs")
    assert any(re.search("web was ended by SIGKILL", line) for line in running.lines)


def says_no_answer(page: Page) -> bool:
    """Ask now; whether the page says that nobody answers."""
    look_again(page)
    return page.locator("[data-unreachable]").is_visible()
