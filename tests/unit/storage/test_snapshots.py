"""Manifests of snapshots, and prepared restores, that are not what was written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tbot_bot.domain.canonical import canonical_json
from tbot_bot.storage.backup_errors import BackupDamagedError, BackupFailedError, RestoreDamagedError
from tbot_bot.storage.keys import CheckpointKey, new_key
from tbot_bot.storage.manifest import FileEntry, ManifestError, sha256
from tbot_bot.storage.restore_plan import RestoreFolder, RestorePlan
from tbot_bot.storage.snapshot_manifest import ChainHead, SnapshotManifest, parse, render
from tests.unit.storage.faults import CHANGES, QuickFilesystem, WatchedFilesystem, fail_at

KEY = CheckpointKey.of(new_key())
NAME = "snapshot-20260302T143000Z-000001"


def manifest(**changes: Any) -> SnapshotManifest:
    values: dict[str, Any] = {
        "name": NAME,
        "installation": "0" * 64,
        "bot": "RIGD_US_SIM_001",
        "generation": 1,
        "made_at": "2026-03-02T14:30:00Z",
        "actor": "alice",
        "reason": "test",
        "request_id": "",
        "files": {},
        "audit": ChainHead(seq=1, hash="0" * 64),
        "ledger": None,
        "versions": {},
        "checkpoint_key": KEY.public_key,
    }
    return SnapshotManifest(**values | changes)


def test_a_manifest_reads_back_as_it_was_written() -> None:
    assert parse(render(manifest(), KEY)) == manifest()


def test_a_manifest_that_anybody_touched_is_refused() -> None:
    data = render(manifest(), KEY)
    told = json.loads(data)
    edited = {**told, "manifest": {**told["manifest"], "generation": 2}}
    for changed, why in (
        (b"{}", "cannot be read"),
        (b"\xff", "cannot be read"),
        (json.dumps(told).encode(), "was rewritten"),
        (canonical_json(edited), "signature of the key"),
        (render(manifest(), CheckpointKey.of(new_key())), "signature of the key"),
        (render(manifest(bot="RIGD_US_SIM_001"), KEY).replace(b"SIM_001", b"../001"), "cannot be read"),
    ):
        with pytest.raises(ManifestError, match=why):
            parse(changed)


def plan(content: bytes, **changes: Any) -> RestorePlan:
    values: dict[str, Any] = {
        "backup": NAME,
        "backup_made_at": "2026-03-02T14:30:00Z",
        "bot": "",
        "parts": ["users"],
        "actor": "alice",
        "reason": "test",
        "request_id": "request-0001",
        "asked_at": "2026-03-02T14:30:00Z",
        "aside": "replaced-20260302T143000Z-000002",
        "generation": 2,
        "files": {"SYSTEM_USERS.db": FileEntry(sha256=sha256(content), size=len(content))},
        "lost": {},
        "versions": {},
    }
    return RestorePlan(**values | changes)


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    folder = tmp_path / "backup"
    folder.mkdir(mode=0o700)
    path = folder / "SYSTEM_USERS.db"
    path.write_bytes(b"then")
    path.chmod(0o600)
    return folder


def restore_folder(tmp_path: Path) -> RestoreFolder:
    return RestoreFolder(tmp_path / "restore", QuickFilesystem())


def test_nothing_waits_until_something_is_prepared(tmp_path: Path, backup: Path) -> None:
    folder = restore_folder(tmp_path)
    assert folder.pending() is None
    folder.prepare(plan(b"then"), backup)
    assert folder.pending() == plan(b"then")
    folder.prepare(plan(b"then", reason="again"), backup)
    assert folder.pending() == plan(b"then", reason="again")
    folder.close()
    assert folder.pending() is None


def test_a_copy_that_is_not_what_the_plan_says_is_given_up(tmp_path: Path, backup: Path) -> None:
    folder = restore_folder(tmp_path)
    with pytest.raises(BackupDamagedError, match="was changed since"):
        folder.prepare(plan(b"others"), backup)
    (backup / "SYSTEM_USERS.db").chmod(0o644)
    with pytest.raises(BackupDamagedError, match="has mode 0644"):
        folder.prepare(plan(b"then"), backup)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup"]


def test_a_disk_that_fails_while_it_is_prepared_leaves_nothing_that_waits(tmp_path: Path, backup: Path) -> None:
    watched = WatchedFilesystem(only=CHANGES)
    RestoreFolder(tmp_path / "count", watched).prepare(plan(b"then"), backup)
    for number in range(len(watched.done) - 1):  # the last makes the name durable that is there already
        failing = WatchedFilesystem(fail_at(number), only=CHANGES)
        with pytest.raises(BackupFailedError, match="The restore was not prepared"):
            RestoreFolder(tmp_path / "restore", failing).prepare(plan(b"then"), backup)
        assert restore_folder(tmp_path).pending() is None, number
        assert not (tmp_path / "restore.partial").exists()


def test_a_plan_or_file_that_is_gone_is_named(tmp_path: Path, backup: Path) -> None:
    folder = restore_folder(tmp_path)
    folder.prepare(plan(b"then"), backup)
    (tmp_path / "restore" / "PLAN.json").chmod(0o644)
    with pytest.raises(RestoreDamagedError, match=r"PLAN\.json has mode 0644"):
        folder.pending()
    (tmp_path / "restore" / "PLAN.json").unlink()
    with pytest.raises(RestoreDamagedError, match=r"PLAN\.json is missing"):
        folder.pending()


def test_a_place_that_was_lost_is_made_and_nothing_kept_aside_is_written_over(tmp_path: Path, backup: Path) -> None:
    folder = restore_folder(tmp_path)
    target, aside = tmp_path / "lost" / "deep" / "SYSTEM_USERS.db", tmp_path / "backups" / "aside"
    for turn in range(2):
        folder.prepare(plan(b"then"), backup)
        folder.carry_out(plan(b"then"), {"SYSTEM_USERS.db": target}, aside)
        assert target.read_bytes() == b"then"
        target.write_bytes(b"now %d" % turn)
    folder.prepare(plan(b"then"), backup)
    folder.carry_out(plan(b"then"), {"SYSTEM_USERS.db": target}, aside)
    assert [path.read_bytes() for path in sorted(aside.iterdir())] == [b"now 0", b"now 1"]
