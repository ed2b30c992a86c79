"""Slows down guessing: for one account from one address, each failed try makes the next one wait longer.

Another address is not affected, so nobody can lock the owner out. Counted in the database, so a restart forgives none.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from math import ceil

from tbot_bot.domain.identity import Attempts, AttemptStore
from tbot_bot.domain.time import Clock
from tbot_bot.identity.errors import TooManyAttemptsError

FREE_TRIES = 5
DELAY_MAX = timedelta(seconds=300)
#: Forgetting after an hour gives fewer tries than waiting the longest delay each time.
_FORGET_AFTER = timedelta(hours=1)


def delay_after(failures: int) -> timedelta:
    """How long to wait after so many failed tries in a row: none below five, then 1, 2, 4 … 300 seconds."""
    if failures < FREE_TRIES:
        return timedelta(0)
    doublings = min(failures - FREE_TRIES, 9)  # 2^9 is beyond the longest delay
    return min(timedelta(seconds=2**doublings), DELAY_MAX)


class Throttle:
    """Judges a try before its password is hashed."""

    def __init__(self, store: AttemptStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def attempt(self, account: str, address: str) -> None:
        """Count a try as failed until `forgive` says otherwise, so that tries at the same moment all count.

        Raises TooManyAttemptsError, and counts nothing, while the wait after the last one is not over.
        """
        now = self._clock.now()

        def decide(known: Attempts | None) -> Attempts:
            if known is None:
                return Attempts(1, now)
            delay = delay_after(known.failures)
            wait = min(delay, known.last_at + delay - now)
            if wait > timedelta(0):
                raise TooManyAttemptsError(ceil(wait / timedelta(seconds=1)))
            return Attempts(known.failures + 1, now)

        self._store.update_attempts(_key(account, address), now - _FORGET_AFTER, decide)

    def forgive(self, account: str, address: str) -> None:
        """Forget the failed tries, after one that succeeded."""
        self._store.forget_attempts(_key(account, address))


def _key(account: str, address: str) -> str:
    # What is typed as a name may be a password, so it is not kept in clear.
    return hashlib.sha256(f"tbot-attempt-v1\0{account}\0{address}".encode("utf-8", "surrogatepass")).hexdigest()
