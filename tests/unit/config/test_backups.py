"""Backups of a real home: made, listed, verified, kept for their time, destroyed."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbot_bot.api.backups import BackupHealth, BackupKind, BackupPart
from tbot_bot.config.backups import PurgeRefusedError, past_their_time
from tbot_bot.storage.backup_errors import BackupFailedError, BackupNotFoundError, BackupSpaceError
from tests.unit.config.vault import Vault, stranger_at, vault_at
from tests.unit.storage.faults import QuickFilesystem


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return vault_at(tmp_path / "home")


def test_a_snapshot_is_made_audited_listed_and_found_whole(vault: Vault) -> None:
    made = vault.service.make(actor="alice", reason="before a change", request_id="request-1")
    assert made.id == f"snapshot-{vault.clock.now():%Y%m%dT%H%M%SZ}-000001"
    assert (made.kind, made.generation, made.actor, made.reason) == (BackupKind.SNAPSHOT, 1, "alice", "before a change")
    assert made.parts == list(BackupPart)
    assert made.health is BackupHealth.WHOLE
    assert vault.service.verify(made.id).health is BackupHealth.WHOLE
    assert [(phase, result) for phase, result, _ in vault.audited("backups.make")] == [
        ("intent", ""),
        ("outcome", "ok"),
    ]
    assert vault.audited("backups.make")[1][2] == {"backup": made.id, "why": "before a change"}
    folder = vault.home.backups / made.id
    assert {path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in [folder, *folder.rglob("*")] if path.is_dir()} == {0o700}
    assert not list(folder.rglob("*-wal"))


def test_the_same_request_makes_one_snapshot(vault: Vault) -> None:
    first = vault.service.make(actor="alice", reason="now", request_id="request-1")
    assert vault.service.make(actor="alice", reason="now", request_id="request-1").id == first.id
    assert vault.service.make(actor="alice", reason="now", request_id="request-2").id != first.id


def test_the_list_names_generations_and_snapshots_newest_first(vault: Vault) -> None:
    vault.clock.move(hours=1)
    name = vault.snapshot()
    vault.clock.move(hours=1)
    vault.rotate(2)
    shown = vault.service.list()
    assert [one.id for one in shown.items] == ["generation-000002", name, "generation-000001", "generation-000000"]
    assert [one.counts for one in shown.items] == [True, False, False, False]
    assert shown.items[0].parts == [BackupPart.SECRETS]
    assert (shown.kept_days, shown.kept_newest) == (30, 10)
    assert shown.free_bytes > 0
    assert vault.service.verify("generation-000001").health is BackupHealth.WHOLE


@pytest.mark.parametrize("name", ["snapshot-20260101T000000Z-000001", "../storage", "generation-000009", "", "x" * 80])
def test_what_is_not_there_cannot_be_verified(vault: Vault, name: str) -> None:
    vault.snapshot()
    with pytest.raises(BackupNotFoundError):
        vault.service.verify(name)


def test_one_flipped_byte_in_any_file_of_a_snapshot_is_found_and_named(vault: Vault) -> None:
    name = vault.snapshot()
    folder = vault.home.backups / name
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    assert len(files) > 15
    for path in files:
        before = path.read_bytes()
        place = len(before) * 2 // 3
        path.write_bytes(before[:place] + bytes([before[place] ^ 1]) + before[place + 1 :])
        found = vault.service.verify(name)
        assert found.health is BackupHealth.DAMAGED, path
        assert str(path.relative_to(folder)) in found.problem
        path.write_bytes(before)
    assert vault.service.verify(name).health is BackupHealth.WHOLE


def test_one_flipped_byte_in_any_file_of_a_generation_is_found_and_named(vault: Vault) -> None:
    vault.rotate(2)
    folder = vault.home.storage / "generations" / "000001"
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        before = path.read_bytes()
        path.write_bytes(bytes([before[0] ^ 1]) + before[1:])
        found = vault.service.verify("generation-000001")
        assert found.health is BackupHealth.DAMAGED, path
        assert str(path.relative_to(folder)) in found.problem
        path.write_bytes(before)


def test_what_stands_in_the_place_of_files_is_refused_by_name(vault: Vault, tmp_path: Path) -> None:
    def linked(path: Path) -> None:
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere")

    def doubled(path: Path) -> None:
        (tmp_path / "double").hardlink_to(path)

    def piped(path: Path) -> None:
        path.unlink()
        os.mkfifo(path, 0o600)

    for fault, change in (
        ("is not a plain file", linked),
        ("linked from another place", doubled),
        ("is not a plain file", piped),
        ("has mode 0644", lambda path: path.chmod(0o644)),
        ("is missing", Path.unlink),
        ("bytes instead of", lambda path: path.write_bytes(path.read_bytes()[:-1])),
        ("is not in the manifest", lambda path: path.with_name("EXTRA").write_bytes(b"x")),
    ):
        name = vault.snapshot()
        change(vault.home.backups / name / "SYSTEM_USERS.db")
        found = vault.service.verify(name)
        assert found.health is BackupHealth.DAMAGED, fault
        assert fault in found.problem
        assert vault.service.list().items[-1] == found
        shutil.rmtree(vault.home.backups / name)
        for left in ("elsewhere", "double"):
            (tmp_path / left).unlink(missing_ok=True)


def test_a_link_in_place_of_the_folder_is_refused(vault: Vault, tmp_path: Path) -> None:
    name = vault.snapshot()
    (vault.home.backups / name).rename(tmp_path / "moved")
    (vault.home.backups / name).symlink_to(tmp_path / "moved")
    assert "is a link" in vault.service.verify(name).problem or "is not a folder" in vault.service.verify(name).problem


def test_a_backup_of_another_home_is_refused(vault: Vault, tmp_path: Path) -> None:
    stranger = stranger_at(tmp_path / "stranger")
    name = stranger.snapshot()
    assert stranger.service.verify(name).health is BackupHealth.WHOLE
    vault.snapshot()
    shutil.copytree(stranger.home.backups / name, vault.home.backups / name)
    found = vault.service.verify(name)
    assert found.health is BackupHealth.DAMAGED
    assert "another installation" in found.problem


def test_a_snapshot_that_is_renamed_is_refused(vault: Vault) -> None:
    name = vault.snapshot()
    moved = "snapshot-20301231T000000Z-000001"
    (vault.home.backups / name).rename(vault.home.backups / moved)
    assert f"belongs to {name}" in vault.service.verify(moved).problem


def test_one_a_day_is_made_by_itself(vault: Vault) -> None:
    made = vault.service.make_if_due()
    assert made is not None
    assert (made.actor, made.reason) == ("system", "nightly")
    vault.clock.move(minutes=1)
    assert vault.service.make_if_due() is None
    vault.clock.move(days=1)
    assert vault.service.list().next_snapshot_at == vault.clock.now().isoformat().replace("+00:00", "Z")
    assert vault.service.make_if_due() is not None
    vault.clock.move(days=-1)  # a clock that is set back makes no more than one for its day, and overwrites none
    assert vault.service.make_if_due() is None
    assert len([one for one in vault.service.list().items if one.kind is BackupKind.SNAPSHOT]) == 2


def test_names_never_collide(vault: Vault) -> None:
    assert len({vault.snapshot(), vault.snapshot(), vault.snapshot()}) == 3


def test_thirty_days_and_ten_of_them_are_kept(vault: Vault) -> None:
    for _ in range(12):
        vault.snapshot()
        vault.clock.move(days=1)
    assert vault.service.prune() == ()
    vault.clock.move(days=25)
    gone = vault.service.prune()
    assert len(gone) == 2
    assert vault.service.prune() == ()
    kept = [one.id for one in vault.service.list().items if one.kind is BackupKind.SNAPSHOT]
    assert len(kept) == 10
    assert max(gone) < min(kept)
    assert vault.audited("backups.prune")[-1] == ("outcome", "ok", {"backups": list(gone)})


@settings(deadline=None)
@given(st.lists(st.integers(min_value=0, max_value=90), max_size=40))
def test_nothing_young_and_none_of_the_newest_ten_is_ever_past_its_time(ages_in_days: list[int]) -> None:
    now = datetime(2026, 3, 2, tzinfo=UTC)
    made = {f"{number}": now - timedelta(days=age, seconds=number) for number, age in enumerate(ages_in_days)}
    gone = past_their_time(made, now)
    kept = made.keys() - set(gone)
    newest = sorted(made, key=lambda name: made[name])[-10:]
    assert kept >= {name for name, at in made.items() if at >= now - timedelta(days=30)} | set(newest)
    assert all(made[name] < now - timedelta(days=30) for name in gone)
    if len(kept) > 10:
        assert all(made[name] >= now - timedelta(days=30) for name in kept - set(newest))


def test_what_restores_moved_aside_goes_in_its_time_too(vault: Vault) -> None:
    for month in range(1, 13):
        (vault.home.backups / f"replaced-2024{month:02d}01T000000Z-000001").mkdir(parents=True)
    gone = vault.service.prune()
    assert gone == ("replaced-20240101T000000Z-000001", "replaced-20240201T000000Z-000001")
    assert len(list(vault.home.backups.iterdir())) == 10


def test_a_purge_destroys_what_holds_an_old_credential(vault: Vault) -> None:
    old = vault.snapshot()
    for number in (2, 3, 4):
        vault.rotate(number)
    kept = vault.snapshot()
    with pytest.raises(PurgeRefusedError, match="Generation 4 counts now"):
        vault.service.purge(4, actor="alice", reason="revoked", request_id="purge-0001")
    assert len(vault.service.list().items) == 7
    purged = vault.service.purge(3, actor="alice", reason="revoked", request_id="purge-0001")
    assert (purged.generations, purged.snapshots) == ([0, 1, 2], [old])
    assert {one.id for one in vault.service.list().items} == {"generation-000003", "generation-000004", kept}
    expected = {"generations": [0, 1, 2], "backups": [old], "why": "revoked"}
    assert vault.audited("backups.purge")[-1] == ("outcome", "ok", expected)
    assert vault.secrets.recover().number == 4


def test_a_snapshot_needs_space_and_says_how_much(vault: Vault) -> None:
    class Full(QuickFilesystem):
        def statvfs(self, path: Path) -> os.statvfs_result:
            found = list(super().statvfs(path))
            found[4] = 1
            return os.statvfs_result(found)

    with pytest.raises(BackupSpaceError, match=r"needs \d+ MiB and 0 MiB are free"):
        vault.on(Full()).make(actor="alice", reason="now", request_id="")
    assert [one.kind for one in vault.service.list().items] == [BackupKind.GENERATION] * 2
    assert vault.audited("backups.make")[-1][:2] == ("outcome", "failed")


def test_a_damaged_database_is_not_copied_over_whole_ones(vault: Vault) -> None:
    first = vault.snapshot()
    path = vault.service.sources()["LEDGER.db"]
    path.write_bytes(b"not a database at all" * 500)
    with pytest.raises(BackupFailedError, match="file is not a database"):
        vault.snapshot()
    assert [path.name for path in vault.home.backups.iterdir()] == [first]
