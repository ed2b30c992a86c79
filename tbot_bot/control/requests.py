"""Request ids: issued to a flag for one use, or brought by a caller and good for one box."""

from __future__ import annotations

import secrets
import threading
from datetime import datetime, timedelta

from tbot_bot.storage.control_store import ControlStore

#: A flag that names a request must come within this time.
LIFETIME = timedelta(minutes=2)
#: A sealed box lives 10 minutes at most; a request id is remembered for longer than that.
REMEMBERED = timedelta(minutes=15)


class Requests:
    """Issues and uses up request ids."""

    def __init__(self, store: ControlStore) -> None:
        self._store = store
        self._seen: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def issue(self, verb: str, actor: str, now: datetime) -> str:
        """Return a fresh id for a flag; it lives two minutes."""
        request_id = secrets.token_urlsafe(24)
        self._store.issue_request(request_id, verb, actor, now, now + LIFETIME)
        return request_id

    def use(self, request_id: str, verb: str, now: datetime) -> str | None:
        """Use up an issued id and return who asked; None when it is not live or for another verb."""
        return self._store.use_request(request_id, verb, now)

    def first_use(self, request_id: str, now: datetime) -> bool:
        """Whether a caller's id is seen for the first time."""
        with self._lock:
            self._seen = {known: at for known, at in self._seen.items() if now - at < REMEMBERED}
            if request_id in self._seen:
                return False
            self._seen[request_id] = now
            return True
