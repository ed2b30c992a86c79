"""Keeps broker, books and ledger compared: when it is due, after any doubt, and before trading is unlocked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import structlog

from tbot_bot.control.announcements import Announcements
from tbot_bot.domain.time import Clock
from tbot_bot.trading.reconciliation import BootReport

log = structlog.get_logger("books")
AGAIN = timedelta(seconds=5)
EVERY = timedelta(minutes=2)


class BooksKeeper:
    """Remembers what the newest comparison found.

    `boot` is the last one that was to unlock trading, `report` the newest of all, `break_found` the sentence that
    blocks entries; `is_behind` says that something happened at the broker that is not booked yet.
    """

    def __init__(
        self,
        reconcile: Callable[[str], BootReport],
        clock: Clock,
        announce: Announcements,
        tell_pause: Callable[[], None],
        changed: Callable[[], None],
    ) -> None:
        self._reconcile = reconcile
        self._clock = clock
        self._announce = announce
        self._tell_pause = tell_pause
        self._changed = changed
        self._due_at = clock.now()
        self.boot: BootReport | None = None
        self.report: BootReport | None = None
        self.break_found: str | None = None
        self.is_behind = False

    @property
    def is_due(self) -> bool:
        """Whether it is time to compare."""
        return self._clock.now() >= self._due_at

    @property
    def is_broken(self) -> bool:
        """Whether they disagree, and nobody signed for it."""
        return self.break_found is not None or (self.boot is not None and not self.boot.may_trade)

    def expect(self) -> None:
        """Compare at the next turn."""
        self._due_at = self._clock.now()

    def compare_while_trading(self) -> None:
        """Compare if it is due or the books are behind."""
        due = self.is_due
        if due or self.is_behind:
            self.is_behind = False
            self._due_at = self._clock.now() + EVERY
            self.judge(self._reconcile("timer" if due else "books behind"))

    def judge(self, report: BootReport) -> None:
        """Entries are blocked while they disagree, or while that cannot be told."""
        self.report = report
        found = None if report.may_trade else " ".join(report.sentences) or "broker, books and ledger disagree"
        if found != self.break_found:
            self.break_found = found
            self._tell_pause()
            log.log(40 if found else 20, "tie-out", found=found or "clean")
            self._announce.tie_out(found or "")
            self._changed()

    def postpone(self) -> None:
        """Compare again a moment later."""
        self._due_at = self._clock.now() + AGAIN

    def may_unlock(self) -> bool:
        """Compare before trading begins; whether it may, because all agrees or an administrator signed."""
        self.boot = self.report = self._reconcile("boot")
        self._changed()
        if not self.boot.may_trade:
            log.warning("trading stays locked", found=list(self.boot.sentences))
            if self.boot.exceptions:  # what could not be read is no disagreement
                self._announce.tie_out("; ".join(self.boot.sentences))
            return False
        self.break_found = None
        self._announce.tie_out("")
        self.is_behind = False
        return True

    def unlocked(self) -> str:
        """Trading has begun on the books as compared; says how they stand."""
        self._due_at = self._clock.now() + EVERY
        clean = self.boot is None or self.boot.clean
        return f"broker, books and ledger {'agree' if clean else 'differ as an administrator has signed'}"
