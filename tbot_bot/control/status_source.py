"""Gathers the facts of the status document and publishes it; the same document answers the portal."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import structlog

from tbot_bot.api.status import CacheStatus, ConditionShown, StatusDocument
from tbot_bot.config.files import write_atomically
from tbot_bot.control.break_signing import tie_out_status
from tbot_bot.control.condition_keeper import Standing
from tbot_bot.control.conductor import Conductor
from tbot_bot.control.foundation import Foundation
from tbot_bot.control.lifecycle import Lifecycle
from tbot_bot.control.strategy_status import strategy_statuses
from tbot_bot.domain.conditions import ConditionName
from tbot_bot.domain.intents import Window
from tbot_bot.domain.time import to_rfc3339
from tbot_bot.monitoring.error_handler import ErrorHandler
from tbot_bot.monitoring.state_changes import StateChanges
from tbot_bot.monitoring.status_bot import BotFacts, SystemFacts, build_document
from tbot_bot.trading.float_bot import deployed, float_deviation_pct

log = structlog.get_logger("status")
#: Conditions that a person should see to; a closed market is none of them.
_TROUBLES = frozenset(ConditionName) - {ConditionName.MARKET_CLOSED}


class StatusSource:
    """Builds the document when asked and writes `status.json` when it was told to publish."""

    def __init__(
        self,
        foundation: Foundation,
        lifecycle: Lifecycle,
        conductor: Conductor,
        errors: ErrorHandler,
        beside: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        """`beside` tells the troubles of what stands beside the trading."""
        self._foundation = foundation
        self._lifecycle = lifecycle
        self._conductor = conductor
        self._errors = errors
        self._beside = beside
        self._changes = StateChanges()
        self._clock = foundation.clock
        self._started_at = foundation.clock.now()
        self._path = foundation.home.status_document(conductor.floor.identity)
        self._lock = threading.Lock()
        self._document: StatusDocument | None = None

    def publish(self) -> StatusDocument:
        """Build the document afresh, write it, and let the portal know."""
        document = self._build()
        with self._lock:
            self._changes.look(document)
            self._document = document
            write_atomically(self._path, document.model_dump_json().encode(), mode=0o640, durable=False)
        return document

    def document(self) -> StatusDocument:
        """The newest document."""
        return self._document or self.publish()

    def _build(self) -> StatusDocument:
        now, session = self._clock.now(), self._conductor.floor.view.seen.session
        system = SystemFacts(
            now=now,
            started_at=self._started_at,
            state=self._lifecycle.state,
            state_reason=self._lifecycle.reason,
            state_since=self._lifecycle.since,
            generation=self._foundation.generation,
            last_error=self._errors.last,
            alert_counts=self._errors.counts(),
            session_alerts=self._errors.session_counts(session.day if session else None),
        )
        return build_document(system, self._bot())

    def _bot(self) -> BotFacts:
        conductor, floor = self._conductor, self._conductor.floor
        seen = floor.view.seen
        figures = conductor.day.figures(seen)
        allotted = conductor.day.allotted_float(seen)
        trades = floor.records.open_trades()
        held = {trade.symbol: trade.quantity for trade in trades}
        sessions = floor.records.session_results(1)
        today = floor.records.results(figures.day).result if figures.day else (sessions[0].result if sessions else None)
        last = floor.records.last_reconciliation()
        account = conductor.account.now()
        chosen = floor.configuration
        return BotFacts(
            name=str(floor.identity),
            broker=floor.kind.name,
            simulated=floor.kind.market_is_simulated,
            market_speed=str(chosen.SIM_SPEED) if floor.kind.market_is_simulated else None,
            market_seed=chosen.SIM_SEED if chosen.SIM_FEED == "synthetic" else None,
            float_allocation=allotted,
            float_deviation_pct=float_deviation_pct(deployed(held, seen.marks), allotted),
            defense=conductor.defense.state,
            float_in_force=None if allotted is None else allotted * conductor.defense.factor,
            armed=floor.kill_switch.is_armed(),
            triggered=conductor.kill_triggered(),
            paused_because=conductor.paused_because(),
            today=today,
            ever=floor.records.lifetime().result,
            trading_since=conductor.trading_since(),
            threshold=figures.threshold,
            loss_share=figures.loss_share,
            unrealised=figures.unrealised,
            equity=account.equity if account else None,
            cash=account.cash if account else None,
            open_positions=len(trades),
            open_orders=len(floor.records.open_orders()),
            unresolved=len(floor.orders.unresolved.open()),
            max_trades=conductor.day.limits().max_trades,
            api=conductor.api.judgement,
            strategy=seen.strategy if seen.window is not Window.IDLE else None,
            strategies=strategy_statuses(floor, seen, figures.day or (sessions[0].day if sessions else None)),
            last_trade_id=floor.records.last_trade_id(),
            session=seen.session,
            market_time=seen.market_time,
            market_open=seen.is_open,
            market_note=seen.ended_reason,
            tied_out_at=last.recorded_at if last else None,
            tied_out=last.is_clean if last else None,
            tie_out=tie_out_status(conductor.books.report, last),
            trial_balance_ok=floor.ledger.trial_balance().balanced,
            universe=CacheStatus.UP_TO_DATE if floor.kind.market_is_simulated else CacheStatus.UNKNOWN,
            conditions=[_shown(one) for one in conductor.input.found],
            troubles=self._troubles(),
        )

    def _troubles(self) -> tuple[str, ...]:
        conductor = self._conductor
        found = [conductor.books.break_found] if conductor.books.break_found else []
        if conductor.books.boot is not None and not conductor.books.boot.may_trade:
            found += list(conductor.books.boot.sentences)
        found += self._beside()
        found += [one.condition.sentence for one in conductor.input.found if one.condition.name in _TROUBLES]
        return tuple(dict.fromkeys(found))


def _shown(standing: Standing) -> ConditionShown:
    condition = standing.condition
    return ConditionShown(
        name=condition.name,
        sentence=condition.sentence,
        since=to_rfc3339(standing.since),
        next_step=condition.next_step,
        blocks_entries=condition.blocks,
    )
