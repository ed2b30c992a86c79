"""Alerts are counted, and the last error is remembered."""

from __future__ import annotations

import pytest

from tbot_bot.api.status import ErrorEvent
from tbot_bot.monitoring.error_handler import MESSAGE_LENGTH_MAX, ErrorHandler


def handler(last: ErrorEvent | None = None) -> tuple[ErrorHandler, list[ErrorEvent]]:
    remembered: list[ErrorEvent] = []
    return ErrorHandler(last, remembered.append), remembered


def test_there_was_nothing_yet() -> None:
    made, _ = handler()
    assert made.last is None
    assert made.counts() == {"warning": 0, "error": 0, "critical": 0}


def test_what_was_remembered_is_the_last() -> None:
    before = ErrorEvent(at="t", kind="k", message="m")
    assert handler(before)[0].last == before


@pytest.mark.parametrize(
    ("level", "counted", "is_event"),
    [
        ("debug", 0, False),
        ("info", 0, False),
        ("warning", 1, False),
        ("error", 1, True),
        ("critical", 1, True),
        ("loud", 0, False),
        (None, 0, False),
    ],
)
def test_levels(level: str | None, counted: int, is_event: bool) -> None:
    made, remembered = handler()
    made.hear({"level": level, "event": "x", "at": "t", "source": "bot"})
    assert made.counts().get(str(level), 0) == counted
    assert sum(made.counts().values()) == counted
    expected = [ErrorEvent(at="t", kind="bot", message="x")] if is_event else []
    assert remembered == expected
    assert made.last == (expected[0] if expected else None)


@pytest.mark.parametrize(
    ("exception", "kind"),
    [
        ("Traceback\n  File x\nValueError: no: really", "ValueError"),
        ("Traceback\nsqlalchemy.exc.OperationalError: (x)", "OperationalError"),
        ("KeyError", "KeyError"),
        ("  \n", "runner"),
        ("", "runner"),
    ],
)
def test_an_exception_gives_its_name(exception: str, kind: str) -> None:
    made, _ = handler()
    made.hear({"level": "error", "event": "failed", "source": "runner", "exception": exception})
    assert made.last == ErrorEvent(at="", kind=kind, message="failed")


def test_the_last_one_counts_and_is_cut() -> None:
    made, remembered = handler()
    made.hear({"level": "error", "event": "first"})
    made.hear({"level": "critical", "event": "x" * 1000})
    made.hear({"level": "warning", "event": "later"})
    assert made.last is remembered[-1]
    assert len(made.last.message) == MESSAGE_LENGTH_MAX
    assert made.counts() == {"warning": 1, "error": 1, "critical": 1}
