"""What the bot may do: unlocked when the books agree, blocked when they do not, closed by Stop, Kill and the end."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tbot_bot.api.bot_protocol import Halt, Pause, Run
from tbot_bot.control.books_keeper import EVERY
from tbot_bot.control.closing_desk import ClosingDesk
from tbot_bot.control.kill_latch import RESET_HOLD
from tbot_bot.domain.lifecycle import State, TransitionRefusedError
from tbot_bot.domain.money import Money, Quantity
from tbot_bot.trading.kill_switch import KillLatchedError
from tests.unit.control.stage import Stage
from tests.unit.trading.desk import FRIDAY, MONDAY

MINUTE = timedelta(minutes=1)


def told_to_run(stage: Stage) -> list[Run]:
    return [told for told in stage.bot.heard() if isinstance(told, Run)]


# start


def test_trading_stays_locked_until_the_bot_spoke_and_the_books_agree(stage: Stage) -> None:
    stage.conductor.start("ada")
    assert stage.lifecycle.state is State.STARTED
    assert stage.floor.kill_switch.is_armed()
    stage.tick()
    stage.tick()
    assert stage.conductor.books.boot is None
    stage.tell_market(window="trading")
    assert stage.lifecycle.state is State.STARTED
    assert told_to_run(stage) == []
    assert stage.backstage.foundation.record.fact("market_run") is None
    stage.tick()
    assert stage.lifecycle.state is State.IDLE
    assert stage.backstage.foundation.record.fact("market_run") == "yes"
    (run,) = told_to_run(stage)
    assert run == Run(paused=False, trades=[], counts={}, float_allocation=run.float_allocation, trades_today=0)
    allocation = stage.floor.settings.TOTAL_ALLOCATION
    assert Money.of(run.float_allocation) == Money.of("100000") * allocation
    stage.tell_market(window="trading")
    assert stage.lifecycle.state is State.TRADING


def test_only_a_stopped_bot_is_started(stage: Stage) -> None:
    stage.start()
    with pytest.raises(TransitionRefusedError):
        stage.conductor.start("ada")


def test_a_killed_bot_is_not_started(stage: Stage) -> None:
    stage.floor.kill_switch.trigger("ada")
    with pytest.raises(KillLatchedError):
        stage.conductor.start("ada")
    assert stage.lifecycle.state is State.STOPPED


def test_what_disagrees_keeps_trading_locked_and_is_tried_again(stage: Stage) -> None:
    stage.line.extra["AAA"] = Quantity.of(5)
    stage.conductor.start("ada")
    stage.tick()
    stage.tell_market(window="idle")
    stage.tick()
    assert stage.lifecycle.state is State.STARTED
    assert stage.conductor.books.boot is not None
    assert "AAA" in " ".join(stage.conductor.books.boot.sentences)
    stage.tick(4)
    assert told_to_run(stage) == []
    stage.line.extra.clear()
    stage.tick(1)
    assert stage.lifecycle.state is State.IDLE
    assert len(told_to_run(stage)) == 1


def test_without_an_answer_of_the_broker_nothing_is_unlocked(stage: Stage) -> None:
    stage.conductor.start("ada")
    stage.tick()
    stage.tell_market(window="idle")
    stage.line.down = True
    stage.tick()
    assert stage.lifecycle.state is State.STARTED
    stage.line.down = False
    stage.tick()
    assert stage.lifecycle.state is State.IDLE


def test_an_open_trade_is_handed_over_again(stage: Stage) -> None:
    stage.trade()
    stage.enter()
    stage.lose_bot()
    assert stage.lifecycle.state is State.IDLE
    stage.floor.bot_keeper.stop(5)
    stage.tick()
    stage.tell_market(window="idle")
    stage.tick()
    run = stage.bot.heard()[-1]
    assert isinstance(run, Run)
    assert [(trade.symbol, trade.number) for trade in run.trades] == [("AAA", 1)]
    assert run.counts == {"2013-10-04/open/AAA": 1}
    assert run.trades_today == 1


def test_a_bot_that_is_gone_is_not_traded_for(stage: Stage) -> None:
    stage.trade()
    stage.lose_bot()
    assert stage.lifecycle.state is State.IDLE
    assert stage.lifecycle.reason.startswith("the bot process ended")
    assert stage.floor.view.seen.marks


def test_exits_that_outlast_their_window_are_still_monitored(stage: Stage) -> None:
    stage.trade()
    stage.enter()
    stage.tell_market(window="idle")
    assert stage.lifecycle.state is State.MONITORING
    assert stage.lifecycle.reason == "exits are still worked"
    stage.tell_market(window="idle", is_open=False)
    assert stage.lifecycle.state is State.IDLE


def test_a_flat_book_is_idle_outside_the_windows(stage: Stage) -> None:
    stage.trade()
    stage.tell_market(window="idle")
    assert stage.lifecycle.state is State.IDLE


# when broker and books disagree


def test_a_break_blocks_entries_until_the_books_agree_again(stage: Stage) -> None:
    stage.trade()
    stage.line.extra["BBB"] = Quantity.of(7)
    stage.tick()
    assert stage.conductor.books.break_found is None  # nobody has looked yet
    stage.tell_session("gap", None)
    stage.tick()
    assert "BBB" in (stage.conductor.books.break_found or "")
    (pause,) = stage.bot.heard()
    assert isinstance(pause, Pause)
    assert pause.paused
    assert "BBB" in pause.reason
    assert "paused" in (stage.ask_entry("AAA") or "")
    stage.conductor.resume()
    assert "paused" in (stage.ask_entry("AAA", number=2) or "")
    stage.line.extra.clear()
    stage.bot.heard()
    stage.tick(int(EVERY.total_seconds()))
    assert stage.conductor.books.break_found is None
    assert [told for told in stage.bot.heard() if isinstance(told, Pause)] == [Pause(paused=False, reason="")]
    assert stage.ask_entry("AAA", number=3) is None


def test_the_books_are_compared_on_a_timer(stage: Stage) -> None:
    stage.trade()
    stage.line.extra["BBB"] = Quantity.of(7)
    stage.tick(int(EVERY.total_seconds()) - 6)
    assert stage.conductor.books.break_found is None
    stage.tick(6)
    assert stage.conductor.books.break_found is not None


def test_what_could_not_be_recorded_is_asked_of_the_broker(stage: Stage) -> None:
    stage.trade()
    stage.conductor.books_behind("the disk was full")
    calls = stage.line.calls
    stage.tick(1)
    assert stage.line.calls > calls
    assert stage.conductor.books.break_found is None


def test_a_break_found_at_the_close_blocks_entries(stage: Stage) -> None:
    stage.trade()
    stage.line.extra["BBB"] = Quantity.of(7)
    stage.tell_session("closed", at="2013-10-04T14:10:00Z")
    assert stage.conductor.paused_because() is not None


def test_pause_and_resume(stage: Stage) -> None:
    stage.trade()
    before = stage.changed
    stage.conductor.pause("lunch")
    assert stage.changed > before
    assert stage.bot.heard() == [Pause(paused=True, reason="lunch")]
    assert "paused" in (stage.ask_entry() or "")
    stage.conductor.resume()
    assert stage.bot.heard() == [Pause(paused=False, reason="")]
    stage.conductor.pause("")
    assert stage.conductor.paused_because() == "paused by a person"


# Stop


def test_stop_closes_the_book(stage: Stage) -> None:
    stage.trade()
    stage.enter()
    stage.conductor.stop("ada")
    assert stage.lifecycle.state is State.GRACEFUL
    assert stage.bot.heard() == [Halt(reason="stop", cancel_entries=True)]
    assert "graceful" in (stage.ask_entry("BBB") or "")
    stage.ticks_until(State.STOPPED)
    assert (stage.lifecycle.reason, stage.line.inner.positions()) == ("strategy book is flat", [])
    report = stage.conductor.closing.report()
    assert report is not None
    assert (report.kind, report.residuals) == ("stop", [])
    assert report.ended_at is not None
    assert stage.conductor.reset_hold_left() == timedelta(0)


def test_stop_of_a_stopped_bot_changes_nothing(stage: Stage) -> None:
    stage.conductor.stop("ada")
    assert stage.lifecycle.state is State.STOPPED


def test_a_cancelled_stop_manages_what_is_open(stage: Stage) -> None:
    stage.trade()
    stage.enter()
    stage.conductor.stop("ada")
    stage.conductor.cancel_closing("ada")
    assert stage.lifecycle.state is State.IDLE
    stage.bot.heard()
    stage.tick()
    run = stage.bot.heard()[-1]
    assert isinstance(run, Run)
    assert [trade.symbol for trade in run.trades] == ["AAA"]
    with pytest.raises(TransitionRefusedError):
        stage.conductor.cancel_closing("ada")


def test_a_stop_while_the_market_is_closed_waits_for_the_open(stage: Stage) -> None:
    stage.trade()
    stage.enter()
    stage.tell_market(FRIDAY.close_at + MINUTE, window="idle")
    stage.conductor.stop("ada")
    stage.ticks_until(State.IDLE)
    assert "closed at the open" in (stage.conductor.paused_because() or "")
    assert len(stage.floor.records.open_trades()) == 1
    stage.tick()  # reconciled and told to run, paused
    run = stage.bot.heard()[-1]
    assert isinstance(run, Run)
    assert run.paused
    stage.tell_market(MONDAY.open_at + MINUTE, window="idle")
    stage.tell_session("opened", MONDAY)
    assert stage.lifecycle.state is State.GRACEFUL
    assert stage.lifecycle.reason == "stop scheduled before the open"
    assert stage.conductor.paused_because() is None
    stage.ticks_until(State.STOPPED)
    assert stage.floor.records.open_trades() == ()


def test_a_start_forgets_a_scheduled_stop(stage: Stage) -> None:
    stage.backstage.foundation.record.set_fact("stop_scheduled", "yes")
    stage.trade()
    assert stage.lifecycle.state is State.TRADING


def test_a_restart_goes_on_closing(stage: Stage) -> None:
    stage.trade()
    stage.enter()
    began = stage.clock.now()
    stage.conductor.stop("ada")
    conductor = stage.conductor
    conductor.closing = ClosingDesk(stage.floor, stage.backstage.foundation.record, stage.clock, conductor.announce)
    stage.clock.move(minutes=1)
    stage.ticks_until(State.STOPPED)
    report = stage.conductor.closing.report()
    assert report is not None
    assert report.started_at == began.isoformat().replace("+00:00", "Z")


def test_residuals_wait_for_a_signature(stage: Stage) -> None:
    stage.trade()
    stage.enter()
    stage.conductor.sign_residuals("ada")
    stage.conductor.stop("ada")
    stage.line.submissions = ["refuse"] * 99
    for _ in range(40):
        stage.pass_market_time(15)
        stage.tick(30)
    assert stage.lifecycle.state is State.GRACEFUL
    report = stage.conductor.closing.report()
    assert report is not None
    assert [line.symbol for line in report.residuals] == ["AAA"]
    stage.conductor.sign_residuals("ada")
    assert stage.lifecycle.state is State.STOPPED
    assert stage.lifecycle.reason == "residuals signed"
    assert len(stage.floor.records.open_trades()) == 1


# the end of the feed


def test_the_end_of_the_feed_stops_the_bot_and_says_why(stage: Stage) -> None:
    stage.trade()
    stage.enter()
    stage.tell_session("ended", None, reason="the replay is over")
    assert stage.lifecycle.state is State.GRACEFUL
    assert stage.lifecycle.reason == "the replay is over"
    assert stage.floor.view.seen.ended_reason == "the replay is over"
    stage.ticks_until(State.STOPPED)


def test_the_end_of_the_feed_of_a_stopped_bot_is_only_noted(stage: Stage) -> None:
    stage.start()
    stage.conductor.stop("ada")
    stage.ticks_until(State.STOPPED)
    stage.tell_session("ended", None, reason="the replay is over")
    assert stage.lifecycle.state is State.STOPPED
    assert stage.floor.view.seen.ended_reason == "the replay is over"


# kill


def test_a_pulled_kill_switch_closes_and_stays(stage: Stage) -> None:
    stage.trade()
    stage.enter()
    flags = stage.backstage.home.flags
    (flags / "kill_armed").rename(flags / "control_kill.flag")
    assert stage.ask_entry("BBB") is not None
    stage.tick(0)
    assert stage.lifecycle.state is State.EMERGENCY
    assert stage.lifecycle.reason == "kill switch pulled"
    (flags / "control_kill.flag").unlink()
    assert stage.conductor.kill_triggered() is True
    stage.ticks_until(State.STOPPED)
    assert stage.floor.records.open_trades() == ()
    assert stage.conductor.kill_triggered() is True
    stage.tick()
    assert stage.lifecycle.state is State.STOPPED  # it is over; it does not begin again


def test_a_kill_of_a_stopped_bot_is_taken_too(stage: Stage) -> None:
    stage.floor.kill_switch.trigger("ada")
    stage.tick(0)
    assert stage.lifecycle.state is State.EMERGENCY
    stage.ticks_until(State.STOPPED)


def test_a_kill_overtakes_a_stop(stage: Stage) -> None:
    stage.trade()
    stage.enter()
    stage.conductor.stop("ada")
    stage.tick(0)
    stage.floor.kill_switch.trigger("ada")
    stage.tick(0)
    assert stage.lifecycle.state is State.EMERGENCY
    stage.ticks_until(State.STOPPED)
    report = stage.conductor.closing.report()
    assert report is not None
    assert report.kind == "kill"


def killed(stage: Stage) -> None:
    stage.floor.kill_switch.trigger("ada")
    stage.tick(0)
    stage.ticks_until(State.STOPPED)


def test_the_hold_counts_from_the_end_of_the_kill(stage: Stage) -> None:
    killed(stage)
    assert stage.conductor.reset_hold_left() == RESET_HOLD == timedelta(seconds=60)
    stage.clock.move(seconds=59)
    assert stage.conductor.reset_hold_left() == timedelta(seconds=1)
    stage.clock.move(seconds=1)
    assert stage.conductor.reset_hold_left() == timedelta(0)


def test_a_reset_lets_trading_be_started(stage: Stage) -> None:
    killed(stage)
    with pytest.raises(KillLatchedError):
        stage.conductor.start("ada")
    stage.conductor.reset("ada")
    assert stage.conductor.kill_triggered() is False
    assert stage.floor.kill_switch.is_armed()
    stage.start()


def test_a_reset_leaves_the_error_state(stage: Stage) -> None:
    stage.backstage.foundation.record.set_fact("paused", "before")
    stage.lifecycle.move(State.ERROR, "something broke")
    stage.tick()
    assert stage.lifecycle.state is State.ERROR
    stage.conductor.reset("ada")
    assert stage.lifecycle.state is State.STOPPED


def test_a_kill_in_the_error_state_is_held_as_long(stage: Stage) -> None:
    stage.lifecycle.move(State.ERROR, "something broke")
    assert stage.conductor.reset_hold_left() == timedelta(0)
    stage.floor.kill_switch.trigger("ada")
    assert stage.conductor.reset_hold_left() == RESET_HOLD
    stage.tick(0)
    stage.tick(59)
    assert stage.conductor.reset_hold_left() == timedelta(seconds=1)
    stage.tick(1)
    assert stage.conductor.reset_hold_left() == timedelta(0)
    stage.conductor.reset("ada")
    assert stage.conductor.kill_triggered() is False


def test_a_market_whose_books_are_damaged_is_an_error_and_not_started_for_ever(stage: Stage) -> None:
    stage.trade()
    stage.floor._venue_line('{"error": "busy", "kind": "DirectoryTakenError"}')
    stage.tick()
    assert stage.lifecycle.state is State.TRADING
    stage.floor._venue_line('{"error": "the market\'s journal cannot be read", "kind": "JournalError"}')
    stage.tick()
    assert stage.lifecycle.state is State.ERROR
    assert stage.lifecycle.reason == "the market's journal cannot be read"
    assert isinstance(stage.bot.heard()[-1], Halt)
    assert stage.ask_entry() is not None


def test_a_switch_that_cannot_be_read_blocks_and_does_not_close(stage: Stage) -> None:
    stage.trade()
    flags = stage.backstage.home.flags
    flags.rename(flags.with_name("away"))
    flags.write_text("no folder")
    assert stage.conductor.kill_triggered() is None
    assert stage.ask_entry() is not None
    stage.tick(0)
    assert stage.lifecycle.state is State.TRADING
    flags.unlink()
    flags.with_name("away").rename(flags)
    assert stage.ask_entry(number=2) is None


def test_shutting_down_ends_the_bot(stage: Stage) -> None:
    stage.start()
    child = stage.floor.bot_keeper.child
    assert child is not None
    stage.conductor.shut_down()
    assert child.ended is not None
    assert stage.floor.bot.tell(Pause(paused=True, reason="")) is False
