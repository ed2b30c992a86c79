"""The logs as people read them: named, audited when opened, and the errors counted."""

from __future__ import annotations

from typing import Any

import pytest

from tbot_bot.api.errors import ApiError
from tbot_bot.control.verbs_logs import LOG_READ_NOTED_FOR, LOGS, LogVerbs
from tests.unit.control.backstage import call
from tests.unit.control.conftest import own_logging
from tests.unit.control.stage import Stage


class Reader:
    """The handlers over a stage's log book."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self._handlers = LogVerbs(stage.backstage.foundation, stage.log_book).handlers()
        self._caller = stage.backstage.caller(stage.backstage.sign_in("operator"))

    def ask(self, verb: str, **params: object) -> Any:
        return call(self._handlers, verb, self._caller, **params)

    def opened(self) -> list[tuple[str, str, str]]:
        """Who opened what, newest first, by the audit trail."""
        return [(entry.actor, entry.role, entry.target) for entry in self.stage.backstage.audited("logs.open")]


@pytest.fixture
def reader(stage: Stage) -> Reader:
    return Reader(stage)


def test_every_log_has_a_name_for_people_and_says_what_it_holds(reader: Reader) -> None:
    reader.stage.log_book.write({"event": "x"})
    names = reader.ask("logs.names").items
    assert {one.name: (one.title, one.holds) for one in names} == LOGS
    sizes = {one.name: one.size_bytes for one in names}
    assert sizes["system"] > 0
    assert sizes["close"] == 0


def test_opening_a_log_is_audited_and_following_it_is_not(reader: Reader) -> None:
    reader.stage.log_book.write({"event": "hello", "level": "info"})
    page = reader.ask("logs.read", name="system")
    assert page.items[-1].message == "hello"
    reader.ask("logs.read", name="system", after=page.after)
    assert reader.opened() == [("Operator", "operator", "system")]
    reader.ask("logs.read", name="system", before=page.after)
    assert len(reader.opened()) == 1
    reader.stage.clock.move(seconds=int(LOG_READ_NOTED_FOR.total_seconds()))
    reader.ask("logs.read", name="system")
    reader.ask("logs.read", name="mid")
    assert [target for _, _, target in reader.opened()] == ["mid", "system", "system"]


def test_a_strategys_log_tells_its_orders_fills_and_trades(reader: Reader) -> None:
    stage = reader.stage
    with own_logging(stage.log_book.write):
        stage.trade()
        stage.enter()
        stage.leave()
    told = [(line.message, line.fields) for line in reader.ask("logs.read", name="open").items]
    assert [message for message, _ in told] == [
        "order accepted",
        "order filled",
        "order accepted",
        "order filled",
        "trade closed",
    ]
    assert told[1][1]["fill"].startswith("buy 100 AAA at ")
    assert told[4][1]["trade"] == told[1][1]["trade"]
    assert reader.ask("logs.read", name="mid").items == []


def test_a_log_that_was_not_begun_is_empty(reader: Reader) -> None:
    assert reader.ask("logs.read", name="unresolved_orders").items == []


@pytest.mark.parametrize("name", ["", "System", "web", "../../storage/AUDIT.db", "system.log", "/etc/passwd"])
def test_only_those_logs_are_read(reader: Reader, name: str) -> None:
    with pytest.raises(ApiError) as error:
        reader.ask("logs.read", name=name)
    assert (error.value.problem.status, error.value.problem.code) == (404, "no_such_log")
    assert reader.opened() == []


def test_errors_are_counted_and_their_reading_is_audited(reader: Reader) -> None:
    text = 'Traceback (most recent call last):\n  File "a.py", line 3, in f\n    g()\nValueError: no'
    for number in range(3):
        reader.stage.log_book.write({"event": "failed", "at": str(number), "source": "bot", "exception": text})
    (entry,) = reader.ask("logs.errors").items
    assert (entry.kind, entry.where, entry.count, entry.first_at, entry.last_at) == (
        "ValueError",
        'File "a.py", line 3, in f',
        3,
        "0",
        "2",
    )
    assert (entry.source, entry.message) == ("bot", "failed")
    assert reader.opened() == [("Operator", "operator", "error_tracebacks")]
