"""The runner's system API: HTTP over a Unix socket, the peer's user checked, every verb judged again here."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol

import structlog
from cheroot.wsgi import Server
from pydantic import ValidationError

from tbot_bot.api.errors import ApiError, Problem
from tbot_bot.api.model import Message
from tbot_bot.api.sessions import Verdict
from tbot_bot.api.unix_socket import SocketAddress
from tbot_bot.api.verbs import BODY_LIMIT, VERBS, Call, Verb
from tbot_bot.control.error_table import to_problem
from tbot_bot.domain.ids import is_request_id

log = structlog.get_logger("system_api")
THREADS = 12
SOCKET_TIMEOUT_S = 10


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is behind a request, as the runner itself found out."""

    verdict: Verdict
    session: str | None
    setup_session: str | None
    address: str
    request_id: str

    @property
    def actor(self) -> str:
        """The name for the audit trail."""
        return self.verdict.username or ("setup" if self.verdict.setup else "anonymous")


Handler = Callable[[Caller, Any], Message]


class Judge(Protocol):
    """Decides who a caller is and whether the verb exists for them now."""

    def judge(self, call: Call, verb: Verb) -> Verdict:
        """Return the caller's verdict, or raise ApiError: not signed in, not allowed, wrong phase."""
        ...


class SystemApi:
    """Serves `handlers`, one for each verb, on the socket at `path`.

    `peers` are the user ids that may connect. A verb in the table without a handler is a programming error and
    raises KeyError at once.
    """

    def __init__(self, path: Path, handlers: Mapping[str, Handler], judge: Judge, peers: frozenset[int]) -> None:
        missing = VERBS.keys() - handlers.keys()
        unknown = handlers.keys() - VERBS.keys()
        if missing or unknown:
            raise KeyError(f"verbs without handler: {sorted(missing)}; handlers without verb: {sorted(unknown)}")
        self._handlers = handlers
        self._judge = judge
        self._peers = peers
        self._path = path
        self._address = SocketAddress(path)
        path.unlink(missing_ok=True)
        self._server = Server(
            self._address.short,
            self._application,
            numthreads=THREADS,
            max=THREADS,
            peercreds_enabled=True,
            timeout=SOCKET_TIMEOUT_S,
        )
        self._server.max_request_body_size = BODY_LIMIT

    def prepare(self) -> None:
        """Bind the socket; only the owner and the group may connect."""
        self._server.prepare()
        self._path.chmod(0o660)

    def serve(self) -> None:
        """Serve until `stop`."""
        self._server.serve()

    def stop(self) -> None:
        """Finish what runs and close."""
        self._server.stop()
        self._path.unlink(missing_ok=True)
        self._address.close()

    def _application(self, environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            body = self._answer(environ).model_dump_json().encode()
            status, kind = HTTPStatus.OK, "application/json"
        except Exception as error:  # noqa: BLE001 - told to whoever asked; the unexpected is logged with its traceback
            problem = to_problem(error) or _unexpected(error, environ)
            body, status = problem.model_dump_json().encode(), HTTPStatus(problem.status)
            kind = "application/problem+json"
        headers = [("Content-Type", kind), ("Content-Length", str(len(body)))]
        start_response(f"{status.value} {status.phrase}", headers)
        return [body]

    def _answer(self, environ: Mapping[str, Any]) -> Message:
        if environ.get("X_REMOTE_UID") is None or int(environ["X_REMOTE_UID"]) not in self._peers:
            raise ApiError.of(403, "wrong_peer", "This process may not use the system API")
        verb = VERBS.get(str(environ["PATH_INFO"]).removeprefix("/v1/"))
        if verb is None or environ["REQUEST_METHOD"] != "POST":
            raise ApiError.of(404, "no_such_verb", "There is no such verb")
        call, params = _parse(environ, verb)
        verdict = self._judge.judge(call, verb)
        caller = Caller(verdict, call.session, call.setup_session, call.address, call.request_id or "")
        return self._handlers[verb.name](caller, params)


def _parse(environ: Mapping[str, Any], verb: Verb) -> tuple[Call, Message]:
    """Read the envelope and the verb's own parameters; anything malformed is refused."""
    try:
        call = Call.model_validate_json(_content(environ))
        params = verb.request.model_validate(call.params)
    except ValidationError as error:
        raise ApiError.of(400, "bad_request", "The request is malformed", _without_input(error)) from error
    if verb.changes and not (call.request_id and is_request_id(call.request_id)):
        raise ApiError.of(400, "no_request_id", "A change needs a request id")
    return call, params


def _content(environ: Mapping[str, Any]) -> bytes:
    """The body; the server limits its length, but lets a negative one pass, which would read without end."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    content: bytes = environ["wsgi.input"].read(length) if length > 0 else b""
    return content


def _without_input(error: ValidationError) -> str:
    """Say what is wrong without repeating what was sent: it may be a secret."""
    return "; ".join(": ".join(filter(None, (".".join(map(str, item["loc"])), item["msg"]))) for item in error.errors())


def _unexpected(error: Exception, environ: Mapping[str, Any]) -> Problem:
    """Log what nobody expected, and give the caller an id to quote."""
    error_id = secrets.token_hex(4)
    log.error("verb failed", path=environ.get("PATH_INFO"), error_id=error_id, exc_info=error)
    return Problem(
        status=500,
        code="internal",
        title="Something went wrong inside the control process",
        detail="Nothing was acknowledged; what was recorded before stands.",
        next_step="Try again. If it stays, look for the error id in the log system.log.",
        error_id=error_id,
    )
