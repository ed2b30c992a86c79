"""CSRF tokens and the signed cookie behind them, under keys that the runner issues to every worker alike.

The keys change with each generation; the runner names the newest and those still accepted, so that a form made before
a rotation can still be sent. Until the runner has answered once there are no keys, and no form is taken.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from dataclasses import dataclass

from flask import Flask, Request, current_app, request, session
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from flask_wtf.csrf import CSRFError, CSRFProtect
from itsdangerous import URLSafeTimedSerializer

from tbot_bot.api.errors import ApiError, Problem, runner_unreachable
from tbot_bot.api.setup import WebKeys
from tbot_web.support import cookies
from tbot_web.support.home import Home
from tbot_web.support.requests import wants_json
from tbot_web.support.runner_client import RunnerClient

#: Keys are handed out at once or not at all; whoever has keys does not let a kill wait for newer ones.
_TIMEOUT_S, _HURRIED_S = 2.0, 0.5
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class _Issued:
    """Keys as the runner gave them, and the epoch at which it did; signing keys oldest first."""

    signing: tuple[str, ...]
    sealing: str | None
    epoch: str | None


class Keyring:
    """The keys of this process, asked for again when the epoch has moved."""

    def __init__(self, client: RunnerClient, home: Home) -> None:
        self._client = client
        self._home = home
        self._lock = threading.Lock()
        # Signs what is shown before the runner has ever answered; nothing signed with it is taken later.
        self._issued = _Issued((secrets.token_urlsafe(32),), None, None)

    @property
    def ready(self) -> bool:
        """Whether the runner has issued keys."""
        return self._issued.sealing is not None

    @property
    def signing(self) -> list[str]:
        """The signing keys, oldest first: the last one signs, all are accepted."""
        return list(self._issued.signing)

    def refresh(self) -> None:
        """Ask for the keys if they may have changed; a silent runner leaves those we have."""
        epoch = self._home.epoch()
        if self.ready and epoch is not None and epoch == self._issued.epoch:
            return
        try:
            keys: WebKeys = self._client.call("web.keys", timeout_s=_HURRIED_S if self.ready else _TIMEOUT_S)
        except ApiError:
            return  # whoever needs the runner next is told that it is silent
        with self._lock:
            self._issued = _Issued(tuple(reversed(keys.signing_keys)), keys.sealing_public_key, epoch)

    def sealing(self) -> str:
        """The public key to seal secrets to; raises ApiError while there is none."""
        self.refresh()
        key = self._issued.sealing
        if key is None:
            raise runner_unreachable()
        return key


class FormCookie(SecureCookieSessionInterface):
    """The signed cookie that holds the CSRF token, under the keyring's keys."""

    digest_method = staticmethod(hashlib.sha256)

    def __init__(self, keys: Keyring) -> None:
        self._keys = keys

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        """Sign with the newest key and accept all; also hand the same keys to the CSRF tokens of this moment."""
        keys = self._keys.signing
        app.config["WTF_CSRF_SECRET_KEY"] = keys
        return URLSafeTimedSerializer(
            keys,
            salt=self.salt,
            serializer=self.serializer,
            signer_kwargs={"key_derivation": self.key_derivation, "digest_method": self.digest_method},
        )

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Read the cookie; ask for newer keys first where a token is checked or shown."""
        if _concerns_tokens(request):
            self._keys.refresh()
        return super().open_session(app, request)

    def get_cookie_name(self, app: Flask) -> str:  # noqa: ARG002 - the signature is Flask's
        return cookies.named(cookies.FORM)

    def get_cookie_secure(self, app: Flask) -> bool:  # noqa: ARG002 - the signature is Flask's
        return request.is_secure


def install(app: Flask, keys: Keyring) -> None:
    """Check a CSRF token with every change, in the field `csrf_token` or the header `X-CSRFToken`."""
    app.extensions["keys"] = keys
    app.session_interface = FormCookie(keys)
    app.config.update(
        SESSION_COOKIE_SAMESITE=cookies.SAME_SITE,
        SESSION_COOKIE_HTTPONLY=True,
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_HEADERS=["X-CSRFToken"],
    )
    app.before_request(_require_keys)
    CSRFProtect(app)


def renew_token() -> None:
    """Someone signed in or out: tokens of before are void in this browser."""
    session.clear()


def _require_keys() -> None:
    """Without keys no token can be told from a forged one."""
    keys: Keyring = current_app.extensions["keys"]
    if _concerns_tokens(request) and not keys.ready:
        raise runner_unreachable()


def _concerns_tokens(request: Request) -> bool:
    """Whether a token is checked or shown: in a change, and on a page."""
    return request.method not in _SAFE_METHODS or not (wants_json(request) or request.path.startswith("/static/"))


def csrf_problem(error: CSRFError) -> Problem:
    """What to tell someone whose token is missing or void."""
    return Problem(
        status=400,
        code="csrf",
        title="This page is out of date",
        detail=f"{error.description} Nothing was changed.",
        next_step="Load the page again and repeat what you did.",
    )
