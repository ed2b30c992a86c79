"""The steps of the set-up: one by one, again after a failure, and on from where a crash left them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tbot_bot.api.setup import StepStatus
from tbot_bot.control import provisioning
from tbot_bot.control.conductor import Conductor
from tbot_bot.control.provisioning import Provisioning
from tbot_bot.domain.lifecycle import State
from tbot_bot.monitoring.log_book import LogBook
from tests.unit.control.backstage import Backstage
from tests.unit.control.stage import Stage

STEPS = ["identity", "keys", "folders", "calendar", "ledger", "venue", "opening", "bot"]


class SetUp:
    """Provisioning of a configured home; `broken` says why the floor cannot be opened."""

    def __init__(self, house: Backstage, conductor: Conductor | None = None) -> None:
        self.house = house
        self.broken: str | None = None
        self._conductor = conductor
        self.provisioning = Provisioning(house.foundation, house.lifecycle, self._open)

    def _open(self) -> Conductor:
        if self.broken is not None:
            raise OSError(self.broken)
        if self._conductor is None:
            log_book = LogBook(self.house.home.system_logs, self.house.clock)
            self._conductor = Conductor(self.house.foundation, self.house.lifecycle, log_book, lambda: None)
        return self._conductor

    def mark(self, *names: str) -> None:
        for name in names:
            self.house.foundation.record.mark_step(name, "done", "", self.house.clock.now())

    def statuses(self) -> dict[str, str]:
        return {step.name: step.status for step in self.provisioning.progress().steps}

    def detail(self, name: str) -> str:
        return next(step.detail for step in self.provisioning.progress().steps if step.name == name)


@pytest.fixture
def set_up(tmp_path: Path, logged: object) -> SetUp:
    made = Backstage(tmp_path / "home")
    made.configure()
    return SetUp(made)


def test_before_it_begins_everything_waits(set_up: SetUp) -> None:
    progress = set_up.provisioning.progress()
    assert [step.name for step in progress.steps] == STEPS
    assert {step.status for step in progress.steps} == {StepStatus.WAITING}
    assert (progress.failed, progress.done, set_up.provisioning.is_due) == (False, False, False)


def test_the_first_steps_need_no_market(set_up: SetUp) -> None:
    set_up.provisioning.begin()
    assert set_up.house.lifecycle.state is State.PROVISIONING
    for _ in range(3):
        assert set_up.provisioning.is_due
        set_up.provisioning.advance()
    assert [set_up.statuses()[name] for name in STEPS[:4]] == ["done", "done", "done", "waiting"]
    assert set_up.detail("identity") == "This bot is RIGD_US_SIM_001"
    assert set_up.detail("keys").startswith("Generation 1: 7 secrets")
    output = set_up.house.home.root / "output" / "RIGD_US_SIM_001"
    assert sorted(one.name for one in output.iterdir()) == ["ledgers", "logs", "trades"]
    assert set_up.house.lifecycle.state is State.PROVISIONING


def test_a_failed_step_is_told_and_done_again(set_up: SetUp) -> None:
    set_up.provisioning.begin()
    set_up.mark(*STEPS[:4])
    set_up.broken = "No space left on device"
    set_up.provisioning.advance()
    progress = set_up.provisioning.progress()
    assert (progress.failed, progress.state) == (True, State.BOOTSTRAPPING)
    assert set_up.detail("ledger") == "No space left on device"
    assert not set_up.provisioning.is_due
    set_up.broken = None
    set_up.provisioning.retry()
    assert set_up.provisioning.is_due
    set_up.provisioning.advance()
    assert set_up.statuses()["ledger"] == "done"
    assert "accounts, version 1" in set_up.detail("ledger")


def test_a_start_after_a_crash_goes_on_at_the_unfinished_step(set_up: SetUp) -> None:
    set_up.provisioning.begin()
    set_up.mark(*STEPS[:2])
    set_up.house.foundation.record.mark_step("folders", "running", "", set_up.house.clock.now())
    again = SetUp(Backstage(set_up.house.home.root))
    assert again.house.lifecycle.boot() is State.PROVISIONING
    assert again.provisioning.is_due
    again.provisioning.advance()
    assert again.statuses()["folders"] == "done"


def test_after_the_last_step_it_waits_for_the_first_administrator(set_up: SetUp) -> None:
    set_up.provisioning.begin()
    set_up.mark(*STEPS)
    set_up.house.lifecycle.move(State.BOOTSTRAPPING, "test")
    assert set_up.provisioning.progress().done
    set_up.provisioning.advance()
    assert set_up.house.lifecycle.state is State.REGISTRATION
    assert not set_up.provisioning.is_due


def test_a_step_takes_its_time(set_up: SetUp) -> None:
    set_up.provisioning.begin()
    record, clock = set_up.house.foundation.record, set_up.house.clock
    assert set_up.provisioning.progress().elapsed_s is None
    record.mark_step("identity", "running", "", clock.now())
    clock.move(seconds=2)
    assert timing(set_up) == (2.0, 2)
    clock.move(seconds=1)
    record.mark_step("identity", "done", "", clock.now())
    clock.move(seconds=4)
    assert timing(set_up) == (3.0, 7)
    record.mark_step("keys", "failed", "no disk", clock.now())
    clock.move(minutes=1)
    assert timing(set_up) == (3.0, 7)  # nothing is at work
    set_up.provisioning.retry()
    assert set_up.provisioning.progress().steps[1].seconds is None
    assert timing(set_up) == (3.0, 67)


def timing(set_up: SetUp) -> tuple[float | None, int | None]:
    """How long the first step took, and all so far."""
    progress = set_up.provisioning.progress()
    return progress.steps[0].seconds, progress.elapsed_s


# the steps at a market


@pytest.fixture
def at_market(stage: Stage) -> SetUp:
    """Everything is done but the steps that need market and bot."""
    stage.backstage.put(State.INITIALIZE)
    made = SetUp(stage.backstage, stage.conductor)
    made.provisioning.begin()
    made.mark(*STEPS[:5])
    return made


def test_the_market_is_opened_and_its_cash_posted_once(stage: Stage, at_market: SetUp) -> None:
    before = stage.floor.ledger.trial_balance()
    at_market.provisioning.advance()
    at_market.provisioning.advance()
    assert "first session 2013-10-04, 3 symbols" in at_market.detail("venue")
    assert at_market.detail("opening") == "100000 of cash"
    assert stage.floor.ledger.trial_balance() == before  # it was posted before: a repeat posts nothing


def test_a_market_that_reports_an_error_fails_the_step(stage: Stage, at_market: SetUp) -> None:
    stage.floor.venue_keeper = stage.floor.bot_keeper
    stage.floor.venue_error = "the replay folder is gone"
    at_market.provisioning.advance()
    stage.floor.venue_keeper = None
    assert at_market.detail("venue") == "the replay folder is gone"
    assert at_market.provisioning.progress().failed


def test_a_bot_that_does_not_come_up_fails_the_step(
    stage: Stage, at_market: SetUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_market.mark("venue", "opening")
    monkeypatch.setattr(provisioning, "READY_TIMEOUT_S", 0.0)
    at_market.provisioning.advance()
    assert at_market.detail("bot") == "Not ready after 0 s: running"
    assert not stage.floor.kill_switch.is_armed()


def test_a_bot_that_spoke_is_up(stage: Stage, at_market: SetUp) -> None:
    at_market.mark("venue", "opening")
    stage.floor.poll()
    stage.tell_market(window="idle")
    at_market.provisioning.advance()
    assert at_market.detail("bot") == "The bot is up and waits for Start"
    assert stage.floor.kill_switch.is_armed()
