"""The status document for the portal: the runner's published file, else its verb; read once a change.

The runner publishes each second. A file that has stopped moving is not believed: the runner is asked, and its silence
is the answer.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from flask import current_app
from pydantic import ValidationError

from tbot_bot.api.status import StatusDocument
from tbot_bot.domain.time import Clock, from_rfc3339
from tbot_web.support.runner_client import runner

#: How old the published file may be.
FRESH_FOR = timedelta(seconds=5)
_EXTENSION = "status_source"


@dataclass(frozen=True, slots=True)
class Published:
    """A document with the mark of the version it was read from."""

    document: StatusDocument
    version: str

    def for_viewer(self, session_status: str) -> tuple[bytes, str]:
        """The JSON with the viewer's own session in it, and its entity tag."""
        bots = [bot.model_copy(update={"user_session_status": session_status}) for bot in self.document.bots]
        body = self.document.model_copy(update={"bots": bots}).model_dump_json().encode()
        return body, f"{self.version}-{session_status}"


class StatusSource:
    """Keeps the newest document and its JSON for each kind of viewer; safe to use from several threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._published: Published | None = None
        self._bodies: dict[str, tuple[bytes, str]] = {}

    def published(self, file: Path | None) -> Published:
        """The present document; ApiError when the file has none that is fresh and the runner does not answer."""
        found = self.last(file)
        if found is None or self._clock.now() - from_rfc3339(found.document.as_of) > FRESH_FOR:
            return _asked()
        return found

    def last(self, file: Path | None) -> Published | None:
        """The last document that was published, of whatever age; None without one."""
        stamp = _stamp(file)
        if file is None or stamp is None:
            return None
        with self._lock:
            if self._published is None or stamp != self._stamp:
                try:
                    document = StatusDocument.model_validate_json(file.read_bytes())
                except (OSError, ValidationError):  # the runner, asked next, is the authority; its answer is shown
                    return None
                self._published, self._stamp, self._bodies = Published(document, _version(stamp)), stamp, {}
            return self._published

    def body(self, file: Path | None, session_status: str) -> tuple[bytes, str]:
        """The JSON for a viewer and its entity tag, made once a version."""
        published = self.published(file)
        with self._lock:
            if published is not self._published:
                return published.for_viewer(session_status)
            made = self._bodies.get(session_status)
            if made is None:
                made = self._bodies[session_status] = published.for_viewer(session_status)
            return made


def published() -> Published:
    """The present document for the current request."""
    return _source().published(_file())


def last() -> StatusDocument | None:
    """The last document that was published, for what must be told while the runner is silent."""
    found = _source().last(_file())
    return None if found is None else found.document


def market_is_simulated() -> bool | None:
    """Whether the bot trades the simulated market; None while that is not known."""
    document = last()
    return document.bots[0].simulated if document and document.bots else None


def body(session_status: str) -> tuple[bytes, str]:
    """The JSON for the current request's viewer, and its entity tag."""
    return _source().body(_file(), session_status)


def _source() -> StatusSource:
    if _EXTENSION not in current_app.extensions:
        current_app.extensions.setdefault(_EXTENSION, StatusSource(current_app.extensions["clock"]))
    source: StatusSource = current_app.extensions[_EXTENSION]
    return source


def _file() -> Path | None:
    return current_app.config.get("STATUS_JSON")


def _asked() -> Published:
    document: StatusDocument = runner().call("status.document")
    return Published(document, hashlib.sha256(document.model_dump_json().encode()).hexdigest()[:24])


def _stamp(file: Path | None) -> tuple[int, int, int] | None:
    if file is None:
        return None
    try:
        found = file.stat()
    except OSError:  # not published yet: the verb answers instead
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _version(stamp: tuple[int, int, int]) -> str:
    return "-".join(f"{part:x}" for part in stamp)
