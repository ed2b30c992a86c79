"""Full rotation, a privileged verb of the runner: audited before and after, and carried through to the databases.

RotationError
+-- GenerationMismatchError    the current generation is not the one that the audit log saw committed
+-- GenerationRolledBackError  the pointer names an older generation than the audit log
+-- GenerationUnauditedError   nobody asked for the current generation
+-- EffectUnknownError         a change in a database that nothing here can make
+-- EffectFailedError          the generation is committed, its change in a database is still to be made
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from tbot_bot.config.secret_creation import INTEGRITY
from tbot_bot.domain.audit import AuditPhase, AuditPort, AuditRecord, AuditResult
from tbot_bot.storage.generation import PinnedGeneration
from tbot_bot.storage.generations import Committed, Contents, GenerationStore
from tbot_bot.storage.secret_errors import SecretStoreError

ROTATION = "rotation"
COMMIT = "rotation.commit"
PRUNE = "rotation.prune"
_SYSTEM = "system"

#: Makes one change in a database, once, however often it is called for the same effect and generation. It never
#: refuses: whatever could be refused is checked before the rotation.
EffectHandler = Callable[[Mapping[str, Any], int], None]
#: Is told the number of each new generation; must be quick and must not raise.
Reader = Callable[[int], None]


class RotationError(Exception):
    """A rotation and what belongs to it do not agree; the message is for the operator."""


class GenerationMismatchError(RotationError):
    def __init__(self, number: int) -> None:
        super().__init__(
            f"Generation {number} of the secrets is not the one that the audit log saw committed: its manifest was "
            "exchanged. Nothing is served from it. Restore the storage folder from a backup; find out who wrote to it."
        )


class GenerationRolledBackError(RotationError):
    def __init__(self, number: int, committed: int) -> None:
        super().__init__(
            f"The store of secrets points to generation {number}, but the audit log saw generation {committed} "
            "committed: an older state was put back by hand. Nothing is served from it. Point `current` to "
            f"generations/{committed:06d} again; to go back to older content, restore it as a new generation."
        )


class GenerationUnauditedError(RotationError):
    def __init__(self, number: int) -> None:
        super().__init__(
            f"Generation {number} of the secrets was put in place without an entry in the audit log. Nothing is served "
            "from it. Restore the storage folder and the audit database from backups of the same time."
        )


class EffectUnknownError(RotationError):
    def __init__(self, kind: object) -> None:
        super().__init__(f"There is no such change in a database as {kind!r}. It was not made; update the program.")


class EffectFailedError(RotationError):
    """The cause tells why; the change is made again before the next rotation and at the next start."""

    def __init__(self, number: int, kind: str) -> None:
        super().__init__(
            f"Generation {number} is committed, but its change {kind!r} in the database could not be made yet. It is "
            "tried again before the next change and at the next start. Check the disk and the database, then repeat."
        )


class RotationAudit(AuditPort, Protocol):
    """What a rotation needs of the audit log."""

    def introduce_key(self, public_key: str, endorsement: str) -> None:
        """Go on with a new checkpoint key that its predecessor endorsed (hexadecimal); the present one is left."""
        ...

    def last(
        self, *, verb: str | None = None, phase: str | None = None, request_id: str | None = None
    ) -> AuditRecord | None:
        """The newest record of a verb, phase or request."""
        ...


class RotationService:
    """Rotates keys and secrets for the runner's verbs; one at a time, from any thread."""

    def __init__(
        self,
        store: GenerationStore,
        audit: RotationAudit,
        *,
        handlers: Mapping[str, EffectHandler],
        readers: Sequence[Reader] = (),
    ) -> None:
        """`handlers` maps the kind of an after-effect to what makes it; `readers` are told of each new generation."""
        self._store = store
        self._audit = audit
        self._handlers = handlers
        self._readers = readers
        self._lock = threading.Lock()
        self._incomplete = True

    def verify_at_start(self) -> int:
        """Compare the current generation with the audit log, finish what a crash interrupted, return its number.

        Called after `recover` and before anything is served. A commit that has its intent but not its outcome is
        recorded now, and the after-effects are made again. Raises GenerationMismatchError, GenerationRolledBackError,
        GenerationUnauditedError, EffectUnknownError, EffectFailedError, AuditUnavailableError.
        """
        with self._lock:
            self._compare()
            return self._complete()

    def verify_now(self) -> None:
        """Compare the current generation with the audit log while the runner works, between two rotations.

        Raises GenerationMismatchError, GenerationRolledBackError, GenerationUnauditedError, AuditUnavailableError.
        """
        with self._lock:
            self._compare()

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Hold rotations off while the block runs."""
        with self._lock:
            yield

    def rotate(
        self,
        change: Callable[[Contents], Contents],
        *,
        request_id: str,
        reason: str,
        actor: str,
        target: str = "",
        after_effects: Sequence[Mapping[str, Any]] = (),
    ) -> Committed:
        """Audit the intent, rotate with `change` applied, audit the outcome, make the after-effects, tell the readers.

        What seals the databases stays as it is, whatever `change` makes of the categories.
        A request id that was rotated before changes nothing and answers `repeated`. Without an audit log nothing is
        rotated. Raises what `GenerationStore.rotate` raises, AuditUnavailableError, EffectUnknownError (nothing was
        done) and EffectFailedError (the generation is committed; the same request again carries on).
        """
        with self._lock:
            self._store.require_settled()
            if self._incomplete:
                self._compare()
                self._complete()
            found = self._store.find(request_id)
            if found:
                return found
            for effect in after_effects:
                self._handler(effect)
            self._incomplete = True
            with self._audit.act(verb=ROTATION, actor=actor, target=target, request_id=request_id) as act:
                committed = self._store.rotate(
                    _keeping_integrity(change),
                    request_id=request_id,
                    reason=reason,
                    actor=actor,
                    after_effects=after_effects,
                )
                act.generation = committed.number
            self._complete()
            self._prune()
            return committed

    def _compare(self) -> None:
        with self._store.current() as pinned:
            number, manifest = pinned.number, pinned.manifest
            last = self._last_commit()
            if last is None:
                # Generation 0 is made before there is an audit log to hold its commit.
                if number:
                    raise GenerationUnauditedError(number)
                return
            committed = last.entry.generation or 0
            if committed > number:
                raise GenerationRolledBackError(number, committed)
            if committed == number:
                if last.entry.detail.get("manifest_sha256") != pinned.manifest_sha256:
                    raise GenerationMismatchError(number)
                return
            asked = self._audit.last(verb=ROTATION, phase=AuditPhase.INTENT, request_id=manifest.request_id)
            if asked is None or manifest.parent != committed:
                raise GenerationUnauditedError(number)

    def _complete(self) -> int:
        """Bring audit log and databases up to the current generation; repeating it changes nothing."""
        with self._store.current() as pinned:
            number, manifest = pinned.number, pinned.manifest
            self._record_commit(pinned)
        endorsement = manifest.endorsement.signature if manifest.endorsement else ""
        self._audit.introduce_key(manifest.checkpoint_key, endorsement)
        for effect in manifest.after_effects:
            handler = self._handler(effect)
            try:
                handler(effect, number)
            except Exception as error:  # any failure leaves the change to be made; the caller is told
                raise EffectFailedError(number, effect["kind"]) from error
        self._incomplete = False
        for tell in self._readers:
            tell(number)
        return number

    def _record_commit(self, pinned: PinnedGeneration) -> None:
        last = self._last_commit()
        if last is not None and last.entry.generation == pinned.number:
            return
        manifest = pinned.manifest
        self._audit.record(
            verb=COMMIT,
            phase=AuditPhase.OUTCOME,
            actor=manifest.actor,
            request_id=manifest.request_id,
            result=AuditResult.OK,
            detail={
                "manifest_sha256": pinned.manifest_sha256,
                "parent": manifest.parent,
                "why": manifest.reason,
                "created_at": manifest.created_at,
            },
            generation=pinned.number,
        )

    def _last_commit(self) -> AuditRecord | None:
        return self._audit.last(verb=COMMIT, phase=AuditPhase.OUTCOME)

    def _handler(self, effect: Mapping[str, Any]) -> EffectHandler:
        kind = effect.get("kind")
        handler = self._handlers.get(kind) if isinstance(kind, str) else None
        if handler is None:
            raise EffectUnknownError(kind)
        return handler

    def _prune(self) -> None:
        """Remove what is past its retention; a failure is recorded and does not undo the rotation."""
        if not self._store.prunable():
            return
        # The log holds the failure; the rotation that led here is committed and stays acknowledged.
        with suppress(SecretStoreError), self._audit.act(verb=PRUNE, actor=_SYSTEM) as act:
            act.detail = {"generations": self._store.prune()}


def _keeping_integrity(change: Callable[[Contents], Contents]) -> Callable[[Contents], Contents]:
    """The change, and the sealing key of now: the databases are sealed with it, whatever generation came back."""

    def kept(present: Contents) -> Contents:
        return {**change(present), **{name: present[name] for name in (INTEGRITY,) if name in present}}

    return kept
