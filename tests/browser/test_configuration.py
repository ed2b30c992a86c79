"""The configuration of a bot that is set up: mail tested and changed, the market's speed, two at once, rotation."""

from __future__ import annotations

import re
import time
from datetime import datetime

import pytest
from playwright.sync_api import Page, expect

from tbot_bot.config.paths import Home
from tests.browser import journey
from tests.browser.conftest import Visit
from tests.browser.launched import Launched
from tests.browser.watched import Watched, look
from tests.integration.evidence import audited
from tests.support import mail
from tests.support.running import PASSWORD, wait_for

pytestmark = pytest.mark.browser
REFUSED_FORM = "status of (409|412|422)"


def generation(page: Page) -> int:
    """The number that the page shows."""
    text = page.get_by_role("heading", name="Generation").inner_text()
    return int(text.rpartition(" ")[2])


def review(page: Page, category: str) -> None:
    page.locator(f"[data-category={category}] button[value=review]").click()
    expect(page.get_by_role("heading", name="Change")).to_be_visible()


def save(page: Page) -> int:
    """Say yes to the review; the generation that it made."""
    page.get_by_role("button", name="Save the change of").click()
    notice = page.locator(".notice")
    expect(notice).to_contain_text("Saved: generation")
    found = re.search(r"generation (\d+)", notice.inner_text())
    assert found
    return int(found[1])


def test_a_new_mail_password_is_tested_reviewed_and_one_rotation(ada: Watched, registered: Launched) -> None:
    page = ada.page
    page.goto("/configuration")
    before = generation(page)
    wrong = look(page, "configuration")
    card = page.locator("[data-category=smtp]")
    with mail.MailServer() as server:
        for name, value in {
            "SMTP_HOST": "localhost",
            "SMTP_PORT": str(server.port),
            "SMTP_USER": mail.USER,
            "SMTP_PASSWORD": "not the password",
            "SMTP_FROM": "bot@example.org",
        }.items():
            card.locator(f"[name={name}]").fill(value)
        card.locator("[name=SMTP_SECURITY]").select_option("none")
        card.get_by_role("button", name="Test the connection").click()
        expect(card.locator(".tested")).to_contain_text("refused the login of bot")
        card.locator("[name=SMTP_PASSWORD]").fill(mail.PASSWORD)
        card.get_by_role("button", name="Test the connection").click()
        expect(card.locator(".tested")).to_contain_text("logged in as bot. No mail was sent.")
        expect(card.locator("[name=SMTP_PASSWORD]")).to_have_value(mail.PASSWORD)
    review(page, "smtp")
    expect(page.locator("tbody tr", has_text="Mail password")).to_have_text(re.compile("not set.*changed"))
    assert mail.PASSWORD not in page.content()
    wrong += look(page, "configuration-review")
    assert save(page) == before + 1
    assert generation(page) == before + 1
    wrong += look(page, "configuration-saved")
    expect(card.locator("[name=SMTP_PASSWORD]")).to_have_attribute("placeholder", "set; leave empty to keep it")
    outcome = audited(Home(registered.home), "configuration.change")[-1]
    assert (outcome["actor"], outcome["result"], outcome["generation"]) == ("ada", "ok", before + 1)
    assert outcome["after"]["SMTP_PASSWORD"] == "changed"
    assert mail.PASSWORD not in str(outcome)
    assert not wrong, "\n".join(wrong)


def test_the_second_of_two_administrators_is_told_and_keeps_what_was_typed(ada: Watched, visit: Visit) -> None:
    page, other = ada.page, visit(signed_in=True).page
    for one in (page, other):
        one.goto("/configuration")
    other.locator("[name=SMTP_PORT]").fill("2525")
    review(other, "smtp")
    page.locator("[name=SMTP_HOST]").fill("mail.example.org")
    review(page, "smtp")
    made = save(other)
    with ada.excusing(REFUSED_FORM):
        page.get_by_role("button", name="Save the change of").click()
        problem = page.locator(".problem")
        expect(problem).to_contain_text("Somebody else changed this meanwhile")
        expect(problem).to_contain_text("ada changed it at")
        expect(page.locator("[data-field=SMTP_PORT] .error")).to_contain_text("to 2525.")
        expect(page.locator("[name=SMTP_PORT]")).to_have_value("2525")
        expect(page.locator("[name=SMTP_HOST]")).to_have_value("mail.example.org")
        wrong = look(page, "configuration-moved")
    assert generation(page) == made
    page.reload()
    expect(page.locator("[name=SMTP_PORT]")).to_have_value("2525")
    assert not wrong, "\n".join(wrong)


def test_every_key_is_renewed_by_hand(ada: Watched, registered: Launched) -> None:
    page = ada.page
    page.goto("/configuration")
    before = generation(page)
    page.get_by_role("link", name="Renew every key and secret").click()
    wrong = look(page, "configuration-rotate")
    expect(page.get_by_role("link", name="Cancel")).to_be_focused()
    page.get_by_label("Reason, kept in the audit trail").fill("a laptop was lost")
    page.get_by_label("Your password again").fill(PASSWORD)
    page.get_by_role("button", name="Renew every key and secret").click()
    expect(page.locator(".notice")).to_contain_text(f"renewed: generation {before + 1}.")
    assert generation(page) == before + 1
    record = audited(Home(registered.home), "secrets.rotate")[-1]
    assert (record["detail"], record["generation"]) == ({"reason": "a laptop was lost"}, before + 1)
    assert not wrong, "\n".join(wrong)


def test_the_market_runs_at_its_new_speed(ada: Watched, registered: Launched) -> None:
    """Stopped: changed, and both processes start anew. Running: the card says what to do first."""
    page = ada.page
    page.goto("/configuration")
    processes = {name: registered_child(registered, name) for name in ("tbot_bot.venue.main", "tbot_bot.control.bot")}
    speed = "60" if page.locator("[name=SIM_SPEED]").input_value() != "60" else "90"
    page.locator("[name=SIM_SPEED]").fill(speed)
    review(page, "broker")
    expect(page.get_by_text("The market and the bot are started again with these values.")).to_be_visible()
    save(page)
    for name, pid in processes.items():
        wait_for(lambda name=name, pid=pid: registered_child(registered, name) not in {None, pid}, 30)
    page.goto("/")
    expect(page.locator("#banners")).to_contain_text(f"{speed}x speed")
    journey.start_trading(page)
    assert pace(page) < 200  # it was 1200; a busy machine may be slower than it is told, never faster
    page.goto("/configuration")
    expect(page.locator("[data-category=broker]")).to_contain_text("Press Stop, and save again once it is stopped.")
    expect(page.locator("[name=SIM_SPEED]")).to_have_count(0)
    wrong = look(page, "configuration-running")
    assert not wrong, "\n".join(wrong)


def registered_child(registered: Launched, module: str) -> int | None:
    """The process of a module below the runner."""
    below = registered.child("tbot_bot.control.main").children()
    return next((one.pid for one in below if module in one.cmdline()), None)


def pace(page: Page) -> float:
    """Market seconds per second, over a few of them."""
    wait_for(lambda: journey.bot(page)["state"] not in {"stopped", "started"}, 30)
    began, at = time.monotonic(), market_time(page)
    wait_for(lambda: (market_time(page) - at).total_seconds() >= 240, 30)
    return (market_time(page) - at).total_seconds() / (time.monotonic() - began)


def market_time(page: Page) -> datetime:
    return datetime.fromisoformat(journey.status(page)["market_time"])
