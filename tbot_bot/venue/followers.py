"""Whom the market waits for: clients that follow its events and have not yet asked for what comes after the last.

A simulated market need not outrun those that trade at it: it holds its clock until they have dealt with what
happened, so that the same commands come at the same market times at any speed.
"""

from __future__ import annotations

from collections.abc import Callable

_NS_PER_S = 10**9
#: A client that is behind for longer is taken for hung, and not waited for until it asks again.
PATIENCE_NS = 10 * _NS_PER_S


class Followers:
    """Clients and the number of the last event that each has dealt with. `wall` is a monotonic clock in ns."""

    def __init__(self, wall: Callable[[], int], patience_ns: int = PATIENCE_NS) -> None:
        self._wall = wall
        self._patience_ns = patience_ns
        self._dealt_with: dict[str, int] = {}
        self._behind_since: dict[str, int] = {}

    def note(self, client: str, number: int) -> None:
        """The client asks for the events after `number`, so it is done with those before."""
        self._dealt_with[client] = number
        self._behind_since.pop(client, None)

    def forget(self, client: str) -> None:
        """The client is gone."""
        self._dealt_with.pop(client, None)
        self._behind_since.pop(client, None)

    def are_behind(self, latest: int) -> bool:
        """Whether anyone worth waiting for still has events up to `latest` to deal with."""
        now = self._wall()
        for client in [client for client, number in self._dealt_with.items() if number < latest]:
            if now - self._behind_since.setdefault(client, now) >= self._patience_ns:
                self.forget(client)
        return any(number < latest for number in self._dealt_with.values())
