"""A mail server on a real socket that speaks enough SMTP to take mail, with or without TLS."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import socket
import ssl
import threading
from email import message_from_string, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USER, PASSWORD = "bot", "swordfish"


def certificate(folder: Path, name: str = "localhost") -> Path:
    """A certificate for `name`, signed by itself, and its key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


class MailServer:
    """Listens on `port` of localhost; `said` are the commands it was given, `mails` the messages it took.

    `pem` makes it speak TLS: from the start with `at_once`, else after STARTTLS. A `silent` one never answers.
    """

    def __init__(self, pem: Path | None = None, *, at_once: bool = False, silent: bool = False, port: int = 0) -> None:
        self._context: ssl.SSLContext | None = None
        if pem is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(pem)
        self._at_once = at_once
        self._silent = silent
        self._over = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", port))
        self._listening.settimeout(0.05)
        self.port = self._listening.getsockname()[1]
        self.said: list[str] = []
        self.mails: list[EmailMessage] = []
        self.refuses: set[str] = set()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join(5)
        self._listening.close()

    def _serve(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(TimeoutError, OSError):
                connection, _ = self._listening.accept()
                connection.settimeout(5)
                with connection:
                    self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        if self._silent:
            self._over.wait(30)
            return
        if self._context and self._at_once:
            connection = self._context.wrap_socket(connection, server_side=True)
        connection.sendall(b"220 test\r\n")
        while line := _line(connection):
            word = line.split(" ")[0].upper()
            self.said.append(line if word != "AUTH" else "AUTH")
            if word == "STARTTLS" and self._context:
                connection.sendall(b"220 go on\r\n")
                connection = self._context.wrap_socket(connection, server_side=True)
                continue
            if word == "DATA" and "DATA" not in self.refuses:
                connection.sendall(b"354 go on\r\n")
                self.mails.append(_mail(connection))
                connection.sendall(b"250 taken\r\n")
                continue
            connection.sendall(self._answer(word, line, encrypted=isinstance(connection, ssl.SSLSocket)))
            if word == "QUIT":
                connection.close()
                return

    def _answer(self, word: str, line: str, *, encrypted: bool) -> bytes:
        if word == "EHLO":
            offer = b"250-STARTTLS\r\n" if self._context and not encrypted else b""
            return b"250-test\r\n" + offer + b"250 AUTH PLAIN\r\n"
        if word == "AUTH":
            token = base64.b64decode(line.split(" ")[2]).decode().split("\0")
            return b"235 welcome\r\n" if token[1:] == [USER, PASSWORD] else b"535 no\r\n"
        if word in {"MAIL", "RCPT", "RSET"}:
            address = line.partition("<")[2].partition(">")[0]
            return b"550 not here\r\n" if address in self.refuses else b"250 fine\r\n"
        return b"221 bye\r\n" if word == "QUIT" else b"502 not here\r\n"


def _mail(connection: socket.socket) -> EmailMessage:
    lines = []
    while (line := _line(connection)) != ".":
        lines.append(line)
    return message_from_string("\n".join(lines), _class=EmailMessage, policy=policy.default)


def _line(connection: socket.socket) -> str:
    text = b""
    while not text.endswith(b"\r\n"):
        more = connection.recv(1)
        if not more:
            return ""
        text += more
    return text.decode().rstrip("\r\n")
