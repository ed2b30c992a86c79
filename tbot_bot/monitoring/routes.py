"""The ways by which notices reach people, as they are configured.

DeliveryError   a message could not be handed over; the sentence names no secret
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import uuid4

from tbot_bot.api.settings import Configuration
from tbot_bot.domain.notices import Channel, Notice, NoticeEvent, NoticeKind, new_notice
from tbot_bot.monitoring import webhook
from tbot_bot.monitoring.mail import MailError, MailServer, send
from tbot_bot.monitoring.messages import as_json, as_mail

#: Any one try is over after this long.
TIMEOUT_S = 10


class DeliveryError(Exception):
    """The message was not handed over, or it is unknown whether it was."""


class Route(Protocol):
    """One way to people."""

    @property
    def without(self) -> frozenset[NoticeKind]:
        """The kinds that do not go this way."""
        ...

    @property
    def towards(self) -> str:
        """Where it leads, in words that hold no secret."""
        ...

    def send(self, notice: Notice, at: datetime) -> None:
        """Hand a notice over. Raises DeliveryError."""
        ...


@dataclass(frozen=True, slots=True)
class MailRoute:
    """By mail; `recipients` are addresses with commas between."""

    bot: str
    server: MailServer
    sender: str
    recipients: str
    without: frozenset[NoticeKind]

    @property
    def towards(self) -> str:
        return self.recipients

    def send(self, notice: Notice, _at: datetime) -> None:
        try:
            send(self.server, as_mail(notice, self.bot, self.sender, self.recipients), TIMEOUT_S)
        except MailError as error:
            raise DeliveryError(str(error)) from error


@dataclass(frozen=True, slots=True)
class WebhookRoute:
    """By a signed call of an address."""

    bot: str
    url: str = field(repr=False)
    key: str = field(repr=False)
    without: frozenset[NoticeKind]

    @property
    def towards(self) -> str:
        return webhook.host_of(self.url)

    def send(self, notice: Notice, at: datetime) -> None:
        body = as_json(notice, self.bot)
        try:
            webhook.post(self.url, self.key, body, notice.notice_id, at=at, timeout_s=TIMEOUT_S)
        except webhook.WebhookError as error:
            raise DeliveryError(str(error)) from error


def wants(route: Route, kind: NoticeKind) -> bool:
    """Whether notices of this kind go this way; a test message always does."""
    return kind is NoticeKind.TEST or kind not in route.without


def routes_of(chosen: Configuration) -> Mapping[Channel, Route]:
    """The ways that are configured."""
    bot = str(chosen.identity)
    found: dict[Channel, Route] = {}
    if chosen.NOTIFY_MAIL_TO and chosen.SMTP_HOST:
        password = chosen.SMTP_PASSWORD.get_secret_value()
        server = MailServer(chosen.SMTP_HOST, chosen.SMTP_PORT, chosen.SMTP_SECURITY, chosen.SMTP_USER, password)
        without = _kinds(chosen.NOTIFY_MAIL_WITHOUT)
        found[Channel.MAIL] = MailRoute(bot, server, chosen.SMTP_FROM, chosen.NOTIFY_MAIL_TO, without)
    url, key = chosen.NOTIFY_WEBHOOK_URL.get_secret_value(), chosen.NOTIFY_WEBHOOK_KEY.get_secret_value()
    if url:
        found[Channel.WEBHOOK] = WebhookRoute(bot, url, key, _kinds(chosen.NOTIFY_WEBHOOK_WITHOUT))
    return found


def try_routes(routes: Mapping[Channel, Route], now: datetime) -> tuple[bool, str]:
    """Send a test message each way; whether all took it, and a sentence for each."""
    event = NoticeEvent(now, "This is a test of how you are told of what happens. Nothing else happened.")
    notice = new_notice(uuid4().hex, NoticeKind.TEST, event, None)
    found: list[str] = []
    ok = True
    for channel, route in routes.items():
        try:
            route.send(notice, now)
            found.append(f"A test message was taken by {channel} for {route.towards}.")
        except DeliveryError as error:
            ok = False
            found.append(str(error))
    return ok, " ".join(found)


def _kinds(names: str) -> frozenset[NoticeKind]:
    return frozenset(NoticeKind(name.strip()) for name in names.split(",") if name.strip())
