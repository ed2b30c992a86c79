"""What broker, books and ledger disagree about, as it is shown, and its acceptance by an administrator.

RefusedError
+-- NothingToSignError    there is no difference that could be accepted
+-- BreakChangedError     what differs is no longer what was shown
"""

from __future__ import annotations

import json
from datetime import datetime

from tbot_bot.api.status import Difference, TieOut
from tbot_bot.api.wire import text_or_none
from tbot_bot.domain.audit import RefusedError
from tbot_bot.domain.money import Quantity
from tbot_bot.domain.reconcile import TieRow
from tbot_bot.domain.time import from_rfc3339, to_rfc3339
from tbot_bot.domain.trades import Reconciliation
from tbot_bot.trading.reconciliation import BootReport
from tbot_bot.trading.trade_logger import TradeLogger


class NothingToSignError(RefusedError):
    """Only a difference that was read and stands can be accepted."""

    code = "nothing_to_sign"

    def __init__(self) -> None:
        super().__init__("No difference between broker, books and ledger waits for a signature.")


class BreakChangedError(RefusedError):
    """Another difference than the one that was shown is never accepted."""

    code = "break_changed"

    def __init__(self) -> None:
        super().__init__(
            "The difference is no longer the one that was shown. Look at it as it is now, then sign again."
        )


def tie_out_status(report: BootReport | None, last: Reconciliation | None) -> TieOut | None:
    """The newest comparison; `report` is the newest of this process, `last` the newest on record."""
    if report is None:
        return None if last is None else _recorded(last)
    found = TieOut(
        at=to_rfc3339(report.tie.at),
        verified=report.verified,
        clean=report.clean,
        sentences=list(report.sentences),
        exceptions=list(report.exceptions),
        differences=[_difference(row) for row in report.tie.differences],
    )
    return found if last is None or not report.verified else found.model_copy(update=_signature(last))


def sign(records: TradeLogger, report: BootReport | None, subject: str, actor: str, reason: str, now: datetime) -> None:
    """Accept the differences of the comparison that `subject` names, as `TieOut.subject` has it, durably.

    Raises NothingToSignError, BreakChangedError.
    """
    last = records.last_reconciliation()
    if last is None or last.is_clean or last.signed_by is not None or (report is not None and not report.verified):
        raise NothingToSignError
    if subject != str(last.seq):
        raise BreakChangedError
    records.sign_reconciliation(last.seq, actor=actor, reason=reason, signed_at=now)


def _difference(row: TieRow) -> Difference:
    return Difference(
        name=row.name,
        broker=text_or_none(row.broker),
        books=text_or_none(row.books),
        ledger=str(row.ledger),
        difference=str(row.difference),
    )


def _signature(last: Reconciliation) -> dict[str, str | None]:
    return {
        "subject": str(last.seq),
        "signed_by": last.signed_by,
        "signed_at": None if last.signed_at is None else to_rfc3339(last.signed_at),
        "signed_reason": last.signed_reason,
    }


def _recorded(last: Reconciliation) -> TieOut:
    kept = json.loads(last.document)
    found = TieOut(
        at=to_rfc3339(from_rfc3339(kept["tied_out_at"])),
        verified=True,
        clean=last.is_clean,
        sentences=kept["sentences"],
        exceptions=kept["exceptions"],
        differences=[Difference(**row) for row in kept["rows"] if Quantity.of(row["difference"])],
    )
    return found.model_copy(update=_signature(last))
