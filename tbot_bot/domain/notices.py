"""Notices: what a person is told of, how a storm becomes one message, when a message is tried again and given up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

#: After a notice of one kind, the next of that kind gathers what happens for this long before it goes out.
GATHER = timedelta(seconds=60)
#: A gathered notice keeps so many of its newest events; the rest are only counted.
EVENTS_KEPT = 10
PAUSE_FIRST = timedelta(seconds=5)
PAUSE_MAX = timedelta(minutes=10)
#: A message that could not be delivered for this long is given up, and shown as such.
GIVE_UP_AFTER = timedelta(hours=24)


class NoticeKind(StrEnum):
    """What happened; the settings say where the notices of each kind go."""

    KILL = "kill"
    LOSS_LIMIT = "loss_limit"
    ERROR_STATE = "error_state"
    CLOSING_REPORT = "closing_report"
    DEFENSE = "defense"
    API_HEALTH = "api_health"
    RECONCILIATION_BREAK = "reconciliation_break"
    UNRESOLVED_ORDER = "unresolved_order"
    INTEGRITY = "integrity"
    RESTORE = "restore"
    BACKUP_FAILED = "backup_failed"
    NEW_DEVICE = "new_device"
    SESSION_SUMMARY = "session_summary"
    CHECKPOINT = "checkpoint"
    STOPPED = "stopped"
    FAREWELL = "farewell"
    TEST = "test"


TITLES: dict[NoticeKind, str] = {
    NoticeKind.KILL: "Kill switch triggered",
    NoticeKind.LOSS_LIMIT: "Daily loss limit reached",
    NoticeKind.ERROR_STATE: "The bot is in error",
    NoticeKind.CLOSING_REPORT: "Closing report",
    NoticeKind.DEFENSE: "Defense mode",
    NoticeKind.API_HEALTH: "Health of the broker's interface",
    NoticeKind.RECONCILIATION_BREAK: "Broker, books and ledger disagree",
    NoticeKind.UNRESOLVED_ORDER: "Unresolved order",
    NoticeKind.INTEGRITY: "Changed behind the system's back",
    NoticeKind.RESTORE: "Restored from a backup",
    NoticeKind.BACKUP_FAILED: "Backup failed",
    NoticeKind.NEW_DEVICE: "Sign-in from a new device",
    NoticeKind.SESSION_SUMMARY: "Session summary",
    NoticeKind.CHECKPOINT: "Checkpoint of the audit trail",
    NoticeKind.STOPPED: "The system stopped by itself",
    NoticeKind.FAREWELL: "The system was stopped",
    NoticeKind.TEST: "Test message",
}


class Channel(StrEnum):
    """A way to a person."""

    MAIL = "mail"
    WEBHOOK = "webhook"


class DeliveryStatus(StrEnum):
    """Where a message stands on its way through one channel."""

    WAITING = "waiting"
    SENT = "sent"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True)
class NoticeEvent:
    """One thing that happened, in a sentence and in facts with their names."""

    at: datetime
    sentence: str
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Notice:
    """One message. It holds `count` events, the newest of them last, and does not go out before `due_at`.

    Once it `is_taken` to be sent it gathers no more: every try sends the same under the same id.
    """

    notice_id: str
    kind: NoticeKind
    first_at: datetime
    due_at: datetime
    count: int
    events: tuple[NoticeEvent, ...]
    is_taken: bool = False

    def with_event(self, event: NoticeEvent) -> Notice:
        """The same message with one more event."""
        return replace(self, count=self.count + 1, events=(*self.events, event)[-EVENTS_KEPT:])

    @property
    def last(self) -> NoticeEvent:
        """The newest event."""
        return self.events[-1]

    @property
    def title(self) -> str:
        """What a person reads first."""
        title = TITLES[self.kind]
        return title if self.count == 1 else f"{title} ({self.count} times)"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message on its way through one channel; `next_at` is when it is tried next while it waits."""

    notice_id: str
    channel: Channel
    status: DeliveryStatus
    tries: int
    next_at: datetime
    tried_at: datetime | None = None
    error: str = ""


def new_notice(notice_id: str, kind: NoticeKind, event: NoticeEvent, last_due_at: datetime | None) -> Notice:
    """A notice of its first event; `last_due_at` is when the last one of its kind was due, None if there was none."""
    due_at = event.at if last_due_at is None else max(event.at, last_due_at + GATHER)
    return Notice(notice_id, kind, event.at, due_at, 1, (event,))


def pause_after(failures: int) -> timedelta:
    """How long to wait after so many failures in a row: doubled each time, up to ten minutes; none after none."""
    if failures <= 0:
        return timedelta(0)
    return min(PAUSE_MAX, PAUSE_FIRST * (1 << min(failures - 1, 16)))


def failed(delivery: Delivery, first_at: datetime, now: datetime, error: str) -> Delivery:
    """The delivery after a try that failed: tried again later, or given up for good."""
    given_up = now - first_at >= GIVE_UP_AFTER
    return replace(
        delivery,
        status=DeliveryStatus.GIVEN_UP if given_up else DeliveryStatus.WAITING,
        next_at=now + pause_after(delivery.tries),
        error=error,
    )
