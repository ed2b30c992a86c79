"""Checkpoints outside the home: a file that is only added to, and the journal of the system."""

from __future__ import annotations

import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tbot_bot.domain.audit import Checkpoint
from tbot_bot.storage.anchors import AnchorError, FileAnchor, JournalAnchor

BOT = "RIGD_US_SIM_001"


def checkpoint(seq: int) -> Checkpoint:
    return Checkpoint(seq, bytes([seq]) * 32, datetime(2026, 3, 2, 9, 0, 0, 125, tzinfo=UTC), seq - 1, "k1", b"s" * 64)


def test_lines_are_added_and_the_newest_is_read_back(tmp_path: Path) -> None:
    anchor = FileAnchor(tmp_path / "anchor.jsonl")
    assert anchor.newest(BOT) is None
    for seq in (1, 2):
        anchor.keep(BOT, checkpoint(seq))
    anchor.keep("RIGD_US_SIM_002", checkpoint(9))
    assert anchor.newest(BOT) == checkpoint(2)
    lines = [json.loads(line) for line in (tmp_path / "anchor.jsonl").read_text().splitlines()]
    assert [(line["bot"], line["seq"]) for line in lines] == [(BOT, 1), (BOT, 2), ("RIGD_US_SIM_002", 9)]
    assert (tmp_path / "anchor.jsonl").stat().st_mode & 0o137 == 0


def test_a_torn_line_is_passed_over_and_closed(tmp_path: Path) -> None:
    place = tmp_path / "anchor.jsonl"
    anchor = FileAnchor(place)
    anchor.keep(BOT, checkpoint(1))
    with place.open("a") as stream:
        stream.write('{"bot": "RIGD_US_SIM_001", "seq": 2, "ha')
    assert anchor.newest(BOT) == checkpoint(1)
    anchor.keep(BOT, checkpoint(3))
    assert anchor.newest(BOT) == checkpoint(3)
    with place.open("a") as stream:
        stream.write('7\n{"bot": "RIGD_US_SIM_001"}\n{"bot": "RIGD_US_SIM_001", "seq": []}\nnothing\n')
    assert anchor.newest(BOT) == checkpoint(3)


def test_only_the_end_of_a_long_file_is_read(tmp_path: Path) -> None:
    place = tmp_path / "anchor.jsonl"
    place.write_text("x" * 200_000 + "\n")
    anchor = FileAnchor(place)
    anchor.keep(BOT, checkpoint(5))
    assert anchor.newest(BOT) == checkpoint(5)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for place in (tmp_path / "pipe", tmp_path / "link", tmp_path, tmp_path / "no" / "folder"):
        with pytest.raises(AnchorError):
            FileAnchor(place).keep(BOT, checkpoint(1))
    for place in (tmp_path / "pipe", tmp_path / "link", tmp_path):
        with pytest.raises(AnchorError):
            FileAnchor(place).newest(BOT)


def test_a_full_disk_is_told() -> None:
    with pytest.raises(AnchorError, match="no file"):
        FileAnchor(Path("/dev/full")).keep(BOT, checkpoint(1))


def test_the_journal_hears_one_datagram_of_fields(tmp_path: Path) -> None:
    place = tmp_path / "journal"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(place))
        JournalAnchor(place).keep(BOT, checkpoint(7))
        fields = dict(line.split("=", 1) for line in journal.recv(65536).decode().splitlines())
    assert fields["TBOT_SEQ"] == "7"
    assert fields["TBOT_HASH"] == "07" * 32
    assert fields["TBOT_AT"] == "2026-03-02T09:00:00.000125Z"
    assert (fields["SYSLOG_IDENTIFIER"], fields["PRIORITY"]) == ("rigd-tradebot", "5")
    assert fields["MESSAGE"] == f"checkpoint of the audit trail of {BOT} at entry 7"
    with pytest.raises(AnchorError, match=r"."):
        JournalAnchor(place).keep(BOT, checkpoint(8))  # nobody listens any more


def test_a_machine_without_a_journal_says_so(tmp_path: Path) -> None:
    with pytest.raises(AnchorError, match="no such journal"):
        JournalAnchor(tmp_path / "journal").keep(BOT, checkpoint(7))
