"""Failures of backups; each says what stands, and what to do next.

BackupError
+-- BackupNotFoundError    there is no backup of that name
+-- BackupDamagedError     a backup is not what was written, or is another home's
+-- BackupSpaceError       too little space is free
+-- RestoreDamagedError    what was prepared for a restore is not what was written
+-- BackupFailedError      the disk or a database refused; nothing half-made is left
"""

from __future__ import annotations

_MIB = 1024 * 1024


class BackupError(Exception):
    """Something about a backup went wrong; the message is for the operator."""


class BackupNotFoundError(BackupError):
    """No backup has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no backup called {name[:80]!r}. Reload the list: it may have been past its time.")


class BackupDamagedError(BackupError):
    """`file` of a backup is not as it was written: `fault` says what is wrong with it."""

    def __init__(self, name: str, file: str, fault: str) -> None:
        super().__init__(
            f"The backup {name} is not as it was written: {file} {fault}. Nothing is restored from it. Take another "
            "backup, or put this one back from a copy on another machine."
        )
        self.name = name
        self.file = file
        self.fault = fault


class RestoreDamagedError(BackupError):
    """`file` of a prepared restore is not as it was written: `fault` says what is wrong with it."""

    def __init__(self, file: str, fault: str) -> None:
        super().__init__(
            f"The restore that was prepared is not as it was written: {file} {fault}. It was not carried out any "
            "further. Prepare a restore again, or remove storage/restore to go on with the databases of now."
        )
        self.file = file
        self.fault = fault


class BackupSpaceError(BackupError):
    """Said before anything is written."""

    def __init__(self, what: str, needed: int, free: int, place: str) -> None:
        super().__init__(
            f"{what}: it needs {needed // _MIB + 1} MiB and {free // _MIB} MiB are free on the disk of "
            f"{place}. Nothing else is affected. Move old logs or copies of backups to another disk, then try again."
        )


class BackupFailedError(BackupError):
    """Nothing half-made is left, and what stood before stands."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(
            f"{what}: {why}. Nothing half-made is left and the bot is not affected. Look at the disk and the free "
            "space, then try again."
        )
