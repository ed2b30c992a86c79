"""Two people at once: an invitation, a first sign-in, a new role, a reset and a removal, each in force at once."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from tbot_bot.config.paths import Home
from tbot_bot.domain.totp import code_of, step_at
from tests.browser import journey
from tests.browser.conftest import Visit
from tests.browser.launched import Launched
from tests.browser.watched import Watched, look
from tests.integration.evidence import audited
from tests.support.running import PASSWORD

pytestmark = pytest.mark.browser
BOB = "nine louder cranes"
SIGNED_OUT = r"status of 401"


def status_of(page: Page) -> int:
    """What the portal answers to this person's browser now."""
    return page.request.get("/status/api", headers={"X-Poll": "1"}).status


def prove(page: Page, button: str) -> None:
    """Type the own password again and press the button of that form."""
    form = page.locator("form", has=page.get_by_role("button", name=button))
    form.get_by_label("Your own password again").fill(PASSWORD)
    form.get_by_role("button", name=button).click()


def told_link(page: Page) -> str:
    address = page.locator("#address")
    expect(address).to_contain_text("/password_reset/link/")
    return address.inner_text()


def choose(page: Page, link: str, password: str) -> None:
    page.goto(link)
    expect(page).to_have_url(re.compile("/password_reset/form$"))
    page.get_by_label("New password", exact=True).fill(password)
    page.get_by_label("New password again").fill(password)
    page.get_by_role("button", name="Set my password").click()


def test_a_persons_way_in(ada: Watched, visit: Visit, registered: Launched) -> None:
    page, others = ada.page, visit()
    bob = others.page
    page.goto("/users/")
    wrong = look(page, "users")
    page.get_by_label("Username").fill("Bob")
    page.locator("#email").fill("bob@example.org")
    page.get_by_label("operator", exact=True).check()
    prove(page, "Add the person")
    link = told_link(page)
    wrong += look(page, "user-link")

    bob.goto(link)
    wrong += look(bob, "password-form")
    choose(bob, link, BOB)
    expect(bob.locator("#codes code")).to_have_count(10)
    wrong += look(bob, "password-codes")
    with others.excusing(SIGNED_OUT):
        bob.goto(link)
        expect(bob.get_by_role("heading", name="This link cannot be used")).to_be_visible()
        wrong += look(bob, "password-link-used")
    journey.sign_in(bob, registered.base, BOB, "bob")
    expect(bob.locator("#controls .act-start")).to_be_visible()
    expect(bob.get_by_role("link", name="People")).to_have_count(0)
    assert not wrong, "\n".join(wrong)


def test_a_new_role_a_reset_and_a_removal_are_in_force_at_once(
    ada: Watched, visit: Visit, registered: Launched
) -> None:
    page, others = ada.page, visit()
    bob = others.page
    journey.sign_in(bob, registered.base, BOB, "bob")
    page.goto("/users/")
    page.get_by_role("link", name="Change Bob…").click()
    expect(page.get_by_role("heading", name="Bob", exact=True)).to_be_visible()
    wrong = look(page, "edit-user")
    page.get_by_label("Role").select_option("viewer")
    prove(page, "Save the change of Bob")
    expect(page.locator(".notice")).to_contain_text("generation")
    with others.excusing(SIGNED_OUT):
        assert status_of(bob) == 401  # at once, not at the next poll
        journey.sign_in(bob, registered.base, BOB, "bob")
        expect(bob.locator("#controls .act-start")).to_have_count(0)

        prove(page, "Reset the password for Bob")
        second = told_link(page)
        assert status_of(bob) == 401
        choose(bob, second, "ten softer storks")
        expect(bob.get_by_role("heading", name="Your password is set, Bob")).to_be_visible()
        journey.sign_in(bob, registered.base, "ten softer storks", "bob")

        page.goto("/users/")
        page.get_by_role("link", name="Change Bob…").click()
        page.get_by_role("button", name="End every session").click()
        expect(page.locator(".notice")).to_contain_text("1 session ended.")
        assert status_of(bob) == 401
        page.get_by_label("Type Bob to confirm").fill("bob")
        prove(page, "Delete Bob")
        expect(page.locator(".notice")).to_contain_text("bob was deleted")
        expect(page.locator("#list tbody tr")).to_have_count(1)
        bob.goto("/login")
        bob.get_by_label("Username").fill("bob")
        bob.get_by_label("Password").fill("ten softer storks")
        bob.get_by_role("button", name="Sign in").click()
        expect(bob.get_by_role("alert")).to_be_visible()
    assert not wrong, "\n".join(wrong)
    home = Home(registered.home)
    done = {verb: audited(home, verb)[-1] for verb in ("user.invite", "user.change", "user.reset", "user.delete")}
    assert {one["actor"] for one in done.values()} == {"ada"}
    assert done["user.change"]["before"]["role"] == "operator"
    assert done["user.change"]["after"]["role"] == "viewer"
    assert all(one["generation"] for one in done.values())


def test_a_code_besides_the_password_and_a_locked_session(ada: Watched, visit: Visit, registered: Launched) -> None:
    page, others = ada.page, visit()
    page.goto("/account/second_factor")
    wrong = look(page, "second-factor-ask")
    page.get_by_label("Your password again").fill(PASSWORD)
    page.get_by_role("button", name="Show the secret").click()
    secret = base64.b32decode(page.locator("#secret").inner_text())
    wrong += look(page, "second-factor")
    page.get_by_label("Code of the moment").fill(code_now(secret))
    page.get_by_role("button", name="Turn it on").click()
    expect(page.locator(".notice")).to_contain_text("From now on you give a code")
    wrong += look(page, "account-with-factor")

    other = others.page
    other.goto("/login")
    other.get_by_label("Username").fill("ada")
    other.get_by_label("Password").fill(PASSWORD)
    other.get_by_role("button", name="Sign in").click()
    expect(other.get_by_role("heading", name="One more step")).to_be_visible()
    wrong += look(other, "sign-in-code")
    other.get_by_label("Code", exact=True).fill(code_now(secret, 1))  # that of the moment was used
    other.get_by_role("button", name="Sign in").click()
    expect(other.locator("#shell")).to_be_visible()
    other.locator("#account-menu summary").click()
    other.get_by_role("button", name="Lock").click()
    expect(other.get_by_role("heading", name="Locked")).to_be_visible()
    assert status_of(other) == 401
    wrong += look(other, "locked")
    other.get_by_label("Your password, or a code").fill(PASSWORD)
    other.get_by_role("button", name="Unlock").click()
    expect(other.locator("#shell")).to_be_visible()

    page.goto("/account/")
    page.locator("#proof-codes").fill(PASSWORD)
    page.get_by_role("button", name="Make new recovery codes").click()
    expect(page.locator("#codes code")).to_have_count(10)
    wrong += look(page, "account-codes")
    page.goto("/account/")
    page.locator("#proof-factor").fill(PASSWORD)
    page.get_by_role("button", name="Ask me for no more codes").click()
    expect(page.locator(".notice")).to_contain_text("No code is asked for any more")
    assert status_of(other) == 401
    assert not wrong, "\n".join(wrong)


def code_now(secret: bytes, steps: int = 0) -> str:
    return code_of(secret, step_at(datetime.now(UTC)) + steps)


def test_without_a_mail_server_it_says_who_can_help(visit: Visit, registered: Launched) -> None:
    page = visit().page
    page.goto("/login")
    page.get_by_role("link", name="Lost your password?").click()
    expect(page.get_by_text("An administrator makes a link for you")).to_be_visible()
    wrong = look(page, "password-request")
    assert not wrong, "\n".join(wrong)
