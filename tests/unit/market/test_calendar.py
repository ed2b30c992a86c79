"""The calendar against what the exchange published: early closes, holidays, and the days the clocks change."""

from __future__ import annotations

import sys
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from tbot_bot.domain.market import Session
from tbot_bot.domain.time import NEW_YORK
from tbot_bot.market import calendar
from tbot_bot.market.calendar import CalendarError, build

FIRST = date(2010, 1, 1)


@pytest.fixture(scope="module")
def sessions() -> dict[date, Session]:
    """Every session from 2010 on, built as at provisioning: once, for it takes seconds."""
    return {session.day: session for session in build(FIRST)}


def utc(session: Session) -> tuple[str, str]:
    return session.open_at.strftime("%H:%M"), session.close_at.strftime("%H:%M")


@pytest.mark.parametrize(
    ("day", "hours"),
    [
        ("2026-03-06", ("14:30", "21:00")),  # the Friday before the clocks go forward on 8 March
        ("2026-03-09", ("13:30", "20:00")),
        ("2026-10-30", ("13:30", "20:00")),  # the Friday before they go back on 1 November
        ("2026-11-02", ("14:30", "21:00")),
        ("2026-11-27", ("14:30", "18:00")),  # the day after Thanksgiving
        ("2026-12-24", ("14:30", "18:00")),  # Christmas Eve
        ("2024-07-03", ("13:30", "17:00")),  # the day before Independence Day
        ("2013-10-04", ("13:30", "20:00")),
    ],
)
def test_hours_in_utc(sessions: dict[date, Session], day: str, hours: tuple[str, str]) -> None:
    assert utc(sessions[date.fromisoformat(day)]) == hours


@pytest.mark.parametrize(
    "day",
    [
        "2026-01-01",  # New Year's Day
        "2026-01-19",  # Martin Luther King Jr. Day
        "2026-02-16",  # Washington's Birthday
        "2026-04-03",  # Good Friday
        "2026-05-25",  # Memorial Day
        "2026-06-19",  # Juneteenth
        "2026-07-03",  # Independence Day, observed: the 4th is a Saturday
        "2026-09-07",  # Labor Day
        "2026-11-26",  # Thanksgiving
        "2026-12-25",  # Christmas
        "2012-10-29",  # Hurricane Sandy
        "2012-10-30",
        "2018-12-05",  # a day of mourning
        "2026-03-08",  # a Sunday
        "2026-11-01",
    ],
)
def test_closed_days(sessions: dict[date, Session], day: str) -> None:
    assert date.fromisoformat(day) not in sessions


def test_juneteenth_was_traded_before_it_was_a_holiday(sessions: dict[date, Session]) -> None:
    assert date(2020, 6, 19) in sessions


def test_every_session_is_a_morning_to_an_afternoon_in_new_york(sessions: dict[date, Session]) -> None:
    for session in sessions.values():
        opened, closed = (at.astimezone(NEW_YORK) for at in (session.open_at, session.close_at))
        assert (opened.date(), closed.date()) == (session.day, session.day)
        assert opened.strftime("%H:%M") == "09:30"
        assert closed.strftime("%H:%M") in ("16:00", "13:00")
        assert session.day.weekday() < 5
        assert session.open_at.utcoffset() == session.close_at.utcoffset() == timedelta(0)


def test_sessions_follow_each_other_without_gaps_of_a_week(sessions: dict[date, Session]) -> None:
    days = list(sessions)
    assert days[0] == date(2010, 1, 4)
    assert days == sorted(days)
    assert max(later - earlier for earlier, later in pairwise(days)) <= timedelta(days=5)
    assert {year: sum(day.year == year for day in days) for year in (2013, 2024, 2025, 2026)} == {
        2013: 252,
        2024: 252,
        2025: 250,
        2026: 251,
    }
    assert datetime.fromisoformat("2026-12-31").date() in sessions


# the child


def child(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    """Put a program in the place of the interpreter."""
    program = folder / "python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))


def test_a_child_is_told_the_days_and_its_answer_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said = tmp_path / "said"
    answer = '[["2026-11-27", "2026-11-27T14:30:00Z", "2026-11-27T18:00:00Z"]]'
    child(monkeypatch, tmp_path, f"echo \"$@\" > {said}; echo '{answer}'")
    found = build(date(2026, 11, 27), date(2026, 11, 29))
    assert said.read_text() == "-m tbot_bot.market.calendar 2026-11-27 2026-11-29\n"
    assert [(session.day, *utc(session)) for session in found] == [(date(2026, 11, 27), "14:30", "18:00")]


def test_a_child_that_fails_is_named_with_its_last_word(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    child(monkeypatch, tmp_path, "echo Traceback >&2; echo 'MemoryError: too small' >&2; exit 1")
    with pytest.raises(CalendarError, match=r"could not be built: MemoryError: too small\. Try again\."):
        build(FIRST)


def test_a_child_that_was_killed_is_a_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    child(monkeypatch, tmp_path, "kill -9 $$")
    with pytest.raises(CalendarError, match="could not be built"):
        build(FIRST)


def test_a_child_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    child(monkeypatch, tmp_path, "exec sleep 60")
    monkeypatch.setattr(calendar, "TIMEOUT_S", 0.1)
    with pytest.raises(CalendarError, match=r"timed out after 0\.1 seconds"):
        build(FIRST)


def test_an_interpreter_that_is_gone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    with pytest.raises(CalendarError, match="No such file"):
        build(FIRST)
