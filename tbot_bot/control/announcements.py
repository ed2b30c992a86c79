"""The events of trading as sentences for people: what each notice says, and that a lasting state is told once."""

from __future__ import annotations

from datetime import date

from tbot_bot.api.control import ClosingReport
from tbot_bot.api.status import ApiHealth
from tbot_bot.domain.defense import Defense
from tbot_bot.domain.money import Money
from tbot_bot.domain.notices import NoticeKind
from tbot_bot.domain.trades import Result
from tbot_bot.monitoring.notices import Notices
from tbot_bot.monitoring.watchdog_bot import Judgement


class Announcements:
    """What the conductor has to say; `notices` is open for events that need no memory here."""

    def __init__(self, notices: Notices) -> None:
        self.notices = notices
        self._break = ""

    def kill(self, reason: str) -> None:
        """The kill switch was seen triggered."""
        self.notices.tell(
            NoticeKind.KILL,
            f"The kill switch is triggered: {reason}. No order is sent any more, except to close what is open; it stays"
            " so until an administrator resets it.",
            {"reason": reason},
        )

    def loss_limit(self, reason: str) -> None:
        """The session's loss reached the limit."""
        self.notices.tell(NoticeKind.LOSS_LIMIT, f"The kill switch was pulled: {reason}.", {"reason": reason})

    def closing(self, report: ClosingReport | None, outcome: str) -> None:
        """A Stop or Kill is over, or waits for somebody."""
        if report is None:
            return
        left = ", ".join(f"{line.symbol} {line.quantity}" for line in report.residuals)
        facts = {step.name: f"{step.status}; {step.detail}" if step.detail else step.status for step in report.steps}
        self.notices.tell(
            NoticeKind.CLOSING_REPORT,
            f"{report.kind.capitalize()}: {outcome}. Still open: {left or 'nothing'}.",
            {"began at": report.started_at, "ended at": report.ended_at or "not yet", **facts},
        )

    def defense(self, state: Defense) -> None:
        """Defense mode began or ended."""
        why = "; ".join(state.causes.values())
        begun = f"Defense mode began: {why}. New entries are smaller and fewer; what is open is managed as before."
        self.notices.tell(
            NoticeKind.DEFENSE,
            begun if state.is_active else "Defense mode is over; entries have the whole float and all limits again.",
            {"causes": why} if why else {},
        )

    def tie_out(self, found: str) -> None:
        """What broker, books and ledger disagree about, empty when they agree; told when it changes."""
        if found == self._break:
            return
        self._break = found
        what = f"No entry is made until this is settled: {found}." if found else "They agree again."
        self.notices.tell(NoticeKind.RECONCILIATION_BREAK, what, {"found": found or "clean"})

    def api_health(self, judged: Judgement) -> None:
        """The broker's interface is down, or was until now."""
        what = f"The broker's interface is {judged.health}: {judged.reason or 'it answers again'}."
        if judged.health is ApiHealth.DOWN:
            what += " No entry is made until it answers again; protective orders stand at the broker."
        self.notices.tell(NoticeKind.API_HEALTH, what, {"health": judged.health})

    def session_summary(self, day: date, result: Result, equity: Money | None, found: str) -> None:
        """An exchange session closed."""
        shown = "unknown" if equity is None else f"{equity} USD"
        win_rate = result.win_rate_pct
        self.notices.tell(
            NoticeKind.SESSION_SUMMARY,
            f"Session of {day.isoformat()}: {result.trades_closed} trades closed, result {result.pnl} USD, equity"
            f" {shown}, broker, books and ledger {'agree' if not found else 'disagree'}.",
            {
                "session": day.isoformat(),
                "trades closed": str(result.trades_closed),
                "wins": str(result.wins),
                "win rate": "none closed" if win_rate is None else f"{win_rate} %",
                "result": f"{result.pnl} USD",
                "fees": f"{result.fees} USD",
                "equity": shown,
                "tie-out": found or "clean",
            },
        )
