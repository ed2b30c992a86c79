"""What every strategy does with a moment: exits that are due, stops that trail, entries while they are allowed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tbot_bot.domain.intents import Exit, Window, Wish
from tbot_bot.domain.trailing import Trail
from tbot_bot.strategies.base import Context
from tbot_bot.strategies.schedule import Schedule, time_exits
from tbot_bot.strategies.signals import Find, ShortType, entries
from tbot_bot.strategies.trailing import tightened


def wishes_of(
    context: Context[Any, Any], schedule: Schedule, find: Find, short: ShortType, trail: Trail
) -> Sequence[Wish]:
    """Exits first, then stops of what stays, then an entry or the reason against it for each symbol with a signal."""
    exits: list[Exit] = list(time_exits(context, schedule.exit_at))
    leaving = {each.symbol for each in exits}
    wishes: list[Wish] = [*exits]
    wishes += [each for each in tightened(context, trail) if each.symbol not in leaving]
    if schedule.window_at(context.now) is Window.TRADING:
        wishes += entries(context, find, short)
    return wishes
