"""Records reach the logs they belong to, one line each, without secrets."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from tbot_bot.domain.time import to_micros
from tbot_bot.monitoring import log_book
from tbot_bot.monitoring.log_book import REDACTED, LogBook, RotatingLines, redact
from tests.unit.audit.parts import HandClock
from tests.unit.control.conftest import own_logging

SYSTEM_ONLY = {"system"}


class Book:
    """A log book in two folders."""

    def __init__(self, folder: Path) -> None:
        self.system, self.bot = folder / "system", folder / "bot"
        self.book = LogBook(self.system, HandClock())

    def records(self) -> dict[str, list[dict[str, Any]]]:
        """Every record, by the log it stands in."""
        found = [*self.system.glob("*.log"), *self.bot.glob("*.log")]
        return {path.stem: [json.loads(line) for line in path.read_text().splitlines()] for path in found}

    def close(self) -> None:
        for each in self.book._files.values():
            each.close()


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    made = Book(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("record", "logs"),
    [
        ({}, SYSTEM_ONLY),
        ({"strategy": "open"}, {"system", "open"}),
        ({"strategy": "mid"}, {"system", "mid"}),
        ({"strategy": "../../etc/passwd"}, SYSTEM_ONLY),
        ({"strategy": ["open"]}, SYSTEM_ONLY),
        ({"exception": "Traceback"}, {"system", "error_tracebacks"}),
        ({"unresolved": True}, {"system", "unresolved_orders"}),
        ({"state_change": True}, {"system", "state_changes"}),
        ({"unresolved": False}, SYSTEM_ONLY),
        (
            {"strategy": "close", "exception": "Traceback", "unresolved": True},
            {"system", "close", "error_tracebacks", "unresolved_orders"},
        ),
    ],
)
def test_a_record_goes_where_it_belongs(book: Book, record: dict[str, Any], logs: set[str]) -> None:
    book.book.attach(book.bot)
    book.book.write(record)
    assert book.records() == {name: [record] for name in logs}
    assert {path.parent.name for path in book.bot.parent.glob("*/system.log")} == {"system"}


def test_before_there_is_a_bot_everything_is_the_systems(book: Book) -> None:
    book.book.write({"strategy": "open", "exception": "x", "unresolved": True})
    assert set(book.records()) == SYSTEM_ONLY
    assert list(book.book.paths()) == ["system"]


def test_the_logs_there_can_be(book: Book) -> None:
    book.book.attach(book.bot)
    assert {name: path.parent for name, path in book.book.paths().items()} == {
        "system": book.system,
        **dict.fromkeys(("open", "mid", "close", "error_tracebacks", "unresolved_orders", "state_changes"), book.bot),
    }


def test_listeners_hear_every_record(book: Book) -> None:
    heard: list[Mapping[str, Any]] = []
    book.book.write({"event": "before"})
    book.book.listen(heard.append)
    book.book.write({"event": "after"})
    assert heard == [{"event": "after"}]


@pytest.mark.parametrize(
    ("line", "record"),
    [
        ('{"event": "up", "level": "error", "source": "runner"}', {"event": "up", "level": "error"}),
        (
            '{"event": "up", "at": "2013-10-04T13:30:00Z"}',
            {"event": "up", "level": "info", "at": "2013-10-04T13:30:00Z"},
        ),
        ("Segmentation fault", {"event": "Segmentation fault", "level": "warning"}),
        ("[1, 2]", {"event": "[1, 2]", "level": "warning"}),
        ("", {"event": "", "level": "warning"}),
    ],
)
def test_a_childs_line_is_stamped_and_its_source_is_not_believed(book: Book, line: str, record: dict[str, Any]) -> None:
    book.book.write_line("bot", line)
    assert book.records()["system"] == [{"at": "2026-03-02T09:00:00Z", "source": "bot", **record}]


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_nobody_can_forge_a_record(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("lines") / "x.log"
    lines = RotatingLines(path)
    lines.append(text)
    lines.append('{"event": "next"}')
    lines.close()
    written = path.read_bytes()
    assert b"\r" not in written
    assert len(written.split(b"\n")) == 3
    assert written.endswith(b'\n{"event": "next"}\n')


def test_line_breaks_stay_readable(book: Book) -> None:
    book.book.write({"event": 'one\n{"event": "forged"}\r\nthree'})
    assert len((book.system / "system.log").read_text().splitlines()) == 1
    assert book.records()["system"] == [{"event": 'one\n{"event": "forged"}\r\nthree'}]


def test_a_log_starts_anew_and_keeps_nine(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_book, "FILE_BYTES_MAX", 200)
    for number in range(100):
        book.book.write({"event": "x" * 50, "number": number})
    files = sorted(book.system.iterdir(), key=lambda path: int(path.suffix[1:]) if path.suffix != ".log" else 0)
    assert [path.name for path in files] == ["system.log", *(f"system.log.{number}" for number in range(1, 10))]
    assert all(path.stat().st_size <= 200 for path in files)
    kept = [json.loads(line)["number"] for path in files[::-1] for line in path.read_text().splitlines()]
    assert kept == list(range(kept[0], 100))


def test_changes_of_state_are_kept_by_the_day_for_more_than_a_week(tmp_path: Path) -> None:
    clock, path = HandClock(), tmp_path / "state_changes.log"
    for day in range(12):
        lines = RotatingLines(path, daily=clock)
        for number in range(3):
            lines.append(json.dumps({"day": day, "number": number}))
        if day % 4 == 0:  # a new process goes on with the day's file
            lines.close()
            os.utime(path, ns=(to_micros(clock.now()) * 1000,) * 2)
            lines = RotatingLines(path, daily=clock)
        clock.move(days=1)
        lines.append(json.dumps({"day": day + 1, "number": "first"}))
        lines.close()
        os.utime(path, ns=(to_micros(clock.now()) * 1000,) * 2)
    files = sorted(tmp_path.iterdir(), key=lambda one: int(one.suffix[1:]) if one.suffix != ".log" else 0)
    assert len(files) == 10
    found = [{json.loads(line)["day"] for line in one.read_text().splitlines()} for one in files]
    assert found == [{day} for day in range(12, 2, -1)]


def test_the_limits_are_those_that_are_documented() -> None:
    assert (log_book.FILE_BYTES_MAX, log_book.FILES_KEPT) == (8 << 20, 9)


def test_a_log_that_cannot_be_written_says_so_once_and_goes_on(
    book: Book, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    book.book.write({"event": "first"})
    stream = book.book._files["system"]._handler.stream

    def full(_text: str) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(stream, "write", full)
        book.book.write({"event": "lost"})
        book.book.write({"event": "lost too"})
        assert capsys.readouterr().err.count("No space left on device") == 1
    book.book.write({"event": "again"})
    assert [record["event"] for record in book.records()["system"]] == ["first", "again"]
    with monkeypatch.context() as patched:
        patched.setattr(stream, "write", full)
        book.book.write({"event": "lost again"})
    assert capsys.readouterr().err.count("What happens goes on.") == 1


def test_half_a_letter_does_not_lose_a_record(book: Book, capsys: pytest.CaptureFixture[str]) -> None:
    book.book.write_line("bot", '{"event": "half \\ud800 a letter"}')
    assert len((book.system / "system.log").read_bytes().splitlines()) == 1
    assert capsys.readouterr().err == ""


# redaction


@pytest.mark.parametrize(
    "name",
    ["password", "PASSWORD", "new_password", "client_secret", "setup_token", "Cookie", "Authorization", "api_key"],
)
def test_a_value_named_like_a_secret_is_blanked(name: str) -> None:
    assert redact(None, "", {name: "hunter2", "user": "ada"}) == {name: REDACTED, "user": "ada"}


def test_whatever_such_a_value_is_it_is_blanked() -> None:
    for value in ("x", b"x", 5, None, ["x"], {"inner": "x"}):
        assert redact(None, "", {"token": value}) == {"token": REDACTED}


@given(st.lists(st.sampled_from(["form", "headers", "deep", "x"]), max_size=8))
def test_dictionaries_are_searched_at_any_depth(path: list[str]) -> None:
    record: dict[str, Any] = {"password": "hunter2", "user": "ada"}
    for name in path:
        record = {name: record, "beside": 1}
    written = json.dumps(redact(None, "", record))
    assert "hunter2" not in written
    assert "ada" in written


def test_lists_are_searched_too() -> None:
    record = {"forms": [{"password": "hunter2"}, [{"token": "hunter2"}]], "pair": ({"secret": "hunter2"},)}
    assert "hunter2" not in json.dumps(redact(None, "", record))


def test_the_callers_own_record_is_left_alone() -> None:
    inner = {"password": "hunter2"}
    redact(None, "", {"form": inner})
    assert inner == {"password": "hunter2"}


# the loggers


@pytest.fixture
def records() -> Iterator[list[Mapping[str, Any]]]:
    found: list[Mapping[str, Any]] = []
    with own_logging(found.append):
        yield found


def test_a_record_has_time_level_and_source(records: list[Mapping[str, Any]]) -> None:
    log = structlog.get_logger("anything")
    log.info("up", number=1)
    log.warning("watch out", source="forged")
    log.debug("not kept")
    assert records == [
        {"at": "2026-03-02T09:00:00Z", "event": "up", "level": "info", "number": 1, "source": "test"},
        {"at": "2026-03-02T09:00:00Z", "event": "watch out", "level": "warning", "source": "test"},
    ]


def test_an_exception_is_written_out_and_secrets_are_not(records: list[Mapping[str, Any]]) -> None:
    log = structlog.get_logger()
    with structlog.contextvars.bound_contextvars(request="r1"):
        try:
            int("no")
        except ValueError:
            log.exception("failed", form={"password": "hunter2"})
    assert records[0]["request"] == "r1"
    assert records[0]["exception"].rstrip().splitlines()[-1].startswith("ValueError: invalid")
    assert records[0]["form"] == {"password": REDACTED}
    assert "hunter2" not in json.dumps(records[0])


def test_the_standard_librarys_loggers_go_the_same_way(records: list[Mapping[str, Any]]) -> None:
    logger = logging.getLogger("some.library")
    logger.debug("not kept")
    logger.warning("low on %s", "space")
    try:
        Path("/no/such/file").read_bytes()
    except OSError:
        logger.exception("failed")
    logging.getLogger("alembic.runtime").info("not kept either")
    assert [(one["level"], one["event"]) for one in records] == [("warning", "low on space"), ("error", "failed")]
    assert "FileNotFoundError" in records[1]["exception"]
    assert "exception" not in records[0]
