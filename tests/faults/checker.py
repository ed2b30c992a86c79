"""What must hold of a home after any fault; each rule is one function that tells what broke it."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from tbot_bot.config.rotation import COMMIT, ROTATION, RotationError
from tbot_bot.domain.audit import AuditFilter, AuditPhase, AuditRecord, AuditUnavailableError
from tbot_bot.storage.filesystem import Filesystem
from tbot_bot.storage.secret_errors import GenerationInvalidError, NoGenerationError, SecretStoreError
from tests.faults.vault import Vault, contents, effect, opened, request_id, secrets_in

#: What a runner that cannot start says by name.
NAMED = (SecretStoreError, RotationError, AuditUnavailableError)
#: So many records of a kind are looked at, newest first: all but in a home that was rotated a thousand times.
_NEWEST = 40


@dataclass(frozen=True, slots=True)
class Asked:
    """Request `number` was made of a home that held the content of request `before`, at `generation`."""

    before: int
    number: int
    generation: int
    count: int
    acknowledged: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """What a home holds: its generation, whether its secrets are all old, and whether they are all new."""

    number: int
    is_old: bool
    is_new: bool

    @classmethod
    def by(cls, vault: Vault, asked: Asked) -> Held:
        with vault.store.current() as pinned:
            found = secrets_in(pinned)
            old, new = (contents(number, asked.count) for number in (asked.before, asked.number))
            return cls(pinned.number, found == old, found == new)


Rule = Callable[[Vault, Asked, Held], Iterator[str]]


def secrets_are_of_one_request(_vault: Vault, asked: Asked, held: Held) -> Iterator[str]:
    """All of the old or all of the new; and the new if the answer had gone out."""
    if not (held.is_old or held.is_new):
        yield "the secrets are neither all old nor all new"
    if held.is_old and asked.acknowledged:
        yield "a rotation was acknowledged and is lost"
    if held.number != asked.generation + held.is_new:
        yield f"the number is {held.number} after {asked.generation}"


def effects_are_carried_through(vault: Vault, asked: Asked, held: Held) -> Iterator[str]:
    """The users database agrees with the secrets."""
    counts = asked.number if held.is_new else asked.before
    if vault.password_hash() != effect(counts)["password_hash"]:
        yield f"the users database does not hold what belongs to request {counts}"


def audit_tells_all(vault: Vault, _asked: Asked, _held: Held) -> Iterator[str]:
    """Numbers rise, each generation was asked for and committed once, and the last commit is what is held."""
    records = _records(vault, COMMIT, AuditPhase.OUTCOME)
    commits = [one.entry for one in records]
    intents = {one.entry.request_id: one.seq for one in _records(vault, ROTATION, AuditPhase.INTENT)}
    numbers = [entry.generation or 0 for entry in commits]
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        yield f"the audit log's generations do not rise one by one: {numbers[-5:]}"
    unasked = [entry.generation for entry in commits[1:][-_NEWEST // 2 :] if entry.request_id not in intents]
    if unasked:
        yield f"the audit log has no intent for {unasked}"
    with vault.store.current() as pinned:
        if (numbers[-1], commits[-1].detail["manifest_sha256"]) != (pinned.number, pinned.manifest_sha256):
            yield "the audit log's last commit is not the generation that is held"
    if not vault.audit.verify(records[0].seq if len(records) == _NEWEST else 0).ok:
        yield "the audit chain is broken"


def nothing_lies_about(vault: Vault, _asked: Asked, _held: Held) -> Iterator[str]:
    """No debris, and nothing that others may read."""
    disk, storage = vault.disk, vault.root / "storage"
    top = set(disk.listdir(storage))
    if top != {".lock", "current", "generations", "keys", "secrets"}:
        yield f"the storage folder holds {sorted(top)}"
    for path in _below(disk, storage):
        mode = disk.lstat(path).st_mode
        if path.parent.name == "generations" and not path.name.isdecimal():
            yield f"{path.name} was left behind"
        if not stat.S_ISLNK(mode) and stat.S_IMODE(mode) != (0o700 if stat.S_ISDIR(mode) else 0o600):
            yield f"{path.name} has mode {stat.S_IMODE(mode):04o}"


def a_retry_rotates_once(vault: Vault, asked: Asked, held: Held) -> Iterator[str]:
    """The same request leads to the new content, once, and says when it had already been made."""
    for is_repeat in (held.is_new, True):
        committed = vault.rotate(asked.number)
        if (committed.number, committed.repeated) != (asked.generation + 1, is_repeat):
            yield f"a retry answered generation {committed.number}, repeated: {committed.repeated}"
    if len([one for one in _records(vault, COMMIT, None) if one.entry.request_id == request_id(asked.number)]) != 1:
        yield "a request was committed more than once"


STANDING: tuple[Rule, ...] = (
    secrets_are_of_one_request,
    effects_are_carried_through,
    audit_tells_all,
    nothing_lies_about,
)


def violations(vault: Vault, asked: Asked) -> list[str]:
    """Start the home anew, and again after its request was repeated; what does not hold, nothing when all does."""
    with opened(vault):
        try:
            vault.start()
            held = Held.by(vault, asked)
            found = [f for rule in (*STANDING, a_retry_rotates_once) for f in rule(vault, asked, held)]
            vault.start()
            held = Held.by(vault, asked)
            return found + [f for rule in STANDING for f in rule(vault, replace(asked, acknowledged=True), held)]
        except (*NAMED, SQLAlchemyError, OSError) as error:
            return [f"it does not start or rotate: {error!r}"]


def told_falsely(outcome: Exception | None, vault: Vault, asked: Asked) -> list[str]:
    """What a process in which something failed said, against what its home then holds."""
    if outcome is not None and not isinstance(outcome, NAMED):
        return [f"an error without a name: {outcome!r}"]
    if isinstance(outcome, (GenerationInvalidError, NoGenerationError)):
        return [f"a failing disk was called damage: {outcome!r}"]
    held = Held.by(vault, asked)
    if outcome is None and not held.is_new:
        return ["a success that changed nothing"]
    if "nothing was changed" in str(outcome) and not held.is_old:
        return ["a failure that changed something"]
    return []


def _below(disk: Filesystem, folder: Path) -> Iterator[Path]:
    for name in disk.listdir(folder):
        yield folder / name
        if stat.S_ISDIR(disk.lstat(folder / name).st_mode):
            yield from _below(disk, folder / name)


def _records(vault: Vault, verb: str, phase: AuditPhase | None) -> list[AuditRecord]:
    """Oldest first."""
    return list(reversed(vault.audit.page(AuditFilter(verb=verb, phase=phase), limit=_NEWEST).items))
