"""What is not as the system left it, found when a home is opened.

HomeDamagedError   the home cannot be opened: it holds what the system did not leave there
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError

from tbot_bot.api.backups import Finding
from tbot_bot.audit.keys import KeyRefusedError
from tbot_bot.config.paths import Home
from tbot_bot.config.rotation import (
    EffectFailedError,
    GenerationMismatchError,
    GenerationRolledBackError,
    GenerationUnauditedError,
)
from tbot_bot.domain.audit import AuditUnavailableError
from tbot_bot.domain.identity import UsersUnavailableError
from tbot_bot.domain.integrity import TamperedError
from tbot_bot.domain.time import Clock, to_rfc3339
from tbot_bot.storage.backup_errors import BackupDamagedError, RestoreDamagedError
from tbot_bot.storage.engine import is_damage
from tbot_bot.storage.places import Place, misplaced
from tbot_bot.storage.secret_errors import ClockSetBackError, GenerationInvalidError, NoGenerationError

SECRETS = "Keys and secrets"
AUDIT = "Audit trail"
USERS = "Users"
CONTROL = "Control record"
RESTORE = "Prepared restore"
LEDGER = "Ledger"
PLACES = "Folders and files"
CLOCK = "Clock"

_RESTORE = "Nothing is served from it. Restore it from a backup, and find out who or what wrote to it."
#: Errors that always mean damage, and those that do only when a damaged database caused them.
_ALWAYS = (
    GenerationInvalidError,
    NoGenerationError,
    GenerationMismatchError,
    GenerationRolledBackError,
    GenerationUnauditedError,
    KeyRefusedError,
    CommandError,
    BackupDamagedError,
    RestoreDamagedError,
    TamperedError,
    ClockSetBackError,
)
_BY_CAUSE = (AuditUnavailableError, UsersUnavailableError, EffectFailedError)


class HomeDamagedError(Exception):
    """Something in the home was changed, lost or put back; nothing is served from it. `findings` names each."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__(" ".join(f"{one.subject}: {one.what} {one.next_step}" for one in findings))
        self.findings = tuple(findings)


class Inspection:
    """Collects what is found wrong with the parts of a home, so that all of it is told at once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.findings: list[Finding] = []

    @contextmanager
    def of(self, subject: str) -> Iterator[None]:
        """Note damage that shows itself in the block; a disk that is full or fails is none, and goes on."""
        try:
            yield
        except (*_ALWAYS, *_BY_CAUSE, SQLAlchemyError) as error:
            if not _shows_damage(error):
                raise
            self.findings.append(finding(subject, error, self._clock))

    def require_file(self, subject: str, path: Path) -> None:
        """Note a file that is not there any more: to make a new one in its place would hide the loss."""
        if not path.exists():
            self._note(subject, f"The file {path.name} is missing.")

    def require_keys(self, home: Home) -> None:
        """Note that every key is gone where there were some: new ones would make an empty home of a used one."""
        if (home.storage / "generations").exists() or not (
            home.backups.exists() or any(home.root.glob("output/*/ledgers/LEDGER.db"))
        ):
            return
        self._note(SECRETS, "The folder storage/generations is missing.")

    def places(self, places: Iterable[Place]) -> None:
        """Note what is wrong with these folders and files."""
        for one in misplaced(places):
            self._note(PLACES, f"{one.what}.", one.next_step)

    def require_none(self) -> None:
        """Raise HomeDamagedError if anything was found so far."""
        if self.findings:
            raise HomeDamagedError(self.findings)

    def _note(self, subject: str, what: str, next_step: str = _RESTORE) -> None:
        at = to_rfc3339(self._clock.now())
        self.findings.append(Finding(subject=subject, what=what, next_step=next_step, found_at=at))


def finding(subject: str, error: Exception, clock: Clock) -> Finding:
    """The finding that an error tells of: its first sentence says what is wrong, the others what to do."""
    if isinstance(error, TamperedError):
        what, next_step = f"{error.what[:1].upper()}{error.what[1:]}.", _RESTORE
        return Finding(subject=error.subject, what=what, next_step=next_step, found_at=to_rfc3339(clock.now()))
    cause = error if isinstance(error, SQLAlchemyError) else error.__cause__
    if isinstance(cause, SQLAlchemyError):
        why = getattr(cause, "orig", None) or cause
        what, next_step = f"The database cannot be read as it was written: {why}.", _RESTORE
    else:
        first, _, rest = str(error).partition(". ")
        what, next_step = f"{first.rstrip('.')}.", rest or _RESTORE
    return Finding(subject=subject, what=what, next_step=next_step, found_at=to_rfc3339(clock.now()))


def _shows_damage(error: Exception) -> bool:
    if isinstance(error, _ALWAYS):
        return True
    if isinstance(error, SQLAlchemyError):
        return is_damage(error)
    cause = error.__cause__
    if isinstance(cause, (*_ALWAYS, *_BY_CAUSE, SQLAlchemyError)):
        return _shows_damage(cause)
    return isinstance(error, AuditUnavailableError)  # the chain itself is not what it should be
