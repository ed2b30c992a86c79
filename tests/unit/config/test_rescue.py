"""Restores into a home that cannot be opened: made without keys, people or trail, recorded by the next start."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tbot_bot.api.backups import AskRestore, BackupPart, Restore
from tbot_bot.config.rescue import ContentsLostError, KeyLostError
from tbot_bot.control.backups import open_rescue
from tbot_bot.control.damage import HomeDamagedError
from tbot_bot.control.foundation import Foundation
from tbot_bot.domain.lifecycle import State
from tests.unit.config.vault import Vault, vault_at
from tests.unit.control.backstage import Backstage

ALL = list(BackupPart)
SECRETS, USERS, AUDIT, CONTROL = BackupPart.SECRETS, BackupPart.USERS, BackupPart.AUDIT, BackupPart.CONTROL


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    """A home with a snapshot at generation 2, gone on to generation 3, and closed."""
    made = vault_at(tmp_path / "home")
    made.rotate(2)
    made.clock.move(hours=1)
    made.snapshot()
    made.clock.move(hours=1)
    made.rotate(3)
    made.close()
    return made


def current(home: Path) -> Path:
    return (home / "storage" / "current").resolve()


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def garbage(path: Path) -> None:
    path.write_bytes(b"no database " * 1000)
    for end in ("-wal", "-shm"):
        path.with_name(f"{path.name}{end}").unlink(missing_ok=True)


def point_back(home: Path) -> None:
    (home / "storage" / "current").unlink()
    (home / "storage" / "current").symlink_to("generations/000002")


def replace_pointer(home: Path) -> None:
    (home / "storage" / "current").unlink()
    (home / "storage" / "current").mkdir()


def lose_all_but_backups(home: Path) -> None:
    for path in (home / "storage").iterdir():
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.name != "backups":
            shutil.rmtree(path)


def opened(vault: Vault) -> Foundation:
    return Foundation(vault.home, vault.clock, state=lambda: "test", password_cost=4)


def rescue(vault: Vault, name: str, parts: list[BackupPart]) -> int:
    """Preview and restore as the desk does; the generation it made."""
    restarts: list[bool] = []
    backups, restores = open_rescue(vault.home, vault.clock, lambda: restarts.append(True))
    assert name in [one.id for one in backups.list().items]
    shown = restores.preview(AskRestore(id=name, parts=parts))
    assert shown.refusal == ""
    asked = Restore(id=name, parts=parts, digest=shown.digest, reason="damage")
    made = restores.restore(asked, actor="recovery", request_id="rescue-0001").generation
    assert restarts == [True]
    assert made is not None
    assert restores.restore(asked, actor="recovery", request_id="rescue-0001").generation == made
    return made


def snapshot_of(vault: Vault) -> str:
    return next(path.name for path in vault.home.backups.iterdir() if path.name.startswith("snapshot"))


@pytest.mark.parametrize(
    ("damage", "parts"),
    [
        (lambda home: flip(current(home) / "secrets" / "smtp.json.enc"), [SECRETS]),
        (lambda home: flip(current(home) / "MANIFEST.json"), [SECRETS]),
        (lambda home: (home / "storage" / "current").unlink(), [SECRETS]),
        (replace_pointer, [SECRETS]),
        (point_back, [SECRETS]),
        (lambda home: shutil.rmtree(current(home)), [SECRETS, AUDIT]),
        (lambda home: garbage(home / "storage" / "SYSTEM_USERS.db"), [USERS]),
        (lambda home: garbage(home / "storage" / "CONTROL.db"), [CONTROL]),
        (lambda home: garbage(home / "storage" / "AUDIT.db"), [AUDIT]),
        (lose_all_but_backups, ALL),
    ],
    ids=["secret", "manifest", "pointer", "pointer-folder", "back", "generation", "users", "control", "audit", "all"],
)
def test_each_damage_has_a_way_back_that_is_recorded(
    vault: Vault, damage: Callable[[Path], object], parts: list[BackupPart]
) -> None:
    name = snapshot_of(vault)
    damage(vault.home.root)
    with pytest.raises(HomeDamagedError):
        opened(vault)
    made = rescue(vault, name, parts)
    assert made > 2
    foundation = opened(vault)
    assert foundation.generation == made
    found = foundation.audit.verify()
    assert found.ok, found.what
    record = foundation.audit.last(verb="restore.commit")
    assert record is not None
    assert (record.entry.actor, record.entry.detail["parts"]) == ("recovery", [str(part) for part in parts])
    assert not vault.home.restore.exists()
    after = Vault(Backstage(vault.home.root, vault.clock))
    assert after.rotate(99) == made + 1
    after.stage.sign_in("admin")
    if BackupPart.LEDGER in parts:
        assert after.stage.lifecycle.state is State.ERROR


def test_a_generation_is_enough_where_only_secrets_are_damaged(vault: Vault) -> None:
    flip(current(vault.home.root) / "secrets" / "smtp.json.enc")
    assert rescue(vault, "generation-000001", [SECRETS]) == 4
    assert opened(vault).generation == 4


@pytest.mark.parametrize(
    "damage", [lambda home: flip(current(home) / "secrets" / "smtp.json.enc"), point_back], ids=["secret", "back"]
)
def test_secrets_that_cannot_be_relied_on_must_come_back_too(vault: Vault, damage: Callable[[Path], object]) -> None:
    name = snapshot_of(vault)
    damage(vault.home.root)
    _, restores = open_rescue(vault.home, vault.clock, lambda: None)
    shown = restores.preview(AskRestore(id=name, parts=[USERS]))
    with pytest.raises(ContentsLostError, match="Choose keys and secrets as well"):
        restores.restore(
            Restore(id=name, parts=[USERS], digest=shown.digest, reason=""), actor="recovery", request_id="rescue-0001"
        )


def test_a_trail_whose_key_is_lost_must_come_back_too(vault: Vault) -> None:
    name = snapshot_of(vault)
    shutil.rmtree(current(vault.home.root))
    _, restores = open_rescue(vault.home, vault.clock, lambda: None)
    shown = restores.preview(AskRestore(id=name, parts=[SECRETS]))
    with pytest.raises(KeyLostError, match="its audit trail as well"):
        restores.restore(
            Restore(id=name, parts=[SECRETS], digest=shown.digest, reason=""),
            actor="recovery",
            request_id="rescue-0001",
        )
    assert not vault.home.restore.exists()
