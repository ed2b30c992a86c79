"""The events of trading become notices, at a conductor with real books."""

from __future__ import annotations

from tbot_bot.domain.lifecycle import State
from tbot_bot.domain.money import Quantity
from tbot_bot.domain.notices import Notice, NoticeKind
from tests.unit.control.stage import Stage
from tests.unit.trading.desk import FRIDAY


def told(stage: Stage) -> list[tuple[NoticeKind, str]]:
    """What was told, oldest first."""
    return [(one.kind, event.sentence) for one in _notices(stage) for event in one.events]


def _notices(stage: Stage) -> list[Notice]:
    return list(reversed(stage.backstage.foundation.record.outbox.newest(50)))


def test_a_kill_is_told_with_its_reason_and_its_report(stage: Stage) -> None:
    stage.start()
    stage.floor.kill_switch.trigger("ada")
    stage.tick()
    assert [kind for kind, _ in told(stage)] == [NoticeKind.KILL]
    stage.ticks_until(State.STOPPED)
    (_, (kind, sentence)) = told(stage)
    assert kind is NoticeKind.CLOSING_REPORT
    assert sentence == "Kill: strategy book is flat. Still open: nothing."
    report = _notices(stage)[1].last.facts
    assert report["Close open positions"].startswith("done")


def test_a_loss_limit_is_told_beside_the_kill(stage: Stage) -> None:
    stage.start()
    stage.conductor._trip("daily loss limit of 500 reached")
    stage.tick()
    assert told(stage)[0] == (NoticeKind.LOSS_LIMIT, "The kill switch was pulled: daily loss limit of 500 reached.")
    assert "daily loss limit of 500 reached" in told(stage)[1][1]


def test_a_kill_in_error_is_told_once(stage: Stage) -> None:
    stage.start()
    stage.conductor.fail("the books are damaged")
    stage.floor.kill_switch.trigger("ada")
    stage.tick()
    stage.tick()
    assert [kind for kind, _ in told(stage)] == [NoticeKind.KILL]


def test_a_lasting_disagreement_is_told_once_and_its_end(stage: Stage) -> None:
    stage.line.extra["AAA"] = Quantity.of(5)
    stage.conductor.start("ada")
    stage.tick()
    stage.tell_market(window="idle")
    for _ in range(3):
        stage.tick()
    ((_, sentence),) = breaks = [one for one in told(stage) if one[0] is NoticeKind.RECONCILIATION_BREAK]
    assert "AAA" in sentence
    stage.line.extra.clear()
    stage.tick()
    assert stage.lifecycle.state is State.IDLE
    found = [one for one in told(stage) if one[0] is NoticeKind.RECONCILIATION_BREAK]
    assert found == [*breaks, (NoticeKind.RECONCILIATION_BREAK, "They agree again.")]


def test_defense_mode_is_told_when_it_begins_and_ends(stage: Stage) -> None:
    stage.conductor.begin_defense("news", "ada")
    stage.conductor.end_defense("ada")
    ((kind, begun), (_, ended)) = told(stage)
    assert kind is NoticeKind.DEFENSE
    assert begun.startswith("Defense mode began: news (ada).")
    assert ended.startswith("Defense mode is over")


def test_the_close_of_a_session_is_summed_up(stage: Stage) -> None:
    stage.start()
    stage.tell_session("opened")
    stage.tell_session("closed", at="2026-03-06T21:00:00Z")
    ((kind, sentence),) = told(stage)
    assert kind is NoticeKind.SESSION_SUMMARY
    assert sentence == (
        f"Session of {FRIDAY.day.isoformat()}: 0 trades closed, result 0 USD, equity 100000 USD, broker, books and"
        " ledger agree."
    )
    assert _notices(stage)[0].last.facts["win rate"] == "none closed"


def test_an_interface_that_is_down_is_told_and_that_it_answers_again(stage: Stage) -> None:
    stage.trade()
    stage.tick(31, silent=True)
    for _ in range(4):
        stage.tell_market()
        stage.tick(1)
    down, well = told(stage)
    assert down == (
        NoticeKind.API_HEALTH,
        (
            "The broker's interface is down: the bot has not reported for 31 s. No entry is made until it answers"
            " again; protective orders stand at the broker."
        ),
    )
    assert well == (NoticeKind.API_HEALTH, "The broker's interface is healthy: it answers again.")
