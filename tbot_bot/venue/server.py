"""The venue's Unix socket: one thread a connection, a line in, a line out."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from tbot_bot.api.unix_socket import SocketAddress
from tbot_bot.brokers.sim.wire import WireError, from_line, to_line
from tbot_bot.domain.broker import OrderRefusedError
from tbot_bot.venue.service import MarketService, MarketStoppedError

LINE_BYTES_MAX = 64 * 1024
CONNECTIONS_MAX = 64


class VenueServer:
    """Accepts clients on a socket that only this user may open."""

    def __init__(self, path: Path, service: MarketService) -> None:
        self._path = path
        self._service = service
        self._lock = Lock()
        self._connections: set[socket.socket] = set()
        self._callers: dict[str, socket.socket] = {}
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            with SocketAddress(path) as address:
                self._listener.bind(address.short)
        finally:
            os.umask(before)
        self._listener.listen()

    @property
    def has_clients(self) -> bool:
        """Whether anybody is connected."""
        with self._lock:
            return bool(self._connections)

    def run(self) -> None:
        """Accept connections until the listener is closed."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed by `stop_accepting`
                return
            with self._lock:
                if len(self._connections) >= CONNECTIONS_MAX:
                    connection.close()
                    continue
                self._connections.add(connection)
            Thread(target=self._serve, args=(connection,), daemon=True).start()

    def stop_accepting(self) -> None:
        """Take the socket away; clients that are connected stay so."""
        self._path.unlink(missing_ok=True)
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def close(self) -> None:
        """Hang up on everyone."""
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            _hang_up(connection)

    def _serve(self, connection: socket.socket) -> None:
        """Talk to one client until either side hangs up; a line that is no message ends the talk."""
        client = ""
        try:
            with connection, connection.makefile("rb") as lines:
                client = self._greet(connection, lines.readline(LINE_BYTES_MAX))
                while (line := lines.readline(LINE_BYTES_MAX)).endswith(b"\n"):
                    connection.sendall(to_line(self._answer(connection, client, from_line(line))))
        except (OSError, WireError, MarketStoppedError):
            return  # the client sees the line drop and asks again
        finally:
            self._service.forget(client)
            with self._lock:
                self._connections.discard(connection)
                if self._callers.get(client) is connection:
                    del self._callers[client]

    def _greet(self, connection: socket.socket, line: bytes) -> str:
        """Learn who calls; a client's new connection for calls ends the one it had."""
        hello = from_line(line)
        client = str(hello.get("hello"))
        if hello.get("channel") == "calls":
            with self._lock:
                former = self._callers.get(client)
                self._callers[client] = connection
            if former is not None:
                _hang_up(former)
        connection.sendall(to_line(self._service.greeting()))
        return client

    def _answer(self, connection: socket.socket, client: str, message: dict[str, Any]) -> dict[str, Any]:
        head = {"id": message.get("id")}
        arguments = message.get("arguments")
        try:
            if not isinstance(arguments, dict):
                raise WireError("arguments are a JSON object")  # noqa: TRY301  answered like any other
            result = self._service.answer(
                client, str(message.get("call")), arguments, is_current=lambda: self._callers.get(client) is connection
            )
        except OrderRefusedError as refused:
            return {**head, "refused": str(refused)}
        except WireError as error:
            return {**head, "error": str(error)}
        return {**head, "result": result}


def _hang_up(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # gone already
