"""The audit trail through its verbs, of a home where people did things."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tbot_bot.api.audit import AuditVerification
from tbot_bot.api.errors import ApiError
from tbot_bot.api.permissions import Permission, Role, may
from tbot_bot.api.verbs import VERBS
from tbot_bot.control.audit_anchors import AuditAnchors
from tbot_bot.control.audit_examination import AuditExamination
from tbot_bot.control.integrity import IntegrityWatch
from tbot_bot.control.verbs_audit import AuditVerbs
from tbot_bot.domain.lifecycle import State
from tests.unit.control.backstage import Backstage, call, furnished, wait_until


class Desk:
    """The verbs over a home."""

    def __init__(self, stage: Backstage) -> None:
        self.stage = stage
        self.audit = stage.foundation.audit
        self.watch = IntegrityWatch(stage.foundation)
        self.anchors = AuditAnchors(stage.foundation)
        self.examination = AuditExamination(stage.foundation, self.watch, self.anchors)
        self.handlers = AuditVerbs(stage.foundation, self.examination).handlers()

    def ask(self, verb: str, /, **params: object) -> Any:
        return call(self.handlers, verb, self.stage.caller(), **params)

    def seqs(self, **params: object) -> list[int]:
        return [one.seq for one in self.ask("audit.list", **params).items]

    def verified(self) -> AuditVerification:
        """The verification that was begun, once it has ended."""
        wait_until(lambda: not self.ask("audit.verification").running, "the verification ended", 60)
        return self.ask("audit.verification")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(furnished(tmp_path / "home"))
    yield desk
    desk.examination.stop()


def test_administrators_and_auditors_while_the_bot_is_live() -> None:
    for name in ("audit.list", "audit.record", "audit.export", "audit.verify", "audit.verification"):
        assert VERBS[name].permission is Permission.AUDIT_VIEW
        assert State.IDLE in VERBS[name].states
        assert State.REGISTRATION not in VERBS[name].states
    assert [role for role in Role if may(role, Permission.AUDIT_VIEW)] == [Role.ADMIN, Role.AUDITOR]


def test_an_act_is_one_intent_and_one_outcome_of_its_request(desk: Desk) -> None:
    with desk.audit.act(
        verb="users.change",
        actor="Ada",
        role="admin",
        target="bob",
        address="192.0.2.7",
        session="h1",
        request_id="r-1",
    ) as act:
        desk.audit.record(verb="other", phase="event", actor="runner")
        act.before, act.after = {"role": "viewer"}, {"role": "operator"}
        act.detail, act.generation = {"why": "promoted"}, 1
    outcome = desk.audit.end()[0]
    shown = desk.ask("audit.record", seq=outcome)
    assert (shown.item.verb, shown.item.phase, shown.item.result) == ("users.change", "outcome", "ok")
    assert (shown.before, shown.after) == ({"role": "viewer"}, {"role": "operator"})
    assert (shown.address, shown.session, shown.generation, shown.state) == ("192.0.2.7", "h1", 1, "test")
    assert shown.detail == {"why": "promoted"}
    assert shown.hash == desk.audit.hash_of(outcome).hex()
    assert [(one.seq, one.phase) for one in shown.related] == [(outcome - 2, "intent"), (outcome, "outcome")]
    alone = desk.ask("audit.record", seq=outcome - 1)
    assert [one.seq for one in alone.related] == [outcome - 1]
    assert alone.before is None


def test_an_act_without_a_request_id_is_still_shown_whole(desk: Desk) -> None:
    for target in ("ada", "bob", "ada"):
        with desk.audit.act(verb="user.change", actor="system", target=target):
            desk.audit.record(verb="other", phase="event", actor="system")
    first = desk.audit.end()[0] - 8
    pairs = {seq: [one.seq for one in desk.ask("audit.record", seq=seq).related] for seq in range(first, first + 9)}
    for start in (first, first + 3, first + 6):
        assert pairs[start] == pairs[start + 2] == [start, start + 2]
        assert pairs[start + 1] == [start + 1]
    desk.audit.record(verb="user.change", phase="intent", actor="system", target="eve")
    end = desk.audit.end()[0]
    assert [one.seq for one in desk.ask("audit.record", seq=end).related] == [end]


def test_each_part_of_the_filter_narrows(desk: Desk) -> None:
    start = desk.audit.end()[0]
    for number, result in enumerate(("ok", "refused", "failed"), 1):
        desk.stage.clock.move(hours=1)
        desk.audit.record(
            verb=f"verb.{number}", phase="event", actor=f"actor {number}", target=f"the Thing {number}",
            request_id=f"request-{number}", result=result,
        )  # fmt: skip
    second = [start + 2]
    assert desk.seqs(limit=3) == [start + 3, start + 2, start + 1]
    assert desk.seqs(actor="actor 2") == desk.seqs(verb="verb.2") == desk.seqs(request_id="request-2") == second
    assert desk.seqs(target="thing 2") == desk.seqs(result="refused", limit=1) == second
    at = desk.ask("audit.record", seq=start + 2).item.at
    assert desk.seqs(since=at, limit=2, phase="event") == [start + 3, start + 2]
    assert desk.seqs(until=at, limit=1) == [start + 1]
    assert desk.seqs(actor="actor 2", verb="verb.1") == []


def test_pages_follow_one_another_to_the_beginning(desk: Desk) -> None:
    found, cursor = [], None
    while True:
        page = desk.ask("audit.list", limit=2, cursor=cursor)
        found += [one.seq for one in page.items]
        if (cursor := page.next) is None:
            break
    assert found == list(range(desk.audit.end()[0], 0, -1))


def test_a_record_that_is_not_there(desk: Desk) -> None:
    with pytest.raises(ApiError) as refused:
        desk.ask("audit.record", seq=desk.audit.end()[0] + 1)
    assert refused.value.problem.status == 404


def test_an_export_is_an_intent_and_an_outcome_and_does_not_tell_of_itself(desk: Desk) -> None:
    for number in range(600):
        desk.audit.record(verb="test", phase="event", actor="runner", target=f"5-{number}")
    caller = desk.stage.caller(desk.stage.sign_in("auditor"), request_id="export-0001")
    end = desk.audit.end()[0]
    first = call(desk.handlers, "audit.export", caller, format="csv", target="5")
    assert [one.phase for one in desk.stage.audited("audit.export")] == ["intent"]
    rest = call(desk.handlers, "audit.export", caller, format="csv", target="5", cursor=first.next)
    assert rest.next is None
    found = [one.item.seq for one in (*first.items, *rest.items)]
    assert found == sorted(found, reverse=True)
    assert found[0] <= end
    assert all("5" in one.item.target for one in first.items)
    outcome, intent = desk.stage.audited("audit.export")
    assert (outcome.phase, outcome.result, intent.phase, intent.result) == ("outcome", "ok", "intent", "")
    assert outcome.detail == intent.detail == {"format": "csv", "target": "5"}
    assert (intent.actor, intent.role, intent.request_id) == ("Auditor", "auditor", "export-0001")


def test_the_whole_trail_is_verified_beside_the_runner(desk: Desk) -> None:
    before = desk.ask("audit.verification")
    assert (before.running, before.last, before.of) == (False, None, desk.audit.end()[0])
    for number in range(150):
        desk.audit.record(verb="test", phase="event", actor="runner", target=str(number))
    end = desk.audit.end()[0]
    begun = desk.ask("audit.verify")
    assert (begun.running, begun.of) == (True, end)
    desk.ask("audit.verify")  # another one is not begun
    done = desk.verified()
    assert done.trouble == ""
    assert done.last is not None
    assert (done.last.ok, done.last.checked, done.last.upto, done.last.what) == (True, end, end, "")
    told = desk.stage.audited("audit.verify")
    assert [(one.result, one.detail) for one in told] == [("ok", {"checked": end, "upto": end})]
    assert not desk.watch.findings
    assert AuditExamination(desk.stage.foundation, desk.watch, desk.anchors).view().last == done.last


def test_what_was_changed_is_named_and_reaches_the_watch(desk: Desk) -> None:
    with closing(sqlite3.connect(desk.stage.home.audit_database)) as connection, connection:
        connection.execute("DROP TRIGGER entry_no_update")
        connection.execute("UPDATE entry SET body = replace(body, 'system', 'mallory') WHERE seq = 1")
    desk.ask("audit.verify")
    done = desk.verified()
    assert done.last is not None
    assert (done.last.ok, done.last.first_bad_seq) == (False, 1)
    assert "entry 1 is not what was written" in done.last.what
    assert [one.subject for one in desk.watch.findings] == ["Audit trail"]


def test_a_rotation_meanwhile_does_not_make_it_wrong(desk: Desk) -> None:
    desk.ask("audit.verify")
    examiner = desk.examination._run.child.process
    examiner.send_signal(signal.SIGSTOP)  # it has not looked yet: its interpreter is still starting
    desk.stage.configure("again-1", SIM_SPEED=7)
    examiner.send_signal(signal.SIGCONT)
    done = desk.verified()
    assert done.last is not None
    assert (done.last.ok, done.last.what) == (True, "")


def test_one_that_was_ended_counts_as_not_done(desk: Desk) -> None:
    desk.ask("audit.verify")
    desk.examination.stop()
    done = desk.ask("audit.verification")
    assert not done.running
    assert done.last is None
    assert "ended before it was done" in done.trouble
