"""How fast market time passes: it follows an injected wall clock while a session is on, and skips the nights."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from fractions import Fraction

from tbot_bot.venue.core import Market
from tbot_bot.venue.feed import LEAD_IN

_NS_PER_S = 10**9
_MICROS_PER_S = 10**6
#: Between two sessions the clock stands for six market minutes at its speed, three seconds at most.
_INTERMISSION = timedelta(minutes=6)
_INTERMISSION_NS_MAX = 3 * _NS_PER_S
#: A market that cannot keep its speed falls behind instead of catching up in one long stride.
STRIDE = timedelta(minutes=10)
_DELAY_NS_MIN = 2_000_000
_DELAY_NS_MAX = _NS_PER_S


class Pacer:
    """Says what time it should be at the market. `wall` is a monotonic clock in nanoseconds."""

    def __init__(self, market: Market, speed: Fraction, wall: Callable[[], int], *, running: bool) -> None:
        self._market = market
        self._speed = speed
        self._wall = wall
        self._resume_at: int | None = None
        self._anchor = (wall(), market.now)
        self.running = running

    def start(self) -> None:
        """Let the clock run from where it stands."""
        self.running = True
        self._anchor = (self._wall(), self._market.now)

    def hold(self) -> None:
        """Let the clock stand where it is."""
        self.running = False

    def target(self) -> datetime:
        """Return the market time that the market should be advanced to now."""
        session = self._market.session
        if not self.running or session is None:
            return self._market.now
        if not self._market.is_near_session:
            return self._after_intermission(session.open_at - LEAD_IN)
        wall, start = self._anchor
        elapsed = (self._wall() - wall) * self._speed * _MICROS_PER_S // _NS_PER_S
        reached = start + timedelta(microseconds=elapsed)
        stride_end = self._market.now + STRIDE
        if reached > stride_end:
            reached = stride_end
            self._anchor = (self._wall(), reached)
        return min(reached, session.close_at)

    def delay_s(self) -> float | None:
        """Return how long to wait before there is something to do, None if only a command can change that."""
        next_step_at = self._market.next_step_at
        if not self.running or next_step_at is None:
            return None
        if self._resume_at is not None:
            wait = self._resume_at - self._wall()
        elif not self._market.is_near_session:
            wait = 0
        else:
            micros = (next_step_at - self._market.now) // timedelta(microseconds=1)
            wait = int(micros * _NS_PER_S / (_MICROS_PER_S * self._speed))
        return min(max(wait, _DELAY_NS_MIN), _DELAY_NS_MAX) / _NS_PER_S

    def _after_intermission(self, lead_in: datetime) -> datetime:
        """Stand at the close for a while, then jump to just before the next open."""
        wall = self._wall()
        if self._resume_at is None:
            seconds = Fraction(_INTERMISSION // timedelta(seconds=1)) / self._speed
            self._resume_at = wall + min(int(seconds * _NS_PER_S), _INTERMISSION_NS_MAX)
        if wall < self._resume_at:
            return self._market.now
        self._resume_at = None
        self._anchor = (wall, lead_in)
        return lead_in
