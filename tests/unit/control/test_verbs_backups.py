"""The verbs of the backups: who may what, and what is asked for again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tbot_bot.api.backups import BackupPart
from tbot_bot.api.errors import ApiError
from tbot_bot.api.permissions import Permission, Role, may
from tbot_bot.api.verbs import VERBS
from tbot_bot.control.backups import Nightly
from tbot_bot.control.verbs_backups import BackupVerbs
from tbot_bot.domain.lifecycle import State
from tests.unit.config.vault import Vault, vault_at
from tests.unit.control.backstage import PASSWORD, call, wait_until

NAME = "RIGD_US_SIM_001"


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return vault_at(tmp_path / "home")


def verbs(vault: Vault) -> dict[str, object]:
    return BackupVerbs(vault.stage.foundation, vault.service, vault.restores).handlers()


def refusal(vault: Vault, verb: str, session: str, **params: object) -> str:
    with pytest.raises(ApiError) as refused:
        call(verbs(vault), verb, vault.stage.caller(session), **params)
    return refused.value.problem.code


def test_only_administrators_and_only_where_it_is_safe() -> None:
    mine = {name: verb for name, verb in VERBS.items() if name.startswith("backups.")}
    assert {verb.permission for verb in mine.values()} == {Permission.BACKUPS_MANAGE}
    assert [role for role in Role if may(role, Permission.BACKUPS_MANAGE)] == [Role.ADMIN]
    for name in ("backups.preview", "backups.restore"):
        assert mine[name].states == {State.STOPPED, State.ERROR}
    assert State.ERROR in mine["backups.list"].states
    assert State.INITIALIZE not in mine["backups.list"].states


def test_a_snapshot_and_a_restore_through_the_verbs(vault: Vault) -> None:
    session = vault.stage.sign_in()
    made = call(verbs(vault), "backups.make", vault.stage.caller(session))
    assert made.reason == "asked for by Admin"
    assert call(verbs(vault), "backups.verify", vault.stage.caller(session), id=made.id).problem == ""
    assert made.id in [one.id for one in call(verbs(vault), "backups.list", vault.stage.caller(session)).items]
    shown = call(verbs(vault), "backups.preview", vault.stage.caller(session), id=made.id, parts=["secrets"])
    asked = {"id": made.id, "parts": ["secrets"], "digest": shown.digest}
    assert refusal(vault, "backups.restore", session, **asked) == "reason_missing"
    assert refusal(vault, "backups.restore", session, **asked, reason="test") == "step_up_needed"
    assert vault.restarts == 0
    stepped = vault.stage.foundation.sessions.step_up(session, PASSWORD).session_id
    done = call(verbs(vault), "backups.restore", vault.stage.caller(stepped), **asked, reason="test")
    assert (done.generation, done.restarts, vault.restarts) == (2, True, 1)


def test_a_purge_wants_the_name_a_reason_and_the_password(vault: Vault) -> None:
    vault.rotate(2)
    session = vault.stage.sign_in()
    asked: dict[str, object] = {"before": 1}
    assert refusal(vault, "backups.purge", session, **asked) == "typed_wrong"
    asked["typed"] = NAME
    assert refusal(vault, "backups.purge", session, **asked) == "reason_missing"
    asked["reason"] = "revoked"
    assert refusal(vault, "backups.purge", session, **asked) == "step_up_needed"
    stepped = vault.stage.foundation.sessions.step_up(session, PASSWORD).session_id
    assert call(verbs(vault), "backups.purge", vault.stage.caller(stepped), **asked).generations == [0]


def test_the_night_is_made_up_as_soon_as_there_is_something_to_keep(vault: Vault) -> None:
    wanted: list[bool] = []
    nightly = Nightly(vault.service, lambda: bool(wanted))
    nightly.start()
    try:
        nightly.look()
        wanted.append(True)
        nightly.look()
        wait_until(lambda: vault.service.list().items[0].reason == "nightly", "the snapshot is made")
    finally:
        nightly.stop()
        nightly._thread.join(10)
    assert BackupPart.LEDGER in vault.service.list().items[0].parts


def test_what_stands_in_the_way_of_the_night_is_logged_once(vault: Vault, caplog: pytest.LogCaptureFixture) -> None:
    vault.home.backups.write_bytes(b"in the way")
    nightly = Nightly(vault.service, lambda: True)
    nightly._attempt()
    told = nightly._told
    assert told
    nightly._attempt()
    assert nightly._told == told
    vault.home.backups.unlink()
    nightly._attempt()
    assert nightly._told is None
