"""Telling: nothing is sent or raised, secrets are blanked, and a full disk only delays the record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from tbot_bot.domain.notices import NoticeKind
from tbot_bot.monitoring.log_book import REDACTED
from tbot_bot.monitoring.notices import UNRECORDED_MAX, Notices
from tbot_bot.storage.control_store import ControlStore
from tbot_bot.storage.engine import open_sqlite
from tests.unit.audit.parts import KEY, HandClock


class Desk:
    """Notices on a real outbox whose disk can be full."""

    def __init__(self, path: Path) -> None:
        self.engine: Engine = open_sqlite(path)
        self.outbox = ControlStore(self.engine, KEY).outbox
        self.clock = HandClock()
        self.notices = Notices(self.outbox, self.clock)
        self.is_full = False
        event.listen(self.engine, "before_cursor_execute", self._look)

    def _look(self, _connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if self.is_full and statement.startswith("INSERT"):
            raise OSError("No space left on device")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "CONTROL.db")
    yield made
    made.engine.dispose()


def test_what_is_told_is_recorded_at_once(desk: Desk) -> None:
    heard = []
    desk.notices.news = lambda: heard.append(len(desk.outbox.newest(9)))
    desk.notices.tell(NoticeKind.KILL, "The kill  switch\nwas pulled.", {"reason": "ada", "api_key": "swordfish"})
    (notice,) = desk.outbox.newest(9)
    assert notice.last.sentence == "The kill switch was pulled."
    assert notice.last.facts == {"reason": "ada", "api_key": REDACTED}
    assert heard == [1]


def test_a_full_disk_delays_the_record_and_loses_nothing(desk: Desk) -> None:
    desk.is_full = True
    desk.notices.tell(NoticeKind.KILL, "one")
    at = desk.clock.now()
    desk.clock.move(minutes=5)
    desk.notices.tell(NoticeKind.RESTORE, "two")
    assert (desk.notices.unrecorded, desk.outbox.newest(9)) == (2, [])
    desk.is_full = False
    desk.notices.record()
    assert desk.notices.unrecorded == 0
    assert [(one.kind, one.last.sentence) for one in desk.outbox.newest(9)] == [
        (NoticeKind.RESTORE, "two"),
        (NoticeKind.KILL, "one"),
    ]
    assert desk.outbox.newest(9)[1].first_at == at


def test_a_disk_that_stays_full_costs_bounded_memory(desk: Desk) -> None:
    desk.is_full = True
    for number in range(UNRECORDED_MAX + 5):
        desk.notices.tell(NoticeKind.KILL, str(number))
    assert desk.notices.unrecorded == UNRECORDED_MAX


def test_text_is_cut_and_made_whole(desk: Desk) -> None:
    desk.notices.tell(NoticeKind.KILL, "x" * 5000 + "\ud800", {"lone \udfff": "y" * 5000})
    event = desk.outbox.newest(1)[0].last
    assert len(event.sentence) == 1000
    assert event.sentence.endswith("…")
    assert {name: len(value) for name, value in event.facts.items()} == {"lone ?": 500}
