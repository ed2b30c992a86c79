"""The outbox in words: how far a message came, how a channel does, and what is counted at the top."""

from __future__ import annotations

from collections.abc import Sequence

from tbot_bot.api.notifications import ChannelView, DeliveryView, NoticeView, Notifications
from tbot_bot.domain.time import from_rfc3339
from tbot_web.support import figures

CHANNELS = {"mail": "Mail", "webhook": "Webhook"}
_DAY_S = 24 * 3600
#: The kind of mark and its word.
_DELIVERIES = {"sent": ("ok", "Sent"), "waiting": ("warn", "Waiting"), "given_up": ("bad", "Given up")}


def kinds(found: Notifications) -> dict[str, str]:
    """The kinds that are there, with what a person reads for each."""
    return dict(sorted({one.kind: one.title.partition(" (")[0] for one in found.items}.items(), key=lambda one: one[1]))


def shown(found: Notifications, kind: str) -> list[NoticeView]:
    """The messages of one kind, or all."""
    return [one for one in found.items if not kind or one.kind == kind]


def way(notice: NoticeView, channel: str) -> DeliveryView | None:
    """The message's way through a channel, None if it does not go there."""
    return next((one for one in notice.deliveries if one.channel == channel), None)


def mark_of(delivery: DeliveryView) -> tuple[str, str]:
    """The mark of a delivery."""
    return _DELIVERIES.get(delivery.status, ("unknown", delivery.status))


def tries(delivery: DeliveryView) -> str:
    """How often it was tried, where that says something."""
    return f"after {delivery.tries} tries" if delivery.tries > 1 else ""


def channel_mark(channel: ChannelView) -> tuple[str, str]:
    """The mark of a channel."""
    if not channel.configured:
        return "off", "Not set up"
    return ("warn", f"Failing, {channel.failures} in a row") if channel.failures else ("ok", "Ready")


def is_silent(found: Notifications) -> bool:
    """Whether nobody is told of anything."""
    return not any(one.configured for one in found.channels)


def counted(found: Notifications, status: str, within_s: int | None = None) -> int:
    """How many deliveries stand so, of those tried in the last seconds if a time is given."""
    ways = [one for notice in found.items for one in notice.deliveries if one.status == status]
    if within_s is None:
        return len(ways)
    now = from_rfc3339(found.as_of)
    ages = [(now - from_rfc3339(one.tried_at)).total_seconds() for one in ways if one.tried_at]
    return sum(age <= within_s for age in ages)


def sent_today(found: Notifications) -> int:
    """How many were delivered in the last 24 hours."""
    return counted(found, "sent", _DAY_S)


def last_sent(found: Notifications) -> str | None:
    """When one was delivered last."""
    ways = [one for notice in found.items for one in notice.deliveries if one.status == "sent"]
    return max((one.tried_at for one in ways if one.tried_at), default=None)


def oldest_waiting(found: Notifications) -> str:
    """Since when the oldest one that waits does so, in words; empty while none does."""
    waiting: Sequence[NoticeView] = [
        one for one in found.items if any(each.status == "waiting" for each in one.deliveries)
    ]
    return f"the oldest for {figures.duration(figures.between(waiting[-1].first_at, found.as_of))}" if waiting else ""
