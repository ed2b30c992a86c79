"""The exchange calendar: every New York session with its open and close, early closes and holidays included.

The calendar library and what it brings along is heavy, so it runs in a child process: `python -m
tbot_bot.market.calendar FIRST LAST` writes one JSON array of [day, open, close] to standard output.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, date

from tbot_bot.domain.market import Session
from tbot_bot.domain.time import from_rfc3339, to_rfc3339

EXCHANGE = "XNYS"
TIMEOUT_S = 120


class CalendarError(Exception):
    """The calendar could not be built; the message says why and what to do."""


def build(first: date, last: date | None = None) -> list[Session]:
    """Return the sessions from `first` to `last` (as far as the calendar reaches when None), in a child process."""
    command = [sys.executable, "-m", "tbot_bot.market.calendar", first.isoformat(), last.isoformat() if last else ""]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=TIMEOUT_S, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CalendarError(f"The exchange calendar could not be built: {error}. Try again.") from error
    if done.returncode:
        detail = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise CalendarError(f"The exchange calendar could not be built: {''.join(detail)}. Try again.")
    return [
        Session(date.fromisoformat(day), from_rfc3339(open_at), from_rfc3339(close_at))
        for day, open_at, close_at in json.loads(done.stdout)
    ]


def sessions_between(first: date, last: date | None) -> Sequence[Session]:
    """Ask the calendar library; heavy, for the child process only."""
    import exchange_calendars

    calendar = exchange_calendars.get_calendar(
        EXCHANGE, start=first.isoformat(), end=last.isoformat() if last else None
    )
    schedule = calendar.schedule
    return [
        Session(day.date(), row.open.to_pydatetime().astimezone(UTC), row.close.to_pydatetime().astimezone(UTC))
        for day, row in zip(schedule.index, schedule.itertuples(), strict=True)
    ]


def main(arguments: Sequence[str]) -> int:
    """Write the sessions as JSON."""
    first, last = arguments
    found = sessions_between(date.fromisoformat(first), date.fromisoformat(last) if last else None)
    rows = [[one.day.isoformat(), to_rfc3339(one.open_at), to_rfc3339(one.close_at)] for one in found]
    sys.stdout.write(json.dumps(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
