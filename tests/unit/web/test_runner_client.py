from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from flask import Flask

from tbot_bot.api.control import ActRequest, Issued
from tbot_bot.api.errors import ApiError
from tbot_bot.api.setup import WebKeys
from tbot_web.support.home import Home
from tbot_web.support.runner_client import RunnerClient, idempotency_key
from tests.unit.web.canned import RUNNER_GONE, CannedRunner, MovingClock
from tests.unit.web.conftest import START

pytestmark = RUNNER_GONE


@pytest.fixture
def client(runner: CannedRunner) -> Iterator[RunnerClient]:
    made = RunnerClient(Home(runner.root).runner_socket)
    yield made
    made.close()


def refused(client: RunnerClient, verb: str, **options: float) -> str:
    with pytest.raises(ApiError) as caught:
        client.call(verb, **options)  # type: ignore[arg-type]  # only the timeout is ever given
    return caught.value.problem.code


def test_answers_and_refusals_come_through(client: RunnerClient, runner: CannedRunner) -> None:
    keys = client.call("web.keys")
    assert isinstance(keys, WebKeys)
    assert keys.signing_keys[0] == "signing-key-of-generation-1"
    assert refused(client, "account.view") == "not_signed_in"
    runner.special["web.keys"] = ApiError.of(409, "busy", "Busy", "wait", "later", {"a": "b"}, 7)
    with pytest.raises(ApiError) as caught:
        client.call("web.keys")
    assert caught.value.problem.retry_after_s == 7
    assert caught.value.problem.fields == {"a": "b"}


def test_a_path_beyond_the_kernels_limit_works(tmp_path: Path, clock: MovingClock) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    with CannedRunner(deep, clock), closing(RunnerClient(Home(deep).runner_socket)) as client:
        assert client.call("web.keys").generation == 1


def test_a_restart_and_a_new_folder_are_survived(client: RunnerClient, runner: CannedRunner, tmp_path: Path) -> None:
    client.call("web.keys")
    runner.stop()
    assert refused(client, "web.keys") == "runner_unreachable"
    runner.start()
    assert client.call("web.keys").generation == 1
    runner.stop()
    (tmp_path / "control").rename(tmp_path / "control.old")
    again = CannedRunner(tmp_path, MovingClock(START))
    again.generation = 5
    with again:
        assert client.call("web.keys").generation == 5


def test_no_folder_at_all_is_unreachable(tmp_path: Path) -> None:
    client = RunnerClient(tmp_path / "nowhere" / "runner.sock")
    assert refused(client, "web.keys") == "runner_unreachable"
    client.close()


def test_a_change_without_answer_is_unknown_and_a_question_is_unreachable(
    client: RunnerClient, runner: CannedRunner
) -> None:
    release = threading.Event()

    def hang(_caller: object, _params: object) -> Issued:
        release.wait(5)
        return Issued(request_id="12345678", expires_at="2026-11-22T08:00:00Z")

    runner.special["setup.exchange"] = runner.special["web.keys"] = hang
    runner.special["session.log_out"] = hang
    assert refused(client, "session.log_out", timeout_s=0.1) == "outcome_unknown"
    assert refused(client, "web.keys", timeout_s=0.1) == "runner_unreachable"
    release.set()


def test_an_answer_of_another_shape_is_named(client: RunnerClient, runner: CannedRunner) -> None:
    runner.special["web.keys"] = lambda _caller, _params: ActRequest(reason="not keys")
    assert refused(client, "web.keys") == "bad_answer"


def test_a_change_carries_one_request_id_and_a_question_none(client: RunnerClient, runner: CannedRunner) -> None:
    client.call("session.log_out")
    client.call("session.log_out", request_id="chosen-by-caller")
    client.call("web.keys")
    first, second, question = (caller.request_id for _, caller, _ in runner.calls)
    assert len(first) >= 8
    assert first != second == "chosen-by-caller"
    assert question == ""


def test_the_client_names_its_change_by_idempotency_key() -> None:
    flask_app = Flask("keys")
    with flask_app.test_request_context(headers={"Idempotency-Key": "abcdefgh"}):
        assert idempotency_key() == "abcdefgh"
    with flask_app.test_request_context():
        assert idempotency_key() != idempotency_key()
    with flask_app.test_request_context(headers={"Idempotency-Key": "no good"}), pytest.raises(ApiError) as caught:
        idempotency_key()
    assert caught.value.problem.code == "bad_idempotency_key"
