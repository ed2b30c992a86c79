"""One connection to the simulated market: a line out, a line back, and nothing after the first failure."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from tbot_bot.api.unix_socket import SocketAddress
from tbot_bot.brokers.sim.wire import WireError, decode, from_line, to_line
from tbot_bot.domain.broker import BrokerError, BrokerUnavailableError, OrderRefusedError


class Connection:
    """An open connection; after a failure it is closed, for a late answer must not be taken for the next one's.

    `as_of` is the market time of which the last answer is true.
    """

    def __init__(self, path: Path, client: str, channel: str, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._number = 0
        self.as_of: datetime | None = None
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(timeout_s)
            with SocketAddress(path) as address:
                self._socket.connect(address.short)
            self._reader = self._socket.makefile("rb")
        except OSError as error:
            self._socket.close()
            raise BrokerUnavailableError(f"the simulated market does not answer at {path}: {error}") from error
        self.greeting = self._exchange({"hello": client, "channel": channel}, timeout_s)

    def ask(self, call: str, arguments: Mapping[str, Any], wait_s: float = 0.0) -> Any:
        """Send one call and return its result; `wait_s` is how long the market may hold the answer back.

        Raises OrderRefusedError for a proven refusal, BrokerError for a call the market does not understand, and
        BrokerUnavailableError when the outcome is unknown.
        """
        self._number += 1
        message = {"id": self._number, "call": call, "arguments": arguments}
        answer = self._exchange(message, self._timeout_s + wait_s)
        if answer.get("id") != self._number:
            self.close()
            raise BrokerUnavailableError("the simulated market answered another call than the one made")
        if "error" in answer:
            raise BrokerError(f"the simulated market did not understand {call}: {answer['error']}")
        try:
            self.as_of = decode(datetime, answer.get("as_of"))
        except WireError as error:
            self.close()
            raise BrokerUnavailableError(f"the simulated market's answer to {call} is unreadable: {error}") from error
        if "refused" in answer:
            raise OrderRefusedError(str(answer["refused"]))
        return answer.get("result")

    def close(self) -> None:
        """Hang up."""
        self._socket.close()
        self._reader.close()

    def _exchange(self, message: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        try:
            self._socket.settimeout(timeout_s)
            self._socket.sendall(to_line(message))
            line = self._reader.readline()
            if not line.endswith(b"\n"):
                raise ConnectionResetError("it hung up")
            return from_line(line)
        except (OSError, WireError) as error:
            self.close()
            raise BrokerUnavailableError(f"lost the simulated market: {error or 'timed out'}") from error
