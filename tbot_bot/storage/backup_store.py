"""Snapshots: the databases of one moment with the generation that counted then, each in a folder of its own.

    backups/snapshot-20260302T143000Z-000042/
        LEDGER.db CONTROL.db SYSTEM_USERS.db AUDIT.db   what there was of them
        generation/{keys/*.key, secrets/*.json.enc, MANIFEST.json}
        MANIFEST.json

A snapshot is written beside the others and gets its name by one rename; it is removed by one rename too.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tbot_bot.domain.time import Clock, to_rfc3339
from tbot_bot.storage import backup_facts as facts
from tbot_bot.storage.backup_errors import (
    BackupDamagedError,
    BackupFailedError,
    BackupNotFoundError,
    BackupSpaceError,
)
from tbot_bot.storage.database_copy import DatabaseUnreadableError, copy_database, fault_of, opened_copy
from tbot_bot.storage.filesystem import (
    Filesystem,
    UnsafeFileError,
    create_file,
    hash_file,
    make_folder,
    open_folder,
    opened,
    present,
    read_file,
    remove_tree,
    require_plain_file,
    sync_file,
    sync_folder,
)
from tbot_bot.storage.generation import KEYS, NOT_PLAIN, SECRETS, SIZE_MAX, PinnedGeneration, pin
from tbot_bot.storage.manifest import MANIFEST, FileEntry, ManifestError, sha256
from tbot_bot.storage.secret_errors import GenerationInvalidError, SecretStoreError
from tbot_bot.storage.snapshot_manifest import ChainHead, SnapshotManifest, parse, render

LEDGER, CONTROL, USERS, AUDIT = "LEDGER.db", "CONTROL.db", "SYSTEM_USERS.db", "AUDIT.db"
#: In the order in which they are copied: the audit trail last, so that it knows of all that the others hold.
DATABASES = (LEDGER, CONTROL, USERS, AUDIT)
GENERATION = "generation"
#: Free space that is left to the others when a snapshot is made, in bytes.
SPACE_LEFT = 64 * 1024 * 1024
_NAME = re.compile(r"snapshot-[0-9]{8}T[0-9]{6}Z-[0-9]{6,}")
#: What a restore moved aside.
_ASIDE = re.compile(r"replaced-([0-9]{8}T[0-9]{6}Z)-[0-9]{6,}")
_DEBRIS = (".partial", ".trash")


class SupersededError(Exception):
    """Keys and secrets were rotated while the snapshot was made: it would not be of one moment."""


@dataclass(frozen=True, slots=True)
class SnapshotRequest:
    """Who wants a snapshot of which bot, and why."""

    bot: str
    actor: str
    reason: str
    request_id: str


class BackupStore:
    """The snapshots in `folder`; one process writes them, one at a time, any thread reads."""

    def __init__(
        self, folder: Path, *, clock: Clock, filesystem: Filesystem, pause: Callable[[float], object] = time.sleep
    ) -> None:
        """`pause` waits so many seconds between two steps of a long copy."""
        self._folder = folder
        self._clock = clock
        self._filesystem = filesystem
        self._pause = pause
        self._lock = threading.Lock()

    def names(self) -> tuple[str, ...]:
        """Every snapshot, whole or not, oldest name first."""
        return tuple(name for name in self._listed() if _NAME.fullmatch(name))

    def asides(self) -> dict[str, datetime]:
        """What restores moved aside, and when."""
        found = {name: _ASIDE.fullmatch(name) for name in self._listed()}
        return {
            name: datetime.strptime(match[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            for name, match in found.items()
            if match
        }

    def path(self, name: str) -> Path:
        """The folder of a snapshot; raises BackupNotFoundError."""
        if not _NAME.fullmatch(name) or not present(self._filesystem, self._folder / name):
            raise BackupNotFoundError(name)
        return self._folder / name

    def read(self, name: str) -> SnapshotManifest:
        """The manifest of a snapshot whose files are there and have their sizes; raises BackupDamagedError."""
        with self._open(name) as folder:
            manifest = self._manifest(name, folder)
            self._require_files(name, folder, manifest)
        return manifest

    def verify(self, name: str) -> SnapshotManifest:
        """Check every byte of a snapshot, its databases, and that its secrets decrypt; raises BackupDamagedError."""
        manifest = self.read(name)
        with self._open(name) as folder:
            for path, entry in manifest.files.items():
                where, _, file = path.rpartition("/")
                with _named(name, path), self._inner(folder, where) as inner:
                    found, size = hash_file(self._filesystem, file, dir_fd=inner)
                if FileEntry(sha256=found, size=size) != entry:
                    raise BackupDamagedError(name, path, "was changed since it was written")
        with self.generation(name, manifest) as pinned:
            _require_generation(name, manifest, pinned)
        for database in DATABASES:
            if database in manifest.files:
                fault = fault_of(self._folder / name / database)
                if fault:
                    raise BackupDamagedError(name, database, f"is no sound database: {fault}")
        self._require_moment(name, manifest)
        return manifest

    @contextmanager
    def generation(self, name: str, manifest: SnapshotManifest) -> Iterator[PinnedGeneration]:
        """Hold the generation in a snapshot; raises BackupDamagedError."""
        try:
            with pin(self._filesystem, self._clock, self.path(name) / GENERATION, manifest.generation) as pinned:
                yield pinned
        except GenerationInvalidError as error:
            raise BackupDamagedError(name, f"{GENERATION}/{error.file}", error.fault) from error

    def write(
        self,
        request: SnapshotRequest,
        sources: Mapping[str, Path],
        pinned: PinnedGeneration,
        counts: Callable[[], bool],
    ) -> SnapshotManifest:
        """Make a snapshot of `sources` (by their names in DATABASES) and of a generation that still `counts`.

        Raises BackupSpaceError, BackupFailedError, and SupersededError when the generation ceased to count meanwhile.
        """
        with self._lock, _disk("No snapshot was made"):
            make_folder(self._filesystem, self._folder)
            sync_folder(self._filesystem, self._folder.parent)
            self._sweep()
            self._require_space(sources, pinned)
            name = self._free_name(pinned.number)
            partial = self._folder / f"{name}.partial"
            try:
                manifest = self._fill(partial, name, request, sources, pinned)
                _require_one_moment(partial, manifest, counts=counts())
                self._filesystem.rename(partial, self._folder / name)
            except (OSError, DatabaseUnreadableError, SecretStoreError, SupersededError) as error:
                with suppress(OSError):  # the error that led here is the one to tell
                    self._discard(partial)
                if isinstance(error, OSError | SupersededError):
                    raise
                raise BackupFailedError("No snapshot was made", str(error).rstrip(".")) from error
            sync_folder(self._filesystem, self._folder)
            return manifest

    def remove(self, names: Sequence[str]) -> None:
        """Remove snapshots or asides, each at once; what a crash leaves of one goes before the next is made."""
        with self._lock, _disk("Old backups were not removed"):
            for name in names:
                self._discard(self._folder / name)
            if names:
                sync_folder(self._filesystem, self._folder)

    def sweep(self) -> None:
        """Remove what interrupted work left behind."""
        with self._lock, _disk("Old backups were not removed"):
            if present(self._filesystem, self._folder):
                self._sweep()

    def free_bytes(self) -> int:
        """Free space on the disk that holds the backups."""
        place = self._folder if present(self._filesystem, self._folder) else self._folder.parent
        with _disk("The backups' disk cannot be asked for its space"):
            disk = self._filesystem.statvfs(place)
        return disk.f_bavail * disk.f_frsize

    def _listed(self) -> list[str]:
        with _disk("The backups cannot be listed"):
            return self._filesystem.listdir(self._folder) if present(self._filesystem, self._folder) else []

    # The steps of making one

    def _fill(
        self,
        partial: Path,
        name: str,
        request: SnapshotRequest,
        sources: Mapping[str, Path],
        pinned: PinnedGeneration,
    ) -> SnapshotManifest:
        made_at = to_rfc3339(self._clock.now())
        folders = (partial, partial / GENERATION, partial / GENERATION / KEYS, partial / GENERATION / SECRETS)
        for folder in folders:
            self._filesystem.mkdir(folder)
        files: dict[str, FileEntry] = {}
        for path, data in pinned.copy().items():
            create_file(self._filesystem, folders[1] / path, data)
            files[f"{GENERATION}/{path}"] = FileEntry(sha256=sha256(data), size=len(data))
        for database in (one for one in DATABASES if one in sources):
            copy_database(sources[database], partial / database, self._pause)
            sync_file(self._filesystem, partial / database)
        with opened(self._filesystem, open_folder(self._filesystem, partial)) as descriptor:
            for database in (one for one in DATABASES if one in sources):
                found, size = hash_file(self._filesystem, database, dir_fd=descriptor)
                files[database] = FileEntry(sha256=found, size=size)
        with opened_copy(partial / AUDIT) as audit:
            installation, head = facts.installation(audit), facts.audit_head(audit)
        manifest = SnapshotManifest(
            name=name,
            installation=installation,
            bot=request.bot,
            generation=pinned.number,
            made_at=made_at,
            actor=request.actor,
            reason=request.reason,
            request_id=request.request_id,
            files=files,
            audit=head,
            ledger=self._ledger_head(partial, sources),
            versions=facts.versions({one: partial / one for one in (USERS, CONTROL) if one in sources}),
            checkpoint_key=pinned.manifest.checkpoint_key,
        )
        create_file(self._filesystem, partial / MANIFEST, render(manifest, pinned.checkpoint_key()))
        for place in reversed(folders):
            sync_folder(self._filesystem, place)
        return manifest

    @staticmethod
    def _ledger_head(partial: Path, sources: Mapping[str, Path]) -> ChainHead | None:
        if LEDGER not in sources:
            return None
        with opened_copy(partial / LEDGER) as ledger:
            return facts.ledger_head(ledger)

    def _require_space(self, sources: Mapping[str, Path], pinned: PinnedGeneration) -> None:
        logs = [path.with_name(f"{path.name}-wal") for path in sources.values()]
        present_files = [path for path in (*sources.values(), *logs) if present(self._filesystem, path)]
        needed = sum(self._filesystem.lstat(path).st_size for path in present_files) + 2 * pinned.size + SPACE_LEFT
        free = self.free_bytes()
        if free < needed:
            raise BackupSpaceError("No snapshot was made", needed, free, str(self._folder))

    def _free_name(self, generation: int) -> str:
        """A name by time; one that is taken, as after the clock was set back, is left for the next second."""
        at = self._clock.now()
        while True:
            name = f"snapshot-{at:%Y%m%dT%H%M%SZ}-{generation:06d}"
            if not present(self._filesystem, self._folder / name):
                return name
            at += timedelta(seconds=1)

    def _sweep(self) -> None:
        for name in self._filesystem.listdir(self._folder):
            if name.endswith(_DEBRIS):
                remove_tree(self._filesystem, self._folder / name)

    def _discard(self, folder: Path) -> None:
        if not present(self._filesystem, folder):
            return
        trash = folder.with_name(f"{folder.name.partition('.')[0]}.trash")
        self._filesystem.rename(folder, trash)
        remove_tree(self._filesystem, trash)

    # What is checked

    @contextmanager
    def _open(self, name: str) -> Iterator[int]:
        path = self.path(name)
        with _named(name, "its folder"):
            descriptor = open_folder(self._filesystem, path)
        with opened(self._filesystem, descriptor):
            yield descriptor

    @contextmanager
    def _inner(self, folder: int, path: str) -> Iterator[int]:
        """Open a folder inside an open one, step by step so that no link is followed."""
        if not path:
            yield folder
            return
        first, _, rest = path.partition("/")
        with (
            opened(self._filesystem, open_folder(self._filesystem, first, dir_fd=folder)) as inner,
            self._inner(inner, rest) as last,
        ):
            yield last

    def _manifest(self, name: str, folder: int) -> SnapshotManifest:
        with _named(name, MANIFEST):
            data = read_file(self._filesystem, MANIFEST, dir_fd=folder, size_max=SIZE_MAX)
        try:
            manifest = parse(data)
        except ManifestError as error:
            raise BackupDamagedError(name, MANIFEST, str(error)) from error
        if manifest.name != name:
            raise BackupDamagedError(name, MANIFEST, f"belongs to {manifest.name}")
        return manifest

    def _require_files(self, name: str, folder: int, manifest: SnapshotManifest) -> None:
        """Every file that the manifest names is there with its size, and nothing else is."""
        inner = ("", GENERATION, f"{GENERATION}/{KEYS}", f"{GENERATION}/{SECRETS}")
        found: set[str] = set()
        for path in inner:
            with _named(name, path or "its folder"), self._inner(folder, path) as opened_inner:
                found |= {f"{path}/{one}".lstrip("/") for one in self._filesystem.listdir(opened_inner)}
        for extra in sorted(found - manifest.files.keys() - {MANIFEST, *inner}):
            raise BackupDamagedError(name, extra, "is not in the manifest")
        for path, entry in manifest.files.items():
            if path not in found:
                raise BackupDamagedError(name, path, "is missing")
            with _named(name, path):
                status = self._filesystem.lstat(self._folder / name / path)
                require_plain_file(status)
            if status.st_size != entry.size:
                raise BackupDamagedError(name, path, f"has {status.st_size} bytes instead of {entry.size}")

    def _require_moment(self, name: str, manifest: SnapshotManifest) -> None:
        """The audit trail in it begins with this home's first entry and ends where the manifest says."""
        try:
            with opened_copy(self._folder / name / AUDIT) as audit:
                said = (facts.installation(audit), facts.audit_head(audit))
        except DatabaseUnreadableError as error:
            raise BackupDamagedError(name, AUDIT, f"is no audit trail: {error}") from error
        if said != (manifest.installation, manifest.audit):
            raise BackupDamagedError(name, AUDIT, "is not the audit trail that the manifest names")


def snapshot_generation(name: str) -> int:
    """The generation in a snapshot, by its name."""
    return int(name.rpartition("-")[2])


def _require_one_moment(folder: Path, manifest: SnapshotManifest, *, counts: bool) -> None:
    """Raise SupersededError when the generation ceased to count, or the trail has yet to hear that it does."""
    with opened_copy(folder / AUDIT) as audit:
        known = facts.checkpoint_key(audit)
    if not counts or known != manifest.checkpoint_key:
        raise SupersededError


def _require_generation(name: str, manifest: SnapshotManifest, pinned: PinnedGeneration) -> None:
    pinned.verify()
    if pinned.manifest.checkpoint_key != manifest.checkpoint_key:
        raise BackupDamagedError(name, MANIFEST, "was signed with the key of another generation")


@contextmanager
def _named(name: str, path: str) -> Iterator[None]:
    """Turn what the disk says about a file of a snapshot into an error that names it."""
    try:
        yield
    except FileNotFoundError as error:
        raise BackupDamagedError(name, path, "is missing") from error
    except UnsafeFileError as error:
        raise BackupDamagedError(name, path, str(error)) from error
    except OSError as error:
        fault = NOT_PLAIN.get(error.errno or 0, f"cannot be read ({error.strerror})")
        raise BackupDamagedError(name, path, fault) from error


@contextmanager
def _disk(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BackupFailedError(what, error.strerror or str(error)) from error
