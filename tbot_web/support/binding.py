"""Where the portal listens: TBOT_WEB_HOST and TBOT_WEB_PORT, and never open to a network without protection.

CannotListenError   the portal cannot start as it is told to; the message says why and what to do
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_PORT_MAX = 65535
_BACKLOG = 128


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a listener on `host`."""
    if host in LOOPBACK_NAMES:
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class CannotListenError(Exception):
    """The portal cannot start as it is told to; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Binding:
    """A host and port to listen on; port 0 takes any free one."""

    host: str
    port: int

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Binding:
        """Read the environment; raises CannotListenError for what would not be safe or possible."""
        host = environment.get("TBOT_WEB_HOST") or "127.0.0.1"
        port = environment.get("TBOT_WEB_PORT") or "8080"
        if not (port.isascii() and port.isdecimal() and int(port) <= _PORT_MAX):
            raise CannotListenError(f"TBOT_WEB_PORT is {port!r}; it must be a port number up to {_PORT_MAX}.")
        if not is_loopback(host):
            raise CannotListenError(
                f"TBOT_WEB_HOST is {host!r}, which other machines can reach, and the portal speaks plain HTTP: "
                "passwords would cross the network in the clear. Use 127.0.0.1 and reach it through an SSH tunnel."
            )
        return cls(host, int(port))

    def listen(self) -> socket.socket:
        """Return the listening socket; raises CannotListenError when the port is taken."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((self.host, self.port))
            listener.listen(_BACKLOG)
        except OSError as error:
            listener.close()
            raise CannotListenError(
                f"Port {self.port} on {self.host} is not free ({error.strerror}). "
                "Stop what uses it, or choose another with TBOT_WEB_PORT."
            ) from error
        return listener
