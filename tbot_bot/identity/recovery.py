"""The one-time token that opens the recovery of a damaged home, and its session: in memory alone.

Keys, people and audit cannot be trusted there, so nothing of them is asked; whoever can read the runner's own file
proves to hold the runner's account on the machine.
"""

from __future__ import annotations

import hmac
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from tbot_bot.domain.identity import Attempts
from tbot_bot.domain.time import Clock
from tbot_bot.identity.errors import SetupTokenRefusedError
from tbot_bot.identity.throttle import Throttle
from tbot_bot.identity.tokens import hash_token, new_token

#: How long a token waits for its one use, and how long the session lives that it opens.
LIFETIME = timedelta(hours=1)
_ACCOUNT = "recovery"
_TOKEN, _SESSION = "recovery-token", "recovery-session"


@dataclass(frozen=True, slots=True)
class _Held:
    """The hash of a token or session, and when it ends."""

    hash: str
    ends_at: datetime

    def is_right(self, kind: str, offered: str, now: datetime) -> bool:
        return hmac.compare_digest(self.hash, hash_token(kind, offered)) and now < self.ends_at


class RecoveryAccess:
    """Issues the token, exchanges it once, and knows the session; safe to use from several threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._throttle = Throttle(_Attempts(), clock)
        self._lock = threading.Lock()
        self._token: _Held | None = None
        self._session: _Held | None = None

    def issue(self) -> str | None:
        """Make a token where nobody can get in otherwise; None while one waits for its use or a session is alive."""
        now = self._clock.now()
        with self._lock:
            if any(held is not None and now < held.ends_at for held in (self._token, self._session)):
                return None
            token = new_token()
            self._token, self._session = _Held(hash_token(_TOKEN, token), now + LIFETIME), None
        return token

    def exchange(self, token: str, address: str) -> str:
        """Give the session for the token, once. Raises TooManyAttemptsError and SetupTokenRefusedError."""
        self._throttle.attempt(_ACCOUNT, address)
        now = self._clock.now()
        with self._lock:
            if self._token is None or not self._token.is_right(_TOKEN, token, now):
                raise SetupTokenRefusedError
            session = new_token()
            self._token, self._session = None, _Held(hash_token(_SESSION, session), now + LIFETIME)
        self._throttle.forgive(_ACCOUNT, address)
        return session

    def is_open(self, session: str) -> bool:
        """Whether this is the session, and it has not ended."""
        held = self._session
        return held is not None and held.is_right(_SESSION, session, self._clock.now())


class _Attempts:
    """Failed tries in memory; implements `domain.identity.AttemptStore`."""

    def __init__(self) -> None:
        self._known: dict[str, Attempts] = {}
        self._lock = threading.Lock()

    def update_attempts(self, key: str, forget_before: datetime, decide: Callable[[Attempts | None], Attempts]) -> None:
        with self._lock:
            self._known = {known: one for known, one in self._known.items() if one.last_at >= forget_before}
            self._known[key] = decide(self._known.get(key))

    def forget_attempts(self, key: str) -> None:
        with self._lock:
            self._known.pop(key, None)
