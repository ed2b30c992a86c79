from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tbot_bot.monitoring.mail import MailError, MailServer, try_login
from tests.support import mail


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mail.certificate(tmp_path_factory.mktemp("certificate"))


def configured(port: int, security: str, user: str = mail.USER, password: str = mail.PASSWORD) -> MailServer:
    return MailServer("localhost", port, security, user, password)


def refused(server: MailServer, timeout_s: int = 10) -> str:
    with pytest.raises(MailError) as error:
        try_login(server, timeout_s)
    assert mail.PASSWORD not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_login_over_tls_sends_no_mail(pem: Path, security: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    with mail.MailServer(pem, at_once=security == "tls") as server:
        found = try_login(configured(server.port, security), 10)
    assert found == f"localhost:{server.port} answered, encrypted, logged in as bot. No mail was sent."
    assert server.said[-2:] == ["AUTH", "QUIT"]
    assert not [line for line in server.said if line.startswith(("MAIL", "RCPT", "DATA"))]


def test_without_a_user_nobody_logs_in() -> None:
    with mail.MailServer() as server:
        found = try_login(configured(server.port, "none", "", ""), 10)
    assert found.endswith("without encryption, no login asked for. No mail was sent.")
    assert server.said[-1] == "QUIT"
    assert "AUTH" not in server.said


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_that_nobody_vouches_for_is_named(pem: Path, security: str) -> None:
    with mail.MailServer(pem, at_once=security == "tls") as server:
        assert refused(configured(server.port, security)) == (
            "The certificate of localhost is not trusted: self-signed certificate."
        )
    assert "AUTH" not in server.said


def test_a_wrong_password_is_named() -> None:
    with mail.MailServer() as server:
        assert refused(configured(server.port, "none", password="guess")).endswith("refused the login of bot.")


def test_what_the_server_does_not_offer_is_named() -> None:
    with mail.MailServer() as server:
        assert "does not offer what is asked of it: STARTTLS" in refused(configured(server.port, "starttls"))


def test_tls_with_a_server_that_speaks_none() -> None:
    with mail.MailServer() as server:
        assert "Port and encryption may not belong together" in refused(configured(server.port, "tls"))


def test_nobody_at_home_and_no_such_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    assert (
        refused(configured(port, "none")) == f"localhost:{port} refused the connection: nothing listens on that port."
    )

    def unknown(*_asked: object, **_more: object) -> object:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert refused(MailServer("mail.invalid", 25, "none", "", "")).startswith("The name mail.invalid was not found.")


def test_a_server_that_says_nothing_is_not_waited_for() -> None:
    with mail.MailServer(silent=True) as server:
        assert "did not answer in time" in refused(configured(server.port, "none"), timeout_s=1)


def test_the_password_is_in_no_representation() -> None:
    assert mail.PASSWORD not in repr(configured(25, "none"))
