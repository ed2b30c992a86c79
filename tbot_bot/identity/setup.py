"""The one-time token of the first run, and the session it is exchanged for. Both are dead once an admin exists."""

from __future__ import annotations

import hmac

from tbot_bot.domain.audit import AuditPort
from tbot_bot.domain.identity import SetupAccess, SetupStore
from tbot_bot.domain.time import Clock
from tbot_bot.identity.errors import AdminExistsError, SetupTokenRefusedError
from tbot_bot.identity.throttle import Throttle
from tbot_bot.identity.tokens import hash_token, new_token

_ACTOR = "setup"


class SetupTokens:
    """Issues and exchanges the setup token; only hashes are stored."""

    def __init__(self, store: SetupStore, throttle: Throttle, audit: AuditPort, clock: Clock) -> None:
        self._store = store
        self._throttle = throttle
        self._audit = audit
        self._clock = clock

    def in_force(self, token: str) -> bool:
        """Whether this is the present token, so that a restart need not replace it."""
        access = self._store.setup_access()
        return access is not None and hmac.compare_digest(access.token_hash, hash_token("setup", token))

    def issue(self) -> str:
        """Make a new token and return it; the one before and its session are dead. Raises AdminExistsError."""
        token = new_token()
        with self._audit.act(verb="setup.issue_token", actor="system"):
            if not self._store.issue_setup_token(SetupAccess(hash_token("setup", token), self._clock.now())):
                raise AdminExistsError
        return token

    def exchange(self, token: str, address: str) -> str:
        """Give a setup session for the token; the session before it is dead.

        Raises TooManyAttemptsError, AdminExistsError and SetupTokenRefusedError.
        """
        self._throttle.attempt(_ACTOR, address)
        access = self._store.setup_access()
        if access is None and self._store.admin_exists():
            raise AdminExistsError
        offered = hash_token("setup", token)
        setup_session = new_token()
        with self._audit.act(verb="setup.exchange_token", actor=_ACTOR, address=address):
            right = access is not None and hmac.compare_digest(access.token_hash, offered)
            if not right or not self._store.open_setup_session(offered, hash_token("setup-session", setup_session)):
                raise SetupTokenRefusedError
        self._throttle.forgive(_ACTOR, address)
        return setup_session

    def verdict_setup(self, setup_session: str) -> bool:
        """Whether this is the present setup session."""
        access = self._store.setup_access()
        if access is None or access.session_hash is None:
            return False
        return hmac.compare_digest(access.session_hash, hash_token("setup-session", setup_session))
