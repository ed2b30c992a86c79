"""The audit trail's checkpoints outside the home, and what they show of a trail that was cut off."""

from __future__ import annotations

import json
import shutil
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tbot_bot.control.audit_anchors import AuditAnchors
from tbot_bot.control.audit_examination import AuditExamination
from tbot_bot.control.integrity import IntegrityWatch
from tbot_bot.storage.anchors import FileAnchor
from tests.unit.control.backstage import BOT, Backstage, furnished, wait_until


class Anchored:
    """A home whose checkpoints go to a file and a journal outside."""

    def __init__(self, folder: Path) -> None:
        self.stage = furnished(folder / "home")
        self.file = folder / "anchor.jsonl"
        self.journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.journal.bind(str(folder / "journal"))
        self.stage.configure(
            "anchors-1", AUDIT_ANCHOR_FILE=str(self.file), AUDIT_ANCHOR_JOURNAL="yes", AUDIT_ANCHOR_MAIL="daily"
        )
        self.anchors = AuditAnchors(self.stage.foundation, journal=folder / "journal")

    @property
    def audit(self) -> Any:
        return self.stage.foundation.audit

    def record(self) -> int:
        """One more record under a new checkpoint."""
        self.audit.record(verb="test", phase="event", actor="runner")
        self.stage.clock.move(minutes=2)
        return int(self.audit.checkpoint().seq)

    def kept(self) -> int | None:
        found = FileAnchor(self.file).newest(BOT)
        return found.seq if found else None

    def told(self, kind: str) -> list[str]:
        notices = self.stage.foundation.record.outbox.newest(50)
        return [event.sentence for one in notices if one.kind == kind for event in one.events]


@pytest.fixture
def anchored(tmp_path: Path) -> Iterator[Anchored]:
    made = Anchored(tmp_path)
    yield made
    made.journal.close()


def cut_off(path: Path, beyond: int) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for table in ("entry", "checkpoint"):
            connection.execute(f"DROP TRIGGER {table}_no_delete")
            connection.execute(f"DELETE FROM {table} WHERE seq > {beyond:d}")  # noqa: S608 - names of our own


def test_each_new_checkpoint_is_carried_everywhere_once(anchored: Anchored) -> None:
    seqs = [anchored.record()]
    anchored.anchors.look()
    anchored.anchors.look()
    seqs.append(anchored.record())
    anchored.anchors.look()
    assert [json.loads(line)["seq"] for line in anchored.file.read_text().splitlines()] == seqs
    heard = [anchored.journal.recv(65536).decode() for _ in seqs]
    assert [f"TBOT_SEQ={seq}\n" in one for seq, one in zip(seqs, heard, strict=True)] == [True, True]
    assert [(one.title, one.seq, one.trouble) for one in anchored.anchors.view()] == [
        ("Anchor file", seqs[-1], ""),
        ("System journal", seqs[-1], ""),
        ("Mail", seqs[-1], ""),
    ]
    assert anchored.anchors.troubles() == ()
    assert anchored.anchors.compare() is None


def test_one_checkpoint_a_day_goes_out_as_a_notice(anchored: Anchored) -> None:
    first = anchored.record()
    anchored.anchors.look()
    anchored.record()
    anchored.anchors.look()
    assert [f"entry {first}." in one for one in anchored.told("checkpoint")] == [True]
    anchored.stage.clock.move(days=1)
    anchored.record()
    AuditAnchors(anchored.stage.foundation).look()
    assert len(anchored.told("checkpoint")) == 2


def test_a_place_that_fails_is_told_and_stops_nothing(anchored: Anchored, tmp_path: Path) -> None:
    anchored.journal.close()
    (tmp_path / "journal").unlink()
    anchored.file.mkdir()
    seq = anchored.record()
    anchored.anchors.look()
    assert [one.split(":")[0] for one in anchored.anchors.troubles()] == [
        "anchor file of the audit trail",
        "system journal of the audit trail",
    ]
    assert [one.seq for one in anchored.anchors.view()] == [None, None, seq]
    anchored.file.rmdir()
    anchored.anchors.look()
    assert anchored.kept() == seq
    assert len(anchored.anchors.troubles()) == 1


def test_a_file_inside_the_home_is_no_anchor(anchored: Anchored) -> None:
    anchored.stage.configure("anchors-2", AUDIT_ANCHOR_FILE=str(anchored.stage.home.root / "anchor.jsonl"))
    anchored.record()
    anchored.anchors.look()
    assert "inside the home" in anchored.anchors.troubles()[0]
    assert not (anchored.stage.home.root / "anchor.jsonl").exists()


def test_without_anchors_nothing_is_carried(tmp_path: Path) -> None:
    stage = furnished(tmp_path / "home")
    anchors = AuditAnchors(stage.foundation)
    anchors.look()
    assert (anchors.view(), anchors.troubles(), anchors.compare()) == ([], (), None)


def test_a_home_put_back_whole_to_an_earlier_moment_is_found_at_the_start(anchored: Anchored, tmp_path: Path) -> None:
    anchored.record()
    anchored.stage.foundation.close()
    shutil.copytree(anchored.stage.home.root, tmp_path / "earlier", symlinks=True)
    seq = anchored.record()
    anchored.anchors.look()
    earlier = Backstage(tmp_path / "earlier", anchored.stage.clock)
    anchors = AuditAnchors(earlier.foundation, journal=tmp_path / "journal")
    end = earlier.foundation.audit.end()[0]
    anchors.start()
    try:
        wait_until(lambda: anchors.mismatch, "the first look was taken")
    finally:
        anchors.stop()
    assert anchors.mismatch is not None
    assert anchors.mismatch.seq == end + 1
    assert f"the anchor file knows entry {seq}" in anchors.troubles()[0]
    examination = AuditExamination(earlier.foundation, IntegrityWatch(earlier.foundation), anchors)
    (tmp_path / "anchor.jsonl").write_text(anchored.file.read_text().splitlines()[0] + "\n")
    examination.begin("ada")
    wait_until(lambda: not examination.view().running, "the verification ended", 60)
    last = examination.view().last
    assert last is not None
    assert (last.ok, last.first_bad_seq) == (False, end + 1)


def test_another_entry_and_a_foreign_signature_are_named(anchored: Anchored) -> None:
    seq = anchored.record()
    anchored.anchors.look()
    line = json.loads(anchored.file.read_text())
    forged = line | {"signature": "00" * 64}
    anchored.file.write_text(json.dumps(forged) + "\n")
    found = anchored.anchors.compare()
    assert found is not None
    assert "not signed by a key of this trail" in found.what
    assert anchored.told("integrity") == [f"Audit trail: {found.what}"]
    anchored.file.write_text(json.dumps(line) + "\n")
    assert anchored.anchors.compare() is None
    cut_off(anchored.stage.home.audit_database, seq - 1)
    found = anchored.anchors.compare()
    assert found is not None
    assert (found.seq, "cut off" in found.what) == (seq, True)
