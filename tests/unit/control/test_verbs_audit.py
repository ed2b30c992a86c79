"""The audit trail through its verbs, of a home where people did things."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tbot_bot.api.errors import ApiError
from tbot_bot.api.permissions import Permission, Role, may
from tbot_bot.api.verbs import VERBS
from tbot_bot.control.verbs_audit import AuditVerbs
from tbot_bot.domain.lifecycle import State
from tests.unit.control.backstage import Backstage, call, furnished


class Desk:
    """The verbs over a home."""

    def __init__(self, stage: Backstage) -> None:
        self.stage = stage
        self.audit = stage.foundation.audit
        self.handlers = AuditVerbs(stage.foundation).handlers()

    def ask(self, verb: str, /, **params: object) -> Any:
        return call(self.handlers, verb, self.stage.caller(), **params)

    def seqs(self, **params: object) -> list[int]:
        return [one.seq for one in self.ask("audit.list", **params).items]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(furnished(tmp_path / "home"))


def test_administrators_and_auditors_while_the_bot_is_live() -> None:
    for name in ("audit.list", "audit.record"):
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
