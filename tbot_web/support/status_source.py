"""The status document for the portal: the runner's published file, else its verb; read once a change."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from pathlib import Path

from flask import current_app
from pydantic import ValidationError

from tbot_bot.api.status import StatusDocument
from tbot_web.support.runner_client import runner

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

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._published: Published | None = None
        self._bodies: dict[str, tuple[bytes, str]] = {}

    def published(self, file: Path | None) -> Published:
        """The present document; ApiError when neither the file nor the runner has one."""
        stamp = _stamp(file)
        if file is None or stamp is None:
            return _asked()
        with self._lock:
            if self._published is None or stamp != self._stamp:
                try:
                    document = StatusDocument.model_validate_json(file.read_bytes())
                except (OSError, ValidationError):  # the runner, asked next, is the authority; its answer is shown
                    return _asked()
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


def body(session_status: str) -> tuple[bytes, str]:
    """The JSON for the current request's viewer, and its entity tag."""
    return _source().body(_file(), session_status)


def _source() -> StatusSource:
    source: StatusSource = current_app.extensions.setdefault(_EXTENSION, StatusSource())
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
