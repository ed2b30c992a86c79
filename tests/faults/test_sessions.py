"""Sessions through seeded bad days: whatever goes wrong, nothing is doubled, lost, or held for failed while unknown."""

from __future__ import annotations

from pathlib import Path

import pytest

from tbot_bot.venue.faults import FaultKind, Scenario
from tests.conftest import Rounds
from tests.faults.session_checker import executions, violations
from tests.faults.sessions import Act, SessionUnderTest


def played(folder: Path, seed: int, act: Act | None = None, scenario: Scenario | None = None) -> SessionUnderTest:
    """Play one session; the caller closes it."""
    session = SessionUnderTest(folder, seed, act) if scenario is None else SessionUnderTest(folder, seed, act, scenario)
    session.run()
    return session


@pytest.mark.soak
@pytest.mark.parametrize("part", range(10))
def test_any_bad_day_leaves_books_and_venue_agreed(tmp_path: Path, rounds: Rounds, part: int) -> None:
    failed = {}
    count = rounds(6, 1_000)
    for seed in range(part * count, (part + 1) * count):
        session = played(tmp_path, seed)
        if found := violations(session):
            failed[seed] = (found, session.scenario, session.act, session.history)
        session.close()
    for seed, (found, scenario, act, history) in failed.items():
        print(f"seed {seed}, {act}: {scenario}", *found, *history, sep="\n  ")
    assert list(failed) == []


def test_the_same_seed_is_the_same_session(tmp_path: Path) -> None:
    histories = []
    for _ in range(2):
        session = played(tmp_path, 8)
        histories.append((session.history, executions(session)))
        session.close()
    assert histories[0] == histories[1]


def test_the_sessions_are_worth_playing(tmp_path: Path) -> None:
    sessions = [SessionUnderTest(tmp_path, seed) for seed in range(60)]
    kinds = {fault.kind for session in sessions for fault in session.scenario.faults}
    elsewhere = {FaultKind.RESTRICTION, FaultKind.DELISTING}  # they end a day's trading
    assert kinds == set(FaultKind) - elsewhere - {FaultKind.SLICED_REPLY}  # which only a socket can do
    assert {session.act for session in sessions} == set(Act)
    for session in sessions:
        session.close()
    calm = played(tmp_path, 3, Act.NOTHING, Scenario(3, ()))
    assert violations(calm) == []
    assert len(executions(calm)) > 8
    calm.close()
