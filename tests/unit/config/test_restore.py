"""Restores of a real home: secrets roll forward at once, databases with the next start."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tbot_bot.api.backups import AskRestore, BackupPart, Restore
from tbot_bot.api.permissions import Role
from tbot_bot.config.restore import RestoreRefusedError, StalePreviewError
from tbot_bot.control.damage import HomeDamagedError
from tbot_bot.domain.audit import AuditFilter
from tbot_bot.domain.lifecycle import State
from tbot_bot.identity.errors import WrongCredentialsError
from tbot_bot.storage.backup_errors import BackupDamagedError
from tbot_bot.storage.secret_errors import GenerationInvalidError
from tests.unit.config.vault import Vault, stranger_at, vault_at

SECRETS, USERS, AUDIT = BackupPart.SECRETS, BackupPart.USERS, BackupPart.AUDIT
CONTROL, LEDGER = BackupPart.CONTROL, BackupPart.LEDGER


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return vault_at(tmp_path / "home")


def test_each_of_ten_generations_comes_back_as_a_new_one(vault: Vault) -> None:
    known = {1: vault.secret()}
    for number in range(2, 11):
        vault.rotate(number)
        known[number] = vault.secret()
    for number, content in known.items():
        made = vault.restore(f"generation-{number:06d}", SECRETS, request_id=f"restore-{number:04d}")
        assert made == 10 + number
        assert vault.secret() == content
    assert vault.secrets.recover().number == 20
    assert vault.again().stage.foundation.generation == 20
    detail = vault.audited("rotation.commit")[-1][2]
    assert detail["why"] == "restored secrets from generation-000010"
    assert [record[:2] for record in vault.audited("backups.restore")][-2:] == [("intent", ""), ("outcome", "ok")]


def test_a_generation_comes_back_from_a_snapshot_too(vault: Vault) -> None:
    before = vault.secret()
    name = vault.snapshot()
    vault.rotate(2)
    assert vault.restore(name, SECRETS) == 3
    assert vault.secret() == before
    assert vault.restarts == 1
    assert not vault.home.restore.exists()


def test_a_preview_names_fields_and_no_secret(vault: Vault) -> None:
    vault.rotate(4321)
    shown = vault.restores.preview(AskRestore(id="generation-000001", parts=[SECRETS]))
    assert shown.parts[0].changes == ["smtp: SMTP_PORT"]
    assert "4321" not in shown.model_dump_json()
    assert shown.restarts


def test_what_seals_the_databases_never_goes_back(vault: Vault) -> None:
    with vault.secrets.current() as pinned:
        made = pinned.read("integrity")
    vault.stage.foundation.rotation.rotate(
        lambda old: {**old, "integrity": {"key": "another"}}, request_id="request-1", reason="test", actor="alice"
    )
    vault.restore("generation-000001", SECRETS)
    with vault.secrets.current() as pinned:
        assert pinned.read("integrity") == made


def test_people_come_back_and_every_session_ends(vault: Vault) -> None:
    name = vault.snapshot()
    session = vault.stage.sign_in()
    vault.stage.add_user(Role.OPERATOR, "mallory")
    shown = vault.restores.preview(AskRestore(id=name, parts=[USERS]))
    assert shown.parts[0].changes == ["Mallory (operator) goes"]
    vault.restore(name, USERS)
    after = vault.again()
    assert after.stage.foundation.sessions.verdict(session, touch=False).user is None
    with pytest.raises(WrongCredentialsError):
        after.stage.sign_in("mallory")
    after.stage.sign_in("admin")
    (record,) = after.audited("restore.commit")
    assert record[2]["parts"] == ["users"]
    assert record[2]["lost"] == {}
    assert not vault.home.restore.exists()
    aside = vault.home.backups / str(record[2]["aside"])
    assert (aside / "SYSTEM_USERS.db").exists()


def test_the_audit_trail_goes_on_and_names_the_end_it_left(vault: Vault) -> None:
    name = vault.snapshot()
    for number in (2, 3):
        vault.rotate(number)
    vault.restore(name, AUDIT)
    (lost,) = vault.audit.page(AuditFilter(), limit=1).items
    after = vault.again()
    found = after.audit.verify()
    assert found.ok, found.what
    assert found.head < lost.seq
    (record,) = after.audited("restore.commit")
    assert record[2]["lost"]["audit"]["seq"] <= lost.seq
    assert after.stage.foundation.generation == 4
    assert after.rotate(5) == 5
    assert after.again().audit.verify().ok


def test_everything_at_once(vault: Vault) -> None:
    name = vault.snapshot()
    before = vault.secret()
    vault.rotate(2)
    vault.stage.put(State.ERROR)
    vault.restore(name, *BackupPart)
    after = vault.again()
    assert after.secret() == before
    assert after.stage.lifecycle.state is State.ERROR
    assert "ledger was restored" in after.stage.lifecycle.reason
    assert after.audit.verify().ok
    assert after.service.verify(name).problem == ""
    assert not vault.home.restore.exists()
    again = after.again()
    assert len(again.audited("restore.commit")) == 1


def test_a_restored_control_record_leaves_the_bot_stopped(vault: Vault) -> None:
    vault.stage.put(State.TRADING)
    name = vault.snapshot()
    vault.stage.put(State.STOPPED)
    vault.restore(name, CONTROL)
    assert vault.again().stage.lifecycle.state is State.STOPPED


def test_a_stale_preview_is_refused(vault: Vault) -> None:
    name = vault.snapshot()
    shown = vault.restores.preview(AskRestore(id=name, parts=[USERS]))
    vault.stage.add_user(Role.VIEWER, "late")
    asked = Restore(id=name, parts=[USERS], digest=shown.digest, reason="test")
    with pytest.raises(StalePreviewError, match="Look again"):
        vault.restores.restore(asked, actor="alice", request_id="restore-0001")
    assert vault.restarts == 0
    assert len(vault.service.list().items) == 3


def test_a_repeated_request_restores_once(vault: Vault) -> None:
    name = vault.snapshot()
    made = vault.restore(name, USERS)
    asked = Restore(id=name, parts=[USERS], digest="", reason="test")
    assert vault.restores.restore(asked, actor="alice", request_id="restore-0001").generation == made
    after = vault.again()
    assert after.restores.restore(asked, actor="alice", request_id="restore-0001").generation == made
    assert after.stage.foundation.generation == made


def test_damage_found_between_preview_and_restore_restores_nothing(vault: Vault) -> None:
    name = vault.snapshot()
    shown = vault.restores.preview(AskRestore(id=name, parts=[USERS, LEDGER]))
    path = vault.home.backups / name / "LEDGER.db"
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    asked = Restore(id=name, parts=[USERS, LEDGER], digest=shown.digest, reason="test")
    with pytest.raises(BackupDamagedError, match=r"LEDGER\.db was changed"):
        vault.restores.restore(asked, actor="alice", request_id="restore-0001")
    assert not vault.home.restore.exists()
    assert vault.stage.foundation.generation == 1


@pytest.mark.parametrize(
    ("name", "parts", "why"),
    [
        ("generation-000001", [USERS], "keys and secrets only"),
        ("generation-000000", [SECRETS], "before this bot was configured"),
    ],
)
def test_what_cannot_be_restored_is_said_in_the_preview(
    vault: Vault, name: str, parts: list[BackupPart], why: str
) -> None:
    shown = vault.restores.preview(AskRestore(id=name, parts=parts))
    assert why in shown.refusal
    with pytest.raises(RestoreRefusedError, match=why):
        vault.restores.restore(
            Restore(id=name, parts=parts, digest="", reason=""), actor="alice", request_id="restore-0001"
        )


def test_a_snapshot_from_before_the_first_administrator_locks_nobody_out(tmp_path: Path) -> None:
    fresh = stranger_at(tmp_path / "fresh")
    name = fresh.snapshot()
    assert "nobody could sign in" in fresh.restores.preview(AskRestore(id=name, parts=[USERS])).refusal
    assert "no ledger" in fresh.restores.preview(AskRestore(id=name, parts=[LEDGER])).refusal


def test_a_damaged_generation_is_not_restored(vault: Vault) -> None:
    vault.rotate(2)
    shown = vault.restores.preview(AskRestore(id="generation-000001", parts=[SECRETS]))
    path = vault.home.storage / "generations" / "000001" / "keys" / "smtp.key"
    path.write_bytes(b"A" * 44)
    with pytest.raises(GenerationInvalidError, match="smtp"):
        vault.restores.restore(
            Restore(id="generation-000001", parts=[SECRETS], digest=shown.digest, reason=""),
            actor="alice",
            request_id="restore-0001",
        )


def test_a_plan_that_was_changed_stops_the_start_and_names_the_way_out(vault: Vault) -> None:
    vault.restore(vault.snapshot(), USERS)
    plan = vault.home.restore / "PLAN.json"
    told = json.loads(plan.read_text())
    plan.write_text(json.dumps({**told, "aside": "../../elsewhere"}))
    with pytest.raises(HomeDamagedError, match="remove storage/restore"):
        vault.again()
