"""Whether anything was changed behind the system's back: named checks, made at any sign of a change and on a timer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
from sqlalchemy.exc import SQLAlchemyError

from tbot_bot.api.backups import Finding
from tbot_bot.config.places import places_of
from tbot_bot.control.damage import AUDIT, CLOCK, CONTROL, PLACES, SECRETS, USERS, Inspection
from tbot_bot.control.foundation import Foundation
from tbot_bot.domain.audit import AuditUnavailableError
from tbot_bot.domain.identity import UsersUnavailableError
from tbot_bot.storage.secret_errors import SecretStoreError, require_clock

log = structlog.get_logger("integrity")
GLANCE_EVERY_S = 2.0
#: Everything is looked at this often, whether or not a file shows that it was written.
EVERYTHING_EVERY_S = 600.0
#: What keeps a check from being made; whoever needs that disk says so, and the check is made at the next glance.
_TROUBLE = (OSError, SQLAlchemyError, AuditUnavailableError, UsersUnavailableError, SecretStoreError)
_LOG = "-wal"
_Signature = tuple[tuple[int, ...] | None, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to check: `run` raises or notes what is wrong; a change of `places` is a sign to do so.

    What has no places is checked each time.
    """

    subject: str
    places: Callable[[], Sequence[Path]]
    run: Callable[[Inspection], None]


class IntegrityWatch:
    """Makes the checks in a thread of its own and keeps what stands found; `findings` is what is wrong now."""

    def __init__(self, foundation: Foundation) -> None:
        self._foundation = foundation
        self._checks = _checks(foundation)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._seen: dict[str, _Signature] = {}
        self._found: dict[str, list[Finding]] = {}
        self._everything_at_s = 0.0

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is not as the system left it."""
        return tuple(one for found in list(self._found.values()) for one in found)

    def start(self) -> None:
        """Look from now on, until `stop`."""
        threading.Thread(target=self._run, name="integrity", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._ended.set()

    def look(self, *, everything: bool = False) -> tuple[Finding, ...]:
        """Make the checks whose files were touched, those that found something before, or `everything`."""
        with self._lock:
            for check in self._checks:
                signature = tuple(_stat(place) for place in check.places())
                untouched = signature and signature == self._seen.get(check.subject)
                if everything or not untouched or self._found.get(check.subject):
                    self._make(check, signature)
        return self.findings

    def _run(self) -> None:
        while not self._ended.wait(GLANCE_EVERY_S):
            now_s = time.monotonic()
            everything = now_s >= self._everything_at_s
            if everything:
                self._everything_at_s = now_s + EVERYTHING_EVERY_S
            try:
                self.look(everything=everything)
            except Exception:  # told in the log and its alerts; a watch that ended would find nothing more
                log.exception("a look at the home failed; it is tried again")

    def _make(self, check: Check, signature: _Signature) -> None:
        inspection = Inspection(self._foundation.clock)
        try:
            with inspection.of(check.subject):
                check.run(inspection)
        except _TROUBLE as error:
            log.warning("could not be checked; it is tried again", what=check.subject, why=str(error))
            return
        known = {(one.subject, one.what): one for one in self._found.get(check.subject, [])}
        self._found[check.subject] = [known.get((one.subject, one.what), one) for one in inspection.findings]
        self._seen[check.subject] = signature


def _checks(foundation: Foundation) -> Sequence[Check]:
    home = foundation.home

    def secrets(_: Inspection) -> None:
        foundation.rotation.verify_now()
        foundation.secrets.check()

    def audit(_: Inspection) -> None:
        foundation.audit_store.inspect()
        with foundation.rotation.resting():  # a rotation changes the key that the chain must end with
            foundation.chain.look()

    def users(_: Inspection) -> None:
        foundation.people.inspect()

    def control(_: Inspection) -> None:
        foundation.record.inspect()

    def places(inspection: Inspection) -> None:
        inspection.places(places_of(home))

    def set_back(_: Inspection) -> None:
        latest.append(max(latest.pop(), foundation.clock.now()))
        require_clock(foundation.clock.now(), latest[0], "it was read here")
        with foundation.secrets.current() as pinned:
            pinned.require_clock()

    latest = [foundation.clock.now()]
    return (
        Check(PLACES, list, places),
        Check(SECRETS, lambda: _generation_files(home.storage), secrets),
        Check(AUDIT, lambda: _database(home.audit_database), audit),
        Check(USERS, lambda: _database(home.users_database), users),
        Check(CONTROL, lambda: _database(home.control_database), control),
        Check(CLOCK, list, set_back),
    )


def _database(path: Path) -> list[Path]:
    return [path, path.with_name(path.name + _LOG)]


def _generation_files(storage: Path) -> list[Path]:
    current = storage / "current"
    folders = [storage, current, storage / "keys", storage / "secrets"]
    try:
        return [*folders, *sorted((storage / current.readlink()).rglob("*"))]
    except OSError:
        return folders  # what stands there is no link: the check says so


def _stat(place: Path) -> tuple[int, ...] | None:
    """What of a place changes when anyone writes, exchanges or opens it to others."""
    try:
        found = place.lstat()
    except OSError:
        return None
    # SQLite sets the owner of a write-ahead log whenever root opens it, which moves the time of change.
    changed_ns = 0 if place.name.endswith(_LOG) else found.st_ctime_ns
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, changed_ns, found.st_mode)
