"""A restore of databases, prepared while the runner runs and put in place by its next start, before anything is opened.

    restore/{LEDGER.db, CONTROL.db, SYSTEM_USERS.db, AUDIT.db, PLAN.json}   what was prepared, whole or not at all

Each database of now is moved aside with its log before the prepared one takes its place, so that whatever moment a
crash or a power loss picks, doing it again leads to the same end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tbot_bot.domain.canonical import canonical_json
from tbot_bot.storage.backup_errors import BackupDamagedError, BackupFailedError, RestoreDamagedError
from tbot_bot.storage.filesystem import (
    Filesystem,
    UnsafeFileError,
    copy_file,
    create_file,
    hash_file,
    make_folder,
    open_folder,
    opened,
    present,
    read_file,
    remove_tree,
    sync_folder,
)
from tbot_bot.storage.generation import SIZE_MAX
from tbot_bot.storage.manifest import FileEntry
from tbot_bot.storage.snapshot_manifest import BotName, ChainHead

PLAN = "PLAN.json"
DatabaseName = Annotated[str, Field(pattern=r"^(LEDGER|CONTROL|SYSTEM_USERS|AUDIT)\.db$")]
#: SQLite keeps what is not in the database file yet beside it.
_LOGS = ("", "-wal", "-shm")


class RestorePlan(BaseModel):
    """What is to be restored from which backup, who asked for it, and what is lost by it.

    `files` are the databases by their names in a snapshot, `bot` names the bot whose ledger is among them; `aside` is
    the folder that takes those of now. `lost` are the ends of the chains of now, by part. `generation` is the one that
    the restore made of the secrets.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    backup: Annotated[str, Field(pattern=r"^(snapshot|generation)-[0-9TZ-]+$")]
    backup_made_at: str
    bot: BotName
    parts: list[str]
    actor: str
    reason: str
    request_id: str
    asked_at: str
    aside: Annotated[str, Field(pattern=r"^replaced-[0-9TZ-]+$")]
    generation: int
    files: dict[DatabaseName, FileEntry]
    lost: dict[str, ChainHead]
    versions: dict[str, int]


class RestoreFolder:
    """The prepared restore of a home, in `folder`; only the runner writes it."""

    def __init__(self, folder: Path, filesystem: Filesystem) -> None:
        self._folder = folder
        self._filesystem = filesystem

    def pending(self) -> RestorePlan | None:
        """The plan that waits to be carried out; raises RestoreDamagedError."""
        if not present(self._filesystem, self._folder):
            return None
        with self._named(PLAN), self._open(self._folder) as folder:
            data = read_file(self._filesystem, PLAN, dir_fd=folder, size_max=SIZE_MAX)
        try:
            return RestorePlan.model_validate_json(data)
        except ValidationError as error:
            raise RestoreDamagedError(PLAN, "cannot be read as a plan") from error

    def prepare(self, plan: RestorePlan, backup: Path) -> None:
        """Copy the databases of a backup and write the plan; one that was prepared before is given up.

        Raises BackupDamagedError when a copy is not what the plan says, BackupFailedError.
        """
        partial = self._folder.with_name(f"{self._folder.name}.partial")
        try:
            self.sweep()
            self._write(partial, plan, backup)
            self._discard()
            self._filesystem.rename(partial, self._folder)
            sync_folder(self._filesystem, self._folder.parent)
        except (OSError, UnsafeFileError, BackupDamagedError) as error:
            with suppress(OSError):  # the error that led here is the one to tell
                self.sweep()
            if isinstance(error, OSError):
                raise BackupFailedError("The restore was not prepared", error.strerror or str(error)) from error
            if isinstance(error, UnsafeFileError):
                raise BackupDamagedError(plan.backup, "a database", str(error)) from error
            raise

    def _write(self, partial: Path, plan: RestorePlan, backup: Path) -> None:
        self._filesystem.mkdir(partial)
        with self._open(backup) as source:
            for name in plan.files:
                copy_file(self._filesystem, name, partial / name, dir_fd=source)
        self._require_whole(partial, plan)
        create_file(self._filesystem, partial / PLAN, canonical_json(plan.model_dump()))
        sync_folder(self._filesystem, partial)

    def carry_out(self, plan: RestorePlan, targets: Mapping[str, Path], aside: Path) -> None:
        """Put every prepared database in its place, once, with that of now moved to the folder `aside`.

        `targets` says where each database stands. Raises RestoreDamagedError before anything is moved when a prepared
        file is not what was written, and OSError.
        """
        waiting = [name for name in plan.files if present(self._filesystem, self._folder / name)]
        if not waiting:
            return
        self._require_prepared(plan, waiting)
        for folder in (aside.parent, aside):
            make_folder(self._filesystem, folder)
            sync_folder(self._filesystem, folder.parent)
        for name in waiting:
            target = targets[name]
            self._make_way(target.parent)
            for end in _LOGS:
                standing = target.with_name(f"{target.name}{end}")
                if present(self._filesystem, standing):
                    self._filesystem.rename(standing, self._free(aside / f"{name}{end}"))
            # What is moved aside must be safe there before anything takes its name.
            sync_folder(self._filesystem, aside)
            sync_folder(self._filesystem, target.parent)
            self._filesystem.rename(self._folder / name, target)
            sync_folder(self._filesystem, target.parent)
            sync_folder(self._filesystem, self._folder)

    def close(self) -> None:
        """The restore is carried out and recorded: nothing of it is left to be done."""
        self._discard()
        sync_folder(self._filesystem, self._folder.parent)

    def sweep(self) -> None:
        """Remove what an interrupted preparation or end left behind."""
        for end in (".partial", ".trash"):
            debris = self._folder.with_name(f"{self._folder.name}{end}")
            if present(self._filesystem, debris):
                remove_tree(self._filesystem, debris)

    def _discard(self) -> None:
        if present(self._filesystem, self._folder):
            trash = self._folder.with_name(f"{self._folder.name}.trash")
            self._filesystem.rename(self._folder, trash)
            remove_tree(self._filesystem, trash)

    def _require_whole(self, folder: Path, plan: RestorePlan) -> None:
        with self._open(folder) as descriptor:
            for name, entry in plan.files.items():
                found, size = hash_file(self._filesystem, name, dir_fd=descriptor)
                if FileEntry(sha256=found, size=size) != entry:
                    raise BackupDamagedError(plan.backup, name, "was changed since it was written")

    def _require_prepared(self, plan: RestorePlan, waiting: list[str]) -> None:
        with self._open(self._folder) as folder:
            for name in waiting:
                with self._named(name):
                    found, size = hash_file(self._filesystem, name, dir_fd=folder)
                if FileEntry(sha256=found, size=size) != plan.files[name]:
                    raise RestoreDamagedError(name, "was changed since it was prepared")

    def _make_way(self, folder: Path) -> None:
        """Make the folders of a place that was lost."""
        if not present(self._filesystem, folder):
            self._make_way(folder.parent)
            self._filesystem.mkdir(folder)
            sync_folder(self._filesystem, folder.parent)

    def _free(self, path: Path) -> Path:
        """A name beside what is kept already: nothing that was moved aside is ever written over."""
        number, free = 1, path
        while present(self._filesystem, free):
            number += 1
            free = path.with_name(f"{path.name}.{number}")
        return free

    @contextmanager
    def _open(self, folder: Path) -> Iterator[int]:
        with opened(self._filesystem, open_folder(self._filesystem, folder)) as descriptor:
            yield descriptor

    @contextmanager
    def _named(self, name: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise RestoreDamagedError(name, "is missing") from error
        except UnsafeFileError as error:
            raise RestoreDamagedError(name, str(error)) from error
