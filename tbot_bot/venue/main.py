"""The venue process: `python -m tbot_bot.venue.main --directory D --socket PATH`.

The first line of input is the configuration, later lines are commands. When the input ends, the parent is gone: no
new client is let in, those connected get a few seconds to cancel, then the process exits.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import secrets
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event, Thread

from tbot_bot.brokers.sim.wire import WireError, from_line
from tbot_bot.venue.configuration import ConfigurationError, parse_configuration
from tbot_bot.venue.core import Market
from tbot_bot.venue.events import EventRing
from tbot_bot.venue.feed import FeedError
from tbot_bot.venue.followers import Followers
from tbot_bot.venue.journal import Journal, JournalError
from tbot_bot.venue.pacer import Pacer
from tbot_bot.venue.server import VenueServer
from tbot_bot.venue.service import MarketService
from tbot_bot.venue.venue import Venue

LOCK_WAIT_S = 20.0
GRACE_S = 5.0
_POLL_S = 0.1
_NS_PER_S = 10**9


class DirectoryTakenError(Exception):
    """Another venue runs on this directory."""


class Process:
    """The venue with its threads, from the first line of input to the exit code."""

    def __init__(self, directory: Path, path: Path, source: int) -> None:
        """Take the parent's words from the descriptor `source`."""
        self._directory = directory
        self._path = path
        self._wake = Event()
        self._asked_to_stop = False
        self._input = _lines(source)

    def stop(self, _number: int, _frame: object) -> None:
        """Handle SIGTERM and SIGINT."""
        self._asked_to_stop = True
        self._wake.set()

    def run(self) -> int:
        """Serve until told to stop; return the exit code."""
        configuration = parse_configuration(next(self._input, b""))
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = self._lock()
        feed = configuration.open_feed()
        journal = Journal(self._directory / "venue.db", configuration.lasting, configuration.starting_cash)
        market = Market(feed, journal.snapshot(), journal.faults(configuration.faults))
        pacer = Pacer(market, configuration.pace, time.monotonic_ns, running=journal.running)
        ring = EventRing(secrets.token_hex(8))
        followers = Followers(time.monotonic_ns)
        venue = Venue(market, journal, ring.publish)
        service = MarketService(venue, pacer, ring, followers, journal, on_failure=self._wake.set)
        try:
            self._serve(service, VenueServer(self._path, service))
        finally:
            journal.close()
            os.close(lock)
        return 0 if service.failure is None else report(service.failure)

    def _serve(self, service: MarketService, server: VenueServer) -> None:
        clock = Thread(target=service.run)
        clock.start()
        Thread(target=server.run, daemon=True).start()
        Thread(target=self._obey, args=(service,), daemon=True).start()
        sys.stdout.write('{"ready":true}\n')
        sys.stdout.flush()
        self._wake.wait()
        server.stop_accepting()
        if not self._asked_to_stop and service.failure is None:
            self._see_clients_off(service, server)
        service.stop()
        clock.join()
        server.close()

    def _obey(self, service: MarketService) -> None:
        """Follow the parent's commands until it is gone."""
        for line in self._input:
            try:
                command = from_line(line).get("command")
            except WireError as error:
                report(error)
                continue
            if command == "run":
                service.start_clock()
            elif command == "hold":
                service.hold_clock()
            else:
                report(ConfigurationError(f"there is no command {command!r}"))
        self._wake.set()

    def _see_clients_off(self, service: MarketService, server: VenueServer) -> None:
        """Serve the clients that are connected a little longer, so that they can cancel."""
        deadline = time.monotonic_ns() + int(GRACE_S * _NS_PER_S)
        self._wake.clear()
        while server.has_clients and time.monotonic_ns() < deadline and service.failure is None:
            if self._wake.wait(_POLL_S):  # told to stop
                return

    def _lock(self) -> int:
        """Take the directory for this process; who held it may be on its way out, so wait a little."""
        lock = os.open(self._directory / "venue.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic_ns() + int(LOCK_WAIT_S * _NS_PER_S)
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic_ns() > deadline or self._wake.wait(_POLL_S):
                    os.close(lock)
                    raise DirectoryTakenError(
                        f"another simulated market runs on {self._directory} and did not stop within "
                        f"{LOCK_WAIT_S:.0f} s. Stop it, or use another home."
                    ) from None
            else:
                return lock


def _lines(descriptor: int) -> Iterator[bytes]:
    """Yield lines of input until it ends; unbuffered, for a thread blocked in a buffered read holds up the exit."""
    pending = b""
    while chunk := os.read(descriptor, 65536):
        *whole, pending = (pending + chunk).split(b"\n")
        yield from whole


def report(error: Exception) -> int:
    """Write one line of JSON about an error to stderr; return the exit code of a failure."""
    sys.stderr.write(json.dumps({"error": str(error) or repr(error), "kind": type(error).__name__}) + "\n")
    sys.stderr.flush()
    return 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the venue as the command line says."""
    parser = argparse.ArgumentParser(description="The embedded simulated market.")
    parser.add_argument("--directory", type=Path, required=True, help="where the market keeps its journal")
    parser.add_argument("--socket", type=Path, required=True, help="where it listens")
    options = parser.parse_args(arguments)
    process = Process(options.directory, options.socket, sys.stdin.fileno())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, process.stop)
    try:
        return process.run()
    except (ConfigurationError, DirectoryTakenError, FeedError, JournalError, OSError) as error:
        return report(error)


if __name__ == "__main__":
    sys.exit(main())
