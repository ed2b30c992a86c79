"""The outbox on its file: what was told stands after a restart, gathers until it is taken, and is bounded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from tbot_bot.domain.integrity import TamperedError
from tbot_bot.domain.notices import GATHER, Channel, DeliveryStatus, NoticeEvent, NoticeKind
from tbot_bot.storage.control_store import ControlStore
from tbot_bot.storage.engine import open_sqlite
from tbot_bot.storage.outbox import NOTICES_KEPT, Outbox
from tests.unit.audit.parts import KEY

NOW = datetime(2026, 3, 2, 9, 0, 0, 5, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def event(sentence: str = "It happened.", at: datetime = NOW, **facts: str) -> NoticeEvent:
    return NoticeEvent(at, sentence, facts)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "CONTROL.db"


@pytest.fixture
def outbox(path: Path) -> Iterator[Outbox]:
    engine = open_sqlite(path)
    yield ControlStore(engine, KEY).outbox
    engine.dispose()


def again(path: Path) -> Outbox:
    return ControlStore(open_sqlite(path), KEY).outbox


def test_a_notice_is_there_after_a_restart(outbox: Outbox, path: Path) -> None:
    outbox.add("a", NoticeKind.KILL, event("The kill switch.", symbol="AAA"))
    (kept,) = again(path).newest(9)
    assert (kept.notice_id, kept.kind, kept.count, kept.is_taken) == ("a", NoticeKind.KILL, 1, False)
    assert kept.events == (event("The kill switch.", symbol="AAA"),)


def test_events_gather_until_the_notice_is_taken(outbox: Outbox) -> None:
    outbox.add("a", NoticeKind.KILL, event("one"))
    outbox.add("b", NoticeKind.KILL, event("two"))
    outbox.add("c", NoticeKind.RESTORE, event("other"))
    assert [(one.notice_id, one.count) for one in outbox.newest(9)] == [("c", 1), ("a", 2)]
    outbox.take("a", [Channel.MAIL], NOW)
    outbox.add("d", NoticeKind.KILL, event("three", NOW + SECOND))
    newest = outbox.newest(1)[0]
    assert (newest.notice_id, newest.due_at) == ("d", NOW + GATHER)
    assert [one.notice_id for one in outbox.due(NOW + GATHER - SECOND)] == ["c"]
    assert [one.notice_id for one in outbox.due(NOW + GATHER)] == ["c", "d"]


def test_what_was_tried_least_goes_first(outbox: Outbox, path: Path) -> None:
    for name, kind in (("a", NoticeKind.KILL), ("b", NoticeKind.RESTORE)):
        outbox.add(name, kind, event())
        outbox.take(name, list(Channel), NOW)
    found = outbox.next_waiting(Channel.MAIL, NOW)
    assert found is not None
    notice, delivery = found
    assert notice.notice_id == "a"
    tried = replace(delivery, tries=1, next_at=NOW + 5 * SECOND, tried_at=NOW, error="no answer")
    outbox.keep(tried)
    found = outbox.next_waiting(Channel.MAIL, NOW)
    assert found is not None
    assert found[0].notice_id == "b"
    outbox.keep(replace(found[1], status=DeliveryStatus.SENT))
    assert outbox.next_waiting(Channel.MAIL, NOW) is None
    assert again(path).next_waiting(Channel.MAIL, NOW + 5 * SECOND) == (notice, tried)
    outbox.retry_now(Channel.MAIL, NOW)
    assert outbox.next_waiting(Channel.MAIL, NOW) == (notice, replace(tried, next_at=NOW))
    assert [one.status for one in outbox.deliveries() if one.channel is Channel.WEBHOOK] == ["waiting"] * 2


def test_only_the_newest_are_kept(outbox: Outbox) -> None:
    for number in range(NOTICES_KEPT + 3):
        outbox.add(str(number), NoticeKind.TEST, event(str(number)))
        outbox.take(str(number), [Channel.MAIL], NOW)
    outbox.add("last", NoticeKind.KILL, event())
    kept = outbox.newest(NOTICES_KEPT + 9)
    assert [one.notice_id for one in kept] == ["last", *(str(one) for one in range(NOTICES_KEPT + 2, 3, -1))]
    assert len(outbox.deliveries()) == NOTICES_KEPT - 1


def test_a_changed_message_is_not_believed(outbox: Outbox, path: Path) -> None:
    outbox.add("a", NoticeKind.KILL, event("It happened."))
    with open_sqlite(path).begin() as connection:
        connection.execute(text("UPDATE notice SET events = replace(events, 'It', 'Nothing')"))
    with pytest.raises(TamperedError):
        outbox.newest(1)
    with pytest.raises(TamperedError):
        outbox.add("b", NoticeKind.KILL, event())
