"""The runner as it is, but its kill switch can be reset as soon as the closing is over: for kills in quantity."""

from __future__ import annotations

import sys
from datetime import timedelta

from tbot_bot.control import kill_latch
from tbot_bot.control.main import main

if __name__ == "__main__":
    kill_latch.RESET_HOLD = timedelta(0)
    sys.exit(main())
