"""An error is told whole once, then counted; memory stays bounded, and secrets stay out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tbot_bot.monitoring.log_book import ERRORS, SYSTEM, LogBook
from tbot_bot.monitoring.tracebacks import ENTRIES_MAX, Tracebacks, error_line, is_worth_telling, kind_of
from tests.unit.audit.parts import HandClock
from tests.unit.control.conftest import own_logging

CAUSED = """Traceback (most recent call last):
  File "inner.py", line 1, in read
    open(path)
    ~~~~^^^^^^
FileNotFoundError: no such file: a

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "main.py", line 9, in run
    work()
  File "work.py", line 5, in work
    raise
store.errors.StoreError: the store is gone
[SQL: INSERT INTO x]
(Background on this error at: https://example.org/e/3q8x)"""


def raised(line: int = 3, message: str = "no") -> str:
    return f'Traceback (most recent call last):\n  File "a.py", line {line}, in f\n    g()\nValueError: {message}'


@pytest.mark.parametrize(
    ("text", "line", "kind"),
    [
        (CAUSED, "store.errors.StoreError: the store is gone", "StoreError"),
        (raised(message="no: really"), "ValueError: no: really", "ValueError"),
        ("Traceback\n  File x\nValueError: no", "ValueError: no", "ValueError"),
        ("KeyError", "KeyError", "KeyError"),
        ("Traceback\nsqlalchemy.exc.OperationalError: (x)", "sqlalchemy.exc.OperationalError: (x)", "OperationalError"),
        ("", "", ""),
        ("  \n", "", ""),
    ],
)
def test_the_error_is_what_follows_the_innermost_frame(text: str, line: str, kind: str) -> None:
    assert (error_line(text), kind_of(text)) == (line, kind)


def test_a_record_without_an_error_passes() -> None:
    seen = Tracebacks()
    record = {"event": "x", "exception": ""}
    assert seen.take(record) is record
    assert seen.entries() == []
    assert not is_worth_telling(record)


def test_the_first_is_whole_and_the_next_are_counted() -> None:
    seen = Tracebacks()
    first = {"event": "failed", "at": "1", "exception": raised()}
    assert seen.take(first) is first
    again = seen.take({"event": "failed", "at": "2", "exception": raised(message="another word")})
    assert again == {
        "event": "failed",
        "at": "2",
        "exception": "ValueError: another word",
        "again": 2,
        "first_at": "1",
    }
    (entry,) = seen.entries()
    assert (entry.count, entry.first_at, entry.last_at, entry.where) == (2, "1", "2", 'File "a.py", line 3, in f')


def test_another_place_or_another_kind_is_another_error() -> None:
    seen = Tracebacks()
    for text in (raised(3), raised(4), raised(3).replace("ValueError", "KeyError"), "ValueError: no"):
        assert "again" not in seen.take({"exception": text})
    assert [entry.kind for entry in seen.entries()] == ["ValueError", "KeyError", "ValueError", "ValueError"]


def test_the_log_of_tracebacks_hears_of_each_tenth_power() -> None:
    seen = Tracebacks()
    told = [number for number in range(1, 1200) if is_worth_telling(seen.take({"exception": raised()}))]
    assert told == [1, 10, 100, 1000]


def test_memory_is_bounded_and_what_was_forgotten_is_told_whole_again() -> None:
    seen = Tracebacks()
    for line in range(ENTRIES_MAX):
        seen.take({"exception": raised(line)})
    seen.take({"exception": raised(0)})  # seen again, so another goes first
    seen.take({"exception": raised(ENTRIES_MAX)})
    assert len(seen.entries()) == ENTRIES_MAX
    assert "again" not in seen.take({"exception": raised(1)})
    assert seen.take({"exception": raised(0)})["again"] == 3


@pytest.fixture
def book(tmp_path: Path) -> Iterator[LogBook]:
    made = LogBook(tmp_path, HandClock())
    yield made
    for log in made._files.values():
        log.close()


def lines(folder: Path, name: str) -> list[dict[str, str]]:
    path = folder / f"{name}.log"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_thousand_failures_do_not_flood_the_log(book: LogBook, tmp_path: Path) -> None:
    book.attach(tmp_path)
    for number in range(1000):
        book.write_line("venue", json.dumps({"event": "failed", "level": "error", "exception": CAUSED, "n": number}))
    assert [line.get("again", 1) for line in lines(tmp_path, ERRORS)] == [1, 10, 100, 1000]
    assert sum("INSERT" in line["exception"] for line in lines(tmp_path, SYSTEM)) == 1
    assert (len(lines(tmp_path, SYSTEM)), book.errors()[0].count) == (1000, 1000)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("ValueError: password=hunter2, user=ada", "ValueError: password=[redacted], user=ada"),
        ("{'api_key': 'hunter2', 'b': 1}", "{'api_key': '[redacted]', 'b': 1}"),
        ("SMTP_PASSWORD: hunter2", "SMTP_PASSWORD: [redacted]"),
        ("token_of_day=hunter2)", "token_of_day=[redacted])"),
        ("Authorization: Bearer hunter2", "Authorization: [redacted]"),
        ("a word about a secret", "a word about a secret"),
    ],
)
def test_what_is_named_a_secret_is_blanked_in_the_text_of_an_error(
    book: LogBook, tmp_path: Path, text: str, kept: str
) -> None:
    book.write_line("bot", json.dumps({"event": "failed", "password": "hunter2", "exception": text}))
    (line,) = lines(tmp_path, SYSTEM)
    assert line["exception"] == kept
    assert line["password"] == "[redacted]"


def fail(hidden: str) -> None:
    raise ValueError(len(hidden))


def test_locals_are_not_in_a_traceback(book: LogBook, tmp_path: Path) -> None:
    with own_logging(book.write):
        try:
            fail("hunter2")
        except ValueError:
            structlog.get_logger("test").exception("failed")
    (line,) = lines(tmp_path, SYSTEM)
    assert "ValueError: 7" in line["exception"]
    assert "hunter2" not in line["exception"].replace('fail("hunter2")', "")
