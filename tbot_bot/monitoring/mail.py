"""The mail server: whether it can be reached, spoken to in confidence, and logged in to; and mail sent through it.

MailError   it cannot; the message says why in plain words
"""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import EmailMessage

import structlog

from tbot_bot.monitoring.bounded import bounded

log = structlog.get_logger("mail")


class MailError(Exception):
    """The mail server cannot be used as it is configured."""


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail goes out; `security` is starttls, tls or none, an empty `user` means no login."""

    host: str
    port: int
    security: str
    user: str
    password: str = field(repr=False)

    @property
    def name(self) -> str:
        """Host and port."""
        return f"{self.host}:{self.port}"


def try_login(server: MailServer, timeout_s: int) -> str:
    """Connect, encrypt and log in, send nothing, and say what was done; not longer than `timeout_s` in all.

    Raises MailError.
    """
    _within(server, timeout_s, lambda _connection: None)
    encrypted = "without encryption" if server.security == "none" else "encrypted"
    login = f"logged in as {server.user}" if server.user else "no login asked for"
    return f"{server.name} answered, {encrypted}, {login}. No mail was sent."


def send(server: MailServer, message: EmailMessage, timeout_s: int) -> None:
    """Have the server take one message for all of its recipients; not longer than `timeout_s` in all.

    Raises MailError; whether the server took it is then unknown.
    """
    _within(server, timeout_s, lambda connection: _hand_over(connection, message))


def _hand_over(connection: smtplib.SMTP, message: EmailMessage) -> None:
    refused = connection.send_message(message)
    if refused:  # taken for the others; a retry would double theirs
        log.warning("the mail server refused some recipients", refused=len(refused))


def _within(server: MailServer, timeout_s: int, work: Callable[[smtplib.SMTP], None]) -> None:
    """Log in, do the work, and raise MailError when it fails or takes longer than `timeout_s` in all."""

    def attempt() -> None:
        with _connected(server, timeout_s) as connection:
            if server.user:
                connection.login(server.user, server.password)
            work(connection)

    try:
        bounded(attempt, timeout_s, "mail")
    except (OSError, smtplib.SMTPException) as error:
        raise MailError(_why(server, error)) from error


def _connected(server: MailServer, timeout_s: int) -> smtplib.SMTP:
    """A connection, encrypted as configured."""
    if server.security == "tls":
        return smtplib.SMTP_SSL(server.host, server.port, timeout=timeout_s, context=ssl.create_default_context())
    connection = smtplib.SMTP(server.host, server.port, timeout=timeout_s)
    if server.security == "starttls":
        try:
            connection.starttls(context=ssl.create_default_context())
        except BaseException:  # whatever ends it, the open connection has nobody else to close it
            connection.close()
            raise
    return connection


def _why(server: MailServer, error: Exception) -> str:
    """What went wrong, in the order in which a connection is made."""
    if isinstance(error, smtplib.SMTPServerDisconnected) and isinstance(error.__context__, OSError):
        error = error.__context__  # it is told as a hang-up, whatever happened to the connection
    sentences: tuple[tuple[type[Exception], str], ...] = (
        (
            socket.gaierror,
            f"The name {server.host} was not found. Look at its spelling, and at this machine's network.",
        ),
        (ConnectionRefusedError, f"{server.name} refused the connection: nothing listens on that port."),
        (TimeoutError, f"{server.name} did not answer in time. The port may be wrong or blocked."),
        (ssl.SSLCertVerificationError, f"The certificate of {server.host} is not trusted: {_reason(error)}."),
        (ssl.SSLError, f"{server.name} does not speak TLS like this. Port and encryption may not belong together."),
        (smtplib.SMTPNotSupportedError, f"{server.name} does not offer what is asked of it: {error}"),
        (smtplib.SMTPAuthenticationError, f"{server.name} refused the login of {server.user}."),
        (smtplib.SMTPServerDisconnected, f"{server.name} hung up. Port and encryption may not belong together."),
        (smtplib.SMTPRecipientsRefused, f"{server.name} refused every recipient. Look at the addresses."),
        (smtplib.SMTPResponseException, f"{server.name} answered with an error: {_reason(error)}."),
    )
    other = f"{server.name} cannot be used: {error}"
    return next((sentence for kind, sentence in sentences if isinstance(error, kind)), other)


def _reason(error: Exception) -> str:
    """The other side's own words, one line of them."""
    said = getattr(error, "verify_message", "") or getattr(error, "smtp_error", b"")
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    return " ".join(text.split())[:200].rstrip(".")
