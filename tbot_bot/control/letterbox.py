"""Letters to people by the mail server that is configured, carried in a thread of their own."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from urllib.parse import urlencode

import structlog

from tbot_bot.control.foundation import Foundation
from tbot_bot.domain.identity import TokenKind
from tbot_bot.identity.letters import LetterError, Letters, Mail
from tbot_bot.monitoring.mail import MailError, MailServer, send

log = structlog.get_logger("letters")
TIMEOUT_S = 10
TURN_S = 1.0
_WORDS = {
    TokenKind.INVITATION: (
        "Come in",
        "You were invited to {bot} as {name}. Choose a password by this link; it works once, within 72 hours:",
    ),
    TokenKind.RESET: (
        "Choose another password",
        "{name} is to choose another password at {bot}. This link works once, within 30 minutes:",
    ),
    TokenKind.EMAIL: (
        "Confirm this address",
        "{name} gave this address at {bot}. It counts once this link was used; it works once, within an hour:",
    ),
}
_UNEXPECTED = "If you did not expect this, do nothing, and tell an administrator."


def portal_address(environment: Mapping[str, str]) -> str:
    """Where the portal of this home answers."""
    host = environment.get("TBOT_WEB_HOST") or "127.0.0.1"
    return f"http://{f'[{host}]' if ':' in host else host}:{environment.get('TBOT_WEB_PORT') or '8080'}"


def as_message(mail: Mail, bot: str, sender: str, portal: str) -> EmailMessage:
    """The mail as plain text; its link leads to the portal."""
    title, before = _WORDS[mail.kind]
    link = f"{portal}/password_reset/link/{mail.kind}?{urlencode({'token': mail.token})}"
    message = EmailMessage()
    message["Subject"] = f"[{bot}] {title}"
    message["From"] = sender
    message["To"] = mail.to
    message["Date"] = format_datetime(mail.at)
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(f"{before.format(bot=bot, name=mail.name)}\n\n  {link}\n\n{_UNEXPECTED}\n")
    return message


class Letterbox:
    """Begins with `start`; until then, and without a mail server, nothing is sent."""

    def __init__(self, foundation: Foundation, portal: str) -> None:
        self._foundation = foundation
        self._portal = portal
        self._stopping = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="letters", daemon=True)
        self.letters = Letters(
            foundation.people,
            foundation.people.links,
            foundation.throttle,
            foundation.audit,
            foundation.clock,
            self._post,
        )
        self.letters.news = self._wake.set

    def is_open(self) -> bool:
        """Whether a mail server is configured."""
        return self._foundation.is_configured() and bool(self._foundation.configuration().SMTP_HOST)

    def start(self) -> None:
        """Begin to carry."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Carry no more; what waits is tried by the next start."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stopping:
            try:
                self.letters.turn()
            except Exception as error:  # a thread that ended would send nobody anything more
                log.exception("letters could not be carried; it is tried again", why=type(error).__name__)
            self._wake.wait(TURN_S)
            self._wake.clear()

    def _post(self, mail: Mail) -> None:
        if not self.is_open():
            raise LetterError("No mail server is configured.")
        chosen = self._foundation.configuration()
        password = chosen.SMTP_PASSWORD.get_secret_value()
        server = MailServer(chosen.SMTP_HOST, chosen.SMTP_PORT, chosen.SMTP_SECURITY, chosen.SMTP_USER, password)
        try:
            send(server, as_message(mail, str(chosen.identity), chosen.SMTP_FROM, self._portal), TIMEOUT_S)
        except MailError as error:
            raise LetterError(str(error)) from error
