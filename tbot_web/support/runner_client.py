"""The portal's side of the system API.

Every failure is an ApiError that a page can show:

    the runner's own refusal        whatever problem it answered
    runner_unreachable              nothing was asked: no connection
    outcome_unknown                 a change was asked and no answer came: it may have been done
    bad_answer                      an answer that is none
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from flask import current_app, has_request_context, request
from pydantic import ValidationError

from tbot_bot.api.errors import ApiError, Problem, runner_unreachable
from tbot_bot.api.model import Message, Nothing
from tbot_bot.api.unix_socket import SocketAddress
from tbot_bot.api.verbs import VERBS, Call, Verb
from tbot_bot.domain.ids import is_request_id
from tbot_web.support import cookies

READ_TIMEOUT_S = 5.0
#: A change may renew every key and secret before it answers.
CHANGE_TIMEOUT_S = 30.0
#: Below the runner's own limit for idle connections, so that it never closes one that is about to be used.
_KEEP_ALIVE_S = 5.0
_CONNECTIONS_MAX = 8
_NOTHING = Nothing()
#: The connection was lost after it stood: a restart of the runner under an idle connection looks like this.
_BROKEN = (httpx2.RemoteProtocolError, httpx2.ReadError, httpx2.WriteError)


@dataclass(frozen=True, slots=True)
class _Line:
    """Connections to the socket in one folder."""

    address: SocketAddress
    client: httpx2.Client

    @classmethod
    def open(cls, socket_path: Path) -> _Line:
        address = SocketAddress(socket_path)
        transport = httpx2.HTTPTransport(
            uds=address.short,
            verify=False,  # a Unix socket speaks no TLS; this only saves loading certificates
            limits=httpx2.Limits(max_connections=_CONNECTIONS_MAX, keepalive_expiry=_KEEP_ALIVE_S),
        )
        return cls(address, httpx2.Client(transport=transport, base_url="http://runner", trust_env=False))

    def close(self) -> None:
        self.client.close()
        self.address.close()


class RunnerClient:
    """Calls verbs over the runner's Unix socket for whoever is behind the current request.

    Connections are reused, and made anew when the runner was restarted or its folder replaced. Threads share it.
    """

    def __init__(self, socket_path: Path) -> None:
        self._path = socket_path
        self._lock = threading.Lock()
        self._lines: list[_Line] = []

    def call(
        self,
        verb_name: str,
        params: Message = _NOTHING,
        *,
        request_id: str | None = None,
        timeout_s: float | None = None,
    ) -> Any:
        """Ask for a verb and return its answer (the verb's `answer` type); raises ApiError.

        A change carries a request id, a fresh one unless given, and is done once for it.
        """
        verb = VERBS[verb_name]
        body = _envelope(verb, params, request_id).model_dump_json().encode()
        timeout = timeout_s or (CHANGE_TIMEOUT_S if verb.changes else READ_TIMEOUT_S)
        return _read_answer(verb, self._send(verb, body, timeout))

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            for line in self._lines:
                line.close()
            self._lines.clear()

    def _send(self, verb: Verb, body: bytes, timeout_s: float) -> httpx2.Response:
        try:
            try:
                return self._post(verb, body, timeout_s)
            except _BROKEN:
                # The same request id again: the runner does a change once for it, however often it is asked.
                return self._post(verb, body, timeout_s)
        except (OSError, httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            raise runner_unreachable() from error
        except httpx2.TransportError as error:
            raise (_outcome_unknown() if verb.changes else runner_unreachable()) from error

    def _post(self, verb: Verb, body: bytes, timeout_s: float) -> httpx2.Response:
        headers = {"Content-Type": "application/json"}
        return self._line().client.post(f"/v1/{verb.name}", content=body, headers=headers, timeout=timeout_s)

    def _line(self) -> _Line:
        """The line to the folder as it is now; an older one stays open for whoever is still using it."""
        with self._lock:
            if not self._lines or not self._lines[-1].address.leads_to(self._path.parent):
                self._lines.append(_Line.open(self._path))
            return self._lines[-1]


def runner() -> RunnerClient:
    """The client of the current application."""
    client: RunnerClient = current_app.extensions["runner"]
    return client


def new_request_id() -> str:
    """An id for a change that nobody has asked for yet."""
    return secrets.token_urlsafe(18)


def idempotency_key() -> str:
    """The id that the client gave its change, so that a repeat is recognised; a fresh one if it gave none."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return new_request_id()
    if not is_request_id(key):
        raise ApiError.of(
            400,
            "bad_idempotency_key",
            "The Idempotency-Key is malformed",
            "It may have 8 to 64 letters, digits, '-' or '_'. Nothing was changed.",
            "Send the change again with another key.",
        )
    return key


def _envelope(verb: Verb, params: Message, request_id: str | None) -> Call:
    asked = params.model_dump(mode="json")
    request_id = request_id or (new_request_id() if verb.changes else None)
    if not has_request_context():
        return Call(request_id=request_id, params=asked)
    return Call(
        session=cookies.read(cookies.SESSION),
        setup_session=cookies.read(cookies.SETUP),
        address=request.remote_addr or "",
        request_id=request_id,
        params=asked,
    )


def _read_answer(verb: Verb, response: httpx2.Response) -> Message:
    try:
        if response.status_code == httpx2.codes.OK:
            return verb.answer.model_validate_json(response.content)
        problem = Problem.model_validate_json(response.content)
    except ValidationError as error:
        raise _bad_answer(verb, response.status_code) from error
    raise ApiError(problem)


def _outcome_unknown() -> ApiError:
    return ApiError.of(
        504,
        "outcome_unknown",
        "No answer came in time",
        "The control process took the request but did not say what became of it: it may have been done.",
        "Look at the page again before you repeat it.",
    )


def _bad_answer(verb: Verb, status: int) -> ApiError:
    return ApiError.of(
        502,
        "bad_answer",
        "The control process gave an answer that cannot be read",
        f"{verb.name} answered {status} in an unexpected form; portal and control process may differ in version.",
        "What was recorded before stands. Restart both so that they run the same version.",
    )
