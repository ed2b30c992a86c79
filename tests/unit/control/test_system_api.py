"""The system API on a real Unix socket: who may connect, what is refused, and what an answer never gives away."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tbot_bot.api.errors import not_signed_in
from tbot_bot.api.model import Message, Nothing
from tbot_bot.api.sessions import SessionStatus, Verdict
from tbot_bot.api.setup import WebKeys
from tbot_bot.api.trades import AskTrade
from tbot_bot.api.unix_socket import SocketAddress
from tbot_bot.api.verbs import BODY_LIMIT, VERBS, Call, Verb
from tbot_bot.control.system_api import Caller, SystemApi
from tests.unit.control.backstage import Client, handlers_with, serving

US = frozenset({os.getuid()})
KEYS = WebKeys(generation=7, signing_keys=["a"], sealing_public_key="b")
SECRET = "correct horse battery staple"


class Doorkeeper:
    """Lets everybody in but those whose session is called `stranger`."""

    def judge(self, call: Call, verb: Verb) -> Verdict:
        if call.session == "stranger":
            raise not_signed_in()
        return Verdict(status=SessionStatus.NONE, setup=bool(call.setup_session))


class Desk:
    """Handlers that note who asked what."""

    def __init__(self) -> None:
        self.heard: list[tuple[Caller, Any]] = []
        self.do: Callable[[Any], Message] = lambda _asked: Nothing()

    def note(self, caller: Caller, asked: Any) -> Message:
        self.heard.append((caller, asked))
        return self.do(asked)


@pytest.fixture(scope="module")
def desk() -> Desk:
    return Desk()


@pytest.fixture(scope="module")
def shared_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("api") / "runner.sock"


@pytest.fixture(scope="module")
def shared(shared_path: Path, desk: Desk) -> Iterator[Client]:
    path = shared_path
    handlers = handlers_with(
        web_keys=lambda _caller, _asked: KEYS,
        session_log_out=desk.note,
        trades_detail=desk.note,
        session_log_in=desk.note,
    )
    with serving(SystemApi(path, handlers, Doorkeeper(), US), path) as client:
        yield client


@pytest.fixture
def client(shared: Client, desk: Desk) -> Client:
    desk.heard.clear()
    desk.do = lambda _asked: Nothing()
    return shared


def problem(response: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert (body["status"], body["code"]) == (status, code)
    return body


def test_it_answers(client: Client) -> None:
    answer = client.ask("web.keys")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == KEYS.model_dump()


def test_the_handler_is_told_what_the_judge_found(client: Client, desk: Desk) -> None:
    answer = client.ask("session.log_out", session="s", setup_session="t", address="192.0.2.9", request_id="abcdefgh")
    assert answer.json() == {}
    caller = desk.heard[0][0]
    assert (caller.session, caller.setup_session, caller.address) == ("s", "t", "192.0.2.9")
    assert (caller.request_id, caller.actor) == ("abcdefgh", "setup")


@pytest.mark.parametrize(
    ("verdict", "actor"),
    [
        (Verdict(status=SessionStatus.ACTIVE, username="Ada", setup=True), "Ada"),
        (Verdict(status=SessionStatus.NONE, setup=True), "setup"),
        (Verdict(status=SessionStatus.NONE), "anonymous"),
    ],
)
def test_the_actors_name(verdict: Verdict, actor: str) -> None:
    assert Caller(verdict, None, None, "", "").actor == actor


def test_another_user_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "runner.sock"
    others = frozenset({os.getuid() + 1})
    with serving(SystemApi(path, handlers_with(), Doorkeeper(), others), path) as client:
        problem(client.ask("web.keys"), 403, "wrong_peer")
        problem(client.ask("no.such_verb"), 403, "wrong_peer")


def test_only_owner_and_group_may_connect(tmp_path: Path) -> None:
    path = tmp_path / "runner.sock"
    with serving(SystemApi(path, handlers_with(), Doorkeeper(), US), path):
        assert path.stat().st_mode & 0o777 == 0o660
    assert not path.exists()


def test_a_socket_that_was_left_behind_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "runner.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    keys = handlers_with(web_keys=lambda _caller, _asked: KEYS)
    with serving(SystemApi(path, keys, Doorkeeper(), US), path) as client:
        assert client.ask("web.keys").status_code == 200


def test_a_home_may_be_deeper_than_a_socket_address_is_long(tmp_path: Path) -> None:
    folder = tmp_path.joinpath(*["a-folder-of-some-length"] * 8)
    folder.mkdir(parents=True)
    path = folder / "runner.sock"
    assert len(str(path)) > 200
    with socket.socket(socket.AF_UNIX) as probe, pytest.raises(OSError, match="too long"):
        probe.connect(str(path))
    keys = handlers_with(web_keys=lambda _caller, _asked: KEYS)
    with serving(SystemApi(path, keys, Doorkeeper(), US), path) as client:
        assert client.ask("web.keys").json()["generation"] == 7


def test_a_short_address_is_let_go(tmp_path: Path) -> None:
    address = SocketAddress(tmp_path / "x.sock")
    folder = Path(address.short).parent
    assert len(address.short) < 40
    assert folder.readlink() == tmp_path
    address.close()
    assert not folder.exists() or folder.readlink() != tmp_path


@pytest.mark.parametrize("path", ["/v1/no.such", "/v1/", "/", "/v1/web.keys/more", "/web.keys", "/v2/web.keys"])
def test_an_unknown_verb_is_not_found(client: Client, path: str) -> None:
    problem(client.http.post(path, json={}), 404, "no_such_verb")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_a_verb_is_posted(client: Client, method: str) -> None:
    problem(client.http.request(method, "/v1/web.keys"), 404, "no_such_verb")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"web.keys"',
        b"\xff\xfe",
        b'{"params": []}',
        b'{"params": {"x": 1}}',
        b'{"session": 5}',
        b'{"surprise": true}',
        b'{"address": "' + b"x" * 65 + b'"}',
        b'{"session": "' + b"x" * 201 + b'"}',
        b"[" * 60_000,
        b'{"params":' * 6_000,
    ],
)
def test_a_malformed_request_is_refused(client: Client, content: bytes) -> None:
    body = problem(client.http.post("/v1/web.keys", content=content), 400, "bad_request")
    assert body["title"] == "The request is malformed"


def test_what_is_wrong_is_said_without_repeating_it(client: Client, desk: Desk) -> None:
    envelope = {"request_id": "abcdefgh", "params": {"username": {"name": SECRET}, "sealed": "x", SECRET[:7]: 1}}
    body = problem(client.ask("session.log_in", **envelope), 400, "bad_request")
    assert "username" in body["detail"]
    assert SECRET not in str(body)
    assert desk.heard == []


@pytest.mark.parametrize("request_id", [None, "", "short", "x" * 64 + "y", "with space", "../../etc", "naïve-id"])
def test_a_change_needs_a_request_id(client: Client, desk: Desk, request_id: str | None) -> None:
    response = client.ask("session.log_out", request_id=request_id)
    assert response.status_code == 400
    assert response.json()["code"] in ("no_request_id", "bad_request")
    assert desk.heard == []


def test_every_verb_that_changes_needs_one(client: Client) -> None:
    for verb in VERBS.values():
        if verb.changes and not verb.request.model_fields:
            problem(client.ask(verb.name), 400, "no_request_id")


def test_a_body_may_be_as_large_as_the_limit(client: Client, desk: Desk) -> None:
    shell = b'{"params": {"trade_id": ""}}'
    full = shell[:-3] + b"x" * (BODY_LIMIT - len(shell)) + shell[-3:]
    assert len(full) == BODY_LIMIT
    assert client.http.post("/v1/trades.detail", content=full).status_code == 200
    assert len(desk.heard) == 1


def test_a_larger_body_is_refused(client: Client, desk: Desk) -> None:
    response = client.http.post("/v1/trades.detail", content=b" " * (BODY_LIMIT + 1))
    assert response.status_code == 413
    assert desk.heard == []
    assert client.ask("web.keys").status_code == 200


def test_a_body_without_a_length_is_refused(client: Client, desk: Desk) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(20):
            yield b" " * 8192

    response = client.http.post("/v1/trades.detail", content=chunks())
    assert response.status_code in (400, 413)
    assert desk.heard == []
    assert client.ask("web.keys").status_code == 200


def test_the_judge_is_asked_before_the_handler(client: Client, desk: Desk) -> None:
    problem(client.ask("trades.detail", session="stranger", params={"trade_id": "T"}), 401, "not_signed_in")
    assert desk.heard == []


def test_what_nobody_expected_gives_an_id_and_nothing_else_away(
    client: Client, desk: Desk, logged: list[Mapping[str, Any]]
) -> None:
    def fail(_asked: AskTrade) -> Message:
        raise RuntimeError(f"the password {SECRET} did not fit")

    desk.do = fail
    response = client.ask("trades.detail", session="a-session-id", params={"trade_id": "T"})
    body = problem(response, 500, "internal")
    for hidden in (SECRET, "Traceback", "RuntimeError", "test_system_api", "a-session-id"):
        assert hidden not in response.text
    assert len(body["error_id"]) == 8
    assert "error id" in body["next_step"]
    record = next(one for one in logged if "error_id" in one)
    assert (record["event"], record["error_id"], record["level"]) == ("verb failed", body["error_id"], "error")
    assert "RuntimeError" in record["exception"]


def test_an_answer_that_cannot_be_written_is_a_failure_too(client: Client, desk: Desk, logged: object) -> None:
    desk.do = lambda _asked: "no message"  # type: ignore[assignment,return-value]  # a programming error
    problem(client.ask("trades.detail", params={"trade_id": "T"}), 500, "internal")


def test_half_a_letter_is_refused(client: Client, desk: Desk) -> None:
    """It could be neither logged nor audited nor answered."""
    response = client.http.post("/v1/trades.detail", content=b'{"params": {"trade_id": "\\ud800"}}')
    problem(response, 400, "bad_request")
    assert desk.heard == []


@pytest.mark.parametrize("length", [-1, -5])
def test_a_negative_length_reads_nothing(client: Client, desk: Desk, shared_path: Path, length: int) -> None:
    head = f"POST /v1/trades.detail HTTP/1.1\r\nHost: runner\r\nContent-Length: {length}\r\n\r\n".encode()
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(5)
        raw.connect(str(shared_path))
        raw.sendall(head + b" " * 99_999)
        assert raw.recv(12) == b"HTTP/1.1 400"
    assert desk.heard == []
    assert client.ask("web.keys").status_code == 200


@pytest.mark.parametrize("change", ["missing", "unknown"])
def test_every_verb_has_one_handler(tmp_path: Path, change: str) -> None:
    handlers = handlers_with()
    if change == "missing":
        del handlers["web.keys"]
    else:
        handlers["web.kys"] = handlers["web.keys"]
    with pytest.raises(KeyError, match=r"web\.ke?ys"):
        SystemApi(tmp_path / "runner.sock", handlers, Doorkeeper(), US)
