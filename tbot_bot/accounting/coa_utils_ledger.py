"""The chart of accounts in the ledger: made once, then read with its metadata."""

from __future__ import annotations

from collections.abc import Sequence

from tbot_bot.domain.accounts import DEFAULT_ACCOUNTS, FUNCTIONAL_CURRENCY, Account, Chart, require_chart
from tbot_bot.domain.entries import EventDraft, LedgerError
from tbot_bot.domain.ledger_port import LedgerStore
from tbot_bot.domain.time import Clock


class ChartMissingError(LedgerError):
    """The ledger has no chart yet."""

    def __init__(self) -> None:
        super().__init__("The ledger has no chart of accounts yet. Finish provisioning; it makes the default chart.")


def create_chart(
    store: LedgerStore,
    clock: Clock,
    *,
    entity: str,
    jurisdiction: str,
    accounts: Sequence[Account] = DEFAULT_ACCOUNTS,
) -> Chart:
    """Store the first chart as an event of the ledger; a repeat returns the one that is there.

    Raises ChartError if the accounts break a rule, IdempotencyConflictError if another chart was made before.
    """
    require_chart(accounts)
    now = clock.now()
    chart = Chart(
        version=1,
        currency=FUNCTIONAL_CURRENCY,
        entity=entity,
        jurisdiction=jurisdiction,
        created_at=now,
        updated_at=now,
        accounts=tuple(sorted(accounts, key=lambda account: account.code)),
    )
    with store.transaction() as unit:
        return unit.ledger.add_chart(_chart_event(chart), chart)


def load_chart(store: LedgerStore) -> Chart:
    """Return the chart in force; raises ChartMissingError before there is one."""
    with store.snapshot() as unit:
        chart = unit.ledger.chart()
    if chart is None:
        raise ChartMissingError
    return chart


def _chart_event(chart: Chart) -> EventDraft:
    return EventDraft(
        kind="chart",
        source="provisioning",
        idempotency_key=f"chart:{chart.version}",
        actor="system",
        facts={
            "version": chart.version,
            "currency": chart.currency,
            "entity": chart.entity,
            "jurisdiction": chart.jurisdiction,
            "accounts": [
                {"code": account.code, "name": account.name, "at_broker": account.at_broker}
                for account in chart.accounts
            ],
        },
    )
