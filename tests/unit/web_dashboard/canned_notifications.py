"""An outbox as a runner would list it: sent, gathering, failing and given up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tbot_bot.api.model import Nothing
from tbot_bot.api.notifications import ChannelView, DeliveryView, NoticeEventView, NoticeView, Notifications

AS_OF = "2026-11-22T14:02:11Z"
TOLD_AT = "2026-11-22T13:59:39Z"


def way(channel: str, status: str, tries: int = 1, error: str = "", next_at: str | None = None) -> DeliveryView:
    """One way of a message."""
    return DeliveryView(
        channel=channel, status=status, tries=tries, tried_at="2026-11-22T13:59:40Z", next_at=next_at, error=error
    )


def notice(number: int, kind: str, title: str, sentence: str, *ways: DeliveryView, **changes: Any) -> NoticeView:
    """One message."""
    told = {
        "id": f"{number:032x}",
        "kind": kind,
        "title": title,
        "count": 1,
        "first_at": f"2026-11-22T13:{number:02}:10.000125Z",
        "gathers_until": None,
        "events": [
            NoticeEventView(at="2026-11-22T13:59:39Z", sentence=sentence, facts={"reason": "ada <b>pulled</b>"})
        ],
        "deliveries": list(ways),
    }
    return NoticeView.model_validate(told | changes)


def notifications(**changes: Any) -> Notifications:
    """What a home with both channels shows, the webhook failing."""
    failing = "hooks.example.org failed (503)."
    storm = [
        NoticeEventView(at=f"2026-11-22T13:0{number}:00Z", sentence=f"event {number}", facts={}) for number in (1, 2, 3)
    ]
    shown = Notifications(
        as_of=AS_OF,
        unrecorded=0,
        channels=[
            ChannelView(channel="mail", configured=True, towards="ada@example.org", failures=0, rests_until=None),
            ChannelView(
                channel="webhook",
                configured=True,
                towards="hooks.example.org",
                failures=4,
                rests_until="2026-11-22T14:03:00Z",
            ),
        ],
        items=[
            notice(9, "api_health", "Health of the broker's interface (3 times)", "", count=3, events=storm,
                   gathers_until="2026-11-22T14:03:00Z"),
            notice(8, "kill", "Kill switch triggered", "The kill switch is triggered: ada.", way("mail", "sent"),
                   way("webhook", "waiting", 4, failing, "2026-11-22T14:03:00Z")),
            notice(7, "backup_failed", "Backup failed", "No snapshot could be made.",
                   way("mail", "sent", 3), way("webhook", "given_up", 150, failing)),
        ],
    )  # fmt: skip
    return shown.model_copy(update=changes)


def silent() -> Notifications:
    """A home that tells nobody, in which nothing happened."""
    nowhere = [
        ChannelView(channel=one, configured=False, towards="", failures=0, rests_until=None)
        for one in ("mail", "webhook")
    ]
    return notifications(channels=nowhere, items=[])


def answers() -> dict[str, Callable[..., Any]]:
    """What the notifications page is answered."""
    return {"notifications.list": lambda *_: notifications(), "notifications.test": lambda *_: Nothing()}
