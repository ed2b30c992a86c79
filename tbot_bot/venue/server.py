"""The venue's Unix socket: one thread a connection, a line in, a line out."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

from tbot_bot.api.unix_socket import SocketAddress
from tbot_bot.brokers.sim.wire import WireError, encode, from_line, to_line
from tbot_bot.venue.faults import FaultKind
from tbot_bot.venue.line import UNANSWERED
from tbot_bot.venue.service import MarketService, MarketStoppedError

LINE_BYTES_MAX = 64 * 1024
CONNECTIONS_MAX = 64
_SLICE_BYTES = 16
_SLICE_PAUSE_S = 0.002


class VenueServer:
    """Accepts clients on a socket that only this user may open."""

    def __init__(self, path: Path, service: MarketService) -> None:
        self._path = path
        self._service = service
        self._lock = Lock()
        self._connections: set[socket.socket] = set()
        self._callers: dict[str, socket.socket] = {}
        self._closing = Event()
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
        self._closing.set()
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
                    self._answer(connection, client, from_line(line))
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

    def _answer(self, connection: socket.socket, client: str, message: dict[str, Any]) -> None:
        head = {"id": message.get("id")}
        call, arguments = str(message.get("call")), message.get("arguments")
        if delay_s := self._service.delay_s(call):
            self._closing.wait(delay_s)
        try:
            if not isinstance(arguments, dict):
                raise WireError("arguments are a JSON object")  # noqa: TRY301  answered like any other
            reply = self._service.answer(
                client, call, arguments, is_current=lambda: self._callers.get(client) is connection
            )
        except WireError as error:
            connection.sendall(to_line({**head, "error": str(error)}))
            return
        word = {"result": reply.result} if reply.refused is None else {"refused": reply.refused}
        self._send(connection, to_line({**head, "as_of": encode(reply.as_of), **word}), reply.fault)

    def _send(self, connection: socket.socket, line: bytes, fault: FaultKind | None) -> None:
        """Send an answer as the line lets it pass."""
        if fault is FaultKind.DISCONNECT:
            connection.sendall(line[: len(line) // 2])
            _hang_up(connection)
        elif fault is FaultKind.SLICED_REPLY:
            for start in range(0, len(line), _SLICE_BYTES):
                connection.sendall(line[start : start + _SLICE_BYTES])
                self._closing.wait(_SLICE_PAUSE_S)
        elif fault not in UNANSWERED:
            connection.sendall(line)


def _hang_up(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # gone already
