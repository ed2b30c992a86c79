"""The postman with a real outbox, a real mail server and a real webhook; only the clock is moved by hand."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.exc import OperationalError

from tbot_bot.api.settings import Configuration
from tbot_bot.domain.notices import GATHER, GIVE_UP_AFTER, PAUSE_MAX, Channel, DeliveryStatus, NoticeKind
from tbot_bot.monitoring.notices import Notices
from tbot_bot.monitoring.postman import Postman
from tbot_bot.monitoring.routes import routes_of, try_routes
from tbot_bot.storage.control_store import ControlStore
from tbot_bot.storage.engine import open_sqlite
from tests.support.hooks import HookServer
from tests.support.mail import MailServer
from tests.unit.audit.parts import KEY, HandClock

SECRET = "a key that signs"


class Office:
    """One home's outbox and postman; `again` is what a restart has."""

    def __init__(self, path: Path, clock: HandClock, **configured: Any) -> None:
        self.path = path
        self.clock = clock
        self.configured = configured
        self.engine: Engine = open_sqlite(path)
        self.outbox = ControlStore(self.engine, KEY).outbox
        self.notices = Notices(self.outbox, clock)
        self.postman = Postman(self.outbox, self.notices, lambda: routes_of(Configuration(**self.configured)), clock)

    def again(self) -> Office:
        self.engine.dispose()
        return Office(self.path, self.clock, **self.configured)

    def tell(self, sentence: str = "It happened.", kind: NoticeKind = NoticeKind.KILL) -> None:
        self.notices.tell(kind, sentence, {"reason": "ada"})

    def statuses(self, channel: Channel) -> list[DeliveryStatus]:
        return [one.status for one in self.outbox.deliveries() if one.channel is channel]


def mail_of(server: MailServer) -> dict[str, str]:
    return {
        "SMTP_HOST": "localhost",
        "SMTP_PORT": str(server.port),
        "SMTP_FROM": "bot@example.org",
        "SMTP_SECURITY": "none",
        "NOTIFY_MAIL_TO": "ada@example.org, ben@example.org",
    }


def hook_of(server: HookServer) -> dict[str, str]:
    return {"NOTIFY_WEBHOOK_URL": server.url, "NOTIFY_WEBHOOK_KEY": SECRET}


@pytest.fixture
def hook() -> Iterator[HookServer]:
    with HookServer() as served:
        yield served


@pytest.fixture
def office(tmp_path: Path, hook: HookServer) -> Iterator[Office]:
    made = Office(tmp_path / "CONTROL.db", HandClock(), **hook_of(hook))
    yield made
    made.engine.dispose()


def test_a_notice_goes_by_mail_and_webhook_once(tmp_path: Path, hook: HookServer) -> None:
    with MailServer() as server:
        office = Office(tmp_path / "CONTROL.db", HandClock(), **mail_of(server), **hook_of(hook))
        office.tell("The kill switch was pulled.")
        for _ in range(3):
            office.postman.turn()
    (mail,), (call,) = server.mails, hook.calls
    notice = office.outbox.newest(1)[0]
    assert mail["Subject"] == "[RIGD_US_SIM_001] Kill switch triggered"
    assert mail["To"] == "ada@example.org, ben@example.org"
    assert mail["Message-ID"] == f"<{notice.notice_id}@example.org>"
    assert "The kill switch was pulled.\n  reason: ada" in mail.get_content()
    assert call.headers["X-TBot-Id"] == call.json["id"] == notice.notice_id
    assert call.json["events"][0]["facts"] == {"reason": "ada"}
    assert [one.status for one in office.outbox.deliveries()] == [DeliveryStatus.SENT] * 2
    office.engine.dispose()


def test_an_hour_of_outage_is_tried_sparingly_and_ends_in_one_message_each(office: Office, hook: HookServer) -> None:
    hook.status = 503
    office.tell("the first")
    tries = []
    for second in range(3600):
        office.clock.move(seconds=1)
        if second % 60 == 0:
            office.tell(f"event {second // 60}", NoticeKind.API_HEALTH)
        before = len(hook.calls)
        office.postman.turn()
        tries += [second] * (len(hook.calls) - before)
    assert 8 <= len(tries) <= 16
    assert max(later - earlier for earlier, later in itertools.pairwise(tries)) <= PAUSE_MAX.total_seconds()
    hook.calls.clear()
    hook.status = 200
    office.clock.move(seconds=int(PAUSE_MAX.total_seconds()))
    office.postman.turn()
    told = [event["sentence"] for call in hook.calls for event in call.json["events"]]
    assert sum(call.json["count"] for call in hook.calls) == 61
    assert told.count("the first") == 1
    assert len({call.json["id"] for call in hook.calls}) == len(hook.calls) <= 14
    assert set(office.statuses(Channel.WEBHOOK)) == {DeliveryStatus.SENT}


def test_a_storm_is_one_message_at_once_and_one_with_a_count(office: Office, hook: HookServer) -> None:
    for number in range(50):
        office.tell(f"event {number}")
        office.postman.turn()
    assert [call.json["count"] for call in hook.calls] == [1]
    office.clock.move(seconds=int(GATHER.total_seconds()))
    office.postman.turn()
    assert [call.json["count"] for call in hook.calls] == [1, 49]
    assert hook.calls[1].json["title"] == "Kill switch triggered (49 times)"
    assert hook.calls[1].json["text"].count("earlier ones are not listed") == 1


def test_a_crash_between_record_and_send_loses_nothing(office: Office, hook: HookServer) -> None:
    office.tell()
    office.again().postman.turn()
    assert len(hook.calls) == 1


def test_a_crash_while_it_is_sent_is_one_more_try_of_the_same(
    office: Office, hook: HookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.tell()

    class CrashError(BaseException):
        pass

    keep = office.outbox.keep

    def crash(delivery: Any) -> None:
        if delivery.status is DeliveryStatus.SENT:
            raise CrashError
        keep(delivery)

    monkeypatch.setattr(office.outbox, "keep", crash)
    with pytest.raises(CrashError):
        office.postman.turn()
    restarted = office.again()
    restarted.tell("later")
    restarted.clock.move(seconds=5)
    restarted.postman.turn()
    first, second = hook.calls[:2]
    assert (first.body, first.headers["X-TBot-Id"]) == (second.body, second.headers["X-TBot-Id"])
    assert first.headers["X-TBot-Timestamp"] != second.headers["X-TBot-Timestamp"]


def test_one_message_that_is_never_taken_does_not_hold_up_the_others(
    office: Office, hook: HookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tbot_bot.monitoring import routes

    as_json = routes.as_json

    def choking(notice: Any, bot: str) -> bytes:
        if "poison" in notice.last.sentence:
            raise routes.DeliveryError("example.org refused the message (413).")
        return as_json(notice, bot)

    monkeypatch.setattr(routes, "as_json", choking)
    office.tell("poison")
    office.postman.turn()
    for number, kind in enumerate((NoticeKind.RESTORE, NoticeKind.INTEGRITY, NoticeKind.NEW_DEVICE)):
        office.tell(f"fine {number}", kind)
    for _ in range(60):
        office.clock.move(seconds=1)
        office.postman.turn()
    assert [call.json["events"][0]["sentence"] for call in hook.calls] == ["fine 0", "fine 1", "fine 2"]
    poisoned = next(one for one in office.outbox.deliveries() if one.status is DeliveryStatus.WAITING)
    assert poisoned.tries < 10
    assert "(413)" in poisoned.error


def test_what_cannot_be_delivered_for_a_day_is_given_up_and_says_so(office: Office, hook: HookServer) -> None:
    hook.status = 500
    office.tell()
    office.postman.turn()
    office.clock.move(seconds=int(GIVE_UP_AFTER.total_seconds()))
    office.postman.turn()
    (delivery,) = office.outbox.deliveries()
    assert (delivery.status, delivery.error) == (DeliveryStatus.GIVEN_UP, "127.0.0.1 failed (500).")
    calls = len(hook.calls)
    office.clock.move(hours=1)
    office.postman.turn()
    assert len(hook.calls) == calls


def test_kinds_go_where_they_are_wanted(office: Office, hook: HookServer) -> None:
    office.configured["NOTIFY_WEBHOOK_WITHOUT"] = "kill, session_summary"
    for kind in (NoticeKind.KILL, NoticeKind.RESTORE, NoticeKind.TEST):
        office.tell(kind=kind)
    office.postman.turn()
    assert [call.json["kind"] for call in hook.calls] == ["restore", "test"]
    assert all(one.is_taken for one in office.outbox.newest(9))


def test_without_a_channel_notices_are_only_kept(office: Office) -> None:
    office.configured.clear()
    office.tell()
    office.postman.turn()
    assert office.outbox.newest(1)[0].is_taken
    assert office.outbox.deliveries() == []


def test_a_channel_that_is_removed_gives_up_what_waits_for_it(office: Office, hook: HookServer) -> None:
    hook.status = 500
    office.tell()
    office.postman.turn()
    office.configured.clear()
    office.clock.move(minutes=1)
    office.postman.turn()
    (delivery,) = office.outbox.deliveries()
    assert (delivery.status, delivery.error) == (
        DeliveryStatus.GIVEN_UP,
        "This channel is not configured any more.",
    )


def test_a_full_disk_is_told_of_from_memory_and_recorded_later(office: Office, hook: HookServer) -> None:
    full = [True]

    @event.listens_for(office.engine, "before_cursor_execute")
    def refuse(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if full and statement.startswith(("INSERT", "UPDATE")):
            raise OperationalError(statement, {}, Exception("database or disk is full"))

    office.tell("the disk is full")
    for _ in range(3):
        office.postman.turn()
    assert [call.json["events"][0]["sentence"] for call in hook.calls] == ["the disk is full"]
    full.clear()
    office.postman.turn()
    assert hook.calls[1].json["id"] == hook.calls[0].json["id"]
    assert office.statuses(Channel.WEBHOOK) == [DeliveryStatus.SENT]


def test_the_thread_carries_and_outlives_trouble(office: Office, hook: HookServer) -> None:
    office.postman.start()
    office.tell()
    assert hook.wait_for(1)[0].json["count"] == 1
    office.postman.stop(5)


def test_no_message_holds_a_secret(tmp_path: Path, hook: HookServer) -> None:
    with MailServer() as server:
        chosen = mail_of(server) | hook_of(hook) | {"SMTP_USER": "bot", "SMTP_PASSWORD": "swordfish"}
        ok, told = try_routes(routes_of(Configuration(**chosen)), HandClock().now())
    sent = b"".join(call.body for call in hook.calls) + server.mails[0].as_bytes()
    shown = told + repr(routes_of(Configuration(**chosen))) + json.dumps([call.headers for call in hook.calls])
    assert ok
    for secret in ("swordfish", SECRET, "abracadabra"):
        assert secret.encode() not in sent
        assert secret not in shown


def test_a_test_of_the_ways_says_what_each_did(hook: HookServer) -> None:
    hook.status = 403
    with MailServer() as server:
        server.refuses = {"ada@example.org", "ben@example.org"}
        chosen = Configuration(**mail_of(server), **hook_of(hook))
        ok, told = try_routes(routes_of(chosen), HandClock().now() + timedelta(0))
    assert not ok
    assert "refused every recipient" in told
    assert "127.0.0.1 refused the message (403)" in told
