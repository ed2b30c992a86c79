from __future__ import annotations

import json
import sqlite3
import threading
from hashlib import sha256
from pathlib import Path

import pytest

from tbot_bot.api.errors import ApiError, not_allowed
from tbot_bot.audit.keys import KeyRefusedError
from tbot_bot.domain.audit import AuditFilter, AuditUnavailableError, RefusedError
from tbot_bot.domain.canonical import NotCanonicalError
from tests.unit.audit.parts import Chain, CheckpointKey


def raw(chain: Chain, statement: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(chain.path) as connection:
        rows = connection.execute(statement).fetchall()
    connection.close()
    return rows


def test_a_record_holds_all_that_was_said(chain: Chain) -> None:
    written = chain.trail.record(
        verb="holdings.edit",
        phase="outcome",
        actor="alice",
        target="SPY",
        role="admin",
        session="ab12",
        address="127.0.0.1",
        request_id="request-1",
        result="ok",
        reason="because",
        before={"weight": "0.4"},
        after={"weight": "0.5", "note": "größer"},
        detail={"rows": [1, None, True]},
        generation=7,
        state="idle",
    )
    read = chain.trail.last(verb="holdings.edit")
    assert read == written
    assert read.entry.at == chain.clock.now()
    assert read.entry.after == {"weight": "0.5", "note": "größer"}
    assert (read.seq, read.entry.generation, read.entry.state, read.entry.request_id) == (2, 7, "idle", "request-1")


def test_the_hash_is_the_one_that_is_documented(chain: Chain) -> None:
    chain.fill(1)
    (_, _, first_hash), (seq, body, second_hash) = raw(chain, "SELECT seq, body, hash FROM entry ORDER BY seq")
    assert isinstance(first_hash, bytes)
    assert isinstance(body, str)
    assert sha256(b"audit-v1" + first_hash + (2).to_bytes(8, "big") + body.encode()).digest() == second_hash
    assert (seq, json.loads(body)["target"]) == (2, "order 0")


def test_the_state_comes_from_the_runner_unless_it_is_given(chain: Chain) -> None:
    chain.trail._state = lambda: "stopped"
    assert chain.trail.record(verb="x", phase="event", actor="a").entry.state == "stopped"
    assert chain.trail.record(verb="x", phase="event", actor="a", state="idle").entry.state == "idle"


def test_the_rows_cannot_be_changed_removed_or_replaced(chain: Chain) -> None:
    chain.fill(3)
    chain.trail.checkpoint()
    for statement in (
        "UPDATE entry SET hash = x'00' WHERE seq = 2",
        "DELETE FROM entry WHERE seq = 3",
        "INSERT OR REPLACE INTO entry (seq, body, hash) VALUES (2, '{}', x'00')",
        "UPDATE checkpoint SET hash = x'00'",
        "DELETE FROM checkpoint",
        "INSERT OR REPLACE INTO checkpoint SELECT * FROM checkpoint",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            raw(chain, statement)
    assert chain.trail.verify().ok


def test_nothing_is_recorded_before_the_beginning(tmp_path: Path) -> None:
    chain = Chain(tmp_path)
    with pytest.raises(AuditUnavailableError, match="no beginning"):
        chain.trail.record(verb="x", phase="event", actor="a")
    with pytest.raises(AuditUnavailableError, match="no beginning"):
        chain.trail.checkpoint()
    assert chain.store.head().seq == 0
    chain.close()


def test_genesis_happens_once(chain: Chain) -> None:
    first = chain.trail.genesis(chain.key.public)
    assert (first.seq, first.entry.verb, first.entry.detail["public_key"]) == (1, "audit.genesis", chain.key.public)
    chain.fill(2)
    assert chain.trail.genesis(chain.key.public) == first
    assert chain.store.head().seq == 3


def test_genesis_wants_the_key_that_the_signer_holds(tmp_path: Path) -> None:
    chain = Chain(tmp_path)
    with pytest.raises(KeyRefusedError):
        chain.trail.genesis(CheckpointKey().public)
    assert chain.store.head().seq == 0
    chain.close()


def test_what_cannot_be_written_exactly_is_not_written(chain: Chain) -> None:
    with pytest.raises(NotCanonicalError, match=r"value\.detail\.ratio"):
        chain.trail.record(verb="x", phase="event", actor="a", detail={"ratio": 0.5})
    with pytest.raises(ValueError, match="perhaps"):
        chain.trail.record(verb="x", phase="perhaps", actor="a")
    assert chain.store.head().seq == 1


def test_a_store_that_fails_is_told(chain: Chain) -> None:
    raw(chain, "ALTER TABLE entry RENAME TO gone")
    with pytest.raises(AuditUnavailableError, match="kill switch"):
        chain.trail.record(verb="x", phase="event", actor="a")
    with pytest.raises(AuditUnavailableError):
        chain.trail.last(verb="x")


def test_an_act_is_recorded_before_and_after(chain: Chain) -> None:
    with chain.trail.act(
        verb="coa.edit", actor="alice", target="1000", role="admin", session="s", address="::1", request_id="request-2"
    ) as act:
        assert chain.trail.last(verb="coa.edit").entry.phase == "intent"
        act.before, act.after, act.generation = {"name": "Cash"}, {"name": "Bank"}, 3
    outcome, intent = chain.trail.page(AuditFilter(request_id="request-2")).items
    assert (intent.entry.phase, intent.entry.result, intent.entry.before) == ("intent", "", None)
    assert (outcome.entry.phase, outcome.entry.result, outcome.entry.generation) == ("outcome", "ok", 3)
    assert (outcome.entry.before, outcome.entry.after) == ({"name": "Cash"}, {"name": "Bank"})
    assert outcome.entry.address == intent.entry.address == "::1"


class FullError(RefusedError):
    code = "all_full"


@pytest.mark.parametrize(
    ("error", "result", "reason"),
    [
        (FullError("secret text"), "refused", "all_full"),
        (not_allowed("x"), "refused", "not_allowed"),
        (ApiError.of(503, "runner_unreachable", "No"), "failed", "runner_unreachable"),
        (RuntimeError("secret text"), "failed", "RuntimeError"),
    ],
)
def test_an_act_that_ends_in_an_error(chain: Chain, error: Exception, result: str, reason: str) -> None:
    with pytest.raises(type(error)), chain.trail.act(verb="x", actor="a"):
        raise error
    entry = chain.trail.last(verb="x", phase="outcome").entry
    assert (entry.result, entry.reason) == (result, reason)
    assert "secret text" not in str(raw(chain, "SELECT body FROM entry"))


def test_without_the_intent_the_act_is_not_done(chain: Chain) -> None:
    raw(chain, "ALTER TABLE entry RENAME TO gone")
    done = []
    with pytest.raises(AuditUnavailableError), chain.trail.act(verb="x", actor="a"):
        done.append(1)
    assert not done


def test_a_checkpoint_every_hundred_entries(chain: Chain) -> None:
    chain.fill(250)
    assert [each.seq for each in chain.store.checkpoints(0)] == [1, 101, 201]
    assert [each.previous for each in chain.store.checkpoints(0)] == [0, 1, 101]


def test_a_checkpoint_each_minute_when_something_is_new(chain: Chain) -> None:
    chain.clock.move(minutes=5)
    assert chain.trail.checkpoint_if_due() is None
    chain.fill(1)
    assert chain.trail.checkpoint_if_due().seq == 2
    chain.fill(1)
    chain.clock.move(seconds=58)
    assert chain.trail.checkpoint_if_due() is None
    chain.clock.move(seconds=2)
    assert chain.trail.checkpoint_if_due().seq == 3


def test_a_checkpoint_on_demand(chain: Chain) -> None:
    assert chain.trail.checkpoint() is None
    chain.fill(1)
    assert chain.trail.checkpoint().seq == 2
    assert chain.trail.checkpoint() is None


def test_a_new_key_follows_the_one_that_endorsed_it(chain: Chain) -> None:
    old, new = chain.key, CheckpointKey()
    chain.fill(98)
    chain.key = new
    chain.fill(3)  # a checkpoint would be due, but its key is not known yet
    assert chain.store.head().checkpoint.seq == 1
    chain.trail.introduce_key(new.public, old.endorse(new))
    head = chain.store.head()
    assert head.checkpoint.seq == head.seq == 103
    chain.trail.introduce_key(new.public, old.endorse(new))
    assert chain.store.head().seq == 103
    chain.fill(120)
    assert chain.trail.verify().ok


def test_a_key_without_endorsement_is_refused(chain: Chain) -> None:
    new = CheckpointKey()
    chain.key = new
    for endorsement in (new.endorse(new), "", "no hexadecimal"):
        with pytest.raises(KeyRefusedError, match="not endorsed"):
            chain.trail.introduce_key(new.public, endorsement)
    assert chain.store.head().seq == 1


def test_look_ups_for_the_rotation(chain: Chain) -> None:
    assert chain.trail.last(verb="rotation.commit") is None
    for generation in (1, 2):
        for phase in ("intent", "outcome"):
            chain.trail.record(
                verb="rotation.commit",
                phase=phase,
                actor="alice",
                target="secrets",
                detail={"manifest": "ff"},
                generation=generation,
                request_id=f"request-{generation}",
            )
    assert chain.trail.last(verb="rotation.commit", phase="outcome").entry.generation == 2
    assert chain.trail.last(phase="intent", request_id="request-1").entry.generation == 1


def test_pages_go_back_without_gap_or_repeat(chain: Chain) -> None:
    chain.fill(25)
    seen: list[int] = []
    before = None
    while True:
        page = chain.trail.page(AuditFilter(verb="order.cancel"), before=before, limit=10)
        seen += [record.seq for record in page.items]
        chain.fill(1)  # what is added meanwhile moves nothing
        before = page.next
        if before is None:
            break
    assert seen == list(range(26, 1, -1))


def test_filters(chain: Chain) -> None:
    chain.fill(10)
    start = chain.clock.now()
    chain.trail.record(verb="user.create", phase="event", actor="bob", target="Carol 100%_a")
    chain.clock.move(seconds=1)
    chain.fill(1)

    def found(**where: object) -> list[int]:
        return [record.seq for record in chain.trail.page(AuditFilter(**where)).items]  # type: ignore[arg-type]

    assert found(actor="bob") == found(verb="user.create") == found(target="carol 100%_") == [12]
    assert found(target="%") == [12]
    assert found(since=start) == [13, 12]
    assert found(since=start, until=chain.clock.now(), actor="alice") == [13]
    assert found(until=start, verb="audit.genesis") == [1]
    assert found(actor="bob", verb="order.cancel") == []


def test_writers_in_several_threads_make_one_chain(chain: Chain) -> None:
    threads = [threading.Thread(target=chain.fill, args=(40,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert chain.trail.verify().checked == 161
    assert chain.trail.verify().ok


def test_a_second_writer_on_the_file_makes_no_fork(chain: Chain, tmp_path: Path) -> None:
    other = Chain(tmp_path)
    other.key = chain.key
    for _ in range(5):
        chain.fill(1)
        other.fill(1)
    other.close()
    assert chain.trail.verify().head == 11
    assert chain.trail.verify().ok
