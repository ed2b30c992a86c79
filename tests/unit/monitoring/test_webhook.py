"""Calls to a real server: signed, bounded, to the judged address alone, and told without the secret in the address."""

from __future__ import annotations

import hashlib
import hmac
import socket
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog

from tbot_bot.monitoring import webhook
from tbot_bot.monitoring.webhook import WebhookError, fetch, post
from tests.support.hooks import HookServer
from tests.unit.control.conftest import own_logging

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
KEY = "a key that signs"


@pytest.fixture
def hook() -> Iterator[HookServer]:
    with HookServer() as served:
        yield served


def refused(url: str, timeout_s: int = 5) -> str:
    with pytest.raises(WebhookError) as error:
        post(url, KEY, b"{}", "id-1", at=NOW, timeout_s=timeout_s)
    told = str(error.value)
    assert "abracadabra" not in told
    assert KEY not in told
    return told


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Let every name lead to these addresses."""

    def found(_host: str, port: int, **_options: object) -> list[tuple[object, ...]]:
        return [
            (socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port))
            for one in addresses
        ]

    monkeypatch.setattr(socket, "getaddrinfo", found)


def test_a_message_is_signed_over_its_time_and_body(hook: HookServer) -> None:
    assert post(hook.url, KEY, b'{"a":1}', "id-1", at=NOW, timeout_s=5) == 204
    (call,) = hook.calls
    stamp = str(int(NOW.timestamp()))
    expected = hmac.new(KEY.encode(), f"{stamp}.".encode() + b'{"a":1}', hashlib.sha256).hexdigest()
    assert (call.method, call.path, call.body) == ("POST", "/hooks/abracadabra", b'{"a":1}')
    assert call.headers["X-TBot-Signature"] == f"v1={expected}"
    assert (call.headers["X-TBot-Timestamp"], call.headers["X-TBot-Id"]) == (stamp, "id-1")
    assert call.headers["Host"] == f"127.0.0.1:{hook.port}"


def test_a_heartbeat_is_fetched(hook: HookServer) -> None:
    assert fetch(hook.url, 5) == 204
    assert [(call.method, call.body) for call in hook.calls] == [("GET", b"")]


def test_a_redirect_is_not_followed(hook: HookServer) -> None:
    with HookServer(status=307, location=hook.url) as first:
        assert "redirect (307), which is not followed" in refused(first.url)
    assert hook.calls == []


@pytest.mark.parametrize(("status", "words"), [(401, "refused the message (401)"), (503, "failed (503)")])
def test_a_refusal_is_told(status: int, words: str) -> None:
    with HookServer(status=status) as served:
        assert words in refused(served.url)


def test_nobody_there_and_no_answer_are_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert "cannot be reached" in refused(f"http://127.0.0.1:{port}/abracadabra")
    with HookServer(silent=True) as served:
        assert "did not answer in time" in refused(served.url, timeout_s=1)


def test_what_is_no_web_server_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        assert "did not answer in time" in refused(f"http://127.0.0.1:{port}/abracadabra", timeout_s=1)


def test_the_proxy_of_the_environment_is_not_asked(hook: HookServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with HookServer() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{proxy.port}")
        post(hook.url, KEY, b"{}", "id-1", at=NOW, timeout_s=5)
        assert proxy.calls == []


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1", "::", "224.0.0.1", "::ffff:169.254.169.254"])
def test_a_name_that_leads_astray_is_not_called(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, address)
    assert "must not be called" in refused("https://example.org/abracadabra")


def test_a_name_of_this_machine_that_leads_elsewhere_is_not_called_in_the_clear(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolve_to(monkeypatch, "10.1.2.3")
    assert "must not be called" in refused("http://localhost/abracadabra")


def test_the_address_that_was_judged_is_the_one_that_is_called(
    hook: HookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([["127.0.0.1"], ["169.254.169.254"], ["169.254.169.254"]])
    real = socket.getaddrinfo

    def rebinding(host: str, port: int, *rest: object, **options: object) -> object:
        if host != "localhost":
            return real(host, port, *rest, **options)  # type: ignore[arg-type] # passed on as it came
        return real(next(answers)[0], port, *rest, **options)  # type: ignore[arg-type] # passed on as it came

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    post(f"http://localhost:{hook.port}/", KEY, b"{}", "id-1", at=NOW, timeout_s=5)
    assert hook.calls[0].headers["Host"] == f"localhost:{hook.port}"


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    from tests.support import mail

    pem = mail.certificate(tmp_path)
    with mail.MailServer(pem, at_once=True) as server:
        assert "certificate" in refused(f"https://localhost:{server.port}/abracadabra")
    assert server.said == []


@pytest.mark.parametrize("url", ["", "http://example.org/abracadabra", "https://a:b@example.org/abracadabra"])
def test_what_may_not_be_configured_is_not_called_either(url: str) -> None:
    assert refused(url).startswith("The address ")


def test_only_the_host_of_an_address_is_told() -> None:
    assert webhook.host_of("https://hooks.example.org/abracadabra?token=x") == "hooks.example.org"


@pytest.fixture
def logged() -> Iterator[list[Mapping[str, Any]]]:
    records: list[Mapping[str, Any]] = []
    structlog.reset_defaults()
    with own_logging(records.append):
        yield records


def test_no_log_names_an_address_that_was_called(hook: HookServer, logged: list[Mapping[str, Any]]) -> None:
    fetch(hook.url, 5)
    hook.status = 500
    refused(hook.url)
    structlog.get_logger("x").warning("said")
    assert [record["event"] for record in logged] == ["said"]
