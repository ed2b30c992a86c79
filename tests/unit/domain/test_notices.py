"""Notices: a storm gathers into one message, pauses grow to a bound, and what cannot be delivered is given up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tbot_bot.domain.notices import (
    EVENTS_KEPT,
    GATHER,
    GIVE_UP_AFTER,
    PAUSE_FIRST,
    PAUSE_MAX,
    TITLES,
    Channel,
    Delivery,
    DeliveryStatus,
    NoticeEvent,
    NoticeKind,
    failed,
    new_notice,
    pause_after,
)

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
EVENT = NoticeEvent(NOW, "Something happened.", {"symbol": "AAA"})


def test_every_kind_has_a_title() -> None:
    assert TITLES.keys() == set(NoticeKind)


def test_the_first_of_a_kind_is_due_at_once_and_the_next_gathers() -> None:
    first = new_notice("a", NoticeKind.KILL, EVENT, None)
    assert (first.due_at, first.title, first.last) == (NOW, "Kill switch triggered", EVENT)
    assert new_notice("b", NoticeKind.KILL, EVENT, NOW).due_at == NOW + GATHER
    assert new_notice("b", NoticeKind.KILL, EVENT, NOW - timedelta(days=1)).due_at == NOW


@given(st.integers(1, 40))
def test_a_storm_is_counted_and_keeps_its_newest(more: int) -> None:
    notice = new_notice("a", NoticeKind.API_HEALTH, EVENT, None)
    events = [NoticeEvent(NOW + timedelta(seconds=one), str(one)) for one in range(more)]
    for event in events:
        notice = notice.with_event(event)
    assert notice.count == more + 1
    assert notice.events == (EVENT, *events)[-EVENTS_KEPT:]
    assert notice.title == f"Health of the broker's interface ({more + 1} times)"


@given(st.integers(-3, 10_000))
def test_pauses_double_up_to_a_bound(failures: int) -> None:
    pause, next_pause = pause_after(failures), pause_after(failures + 1)
    assert timedelta(0) <= pause <= next_pause <= PAUSE_MAX
    assert failures <= 0 or pause >= PAUSE_FIRST
    assert failures <= 0 or next_pause in (2 * pause, PAUSE_MAX)


def test_a_failed_try_waits_and_is_given_up_in_the_end() -> None:
    delivery = Delivery("a", Channel.MAIL, DeliveryStatus.WAITING, 3, NOW, NOW)
    waiting = failed(delivery, NOW, NOW, "no answer")
    assert (waiting.status, waiting.next_at, waiting.error) == (
        DeliveryStatus.WAITING,
        NOW + 4 * PAUSE_FIRST,
        "no answer",
    )
    late = failed(delivery, NOW, NOW + GIVE_UP_AFTER, "no answer")
    assert late.status is DeliveryStatus.GIVEN_UP
