"""A web address that gets calls, on a real socket of this machine."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass
class Call:
    """One call as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class HookServer:
    """Answers `status` to each call and keeps the calls; with `location` a redirect goes there.

    `silent` makes it take a call and not answer. It may be shut and opened again at the same port.
    """

    status: int = 204
    location: str = ""
    silent: bool = False
    calls: list[Call] = field(default_factory=list)
    port: int = 0

    def __enter__(self) -> Self:
        hook = self
        self._over = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                hook.calls.append(Call(self.command, self.path, dict(self.headers), body))
                if hook.silent:
                    hook._over.wait(30)
                    return
                self.send_response(hook.status)
                if hook.location:
                    self.send_header("Location", hook.location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST = _answer  # noqa: N815 - the base class's names

            def log_message(self, *_words: object) -> None: ...

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_about: object) -> None: ...

        self._server = Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks/abracadabra"

    def wait_for(self, count: int, timeout_s: float = 20.0) -> list[Call]:
        """The calls, once there are `count` of them."""
        deadline = time.monotonic() + timeout_s
        while len(self.calls) < count:
            assert time.monotonic() < deadline, f"only {len(self.calls)} of {count} calls came"
            time.sleep(0.01)
        return self.calls
