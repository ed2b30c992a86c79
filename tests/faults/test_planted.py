"""The checker is worth something: each kind of mistake, planted, is found by the proof that is there for it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tbot_bot.audit.trail import AuditTrail
from tbot_bot.config.rotation import COMMIT, EffectHandler, RotationService
from tbot_bot.domain.audit import AuditPhase
from tbot_bot.storage import generation_draft
from tbot_bot.storage.filesystem import Filesystem, opened
from tbot_bot.storage.generations import Committed, Contents, GenerationStore
from tbot_bot.storage.secret_errors import RotationFailedError
from tests.faults.checker import violations
from tests.faults.test_failures import ASKED, faults_of, operations, shortened
from tests.faults.test_kills import killed, points
from tests.faults.vault import Vault
from tests.unit.storage.faults import FixedClock, fail_at

Fresh = Callable[[], Path]


class EffectsDropped(Vault):
    """Forgets what belongs to a rotation in the users database."""

    def handlers(self) -> Mapping[str, EffectHandler]:
        return dict.fromkeys(super().handlers(), lambda _effect, _generation: None)


class SwappedInTwoSteps(Vault):
    """Takes the old pointer away before it makes the new one."""

    class store_type(GenerationStore):  # noqa: N801 - a class in the place of a class attribute
        def _point_at(self, number: int) -> None:
            current = self._root / "current"
            if current.is_symlink():
                self._filesystem.unlink(current)
            self._filesystem.symlink(f"generations/{number:06d}", current)


class DebrisLeft(Vault):
    """Never cleans up after an interrupted rotation."""

    class store_type(GenerationStore):  # noqa: N801 - as above
        def _sweep_debris(self) -> tuple[str, ...]:
            return ()


class CommittedTooEarly(Vault):
    """Tells the audit log that a rotation is done before it is."""

    class service_type(RotationService):  # noqa: N801 - as above
        def rotate(self, change: Callable[[Contents], Contents], **named: Any) -> Committed:
            assert isinstance(self._audit, AuditTrail)
            number = self._store.pending_after_effects()[0] + 1
            self._audit.record(
                verb=COMMIT,
                phase=AuditPhase.OUTCOME,
                actor="ada",
                request_id=named["request_id"],
                detail={"manifest_sha256": ""},
                generation=number,
            )
            return super().rotate(change, **named)


@pytest.mark.parametrize(
    ("planted", "at", "words"),
    [
        (EffectsDropped, "end", "the users database does not hold"),
        (SwappedInTwoSteps, "symlink", "it does not start"),
        (DebrisLeft, "fsync", "File exists"),
        (CommittedTooEarly, "mkdir", "it does not start"),
    ],
)
def test_a_kill_finds(fresh: Fresh, clock: FixedClock, planted: type[Vault], at: str, words: str) -> None:
    point = points(fresh(), clock, ASKED).index(at)
    if planted is SwappedInTwoSteps:  # which takes one operation more before it makes the link
        point += 1
    root = fresh()
    asked = killed(root, clock, ASKED, point, planted)
    assert words in str(violations(planted(root, clock), asked))


class AlwaysDone(Vault):
    """Answers that all is well when the disk has refused."""

    class store_type(GenerationStore):  # noqa: N801 - as above
        def _commit(self, draft: generation_draft.Draft, parent: int | None) -> Committed:
            try:
                return super()._commit(draft, parent)
            except RotationFailedError:
                return Committed(draft.number, draft.manifest_sha256)


class AlwaysFailed(Vault):
    """Answers that nothing was changed when the swap is done and its confirmation failed."""

    class store_type(GenerationStore):  # noqa: N801 - as above
        def _settle(self, number: int, parent: int | None, error: OSError) -> None:
            raise RotationFailedError(str(error), parent)


class RequestsForgotten(Vault):
    """Does not know a request again."""

    class store_type(GenerationStore):  # noqa: N801 - as above
        def _made_by(self, request_id: str, up_to: int) -> Committed | None:
            return None


@pytest.mark.parametrize(
    ("planted", "operation", "words"),
    [
        (AlwaysDone, "mkdir", "a success that changed nothing"),
        (AlwaysFailed, "fsync", "a failure that changed something"),
        (RequestsForgotten, "write", "committed more than once"),
    ],
)
def test_a_failing_operation_finds(
    fresh: Fresh, clock: FixedClock, planted: type[Vault], operation: str, words: str
) -> None:
    names = operations(fresh(), clock)
    of_the_store = names[: names.index("symlink") + 4]  # up to the swap, its opened folder and its fsync
    at = len(of_the_store) - 1 - of_the_store[::-1].index(operation)
    assert words in str(faults_of(fresh(), clock, fail_at(at, errno.EIO), planted))


def test_a_short_write_finds_a_forgotten_loop(fresh: Fresh, clock: FixedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    def create_once(filesystem: Filesystem, files: Mapping[Path, bytes]) -> None:
        for path, data in files.items():
            with opened(filesystem, filesystem.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)) as descriptor:
                filesystem.write(descriptor, data)
                filesystem.fsync(descriptor)

    assert shortened(fresh(), clock, 0, lambda size: size // 2) == []
    monkeypatch.setattr(generation_draft, "create_files", create_once)
    assert "was not gone on with" in str(shortened(fresh(), clock, 0, lambda size: size // 2))
