"""`python -m tbot_web.py.run_web`: serves the portal until it is told to end or whoever started it is gone.

The first process only listens and keeps its workers up; the portal itself is loaded by each worker.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
import stat
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from tbot_bot.api.private_memory import keep_memory_private
from tbot_web.support.binding import Binding, CannotListenError
from tbot_web.support.log_lines import JsonLines
from tbot_web.support.wall_clock import WallClock

if TYPE_CHECKING:
    from tbot_web.py.dispatch import Dispatcher

log = logging.getLogger("tbot_web")
THREADS = 8
GRACE_S = 5


class ServerLogger(Logger):  # type: ignore[misc]  # gunicorn has no types
    """The server's own messages, in the form of all others."""

    def setup(self, cfg: Any) -> None:
        """Leave everything to the root logger in place of gunicorn's handlers."""
        super().setup(cfg)
        self.error_log.handlers = []
        self.error_log.propagate = True


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """The portal under gunicorn, on a socket that is already listening."""

    def __init__(self, listener: socket.socket, host: str, workers: int, environment: Mapping[str, str]) -> None:
        self._host = host
        self._environment = environment
        self._settings = {
            "bind": f"fd://{listener.detach()}",
            "workers": workers,
            "worker_class": "gthread",
            "threads": THREADS,
            "accesslog": None,
            "logger_class": ServerLogger,
            "control_socket_disable": True,
            "forwarded_allow_ips": "",
            "graceful_timeout": GRACE_S,
            "when_ready": lambda _arbiter: _watch_lifeline(lambda: os.kill(os.getpid(), signal.SIGTERM)),
            # a worker that outlived its killed parent would keep the port from the next one
            "post_worker_init": lambda _worker: _watch_lifeline(lambda: os._exit(os.EX_OK)),
        }
        super().__init__()

    def load_config(self) -> None:
        """Take the settings, and nothing from files, arguments or environment."""
        for name, value in self._settings.items():
            self.cfg.set(name, value)

    def load(self) -> Dispatcher:
        """Put the portal together, in a worker."""
        from tbot_web.py.dispatch import Dispatcher
        from tbot_web.py.portal_web_main import Portal
        from tbot_web.support.home import Home
        from tbot_web.support.request_log import set_up

        set_up()
        return Dispatcher(Portal.of(Home.from_environment(self._environment), WallClock(), self._host))


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Serve until the end; EX_CONFIG when it cannot start as it is told to."""
    options = argparse.ArgumentParser(prog="run_web")
    options.add_argument("--workers", type=int, default=1)
    workers: int = options.parse_args(arguments).workers
    keep_memory_private()
    logging.basicConfig(handlers=[JsonLines(sys.stderr, WallClock())], level=logging.INFO)
    try:
        binding = Binding.from_environment(environment)
        listener = binding.listen()
    except CannotListenError as error:
        sys.stderr.write(f"The portal cannot start: {error}\n")
        return os.EX_CONFIG
    host, port = listener.getsockname()[:2]
    log.info("listening", extra={"fields": {"host": host, "port": port, "workers": workers}})
    Server(listener, binding.host, workers, environment).run()
    return os.EX_OK


def _watch_lifeline(end: Callable[[], None]) -> None:
    """Call `end` when standard input ends, if it is a pipe: the other end is held by whoever started us."""
    kind = os.fstat(sys.stdin.fileno()).st_mode
    if not (stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind)):
        return

    def wait() -> None:
        while os.read(sys.stdin.fileno(), 1024):
            pass
        log.info("lifeline ended")
        end()

    threading.Thread(target=wait, name="lifeline", daemon=True).start()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
