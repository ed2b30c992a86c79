"""Letters by a real mail server: what they say, where their link leads, what happens without one."""

from __future__ import annotations

import pytest

from tbot_bot.api.permissions import Role
from tbot_bot.control.letterbox import Letterbox, as_message, portal_address
from tbot_bot.domain.identity import TokenKind
from tbot_bot.domain.time import from_rfc3339
from tbot_bot.identity.letters import Mail
from tests.support.mail import MailServer
from tests.unit.control.backstage import ADDRESS, Backstage, wait_until

AT = from_rfc3339("2026-03-02T09:00:00Z")
MAIL = Mail("ada@example.org", "Ada", TokenKind.RESET, "one-time", AT)


@pytest.mark.parametrize(
    ("environment", "address"),
    [
        ({}, "http://127.0.0.1:8080"),
        ({"TBOT_WEB_HOST": "::1", "TBOT_WEB_PORT": "9000"}, "http://[::1]:9000"),
        ({"TBOT_WEB_HOST": "localhost", "TBOT_WEB_PORT": ""}, "http://localhost:8080"),
    ],
)
def test_where_the_portal_answers(environment: dict[str, str], address: str) -> None:
    assert portal_address(environment) == address


@pytest.mark.parametrize("kind", [TokenKind.RESET, TokenKind.INVITATION, TokenKind.EMAIL])
def test_a_letter_names_the_bot_and_leads_to_the_portal(kind: TokenKind) -> None:
    mail = Mail("ada@example.org", "Ada", kind, "one-time", AT)
    message = as_message(mail, "RIGD_US_SIM_001", "bot@example.org", "http://portal")
    assert message["To"] == "ada@example.org"
    assert message["Subject"].startswith("[RIGD_US_SIM_001] ")
    text = message.get_content()
    assert f"http://portal/password_reset/link/{kind}?token=one-time" in text
    assert "Ada" in text


def test_without_a_mail_server_a_letter_waits_and_says_why(house: Backstage) -> None:
    box = Letterbox(house.foundation, "http://portal")
    assert not box.is_open()
    box.letters.ask_reset("admin", ADDRESS)
    box.letters.turn()
    letter = house.foundation.people.links.last_letter(1)
    assert letter is not None
    assert (letter.status, letter.error) == ("waiting", "No mail server is configured.")


def test_a_letter_is_handed_to_the_mail_server(empty: Backstage) -> None:
    with MailServer() as server:
        empty.configure(SMTP_HOST="localhost", SMTP_PORT=server.port, SMTP_SECURITY="none", SMTP_FROM="bot@example.org")
        empty.add_user(Role.ADMIN)
        box = Letterbox(empty.foundation, "http://portal")
        box.start()
        try:
            box.letters.ask_reset("admin", ADDRESS)

            def status() -> str:
                letter = empty.foundation.people.links.last_letter(1)
                return letter.status if letter else ""

            wait_until(lambda: status() == "sent", "the letter is taken")
        finally:
            box.stop(5)
    (mail,) = server.mails
    assert mail["To"] == "admin@example.org"
    assert "/password_reset/link/reset?token=" in mail.get_content()
