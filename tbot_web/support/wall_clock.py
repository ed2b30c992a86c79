"""The wall's clock, for the process that serves the portal."""

from __future__ import annotations

from datetime import UTC, datetime


class WallClock:
    """Real time in UTC."""

    def now(self) -> datetime:
        """Return the present."""
        return datetime.now(UTC)
