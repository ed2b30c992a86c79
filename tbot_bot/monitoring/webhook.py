"""The webhook and the heartbeat: calls to an address that an administrator configured, and to nothing else.

The name is looked up once and the connection goes to the address that was judged. No redirect is followed, no proxy of
the environment used, no answer read beyond its status. The address itself may hold a secret: only its host is told.

WebhookError   it cannot be reached, or did not accept; the message says why in plain words
"""

from __future__ import annotations

import hmac
import socket
import ssl
from collections.abc import Mapping
from datetime import datetime
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

import httpx2

from tbot_bot.api.web_address import address_problem, is_forbidden, must_be_loopback
from tbot_bot.monitoring.bounded import bounded

ID_HEADER = "X-TBot-Id"
TIMESTAMP_HEADER = "X-TBot-Timestamp"
SIGNATURE_HEADER = "X-TBot-Signature"
_ACCEPTED, _REDIRECT, _REFUSED = range(200, 300), range(300, 400), range(400, 500)
_PORTS = {"https": 443, "http": 80}


class WebhookError(Exception):
    """The address did not accept what was sent."""


def host_of(url: str) -> str:
    """What may be told of an address."""
    return urlsplit(url).hostname or ""


def sign(key: str, timestamp: int, body: bytes) -> str:
    """`v1=` and HMAC-SHA256(key, timestamp || "." || body) in hexadecimal; the timestamp is in seconds since 1970."""
    return "v1=" + hmac.digest(key.encode(), f"{timestamp}.".encode() + body, "sha256").hex()


def post(url: str, key: str, body: bytes, message_id: str, *, at: datetime, timeout_s: int) -> int:
    """Send a signed JSON body and return the status that accepted it; not longer than `timeout_s` in all.

    A repeat bears the same id, its own time and its own signature. Raises WebhookError; whether the receiver took it
    is then unknown.
    """
    timestamp = int(at.timestamp())
    headers = {
        "Content-Type": "application/json",
        ID_HEADER: message_id,
        TIMESTAMP_HEADER: str(timestamp),
        SIGNATURE_HEADER: sign(key, timestamp, body),
    }
    return _call("POST", url, headers, body, timeout_s)


def fetch(url: str, timeout_s: int) -> int:
    """Fetch an address for the sake of being seen there, and return its status. Raises WebhookError."""
    return _call("GET", url, {}, b"", timeout_s)


def _call(method: str, url: str, headers: Mapping[str, str], body: bytes, timeout_s: int) -> int:
    problem = address_problem(url)
    if problem or not url:
        raise WebhookError(f"The address {problem or 'is empty'}.")
    parts = urlsplit(url)
    host = parts.hostname or ""
    found: list[int] = []
    try:
        bounded(lambda: found.append(_status(method, parts, headers, body, timeout_s)), timeout_s, "webhook")
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
        raise WebhookError(_why(host, error)) from error
    status = found[0]
    if status in _REDIRECT:
        raise WebhookError(f"{host} answered with a redirect ({status}), which is not followed. Use the final address.")
    if status in _REFUSED:
        raise WebhookError(f"{host} refused the message ({status}). Look at the address and at what it expects.")
    if status not in _ACCEPTED:
        raise WebhookError(f"{host} failed ({status}).")
    return status


def _status(method: str, parts: SplitResult, headers: Mapping[str, str], body: bytes, timeout_s: int) -> int:
    host = parts.hostname or ""
    port = parts.port or _PORTS[parts.scheme]
    address = _resolved(host, port, loopback_only=must_be_loopback(parts))
    named = f"[{address}]" if ":" in address else address
    target = httpx2.URL(parts._replace(netloc=f"{named}:{port}").geturl())
    context = ssl.create_default_context()
    with (
        httpx2.Client(trust_env=False, follow_redirects=False, timeout=timeout_s, verify=context) as client,
        client.stream(
            method,
            target,
            content=body,
            headers={"Host": parts.netloc, "User-Agent": "rigd-tradebot", **headers},
            extensions={"sni_hostname": host},  # the certificate has to be the name's, whatever address it has
        ) as answer,
    ):
        return answer.status_code


def _resolved(host: str, port: int, *, loopback_only: bool) -> str:
    """One address of the host that may be called; raises PermissionError when none may."""
    found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    judged = sorted(ip_address(one.partition("%")[0]) for one in found if ":" not in one)
    judged_6 = sorted(ip_address(one.partition("%")[0]) for one in found if ":" in one)
    allowed = [one for one in (*judged, *judged_6) if not is_forbidden(one) and (one.is_loopback or not loopback_only)]
    if not allowed:
        raise PermissionError
    return str(allowed[0])


def _why(host: str, error: Exception) -> str:
    """What went wrong, without the address: it may hold a secret."""
    causes = [error, error.__cause__, error.__context__]
    kinds: tuple[tuple[type[BaseException], str], ...] = (
        (PermissionError, f"{host} leads to an address that must not be called."),
        (socket.gaierror, f"The name {host} was not found. Look at its spelling, and at this machine's network."),
        (TimeoutError, f"{host} did not answer in time."),
        (httpx2.TimeoutException, f"{host} did not answer in time."),
        (ssl.SSLError, f"The certificate of {host} is not trusted, or it does not speak TLS."),
        (httpx2.ConnectError, f"{host} cannot be reached: the connection failed or its certificate is not trusted."),
    )
    other = f"{host} hung up or did not speak HTTP."
    return next((said for kind, said in kinds if any(isinstance(one, kind) for one in causes)), other)
