"""What limits the bot now: the daily loss and defense mode, as the status page shows them."""

from __future__ import annotations

from tbot_bot.api.status import BotStatus
from tbot_web.support import figures
from tbot_web.support.figures import Shown
from tbot_web.support.status_view import NO_BOOKS, NO_MARKS, OK, WARN, Cell

_NO_SESSION = "no session has opened yet"


def loss_cells(bot: BotStatus) -> list[Cell]:
    """The session's result in its parts, and how much of the daily loss limit it uses."""
    return [
        Cell("Realised today, USD", figures.money(bot.daily_pnl, sign=True), reason=NO_BOOKS),
        Cell("Unrealised, USD", figures.money(bot.unrealised_pnl, sign=True), reason=NO_MARKS),
        Cell("Together, USD", figures.money(bot.day_result, sign=True), reason=NO_MARKS),
        Cell("Kill switch at a loss of, USD", figures.money(bot.daily_loss_threshold), reason=_NO_SESSION),
        Cell("Share of it used", figures.percent(bot.loss_limit_used_pct), reason="needs the float and every price"),
    ]


def defense_cells(bot: BotStatus) -> list[Cell]:
    """Whether defense mode stands, since when and why, and what entries may use."""
    words = None if bot.defense_mode_active is None else Shown("on" if bot.defense_mode_active else "off")
    cells = [Cell("Defense mode", words, WARN if bot.defense_mode_active else OK, "not read yet" if not words else "")]
    if bot.defense_since:
        cells += [Cell("Since, UTC", Shown(figures.moment(bot.defense_since, "short")))]
        cells += [Cell("Because", Shown("; ".join(bot.defense_reasons)))]
    if bot.defense_calm_since:
        cells += [Cell("Calm since, market time, UTC", Shown(figures.moment(bot.defense_calm_since, "short")))]
    return [
        *cells,
        Cell("Float for entries, USD", figures.money(bot.float_in_force), reason=_NO_SESSION),
        Cell("Trades a session, at most", figures.whole(bot.max_allowed_trades), reason=_NO_SESSION),
    ]
