"""Verbs of the notifications: the outbox and the channels, and a test message through all of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tbot_bot.api.errors import ApiError
from tbot_bot.api.model import Message, Nothing
from tbot_bot.api.notifications import ChannelView, DeliveryView, NoticeEventView, NoticeView, Notifications
from tbot_bot.api.permissions import Permission
from tbot_bot.control.configured_routes import ConfiguredRoutes
from tbot_bot.control.foundation import Foundation
from tbot_bot.control.system_api import Caller, Handler
from tbot_bot.domain.audit import AuditPhase, AuditResult
from tbot_bot.domain.notices import Channel, Delivery, DeliveryStatus, Notice, NoticeKind
from tbot_bot.domain.time import to_rfc3339
from tbot_bot.monitoring.postman import Postman
from tbot_bot.storage.outbox import NOTICES_KEPT

TEST = "notifications.test"
#: Kinds that tell of people: for those who may read the audit trail, which tells the same.
_OF_PEOPLE = frozenset({NoticeKind.NEW_DEVICE})


class NotificationVerbs:
    """The handlers."""

    def __init__(self, foundation: Foundation, postman: Postman) -> None:
        self._foundation = foundation
        self._postman = postman
        self._routes = ConfiguredRoutes(foundation)

    def handlers(self) -> dict[str, Handler]:
        """The verbs answered here."""
        return {"notifications.list": self._list, TEST: self._test}

    def _list(self, caller: Caller, _nothing: Message) -> Notifications:
        allowed = caller.verdict.permissions
        outbox = self._foundation.record.outbox
        ways: dict[str, list[Delivery]] = {}
        for delivery in outbox.deliveries():
            ways.setdefault(delivery.notice_id, []).append(delivery)
        hidden = frozenset() if Permission.AUDIT_VIEW in allowed else _OF_PEOPLE
        now = self._foundation.clock.now()
        notices = [one for one in outbox.newest(NOTICES_KEPT) if one.kind not in hidden]
        return Notifications(
            as_of=to_rfc3339(now),
            unrecorded=self._foundation.notices.unrecorded,
            channels=[self._channel(one, now, tell=Permission.CONFIGURATION_VIEW in allowed) for one in Channel],
            items=[_notice(one, ways.get(one.notice_id, [])) for one in notices],
        )

    def _channel(self, channel: Channel, now: datetime, *, tell: bool) -> ChannelView:
        route, rest = self._routes().get(channel), self._postman.rests[channel]
        return ChannelView(
            channel=channel,
            configured=route is not None,
            towards=route.towards if route and tell else "",
            failures=rest.failures,
            rests_until=None if rest.until is None or rest.is_over(now) else to_rfc3339(rest.until),
        )

    def _test(self, caller: Caller, _nothing: Message) -> Nothing:
        if not self._routes():
            raise ApiError.of(
                409,
                "no_channel",
                "No channel is configured",
                "There is neither a mail address nor a webhook to send a test to.",
                "Set one under Configuration, Notifications.",
            )
        self._foundation.audit.record(
            verb=TEST,
            phase=AuditPhase.EVENT,
            actor=caller.actor,
            role=caller.verdict.role or "",
            address=caller.address,
            request_id=caller.request_id,
            result=AuditResult.OK,
        )
        self._foundation.notices.tell(
            NoticeKind.TEST, f"{caller.actor} asked for a test message. Nothing happened; you would be told like this."
        )
        return Nothing()


def _notice(notice: Notice, ways: Sequence[Delivery]) -> NoticeView:
    return NoticeView(
        id=notice.notice_id,
        kind=notice.kind,
        title=notice.title,
        count=notice.count,
        first_at=to_rfc3339(notice.first_at),
        gathers_until=None if notice.is_taken else to_rfc3339(notice.due_at),
        events=[
            NoticeEventView(at=to_rfc3339(one.at), sentence=one.sentence, facts=dict(one.facts))
            for one in notice.events
        ],
        deliveries=[_delivery(one) for one in ways],
    )


def _delivery(delivery: Delivery) -> DeliveryView:
    waits = delivery.status is DeliveryStatus.WAITING
    return DeliveryView(
        channel=delivery.channel,
        status=delivery.status,
        tries=delivery.tries,
        tried_at=None if delivery.tried_at is None else to_rfc3339(delivery.tried_at),
        next_at=to_rfc3339(delivery.next_at) if waits else None,
        error=delivery.error,
    )
